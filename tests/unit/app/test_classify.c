/* What a request is for: rules, conditions, identifiers, OPTIONS; rules that are refused. */
#include "app_test.h"

#include "app/matcher.h"

static struct app_type types[4];

/* A made-up service with everything that rules can have. */
static const struct rule_text rules[] = {
    {"versions", APP_META, "GET", "/", -1},
    {"version", APP_META, "GET", "/v2", -1},
    {"version-slash", APP_META, "GET", "/v2/", -1},
    {"watch", APP_STREAM, "GET", "/v2/images", 0, {{APP_IF_QUERY, {"watch", 5}, {"true", 4}}}},
    {"import",
     APP_ACTION,
     "POST",
     "/v2/images",
     0,
     {{APP_IF_MEDIA_TYPE, {0}, {"application/x-import", 20}}}},
    {"copy", APP_ACTION, "POST", "/v2/images", 0, {{APP_IF_MEMBER, {"/copy", 5}, {0}}}},
    {"create", APP_CREATE, "POST", "/v2/images", 0},
    {"list", APP_LIST, "GET", "/v2/images", 0},
    {"detail", APP_LIST, "GET", "/v2/images/detail", 0},
    {"read", APP_READ, "GET", "/v2/images/{image_id}", 0},
    {"delete", APP_DELETE, "DELETE", "/v2/images/{image_id}", 0},
    {"upload", APP_UPDATE, "PUT", "/v2/images/{image_id}/file", 0},
    {"member", APP_READ, "GET", "/v2/images/{id}/members/{member_id}", 0},
    {"detail-tags", APP_READ, "GET", "/v2/images/detail/tags", 0},
    {"tags", APP_READ, "GET", "/v2/images/{id}/tags", 0},
    {"any", APP_ACTION, NULL, "/v2/images/{id}/actions/{what}", 0},
    {"special", APP_READ, "GET", "/o/{bucket}/special", 1},
    {"object", APP_READ, "GET", "/o/{bucket}/{key...}", 1},
    {"schema", APP_META, "GET", "/v2/schemas/{path...}", -1},
    {"reserved", APP_READ, "GET", "/a%3Ab/c%2fd", -1},
    {"two",
     APP_ACTION,
     "POST",
     "/two",
     -1,
     {{APP_IF_QUERY, {"x", 1}, {0}}, {APP_IF_MEMBER, {"/y", 2}, {0}}}},
    {"any-two", APP_ACTION, "POST", "/two", -1, {{APP_IF_QUERY, {"x", 1}, {0}}}},
};

static int setup(void **state)
{
    static struct arena arena;
    static struct app_service service;
    struct diag d = {0};
    arena_init(&arena, NULL, 0, 1 << 20);
    types[0] = (struct app_type){.name = STR("image"),
                                 .item = template_of(&arena, "/v2/images/{image_id}")};
    types[1] =
        (struct app_type){.name = STR("object"), .item = template_of(&arena, "/o/{b}/{key...}")};
    service_init(&service, &arena, rules, COUNT_OF(rules), types, COUNT_OF(types));
    if (app_matcher_compile(&service, &arena, &d) < 0)
        fail_msg("%s", d.message);
    *state = &service;
    return 0;
}

static struct app_class classify(void **state, const char *method, const char *target)
{
    struct app_class c;
    struct app_request r = {str_of(method), str_of(target), STR_NULL, STR_NULL, true};
    app_classify(*state, &r, &c);
    return c;
}

