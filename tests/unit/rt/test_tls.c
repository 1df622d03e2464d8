/* TLS handshakes: who is let in, who is refused, and what is said of it. */
#include "tls_support.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* ---- handshakes */

static void test_echo(void **state)
{
    struct rt_loop *l = *state;
    struct owner a, b;
    char got[16];
    make_tls_pair(l, server_context(), client_context(), STR("service.example"), &a, &b);
    assert_int_equal(rt_read(&b.stream, got, sizeof got), ERR_AGAIN);
    shake(l, &a, &b);
    assert_int_equal(rt_stream_connected(&a.stream), 0);
    assert_int_equal(rt_stream_connected(&b.stream), 0);
    struct iovec iov[] = {{(void *)(uintptr_t) "ab", 2}, {NULL, 0}, {(void *)(uintptr_t) "cde", 3}};
    assert_int_equal(rt_write(&a.stream, iov, 3), 5);
    assert_int_equal(read_soon(l, &b, got, sizeof got), 5);
    assert_memory_equal(got, "abcde", 5);
    assert_false(b.stream.can_read); /* nothing in TLS, nothing in the socket */
    assert_int_equal(put(&b.stream, "back", 4), 4);
    assert_int_equal(read_soon(l, &a, got, sizeof got), 4);
    assert_int_equal(rt_write(&a.stream, iov, 0), 0);

    assert_int_equal(rt_stream_shutdown(&a.stream), 0);
    assert_int_equal(read_soon(l, &b, got, sizeof got), 0);
    assert_true(b.stream.has_hup);
    assert_int_equal(rt_read(&b.stream, got, sizeof got), 0);
    assert_int_equal(put(&b.stream, "still", 5), 5); /* the other way goes on */
    assert_int_equal(read_soon(l, &a, got, sizeof got), 5);
    assert_int_equal(rt_stream_shutdown(&b.stream), 0);
    assert_int_equal(read_soon(l, &a, got, sizeof got), 0);
    assert_int_equal(rt_stream_why(&a.stream).n, 0);
    close_pair(l, &a, &b);
}

/* The result of the client's handshake when it verifies `name`. */
static int connect_as(struct rt_loop *l, struct rt_tls *client, const char *name, char *why,
                      size_t n)
{
    struct owner a, b;
    make_tls_pair(l, server_context(), client, str_of(name), &a, &b);
    shake(l, &a, &b);
    int rc = rt_stream_connected(&a.stream);
    snprintf(why, n, "%.*s", STR_ARG(rt_stream_tls_error(&a.stream)));
    if (rc < 0)
        assert_int_not_equal(rt_stream_connected(&b.stream), 0);
    close_pair(l, &a, &b);
    return rc;
}

static void test_names(void **state)
{
    struct rt_loop *l = *state;
    char why[200];
    static const char *const good[] = {
        "service.example", "SERVICE.example.", "a.wild.example", "127.0.0.1", "::1", NULL};
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_int_equal(connect_as(l, client_context(), good[i], why, sizeof why), 0);
    static const char *const bad[] = {"example", "x.service.example", "a.b.wild.example",
                                      "localhost"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(connect_as(l, client_context(), bad[i], why, sizeof why), ERR_TLS);
        check_contains(str_of(why), "its certificate, of service.example, does not bear the name ");
        check_contains(str_of(why), bad[i]);
        check_contains(str_of(why), "hostname mismatch)");
    }
    assert_int_equal(connect_as(l, client_context(), "127.0.0.2", why, sizeof why), ERR_TLS);
    check_contains(str_of(why), "does not bear the address 127.0.0.2 (");
}

