/* Freezing at an origin, and the binding that a request falls under. */
#include "scope_test.h"

static void freeze(struct parsed *p, const char *text, int want, const char *form)
{
    struct scope *frozen = NULL;
    char memory[SCOPE_MAX_BYTES];
    struct out o;
    parse(p, text);
    assert_int_equal(p->rc, 0);
    p->rc = scope_freeze(p->scope, STR("Nantes"), STR("image"), &p->arena, &frozen, &p->diag);
    assert_int_equal(p->rc, want);
    assert_int_equal(p->diag.code, want);
    if (want < 0)
        return;
    out_init(&o, memory, sizeof memory);
    scope_print(frozen, &o);
    assert_str(out_get(&o), form);
}

static void test_freeze(void **state)
{
    static const char *const rows[][2] = {
        {"{}", "{}"},
        {"{image: Paris}", "{image: Paris}"},
        {"{here}", "{image: Nantes}"},
        {"{Paris ; here, identity: here}", "{image: Paris ; Nantes, identity: Nantes}"},
        {"{around: here, 5ms}", "{image: around(Nantes, 5ms)}"},
        {"{s: (around(here, 5ms) ; A) & here, *: here}",
         "{s: (around(Nantes, 5ms) ; A) & Nantes, *: Nantes}"},
        {"{*}", "{image: *}"},
        {"{Paris, image.member: Lyon}", "{image: Paris, image.member: Lyon}"},
        {"{s: A % here, prime: A, wait: all, timeout: 5s}",
         "{s: A % Nantes, prime: A, wait: all, timeout: 5s}"},
        {"{s: here ; Nantes}", "{s: Nantes ; Nantes}"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct parsed p;
        freeze(&p, rows[i][0], 0, rows[i][1]);
        parse_fini(&p);
    }
}

static void test_freeze_is_final(void **state)
{
    struct parsed p;
    struct scope *once, *twice;
    parse(&p, "{here & Paris, s: around(here, 1s)}");
    assert_int_equal(scope_freeze(p.scope, STR("Nantes"), STR("image"), &p.arena, &once, &p.diag),
                     0);
    assert_int_equal(scope_freeze(once, STR("Lyon"), STR("s"), &p.arena, &twice, &p.diag), 0);
    assert_str(twice->bindings->key, "image");
    assert_str(twice->bindings->loc->first->name, "Nantes");
    assert_str(twice->bindings->next->loc->name, "Nantes");
    assert_str(p.form, "{here & Paris, s: around(here, 1s)}"); /* and the first is as it was */
    assert_true(p.scope->bindings->loc->first->kind == SCOPE_HERE);
    parse_fini(&p);
}

static void test_freeze_refuses(void **state)
{
    static const struct {
        const char *text;
        int code;
        size_t offset, length;
    } rows[] = {
        {"{Paris, image: Lyon}", ERR_SCOPE_DUPLICATE_KEY, 8, 5},
        {"{image: Lyon, s: A, (Paris)}", ERR_SCOPE_DUPLICATE_KEY, 20, 7},
        {"{\"image\": Lyon, around: A, 1s}", ERR_SCOPE_DUPLICATE_KEY, 16, 13},
        {"{s: here & Nantes}", ERR_SCOPE_DUPLICATE_SITE, 11, 6},
        {"{s: A % (Nantes & B) % Nantes % here}", ERR_SCOPE_DUPLICATE_SITE, 32, 4},
        {"{s: \"Nantes & here\"}", ERR_SCOPE_DUPLICATE_SITE, 4, 15},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct parsed p;
        freeze(&p, rows[i].text, rows[i].code, NULL);
        assert_int_equal(p.diag.offset, rows[i].offset);
        assert_int_equal(p.diag.length, rows[i].length);
        assert_true(p.diag.hint[0] != 0);
        parse_fini(&p);
    }
}

static void test_freeze_without_a_service(void **state)
{
    struct parsed p;
    struct scope *frozen;
    parse(&p, "{here}");
    assert_int_equal(scope_freeze(p.scope, STR("A"), STR_NULL, &p.arena, &frozen, NULL), 0);
    assert_null(frozen->bindings->key.p);
    parse_fini(&p);
}

/* What travels must be readable where it arrives. */
static void test_frozen_form_has_a_limit(void **state)
{
    static char text[SCOPE_MAX_BYTES];
    struct scope *frozen;
    struct parsed p;
    const char *origin = "a-site-with-a-rather-long-name-so-that-many-of-it-do-not-fit";
    size_t n = (size_t)snprintf(text, sizeof text, "{\"%0*d\": ", 3000, 0);
    for (int i = 0; i < 30; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "here ; ");
    snprintf(text + n, sizeof text - n, "here}");
    parse(&p, text);
    assert_int_equal(p.rc, 0);
    assert_int_equal(scope_freeze(p.scope, STR("A"), STR("s"), &p.arena, &frozen, &p.diag), 0);
    int rc = scope_freeze(p.scope, str_of(origin), STR("s"), &p.arena, &frozen, &p.diag);
    assert_int_equal(rc, ERR_SCOPE_LIMIT);
    parse_fini(&p);
}

static void test_freeze_cap_sweep(void **state)
{
    bool was_enough = false;
    for (size_t cap = 0; cap < 8192; cap++) {
        struct parsed p;
        struct arena arena;
        struct scope *frozen;
        parse(&p, "{(around(here, 5ms) ; A) & here, s: here % B, *: here}");
        arena_init(&arena, NULL, 0, cap);
        int rc = scope_freeze(p.scope, STR("Nantes"), STR("image"), &arena, &frozen, &p.diag);
        assert_true(rc == 0 || (rc == ERR_NO_MEMORY && !was_enough));
        was_enough = rc == 0;
        arena_fini(&arena);
        parse_fini(&p);
    }
    assert_true(was_enough);
}

static void test_find(void **state)
{
    static const struct {
        const char *text, *service, *type;
        bool type_is_service;
        const char *site; /* of the binding found; NULL: none */
    } rows[] = {
        {"{compute: A, server: B, compute.server: C, *: D}", "compute", "server", false, "C"},
        {"{compute: A, server: B, *: D}", "compute", "server", false, "B"},
        {"{*: D, compute: A}", "compute", "server", false, "A"},
        {"{*: D, compute: A}", "image", "image", true, "D"},
        {"{compute: A}", "image", "member", false, NULL},
        {"{}", "image", "member", false, NULL},
        {"{image: A}", "image", "image", true, "A"},
        /* image is a service, so the type image of another service is not meant */
        {"{image: A}", "compute", "image", true, NULL},
        {"{image: A}", "compute", "image", false, "A"},
        {"{compute.image: B, image: A}", "compute", "image", true, "B"},
        {"{*: B, A}", "image", NULL, false, "A"},
        {"{A, image.member: B}", "image", "member", false, "B"},
        {"{compute: A, compute.server: B}", "compute", NULL, false, "A"},
        {"{compute.serve: A, compute.servers: B, computeXserver: C}", "compute", "server", false,
         NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct parsed p;
        parse(&p, rows[i].text);
        assert_int_equal(p.rc, 0);
        const struct scope_binding *b = scope_find(p.scope, str_of(rows[i].service),
                                                   str_of(rows[i].type), rows[i].type_is_service);
        assert_int_equal(b != NULL, rows[i].site != NULL);
        if (b)
            assert_str(b->loc->name, rows[i].site);
        parse_fini(&p);
    }
}

static void test_has(void **state)
{
    struct parsed p;
    parse(&p, "{s: A, t: (B ; around(here, 1s)) & C}");
    assert_true(scope_has(p.scope, SCOPE_SITE));
    assert_true(scope_has(p.scope, SCOPE_OTHERWISE));
    assert_true(scope_has(p.scope, SCOPE_REPLICA));
    assert_true(scope_has(p.scope, SCOPE_AROUND));
    assert_false(scope_has(p.scope, SCOPE_CROSS));
    assert_false(scope_has(p.scope, SCOPE_ALL));
    assert_false(scope_has(p.scope, SCOPE_HERE));
    parse_fini(&p);
}

static void test_names(void **state)
{
    static const struct str known[] = {{"image", 5}, {"member", 6}, {"image.member", 12}};
    static const struct str none[] = {{"", 0}};
    struct diag d = {0};
    struct parsed p;
    struct scope_names names = {known, COUNT_OF(known), NULL, 0};
    parse(&p, "{image: A, member: B, \"image.member\": C, *: D, E}");
    assert_int_equal(scope_check_names(p.scope, &names, &d), 0);
    names = (struct scope_names){NULL, 0, none, 0}; /* a list without names knows none */
    assert_int_equal(scope_check_names(p.scope, &names, &d), ERR_SCOPE_UNKNOWN_SITE);
    assert_int_equal(d.offset, 8);
    assert_string_equal(d.hint, "");
    names = (struct scope_names){0};
    assert_int_equal(scope_check_names(p.scope, &names, &d), 0);
    parse_fini(&p);
}

static void test_site_names(void **state)
{
    static const char *const good[] = {"Nantes", "_", "0", "a.b-c", "Here", "hereabouts"};
    static const char *const bad[] = {
        "",       "-a",    ".a",   "a b",     "a:b",     "é",           "*",   "here",
        "around", "prime", "wait", "timeout", "missing", "consistency", "a/b", "\"A\""};
    char longest[SCOPE_MAX_NAME + 2];
    memset(longest, 'a', sizeof longest);
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(scope_is_site_name(str_of(good[i])));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(scope_is_site_name(str_of(bad[i])));
    assert_true(scope_is_site_name((struct str){longest, SCOPE_MAX_NAME}));
    assert_false(scope_is_site_name((struct str){longest, SCOPE_MAX_NAME + 1}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_freeze),
        cmocka_unit_test(test_site_names),
        cmocka_unit_test(test_freeze_is_final),
        cmocka_unit_test(test_freeze_refuses),
        cmocka_unit_test(test_freeze_without_a_service),
        cmocka_unit_test(test_frozen_form_has_a_limit),
        cmocka_unit_test(test_freeze_cap_sweep),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_has),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
