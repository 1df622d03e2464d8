/* Scopes that were read before: what counts as the same, what is kept, how long it lives. */
#include "proxy/scopes.h"
#include "../base/unit.h"

static struct proxy_scopes *scopes;

static int begin(void **state)
{
    return proxy_scopes_create(&scopes);
}

static int end(void **state)
{
    proxy_scopes_destroy(&scopes);
    return 0;
}

/* Gives a reference. */
static struct proxy_scope *get(struct str written, struct str service)
{
    struct proxy_scope_question q = {written, STR("Nantes"), service};
    struct proxy_scope *s = NULL;
    struct diag d = {0};
    assert_int_equal(proxy_scopes_get(scopes, &q, &s, &d), 0);
    return s;
}

static void test_a_scope_is_frozen_and_printed(void **state)
{
    struct proxy_scope *s = get(STR("here;Paris"), STR("image"));
    assert_str(s->text, "{image: Nantes ; Paris}");
    assert_str(s->frozen->bindings->key, "image");
    proxy_scope_unref(&s);
    assert_null(s);
}

static void test_the_same_bytes_are_read_once_a_service(void **state)
{
    char copy[] = "{a: Paris}";
    struct proxy_scope *first = get(STR("{a: Paris}"), STR("a"));
    struct proxy_scope *again = get((struct str){copy, sizeof copy - 1}, STR("a"));
    struct proxy_scope *spaced = get(STR("{a:  Paris}"), STR("a"));
    assert_ptr_equal(again, first);
    assert_ptr_not_equal(spaced, first);
    struct proxy_scope *bare = get(STR("Paris"), STR("a")), *other = get(STR("Paris"), STR("b"));
    assert_str(bare->text, "{a: Paris}");
    assert_str(other->text, "{b: Paris}");
    proxy_scope_unref(&first);
    proxy_scope_unref(&again);
    proxy_scope_unref(&spaced);
    proxy_scope_unref(&bare);
    proxy_scope_unref(&other);
}

static void test_errors_are_told_each_time(void **state)
{
    struct proxy_scope_question q = {STR("{a: Pa&}"), STR("Nantes"), STR("a")};
    for (int i = 0; i < 2; i++) {
        struct proxy_scope *s = NULL;
        struct diag d = {0};
        assert_int_equal(proxy_scopes_get(scopes, &q, &s, &d), ERR_SCOPE_SYNTAX);
        assert_int_equal(d.offset, 7);
        assert_null(s);
    }
}

/* Far more than are kept: those that made room for others live as long as they are referenced. */
static void test_what_made_room_lives_while_it_is_used(void **state)
{
    struct proxy_scope *held[4 * PROXY_SCOPES];
    char text[32];
    struct out o;
    for (size_t i = 0; i < COUNT_OF(held); i++) {
        out_init(&o, text, sizeof text);
        OUT(&o, "{a: s");
        out_u64(&o, i);
        OUT(&o, "}");
        held[i] = get(out_get(&o), STR("a"));
    }
    for (size_t i = 0; i < COUNT_OF(held); i++) {
        out_init(&o, text, sizeof text);
        OUT(&o, "{a: s");
        out_u64(&o, i);
        OUT(&o, "}");
        assert_true(str_eq(held[i]->text, out_get(&o)));
        proxy_scope_unref(&held[i]);
    }
}

static void test_a_long_scope_is_not_kept(void **state)
{
    char text[PROXY_SCOPE_BYTES + 1];
    memset(text, ' ', sizeof text);
    memcpy(text, "{a: Paris}", 10);
    struct proxy_scope *fits = get((struct str){text, PROXY_SCOPE_BYTES}, STR("a"));
    struct proxy_scope *fits_too = get((struct str){text, PROXY_SCOPE_BYTES}, STR("a"));
    struct proxy_scope *longer = get((struct str){text, sizeof text}, STR("a"));
    struct proxy_scope *another = get((struct str){text, sizeof text}, STR("a"));
    assert_ptr_equal(fits, fits_too);
    assert_ptr_not_equal(longer, another);
    assert_str(longer->text, "{a: Paris}");
    proxy_scope_unref(&fits);
    proxy_scope_unref(&fits_too);
    proxy_scope_unref(&longer);
    proxy_scope_unref(&another);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_scope_is_frozen_and_printed, begin, end),
        cmocka_unit_test_setup_teardown(test_the_same_bytes_are_read_once_a_service, begin, end),
        cmocka_unit_test_setup_teardown(test_errors_are_told_each_time, begin, end),
        cmocka_unit_test_setup_teardown(test_what_made_room_lives_while_it_is_used, begin, end),
        cmocka_unit_test_setup_teardown(test_a_long_scope_is_not_kept, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
