/* How a scope arrives: what is read, and what of the request goes on. */
#include "app_test.h"

static struct str credentials[] = {{"X-Auth-Token", 12}, {"X-Subject-Token", 15}};
static struct str scope_fields[] = {{"X-Only-Scope", 12}};

static const struct app app = {
    .name = {"test", 4},
    .carriers =
        {
            .credential_fields = credentials,
            .n_credential_fields = 2,
            .scope_fields = scope_fields,
            .n_scope_fields = 1,
            .path_separator = '@',
            .path_body_pointer = {"/metadata/namespace", 19},
            .body_pointer = {"/metadata/scope", 15},
            .correlation_field = {"X-Request-ID", 12},
            .correlation_form = {"req-{uuid4}", 11},
        },
};

#define UUID   "01234567-89ab-4cde-8f01-23456789abcd"
#define HOST   "Host: here\r\n"
#define PARIS  "e2ltYWdlOiBQYXJpc30" /* {image: Paris} */
#define PPARIS "%7Bimage%3A%20Paris%7D"

/* Everything that reading gives, as text: one line for each thing that is there. */
static void dump(struct request *r, const struct app_carried *c, struct out *o)
{
    static const char *const names[] = {"none",   "field",   "credential", "named", "path",
                                        "prefix", "baggage", "body",       "memory"};
    if (c->carrier != APP_CARRIER_NONE)
        out_fmt(o, "%s [%.*s]\n", names[c->carrier], STR_ARG(c->text));
    if (!str_eq(c->target, r->head.target))
        out_fmt(o, "target %.*s\n", STR_ARG(c->target));
    if (c->prefix.p)
        out_fmt(o, "prefix %.*s\n", STR_ARG(c->prefix));
    if (c->memory_ids[0].p)
        out_fmt(o, "trace [%.*s]\n", STR_ARG(c->memory_ids[0]));
    if (c->memory_ids[1].p)
        out_fmt(o, "correlation [%.*s]\n", STR_ARG(c->memory_ids[1]));
    h1_copy_fields(&r->head, o);
    for (size_t i = 0; i < c->n_lines; i++)
        out_str(o, c->lines[i]);
}

struct row {
    const char *target, *fields; /* of the request */
    const char *want;            /* NULL: refused */
    const char *message;         /* of the refusal */
};

static void check(const struct row *row)
{
    struct request r;
    struct arena a;
    struct app_carried c;
    struct diag d = {0};
    char text[4096];
    struct out o;
    request_init(&r, "GET", row->target, row->fields);
    arena_init(&a, NULL, 0, 64 * 1024);
    out_init(&o, text, sizeof text);
    int rc = app_carriers_read(&app, &r.head, &a, &c, &d);
    if (rc != (row->want ? 0 : ERR_SCOPE_SYNTAX))
        fail_msg("%s %s: %d %s", row->target, row->fields, rc, d.message);
    assert_true(c.correlation.p == c.memory_ids[1].p);
    if (rc == 0) {
        dump(&r, &c, &o);
        assert_false(o.overflowed);
        assert_str(out_get(&o), row->want);
    } else {
        assert_int_equal(d.code, rc);
        assert_string_equal(d.message, row->message);
        assert_true(d.hint[0]);
        assert_non_null(c.target.p);
    }
    arena_fini(&a);
    request_fini(&r);
}

static void check_all(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        check(&rows[i]);
}

