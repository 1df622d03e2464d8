/* codec/h1.h: bodies in chunks, and their trailers. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "codec/h1.h"

#define MAX_TRAILERS 64

struct decoded {
    int code; /* 0: the end was reached; ERR_MORE: it was not */
    size_t used;
    char body_bytes[1024], trailer_bytes[256];
    struct out body, trailers;
};

/* Decodes what lies in `bytes` when it comes in pieces that end at each of `ends`, and takes at
 * most `bite` bytes of payload at once. Each piece is in memory of exactly its size. */
static void decode(struct decoded *d, struct str bytes, const size_t *ends, size_t n_ends,
                   size_t bite)
{
    struct h1_chunked c = {0};
    out_init(&d->body, d->body_bytes, sizeof d->body_bytes);
    out_init(&d->trailers, d->trailer_bytes, sizeof d->trailer_bytes);
    d->used = 0;
    d->code = ERR_MORE;
    for (size_t i = 0; i < n_ends && d->code == ERR_MORE; i++) {
        for (;;) {
            struct str data, trailers, seen = str_sub(bytes, d->used, ends[i] - d->used);
            char *copy = malloc(seen.n + !seen.n);
            assert_non_null(copy);
            memcpy(copy, seen.p, seen.n);
            long n =
                h1_chunked_next(&c, (struct str){copy, seen.n}, MAX_TRAILERS, &data, &trailers);
            data = str_sub(data, 0, bite);
            if (n >= 0) {
                assert_true((size_t)n + data.n <= seen.n);
                out_str(&d->body, data);
                d->used += (size_t)n + data.n;
            }
            bool is_empty = data.n == 0;
            if (!is_empty)
                h1_chunked_consume(&c, data.n);
            if (n < 0)
                d->code = (int)n;
            else if (c.state == H1_CHUNK_DONE)
                d->code = h1_copy_trailers(trailers, &d->trailers);
            free(copy);
            if (d->code != ERR_MORE || is_empty)
                break;
        }
    }
}

static void decode_whole(struct decoded *d, struct str bytes)
{
    decode(d, bytes, &bytes.n, 1, SIZE_MAX);
}

#define GOOD                                                                                       \
    "5\r\nhello\r\n00a;x=\"y z\";q\r\n0123\r\n6789\r\n1\r\n!\r\n0;last\r\nSum: 1\r\nB:\r\n\r\n"
static const struct str good = {GOOD "GET", sizeof GOOD + 2}; /* another request follows */

static void test_every_split(void **state)
{
    static struct decoded d;
    for (size_t first = 0; first <= good.n; first++) {
        for (size_t second = first; second <= good.n; second++) {
            size_t ends[] = {first, second, good.n};
            decode(&d, good, ends, COUNT_OF(ends), 1 + first % 7);
            assert_int_equal(d.code, 0);
            assert_int_equal(d.used, good.n - 3);
            assert_true(str_eq(out_get(&d.body), STR("hello0123\r\n6789!")));
            assert_true(str_eq(out_get(&d.trailers), STR("Sum: 1\r\nB:\r\n")));
        }
    }
}

/* Each prefix is incomplete, and decodes to a prefix. */
static void test_every_prefix(void **state)
{
    static struct decoded d;
    for (size_t n = 0; n < good.n - 3; n++) {
        decode_whole(&d, str_sub(good, 0, n));
        assert_int_equal(d.code, ERR_MORE);
        assert_true(str_starts(STR("hello0123\r\n6789!"), out_get(&d.body)));
        assert_int_equal(d.trailers.n, 0);
    }
}

struct bad {
    const char *text;
    int code;
};

