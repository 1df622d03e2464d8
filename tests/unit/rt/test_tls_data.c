/* TLS streams at work: what breaks, back-pressure, edges. */
#include "tls_support.h"

#include <stdlib.h>

/* The end of a stream that was cut off must not look like the end of what was sent. */
static void test_truncated(void **state)
{
    struct rt_loop *l = *state;
    struct owner a, b;
    char got[8];
    make_tls_pair(l, server_context(), client_context(), STR_NULL, &a, &b);
    shake(l, &a, &b);
    assert_int_equal(put(&b.stream, "half", 4), 4);
    assert_int_equal(shutdown(b.stream.fd, SHUT_WR), 0);
    UNTIL(l, a.stream.has_hup);
    assert_int_equal(rt_read(&a.stream, got, sizeof got), 4);
    assert_true(a.stream.can_read);
    assert_int_equal(read_soon(l, &a, got, sizeof got), ERR_RESET);
    assert_int_equal(rt_read(&a.stream, got, sizeof got), ERR_RESET);
    assert_int_equal(put(&a.stream, "x", 1), ERR_RESET);
    assert_int_equal(rt_stream_shutdown(&a.stream), ERR_RESET);
    close_pair(l, &a, &b);
}

static void test_corrupt(void **state)
{
    struct rt_loop *l = *state;
    struct owner a, b;
    char got[8];
    static const char record[] = "\x17\x03\x03\x00\x18"
                                 "this is not what it says";
    make_tls_pair(l, server_context(), client_context(), STR_NULL, &a, &b);
    shake(l, &a, &b);
    assert_int_equal(send(a.stream.fd, record, sizeof record - 1, 0), sizeof record - 1);
    assert_int_equal(read_soon(l, &b, got, sizeof got), ERR_TLS);
    check_contains(rt_stream_tls_error(&b.stream), "bad record mac");
    close_pair(l, &a, &b);
}

/* Writing to one that has gone is an error, not a signal; a hang-up is seen without reading. */
static void test_gone(void **state)
{
    struct rt_loop *l = *state;
    struct owner a, b;
    make_tls_pair(l, server_context(), client_context(), STR_NULL, &a, &b);
    shake(l, &a, &b);
    rt_loop_turn(l, 0);
    int wakes = b.wakes;
    rt_stream_close(&a.stream);
    UNTIL(l, b.stream.has_hup && b.wakes > wakes);
    int rc = 0;
    UNTIL(l, rc < 0 || (rc = (int)put(&b.stream, "x", 1)) < 0);
    assert_int_equal(rc, ERR_RESET);
    close_pair(l, &a, &b);
}

/* What came before a reset can be read, also when a write finds the reset before any event tells of
 * either: so TLS 1.3 says that it refuses a certificate. */
static void test_answered_then_reset(void **state)
{
    struct rt_loop *l = *state;
    struct owner a, b;
    char got[16];
    make_tls_pair(l, server_context(), client_context(), STR_NULL, &a, &b);
    shake(l, &a, &b);
    while (b.stream.can_read)
        assert_int_equal(rt_read(&b.stream, got, sizeof got), ERR_AGAIN);
    assert_int_equal(put(&b.stream, "unread", 6), 6);
    assert_int_equal(put(&a.stream, "answer", 6), 6);
    rt_stream_close(&a.stream);
    ssize_t rc;
    do {
        rc = put(&b.stream, "x", 1);
    } while (rc > 0);
    assert_int_equal(rc, ERR_RESET);
    assert_true(b.stream.can_read);
    assert_int_equal(rt_read(&b.stream, got, sizeof got), 6);
    assert_memory_equal(got, "answer", 6);
    assert_int_equal(rt_read(&b.stream, got, sizeof got), ERR_RESET);
    close_pair(l, &a, &b);
}

/* ---- back-pressure and edges */

static void test_large(void **state)
{
    struct rt_loop *l = *state;
    struct owner a, b;
    make_tls_pair(l, server_context(), client_context(), STR_NULL, &a, &b);
    shake(l, &a, &b);
    check_large(l, &a.stream, &b.stream, LARGE);
    close_pair(l, &a, &b);
}

/* Movers that begin before the handshake: reads and writes drive it. */
static void test_large_unshaken(void **state)
{
    struct rt_loop *l = *state;
    struct rt_tls *server = server_context(), *client = client_context();
    struct owner a, b;
    make_pair(l, unix_at, server, client, &a, &b);
    check_large(l, &a.stream, &b.stream, LARGE);
    close_pair(l, &a, &b);
    rt_tls_unref(&server);
    rt_tls_unref(&client);
}