static void test_none(void **state)
{
    static const struct row rows[] = {
        {"/v2/images", "", HOST},
        {"/v2/images?scope=x", "X-Auth-Token: gAAA\r\nAccept: */*\r\n",
         HOST "X-Auth-Token: gAAA\r\nAccept: */*\r\n"},
        {"/", "X-Auth-Token: a~SCOPE-b!SCOPE~\r\n", HOST "X-Auth-Token: a~SCOPE-b!SCOPE~\r\n"},
        {"/", "X-Scopes: A\r\nAuth-Token: x~SCOPE~y\r\n",
         HOST "X-Scopes: A\r\nAuth-Token: x~SCOPE~y\r\n"},
        {"/", "baggage: a=1, scopes=x ,b=scope\r\ntracestate: cheopsx=1\r\n",
         HOST "baggage: a=1, scopes=x ,b=scope\r\ntracestate: cheopsx=1\r\n"},
        {"/", "baggage: scope\r\nbaggage:\r\n", HOST "baggage: scope\r\nbaggage:\r\n"},
    };
    check_all(rows, COUNT_OF(rows));
}

static void test_field(void **state)
{
    static const struct row rows[] = {
        {"/", "Scope: {image: Paris}\r\n", "field [{image: Paris}]\n" HOST},
        {"/", "sCOPE:   A & B  \r\nAccept: x\r\n", "field [A & B]\n" HOST "Accept: x\r\n"},
        {"/", "X-Scope: Paris\r\n", "field [Paris]\n" HOST},
        {"/", "X-Scope: Lyon\r\nScope: Paris\r\n", "field [Paris]\n" HOST},
        {"/", "Scope:\r\n", "field []\n" HOST}, /* there, and refused by the parser */
        {"/", "Scope:\r\nX-Scope: Paris\r\n", "field []\n" HOST},
        {"/", "Scope: %7B\r\n", "field [%7B]\n" HOST}, /* not decoded */
        {"/", "Connection: scope\r\nScope: Paris\r\n", "field [Paris]\n" HOST},
        {"/", "Scope: A\r\nScope: A\r\n", NULL, "the field Scope stands twice"},
        {"/", "Scope: image: A\r\nAccept: x\r\nscope: B\r\n", NULL, "the field scope stands twice"},
        {"/", "X-Scope: A\r\nX-Scope: B\r\n", NULL, "the field X-Scope stands twice"},
        {"/", "Scope: C\r\nX-Scope: A\r\nX-Scope: B\r\n", NULL, "the field X-Scope stands twice"},
    };
    check_all(rows, COUNT_OF(rows));
}