static const struct bad bad_bodies[] = {
    {"\r\n", ERR_BAD_REQUEST},
    {"\n", ERR_BAD_REQUEST},
    {";x\r\n", ERR_BAD_REQUEST},
    {"g\r\n", ERR_BAD_REQUEST},
    {"-1\r\n", ERR_BAD_REQUEST},
    {"+1\r\n", ERR_BAD_REQUEST},
    {" 1\r\n", ERR_BAD_REQUEST},
    {"0x1\r\n", ERR_BAD_REQUEST},
    {"1 \r\n", ERR_BAD_REQUEST},
    {"1\t;x\r\n", ERR_BAD_REQUEST},
    {"1,\r\n", ERR_BAD_REQUEST},
    {"1\n", ERR_BAD_REQUEST},
    {"1\r\r\n", ERR_BAD_REQUEST},
    {"1\rx\n", ERR_BAD_REQUEST},
    {"1;x\ny\r\n", ERR_BAD_REQUEST},
    {"1;x\ry\r\n", ERR_BAD_REQUEST},
    {"1;x\x01\r\n", ERR_BAD_REQUEST},
    {"1;x\x7f\r\n", ERR_BAD_REQUEST},
    {"8000000000000000\r\n", ERR_BAD_REQUEST},
    {"ffffffffffffffff\r\n", ERR_BAD_REQUEST},
    {"10000000000000000\r\n", ERR_BAD_REQUEST},
    {"00000000000000001\r\n", ERR_BAD_REQUEST},
    {"1\r\na\n", ERR_BAD_REQUEST},
    {"1\r\nab\r\n", ERR_BAD_REQUEST},
    {"1\r\na\r\r\n", ERR_BAD_REQUEST},
    {"1\r\na0\r\n\r\n", ERR_BAD_REQUEST},
    {"0\r\n\n", ERR_BAD_REQUEST},
    {"0\r\nA: b\n\r\n", ERR_BAD_REQUEST},
    {"0\r\nA: b\r\n\n", ERR_BAD_REQUEST},
    /* 64 bytes of trailers are allowed */
    {"0\r\n0: 4567890123456789012345678901234567890123456789012345678901234\r\n\r\n",
     ERR_HEAD_TOO_LARGE},
    {"0\r\n0: 456789012345678901234567890123456789012345678901234567890123456789",
     ERR_HEAD_TOO_LARGE},
};

/* The verdict is the same however the bytes come. */
static void test_bad_bodies(void **state)
{
    static struct decoded d;
    for (size_t i = 0; i < COUNT_OF(bad_bodies); i++) {
        struct str text = str_of(bad_bodies[i].text);
        for (size_t first = 0; first <= text.n; first++) {
            size_t ends[] = {first, text.n};
            decode(&d, text, ends, 2, SIZE_MAX);
            if (d.code != bad_bodies[i].code)
                fail_msg("%s gives %s, not %s, when %zu bytes come first", text.p, err_name(d.code),
                         err_name(bad_bodies[i].code), first);
        }
    }
}

/* Good bodies of which each byte in turn is exchanged for each other one: what stays good says
 * exactly what its sizes say. */
static void test_each_byte_at_each_place(void **state)
{
    static const struct {
        const char *text; /* places that may change are 'd' (data), 'e' (extension); the rest of the
                           * framing may not */
        const char *kinds;
    } rows[] = {
        {"3;ab\r\nxyz\r\n0\r\n\r\n", "..ee..ddd......."},
    };
    static struct decoded d;
    for (size_t r = 0; r < COUNT_OF(rows); r++) {
        size_t n = strlen(rows[r].text);
        assert_int_equal(n, strlen(rows[r].kinds));
        for (size_t at = 0; at < n; at++) {
            for (unsigned byte = 0; byte < 256; byte++) {
                char text[64];
                memcpy(text, rows[r].text, n);
                if ((unsigned char)text[at] == byte)
                    continue;
                text[at] = (char)byte;
                decode_whole(&d, (struct str){text, n});
                char kind = rows[r].kinds[at];
                bool may =
                    kind == 'd' || (kind == 'e' && (byte >= ' ' || byte == '\t') && byte != 0x7f);
                if ((d.code == 0) != may)
                    fail_msg("byte %#x at %zu: %s", byte, at, err_name(d.code));
            }
        }
    }
}

/* The line with a chunk's size has a limit, and is refused as soon as it passes it. */
static void test_long_lines(void **state)
{
    static struct decoded d;
    char text[600];
    memset(text, 'x', sizeof text);
    memcpy(text, "1;", 2);
    memcpy(text + H1_MAX_CHUNK_LINE, "\r\na\r\n0\r\n\r\n", 10);
    decode_whole(&d, (struct str){text, H1_MAX_CHUNK_LINE + 10});
    assert_int_equal(d.code, 0);
    text[H1_MAX_CHUNK_LINE] = text[H1_MAX_CHUNK_LINE + 1] = 'x';
    decode_whole(&d, (struct str){text, H1_MAX_CHUNK_LINE});
    assert_int_equal(d.code, ERR_MORE);
    decode_whole(&d, (struct str){text, H1_MAX_CHUNK_LINE + 1});
    assert_int_equal(d.code, ERR_BAD_REQUEST);
}

