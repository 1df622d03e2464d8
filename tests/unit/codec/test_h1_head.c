/* codec/h1.h: where a head ends, the start lines, the fields and what they say of body and
 * connection. */
#include <ctype.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "codec/h1.h"
#include "codec/h1_scan.h"

#define MAX_HEAD 16384

/* A copy in memory of exactly its size, so that AddressSanitizer sees a read past its end. */
static struct str exact(struct str s)
{
    char *p = malloc(s.n + !s.n);
    if (!p)
        abort();
    if (s.n)
        memcpy(p, s.p, s.n);
    return (struct str){p, s.n};
}

static void release(struct str s)
{
    free((char *)(uintptr_t)s.p);
}

/* Finds the end and parses, as a connection does. `head` must be the whole of `bytes`. */
static int parse(struct h1_head *h, struct str bytes, bool is_request, enum h1_method method,
                 const char **why)
{
    static struct h1_field fields[H1_MAX_FIELDS];
    size_t scan = 0;
    long n = h1_head_end(bytes, &scan, MAX_HEAD);
    *why = "";
    if (n < 0)
        return (int)n;
    assert_int_equal(n, bytes.n);
    return is_request ? h1_request_parse(h, bytes, fields, H1_MAX_FIELDS, why)
                      : h1_response_parse(h, bytes, fields, H1_MAX_FIELDS, method, why);
}

/* ---- the end of a head ----------------------------------------------------------------------- */

static void test_head_end_in_every_split(void **state)
{
    struct str text = STR("GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\nGET /2 HTTP/1.1\r\n\r\n");
    const long end = 32;
    for (size_t first = 0; first <= text.n; first++) {
        for (size_t second = first; second <= text.n; second++) {
            size_t scan = 0, parts[] = {first, second, text.n};
            for (size_t i = 0; i < COUNT_OF(parts); i++) {
                struct str seen = exact(str_sub(text, 0, parts[i]));
                long n = h1_head_end(seen, &scan, MAX_HEAD);
                release(seen);
                assert_int_equal(n, parts[i] >= (size_t)end ? end : 0);
                if (n)
                    break;
            }
        }
    }
}

static void test_head_end_refuses_lines_without_crlf(void **state)
{
    static const char *const bad[] = {
        "\n",
        "\r\n",
        "GET / HTTP/1.1\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "GET / HTTP/1.1\r\n\n",
        "GET / HTTP/1.1\n\r\n",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        size_t scan = 0, size = strlen(bad[i]);
        struct str text = exact(str_of(bad[i]));
        assert_int_equal(h1_head_end(text, &scan, MAX_HEAD), ERR_BAD_REQUEST);
        /* The last line feed is what tells, also when all else was seen before. */
        scan = 0;
        if (strchr(bad[i], '\n') == bad[i] + size - 1) {
            assert_int_equal(h1_head_end(str_sub(text, 0, size - 1), &scan, MAX_HEAD), 0);
            assert_int_equal(h1_head_end(text, &scan, MAX_HEAD), ERR_BAD_REQUEST);
        }
        release(text);
    }
}