/* The server shows the certificate that bears the name that it is asked for, else the first. */
static void test_several_certificates(void **state)
{
    struct rt_loop *l = *state;
    static const struct {
        const char *asked, *shown; /* shown NULL: the name is borne */
    } rows[] = {
        {"service.example", NULL}, {"a.wild.example", NULL},        {"SECOND.example", NULL},
        {"third.example", NULL},   {"x.third.example", "service."}, {"nobody.example", "service."},
        {"127.0.0.1", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct rt_tls *server = server_context();
        struct owner a, b;
        char why[300];
        rt_tls_add(server, context((struct rt_tls_config){.is_server = true,
                                                          .certificate = pem("second"),
                                                          .key = key("second"),
                                                          .alpn = "http/1.1"}));
        rt_tls_add(server, context((struct rt_tls_config){.is_server = true,
                                                          .certificate = pem("third"),
                                                          .key = key("third"),
                                                          .alpn = "http/1.1"}));
        make_tls_pair(l, server, client_context(), str_of(rows[i].asked), &a, &b);
        shake(l, &a, &b);
        assert_int_equal(rt_stream_connected(&a.stream), rows[i].shown ? ERR_TLS : 0);
        snprintf(why, sizeof why, "its certificate, of %s", rows[i].shown ? rows[i].shown : "");
        if (rows[i].shown)
            check_contains(rt_stream_tls_error(&a.stream), why);
        close_pair(l, &a, &b);
    }
}

static void test_bad_name(void **state)
{
    struct rt_loop *l = *state;
    struct rt_tls *client = client_context();
    struct rt_address at = address("127.0.0.1:1");
    struct owner a;
    owner_init(&a);
    struct str bad[] = {STR(""), STR("."), STR("a\0b")};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(rt_stream_connect(&a.stream, l, &at, client, bad[i], &a.task),
                         ERR_INVALID);
        assert_false(rt_stream_is_open(&a.stream));
    }
    rt_tls_unref(&client);
}

static void test_unknown_ca(void **state)
{
    struct rt_loop *l = *state;
    char why[200];
    struct rt_tls *other = context((struct rt_tls_config){.ca = pem("other_ca")});
    assert_int_equal(connect_as(l, other, "service.example", why, sizeof why), ERR_TLS);
    check_contains(str_of(why), "its certificate, of service.example, is from an authority that is "
                                "not trusted here: ca (");
    check_contains(str_of(why), "unable to get local issuer certificate)");
    struct rt_tls *systems = context((struct rt_tls_config){0});
    assert_int_equal(connect_as(l, systems, "service.example", why, sizeof why), ERR_TLS);
}

static void test_alpn(void **state)
{
    struct rt_loop *l = *state;
    char why[200];
    struct rt_tls *none = context((struct rt_tls_config){.ca = pem("ca")});
    assert_int_equal(connect_as(l, none, NULL, why, sizeof why), 0);
    struct rt_tls *h2 = context((struct rt_tls_config){.ca = pem("ca"), .alpn = "h2"});
    assert_int_equal(connect_as(l, h2, NULL, why, sizeof why), ERR_TLS);
    check_contains(str_of(why), "no application protocol");
}

/* ---- sites to each other */

static void test_mutual(void **state)
{
    struct rt_loop *l = *state;
    struct owner a, b;
    char uri[40];
    make_tls_pair(l, site_context(true, "nantes", NULL), site_context(false, "lost", NULL),
                  STR_NULL, &a, &b);
    assert_null(rt_stream_peer_uri(&b.stream, STR(SITE), uri, sizeof uri).p); /* not yet */
    shake(l, &a, &b);
    assert_int_equal(rt_stream_connected(&a.stream), 0);
    assert_int_equal(rt_stream_connected(&b.stream), 0);
    struct str name = rt_stream_peer_uri(&a.stream, STR(SITE), uri, sizeof uri);
    assert_true(str_eq(name, STR(SITE "nantes")));
    assert_null(rt_stream_peer_uri(&a.stream, STR(SITE), uri, sizeof SITE "nantes" - 2).p);
    name = rt_stream_peer_uri(&b.stream, STR(SITE), uri, sizeof uri);
    assert_true(str_eq(name, STR(SITE "lost")));
    assert_null(rt_stream_peer_uri(&b.stream, STR("spiffe://"), uri, sizeof uri).p);
    close_pair(l, &a, &b);

    /* who verified nobody knows no name */
    make_tls_pair(l, server_context(), client_context(), STR_NULL, &a, &b);
    shake(l, &a, &b);
    assert_null(rt_stream_peer_uri(&b.stream, STR(""), uri, sizeof uri).p);
    close_pair(l, &a, &b);
    make_pair(l, "127.0.0.1:0", NULL, NULL, &a, &b);
    assert_null(rt_stream_peer_uri(&b.stream, STR(""), uri, sizeof uri).p);
    close_pair(l, &a, &b);
}