static void test_credential(void **state)
{
    static const struct row rows[] = {
        {"/", "X-Auth-Token: gAAA~SCOPE~" PARIS "\r\n",
         "credential [{image: Paris}]\n" HOST "X-Auth-Token: gAAA\r\n"},
        {"/", "x-auth-token: gAAA~SCOPE~" PARIS "\r\n",
         "credential [{image: Paris}]\n" HOST "x-auth-token: gAAA\r\n"},
        {"/", "X-Subject-Token: T~SCOPE~" PARIS "\r\nX-Auth-Token: own\r\n",
         "credential [{image: Paris}]\n" HOST "X-Subject-Token: T\r\nX-Auth-Token: own\r\n"},
        {"/", "X-Auth-Token: gAAA!SCOPE!{\"image\": \"Paris\"}\r\n",
         "credential [{\"image\": \"Paris\"}]\n" HOST "X-Auth-Token: gAAA\r\n"},
        {"/", "X-Auth-Token: gAAA!SCOPE!%7B%22image%22%3A%22Paris%22%7d\r\n",
         "credential [{\"image\":\"Paris\"}]\n" HOST "X-Auth-Token: gAAA\r\n"},
        {"/", "X-Auth-Token: gAAA!SCOPE!{image: A % B}\r\n",
         "credential [{image: A % B}]\n" HOST "X-Auth-Token: gAAA\r\n"},
        {"/", "X-Auth-Token: gAAA!SCOPE!{image:A%BE}\r\n",
         "credential [{image:A%BE}]\n" HOST "X-Auth-Token: gAAA\r\n"},
        {"/", "X-Auth-Token: gAAA!SCOPE!Nantes%Paris\r\n",
         "credential [Nantes%Paris]\n" HOST "X-Auth-Token: gAAA\r\n"},
        {"/", "X-Auth-Token: gAAA!SCOPE!Paris\r\n",
         "credential [Paris]\n" HOST "X-Auth-Token: gAAA\r\n"},
        {"/", "X-Auth-Token: gAAA~SCOPE~\r\n", "credential []\n" HOST "X-Auth-Token: gAAA\r\n"},
        {"/", "X-Auth-Token: gAAA!SCOPE!\r\n", "credential []\n" HOST "X-Auth-Token: gAAA\r\n"},
        /* nothing is left of it */
        {"/", "X-Auth-Token: ~SCOPE~" PARIS "\r\n", "credential [{image: Paris}]\n" HOST},
        /* the first mark ends the credential */
        {"/", "X-Auth-Token: a~SCOPE~" PARIS "~SCOPE~" PARIS "\r\n", NULL,
         "the scope in the suffix of X-Auth-Token is not base64url without padding"},
        {"/", "X-Auth-Token: a!SCOPE!{x: \"~SCOPE~\"}\r\n",
         "credential [{x: \"~SCOPE~\"}]\n" HOST "X-Auth-Token: a\r\n"},
        {"/", "X-Auth-Token: a~SCOPE~!SCOPE!\r\n", NULL,
         "the scope in the suffix of X-Auth-Token is not base64url without padding"},
        {"/", "X-Auth-Token: a~SCOPE~" PARIS "=\r\n", NULL,
         "the scope in the suffix of X-Auth-Token is not base64url without padding"},
        {"/", "X-Subject-Token: a~SCOPE~{image: Paris}\r\n", NULL,
         "the scope in the suffix of X-Subject-Token is not base64url without padding"},
        /* the first counts, all are cut */
        {"/", "X-Auth-Token: a~SCOPE~" PARIS "\r\nX-Subject-Token: b!SCOPE!Lyon\r\n",
         "credential [{image: Paris}]\n" HOST "X-Auth-Token: a\r\nX-Subject-Token: b\r\n"},
        {"/", "X-Auth-Token: a\r\nX-Auth-Token: b!SCOPE!Lyon\r\n",
         "credential [Lyon]\n" HOST "X-Auth-Token: a\r\nX-Auth-Token: b\r\n"},
        /* it is ignored, and what it is does not matter */
        {"/", "Scope: Lyon\r\nX-Auth-Token: a~SCOPE~??\r\n",
         "field [Lyon]\n" HOST "X-Auth-Token: a\r\n"},
        {"/", "Connection: X-Auth-Token\r\nX-Auth-Token: a~SCOPE~" PARIS "\r\n",
         "credential [{image: Paris}]\n" HOST},
    };
    check_all(rows, COUNT_OF(rows));
}

static void test_named(void **state)
{
    static const struct row rows[] = {
        {"/", "X-Only-Scope: {image: Paris}\r\n", "named [{image: Paris}]\n" HOST},
        {"/", "x-only-scope:\r\n", "named []\n" HOST},
        {"/", "X-Only-Scope: A\r\nScope: B\r\n", "field [B]\n" HOST},
        {"/", "X-Only-Scope: A\r\nX-Auth-Token: t!SCOPE!B\r\n",
         "credential [B]\n" HOST "X-Auth-Token: t\r\n"},
        {"/~scope/Lyon/v2", "X-Only-Scope: A\r\nbaggage: scope=B\r\n",
         "named [A]\ntarget /v2\nprefix /~scope/Lyon\n" HOST},
        {"/", "X-Only-Scope: A\r\nX-Only-Scope: B\r\n", NULL,
         "the field X-Only-Scope stands twice"},
    };
    check_all(rows, COUNT_OF(rows));
}