static void test_head_end_limit(void **state)
{
    struct str text = STR("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    size_t scan = 0;
    assert_int_equal(h1_head_end(text, &scan, text.n), text.n);
    scan = 0;
    assert_int_equal(h1_head_end(text, &scan, text.n - 1), ERR_HEAD_TOO_LARGE);
    scan = 0;
    assert_int_equal(h1_head_end(str_sub(text, 0, 20), &scan, 21), 0);
    assert_int_equal(h1_head_end(str_sub(text, 0, 21), &scan, 21), ERR_HEAD_TOO_LARGE);
}

/* ---- requests -------------------------------------------------------------------------------- */

struct request {
    const char *text; /* without the empty line */
    int code;
    const char *why; /* is in what is said; NULL: anything */
};

static const struct request bad_requests[] = {
    /* request-line */
    {"GET / HTTP/1.1\r\n", ERR_BAD_REQUEST, "Host is missing"},
    {"GET /\r\nHost: a\r\n", ERR_BAD_REQUEST, "request line"},
    {"GET\r\nHost: a\r\n", ERR_BAD_REQUEST, "request line"},
    {" / HTTP/1.1\r\nHost: a\r\n", ERR_BAD_REQUEST, "method"},
    {"G(T / HTTP/1.1\r\nHost: a\r\n", ERR_BAD_REQUEST, "method"},
    {"GET\t/ HTTP/1.1\r\nHost: a\r\n", ERR_BAD_REQUEST, NULL},
    {"GET  / HTTP/1.1\r\nHost: a\r\n", ERR_BAD_REQUEST, NULL},
    {"GET /  HTTP/1.1\r\nHost: a\r\n", ERR_BAD_REQUEST, "version"},
    {"GET / HTTP/1.1 \r\nHost: a\r\n", ERR_BAD_REQUEST, "version"},
    {"GET /a b HTTP/1.1\r\nHost: a\r\n", ERR_BAD_REQUEST, "version"},
    {"GET / http/1.1\r\nHost: a\r\n", ERR_BAD_REQUEST, "version"},
    {"GET / HTTP/1.\r\nHost: a\r\n", ERR_BAD_REQUEST, "version"},
    {"GET / HTTP/1.10\r\nHost: a\r\n", ERR_BAD_REQUEST, "version"},
    {"GET / HTTP/11\r\nHost: a\r\n", ERR_BAD_REQUEST, "version"},
    {"GET / HTTP/1.x\r\nHost: a\r\n", ERR_BAD_REQUEST, "version"},
    {"GET / HTTP/x.1\r\nHost: a\r\n", ERR_BAD_REQUEST, "version"},
    {"GET / HTTP/0.9\r\nHost: a\r\n", ERR_HTTP_VERSION, "HTTP/1.0"},
    {"GET / HTTP/2.0\r\nHost: a\r\n", ERR_HTTP_VERSION, "HTTP/1.0"},
    {"PRI * HTTP/2.0\r\n", ERR_HTTP_VERSION, "HTTP/1.0"},
    {"GET / HTTP/1.1\rHost: a\r\n", ERR_BAD_REQUEST, "bare CR"},
    /* request-target */
    {"GET /\x80 HTTP/1.1\r\nHost: a\r\n", ERR_BAD_REQUEST, "target"},
    {"GET /\x01 HTTP/1.1\r\nHost: a\r\n", ERR_BAD_REQUEST, "target"},
    {"GET /\x7f HTTP/1.1\r\nHost: a\r\n", ERR_BAD_REQUEST, "target"},
    {"GET /a\tb HTTP/1.1\r\nHost: a\r\n", ERR_BAD_REQUEST, "target"},
    {"GET /#f HTTP/1.1\r\nHost: a\r\n", ERR_BAD_REQUEST, "target"},
    {"GET a HTTP/1.1\r\nHost: a\r\n", ERR_BAD_REQUEST, "neither a path"},
    {"GET * HTTP/1.1\r\nHost: a\r\n", ERR_BAD_REQUEST, "only OPTIONS"},
    {"GET ** HTTP/1.1\r\nHost: a\r\n", ERR_BAD_REQUEST, "neither a path"},
    {"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n", ERR_BAD_REQUEST, "neither a path"},
    {"GET http:/a/ HTTP/1.1\r\nHost: a\r\n", ERR_BAD_REQUEST, "neither a path"},
    {"GET http:///x HTTP/1.1\r\nHost: a\r\n", ERR_BAD_REQUEST, "authority"},
    {"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n", ERR_BAD_REQUEST, "authority"},
    {"GET http://a:99999/ HTTP/1.1\r\nHost: a\r\n", ERR_BAD_REQUEST, "authority"},
    {"GET http://a/ HTTP/1.1\r\n", ERR_BAD_REQUEST, "Host is missing"},
    {"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n", ERR_METHOD_UNSUPPORTED, "CONNECT"},
    /* field lines */
    {"GET / HTTP/1.1\r\nHost : a\r\n", ERR_BAD_REQUEST, "field line"},
    {"GET / HTTP/1.1\r\n Host: a\r\n", ERR_BAD_REQUEST, "field line"},
    {"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n", ERR_BAD_REQUEST, "field line"},
    {"GET / HTTP/1.1\r\nHost: a\r\n\tfolded\r\n", ERR_BAD_REQUEST, "field line"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX\r\n", ERR_BAD_REQUEST, "field line"},
    {"GET / HTTP/1.1\r\nHost: a\r\n: x\r\n", ERR_BAD_REQUEST, "field line"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX\x80: y\r\n", ERR_BAD_REQUEST, "field line"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX@: y\r\n", ERR_BAD_REQUEST, "field line"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n", ERR_BAD_REQUEST, "field line"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: a\x01\r\n", ERR_BAD_REQUEST, "field line"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: a\x7f\r\n", ERR_BAD_REQUEST, "field line"},
    /* Host */
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n", ERR_BAD_REQUEST, "Host stands twice"},
    {"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n", ERR_BAD_REQUEST, "Host stands twice"},
    {"GET / HTTP/1.1\r\nHost:\r\n", ERR_BAD_REQUEST, "Host is malformed"},
    {"GET / HTTP/1.1\r\nHost: a b\r\n", ERR_BAD_REQUEST, "Host is malformed"},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n", ERR_BAD_REQUEST, "Host is malformed"},
    {"GET / HTTP/1.1\r\nHost: u@a\r\n", ERR_BAD_REQUEST, "Host is malformed"},
    {"GET / HTTP/1.1\r\nHost: a:x\r\n", ERR_BAD_REQUEST, "Host is malformed"},
    {"GET / HTTP/1.1\r\nHost: a:1:2\r\n", ERR_BAD_REQUEST, "Host is malformed"},
    {"GET http://b/ HTTP/1.1\r\nHost: a/b\r\n", ERR_BAD_REQUEST, "Host is malformed"},
    /* the two lengths */
    {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n", ERR_BAD_REQUEST,
     "twice"},
    {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n", ERR_BAD_REQUEST, "not a number"},
    {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n", ERR_BAD_REQUEST, "not a number"},
    {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n", ERR_BAD_REQUEST, "not a number"},
    {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n", ERR_BAD_REQUEST, "not a number"},
    {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 1\r\n", ERR_BAD_REQUEST, "not a number"},
    {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n", ERR_BAD_REQUEST, "not a number"},
    {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808\r\n", ERR_BAD_REQUEST,
     "not a number"},
    {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n",
     ERR_BAD_REQUEST, "both"},
    {"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n",
     ERR_BAD_REQUEST, "both"},
    {"PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n", ERR_BAD_REQUEST, "HTTP/1.0"},
    {"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
     ERR_BAD_REQUEST, "twice"},
    {"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n", ERR_CODING_UNSUPPORTED,
     NULL},
    {"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n", ERR_CODING_UNSUPPORTED,
     NULL},
    {"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n", ERR_BAD_REQUEST, NULL},
    {"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n", ERR_BAD_REQUEST, NULL},
    {"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n", ERR_BAD_REQUEST, NULL},
    {"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n", ERR_BAD_REQUEST, NULL},
    {"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0b"
     "chunked\r\n",
     ERR_BAD_REQUEST, "field line"},
    /* Connection: 33 options, empty ones count */
    {"GET / HTTP/1.1\r\nHost: a\r\nConnection: a,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,b\r\n",
     ERR_BAD_REQUEST, "too many options"},
    {"GET / HTTP/1.1\r\nHost: a\r\nConnection: a,,,,,,,,,,,,,,,,,\r\nConnection: "
     ",,,,,,,,,,,,,,b\r\n",
     ERR_BAD_REQUEST, "too many options"},
    /* Expect */
    {"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n", ERR_EXPECTATION, "expectation"},
    {"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nExpect: 100-continue\r\n",
     ERR_EXPECTATION, "expectation"},
};

static void test_bad_requests(void **state)
{
    char text[1024];
    int wrong = 0;
    for (size_t i = 0; i < COUNT_OF(bad_requests); i++) {
        const struct request *r = &bad_requests[i];
        struct h1_head h;
        const char *why;
        snprintf(text, sizeof text, "%s\r\n", r->text);
        struct str bytes = exact(str_of(text));
        int code = parse(&h, bytes, true, H1_GET, &why);
        release(bytes);
        if (code == r->code && (!r->why || strstr(why, r->why)))
            continue;
        wrong++;
        print_error("%s  gives %s (%s), not %s (%s)\n", r->text, err_name(code), why,
                    err_name(r->code), r->why ? r->why : "");
    }
    assert_int_equal(wrong, 0);
}

/* A NUL anywhere in a head refuses it. */
static void test_nul_at_each_place(void **state)
{
    struct str text =
        STR("PUT /a?b HTTP/1.1\r\nHost: a:80\r\nX-Y: z \r\nContent-Length: 1\r\n\r\n");
    for (size_t i = 0; i < text.n; i++) {
        char copy[128];
        struct h1_head h;
        const char *why;
        memcpy(copy, text.p, text.n);
        copy[i] = '\0';
        size_t scan = 0;
        struct str bytes = {copy, text.n};
        long n = h1_head_end(bytes, &scan, MAX_HEAD);
        if (n > 0 && parse(&h, bytes, true, H1_GET, &why) == 0)
            fail_msg("taken with a NUL at %zu", i);
    }
}

static bool is_token_byte(unsigned byte)
{
    static const char tchars[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    return byte && strchr(tchars, (int)byte);
}

static bool is_name_byte(unsigned byte) /* in "X@Y: z", where a colon ends the name */
{
    return is_token_byte(byte) || byte == ':';
}

static bool is_target_byte(unsigned byte)
{
    return byte > ' ' && byte < 0x7f && byte != '#';
}

static bool is_value_byte(unsigned byte)
{
    return (byte >= ' ' || byte == '\t') && byte != 0x7f;
}

static bool is_host_byte(unsigned byte)
{
    return byte && (is_token_byte(byte) || strchr("(),;=", (int)byte)) &&
           !strchr("#^`|", (int)byte);
}

/* Which bytes may stand where: each of the 256 at one place of each kind. */
static void test_each_byte_at_each_kind_of_place(void **state)
{
    static const struct {
        const char *text; /* with '@' where the byte goes */
        bool (*may_be)(unsigned byte);
    } places[] = {
        {"G@T / HTTP/1.1\r\nHost: a\r\n\r\n", is_token_byte},
        {"GET /a@b HTTP/1.1\r\nHost: a\r\n\r\n", is_target_byte},
        {"GET / HTTP/1.1\r\nHost: a\r\nX@Y: z\r\n\r\n", is_name_byte},
        {"GET / HTTP/1.1\r\nHost: a\r\nXY: a@z\r\n\r\n", is_value_byte},
        {"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", is_host_byte},
    };
    for (size_t k = 0; k < COUNT_OF(places); k++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            char text[64];
            struct h1_head h;
            const char *why;
            size_t n = strlen(places[k].text), scan = 0;
            memcpy(text, places[k].text, n);
            text[strcspn(places[k].text, "@")] = (char)byte;
            struct str bytes = {text, n};
            bool is_taken = h1_head_end(bytes, &scan, MAX_HEAD) == (long)n &&
                            parse(&h, bytes, true, H1_GET, &why) == 0;
            if (is_taken != places[k].may_be(byte))
                fail_msg("byte %#x in %s: %s", byte, places[k].text,
                         is_taken ? "taken" : "refused");
        }
    }
}

static void test_request_parts(void **state)
{
    struct str text =
        STR("POST /v2/images?a=b HTTP/1.1\r\nHost: image.example:9292\r\n"
            "X-Empty:\r\nX-Blank: \t \r\nX-Value: \t a\tb  \r\nCONTENT-length: 007\r\n"
            "Expect: 100-Continue\r\n\r\n");
    struct h1_head h;
    const char *why;
    assert_int_equal(parse(&h, text, true, H1_GET, &why), 0);
    assert_int_equal(h.method, H1_POST);
    assert_true(str_eq(h.method_text, STR("POST")));
    assert_true(str_eq(h.target, STR("/v2/images?a=b")));
    assert_true(str_eq(h.authority, STR("image.example:9292")));
    assert_false(h.is_absolute);
    assert_int_equal(h.size, text.n);
    assert_int_equal(h.minor, 1);
    assert_int_equal(h.n_fields, 6);
    assert_true(str_eq(h1_value(&h, 1), STR("")) && str_eq(h1_value(&h, 2), STR("")));
    assert_true(str_eq(h1_name(&h, 3), STR("X-Value")));
    assert_true(str_eq(h1_value(&h, 3), STR("a\tb")));
    assert_int_equal(h.fields[0].id, H1_HOST);
    assert_int_equal(h.fields[3].id, H1_OTHER);
    assert_int_equal(h.fields[4].id, H1_CONTENT_LENGTH);
    assert_int_equal(h.framing, H1_LENGTH);
    assert_int_equal(h.length, 7);
    assert_true(h.has_length && h.expects_continue && h.keep_alive && !h.has_upgrade);
    assert_int_equal(h1_find(&h, H1_EXPECT, 0), 5);
    assert_int_equal(h1_find(&h, H1_EXPECT, 6), h.n_fields);
    assert_int_equal(h1_find_name(&h, STR("x-value"), 0), 3);
    assert_int_equal(h1_find_name(&h, STR("x-value"), 4), h.n_fields);
}

static void test_targets(void **state)
{
    static const struct {
        const char *line, *target, *authority;
        bool is_absolute;
    } rows[] = {
        {"GET /x?y HTTP/1.1", "/x?y", "host", false},
        {"GET //x HTTP/1.1", "//x", "host", false},
        {"OPTIONS * HTTP/1.1", "*", "host", false},
        {"GET http://other:80/x?y HTTP/1.1", "/x?y", "other:80", true},
        {"GET HTTPS://other/ HTTP/1.1", "/", "other", true},
        {"GET http://other HTTP/1.1", "/", "other", true},
        {"GET http://other?x HTTP/1.1", "?x", "other", true},
        {"OPTIONS http://other HTTP/1.1", "*", "other", true},
        {"OPTIONS http://other? HTTP/1.1", "?", "other", true},
        {"OPTIONS http://other/ HTTP/1.1", "/", "other", true},
        {"GET http://[::1]:8080/x HTTP/1.1", "/x", "[::1]:8080", true},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[256];
        struct h1_head h;
        const char *why;
        snprintf(text, sizeof text, "%s\r\nHost: host\r\n\r\n", rows[i].line);
        assert_int_equal(parse(&h, str_of(text), true, H1_GET, &why), 0);
        assert_true(str_eq(h.target, str_of(rows[i].target)));
        assert_true(str_eq(h.authority, str_of(rows[i].authority)));
        assert_int_equal(h.is_absolute, rows[i].is_absolute);
    }
}

static void test_authorities(void **state)
{
    static const char *const good[] = {"a",      "A.b-c_d", "127.0.0.1", "a:80",
                                       "a:",     "a:65535", "[::1]",     "[::1]:80",
                                       "[::1]:", "a%20b",   "[v1.x]",    "x!$&'()*+,;=~"};
    static const char *const bad[] = {"",       ":",       ":80",     "a:65536", "a:+1", "a:8 ",
                                      "a b",    "u@a",     "[",       "[]",      "[:",   "[::1",
                                      "[::1]x", "[::1]80", "[::1]:x", "a\x80",   "a#",   "a?",
                                      "a/",     "a[",      "::1"};
    for (size_t i = 0; i < COUNT_OF(good); i++)
        if (!h1_is_authority(str_of(good[i])))
            fail_msg("%s is an authority", good[i]);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (h1_is_authority(str_of(bad[i])))
            fail_msg("%s is no authority", bad[i]);
}

/* HTTP/1.0 has neither Host nor Expect nor Upgrade to go by. */
static void test_http_1_0(void **state)
{
    struct h1_head h;
    const char *why;
    assert_int_equal(parse(&h, STR("GET / HTTP/1.0\r\n\r\n"), true, H1_GET, &why), 0);
    assert_int_equal(h.minor, 0);
    assert_null(h.authority.p);
    assert_false(h.keep_alive);
    assert_int_equal(parse(&h,
                           STR("GET / HTTP/1.0\r\nExpect: 100-continue\r\nUpgrade: x\r\n"
                               "Connection: keep-alive, upgrade\r\n\r\n"),
                           true, H1_GET, &why),
                     0);
    assert_true(h.keep_alive);
    assert_false(h.expects_continue || h.has_upgrade);
    assert_int_equal(parse(&h, STR("GET / HTTP/1.7\r\nHost: a\r\n\r\n"), true, H1_GET, &why), 0);
    assert_int_equal(h.minor, 1);
}

static void test_connection(void **state)
{
    static const struct {
        const char *fields;
        bool keep_alive, has_upgrade;
    } rows[] = {
        {"", true, false},
        {"Connection: close\r\n", false, false},
        {"Connection: Close\r\n", false, false},
        {"Connection: keep-alive\r\n", true, false},
        {"Connection: keep-alive, close\r\n", false, false},
        {"Connection: x,\tclose ,y\r\n", false, false},
        {"Connection: closed, xclose, clo se\r\n", true, false},
        {"Connection: ,,\r\n", true, false},
        {"Connection: x\r\nConnection: close\r\n", false, false},
        {"Connection: ,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,close\r\n", false, false},
        {"Upgrade: x\r\n", true, false},
        {"Connection: upgrade\r\n", true, false},
        {"Connection: upgrade\r\nUpgrade:\r\n", true, false},
        {"Connection: upgrade\r\nUpgrade:\r\nUpgrade: x\r\n", true, true},
        {"Connection: Upgrade\r\nUpgrade: x\r\n", true, true},
        {"Connection: close, Upgrade\r\nUpgrade: x\r\n", false, true},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[256];
        struct h1_head h;
        const char *why;
        snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", rows[i].fields);
        assert_int_equal(parse(&h, str_of(text), true, H1_GET, &why), 0);
        if (h.keep_alive != rows[i].keep_alive || h.has_upgrade != rows[i].has_upgrade)
            fail_msg("%skeep_alive %d, has_upgrade %d", rows[i].fields, h.keep_alive,
                     h.has_upgrade);
    }
}

/* What belongs to the connection is left out of the copy: by name, and as Connection says; but
 * Connection takes nothing away that Cheops itself goes by. */
static void test_copy_fields(void **state)
{
    static const struct {
        const char *fields, *copied;
    } rows[] = {
        {"Host: a\r\n", "Host: a\r\n"},
        {"Host: a\r\nA:  b \r\nC:\r\n", "Host: a\r\nA:  b \r\nC:\r\n"},
        {"Connection: A, b\r\nA: 1\r\nHost: a\r\nB: 2\r\nC: 3\r\nb: 4\r\n", "Host: a\r\nC: 3\r\n"},
        {"Host: a\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nTE: trailers\r\nUpgrade: x\r\n"
         "Content-Length: 3\r\nX: y\r\n",
         "Host: a\r\nX: y\r\n"},
        {"Transfer-Encoding: chunked\r\nHost: a\r\nTrailer: T\r\n", "Host: a\r\nTrailer: T\r\n"},
        {"Connection: host, scope, cheops-leg, via, traceparent, content-type\r\nHost: a\r\n"
         "Scope: x\r\nCheops-Leg: y\r\nVia: z\r\ntraceparent: t\r\nContent-Type: c\r\n",
         "Host: a\r\nScope: x\r\nCheops-Leg: y\r\nVia: z\r\ntraceparent: t\r\nContent-Type: c\r\n"},
        {"A: 1\r\nHost: a\r\nB: 2\r\nConnection: a\r\nConnection: b\r\n", "Host: a\r\n"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[512], copied[512];
        struct h1_head h;
        struct out o;
        const char *why;
        snprintf(text, sizeof text, "GET / HTTP/1.1\r\n%s\r\n", rows[i].fields);
        assert_int_equal(parse(&h, str_of(text), true, H1_GET, &why), 0);
        out_init(&o, copied, sizeof copied);
        h1_copy_fields(&h, &o);
        if (!str_eq(out_get(&o), str_of(rows[i].copied)))
            fail_msg("%s  is copied as\n%.*s", rows[i].fields, STR_ARG(out_get(&o)));
    }
}

/* As many fields as there is room for, and one more. */
static void test_field_limit(void **state)
{
    struct h1_field fields[4];
    struct h1_head h;
    const char *why = NULL;
    struct str four = STR("GET / HTTP/1.1\r\nHost: a\r\nB:\r\nC:\r\nD:\r\n\r\n");
    struct str five = STR("GET / HTTP/1.1\r\nHost: a\r\nB:\r\nC:\r\nD:\r\nE:\r\n\r\n");
    assert_int_equal(h1_request_parse(&h, four, fields, 4, &why), 0);
    assert_int_equal(h1_request_parse(&h, five, fields, 4, &why), ERR_HEAD_TOO_LARGE);
    assert_string_equal(why, "too many fields");
}

/* Each name of the table is known, in any case, and no other is. */
static void test_field_ids(void **state)
{
    static const struct {
        const char *name;
        unsigned id;
        bool hop;
    } table[] = {
#define H1_FIELD(id, name, hop) {name, H1_##id, hop},
#include "codec/h1_fields.def"
#undef H1_FIELD
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        /* A value that suits the fields which are checked. */
        const char *value = table[i].id == H1_CONTENT_LENGTH      ? "1"
                            : table[i].id == H1_TRANSFER_ENCODING ? "chunked"
                            : table[i].id == H1_EXPECT            ? "100-continue"
                                                                  : "x";
        char text[256], name[64];
        struct h1_head h;
        const char *why;
        for (int upper = 0; upper < 2; upper++) {
            size_t n = strlen(table[i].name);
            memcpy(name, table[i].name, n + 1);
            for (size_t k = 0; upper && k < n; k++)
                name[k] = (char)(name[k] >= 'a' && name[k] <= 'z' ? name[k] - 32 : name[k]);
            snprintf(text, sizeof text, "GET / HTTP/1.1\r\n%s%s: %s\r\n%sx: 1\r\nx%s: 1\r\n\r\n",
                     table[i].id == H1_HOST ? "" : "Host: a\r\n", name, value, name, name);
            assert_int_equal(parse(&h, str_of(text), true, H1_GET, &why), 0);
            size_t at = h1_find_name(&h, str_of(name), 0);
            if (h.fields[at].id != table[i].id || h.fields[at].drop != table[i].hop)
                fail_msg("%s is field %u, drop %d", name, h.fields[at].id, h.fields[at].drop);
            assert_int_equal(h.fields[at + 1].id, strncmp(table[i].name, "cheops-", 7) == 0
                                                      ? H1_OTHER_CHEOPS
                                                  : strncmp(table[i].name, "x-forwarded-", 12) == 0
                                                      ? H1_OTHER_X_FORWARDED
                                                      : H1_OTHER);
            /* "x" in front of a name may be another name ("x-scope"); "xte" is not. */
            assert_true(h.fields[at + 2].id == H1_OTHER);
        }
    }
}

/* ---- answers --------------------------------------------------------------------------------- */

static void test_bad_answers(void **state)
{
    static const char *const bad[] = {
        "HTTP/1.1\r\n",
        "HTTP/1.1 \r\n",
        "HTTP/1.1 20\r\n",
        "HTTP/1.1 20 OK\r\n",
        "HTTP/1.1 2000 OK\r\n",
        "HTTP/1.1 099 OK\r\n",
        "HTTP/1.1 600 OK\r\n",
        "HTTP/1.1 2x0 OK\r\n",
        "HTTP/1.1 200OK\r\n",
        "HTTP/1.1  200 OK\r\n",
        "HTTP/2.0 200 OK\r\n",
        "HTTP/0.9 200 OK\r\n",
        "http/1.1 200 OK\r\n",
        "HTTP/1.1\t200 OK\r\n",
        "HTTP/1.1 200 O\x01K\r\n",
        "HTTP/1.1 200 O\rK\r\n",
        "ICY 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nA : b\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n",
        "HTTP/1.1 200 OK\r\nA: b\rc\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1,1\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char text[256];
        struct h1_head h;
        const char *why;
        snprintf(text, sizeof text, "%s\r\n", bad[i]);
        struct str bytes = exact(str_of(text));
        int code = parse(&h, bytes, false, H1_GET, &why);
        release(bytes);
        if (code != ERR_SERVICE_BROKEN || !*why)
            fail_msg("%s gives %s (%s)", bad[i], err_name(code), why);
    }
}

static void test_answer_framing(void **state)
{
    static const struct {
        const char *head;
        enum h1_method method;
        enum h1_framing framing;
        bool has_length;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\n", H1_GET, H1_UNTIL_CLOSE, false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", H1_GET, H1_LENGTH, true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", H1_GET, H1_NO_BODY, true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", H1_HEAD, H1_NO_BODY, true},
        {"HTTP/1.1 200 OK\r\n", H1_HEAD, H1_NO_BODY, false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: CHUNKED\r\n", H1_GET, H1_CHUNKED, false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", H1_HEAD, H1_NO_BODY, false},
        {"HTTP/1.1 100 Continue\r\n", H1_PUT, H1_NO_BODY, false},
        {"HTTP/1.1 101 Switching\r\nContent-Length: 5\r\n", H1_GET, H1_NO_BODY, true},
        {"HTTP/1.1 204 No\r\nContent-Length: 5\r\n", H1_GET, H1_NO_BODY, true},
        {"HTTP/1.1 304 Not\r\nContent-Length: 5\r\n", H1_GET, H1_NO_BODY, true},
        {"HTTP/1.1 304 Not\r\n", H1_GET, H1_NO_BODY, false},
        {"HTTP/1.1 205 Reset\r\n", H1_GET, H1_UNTIL_CLOSE, false},
        {"HTTP/1.1 500 Oh\r\nContent-Length: 9223372036854775807\r\n", H1_POST, H1_LENGTH, true},
        {"HTTP/1.0 200 OK\r\n", H1_GET, H1_UNTIL_CLOSE, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[256];
        struct h1_head h;
        const char *why;
        snprintf(text, sizeof text, "%s\r\n", rows[i].head);
        assert_int_equal(parse(&h, str_of(text), false, rows[i].method, &why), 0);
        if (h.framing != rows[i].framing || h.has_length != rows[i].has_length)
            fail_msg("%s framing %d, has_length %d", rows[i].head, h.framing, h.has_length);
    }
}

static void test_status_lines(void **state)
{
    static const struct {
        const char *line, *reason;
        unsigned status, minor;
        bool keep_alive;
    } rows[] = {
        {"HTTP/1.1 200 OK", "OK", 200, 1, true},
        {"HTTP/1.1 200 ", "", 200, 1, true},
        {"HTTP/1.1 200", "", 200, 1, true},
        {"HTTP/1.0 599 a\tb \xff", "a\tb \xff", 599, 0, false},
        {"HTTP/1.1 100 Continue", "Continue", 100, 1, true},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[256];
        struct h1_head h;
        const char *why;
        snprintf(text, sizeof text, "%s\r\nX: y\r\n\r\n", rows[i].line);
        assert_int_equal(parse(&h, str_of(text), false, H1_GET, &why), 0);
        assert_int_equal(h.status, rows[i].status);
        assert_int_equal(h.minor, rows[i].minor);
        assert_int_equal(h.keep_alive, rows[i].keep_alive);
        assert_true(str_eq(h.reason, str_of(rows[i].reason)));
        assert_int_equal(h.n_fields, 1);
    }
}

/* ---- parts ----------------------------------------------------------------------------------- */

/* The fast scan stops where a loop over single bytes would: each byte at each place of spans of
 * each length and alignment about its step of 16. */
static void test_scan_value(void **state)
{
    _Alignas(16) char space[96];
    memset(space, 'a', sizeof space);
    for (size_t from = 0; from < 16; from++) {
        for (size_t n = 0; n <= 50; n++) {
            assert_ptr_equal(h1_scan_value(space + from, space + from + n), space + from + n);
            for (size_t at = 0; at < n; at++) {
                static const unsigned char stops[] = {0x00, 0x08, 0x0a, 0x0d, 0x1f, 0x7f};
                static const unsigned char passes[] = {'\t', ' ', '~', 0x80, 0x89, 0x9f, 0xff};
                for (size_t k = 0; k < sizeof stops; k++) {
                    space[from + at] = (char)stops[k];
                    assert_ptr_equal(h1_scan_value(space + from, space + from + n),
                                     space + from + at);
                }
                for (size_t k = 0; k < sizeof passes; k++) {
                    space[from + at] = (char)passes[k];
                    assert_ptr_equal(h1_scan_value(space + from, space + from + n),
                                     space + from + n);
                }
                space[from + at] = 'a';
            }
        }
    }
}

/* At every place of blocks of sixteen, every byte. */
static void test_scan_token(void **state)
{
    char space[48];
    for (size_t n = 1; n < 40; n++)
        for (size_t at = 0; at < n; at++)
            for (unsigned c = 0; c < 256; c++) {
                bool is_token =
                    c && (strchr("!#$%&'*+-.^_`|~", (int)c) || (c < 128 && isalnum((int)c)));
                memset(space, 'a', sizeof space);
                space[at] = (char)c;
                if (h1_scan_token(space, space + n) != space + (is_token ? n : at))
                    fail_msg("byte %u at %zu of %zu", c, at, n);
            }
}

/* The same for targets. */
static void test_scan_target(void **state)
{
    char space[48];
    for (size_t n = 1; n < 40; n++)
        for (size_t at = 0; at < n; at++)
            for (unsigned c = 0; c < 256; c++) {
                bool is_good = c > ' ' && c < 0x7f && c != '#';
                memset(space, 'a', sizeof space);
                space[at] = (char)c;
                if (h1_scan_target(space, space + n) != space + (is_good ? n : at))
                    fail_msg("byte %u at %zu of %zu", c, at, n);
            }
}

static void test_methods(void **state)
{
    static const struct {
        const char *name;
        enum h1_method method;
        bool is_safe, is_idempotent;
    } rows[] = {
        {"GET", H1_GET, true, true},
        {"HEAD", H1_HEAD, true, true},
        {"POST", H1_POST, false, false},
        {"PUT", H1_PUT, false, true},
        {"DELETE", H1_DELETE, false, true},
        {"OPTIONS", H1_OPTIONS, true, true},
        {"TRACE", H1_TRACE, true, true},
        {"PATCH", H1_PATCH, false, false},
        {"get", H1_METHOD_OTHER, false, false},
        {"GETT", H1_METHOD_OTHER, false, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[64];
        struct h1_head h;
        const char *why;
        snprintf(text, sizeof text, "%s / HTTP/1.1\r\nHost: a\r\n\r\n", rows[i].name);
        assert_int_equal(parse(&h, str_of(text), true, H1_GET, &why), 0);
        assert_int_equal(h.method, rows[i].method);
        assert_int_equal(h1_is_safe(h.method), rows[i].is_safe);
        assert_int_equal(h1_is_idempotent(h.method), rows[i].is_idempotent);
    }
}

/* Cheops answers with the statuses of its errors: each has its phrase. */
static void test_reasons(void **state)
{
    static const int statuses[] = {
#define ERR(symbol, name, status, retryable, text) status,
#include "base/err.def"
#undef ERR
    };
    for (size_t i = 0; i < COUNT_OF(statuses); i++)
        if (statuses[i] && statuses[i] != 499 && h1_reason((unsigned)statuses[i]).n == 0)
            fail_msg("%d has no reason phrase", statuses[i]);
    assert_true(str_eq(h1_reason(200), STR("OK")));
    assert_int_equal(h1_reason(299).n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head_end_in_every_split),
        cmocka_unit_test(test_head_end_refuses_lines_without_crlf),
        cmocka_unit_test(test_head_end_limit),
        cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_nul_at_each_place),
        cmocka_unit_test(test_each_byte_at_each_kind_of_place),
        cmocka_unit_test(test_request_parts),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_authorities),
        cmocka_unit_test(test_http_1_0),
        cmocka_unit_test(test_connection),
        cmocka_unit_test(test_copy_fields),
        cmocka_unit_test(test_field_limit),
        cmocka_unit_test(test_field_ids),
        cmocka_unit_test(test_bad_answers),
        cmocka_unit_test(test_answer_framing),
        cmocka_unit_test(test_status_lines),
        cmocka_unit_test(test_scan_value),
        cmocka_unit_test(test_scan_token),
        cmocka_unit_test(test_scan_target),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_reasons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
