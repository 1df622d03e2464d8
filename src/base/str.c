#include "base/str.h"
#include "base/err.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Eight bytes, their ASCII letters made small. A byte with its highest bit taken off is carried
 * over that bit by what is added when it is a letter, or beyond 'Z'; no sum reaches the next byte.
 */
static uint64_t lower_word(const char *p)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t word;
    memcpy(&word, p, sizeof word);
    uint64_t low = word & (ones * 0x7f);
    uint64_t from_a = low + ones * (0x80 - 'A'), beyond_z = low + ones * (0x7f - 'Z');
    return word | ((from_a & ~beyond_z & ~word & (ones * 0x80)) >> 2);
}

/* Names of fields are compared by every request: in words. */
bool str_eq_nocase_bytes(const char *a, const char *b, size_t n)
{
    size_t i = 0;
    for (; n - i >= 8; i += 8)
        if (lower_word(a + i) != lower_word(b + i))
            return false;
    if (i && i < n) /* the last word overlaps what was compared */
        return lower_word(a + n - 8) == lower_word(b + n - 8);
    for (; i < n; i++)
        if (lower(a[i]) != lower(b[i]))
            return false;
    return true;
}

int str_cmp(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.p, b.p, n) : 0;
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

bool str_split(struct str *rest, char sep, struct str *piece)
{
    if (!rest->p)
        return false;
    ptrdiff_t at = str_find(*rest, sep);
    if (at < 0) {
        *piece = *rest;
        *rest = STR_NULL;
        return true;
    }
    *piece = str_sub(*rest, 0, (size_t)at);
    *rest = str_from(*rest, (size_t)at + 1);
    return true;
}

/* 16 and above: none. */
static unsigned digit_value(char c)
{
    unsigned digit = (unsigned char)c - (unsigned)'0';
    unsigned letter = ((unsigned char)c | 0x20u) - 'a';
    return digit <= 9 ? digit : letter <= 5 ? letter + 10 : 16;
}

static inline int parse_number(struct str s, unsigned radix, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    bool may_overflow = s.n > 15; /* fifteen digits of either radix are below 2^60 */
    if (s.n == 0)
        return ERR_INVALID;
    for (size_t i = 0; i < s.n; i++) {
        unsigned d = digit_value(s.p[i]);
        if (d >= radix || (may_overflow && value > (UINT64_MAX - d) / radix))
            return ERR_INVALID;
        value = value * radix + d;
    }
    if (value > max)
        return ERR_INVALID;
    *out = value;
    return 0;
}

int str_digits(struct str s, uint64_t max, uint64_t *out)
{
    return parse_number(s, 10, max, out);
}

int str_hex(struct str s, uint64_t max, uint64_t *out)
{
    return parse_number(s, 16, max, out);
}

#define DISTANCE_MAX_BYTES 64

unsigned str_distance(struct str a, struct str b, unsigned limit)
{
    /* Three rows of the usual table: the one before the last is for exchanges. */
    unsigned rows[3][DISTANCE_MAX_BYTES + 1];
    if (a.n > DISTANCE_MAX_BYTES || b.n > DISTANCE_MAX_BYTES)
        return limit + 1;
    for (size_t j = 0; j <= b.n; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= a.n; i++) {
        unsigned *now = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b.n; j++) {
            char x = lower(a.p[i - 1]), y = lower(b.p[j - 1]);
            unsigned best = last[j - 1] + (x != y);
            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && x == lower(b.p[j - 2]) && lower(a.p[i - 2]) == y &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
    }
    unsigned d = rows[a.n % 3][b.n];
    return d > limit ? limit + 1 : d;
}

struct str str_nearest(struct str s, const struct str *candidates, size_t n)
{
    unsigned limit = s.n <= 2 ? 0 : s.n <= 4 ? 1 : 2, best = limit + 1;
    struct str found = STR_NULL;
    for (size_t i = 0; i < n; i++) {
        unsigned d = str_distance(s, candidates[i], limit);
        if (d < best) {
            best = d;
            found = candidates[i];
        }
    }
    return found;
}
