#include "codec/trace.h"

static bool is_lower_hex(struct str s, bool not_all_zero)
{
    bool nonzero = false;
    for (size_t i = 0; i < s.n; i++) {
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
            return false;
        nonzero |= s.p[i] != '0';
    }
    return nonzero || !not_all_zero;
}

bool trace_is_parent(struct str v)
{
    /* 2 version - 32 trace-id - 16 parent-id - 2 flags */
    if (v.n < 55 || v.p[2] != '-' || v.p[35] != '-' || v.p[52] != '-' || str_starts(v, STR("ff")))
        return false;
    if (v.n > 55 && (str_starts(v, STR("00")) || v.p[55] != '-'))
        return false;
    return is_lower_hex(str_sub(v, 0, 2), false) && is_lower_hex(str_sub(v, 3, 32), true) &&
           is_lower_hex(str_sub(v, 36, 16), true) && is_lower_hex(str_sub(v, 53, 2), false);
}

struct str trace_take(struct h1_head *h)
{
    size_t i = h1_find(h, H1_TRACEPARENT, 0);
    if (i < h->n_fields && h1_find(h, H1_TRACEPARENT, i + 1) == h->n_fields &&
        trace_is_parent(h1_value(h, i)))
        return h1_value(h, i);
    h1_drop(h, H1_TRACEPARENT);
    h1_drop(h, H1_TRACESTATE);
    return STR_NULL;
}

/* The next member of a list that is not empty. */
static bool next_member(struct str *list, struct str *member)
{
    while (str_split(list, ',', member)) {
        *member = str_trim(*member);
        if (member->n)
            return true;
    }
    return false;
}

size_t trace_count_members(const struct h1_head *h)
{
    struct str member;
    size_t n = 0;
    for (size_t i = h1_find(h, H1_TRACESTATE, 0); i < h->n_fields;
         i = h1_find(h, H1_TRACESTATE, i + 1))
        for (struct str list = h1_value(h, i); !h->fields[i].drop && next_member(&list, &member);)
            n++;
    return n;
}

void trace_move_members(struct h1_head *h, size_t n, struct out *o)
{
    struct str member;
    for (size_t i = h1_find(h, H1_TRACESTATE, 0); i < h->n_fields;
         i = h1_find(h, H1_TRACESTATE, i + 1)) {
        struct str list = h->fields[i].drop ? STR_NULL : h1_value(h, i);
        h->fields[i].drop = true;
        for (; n && next_member(&list, &member); n--) {
            OUT(o, ",");
            out_str(o, member);
        }
    }
}