/* The server refuses the client; why is in its text. A TLS 1.3 client learns of it by reading. */
static void check_refused(struct rt_loop *l, struct rt_tls *server, struct rt_tls *client,
                          const char *why)
{
    struct owner a, b;
    char got[8];
    make_tls_pair(l, server, client, STR_NULL, &a, &b);
    shake(l, &a, &b);
    assert_int_equal(rt_stream_connected(&b.stream), ERR_TLS);
    check_contains(rt_stream_why(&b.stream), why);
    assert_true(rt_stream_tls_hint(&b.stream)[0]);
    rt_stream_close(&b.stream);
    if (rt_stream_connected(&a.stream) == 0)
        assert_int_equal(read_soon(l, &a, got, sizeof got), ERR_TLS);
    else
        assert_int_equal(rt_stream_connected(&a.stream), ERR_TLS);
    close_pair(l, &a, &b);
}

static void test_client_refused(void **state)
{
    struct rt_loop *l = *state;
    struct rt_tls_config c = {.ca = pem("ca")};
    check_refused(l, site_context(true, "nantes", NULL), context(c),
                  "the client shows no certificate, and has to (peer did not return a certificate");
    check_refused(
        l, site_context(true, "nantes", NULL),
        context((struct rt_tls_config){
            .ca = pem("ca"), .certificate = pem("stranger"), .key = key("stranger")}),
        "the client's certificate, of cheops://site/nantes, is from an authority that is not "
        "trusted here: other_ca (");
    check_refused(l, site_context(true, "nantes", pem("crl")), site_context(false, "lost", NULL),
                  "the client's certificate, of cheops://site/lost, is revoked (");
}

/* Certificates outside their time, at both ends. */
static void test_times(void **state)
{
    struct rt_loop *l = *state;
    struct owner a, b;
    certs_issue_within(&tls_ca, "ended", "URI:" SITE "ended", -86400, -3600);
    certs_issue_within(&tls_ca, "early", "URI:" SITE "early", 3600, 86400);
    check_refused(l, site_context(true, "nantes", NULL), site_context(false, "ended", NULL),
                  "the client's certificate, of cheops://site/ended, has ended: it ended at 2");
    check_refused(l, site_context(true, "nantes", NULL), site_context(false, "early", NULL),
                  "of cheops://site/early, has not begun: it begins at 2");
    make_tls_pair(l, site_context(true, "ended", NULL), site_context(false, "nantes", NULL),
                  STR_NULL, &a, &b);
    shake(l, &a, &b);
    assert_int_equal(rt_stream_connected(&a.stream), ERR_TLS);
    check_contains(rt_stream_why(&a.stream), "its certificate, of cheops://site/ended, has ended");
    check_contains(str_of(rt_stream_tls_hint(&a.stream)), "renew it");
    /* and what it is told of that */
    assert_int_equal(rt_stream_connected(&b.stream), ERR_TLS);
    check_contains(rt_stream_why(&b.stream),
                   "the client says that the time of the certificate that it is shown is over (");
    close_pair(l, &a, &b);
}

