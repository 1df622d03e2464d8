#include "codec/h1_scan.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { TCHAR = H1_TCHAR, HOST = H1_HOST_CHAR };

const unsigned char h1_classes[256] = {
    ['!'] = TCHAR | HOST,
    ['#'] = TCHAR,
    ['$'] = TCHAR | HOST,
    ['%'] = TCHAR | HOST,
    ['&'] = TCHAR | HOST,
    ['\''] = TCHAR | HOST,
    ['*'] = TCHAR | HOST,
    ['+'] = TCHAR | HOST,
    ['-'] = TCHAR | HOST,
    ['.'] = TCHAR | HOST,
    ['^'] = TCHAR,
    ['_'] = TCHAR | HOST,
    ['`'] = TCHAR,
    ['|'] = TCHAR,
    ['~'] = TCHAR | HOST,
    ['('] = HOST,
    [')'] = HOST,
    [','] = HOST,
    [';'] = HOST,
    ['='] = HOST,
    ['0' ... '9'] = TCHAR | HOST,
    ['A' ... 'Z'] = TCHAR | HOST,
    ['a' ... 'z'] = TCHAR | HOST,
};

static bool is_control(unsigned char c)
{
    return (c < 0x20 && c != '\t') || c == 0x7f;
}

const char *h1_scan_value(const char *p, const char *end)
{
#ifdef __SSE2__
    const __m128i low = _mm_set1_epi8(0x1f), tab = _mm_set1_epi8('\t'), del = _mm_set1_epi8(0x7f);
    for (; end - p >= 16; p += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(x, low), x); /* x <= 0x1f, unsigned */
        __m128i bad =
            _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(x, tab), control), _mm_cmpeq_epi8(x, del));
        int mask = _mm_movemask_epi8(bad);
        if (mask)
            return p + __builtin_ctz((unsigned)mask);
    }
#endif
    while (p < end && !is_control((unsigned char)*p))
        p++;
    return p;
}

bool h1_is_authority(struct str s)
{
    size_t i = 0;
    uint64_t port;
    if (s.n && s.p[0] == '[') { /* IP-literal */
        for (i = 1; i < s.n && s.p[i] != ']'; i++)
            if (!(h1_classes[(unsigned char)s.p[i]] & HOST) && s.p[i] != ':')
                return false;
        if (i < 3 || i++ == s.n)
            return false;
    } else {
        while (i < s.n && (h1_classes[(unsigned char)s.p[i]] & HOST))
            i++;
        if (i == 0)
            return false;
    }
    if (i == s.n)
        return true;
    return s.p[i] == ':' && (i + 1 == s.n || str_digits(str_from(s, i + 1), 65535, &port) == 0);
}
