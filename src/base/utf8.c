#include "base/utf8.h"

/* RFC 3629 section 4, one row a line of its grammar: range of the first byte, number of bytes that
 * follow, range of the second byte; further bytes are 80..BF. */
static const struct {
    unsigned char first, last, follow, low, high;
} forms[] = {
    {0x00, 0x7f, 0, 0, 0},       {0xc2, 0xdf, 1, 0x80, 0xbf}, {0xe0, 0xe0, 2, 0xa0, 0xbf},
    {0xe1, 0xec, 2, 0x80, 0xbf}, {0xed, 0xed, 2, 0x80, 0x9f}, {0xee, 0xef, 2, 0x80, 0xbf},
    {0xf0, 0xf0, 3, 0x90, 0xbf}, {0xf1, 0xf3, 3, 0x80, 0xbf}, {0xf4, 0xf4, 3, 0x80, 0x8f},
};

size_t utf8_length(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    for (size_t i = 0; s.n && i < sizeof forms / sizeof forms[0]; i++) {
        if (p[0] < forms[i].first || p[0] > forms[i].last)
            continue;
        if (forms[i].follow == 0)
            return 1;
        if (s.n < forms[i].follow + 1u || p[1] < forms[i].low || p[1] > forms[i].high)
            return 0;
        for (size_t k = 2; k <= forms[i].follow; k++)
            if (p[k] < 0x80 || p[k] > 0xbf)
                return 0;
        return forms[i].follow + 1u;
    }
    return 0;
}

bool utf8_is_valid(struct str s)
{
    while (s.n) {
        size_t n = utf8_length(s);
        if (n == 0)
            return false;
        s = str_from(s, n);
    }
    return true;
}