static void test_revoked(void **state)
{
    struct rt_loop *l = *state;
    struct owner a, b;
    /* the list leaves the others alone, and counts for clients too */
    make_tls_pair(l, site_context(true, "nantes", pem("crl")),
                  site_context(false, "nantes", pem("crl")), STR_NULL, &a, &b);
    shake(l, &a, &b);
    assert_int_equal(rt_stream_connected(&a.stream), 0);
    assert_int_equal(rt_stream_connected(&b.stream), 0);
    close_pair(l, &a, &b);
    make_tls_pair(l, site_context(true, "lost", NULL), site_context(false, "nantes", pem("crl")),
                  STR_NULL, &a, &b);
    shake(l, &a, &b);
    assert_int_equal(rt_stream_connected(&a.stream), ERR_TLS);
    check_contains(rt_stream_why(&a.stream), "of cheops://site/lost, is revoked (");
    assert_int_equal(rt_stream_connected(&b.stream), ERR_TLS);
    check_contains(rt_stream_why(&b.stream), "certificate that it is shown is revoked (");
    close_pair(l, &a, &b);
}

static void test_only_1_3(void **state)
{
    struct rt_loop *l = *state;
    struct owner a;
    struct door d;
    owner_init(&a);
    SSL_CTX *old = SSL_CTX_new(TLS_client_method());
    assert_int_equal(SSL_CTX_set_max_proto_version(old, TLS1_2_VERSION), 1);
    struct rt_tls *server = site_context(true, "nantes", NULL);
    door_open(&d, l, "127.0.0.1:0");
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, &d.at.sa, d.at.len), 0);
    UNTIL(l, d.n == 1);
    assert_int_equal(rt_stream_accept(&a.stream, l, d.fds[0], server, &a.task), 0);
    SSL *ssl = SSL_new(old);
    assert_int_equal(SSL_set_fd(ssl, fd), 1);
    int flags = MSG_DONTWAIT; /* its hello is all that is wanted of it */
    char answer[8];
    BIO_set_nbio(SSL_get_rbio(ssl), 1);
    struct timeval soon = {0, 1};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon);
    assert_int_equal(SSL_connect(ssl), -1);
    UNTIL(l, rt_stream_connected(&a.stream) != ERR_AGAIN);
    assert_int_equal(rt_stream_connected(&a.stream), ERR_TLS);
    check_contains(rt_stream_why(&a.stream),
                   "the client speaks no version of TLS that is taken here (");
    assert_true(recv(fd, answer, sizeof answer, flags) > 0); /* the alert */
    rt_stream_close(&a.stream);
    rt_cancel(l, &a.task);
    rt_listener_stop(&d.listener);
    SSL_free(ssl);
    SSL_CTX_free(old);
    close(fd);
    rt_tls_unref(&server);
}

/* ---- connections that break */

/* What does not speak TLS, or goes away, in the middle of a handshake. */
static void test_broken_handshake(void **state)
{
    struct rt_loop *l = *state;
    struct owner a, b;
    struct rt_tls *server = server_context(), *client = client_context();
    make_pair(l, "127.0.0.1:0", server, NULL, &a, &b);
    assert_int_equal(put(&a.stream, "GET / HTTP/1.1\r\n\r\n", 18), 18);
    UNTIL(l, rt_stream_connected(&b.stream) != ERR_AGAIN);
    assert_int_equal(rt_stream_connected(&b.stream), ERR_TLS);
    check_contains(rt_stream_why(&b.stream),
                   "the client speaks plain HTTP to a port for TLS (http request)");
    check_contains(str_of(rt_stream_tls_hint(&b.stream)), "https://");
    close_pair(l, &a, &b);

    make_pair(l, "127.0.0.1:0", server, NULL, &a, &b);
    rt_stream_close(&a.stream);
    UNTIL(l, rt_stream_connected(&b.stream) != ERR_AGAIN);
    assert_int_equal(rt_stream_connected(&b.stream), ERR_CLOSED);
    close_pair(l, &a, &b);

    make_pair(l, "127.0.0.1:0", NULL, client, &a, &b);
    UNTIL(l, rt_stream_connected(&a.stream) == ERR_AGAIN && b.stream.can_read);
    assert_int_equal(put(&b.stream, "SSH-2.0\r\n", 9), 9);
    UNTIL(l, rt_stream_connected(&a.stream) != ERR_AGAIN);
    assert_int_equal(rt_stream_connected(&a.stream), ERR_TLS);
    check_contains(rt_stream_why(&a.stream), "it does not speak TLS (");
    close_pair(l, &a, &b);

    struct door d; /* nobody is there */
    door_open(&d, l, "127.0.0.1:0");
    rt_listener_stop(&d.listener);
    assert_int_equal(rt_stream_connect(&a.stream, l, &d.at, client, STR_NULL, &a.task), 0);
    UNTIL(l, rt_stream_connected(&a.stream) != ERR_AGAIN);
    assert_int_equal(rt_stream_connected(&a.stream), ERR_CLOSED);
    assert_string_equal(rt_stream_why(&a.stream).p, "Connection refused");
    close_pair(l, &a, &b);
    rt_tls_unref(&server);
    rt_tls_unref(&client);
}

