#include "base/out.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

void out_init(struct out *o, void *mem, size_t cap)
{
    *o = (struct out){.p = mem, .cap = cap};
}

/* By a constant, so that no division is made. */
void out_u64(struct out *o, uint64_t v)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    out_str(o, (struct str){digits + at, sizeof digits - at});
}

void out_hex(struct out *o, uint64_t v)
{
    char digits[16];
    size_t at = sizeof digits;
    do {
        digits[--at] = "0123456789abcdef"[v & 15];
        v >>= 4;
    } while (v);
    out_str(o, (struct str){digits + at, sizeof digits - at});
}

/* Sixteen digits at once, each in its byte: every request has some of them made. */
static void hex_digits(uint64_t v, char digits[16])
{
#ifdef __SSE2__
    __m128i x = _mm_cvtsi64_si128((long long)__builtin_bswap64(v)); /* the highest byte first */
    __m128i nibble = _mm_set1_epi8(0x0f);
    x = _mm_unpacklo_epi8(_mm_and_si128(_mm_srli_epi64(x, 4), nibble), _mm_and_si128(x, nibble));
    __m128i above_9 = _mm_cmpgt_epi8(x, _mm_set1_epi8(9));
    x = _mm_add_epi8(x, _mm_set1_epi8('0'));
    x = _mm_add_epi8(x, _mm_and_si128(above_9, _mm_set1_epi8('a' - '0' - 10)));
    _mm_storeu_si128((__m128i *)(void *)digits, x);
#else
    for (int i = 15; i >= 0; i--, v >>= 4)
        digits[i] = "0123456789abcdef"[v & 15];
#endif
}

void out_hex64(struct out *o, uint64_t v)
{
    char digits[16];
    hex_digits(v, digits);
    out_str(o, (struct str){digits, sizeof digits});
}

void out_fmt(struct out *o, const char *format, ...)
{
    va_list ap;
    size_t room = o->cap - o->n;
    if (o->overflowed)
        return;
    va_start(ap, format);
    int n = vsnprintf(room ? o->p + o->n : NULL, room, format, ap);
    va_end(ap);
    /* vsnprintf needs a place for its NUL, so the last byte of the memory stays unused here. */
    if (n < 0 || (size_t)n >= room)
        o->overflowed = true;
    else
        o->n += (size_t)n;
}

/* Of ASCII, and U+0080 to U+009F, which are to terminals what ESC and a letter are. */
static bool is_control(struct str s, size_t n)
{
    unsigned char c = (unsigned char)s.p[0];
    return c < 0x20 || c == 0x7f || (n == 2 && c == 0xc2 && (unsigned char)s.p[1] < 0xa0);
}

void out_visible(struct out *o, struct str s, size_t limit)
{
    for (; s.n && limit; limit--) {
        size_t n = utf8_length(s);
        if (n == 0 || is_control(s, n))
            out_char(o, '?');
        else
            out_str(o, str_sub(s, 0, n));
        s = str_from(s, n ? n : 1);
    }
    if (s.n)
        OUT(o, "…");
}

static void put_json_char(struct out *o, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    switch (c) {
    case '"':
        OUT(o, "\\\"");
        break;
    case '\\':
        OUT(o, "\\\\");
        break;
    case '\n':
        OUT(o, "\\n");
        break;
    case '\r':
        OUT(o, "\\r");
        break;
    case '\t':
        OUT(o, "\\t");
        break;
    default:
        if (c < 0x20 || c == 0x7f) {
            OUT(o, "\\u00");
            out_char(o, hex[c >> 4]);
            out_char(o, hex[c & 15]);
        } else {
            out_char(o, (char)c);
        }
    }
}

/* How many bytes from i on stand in JSON as they are: nearly all of what is logged. */
static size_t plain_run(struct str s, size_t i)
{
    size_t end = i;
    while (end < s.n && s.p[end] >= 0x20 && s.p[end] < 0x7f && s.p[end] != '"' && s.p[end] != '\\')
        end++;
    return end - i;
}

void out_json(struct out *o, struct str s)
{
    out_char(o, '"');
    for (size_t i = 0; i < s.n;) {
        size_t run = plain_run(s, i);
        out_str(o, str_sub(s, i, run));
        i += run;
        if (i == s.n)
            break;
        size_t len = utf8_length(str_from(s, i));
        if (len == 0) {
            OUT(o, "\xef\xbf\xbd");
            i++;
        } else if (len == 1) {
            put_json_char(o, (unsigned char)s.p[i++]);
        } else {
            out_str(o, str_sub(s, i, len));
            i += len;
        }
    }
    out_char(o, '"');
}