static void test_prefix(void **state)
{
    static const struct row rows[] = {
        {"/~scope/" PPARIS "/v2/images?a=b", "",
         "prefix [{image: Paris}]\ntarget /v2/images?a=b\nprefix /~scope/" PPARIS "\n" HOST},
        {"/~scope/Paris/", "", "prefix [Paris]\ntarget /\nprefix /~scope/Paris\n" HOST},
        {"/~scope/Paris", "", "prefix [Paris]\ntarget /\nprefix /~scope/Paris\n" HOST},
        {"/~scope/Paris?x=1", "", "prefix [Paris]\ntarget /?x=1\nprefix /~scope/Paris\n" HOST},
        {"/~scope/Paris//x", "", "prefix [Paris]\ntarget //x\nprefix /~scope/Paris\n" HOST},
        {"/%7Escope/Paris/x", "", "prefix [Paris]\ntarget /x\nprefix /%7Escope/Paris\n" HOST},
        {"/%7esc%6fpe/Paris/x", "", "prefix [Paris]\ntarget /x\nprefix /%7esc%6fpe/Paris\n" HOST},
        {"/~scope/A%2FB+C/x", "", "prefix [A/B+C]\ntarget /x\nprefix /~scope/A%2FB+C\n" HOST},
        {"/~scope//x", "", "prefix []\ntarget /x\nprefix /~scope/\n" HOST},
        {"/~scope/", "", "prefix []\ntarget /\nprefix /~scope/\n" HOST},
        {"/~scope", "", HOST},
        {"/~scope?/Paris/", "", HOST},
        {"/~scopes/Paris/x", "", HOST},
        {"/x/~scope/Paris", "", HOST},
        {"//~scope/Paris", "", HOST},
        {"/~scope/%7/x", "", NULL, "the scope in the path's prefix is not percent-encoded"},
        {"/~scope/a%/x", "", NULL, "the scope in the path's prefix is not percent-encoded"},
        {"/~scope/%zz/x", "", NULL, "the scope in the path's prefix is not percent-encoded"},
        {"/~scope/%zz/x", "Scope: Lyon\r\n", "field [Lyon]\ntarget /x\nprefix /~scope/%zz\n" HOST},
        {"/~scope/Paris/x", "baggage: scope=%zz\r\n",
         "prefix [Paris]\ntarget /x\nprefix /~scope/Paris\n" HOST},
    };
    check_all(rows, COUNT_OF(rows));
}

static void test_baggage(void **state)
{
    static const struct row rows[] = {
        {"/", "baggage: scope=" PPARIS "\r\n", "baggage [{image: Paris}]\n" HOST},
        {"/", "Baggage: a=1,scope=" PPARIS ";p=1;q, b=2;r=3\r\n",
         "baggage [{image: Paris}]\n" HOST "Baggage: a=1,b=2;r=3\r\n"},
        {"/", "baggage:  scope = Paris , a=1\r\n", "baggage [Paris]\n" HOST "baggage: a=1\r\n"},
        {"/", "baggage: scope=\r\n", "baggage []\n" HOST},
        {"/", "baggage: scope=A,scope=B,c=1\r\n", "baggage [A]\n" HOST "baggage: c=1\r\n"},
        {"/", "baggage: a=1\r\nAccept: x\r\nbaggage: b=2,scope=A\r\nbaggage: scope=B,c=3\r\n",
         "baggage [A]\n" HOST "Accept: x\r\nbaggage: a=1,b=2,c=3\r\n"},
        {"/", "baggage: a=1,,scope=A,odd;=,=x\r\n",
         "baggage [A]\n" HOST "baggage: a=1,,odd;=,=x\r\n"},
        {"/", "baggage: Scope=A\r\n", HOST "baggage: Scope=A\r\n"},
        {"/", "Scope: Lyon\r\nbaggage: a=1,scope=%\r\n", "field [Lyon]\n" HOST "baggage: a=1\r\n"},
        {"/", "Connection: baggage\r\nbaggage: a=1,scope=A\r\n",
         "baggage [A]\n" HOST "baggage: a=1\r\n"},
        {"/", "baggage: scope=%\r\n", NULL, "the scope in baggage is not percent-encoded"},
        {"/", "baggage: scope=%7\r\n", NULL, "the scope in baggage is not percent-encoded"},
    };
    check_all(rows, COUNT_OF(rows));
}

