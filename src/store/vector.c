#include "store/vector.h"

#define NUMBERS_BYTES 16

static uint64_t read_u64(const char *p)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v = v << 8 | (unsigned char)p[i];
    return v;
}

static void put_u64(struct out *o, uint64_t v)
{
    for (int shift = 56; shift >= 0; shift -= 8)
        out_char(o, (char)(v >> shift & 0xff));
}

bool store_vector_next(struct str *rest, struct store_vector_entry *e)
{
    size_t n = rest->n ? (unsigned char)rest->p[0] : 0;
    if (rest->n < 1 + n + NUMBERS_BYTES)
        return false;
    e->site = (struct str){rest->p + 1, n};
    e->incarnation = read_u64(rest->p + 1 + n);
    e->n = read_u64(rest->p + 1 + n + 8);
    *rest = str_from(*rest, 1 + n + NUMBERS_BYTES);
    return true;
}

int store_vector_compare(const struct store_vector_entry *a, const struct store_vector_entry *b)
{
    int order = str_cmp(a->site, b->site);
    return order ? order : (a->incarnation > b->incarnation) - (a->incarnation < b->incarnation);
}

int store_vector_check(struct str bytes)
{
    struct store_vector_entry e, last = {.site = STR("")};
    while (store_vector_next(&bytes, &e)) {
        if (e.site.n == 0 || e.n == 0 || store_vector_compare(&last, &e) >= 0)
            return ERR_INVALID;
        last = e;
    }
    return bytes.n ? ERR_INVALID : 0;
}

void store_vector_put(struct out *o, const struct store_vector_entry *e)
{
    if (e->site.n > STORE_SITE_BYTES) {
        o->overflowed = true;
        return;
    }
    out_char(o, (char)e->site.n);
    out_str(o, e->site);
    put_u64(o, e->incarnation);
    put_u64(o, e->n);
}
