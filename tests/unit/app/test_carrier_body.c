/* Carriers that the class tells: a path variable, a member of the body. */
#include "app_test.h"

static const struct app app = {
    .carriers = {.path_separator = '@',
                 .path_body_pointer = {"/metadata/namespace", 19},
                 .body_pointer = {"/metadata/annotations/x~1scope", 30}},
};

static struct app_type pod = {
    .name = {"pod", 3}, .has_body_carrier = true, .path_carrier = {"ns", 2}};
static struct app_type plain = {.name = {"plain", 5}};

/* What a test starts with: a class of a target, and what was found before. */
struct given {
    const struct app_type *type;
    enum app_kind kind;
    const char *target;
    const char *ns; /* value of the variable `ns`, as in the target; NULL: none */
    const char *body;
    enum app_carrier before;
};

struct result {
    struct arena arena;
    struct app_carried carried;
    struct app_class class_;
    struct diag diag;
    bool wants_body;
    int rc;
};

static void read_given(const struct given *g, size_t cap, struct result *r)
{
    struct str target = str_of(g->target);
    *r = (struct result){0};
    arena_init(&r->arena, NULL, 0, cap);
    r->carried.target = target;
    r->carried.carrier = g->before;
    if (g->before)
        r->carried.text = STR("before");
    r->class_ = (struct app_class){.kind = g->kind, .type = g->type, .n_variables = 1};
    r->class_.names[0] = STR("other");
    r->class_.values[0] = str_sub(target, 1, 2);
    if (g->ns) {
        struct str ns = str_of(g->ns);
        const char *at = memmem(target.p, target.n, ns.p, ns.n);
        assert_non_null(at);
        r->class_.names[1] = STR("ns");
        r->class_.values[1] = (struct str){at, ns.n};
        r->class_.n_variables = 2;
    }
    r->wants_body = app_carriers_want_body(&app, &r->class_, &r->carried);
    r->rc =
        app_carriers_read_body(&app, &r->class_, str_of(g->body), &r->arena, &r->carried, &r->diag);
}

/* ---- the path */

static void test_path(void **state)
{
    static const struct {
        const char *target, *ns;
        const char *text, *after; /* NULL: no carrier */
        enum app_carrier before;
    } rows[] = {
        {"/v1/ns/dev@Paris/pods", "dev@Paris", "Paris", "/v1/ns/dev/pods", 0},
        {"/v1/ns/dev@%7BParis%20%26%20B%7D/pods?a=@", "dev@%7BParis%20%26%20B%7D", "{Paris & B}",
         "/v1/ns/dev/pods?a=@", 0},
        {"/v1/ns/dev%40Paris/pods", "dev%40Paris", "Paris", "/v1/ns/dev/pods", 0},
        {"/v1/ns/d%65v%40Paris", "d%65v%40Paris", "Paris", "/v1/ns/d%65v", 0},
        {"/v1/ns/dev@A@B", "dev@A@B", "A@B", "/v1/ns/dev", 0},
        {"/v1/ns/dev@", "dev@", "", "/v1/ns/dev", 0},
        {"/v1/ns/dev", "dev", NULL, NULL, 0},
        {"/v1/ns/@Paris", "@Paris", NULL, NULL, 0},
        {"/v1/ns/dev%4", "dev%4", NULL, NULL, 0},
        {"/v1/x@y", NULL, NULL, NULL, 0},
        /* it counts before a prefix and baggage, and after the others */
        {"/v1/ns/dev@Paris", "dev@Paris", "Paris", "/v1/ns/dev", APP_CARRIER_PREFIX},
        {"/v1/ns/dev@Paris", "dev@Paris", "Paris", "/v1/ns/dev", APP_CARRIER_BAGGAGE},
        {"/v1/ns/dev@Paris", "dev@Paris", "before", "/v1/ns/dev", APP_CARRIER_FIELD},
        {"/v1/ns/dev@Paris", "dev@Paris", "before", "/v1/ns/dev", APP_CARRIER_CREDENTIAL},
        {"/v1/ns/dev@Paris", "dev@Paris", "before", "/v1/ns/dev", APP_CARRIER_NAMED},
        {"/v1/ns/dev@%zz", "dev@%zz", "before", "/v1/ns/dev", APP_CARRIER_FIELD},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct given g = {&pod, APP_LIST, rows[i].target, rows[i].ns, NULL, rows[i].before};
        struct result r;
        read_given(&g, 4096, &r);
        assert_int_equal(r.rc, 0);
        assert_true(r.wants_body == (rows[i].text != NULL));
        assert_maybe(r.carried.text, rows[i].text);
        assert_str(r.carried.target, rows[i].after ? rows[i].after : rows[i].target);
        if (rows[i].text && !str_eq(r.carried.text, STR("before")))
            assert_int_equal(r.carried.carrier, APP_CARRIER_PATH);
        else
            assert_int_equal(r.carried.carrier, rows[i].before);
        arena_fini(&r.arena);
    }
}

