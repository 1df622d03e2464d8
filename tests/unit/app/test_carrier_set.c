/* What goes on to a service, the prefix in answers, correlation identifiers. */
#include "app_test.h"

static struct str credentials[] = {{"X-Auth-Token", 12}, {"X-Subject-Token", 15}};

static const struct app_service identity = {.name = {"identity", 8}, .checks_credentials = true};
static const struct app_service image = {.name = {"image", 5}};

#define UUID  "01234567-89ab-4cde-8f01-23456789abcd"
#define OTHER "req-ffffffff-ffff-4fff-bfff-ffffffffffff"
#define SCOPE "{image: Paris}"
#define PCT   "%7Bimage%3A%20Paris%7D"
#define B64   "e2ltYWdlOiBQYXJpc30"

/* Propagation as a row says it. */
struct row {
    const char *propagate; /* letters: s scope, b baggage, c correlation, t X-Auth-Token */
    const struct app_service *service;
    bool with_suffix, with_ids;
    const char *fields, *want; /* lines of the request; lines that go on, without Host */
};

static struct app app_of(const char *propagate)
{
    struct app app = {
        .carriers = {.credential_fields = credentials,
                     .n_credential_fields = 2,
                     .correlation_field = {"X-Request-ID", 12},
                     .correlation_form = {"req-{uuid4}", 11}},
        .propagate = {.credential_fields = credentials},
    };
    app.propagate.scope_field = strchr(propagate, 's') != NULL;
    app.propagate.baggage = strchr(propagate, 'b') != NULL;
    app.propagate.correlation = strchr(propagate, 'c') != NULL;
    app.propagate.n_credential_fields = strchr(propagate, 't') != NULL;
    return app;
}

/* Reads the request's carriers, then sets those of the way on: what the service gets. */
static void pass_on(const struct row *row, struct request *r, struct out *o)
{
    struct app app = app_of(row->propagate);
    struct arena a;
    struct app_carried c;
    struct app_carriers_in in = {
        .app = &app, .service = row->service, .with_suffix = row->with_suffix};
    if (row->with_ids)
        in.ids = (struct app_carrier_ids){STR("0123456789abcdef"), STR(OTHER)};
    arena_init(&a, NULL, 0, 4096);
    assert_int_equal(app_scope_encode(&in.scope, STR(SCOPE), &a), 0);
    assert_int_equal(app_carriers_read(&app, &r->head, &a, &c, NULL), 0);
    r->fields[h1_find(&r->head, H1_HOST, 0)].drop = true;
    app_carriers_set(&in, &r->head, o);
    h1_copy_fields(&r->head, o);
    for (size_t i = 0; i < c.n_lines; i++)
        out_str(o, c.lines[i]);
    arena_fini(&a);
}

static void test_encode(void **state)
{
    struct app_scope_text s;
    struct arena a;
    arena_init(&a, NULL, 0, 4096);
    assert_int_equal(app_scope_encode(&s, STR("{a: é}"), &a), 0);
    assert_str(s.text, "{a: é}");
    assert_str(s.base64, "e2E6IMOpfQ");
    assert_str(s.percent, "%7Ba%3A%20%C3%A9%7D");
    assert_int_equal(app_scope_encode(&s, STR("x"), &a), 0); /* the least that needs room */
    assert_str(s.base64, "eA");
    arena_fini(&a);
    arena_init(&a, NULL, 0, 16);
    assert_int_equal(app_scope_encode(&s, STR("{a: é}"), &a), ERR_NO_MEMORY);
    arena_fini(&a);
}

/* Ten members of tracestate. */
#define TEN(k)                                                                                     \
    k "0=0," k "1=1," k "2=2," k "3=3," k "4=4," k "5=5," k "6=6," k "7=7," k "8=8," k "9=9"

