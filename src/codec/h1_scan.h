/* codec/h1_scan.h: character classes of HTTP/1.1 and the fast loops over a head. Internal to
 * codec. */
#ifndef CODEC_H1_SCAN_H
#define CODEC_H1_SCAN_H

#include "base/str.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* One bit a class: of a token (RFC 9110 section 5.6.2), of a host (RFC 3986 section 3.2.2). */
enum { H1_TCHAR = 1, H1_HOST_CHAR = 2 };
extern const unsigned char h1_classes[256];

/* Here and not in the .c: it runs once a byte of every field name. */
static inline bool h1_is_tchar(unsigned char c)
{
    return h1_classes[c] & H1_TCHAR;
}

/* The loops below see every byte of every head, so this is the place where speed is bought: 16
 * bytes at a time where the machine has SSE2, and in the header, because they run once a field. */
#ifdef __SSE2__
/* Bytes x that are at most `max`, unsigned. */
static inline __m128i h1_at_most(__m128i x, char max)
{
    return _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(max)), x);
}

static inline __m128i h1_load(const char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}
#endif

/* The first byte from p on that may not stand in a token; `end` when there is none. */
static inline const char *h1_scan_token(const char *p, const char *end)
{
#ifdef __SSE2__
    if (end - p >= 16) { /* letters, digits and '-' are nearly all of every name */
        __m128i x = h1_load(p);
        __m128i letters = h1_at_most(
            _mm_sub_epi8(_mm_or_si128(x, _mm_set1_epi8(0x20)), _mm_set1_epi8('a')), 'z' - 'a');
        __m128i digits = h1_at_most(_mm_sub_epi8(x, _mm_set1_epi8('0')), 9);
        __m128i common =
            _mm_or_si128(_mm_or_si128(letters, digits), _mm_cmpeq_epi8(x, _mm_set1_epi8('-')));
        p += __builtin_ctz(~(unsigned)_mm_movemask_epi8(common));
    }
#endif
    while (p < end && h1_is_tchar((unsigned char)*p))
        p++;
    return p;
}

/* The first byte from p on that may not stand in a request target: what is not visible ASCII, or
 * '#'; `end` when there is none. */
static inline const char *h1_scan_target(const char *p, const char *end)
{
#ifdef __SSE2__
    for (; end - p >= 16; p += 16) {
        __m128i x = h1_load(p); /* as signed bytes: those from 0x80 on are below 0 */
        __m128i bad = _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8(0x7f)),
                                   _mm_cmpeq_epi8(x, _mm_set1_epi8('#')));
        int good = _mm_movemask_epi8(_mm_andnot_si128(bad, _mm_cmpgt_epi8(x, _mm_set1_epi8(0x20))));
        if (good != 0xffff)
            return p + __builtin_ctz(~(unsigned)good);
    }
#endif
    while (p<end && * p> 0x20 && *p < 0x7f && *p != '#')
        p++;
    return p;
}

static inline bool h1_is_control(unsigned char c)
{
    return (c < 0x20 && c != '\t') || c == 0x7f;
}

/* The first byte from p on (before end) that may not stand in a field value: a control character
 * other than tab, or DEL; `end` when there is none. */
static inline const char *h1_scan_value(const char *p, const char *end)
{
#ifdef __SSE2__
    for (; end - p >= 16; p += 16) {
        __m128i x = h1_load(p);
        __m128i bad = _mm_or_si128(
            _mm_andnot_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('\t')), h1_at_most(x, 0x1f)),
            _mm_cmpeq_epi8(x, _mm_set1_epi8(0x7f)));
        int mask = _mm_movemask_epi8(bad);
        if (mask)
            return p + __builtin_ctz((unsigned)mask);
    }
#endif
    while (p < end && !h1_is_control((unsigned char)*p))
        p++;
    return p;
}

/* Whether s is a host with an optional port (RFC 9110 section 7.2), without user information. */
bool h1_is_authority(struct str s);

#endif
