/* Lists of revoked certificates: what is taken, what is refused, what is kept, who is cut. */
#include "tls_support.h"

#include <openssl/pem.h>
#include <stdio.h>
#include <unistd.h>

static struct arena arena;

/* A list as it is offered: written by an authority, read, as DER. */
static struct str offered(struct certs_ca *ca, struct certs_list l)
{
    unsigned char *der = NULL;
    certs_write_list(ca, "offered", &l);
    FILE *f = fopen(pem("offered"), "r");
    assert_non_null(f);
    X509_CRL *crl = PEM_read_X509_CRL(f, NULL, NULL, NULL);
    fclose(f);
    int n = i2d_X509_CRL(crl, &der);
    assert_true(n > 0);
    struct str copy = arena_str(&arena, (struct str){(char *)der, (size_t)n});
    OPENSSL_free(der);
    X509_CRL_free(crl);
    return copy;
}

static void refuses(struct rt_revoked *r, struct str der, const char *why)
{
    struct diag d = {0};
    uint64_t number = rt_revoked_number(r), changes = rt_revoked_changes(r);
    assert_int_equal(rt_revoked_offer(r, der, &d), ERR_INVALID);
    check_contains(str_of(d.message), why);
    assert_int_equal(rt_revoked_number(r), number);
    assert_int_equal(rt_revoked_changes(r), changes);
}

static void test_a_newer_list(void **state)
{
    struct rt_revoked *r = open_lists(NULL);
    struct diag d = {0};
    assert_int_equal(rt_revoked_number(r), 0);
    assert_null(rt_revoked_copy(r, &arena).p);
    struct str list = offered(&tls_ca, (struct certs_list){.number = 7, .left_s = 600});
    assert_int_equal(rt_revoked_offer(r, list, &d), 0);
    assert_int_equal(rt_revoked_number(r), 7);
    assert_int_equal(rt_revoked_changes(r), 1);
    assert_true(str_eq(rt_revoked_copy(r, &arena), list));
    list = offered(&tls_ca, (struct certs_list){.number = 9, .left_s = 600});
    assert_int_equal(rt_revoked_offer(r, list, &d), 0);
    assert_int_equal(rt_revoked_number(r), 9);
    rt_revoked_unref(&r);
    assert_null(r);
}

static void test_what_is_refused(void **state)
{
    struct rt_revoked *r = open_lists(NULL);
    struct diag d = {0};
    struct str good = offered(&tls_ca, (struct certs_list){.number = 7, .left_s = 600});
    char bent[4096];
    assert_int_equal(rt_revoked_offer(r, good, &d), 0);
    refuses(r, good, "its number is 7, and the list here has 7");
    refuses(r, offered(&tls_ca, (struct certs_list){.number = 6, .left_s = 600}), "number is 6");
    refuses(r, offered(&tls_ca, (struct certs_list){.left_s = 600}), "number is 0");
    refuses(r, offered(&tls_ca, (struct certs_list){.number = 8, .left_s = -60}),
            "within its time");
    refuses(r, offered(&tls_ca, (struct certs_list){.number = 8, .left_s = 600, .is_delta = true}),
            "critical extension");
    refuses(r, offered(&tls_other_ca, (struct certs_list){.number = 8, .left_s = 600}),
            "not signed");
    refuses(r, STR_NULL, "not a revocation list");
    refuses(r, STR("It works!"), "not a revocation list");
    refuses(r, str_sub(good, 0, good.n - 1), "not a revocation list");
    /* Whatever bit is turned: never taken. */
    struct str next = offered(&tls_ca, (struct certs_list){.number = 8, .left_s = 600});
    assert_true(next.n < sizeof bent);
    for (size_t i = 0; i < next.n; i++) {
        memcpy(bent, next.p, next.n);
        bent[i] ^= 4;
        assert_int_equal(rt_revoked_offer(r, (struct str){bent, next.n}, &d), ERR_INVALID);
    }
    assert_int_equal(rt_revoked_offer(r, next, &d), 0);
    rt_revoked_unref(&r);
}

static void test_a_list_of_the_name_of_the_ca(void **state)
{
    struct certs_ca twin = tls_other_ca;
    struct rt_revoked *r = open_lists(NULL);
    twin.certificate = tls_ca.certificate; /* its name, and another key */
    refuses(r, offered(&twin, (struct certs_list){.number = 8, .left_s = 600}), "not signed");
    struct diag d = {0};
    struct rt_revoked *none = NULL;
    assert_int_equal(rt_revoked_open(&none, pem("ca"), pem("offered"), &d), ERR_CONFIG);
    check_contains(str_of(d.message), "is not signed by the CA");
    assert_null(none);
    rt_revoked_unref(&r);
}