static void test_path_refused(void **state)
{
    static const char *const bad[] = {"d@%", "d@%4", "d@%zz", "d@a%2"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char target[64];
        struct result r;
        snprintf(target, sizeof target, "/v1/%s", bad[i]);
        struct given g = {&pod, APP_READ, target, bad[i], NULL, 0};
        read_given(&g, 4096, &r);
        assert_int_equal(r.rc, ERR_SCOPE_SYNTAX);
        assert_string_equal(r.diag.message, "the scope in the path is not percent-encoded");
        assert_str(r.carried.target, "/v1/d");
        arena_fini(&r.arena);
    }
}

/* The body says the same namespace, with the scope: it goes there, too. */
static void test_body_repeats_path(void **state)
{
    static const struct {
        const char *body, *after;
    } rows[] = {
        {"{\"metadata\":{\"namespace\":\"dev@Paris\",\"x\":1}}",
         "{\"metadata\":{\"namespace\":\"dev\",\"x\":1}}"},
        {"{\"metadata\": {\"namespace\" : \"dev\\u0040{Paris: \\\"x\\\"}\"}}",
         "{\"metadata\": {\"namespace\" : \"dev\"}}"},
        {"{\"metadata\":{\"namespace\":\"dev\"}}", NULL},
        {"{\"metadata\":{\"namespace\":[\"dev@Paris\"]}}", NULL},
        {"{\"metadata\":{\"name\":\"dev@Paris\"}}", NULL},
        {"{\"metadata\":{\"namespace\":\"dev@Par", NULL},
        {"{\"metadata\"}", NULL},
        {"", NULL},
        {NULL, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct given g = {&pod, APP_CREATE, "/v1/dev@Paris/pods", "dev@Paris", rows[i].body, 0};
        struct result r;
        char text[128];
        struct out o;
        read_given(&g, 4096, &r);
        assert_int_equal(r.rc, 0);
        assert_str(r.carried.text, "Paris");
        assert_true(r.wants_body);
        if (!rows[i].after) {
            assert_int_equal(r.carried.body_cut_from, r.carried.body_cut_to);
        } else {
            struct str body = str_of(rows[i].body);
            out_init(&o, text, sizeof text);
            out_str(&o, str_sub(body, 0, r.carried.body_cut_from));
            out_str(&o, str_from(body, r.carried.body_cut_to));
            assert_str(out_get(&o), rows[i].after);
        }
        arena_fini(&r.arena);
    }
}

/* ---- the body */

#define ANNOTATED(value) "{\"metadata\":{\"annotations\":{\"x/scope\":" value "}}}"

static void test_body(void **state)
{
    static const struct {
        const struct app_type *type;
        enum app_kind kind;
        enum app_carrier before;
        const char *body, *text; /* text NULL: none */
        bool wants;
    } rows[] = {
        {&pod, APP_CREATE, 0, ANNOTATED("\"{image: Paris}\""), "{image: Paris}", true},
        {&pod, APP_UPDATE, 0, ANNOTATED("\"A \\u0026 \\\"B\\\"\""), "A & \"B\"", true},
        {&pod, APP_CREATE, 0, ANNOTATED("\"\""), "", true},
        {&pod, APP_READ, 0, ANNOTATED("\"A\""), NULL, false},
        {&pod, APP_DELETE, 0, ANNOTATED("\"A\""), NULL, false},
        {&pod, APP_ACTION, 0, ANNOTATED("\"A\""), NULL, false},
        {&plain, APP_CREATE, 0, ANNOTATED("\"A\""), NULL, false},
        {NULL, APP_OPAQUE, 0, ANNOTATED("\"A\""), NULL, false},
        {&pod, APP_CREATE, APP_CARRIER_BAGGAGE, ANNOTATED("\"A\""), "before", false},
        {&pod, APP_CREATE, APP_CARRIER_FIELD, ANNOTATED("\"A\""), "before", false},
        {&pod, APP_CREATE, 0, "{\"metadata\":{\"annotations\":{}}}", NULL, true},
        {&pod, APP_CREATE, 0, "{\"metadata\":{\"annotations\":{\"x/scope\":\"Par", NULL, true},
        {&pod, APP_CREATE, 0, "metadata: {}", NULL, true},
        {&pod, APP_CREATE, 0, "", NULL, true},
        {&pod, APP_CREATE, 0, NULL, NULL, true},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct given g = {rows[i].type, rows[i].kind, "/v1/pods",
                          NULL,         rows[i].body, rows[i].before};
        struct result r;
        read_given(&g, 4096, &r);
        assert_int_equal(r.rc, 0);
        assert_maybe(r.carried.text, rows[i].text);
        assert_true(r.wants_body == rows[i].wants);
        assert_int_equal(r.carried.carrier, rows[i].before ? rows[i].before
                                            : rows[i].text ? APP_CARRIER_BODY
                                                           : APP_CARRIER_NONE);
        assert_int_equal(r.carried.body_cut_to, 0);
        arena_fini(&r.arena);
    }
}

static void test_body_refused(void **state)
{
    static const char *const bad[] = {ANNOTATED("1"),       ANNOTATED("null"),
                                      ANNOTATED("[\"A\"]"), ANNOTATED("true"),
                                      ANNOTATED("{}"),      ANNOTATED("\"\\ud800\"")};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct given g = {&pod, APP_CREATE, "/v1/pods", NULL, bad[i], 0};
        struct result r;
        read_given(&g, 4096, &r);
        assert_int_equal(r.rc, ERR_SCOPE_SYNTAX);
        assert_string_equal(r.diag.message, "the scope in the body, at "
                                            "/metadata/annotations/x~1scope, is not text");
        assert_string_equal(r.diag.hint, "give it as text, in quotes");
        arena_fini(&r.arena);
    }
}

