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

/* A plan is kept for its rule and method, as a copy, as long as it depends on nothing measured. */
static void test_plans_are_kept(void **state)
{
    struct app_rule list = {.kind = APP_LIST}, show = {.kind = APP_READ};
    struct app_class of_list = {.rule = &list}, of_show = {.rule = &show}, of_none = {0};
    struct proxy_scope *s = get(STR("{a: Nantes ; Paris}"), STR("a"));
    struct plan_leg legs[2] = {{.site = 3}, {.site = 5}};
    struct plan plan = {.form = PLAN_OTHERWISE,
                        .policy = PLAN_FIRST,
                        .legs = legs,
                        .n_legs = 2,
                        .binding = s->frozen->bindings};
    assert_null(proxy_scope_plan(s, &of_list, H1_GET));
    proxy_scope_keep(s, &of_list, H1_GET, &plan);
    legs[1].site = 7;
    const struct plan *kept = proxy_scope_plan(s, &of_list, H1_GET);
    assert_non_null(kept);
    assert_int_equal(kept->policy, PLAN_FIRST);
    assert_int_equal(kept->n_legs, 2);
    assert_int_equal(kept->legs[1].site, 5);
    assert_null(proxy_scope_plan(s, &of_list, H1_HEAD));
    assert_null(proxy_scope_plan(s, &of_show, H1_GET));
    proxy_scope_keep(s, &of_none, H1_GET, &plan);
    assert_null(proxy_scope_plan(s, &of_none, H1_GET));
    proxy_scope_keep(s, &of_show, H1_METHOD_OTHER, &plan);
    assert_null(proxy_scope_plan(s, &of_show, H1_METHOD_OTHER));
    plan.policy = PLAN_NEAREST;
    proxy_scope_keep(s, &of_show, H1_GET, &plan);
    assert_null(proxy_scope_plan(s, &of_show, H1_GET));
    proxy_scope_unref(&s);
}

static void test_only_so_many_plans_are_kept(void **state)
{
    struct app_rule rules[PROXY_SCOPE_PLANS + 1] = {{.kind = APP_LIST}};
    struct proxy_scope *s = get(STR("{a: Paris}"), STR("a"));
    struct plan_leg leg = {.site = 1};
    struct plan plan = {.policy = PLAN_FORWARD, .legs = &leg, .n_legs = 1};
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        struct app_class class_ = {.rule = &rules[i]};
        proxy_scope_keep(s, &class_, H1_GET, &plan);
        assert_int_equal(proxy_scope_plan(s, &class_, H1_GET) != NULL, i < PROXY_SCOPE_PLANS);
    }
    proxy_scope_unref(&s);
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
        cmocka_unit_test_setup_teardown(test_plans_are_kept, begin, end),
        cmocka_unit_test_setup_teardown(test_only_so_many_plans_are_kept, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
