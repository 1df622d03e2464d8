#include "proxy/scopes.h"

#include <stdlib.h>

/* Of one scope: parsing takes SCOPE_MEMORY at most, freezing and the two texts no more again, and
 * the encoded ones two and three times as much as a text. Plans are kept while there is room. */
#define ARENA_BYTES (3 * SCOPE_MEMORY + 6 * SCOPE_MAX_BYTES)

struct proxy_scopes {
    struct proxy_scope *kept[PROXY_SCOPES]; /* by hash */
};

int proxy_scopes_create(struct proxy_scopes **out)
{
    *out = calloc(1, sizeof **out);
    return *out ? 0 : ERR_NO_MEMORY;
}

void proxy_scopes_destroy(struct proxy_scopes **sp)
{
    struct proxy_scopes *s = *sp;
    *sp = NULL;
    if (!s)
        return;
    for (size_t i = 0; i < PROXY_SCOPES; i++)
        proxy_scope_unref(&s->kept[i]);
    free(s);
}

void proxy_scope_unref(struct proxy_scope **sp)
{
    struct proxy_scope *s = *sp;
    *sp = NULL;
    if (!s || --s->refs > 0)
        return;
    proxy_text_unref(&s->shared);
    arena_fini(&s->arena);
    free(s);
}

/* FNV-1a. Who makes scopes collide only makes his own ones be read again. */
static uint64_t hash_of(struct str s)
{
    uint64_t h = 1469598103934665603ull;
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 1099511628211ull;
    return h;
}

static int print(struct proxy_scope *s, struct diag *d)
{
    char text[SCOPE_MAX_BYTES];
    struct out o;
    out_init(&o, text, sizeof text);
    scope_print(s->frozen, &o);
    if (o.overflowed)
        return diag_set(d, ERR_SCOPE_LIMIT, "the scope is too long");
    s->text = arena_str(&s->arena, out_get(&o));
    s->shared = proxy_text_create(out_get(&o));
    if (!s->text.p || !s->shared || app_scope_encode(&s->encoded, s->text, &s->arena) < 0)
        return diag_set(d, ERR_NO_MEMORY, "no memory for the scope");
    return 0;
}

/* What is parsed borrows from its text, so the text is copied first. */
static int read_scope(struct proxy_scope *s, const struct proxy_scope_question *q, struct diag *d)
{
    struct scope *parsed;
    s->written = arena_str(&s->arena, q->written);
    s->service = arena_str(&s->arena, q->service);
    if (arena_overflowed(&s->arena))
        return diag_set(d, ERR_NO_MEMORY, "no memory for the scope");
    int rc = scope_parse(s->written, &s->arena, &parsed, d);
    if (rc == 0)
        rc = scope_freeze(parsed, q->origin, s->service, &s->arena, &s->frozen, d);
    return rc < 0 ? rc : print(s, d);
}

static int create(const struct proxy_scope_question *q, uint64_t hash, struct proxy_scope **out,
                  struct diag *d)
{
    struct proxy_scope *s = calloc(1, sizeof *s);
    if (!s)
        return diag_set(d, ERR_NO_MEMORY, "no memory for the scope");
    s->refs = 1;
    s->hash = hash;
    arena_init(&s->arena, NULL, 0, ARENA_BYTES);
    int rc = read_scope(s, q, d);
    if (rc < 0)
        proxy_scope_unref(&s);
    *out = s;
    return rc;
}

int proxy_scopes_get(struct proxy_scopes *all, const struct proxy_scope_question *q,
                     struct proxy_scope **out, struct diag *d)
{
    uint64_t hash = hash_of(q->written);
    struct proxy_scope **kept = &all->kept[hash % PROXY_SCOPES], *s = *kept;
    if (s && s->hash == hash && str_eq(s->written, q->written) && str_eq(s->service, q->service)) {
        s->refs++;
        *out = s;
        return 0;
    }
    int rc = create(q, hash, out, d);
    if (rc == 0 && q->written.n <= PROXY_SCOPE_BYTES) {
        proxy_scope_unref(kept);
        *kept = *out;
        (*out)->refs++;
    }
    return rc;
}

/* The rule tells type, kind and whether there is an identifier; where none takes a request, or its
 * method has no number, nothing is kept. */
const struct plan *proxy_scope_plan(const struct proxy_scope *s, const struct app_class *class_,
                                    enum h1_method method)
{
    for (size_t i = 0; i < s->n_plans; i++)
        if (s->plans[i].rule == class_->rule && s->plans[i].method == method)
            return s->plans[i].plan;
    return NULL;
}

void proxy_scope_keep(struct proxy_scope *s, const struct app_class *class_, enum h1_method method,
                      const struct plan *plan)
{
    if (!class_->rule || method == H1_METHOD_OTHER || s->n_plans == PROXY_SCOPE_PLANS ||
        !plan_is_fixed(plan))
        return;
    struct plan *copy = arena_alloc(&s->arena, sizeof *copy);
    struct plan_leg *legs = arena_alloc(&s->arena, plan->n_legs * sizeof *legs);
    if (arena_overflowed(&s->arena))
        return;
    *copy = *plan;
    copy->legs = memcpy(legs, plan->legs, plan->n_legs * sizeof *legs);
    s->plans[s->n_plans++] = (struct proxy_scope_plan){class_->rule, method, copy};
}