/* Many records that came with one event: all can be read without another one. */
static void test_buffered(void **state)
{
    struct rt_loop *l = *state;
    struct owner a, b;
    char got[3];
    struct rt_tls *server = server_context(), *client = client_context();
    make_pair(l, unix_at, server, client, &a, &b); /* TCP may deliver in pieces */
    shake(l, &a, &b);
    while (b.stream.can_read)
        assert_int_equal(rt_read(&b.stream, got, sizeof got), ERR_AGAIN);
    for (int i = 0; i < 50; i++)
        assert_int_equal(put(&a.stream, "four", 4), 4);
    UNTIL(l, b.stream.can_read);
    size_t n = 0;
    while (b.stream.can_read) {
        ssize_t rc = rt_read(&b.stream, got, sizeof got);
        assert_true(rc > 0 || rc == ERR_AGAIN);
        n += rc > 0 ? (size_t)rc : 0;
    }
    assert_int_equal(n, 200);
    close_pair(l, &a, &b);
    rt_tls_unref(&server);
    rt_tls_unref(&client);
}

/* Fills the socket of `o` with records until one more does not fit, or `max` were written; returns
 * how many. */
static int fill(struct owner *o, int max)
{
    static const char record[4096];
    int n = 0;
    while (n < max && put(&o->stream, record, sizeof record) > 0)
        n++;
    return n;
}

/* An end of sending for which the socket has no room follows when there is some. */
static void test_shutdown_full(void **state)
{
    struct rt_loop *l = *state;
    struct rt_tls *server = server_context(), *client = client_context();
    struct owner a, b;
    char got[4096];
    make_pair(l, unix_at, server, client, &a, &b);
    shake(l, &a, &b);
    int full = fill(&a, INT32_MAX);
    assert_true(full > 1);
    assert_false(a.stream.can_write);
    close_pair(l, &a, &b);

    /* A Unix socket is full at the same record again, and before it at the border of two. */
    make_pair(l, unix_at, server, client, &a, &b);
    shake(l, &a, &b);
    assert_int_equal(fill(&a, full), full);
    assert_int_equal(rt_stream_shutdown(&a.stream), 0);
    int records = 0;
    ssize_t n;
    while ((n = read_soon(l, &b, got, sizeof got)) > 0)
        records += n == sizeof got;
    assert_int_equal(n, 0);
    assert_int_equal(records, full);
    close_pair(l, &a, &b);
    rt_tls_unref(&server);
    rt_tls_unref(&client);
}

/* A record that was refused goes on from where it was, though it lies elsewhere now and more
 * follows it. */
static void test_sealed(void **state)
{
    struct rt_loop *l = *state;
    struct rt_tls *server = server_context(), *client = client_context();
    struct owner a, b;
    char got[16384], last[40];
    make_pair(l, "127.0.0.1:0", server, client, &a, &b);
    shake(l, &a, &b);
    int full = fill(&a, INT32_MAX);
    size_t total = (size_t)full * 4096, n = 0;
    while (n < total) { /* what was written whole arrives while the rest waits */
        ssize_t rc = read_soon(l, &b, got, sizeof got);
        assert_true(rc > 0);
        n += (size_t)rc;
    }
    char *again = calloc(1, 4096 + 6);
    assert_non_null(again);
    memcpy(again + 4096, "behind", 6);
    struct iovec iov[] = {{again, 1000}, {again + 1000, 3096 + 6}};
    UNTIL(l, a.stream.can_write);
    assert_int_equal(rt_write(&a.stream, iov, 2), 4096 + 6);
    free(again);
    while (n < total + 4096 + 6) {
        ssize_t rc = read_soon(l, &b, last, sizeof last);
        assert_true(rc > 0);
        n += (size_t)rc;
        if (n == total + 4096 + 6)
            assert_memory_equal(last, "behind", 6);
    }
    close_pair(l, &a, &b);
    rt_tls_unref(&server);
    rt_tls_unref(&client);
}

static void test_move(void **state)
{
    struct rt_loop *l = *state;
    struct owner a, b, c;
    char got[8];
    owner_init(&c);
    make_tls_pair(l, server_context(), client_context(), STR_NULL, &a, &b);
    shake(l, &a, &b);
    assert_int_equal(put(&a.stream, "abc", 3), 3);
    assert_int_equal(rt_stream_move(&c.stream, &b.stream, &c.task), 0);
    memset(&b.stream, 0xaa, sizeof b.stream); /* nobody looks there any more */
    assert_int_equal(read_soon(l, &c, got, sizeof got), 3);
    assert_int_equal(put(&c.stream, "abc", 3), 3);
    assert_int_equal(read_soon(l, &a, got, sizeof got), 3);
    close_pair(l, &a, &c);
    rt_cancel(l, &b.task);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_truncated), LOOP_TEST(test_corrupt),
        LOOP_TEST(test_gone),      LOOP_TEST(test_answered_then_reset),
        LOOP_TEST(test_large),     LOOP_TEST(test_large_unshaken),
        LOOP_TEST(test_buffered),  LOOP_TEST(test_shutdown_full),
        LOOP_TEST(test_sealed),    LOOP_TEST(test_move),
    };
    rt_tls_keep_buffers(); /* as the daemon does */
    int failed = cmocka_run_group_tests(tests, tls_make_files, tls_remove_files);
    rt_tls_drop_buffers();
    return failed;
}