static void test_path_before_body(void **state)
{
    struct given g = {&pod, APP_CREATE, "/v1/dev@Paris", "dev@Paris", ANNOTATED("\"Lyon\""), 0};
    struct result r;
    read_given(&g, 4096, &r);
    assert_int_equal(r.rc, 0);
    assert_int_equal(r.carried.carrier, APP_CARRIER_PATH);
    assert_str(r.carried.text, "Paris");
    arena_fini(&r.arena);
}

static void test_caps(void **state)
{
    static const struct given rows[] = {
        {&pod, APP_CREATE, "/v1/dev@Paris", "dev@Paris", NULL, 0},
        {&pod, APP_CREATE, "/v1/pods", NULL, ANNOTATED("\"{image: Paris}\""), 0}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t cap = 0;
        struct result r;
        for (;; cap += 4) {
            read_given(&rows[i], cap, &r);
            assert_true(str_starts(r.carried.target, STR("/v1/")));
            arena_fini(&r.arena);
            if (r.rc == 0)
                break;
            assert_int_equal(r.rc, ERR_NO_MEMORY);
        }
        assert_in_range(cap, 8, 256);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path),
        cmocka_unit_test(test_path_refused),
        cmocka_unit_test(test_body_repeats_path),
        cmocka_unit_test(test_body),
        cmocka_unit_test(test_body_refused),
        cmocka_unit_test(test_path_before_body),
        cmocka_unit_test(test_caps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