/* The largest size that is taken: the payload is offered as it comes. */
static void test_large_chunk(void **state)
{
    struct h1_chunked c = {0};
    struct str data, trailers, text = STR("7fffffffffffffff\r\nabc");
    assert_int_equal(h1_chunked_next(&c, text, MAX_TRAILERS, &data, &trailers), 18);
    assert_true(str_eq(data, STR("abc")));
    h1_chunked_consume(&c, 3);
    assert_int_equal(c.state, H1_CHUNK_DATA);
    assert_true(c.left == INT64_MAX - 3);
}

/* As many bytes of trailers as are allowed, however they come. */
static void test_trailer_limit(void **state)
{
    static struct decoded d;
    struct str text =
        STR("0\r\n0: 345678901234567890123456789012345678901234567890123456789AB\r\n\r\n");
    assert_int_equal(text.n, 3 + MAX_TRAILERS + 2);
    for (size_t first = 0; first <= text.n; first++) {
        size_t ends[] = {first, text.n};
        decode(&d, text, ends, 2, SIZE_MAX);
        assert_int_equal(d.code, 0);
        assert_int_equal(d.trailers.n, MAX_TRAILERS);
    }
}

static void test_copy_trailers(void **state)
{
    static const struct {
        const char *lines, *copied; /* NULL: malformed */
    } rows[] = {
        {"", ""},
        {"A: b\r\nX-Sum:1 \r\nE:\r\n", "A: b\r\nX-Sum:1 \r\nE:\r\n"},
        {"A: b\r\nContent-Length: 5\r\nTRANSFER-ENCODING: chunked\r\nC: d\r\n", "A: b\r\nC: d\r\n"},
        {"Host: x\r\nConnection: y\r\nTrailer: z\r\nTE: t\r\nUpgrade: u\r\nKeep-Alive: k\r\n", ""},
        {"Authorization: x\r\nCookie: y\r\nSet-Cookie: z\r\nProxy-Authorization: p\r\n", ""},
        {"Content-Type: x\r\nContent-Encoding: y\r\nContent-Range: z\r\nRange: r\r\n", ""},
        {"Cheops-Leg: x\r\nCheops-Anything: y\r\nScope: z\r\nX-Scope: s\r\nBaggage: scope=x\r\n"
         "tracestate: cheops=1\r\ntraceparent: t\r\n",
         ""},
        {"Via: x\r\nForwarded: y\r\nX-Forwarded-For: z\r\nX-Forwarded-Any: z\r\n", ""},
        {"Cheops: x\r\nX-Forwarded: y\r\nHosts: z\r\n",
         "Cheops: x\r\nX-Forwarded: y\r\nHosts: z\r\n"},
        {"A\r\n", NULL},
        {": b\r\n", NULL},
        {"A : b\r\n", NULL},
        {" A: b\r\n", NULL},
        {"A: b\r\n c\r\n", NULL},
        {"A: b\rc\r\n", NULL},
        {"A: b\x01\r\n", NULL},
        {"A\x80: b\r\n", NULL},
        {"Content-Length: 5\r\nA\r\n", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char copied[256];
        struct out o;
        out_init(&o, copied, sizeof copied);
        int rc = h1_copy_trailers(str_of(rows[i].lines), &o);
        if (rc != (rows[i].copied ? 0 : ERR_BAD_REQUEST))
            fail_msg("%s gives %s", rows[i].lines, err_name(rc));
        if (rows[i].copied && !str_eq(out_get(&o), str_of(rows[i].copied)))
            fail_msg("%s is copied as %.*s", rows[i].lines, STR_ARG(out_get(&o)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_split),   cmocka_unit_test(test_every_prefix),
        cmocka_unit_test(test_bad_bodies),    cmocka_unit_test(test_each_byte_at_each_place),
        cmocka_unit_test(test_long_lines),    cmocka_unit_test(test_large_chunk),
        cmocka_unit_test(test_trailer_limit), cmocka_unit_test(test_copy_trailers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