static void test_memory(void **state)
{
    static const struct row rows[] = {
        {"/", "tracestate: cheops=0123456789abcdef\r\n", "trace [0123456789abcdef]\n" HOST},
        {"/", "tracestate: a=1, cheops=0f ,b=2\r\n", "trace [0f]\n" HOST "tracestate: a=1,b=2\r\n"},
        {"/", "tracestate: a=1\r\ntracestate: cheops=0f,b=2\r\ntracestate: c=3\r\n",
         "trace [0f]\n" HOST "tracestate: a=1,b=2,c=3\r\n"},
        {"/", "X-Request-ID: req-" UUID "\r\n",
         "correlation [req-" UUID "]\n" HOST "X-Request-ID: req-" UUID "\r\n"},
        {"/", "x-request-id: req-" UUID "\r\n",
         "correlation [req-" UUID "]\n" HOST "x-request-id: req-" UUID "\r\n"},
        {"/", "X-Request-ID: " UUID "\r\n", HOST "X-Request-ID: " UUID "\r\n"},
        {"/", "X-Request-ID: req-hello\r\n", HOST "X-Request-ID: req-hello\r\n"},
        {"/",
         "Scope: A\r\nbaggage: scope=B,x=1\r\ntracestate: cheops=0f,y=2\r\nX-Request-ID: req-" UUID
         "\r\n",
         "field [A]\ntrace [0f]\ncorrelation [req-" UUID "]\n" HOST "X-Request-ID: req-" UUID
         "\r\nbaggage: x=1\r\ntracestate: y=2\r\n"},
    };
    check_all(rows, COUNT_OF(rows));
}

/* State of a trace that is begun anew is not passed on; the identifier in it is Cheops' own. */
static void test_memory_in_marked_fields(void **state)
{
    struct request r;
    struct arena a;
    struct app_carried c;
    request_init(&r, "GET", "/", "tracestate: a=1,cheops=0f\r\ntracestate: b=2\r\n");
    h1_drop(&r.head, H1_TRACESTATE);
    arena_init(&a, NULL, 0, 4096);
    assert_int_equal(app_carriers_read(&app, &r.head, &a, &c, NULL), 0);
    assert_str(c.memory_ids[0], "0f");
    assert_int_equal(c.n_lines, 0);
    arena_fini(&a);
    request_fini(&r);
}

/* Fields of the protocol between sites are never believed. */
static void test_internal(void **state)
{
    static const struct row rows[] = {
        {"/", "Cheops-Leg: x\r\ncheops-site: y\r\nCHEOPS-ERROR: z\r\nCheops-Anything: w\r\n", HOST},
        {"/", "Cheops: x\r\nCheops-: y\r\nX-Cheops-Leg: z\r\n",
         HOST "Cheops: x\r\nCheops-: y\r\nX-Cheops-Leg: z\r\n"},
    };
    check_all(rows, COUNT_OF(rows));
}

/* An application that says nothing of carriers. */
static void test_bare_application(void **state)
{
    static const struct app bare = {.name = {"bare", 4}};
    struct request r;
    struct arena a;
    struct app_carried c;
    request_init(&r, "GET", "/", "X-Auth-Token: a~SCOPE~b\r\nX-Request-ID: req-" UUID "\r\n");
    arena_init(&a, NULL, 0, 0);
    assert_int_equal(app_carriers_read(&bare, &r.head, &a, &c, NULL), 0);
    assert_int_equal(c.carrier, APP_CARRIER_NONE);
    assert_null(c.memory_ids[1].p);
    arena_fini(&a);
    request_fini(&r);
}

