/* What a context says of its own certificate and CA. */
#include "tls_support.h"

static void test_a_site_that_is_good(void **state)
{
    struct rt_tls *server = site_context(true, "nantes", pem("crl"));
    struct rt_tls *client = site_context(false, "nantes", pem("crl"));
    int64_t now = (int64_t)(rt_wall_us() / 1000000);
    char memory[64];
    struct str uri = rt_tls_own_uri(server, STR(SITE), memory, sizeof memory);
    assert_true(str_eq(uri, STR(SITE "nantes")));
    assert_null(rt_tls_own_uri(server, STR("https:"), memory, sizeof memory).p);
    assert_null(rt_tls_own_uri(server, STR(SITE), memory, 5).p);
    assert_in_range(now - rt_tls_not_before(client), 0, 90000);
    assert_in_range(rt_tls_not_after(client) - now, 80000, 90000);
    assert_true(rt_tls_ca_not_after(client) > now);
    assert_string_equal(rt_tls_refusal(server, client), "");
    assert_string_equal(rt_tls_refusal(client, server), "");
    rt_tls_unref(&server);
    rt_tls_unref(&client);
}

static void test_why_a_certificate_would_not_be_taken(void **state)
{
    struct rt_tls *server = site_context(true, "nantes", pem("crl"));
    struct rt_tls *lost = site_context(false, "lost", pem("crl"));
    struct rt_tls *stranger = site_context(false, "stranger", NULL);
    assert_string_equal(rt_tls_refusal(lost, server), "certificate revoked");
    check_contains(str_of(rt_tls_refusal(stranger, server)), "issuer");
    rt_tls_unref(&server);
    rt_tls_unref(&lost);
    rt_tls_unref(&stranger);
}

static void test_a_client_without_anything(void **state)
{
    struct rt_tls *none = context((struct rt_tls_config){0}), *client = client_context();
    char memory[64];
    assert_int_equal(rt_tls_not_before(none), 0);
    assert_int_equal(rt_tls_ca_not_after(none), 0); /* the system's is not its own */
    assert_null(rt_tls_own_uri(none, STR(""), memory, sizeof memory).p);
    assert_string_equal(rt_tls_refusal(none, client), "there is none");
    rt_tls_unref(&none);
    rt_tls_unref(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_site_that_is_good),
        cmocka_unit_test(test_why_a_certificate_would_not_be_taken),
        cmocka_unit_test(test_a_client_without_anything),
    };
    return cmocka_run_group_tests(tests, tls_make_files, tls_remove_files);
}
