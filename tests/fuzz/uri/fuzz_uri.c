/* Request targets and what else codec/uri.h reads. The first byte says where the input is parted
 * in two; what is asked of both is held against definitions that are short and slow. */
#include "fuzz.h"

#include "base/check.h"
#include "codec/trace.h"
#include "codec/uri.h"

#include <stdlib.h>

#define MAX_BYTES 1024

struct text {
    struct out o;
    char bytes[3 * MAX_BYTES];
};

static void text_init(struct text *t)
{
    out_init(&t->o, t->bytes, sizeof t->bytes);
}

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c | 0x20) : NULL;
    return at && (c >= 'A' || (c >= '0' && c <= '9')) ? (int)(at - digits) : -1;
}

/* The byte that an escape at s[i] stands for; -1: there is none. */
static int escape_at(struct str s, size_t i)
{
    if (s.n - i < 3 || s.p[i] != '%' || hex_digit(s.p[i + 1]) < 0 || hex_digit(s.p[i + 2]) < 0)
        return -1;
    return 16 * hex_digit(s.p[i + 1]) + hex_digit(s.p[i + 2]);
}

static bool is_unreserved(int c)
{
    return c > 0 && c < 0x80 &&
           strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~", c);
}

/* Character for character, each with a mark before it: what is as it stands or decoded, and what
 * stays encoded. Two texts are the same segment when this of them is the same (RFC 3986 section
 * 6.2.2). */
static struct str normal(struct str s, struct text *t)
{
    text_init(t);
    for (size_t i = 0; i < s.n; i++) {
        int c = escape_at(s, i);
        out_char(&t->o, c < 0 || is_unreserved(c) ? '=' : '%');
        out_char(&t->o, c < 0 ? s.p[i] : (char)c);
        i += c < 0 ? 0 : 2;
    }
    return out_get(&t->o);
}

static void check_encoding(struct str s)
{
    static struct text encoded, decoded;
    text_init(&encoded);
    text_init(&decoded);
    uri_encode(s, &encoded.o);
    CHECK(!encoded.o.overflowed);
    for (size_t i = 0; i < encoded.o.n; i++)
        CHECK(encoded.bytes[i] == '%' || is_unreserved((unsigned char)encoded.bytes[i]));
    CHECK(uri_decode(out_get(&encoded.o), &decoded.o) == 0);
    CHECK(str_eq(out_get(&decoded.o), s));
    CHECK(uri_parameter_is(out_get(&encoded.o), s));

    text_init(&decoded);
    bool is_good = true;
    size_t n = 0;
    for (size_t i = 0; i < s.n && is_good; i++, n++) {
        is_good = s.p[i] != '%' || escape_at(s, i) >= 0;
        i += s.p[i] == '%' ? 2 : 0;
    }
    CHECK((uri_decode(s, &decoded.o) == 0) == is_good);
    CHECK(!is_good || decoded.o.n == n);
}

/* Path, segments and query, put together again, are the target. */
static void check_parts(struct str target)
{
    struct str path = uri_path(target), query = uri_query(target), rest = path, segment;
    static struct text again;
    text_init(&again);
    while (uri_segment(&rest, &segment)) {
        CHECK(str_find(segment, '/') < 0 && str_find(segment, '?') < 0);
        OUT(&again.o, "/");
        out_str(&again.o, segment);
        static struct text decoded;
        text_init(&decoded);
        bool is_plain = uri_decode(segment, &decoded.o) == 0 && decoded.o.n > 0 &&
                        str_find(out_get(&decoded.o), '/') < 0 &&
                        !str_eq(out_get(&decoded.o), STR(".")) &&
                        !str_eq(out_get(&decoded.o), STR(".."));
        CHECK(uri_segment_is_plain(segment) == is_plain);
    }
    out_str(&again.o, rest);
    if (query.p) {
        OUT(&again.o, "?");
        out_str(&again.o, query);
    }
    CHECK(str_eq(out_get(&again.o), target));
    CHECK(rest.n == 0 || rest.p[0] != '/');
}

static void check_order(struct str a, struct str b)
{
    static struct text x, y;
    int order = uri_segment_cmp(a, b);
    int back = uri_segment_cmp(b, a);
    CHECK((order < 0) == (back > 0) && (order > 0) == (back < 0));
    CHECK(uri_segment_cmp(a, a) == 0);
    CHECK((order == 0) == str_eq(normal(a, &x), normal(b, &y)));
}

/* A parameter that is put in front is the first that is found; one behind others, if they are not
 * of the same name. */
static void check_query(struct str target, struct str name)
{
    static struct text encoded, query;
    struct str value, first;
    bool was_there = uri_query_find(target, name, &first);
    text_init(&encoded);
    text_init(&query);
    uri_encode(name, &encoded.o);
    OUT(&query.o, "/?");
    out_str(&query.o, out_get(&encoded.o));
    OUT(&query.o, "=1&");
    if (uri_query(target).p)
        out_str(&query.o, uri_query(target));
    CHECK(uri_query_find(out_get(&query.o), name, &value) && str_eq(value, STR("1")));
    if (!uri_query(target).p)
        CHECK(!was_there);
    query.o.n = 0;
    out_str(&query.o, target);
    OUT(&query.o, "&");
    out_str(&query.o, out_get(&encoded.o));
    if (uri_query(target).p) {
        CHECK(uri_query_find(out_get(&query.o), name, &value));
        CHECK(was_there ? str_eq(value, first) && !value.p == !first.p : !value.p);
    }
}

static void check_traceparent(struct str s)
{
    if (!trace_is_parent(s))
        return;
    size_t zeros[2] = {0};
    for (size_t i = 0; i < 55; i++) {
        bool is_dash = i == 2 || i == 35 || i == 52;
        CHECK(is_dash ? s.p[i] == '-'
                      : hex_digit(s.p[i]) >= 0 && !(s.p[i] >= 'A' && s.p[i] <= 'F'));
        zeros[i > 35] += s.p[i] == '0' && i > 2 && i < 52;
    }
    CHECK(zeros[0] < 32 && zeros[1] < 16 && !str_starts(s, STR("ff")));
    CHECK(s.n == 55 || s.p[55] == '-');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > MAX_BYTES / 2)
        return 0;
    struct str all = {(const char *)data + 1, size - 1};
    size_t at = all.n ? data[0] % (all.n + 1) : 0;
    struct str a = str_sub(all, 0, at), b = str_from(all, at);
    check_encoding(all);
    check_parts(all);
    check_order(a, b);
    check_query(b, a);
    check_traceparent(all);
    return 0;
}