static void test_set(void **state)
{
    static const struct row rows[] = {
        {"", &image, true, false, "Accept: x\r\n", "Accept: x\r\n"},
        {"s", &image, true, false, "Accept: x\r\n", "Scope: " SCOPE "\r\nAccept: x\r\n"},
        {"s", &image, true, false, "Scope: A\r\nX-Scope: B\r\n", "Scope: " SCOPE "\r\n"},
        {"b", &image, true, false, "", "baggage: scope=" PCT "\r\n"},
        {"b", &image, true, false, "baggage: a=1,scope=B,c=2\r\n",
         "baggage: scope=" PCT "\r\nbaggage: a=1,c=2\r\n"},
        {"b", &image, true, false, "baggage: a=1\r\n",
         "baggage: scope=" PCT "\r\nbaggage: a=1\r\n"},
        {"", &image, true, false, "baggage: a=1,scope=B\r\n", "baggage: a=1\r\n"},
        /* tracestate: ours is the first member, as the one who wrote last */
        {"", &image, true, true, "tracestate: a=1\r\n",
         "tracestate: cheops=0123456789abcdef\r\ntracestate: a=1\r\n"},
        {"", &image, true, true, "tracestate: a=1,cheops=old\r\n",
         "tracestate: cheops=0123456789abcdef\r\ntracestate: a=1\r\n"},
        {"", &image, true, false, "tracestate: cheops=old\r\n", ""},
        /* with ours they would be 33: the last one goes */
        {"", &image, true, true,
         "tracestate: " TEN("a") "," TEN("b") "\r\ntracestate: " TEN("c") " , x=1,,y=2\r\n",
         "tracestate: cheops=0123456789abcdef," TEN("a") "," TEN("b") "," TEN("c") ",x=1\r\n"},
        {"", &image, true, true,
         "tracestate: " TEN("a") "," TEN("b") "\r\ntracestate: " TEN("c") " , x=1,,\r\n",
         "tracestate: cheops=0123456789abcdef\r\n"
         "tracestate: " TEN("a") "," TEN("b") "\r\ntracestate: " TEN("c") " , x=1,,\r\n"},
        /* the correlation field */
        {"c", &image, true, true, "",
         "tracestate: cheops=0123456789abcdef\r\nX-Request-ID: " OTHER "\r\n"},
        {"c", &image, true, true, "x-request-id: req-" UUID "\r\nX-Request-ID: odd\r\n",
         "tracestate: cheops=0123456789abcdef\r\nX-Request-ID: " OTHER "\r\n"},
        {"c", &image, true, false, "X-Request-ID: req-" UUID "\r\n",
         "X-Request-ID: req-" UUID "\r\n"},
        {"", &image, true, true, "X-Request-ID: odd\r\n",
         "tracestate: cheops=0123456789abcdef\r\nX-Request-ID: odd\r\n"},
        /* the suffix: set anew, cut, or off */
        {"t", &image, true, false, "X-Auth-Token: gAAA\r\n",
         "X-Auth-Token: gAAA~SCOPE~" B64 "\r\n"},
        {"t", &image, true, false, "x-auth-token: gAAA!SCOPE!Lyon\r\n",
         "x-auth-token: gAAA~SCOPE~" B64 "\r\n"},
        {"t", &image, true, false, "X-Auth-Token: a\r\nX-Subject-Token: b!SCOPE!Lyon\r\n",
         "X-Auth-Token: a~SCOPE~" B64 "\r\nX-Subject-Token: b\r\n"},
        {"t", &identity, true, false, "X-Auth-Token: a\r\nX-Subject-Token: b!SCOPE!Lyon\r\n",
         "X-Auth-Token: a\r\nX-Subject-Token: b\r\n"},
        {"t", &identity, true, false, "X-Auth-Token: a~SCOPE~" B64 "\r\n", "X-Auth-Token: a\r\n"},
        {"t", &image, false, false, "X-Auth-Token: a~SCOPE~" B64 "\r\n", "X-Auth-Token: a\r\n"},
        {"", &image, true, false, "X-Auth-Token: a~SCOPE~" B64 "\r\n", "X-Auth-Token: a\r\n"},
        {"t", &image, true, false, "X-Auth-Token:\r\n", "X-Auth-Token:\r\n"},
        {"t", &image, true, false, "X-Auth-Token: !SCOPE!Lyon\r\n", ""},
        {"t", &image, true, false, "Connection: X-Auth-Token\r\nX-Auth-Token: a\r\n", ""},
        /* all at once */
        {"sbct", &image, true, true, "X-Auth-Token: a\r\nAccept: x\r\nX-Request-ID: y\r\n",
         "Scope: " SCOPE "\r\nbaggage: scope=" PCT "\r\ntracestate: cheops=0123456789abcdef\r\n"
         "X-Auth-Token: a~SCOPE~" B64 "\r\nX-Request-ID: " OTHER "\r\nAccept: x\r\n"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct request r;
        char text[2048];
        struct out o;
        request_init(&r, "GET", "/", rows[i].fields);
        out_init(&o, text, sizeof text);
        pass_on(&rows[i], &r, &o);
        assert_str(out_get(&o), rows[i].want);
        request_fini(&r);
    }
}

/* What goes on from one site comes in at the next as the same scope. */
static void test_round_trip(void **state)
{
    static const char *const propagate[] = {"s", "b", "t"};
    static const enum app_carrier as[] = {APP_CARRIER_FIELD, APP_CARRIER_BAGGAGE,
                                          APP_CARRIER_CREDENTIAL};
    for (size_t i = 0; i < COUNT_OF(propagate); i++) {
        struct row row = {propagate[i], &image, true, false, "X-Auth-Token: gAAA\r\n", NULL};
        struct request first, second;
        char text[2048];
        struct out o;
        struct arena a;
        struct app_carried c;
        struct app app = app_of(propagate[i]);
        request_init(&first, "GET", "/", row.fields);
        out_init(&o, text, sizeof text);
        pass_on(&row, &first, &o);
        out_char(&o, 0);
        request_init(&second, "GET", "/", text);
        arena_init(&a, NULL, 0, 4096);
        assert_int_equal(app_carriers_read(&app, &second.head, &a, &c, NULL), 0);
        assert_int_equal(c.carrier, as[i]);
        assert_str(c.text, SCOPE);
        assert_str(h1_value(&second.head, h1_find_name(&second.head, credentials[0], 0)), "gAAA");
        arena_fini(&a);
        request_fini(&first);
        request_fini(&second);
    }
}

/* The names at the start of lines "name: value", each with a blank behind it. */
static void names_of_lines(struct str lines, struct out *o)
{
    struct str line;
    while (str_split(&lines, '\n', &line) && line.n) {
        out_str(o, str_sub(line, 0, (size_t)str_find(line, ':')));
        out_char(o, ' ');
    }
}

static void test_names(void **state)
{
    static const struct {
        const char *propagate;
        const struct app_service *service;
        bool with_suffix;
        const char *fields, *want;
    } rows[] = {
        {"", &image, true, "X-Auth-Token: a\r\n", "tracestate "},
        {"sbct", &image, true, "", "Scope baggage tracestate X-Request-ID "},
        {"sbct", &image, true, "X-Auth-Token: \r\n", "Scope baggage tracestate X-Request-ID "},
        {"sbct", &image, true, "X-Auth-Token: a\r\n",
         "Scope baggage tracestate X-Auth-Token X-Request-ID "},
        {"sbct", &image, false, "X-Auth-Token: a\r\n", "Scope baggage tracestate X-Request-ID "},
        {"sbct", &identity, true, "X-Auth-Token: a\r\n", "Scope baggage tracestate X-Request-ID "},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (size_t max = 0; max < 8; max++) {
            struct app app = app_of(rows[i].propagate);
            struct app_carriers_in in = {&app,
                                         rows[i].service,
                                         rows[i].with_suffix,
                                         {STR("x"), STR("eA"), STR("x")},
                                         {STR("00c0ffee00c0ffee"), STR("req-1")}};
            struct request r;
            struct str names[8];
            char text[128], written[512], lines[512];
            struct out o, l, w;
            request_init(&r, "GET", "/", rows[i].fields);
            size_t n = app_carriers_names(&in, &r.head, names, max);
            assert_true(n <= max);
            out_init(&o, text, sizeof text);
            for (size_t k = 0; k < n; k++) {
                out_str(&o, names[k]);
                OUT(&o, " ");
            }
            assert_true(str_starts(str_of(rows[i].want), out_get(&o)));
            if (max >= 5) { /* they are what is written */
                assert_str(out_get(&o), rows[i].want);
                out_init(&l, lines, sizeof lines);
                out_init(&w, written, sizeof written);
                app_carriers_set(&in, &r.head, &l);
                names_of_lines(out_get(&l), &w);
                assert_str(out_get(&w), rows[i].want);
            }
            request_fini(&r);
        }
}

/* ---- the prefix */

#define PREFIX "/~scope/Paris"

static void test_put_back(void **state)
{
    static const struct {
        bool is_link;
        const char *value, *want; /* want NULL: unchanged */
    } rows[] = {
        {false, "/v2/images/1", PREFIX "/v2/images/1"},
        {false, "/", PREFIX "/"},
        {false, "http://here:80/v2", "http://here:80" PREFIX "/v2"},
        {false, "HTTPS://HERE:80/v2?x#y", "HTTPS://HERE:80" PREFIX "/v2?x#y"},
        {false, "http://here:80", "http://here:80" PREFIX},
        {false, "http://here:80?x", "http://here:80" PREFIX "?x"},
        {false, "http://here:80#x", "http://here:80" PREFIX "#x"},
        {false, "http://here:8080/v2", NULL},
        {false, "http://here/v2", NULL},
        {false, "http://there:80/v2", NULL},
        {false, "ftp://here:80/v2", NULL},
        {false, "//here:80/v2", NULL},
        {false, "images/1", NULL},
        {false, "?x", NULL},
        {false, "#x", NULL},
        {false, "", NULL},
        {false, PREFIX "/v2", NULL},
        {false, "/~scope/Lyon/v2", NULL},
        {false, "http://here:80/%7Escope/Lyon/v2", NULL},
        {false, "/~scopes", PREFIX "/~scopes"},
        {true, "</v2?marker=1>; rel=\"next\"", "<" PREFIX "/v2?marker=1>; rel=\"next\""},
        {true, "<a>, </b>;rel=x , <http://here:80/c>; title=\"</d>\"",
         "<a>, <" PREFIX "/b>;rel=x , <http://here:80" PREFIX "/c>; title=\"</d>\""},
        {true, "<x>;title=\"\\\"</a>\", </b>", "<x>;title=\"\\\"</a>\", <" PREFIX "/b>"},
        {true, "<x>;title=\"</a>\\", NULL},
        {true, "</v2", NULL},
        {true, "/v2", NULL},
        {true, "<>", NULL},
        {true, "", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[256];
        struct out o;
        out_init(&o, text, sizeof text);
        app_prefix_put_back(STR(PREFIX), STR("here:80"), str_of(rows[i].value), rows[i].is_link,
                            &o);
        assert_str(out_get(&o), rows[i].want ? rows[i].want : rows[i].value);
    }
}

static void test_put_back_without_authority(void **state)
{
    char text[64];
    struct out o;
    out_init(&o, text, sizeof text);
    app_prefix_put_back(STR(PREFIX), STR_NULL, STR("http://here/x"), false, &o);
    app_prefix_put_back(STR(PREFIX), STR_NULL, STR("/x"), false, &o);
    assert_str(out_get(&o), "http://here/x" PREFIX "/x");
}

/* ---- correlation */

static bool is(const char *form, const char *value)
{
    struct app app = {.carriers = {.correlation_form = str_of(form)}};
    return app_correlation_is(&app, str_of(value));
}

static void test_correlation_is(void **state)
{
    assert_true(is("req-{uuid4}", "req-" UUID));
    assert_true(is("req-{uuid4}", "req-AAAAAAAA-2222-3333-4444-555555555551"));
    assert_true(is("{uuid4}", UUID));
    assert_true(is("a{uuid4}b", "a" UUID "b"));
    assert_false(is("req-{uuid4}", UUID));
    assert_false(is("req-{uuid4}", "Req-" UUID));
    assert_false(is("req-{uuid4}", "req-" UUID "0"));
    assert_false(is("a{uuid4}b", "a" UUID "c"));
    assert_false(is("req-{uuid4}", ""));
    assert_false(is("req", "req"));
    assert_false(is("", ""));
    assert_false(is(NULL, "req-" UUID));
    /* a wrong byte at each position, and each shorter length */
    for (size_t i = 0; i < sizeof UUID - 1; i++) {
        char value[] = UUID;
        value[i] = UUID[i] == '-' ? 'a' : '-';
        assert_false(is("{uuid4}", value));
        value[i] = 'g';
        assert_false(is("{uuid4}", value));
        value[i] = 0;
        assert_false(is("{uuid4}", value));
    }
}

static void test_correlation_make(void **state)
{
    static const struct {
        unsigned char byte;
        const char *value;
    } rows[] = {{0x00, "req-00000000-0000-4000-8000-000000000000!"},
                {0xff, "req-ffffffff-ffff-4fff-bfff-ffffffffffff!"},
                {0x5a, "req-5a5a5a5a-5a5a-4a5a-9a5a-5a5a5a5a5a5a!"}};
    struct app app = {.carriers = {.correlation_form = STR("req-{uuid4}!")}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        unsigned char random[16];
        char text[64];
        struct out o;
        memset(random, rows[i].byte, sizeof random);
        out_init(&o, text, sizeof text);
        app_correlation_make(&app, random, &o);
        assert_str(out_get(&o), rows[i].value);
        assert_true(app_correlation_is(&app, out_get(&o)));
        char digits[17] = {0};
        struct out trace;
        out_init(&trace, digits, sizeof digits);
        out_hex64(&trace, app_correlation_key(&app, out_get(&o)));
        assert_int_equal(app_correlation_key(&app, out_get(&trace)),
                         app_correlation_key(&app, out_get(&o)));
        assert_memory_equal(digits, rows[i].value + 4, 8);
        assert_memory_equal(digits + 8, rows[i].value + 13, 4);
        assert_memory_equal(digits + 12, rows[i].value + 18, 4);
    }
    assert_int_equal(app_correlation_key(&app, STR("req-00000000-0000-4000-8000-00000000000!")), 0);
    assert_int_equal(app_correlation_key(&app, STR("00c0ffee00c0ffeg")), 0);
    struct app bare = {0};
    struct out o;
    out_init(&o, NULL, 0);
    app_correlation_make(&bare, (const unsigned char *)"0123456789abcdef", &o);
    assert_false(o.overflowed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode),         cmocka_unit_test(test_set),
        cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_names),
        cmocka_unit_test(test_put_back),       cmocka_unit_test(test_put_back_without_authority),
        cmocka_unit_test(test_correlation_is), cmocka_unit_test(test_correlation_make),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
