/* base/out.h: writing text into memory of a fixed size, tested once at the end.
 *
 * A write that does not fit marks the writer and writes nothing more; what was written before
 * stays. Nothing is allocated.
 *
 *     char mem[200];
 *     struct out o;
 *     out_init(&o, mem, sizeof mem);
 *     out_str(&o, STR("site "));
 *     out_u64(&o, 7);
 *     if (o.overflowed) …
 *     use(out_get(&o));
 */
#ifndef BASE_OUT_H
#define BASE_OUT_H

#include "base/str.h"

struct out {
    char *p;
    size_t n, cap;
    bool overflowed;
};

void out_init(struct out *o, void *mem, size_t cap);

static inline struct str out_get(const struct out *o)
{
    return (struct str){o->p, o->n};
}

static inline void out_str(struct out *o, struct str s)
{
    if (s.n > o->cap - o->n || o->overflowed) {
        o->overflowed = true;
        return;
    }
    if (s.n)
        memcpy(o->p + o->n, s.p, s.n);
    o->n += s.n;
}

static inline void out_char(struct out *o, char c)
{
    out_str(o, (struct str){&c, 1});
}

/* A literal. */
#define OUT(o, literal) out_str(o, STR(literal))

void out_u64(struct out *o, uint64_t v);
/* Lower-case hexadecimal without leading zeros. */
void out_hex(struct out *o, uint64_t v);
/* All sixteen digits: identifiers. */
void out_hex64(struct out *o, uint64_t v);
void out_fmt(struct out *o, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* At most `limit` characters of s as a person can read them: control characters and what is not
 * UTF-8 become '?', and "…" stands for what is left out. */
void out_visible(struct out *o, struct str s, size_t limit);
/* s as a JSON string with its quotes. What is not valid UTF-8 becomes U+FFFD; control characters,
 * quote and backslash are escaped. */
void out_json(struct out *o, struct str s);

#endif
