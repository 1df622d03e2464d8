/* base/str.h: a span of bytes that somebody else owns.
 *
 * A struct str borrows: it is valid as long as what it points into. It is passed by value and
 * need not end in NUL. An absent string has p == NULL; an empty one has n == 0.
 *
 *     struct str s = STR("image");
 *     if (str_eq(s, STR("image"))) …
 *     printf("%.*s", STR_ARG(s));
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *p;
    size_t n;
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_NULL     ((struct str){NULL, 0})
/* Whether p is not NULL. The analyzer cannot know that it is whenever n > 0, and would follow the
 * other way to a NULL that never is; to it the question is not put. */
#ifdef __clang_analyzer__
#define STR_THERE(p) true
#else
#define STR_THERE(p) ((p) != NULL)
#endif
/* For "%.*s". */
#define STR_ARG(s) (int)(s).n, STR_THERE((s).p) ? (s).p : ""

static inline struct str str_of(const char *z)
{
    return (struct str){z, z ? strlen(z) : 0};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

/* The part of s from byte `from` on, at most n bytes of it; both are clamped to s. */
static inline struct str str_sub(struct str s, size_t from, size_t n)
{
    if (from > s.n)
        from = s.n;
    return (struct str){STR_THERE(s.p) ? s.p + from : NULL, n < s.n - from ? n : s.n - from};
}

static inline struct str str_from(struct str s, size_t from)
{
    return str_sub(s, from, SIZE_MAX);
}

/* Equal but for the case of ASCII letters (field names, hosts, schemes). */
bool str_eq_nocase_bytes(const char *a, const char *b, size_t n);
static inline bool str_eq_nocase(struct str a, struct str b)
{
    return a.n == b.n && str_eq_nocase_bytes(a.p, b.p, a.n);
}
/* Order of bytes, as memcmp; a prefix comes first. */
int str_cmp(struct str a, struct str b);
/* Index of the first c in s, or -1. */
static inline ptrdiff_t str_find(struct str s, char c)
{
    const char *at = s.n ? memchr(s.p, c, s.n) : NULL;
    return at ? at - s.p : -1;
}
/* Without leading and trailing blanks and tabs. */
static inline struct str str_trim(struct str s)
{
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
        s.p++, s.n--;
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}
/* Takes what stands before the first `sep` off *rest, without it; the last piece leaves *rest
 * absent. Returns false when *rest was absent. Pieces are not trimmed. */
bool str_split(struct str *rest, char sep, struct str *piece);

/* Decimal digits only, at least one, no sign, no blanks, at most `max`. Returns 0 or ERR_INVALID,
 * and leaves *out alone then. The only parser of numbers that come from outside. */
int str_digits(struct str s, uint64_t max, uint64_t *out) __attribute__((warn_unused_result));
/* The same for hexadecimal digits of either case (chunk sizes). */
int str_hex(struct str s, uint64_t max, uint64_t *out) __attribute__((warn_unused_result));

/* Edit distance (insertions, deletions, replacements, exchanges of neighbours) between a and b,
 * but `limit` + 1 when it is more than limit; limit is at most 3, texts over 64 bytes differ. */
unsigned str_distance(struct str a, struct str b, unsigned limit);
/* The candidate nearest to s within a distance that suits its length (none up to two bytes, 1 up to
 * four, else 2), case ignored; the first of equals; STR_NULL when there is none. For "did you
 * mean". */
struct str str_nearest(struct str s, const struct str *candidates, size_t n);

#endif