static void check_open(const char *ca, const char *file, const char *why)
{
    struct rt_revoked *r = NULL;
    struct diag d = {0};
    assert_int_equal(rt_revoked_open(&r, ca, file, &d), ERR_CONFIG);
    check_contains(str_of(d.message), why);
    assert_null(r);
}

static void test_files_that_are_none(void **state)
{
    check_open(pem("nowhere"), NULL, "cannot use CA");
    check_open(key("nantes"), NULL, "cannot use CA");
    check_open(pem("ca"), pem("nowhere"), "cannot use revocation list");
    check_open(pem("ca"), pem("ca"), "cannot use revocation list");
}

/* The lists of other authorities stay in the file. */
static void test_what_is_kept(void **state)
{
    struct diag d = {0};
    char line[200];
    int n_lists = 0;
    certs_revoke(&tls_other_ca, "kept", 0);
    struct rt_revoked *r = open_lists(pem("kept"));
    assert_int_equal(rt_revoked_number(r), 0);
    struct str list = offered(&tls_ca, (struct certs_list){.number = 7, .left_s = 600});
    assert_int_equal(rt_revoked_offer(r, list, &d), 0);
    assert_int_equal(rt_revoked_save(r, pem("kept"), &d), 0);
    struct rt_revoked *again = open_lists(pem("kept"));
    assert_int_equal(rt_revoked_number(again), 7);
    FILE *f = fopen(pem("kept"), "r");
    while (fgets(line, sizeof line, f))
        n_lists += strstr(line, "BEGIN X509 CRL") != NULL;
    fclose(f);
    assert_int_equal(n_lists, 2);
    /* what is as new in the file is left as it is */
    certs_write_list(&tls_ca, "kept", &(struct certs_list){.number = 8, .left_s = 600});
    assert_int_equal(rt_revoked_save(r, pem("kept"), &d), 0);
    rt_revoked_unref(&again);
    again = open_lists(pem("kept"));
    assert_int_equal(rt_revoked_number(again), 8);
    assert_int_equal(rt_revoked_save(r, "/nowhere/at/all/crl.pem", &d), ERR_SYSTEM);
    check_contains(str_of(d.message), "/nowhere/at/all/crl.pem cannot be written: No such file");
    rt_revoked_unref(&r);
    rt_revoked_unref(&again);
}

/* A context that is in use refuses from the next handshake on; who is connected can be told. */
static void test_a_context_in_use(void **state)
{
    struct rt_loop *l = *state;
    struct owner a, b;
    struct diag d = {0};
    long serial = certs_issue(&tls_ca, "found", "URI:" SITE "found");
    struct rt_revoked *r = open_lists(NULL);
    struct rt_tls *server = context((struct rt_tls_config){.is_server = true,
                                                           .certificate = pem("nantes"),
                                                           .key = key("nantes"),
                                                           .ca = pem("ca"),
                                                           .revoked = r,
                                                           .require_peer = true,
                                                           .only_1_3 = true});
    make_tls_pair(l, rt_tls_ref(server), site_context(false, "found", NULL), STR_NULL, &a, &b);
    shake(l, &a, &b);
    assert_int_equal(rt_stream_connected(&b.stream), 0);
    assert_false(rt_stream_is_revoked(&b.stream, r));
    assert_true(rt_stream_is_accepted(&b.stream, server));
    struct str list =
        offered(&tls_ca, (struct certs_list){.serial = serial, .number = 1, .left_s = 600});
    assert_int_equal(rt_revoked_offer(r, list, &d), 0);
    assert_true(rt_stream_is_revoked(&b.stream, r));
    assert_false(rt_stream_is_accepted(&b.stream, server));
    assert_false(rt_stream_is_revoked(&a.stream, r)); /* nantes */
    char got[8];
    rt_stream_cut(&b.stream);
    assert_int_equal(rt_read(&b.stream, got, sizeof got), ERR_RESET);
    rt_stream_close(&b.stream);
    assert_true(read_soon(l, &a, got, sizeof got) <= 0);
    rt_stream_close(&a.stream);
    rt_loop_turn(l, 0);
    make_tls_pair(l, server, site_context(false, "found", NULL), STR_NULL, &a, &b);
    shake(l, &a, &b);
    check_contains(rt_stream_why(&b.stream),
                   "the client's certificate, of cheops://site/found, is revoked");
    rt_stream_close(&a.stream);
    rt_stream_close(&b.stream);
    rt_revoked_unref(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_a_newer_list),        LOOP_TEST(test_what_is_refused),
        LOOP_TEST(test_files_that_are_none), LOOP_TEST(test_a_list_of_the_name_of_the_ca),
        LOOP_TEST(test_what_is_kept),        LOOP_TEST(test_a_context_in_use),
    };
    arena_init(&arena, NULL, 0, 1 << 20);
    int failed = cmocka_run_group_tests(tests, tls_make_files, tls_remove_files);
    arena_fini(&arena);
    return failed;
}
