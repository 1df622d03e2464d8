/* What the application's description and the query say of a list, for the gatherer. */
#include "plan/gather.h"

#include "codec/uri.h"

/* A member's name as a pointer to it. */
static struct str pointer_to(struct str member, struct arena *a)
{
    char *memory = arena_alloc(a, member.n * 2 + 1);
    struct out o;
    out_init(&o, memory, memory ? member.n * 2 + 1 : 0);
    out_char(&o, '/');
    for (size_t i = 0; i < member.n; i++) {
        char c = member.p[i];
        out_str(&o, c == '~' ? STR("~0") : c == '/' ? STR("~1") : (struct str){&c, 1});
    }
    return out_get(&o);
}

static void read_order(struct str text, struct gather_conf *c)
{
    if (str_eq(text, STR("asc")))
        c->is_descending = false;
    else if (str_eq(text, STR("desc")))
        c->is_descending = true;
}

/* The member that the query sorts by, of several the first, and the order behind its colon. */
static struct str asked_member(const struct app_list *l, struct str target, struct arena *a,
                               struct gather_conf *c)
{
    struct str value = STR_NULL;
    struct out o;
    for (size_t i = 0; i < l->n_sort_by && !value.n; i++)
        if (!uri_query_find(target, l->sort_by[i], &value))
            value = STR_NULL;
    char *memory = value.n ? arena_alloc(a, value.n) : NULL;
    out_init(&o, memory, memory ? value.n : 0);
    if (!memory || uri_value_decode(value, &o) < 0)
        return l->sort_key;
    struct str rest = out_get(&o), member = STR_NULL;
    str_split(&rest, ',', &member);
    ptrdiff_t colon = str_find(member, ':');
    if (colon < 0)
        return member;
    read_order(str_from(member, (size_t)colon + 1), c);
    return str_sub(member, 0, (size_t)colon);
}

int gather_conf_read(const struct app_type *type, struct str target, struct arena *a,
                     struct gather_conf *c)
{
    const struct app_list *l = &type->list;
    struct str value;
    *c = (struct gather_conf){
        .array = l->array,
        .is_descending = l->order == APP_DESCENDING,
        .id = l->id.p ? l->id : type->id_pointer,
        .ids_unique = type->ids_unique,
        .next = l->next,
        .marker = l->marker_parameter,
        .target = target,
    };
    if (l->order_parameter.p && uri_query_find(target, l->order_parameter, &value))
        read_order(value, c);
    if (l->sort_key.p)
        c->sort = pointer_to(asked_member(l, target, a, c), a);
    if (l->limit_parameter.p && uri_query_find(target, l->limit_parameter, &value) &&
        str_digits(value, UINT32_MAX, &c->limit) < 0)
        c->limit = 0; /* the sites will say what is wrong with it */
    return arena_overflowed(a) ? ERR_NO_MEMORY : 0;
}
