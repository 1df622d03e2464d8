#include "codec/uri.h"

struct str uri_path(struct str target)
{
    ptrdiff_t at = str_find(target, '?');
    return at < 0 ? target : str_sub(target, 0, (size_t)at);
}

struct str uri_query(struct str target)
{
    ptrdiff_t at = str_find(target, '?');
    return at < 0 ? STR_NULL : str_from(target, (size_t)at + 1);
}

static bool is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

/* The byte that s begins with, decoded, and how many bytes of s it takes; -1 for a bad escape. */
static int next_byte(struct str s, size_t *took)
{
    uint64_t v;
    *took = 1;
    if (s.p[0] != '%')
        return (unsigned char)s.p[0];
    if (s.n < 3 || str_hex(str_sub(s, 1, 2), 255, &v) < 0)
        return -1;
    *took = 3;
    return (int)v;
}

bool uri_segment_is_plain(struct str segment)
{
    size_t bytes = 0, dots = 0, took;
    for (struct str s = segment; s.n; s = str_from(s, took), bytes++) {
        int c = next_byte(s, &took);
        if (c == '/' || c < 0)
            return false;
        dots += c == '.';
    }
    return bytes > 0 && !(dots == bytes && bytes <= 2);
}

/* The segment's first character: a byte, or one that no byte equals for what stays encoded. */
static int next_character(struct str s, size_t *took)
{
    int c = next_byte(s, took);
    if (c < 0)
        return '%';
    return *took == 3 && !is_unreserved((unsigned char)c) ? 256 + c : c;
}

int uri_segment_cmp(struct str a, struct str b)
{
    size_t same = 0, n = a.n < b.n ? a.n : b.n;
    while (same < n && a.p[same] == b.p[same] && a.p[same] != '%')
        same++;
    a = str_from(a, same);
    b = str_from(b, same);
    while (a.n && b.n) {
        size_t took_a, took_b;
        int x = next_character(a, &took_a), y = next_character(b, &took_b);
        if (x != y)
            return x < y ? -1 : 1;
        a = str_from(a, took_a);
        b = str_from(b, took_b);
    }
    return (a.n > 0) - (b.n > 0);
}

bool uri_parameter_is(struct str sent, struct str text)
{
    size_t took;
    for (; sent.n && text.n; sent = str_from(sent, took), text = str_from(text, 1)) {
        int c = next_byte(sent, &took);
        if (took == 1 && c == '+')
            c = ' ';
        if (c != (unsigned char)text.p[0])
            return false;
    }
    return sent.n == 0 && text.n == 0;
}

bool uri_query_find(struct str target, struct str name, struct str *value)
{
    struct str rest = uri_query(target), piece;
    while (str_split(&rest, '&', &piece)) {
        ptrdiff_t eq = str_find(piece, '=');
        struct str key = eq < 0 ? piece : str_sub(piece, 0, (size_t)eq);
        if (!uri_parameter_is(key, name))
            continue;
        *value = eq < 0 ? STR_NULL : str_from(piece, (size_t)eq + 1);
        return true;
    }
    return false;
}

void uri_query_set(struct str target, struct str name, struct str value, struct out *o)
{
    struct str rest = uri_query(target), piece;
    char before = '?';
    out_str(o, uri_path(target));
    while (str_split(&rest, '&', &piece)) {
        ptrdiff_t eq = str_find(piece, '=');
        if (uri_parameter_is(eq < 0 ? piece : str_sub(piece, 0, (size_t)eq), name))
            continue;
        out_char(o, before);
        out_str(o, piece);
        before = '&';
    }
    if (!value.p)
        return;
    out_char(o, before);
    uri_encode(name, o);
    out_char(o, '=');
    uri_encode(value, o);
}

int uri_decode(struct str text, struct out *o)
{
    size_t took;
    for (; text.n; text = str_from(text, took)) {
        int c = next_byte(text, &took);
        if (c < 0)
            return ERR_INVALID;
        out_char(o, (char)c);
    }
    return 0;
}

int uri_value_decode(struct str value, struct out *o)
{
    struct str piece;
    for (bool is_first = true; str_split(&value, '+', &piece); is_first = false) {
        if (!is_first)
            out_char(o, ' ');
        if (uri_decode(piece, o) < 0)
            return ERR_INVALID;
    }
    return 0;
}

void uri_encode(struct str text, struct out *o)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (is_unreserved(c)) {
            out_char(o, (char)c);
        } else {
            out_char(o, '%');
            out_char(o, hex[c >> 4]);
            out_char(o, hex[c & 15]);
        }
    }
}