/* ---- sessions */

struct resumer {
    SSL_CTX *ctx;
    struct rt_address at;
    int version;
    bool is_reused[2];
};

static void one_connection(struct resumer *r, SSL_SESSION **session, bool *is_reused)
{
    char byte;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(fd, &r->at.sa, r->at.len) == 0);
    SSL *ssl = SSL_new(r->ctx);
    CHECK(SSL_set_fd(ssl, fd) == 1);
    if (*session)
        CHECK(SSL_set_session(ssl, *session) == 1);
    CHECK(SSL_connect(ssl) == 1);
    CHECK(SSL_read(ssl, &byte, 1) == 1); /* the tickets come before it */
    *is_reused = SSL_session_reused(ssl);
    SSL_SESSION_free(*session);
    *session = SSL_get1_session(ssl);
    CHECK(SSL_shutdown(ssl) == 0); /* else the session counts as broken */
    SSL_free(ssl);
    close(fd);
}

static void *resumer_main(void *context)
{
    struct resumer *r = context;
    SSL_SESSION *session = NULL;
    r->ctx = SSL_CTX_new(TLS_client_method());
    CHECK(SSL_CTX_set_max_proto_version(r->ctx, r->version) == 1);
    CHECK(SSL_CTX_use_certificate_chain_file(r->ctx, pem("nantes")) == 1);
    CHECK(SSL_CTX_use_PrivateKey_file(r->ctx, key("nantes"), SSL_FILETYPE_PEM) == 1);
    for (int i = 0; i < 2; i++)
        one_connection(r, &session, &r->is_reused[i]);
    SSL_SESSION_free(session);
    SSL_CTX_free(r->ctx);
    return NULL;
}