static void test_rules(void **state)
{
    static const struct {
        const char *method, *target, *operation, *id; /* operation NULL: opaque */
    } rows[] = {
        {"GET", "/", "versions", NULL},
        {"GET", "/?x", "versions", NULL},
        {"GET", "/v2", "version", NULL},
        {"GET", "/v2/", "version-slash", NULL},
        {"GET", "/v2//", NULL, NULL},
        {"GET", "/v3", NULL, NULL},
        {"GET", "/v2/images", "list", NULL},
        {"HEAD", "/v2/images", "list", NULL},
        {"GET", "/v2/images/", NULL, NULL},
        {"GET", "/v2/%69mages", "list", NULL},
        {"GET", "/v2/images?watch=true", "watch", NULL},
        {"GET", "/v2/images?limit=1&watch=tru%65", "watch", NULL},
        {"GET", "/v2/images?watch", "list", NULL},
        {"GET", "/v2/images?watch=false", "list", NULL},
        {"GET", "/v2/images?awatch=true", "list", NULL},
        {"POST", "/v2/images", "create", NULL},
        {"PUT", "/v2/images", NULL, NULL},
        {"get", "/v2/images", NULL, NULL},
        {"GET", "/v2/images/detail", "detail", NULL},
        {"HEAD", "/v2/images/detail", "detail", NULL},
        {"DELETE", "/v2/images/detail", "delete", "detail"},
        {"PUT", "/v2/images/detail/file", "upload", "detail"},
        {"GET", "/v2/images/abc", "read", "abc"},
        {"GET", "/v2/images/a%20b", "read", "a%20b"},
        {"GET", "/v2/images/a%3Ab?x=/", "read", "a%3Ab"},
        {"DELETE", "/v2/images/abc", "delete", "abc"},
        {"POST", "/v2/images/abc", NULL, NULL},
        {"PUT", "/v2/images/abc/file", "upload", "abc"},
        {"GET", "/v2/images/abc/members/def", "member", "abc"},
        {"GET", "/v2/images/detail/members/def", "member", "detail"},
        {"GET", "/v2/images/detail/tags", "detail-tags", NULL},
        {"GET", "/v2/images/other/tags", "tags", "other"},
        {"PURGE", "/v2/images/abc/actions/x", "any", "abc"},
        {"GET", "/v2/images/detail/actions/x", "any", "detail"},
        {"GET", "/o/b/k", "object", "k"},
        {"GET", "/o/b/special", "special", NULL},
        {"GET", "/o/b/special/x", "object", "special/x"},
        {"GET", "/o/b/k/l/m", "object", "k/l/m"},
        {"GET", "/o/b", NULL, NULL},
        {"GET", "/v2/schemas/a/b", "schema", NULL},
        {"GET", "/a%3ab/c%2Fd", "reserved", NULL},
        {"GET", "/a:b/c%2Fd", NULL, NULL},
        {"POST", "/two?x", "any-two", NULL},
        {"POST", "/two", NULL, NULL},
        {"GET", "*", NULL, NULL},
        {"GET", "", NULL, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct app_class c = classify(state, rows[i].method, rows[i].target);
        if (!str_eq(c.rule ? c.rule->operation : STR_NULL, str_of(rows[i].operation)))
            fail_msg("%s %s", rows[i].method, rows[i].target);
        assert_int_equal(c.kind, c.rule ? c.rule->kind : APP_OPAQUE);
        assert_ptr_equal(c.type, c.rule ? c.rule->type : NULL);
        assert_maybe(c.id, rows[i].id);
        assert_false(c.needs_body);
    }
}

/* What never stands for a variable is opaque and sent on as it came. */
static void test_odd_segments(void **state)
{
    static const char *const odd[] = {"",     ".",     "..",   "%2e", "%2E%2e",
                                      ".%2e", "a%2Fb", "%2fa", "a%",  "%zz"};
    for (size_t i = 0; i < COUNT_OF(odd); i++) {
        char target[64];
        snprintf(target, sizeof target, "/v2/images/%s", odd[i]);
        assert_int_equal(classify(state, "GET", target).kind, APP_OPAQUE);
        snprintf(target, sizeof target, "/v2/images/%s/file", odd[i]);
        assert_int_equal(classify(state, "PUT", target).kind, APP_OPAQUE);
        snprintf(target, sizeof target, "/o/b/x/%s/y", odd[i]);
        assert_int_equal(classify(state, "GET", target).kind, APP_OPAQUE);
        snprintf(target, sizeof target, "/o/b/x/%s", odd[i]);
        assert_int_equal(classify(state, "GET", target).kind, APP_OPAQUE);
        snprintf(target, sizeof target, "/o/%s/x", odd[i]);
        assert_int_equal(classify(state, "GET", target).kind, APP_OPAQUE);
    }
}

static void test_variables(void **state)
{
    struct app_class c = classify(state, "GET", "/v2/images/abc/members/d%20f?x=1");
    assert_int_equal(c.n_variables, 2);
    assert_str(c.names[0], "id");
    assert_str(c.values[0], "abc");
    assert_str(c.names[1], "member_id");
    assert_str(c.values[1], "d%20f");
    c = classify(state, "GET", "/o/b/k/l?x");
    assert_int_equal(c.n_variables, 2);
    assert_str(c.names[1], "key");
    assert_str(c.values[1], "k/l");
}

static void test_options(void **state)
{
    struct app_class c = classify(state, "OPTIONS", "/v2/images/abc/file");
    assert_int_equal(c.kind, APP_META);
    assert_ptr_equal(c.type, &types[0]);
    assert_null(c.rule);
    assert_str(c.id, "abc");
    c = classify(state, "OPTIONS", "/unknown");
    assert_int_equal(c.kind, APP_META);
    assert_null(c.type);
    c = classify(state, "OPTIONS", "*");
    assert_int_equal(c.kind, APP_META);
    assert_null(c.type);
}

static void test_media_type(void **state)
{
    static const struct {
        const char *value, *operation;
    } rows[] = {
        {"application/x-import", "import"},
        {"Application/X-Import", "import"},
        {"application/x-import;v=1", "import"},
        {" application/x-import ; v=1", "import"},
        {"application/x-imported", "create"},
        {"application/json", "create"},
        {"", "create"},
        {";application/x-import", "create"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct app_class c;
        struct app_request r = {STR("POST"), STR("/v2/images"), str_of(rows[i].value), STR_NULL,
                                true};
        app_classify(*state, &r, &c);
        assert_str(c.rule->operation, rows[i].operation);
    }
}

static void test_member(void **state)
{
    static const struct {
        const char *body;
        bool is_whole;
        const char *operation;
        bool needs_body;
    } rows[] = {
        {NULL, false, "create", true},
        {"", false, "create", true},
        {"{\"copy", false, "create", true},
        {"{\"copy\":", false, "create", true},
        {"{\"copy\": \"ab", false, "copy", false},
        {"{\"copy\": 1}", true, "copy", false},
        {"{\"a\": {\"copy\": 1}}", true, "create", false},
        {"{\"a\": 1}", false, "create", false},
        {"{\"a\": 1", true, "create", false}, /* as much as the limit allows */
        {"<xml/>", false, "create", false},
        {NULL, true, "create", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct app_class c;
        struct app_request r = {STR("POST"), STR("/v2/images"), STR_NULL, str_of(rows[i].body),
                                rows[i].is_whole};
        app_classify(*state, &r, &c);
        assert_str(c.rule->operation, rows[i].operation);
        assert_true(c.needs_body == rows[i].needs_body);
    }
}

/* An open condition counts only where the rule could be reached. */
static void test_needs_body(void **state)
{
    struct app_class c;
    struct app_request r = {STR("GET"), STR("/v2/images"), STR_NULL, STR_NULL, false};
    app_classify(*state, &r, &c);
    assert_false(c.needs_body);
    r = (struct app_request){STR("POST"), STR("/v2/images"), STR("application/x-import"), STR_NULL,
                             false};
    app_classify(*state, &r, &c); /* import stands before */
    assert_str(c.rule->operation, "import");
    assert_false(c.needs_body);
    r = (struct app_request){STR("POST"), STR("/two"), STR_NULL, STR_NULL, false};
    app_classify(*state, &r, &c); /* the other condition fails already */
    assert_false(c.needs_body);
    assert_null(c.rule);
    r.target = STR("/two?x");
    app_classify(*state, &r, &c);
    assert_true(c.needs_body);
    r.body = STR("{\"y\":null}");
    app_classify(*state, &r, &c);
    assert_false(c.needs_body);
    assert_str(c.rule->operation, "two");
}

static void test_no_rules(void **state)
{
    struct app_service bare = {.name = STR("bare")};
    struct app_request r = {STR("GET"), STR("/x"), STR_NULL, STR_NULL, true};
    struct app_class c;
    app_classify(&bare, &r, &c);
    assert_int_equal(c.kind, APP_OPAQUE);
    (void)state;
}

/* ---- refused when compiled */

static int compile_with(const struct rule_text *some, size_t n, size_t cap, struct diag *d)
{
    struct arena rules_arena, arena;
    struct app_service s;
    arena_init(&rules_arena, NULL, 0, 64 << 20);
    arena_init(&arena, NULL, 0, cap);
    service_init(&s, &rules_arena, some, n, types, COUNT_OF(types));
    int rc = app_matcher_compile(&s, &arena, d);
    assert_true((rc == 0) == (s.matcher != NULL));
    arena_fini(&arena);
    arena_fini(&rules_arena);
    return rc;
}

#define COMPILE(some, d) compile_with(some, COUNT_OF(some), 64 << 20, d)
#define QUERY(name)                                                                                \
    {                                                                                              \
        APP_IF_QUERY, {name, sizeof(name) - 1},                                                    \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }
#define VALUE(name, v)                                                                             \
    {                                                                                              \
        APP_IF_QUERY, {name, sizeof(name) - 1},                                                    \
        {                                                                                          \
            v, sizeof(v) - 1                                                                       \
        }                                                                                          \
    }
#define MEDIA(v)                                                                                   \
    {                                                                                              \
        APP_IF_MEDIA_TYPE, {0},                                                                    \
        {                                                                                          \
            v, sizeof(v) - 1                                                                       \
        }                                                                                          \
    }
#define MEMBER(p)                                                                                  \
    {                                                                                              \
        APP_IF_MEMBER, {p, sizeof(p) - 1},                                                         \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

static void test_never_reached(void **state)
{
    static const struct {
        struct rule_text first, second;
        bool refused;
    } rows[] = {
        {{"x", 0, "GET", "/a", -1}, {"y", 0, "GET", "/a", -1}, true},
        {{"x", 0, NULL, "/a", -1}, {"y", 0, "GET", "/a", -1}, true},
        {{"x", 0, "GET", "/a", -1}, {"y", 0, NULL, "/a", -1}, false},
        {{"x", 0, "GET", "/a", -1}, {"y", 0, "PUT", "/a", -1}, false},
        {{"x", 0, "GET", "/{v}", -1}, {"y", 0, "GET", "/{w}", -1}, true},
        {{"x", 0, "GET", "/{v}", -1}, {"y", 0, "GET", "/a", -1}, true},
        {{"x", 0, "GET", "/a", -1}, {"y", 0, "GET", "/{v}", -1}, false},
        {{"x", 0, "GET", "/{v}", -1}, {"y", 0, "GET", "/", -1}, false},
        {{"x", 0, "GET", "/{v}", -1}, {"y", 0, "GET", "/..", -1}, false},
        {{"x", 0, "GET", "/%61", -1}, {"y", 0, "GET", "/a", -1}, true},
        {{"x", 0, "GET", "/a/{v}", -1}, {"y", 0, "GET", "/{w}/b", -1}, false},
        {{"x", 0, "GET", "/a/{v...}", -1}, {"y", 0, "GET", "/a/b/c", -1}, true},
        {{"x", 0, "GET", "/a/{v...}", -1}, {"y", 0, "GET", "/a/{w}", -1}, true},
        {{"x", 0, "GET", "/a/{v...}", -1}, {"y", 0, "GET", "/a/b/{w...}", -1}, true},
        {{"x", 0, "GET", "/a/{v...}", -1}, {"y", 0, "GET", "/a", -1}, false},
        {{"x", 0, "GET", "/a/{v...}", -1}, {"y", 0, "GET", "/a/b/", -1}, false},
        {{"x", 0, "GET", "/a/b/{v...}", -1}, {"y", 0, "GET", "/a/{w...}", -1}, false},
        {{"x", 0, "GET", "/a/{v}", -1}, {"y", 0, "GET", "/a/{w...}", -1}, false},
        {{"x", 0, "GET", "/a", -1, {QUERY("q")}}, {"y", 0, "GET", "/a", -1, {QUERY("q")}}, true},
        {{"x", 0, "GET", "/a", -1, {QUERY("q")}},
         {"y", 0, "GET", "/a", -1, {VALUE("q", "1")}},
         true},
        {{"x", 0, "GET", "/a", -1, {VALUE("q", "1")}},
         {"y", 0, "GET", "/a", -1, {QUERY("q")}},
         false},
        {{"x", 0, "GET", "/a", -1, {VALUE("q", "1")}},
         {"y", 0, "GET", "/a", -1, {VALUE("q", "2")}},
         false},
        {{"x", 0, "GET", "/a", -1, {QUERY("q")}}, {"y", 0, "GET", "/a", -1}, false},
        {{"x", 0, "GET", "/a", -1}, {"y", 0, "GET", "/a", -1, {QUERY("q")}}, true},
        {{"x", 0, "GET", "/a", -1, {QUERY("q")}},
         {"y", 0, "GET", "/a", -1, {MEMBER("/m"), QUERY("q")}},
         true},
        {{"x", 0, "GET", "/a", -1, {MEMBER("/m"), QUERY("q")}},
         {"y", 0, "GET", "/a", -1, {QUERY("q")}},
         false},
        {{"x", 0, "GET", "/a", -1, {MEMBER("/m")}},
         {"y", 0, "GET", "/a", -1, {MEMBER("/m/n")}},
         true},
        {{"x", 0, "GET", "/a", -1, {MEMBER("/m")}},
         {"y", 0, "GET", "/a", -1, {MEMBER("/mn")}},
         false},
        {{"x", 0, "GET", "/a", -1, {MEMBER("/m/n")}},
         {"y", 0, "GET", "/a", -1, {MEMBER("/m")}},
         false},
        {{"x", 0, "GET", "/a", -1, {MEDIA("t/X")}},
         {"y", 0, "GET", "/a", -1, {MEDIA("T/x")}},
         true},
        {{"x", 0, "GET", "/a", -1, {MEDIA("t/x")}}, {"y", 0, "GET", "/a", -1, {QUERY("q")}}, false},
        {{"x", 0, "GET", "/a", -1}, {"y", 0, "HEAD", "/b", -1}, true},
        {{"x", 0, "GET", "/a", -1}, {"y", 0, "OPTIONS", "/b", -1}, true},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct rule_text both[] = {rows[i].first, rows[i].second};
        struct diag d = {0};
        int rc = COMPILE(both, &d);
        if (rc != (rows[i].refused ? ERR_CONFIG : 0))
            fail_msg("row %zu: %d %s", i, rc, d.message);
        assert_int_equal(d.line, rows[i].refused ? 2 : 0);
        assert_int_equal(d.column, rows[i].refused ? 7 : 0);
        assert_true((d.message[0] != 0) == rows[i].refused);
    }
    (void)state;
}

static void test_messages(void **state)
{
    static const struct rule_text twice[] = {{"show", 0, "GET", "/a/{id}", -1},
                                             {"other", 0, "PUT", "/a/{id}", -1},
                                             {"detail", 0, "GET", "/a/detail", -1}};
    static const struct rule_text many[] = {{"deep", 0, "GET", "/{a}/{b}/{c}/{d}/{e}/{f}/{g}", -1}};
    struct diag d = {0};
    assert_int_equal(COMPILE(twice, &d), ERR_CONFIG);
    assert_string_equal(d.message, "the operation 'detail' is never reached: 'show' at line 1 "
                                   "takes its requests first");
    assert_string_equal(d.hint, "put it before 'show', or take it out");
    assert_int_equal(d.line, 3);
    d = (struct diag){0};
    assert_int_equal(COMPILE(many, &d), ERR_CONFIG);
    assert_string_equal(d.message, "the path of the operation 'deep' has more than 6 variables");
    assert_int_equal(COMPILE(many, NULL), ERR_CONFIG);
    (void)state;
}

/* Every cap below what is needed is ERR_NO_MEMORY, never less or else. */
static void test_caps(void **state)
{
    size_t cap = 0;
    struct diag d;
    for (;; cap += 48) {
        d = (struct diag){0};
        int rc = compile_with(rules, COUNT_OF(rules), cap, &d);
        if (rc == 0)
            break;
        assert_int_equal(rc, ERR_NO_MEMORY);
        assert_int_equal(d.code, ERR_NO_MEMORY);
    }
    assert_in_range(cap, 1024, 65536);
    (void)state;
}

/* Literals and variables beside each other at every level: the tree has a way for each mix that can
 * come, up to a limit. Rule i has variables where a number of its own has ones. */
static void test_too_many_ways(void **state)
{
    enum { DEPTH = 16, RULES = 1000 };
    static struct rule_text mixed[RULES];
    static char paths[RULES][DEPTH * 4 + 1];
    struct diag d = {0};
    size_t n = 0;
    for (unsigned i = 0; n < RULES; i++) {
        unsigned bits = i * 2654435761u & ((1u << DEPTH) - 1); /* each once, mixed */
        struct out o;
        if (__builtin_popcount(bits) != 6)
            continue;
        out_init(&o, paths[n], sizeof paths[n]);
        for (unsigned k = 0; k < DEPTH; k++)
            out_str(&o, bits >> k & 1 ? STR("/{v}") : STR("/a"));
        out_char(&o, 0);
        mixed[n] = (struct rule_text){"x", APP_READ, "GET", paths[n], -1};
        n++;
    }
    assert_int_equal(compile_with(mixed, 20, 64 << 20, &d), 0);
    assert_int_equal(COMPILE(mixed, &d), ERR_CONFIG);
    assert_string_equal(d.message,
                        "the paths of the service 'test' have too many variables beside literals");
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),         cmocka_unit_test(test_odd_segments),
        cmocka_unit_test(test_variables),     cmocka_unit_test(test_options),
        cmocka_unit_test(test_media_type),    cmocka_unit_test(test_member),
        cmocka_unit_test(test_needs_body),    cmocka_unit_test(test_no_rules),
        cmocka_unit_test(test_never_reached), cmocka_unit_test(test_messages),
        cmocka_unit_test(test_caps),          cmocka_unit_test(test_too_many_ways),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
