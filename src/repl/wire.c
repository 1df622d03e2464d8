/* Numbers and strings as bytes. */
#include "repl/wire.h"

void repl_put_u64(struct out *o, uint64_t v)
{
    char bytes[10];
    size_t n = 0;
    for (; v > 0x7f; v >>= 7)
        bytes[n++] = (char)(unsigned char)(0x80 | (v & 0x7f));
    bytes[n++] = (char)v;
    out_str(o, (struct str){bytes, n});
}

void repl_put_str(struct out *o, struct str s)
{
    repl_put_u64(o, s.n);
    out_str(o, s);
}

static uint64_t bad(struct repl_reader *r)
{
    r->is_bad = true;
    return 0;
}

uint64_t repl_get_u64(struct repl_reader *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && r->rest.n > 0 && !r->is_bad; shift += 7) {
        unsigned char byte = (unsigned char)r->rest.p[0];
        r->rest = str_from(r->rest, 1);
        if (shift == 63 && byte > 1)
            break;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return v;
    }
    return bad(r);
}

uint64_t repl_get_max(struct repl_reader *r, uint64_t max)
{
    uint64_t v = repl_get_u64(r);
    return v > max ? bad(r) : v;
}

bool repl_get_bool(struct repl_reader *r)
{
    return repl_get_max(r, 1) != 0;
}

struct str repl_get_str(struct repl_reader *r)
{
    uint64_t n = repl_get_max(r, r->rest.n);
    if (r->is_bad || n > r->rest.n) {
        r->is_bad = true;
        return STR_NULL;
    }
    struct str s = str_sub(r->rest, 0, (size_t)n);
    r->rest = str_from(r->rest, (size_t)n);
    return s;
}

bool repl_get_end(const struct repl_reader *r)
{
    return !r->is_bad && r->rest.n == 0;
}