/* Whether a second connection of one client resumes the session of the first. */
static bool resumes(struct rt_loop *l, struct rt_tls *server, int version)
{
    struct resumer r = {.version = version};
    struct door d;
    pthread_t thread;
    struct diag why;
    door_open(&d, l, "127.0.0.1:0");
    r.at = d.at;
    assert_int_equal(rt_thread_start(&thread, "resumer", resumer_main, &r, &why), 0);
    for (int i = 0; i < 2; i++) {
        struct owner o;
        owner_init(&o);
        UNTIL(l, d.n == i + 1);
        assert_int_equal(rt_stream_accept(&o.stream, l, d.fds[i], server, &o.task), 0);
        UNTIL(l, rt_stream_connected(&o.stream) != ERR_AGAIN);
        assert_int_equal(rt_stream_connected(&o.stream), 0);
        assert_int_equal(put(&o.stream, "x", 1), 1);
        UNTIL(l, o.stream.has_hup);
        rt_stream_close(&o.stream);
        rt_cancel(l, &o.task);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    rt_listener_stop(&d.listener);
    rt_tls_unref(&server);
    assert_false(r.is_reused[0]);
    return r.is_reused[1];
}

static void test_resumption(void **state)
{
    struct rt_loop *l = *state;
    assert_true(resumes(l, server_context(), TLS1_3_VERSION));
    assert_true(resumes(l, server_context(), TLS1_2_VERSION));
    /* where the client shows a certificate it does so each time */
    struct rt_tls_config c = {.is_server = true,
                              .certificate = pem("server"),
                              .key = key("server"),
                              .ca = pem("ca"),
                              .require_peer = true};
    assert_false(resumes(l, context(c), TLS1_3_VERSION));
    assert_false(resumes(l, context(c), TLS1_2_VERSION));
}

/* ---- contexts */

static void check_config(struct rt_tls_config c, const char *what, const char *hint)
{
    struct rt_tls *t = NULL;
    struct diag d = {0};
    assert_int_equal(rt_tls_create(&t, &c, &d), ERR_CONFIG);
    assert_null(t);
    check_contains(str_of(d.message), what);
    check_contains(str_of(d.hint), hint);
}

static void test_config_errors(void **state)
{
    struct rt_tls_config good = {
        .is_server = true, .certificate = pem("server"), .key = key("server")};
    struct rt_tls_config c = good;
    c.certificate = "/nowhere.pem";
    check_config(c, "certificate '/nowhere.pem': No such file or directory", "folder");
    c.certificate = NULL;
    check_config(c, "needs a certificate", "");
    c = good;
    c.key = NULL;
    check_config(c, "has no key", "");
    c.key = key("nantes");
    check_config(c, "nantes.key': it is not the key of the certificate (key values mismatch)",
                 "made with");
    c.key = pem("server");
    check_config(c, "cannot use key", "PEM");
    c.key = key("server");
    c.certificate = key("server");
    check_config(c, "server.key': there is none in it in PEM form (", "openssl x509");
    c = good;
    c = good;
    c.require_peer = true;
    check_config(c, "without their CA", "");
    c.ca = key("server");
    check_config(c, "cannot use CA", "PEM");
    c.ca = pem("ca");

    EVP_PKEY *k = EVP_EC_gen("P-256"); /* nobody is asked for its pass phrase */
    FILE *f = fopen(key("locked"), "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_PrivateKey(f, k, EVP_aes_128_cbc(), (const unsigned char *)"secret",
                                          6, NULL, NULL),
                     1);
    fclose(f);
    EVP_PKEY_free(k);
    c = good;
    c.key = key("locked");
    check_config(c, "it is locked with a pass phrase", "openssl pkey");
}

static void test_not_after(void **state)
{
    struct rt_tls *t = server_context();
    int64_t left = rt_tls_not_after(t) - (int64_t)time(NULL);
    assert_true(left > 86400 - 600 && left <= 86400);
    struct rt_tls *second = rt_tls_ref(t);
    rt_tls_unref(&t);
    assert_null(t);
    assert_true(rt_tls_not_after(second) > 0);
    rt_tls_unref(&second);
    rt_tls_unref(&second);
    t = client_context();
    assert_int_equal(rt_tls_not_after(t), 0);
    rt_tls_unref(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_echo),
        LOOP_TEST(test_names),
        LOOP_TEST(test_several_certificates),
        LOOP_TEST(test_bad_name),
        LOOP_TEST(test_unknown_ca),
        LOOP_TEST(test_alpn),
        LOOP_TEST(test_mutual),
        LOOP_TEST(test_client_refused),
        LOOP_TEST(test_times),
        LOOP_TEST(test_revoked),
        LOOP_TEST(test_only_1_3),
        LOOP_TEST(test_broken_handshake),
        LOOP_TEST(test_resumption),
        cmocka_unit_test(test_config_errors),
        cmocka_unit_test(test_not_after),
    };
    return cmocka_run_group_tests(tests, tls_make_files, tls_remove_files);
}
