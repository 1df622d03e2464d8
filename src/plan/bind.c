/* Which binding of a scope a request falls under. A service has one name and may have aliases; a
 * scope may use any of them as a key, and a binding by an alias counts like one by the name. */
#include "plan/internal.h"

/* How exactly a binding that scope_find gave fits: "service.type", type, service, "*". */
static int exactness(const struct plan_in *in, const struct scope_binding *b, struct str service)
{
    const struct app_type *type = in->class_->type;
    if (b->is_any)
        return 1;
    if (!b->key.p || str_eq(b->key, service))
        return 2;
    return type && str_eq(b->key, type->name) ? 3 : 4;
}

int plan_find_binding(const struct plan_in *in, const struct scope_binding **out, struct diag *d)
{
    const struct app_type *type = in->class_->type;
    struct str type_name = type ? type->name : STR_NULL;
    bool type_is_service = type && app_service_find(in->app, type->name) != NULL;
    const struct scope_binding *best = NULL;
    int best_fit = 0;
    for (size_t i = 0; i <= in->service->n_aliases; i++) {
        struct str name = i == 0 ? in->service->name : in->service->aliases[i - 1];
        const struct scope_binding *b = scope_find(in->scope, name, type_name, type_is_service);
        int fit = b ? exactness(in, b, name) : 0;
        if (fit == best_fit && fit > 0 && b != best) {
            const struct scope_binding *second = b->offset > best->offset ? b : best;
            int rc =
                diag_at(d, ERR_SCOPE_DUPLICATE_KEY, second->offset, second->length,
                        "'%.*s' and '%.*s' are names of the same service, which is bound twice",
                        STR_ARG(best->key), STR_ARG(b->key));
            diag_hint(d, "remove one of them");
            return rc;
        }
        if (fit > best_fit) {
            best = b;
            best_fit = fit;
        }
    }
    *out = best;
    return 0;
}