/* A request without a carrier takes no memory: it passes with an arena that has none. */
static void test_no_memory_without_carrier(void **state)
{
    static const char *const lines[] = {
        "", "X-Auth-Token: a\r\nbaggage: a=1\r\ntracestate: b=2\r\nX-Request-ID: req-" UUID "\r\n",
        "Scope: Paris\r\n"};
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct request r;
        struct arena a;
        struct app_carried c;
        request_init(&r, "GET", "/v2/images", lines[i]);
        arena_init(&a, NULL, 0, 0);
        assert_int_equal(app_carriers_read(&app, &r.head, &a, &c, NULL), 0);
        assert_int_equal(a.used, 0);
        arena_fini(&a);
        request_fini(&r);
    }
}

/* Each cap below what is needed: ERR_NO_MEMORY, or what was wrong before memory was needed. */
static void test_caps(void **state)
{
    static const char *const lines[] = {
        "X-Auth-Token: a~SCOPE~" PARIS "\r\nbaggage: scope=A,b=1\r\ntracestate: cheops=1,c=2\r\n",
        "baggage: scope=A,b=1\r\n", "X-Auth-Token: gAAA!SCOPE!%7B%7D\r\n"};
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        bool passed = false;
        for (size_t cap = 0; cap < 1024; cap += 8) {
            struct request r;
            struct arena a;
            struct app_carried c;
            struct diag d = {0};
            request_init(&r, "GET", "/~scope/Lyon?x", lines[i]);
            arena_init(&a, NULL, 0, cap);
            int rc = app_carriers_read(&app, &r.head, &a, &c, &d);
            assert_true(rc == (passed ? 0 : rc) && (rc == 0 || rc == ERR_NO_MEMORY));
            assert_int_equal(d.code, rc);
            passed |= rc == 0;
            arena_fini(&a);
            request_fini(&r);
        }
        assert_true(passed);
    }
}

/* The head of a request with every carrier, with each byte of its values replaced: never a crash,
 * and what is read lies in the head or the arena (AddressSanitizer looks). */
static void test_every_byte(void **state)
{
    static const char lines[] = "X-Auth-Token: a~SCOPE~" PARIS "\r\nbaggage: scope=%41,b=1\r\n"
                                "X-Only-Scope: A\r\ntracestate: cheops=1,c=2\r\n";
    static const char odd[] = {' ', '%', '=', ',', '~', '!', '{', '"', '\xff'};
    size_t n = 0;
    for (size_t at = 0; at < sizeof lines - 1; at++)
        for (size_t k = 0; k < sizeof odd; k++) {
            char changed[sizeof lines];
            struct request r;
            struct arena a;
            struct app_carried c;
            struct diag d = {0};
            const char *line = at ? memrchr(lines, '\n', at) : NULL;
            const char *colon = strchr(line ? line + 1 : lines, ':');
            if (lines[at] == '\r' || lines[at] == '\n' || lines + at <= colon)
                continue;
            memcpy(changed, lines, sizeof lines);
            changed[at] = odd[k];
            request_init(&r, "GET", "/~scope/%42/x", changed);
            arena_init(&a, NULL, 0, 4096);
            int rc = app_carriers_read(&app, &r.head, &a, &c, &d);
            assert_true(rc == 0 ? c.carrier != APP_CARRIER_NONE && c.text.p != NULL
                                : rc == ERR_SCOPE_SYNTAX && d.message[0]);
            assert_str(c.target, "/x");
            n++;
            arena_fini(&a);
            request_fini(&r);
        }
    assert_true(n > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_field),
        cmocka_unit_test(test_credential),
        cmocka_unit_test(test_named),
        cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_baggage),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_memory_in_marked_fields),
        cmocka_unit_test(test_internal),
        cmocka_unit_test(test_bare_application),
        cmocka_unit_test(test_no_memory_without_carrier),
        cmocka_unit_test(test_caps),
        cmocka_unit_test(test_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
