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

size_t utf8_encode(uint32_t code, char *to)
{
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    size_t follow = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    for (size_t i = follow; i > 0; i--) {
        to[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
    to[0] = (char)(lead[follow] | code);
    return follow + 1;
}

struct str utf8_whole(struct str s)
{
    for (size_t back = 1; back <= 3 && back <= s.n; back++) {
        unsigned char c = (unsigned char)s.p[s.n - back];
        if ((c & 0xc0) == 0x80)
            continue;
        size_t needs = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
        return needs > back ? str_sub(s, 0, s.n - back) : s;
    }
    return s;
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
