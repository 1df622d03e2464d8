#include "rt/stream.h"
#include "test_rt.h"
#include "support.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- addresses */

static void check_round_trip(const char *text, const char *host, bool is_loopback)
{
    char mem[200];
    struct out o;
    struct rt_address a = address(text);
    out_init(&o, mem, sizeof mem);
    rt_address_print(&a, &o);
    out_char(&o, '\0');
    assert_string_equal(mem, text);
    out_init(&o, mem, sizeof mem);
    rt_address_print_host(&a, &o);
    out_char(&o, '\0');
    assert_string_equal(mem, host);
    assert_int_equal(rt_address_is_loopback(&a), is_loopback);
}

static void test_address(void **state)
{
    check_round_trip("127.0.0.1:80", "127.0.0.1", true);
    check_round_trip("127.8.0.1:1", "127.8.0.1", true);
    check_round_trip("128.0.0.1:65535", "128.0.0.1", false);
    check_round_trip("[::1]:443", "::1", true);
    check_round_trip("[2001:db8::2]:0", "2001:db8::2", false);
    check_round_trip("unix:/run/cheops/admin", "unix:", true);

    char path[200] = "unix:/";
    memset(path + 6, 'x', 107);
    const char *const bad[] = {"",
                               "127.0.0.1",
                               "127.0.0.1:",
                               "127.0.0.1:65536",
                               "127.0.0.1:+1",
                               "127.0.0:80",
                               "host:80",
                               "[::1]",
                               "[::1]80",
                               "[::1:80",
                               "::1:80",
                               "[127.0.0.1]:80",
                               "unix:",
                               "[]:1",
                               ":1",
                               path,
                               "[fe80::1%eth0]:80",
                               "1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17.18.19.20.21.22.23:4"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct rt_address a = {.len = 77};
        assert_int_equal(rt_address_parse(str_of(bad[i]), &a), ERR_INVALID);
        assert_int_equal(a.len, 77);
    }
    path[112] = '\0'; /* the longest that fits, with its NUL */
    check_round_trip(path, "unix:", true);
    struct rt_address none = {0};
    assert_false(rt_address_is_loopback(&none));
}

/* ---- sockets */

static void check_echo(struct rt_loop *l, const char *at)
{
    struct owner a, b;
    char got[16];
    make_pair(l, at, NULL, NULL, &a, &b);
    assert_true(a.stream.can_write);
    assert_int_equal(rt_read(&b.stream, got, sizeof got), ERR_AGAIN);
    assert_false(b.stream.can_read);

    struct iovec iov[] = {{(void *)(uintptr_t) "ab", 2}, {NULL, 0}, {(void *)(uintptr_t) "cde", 3}};
    assert_int_equal(rt_write(&a.stream, iov, 3), 5);
    UNTIL(l, b.wakes == 1);
    assert_true(b.stream.can_read);
    assert_int_equal(rt_read(&b.stream, got, 2), 2); /* as much as asked for: there may be more */
    assert_true(b.stream.can_read);
    assert_int_equal(rt_read(&b.stream, got + 2, 14), 3); /* a short read: no more */
    assert_false(b.stream.can_read);
    assert_memory_equal(got, "abcde", 5);

    /* the flag that is up wakes nobody again */
    assert_int_equal(put(&a.stream, "x", 1), 1);
    UNTIL(l, b.stream.can_read);
    rt_loop_turn(l, 0);
    int wakes = b.wakes;
    assert_int_equal(put(&a.stream, "y", 1), 1);
    rt_loop_turn(l, 0);
    assert_int_equal(b.wakes, wakes);

    assert_int_equal(rt_stream_shutdown(&a.stream), 0);
    UNTIL(l, b.stream.has_hup);
    assert_int_equal(rt_read(&b.stream, got, sizeof got), 2);
    assert_true(b.stream.can_read); /* for the end */
    assert_int_equal(rt_read(&b.stream, got, sizeof got), 0);
    assert_int_equal(rt_read(&b.stream, got, sizeof got), 0);
    assert_int_equal(put(&b.stream, "back", 4), 4); /* the other way goes on */
    UNTIL(l, a.stream.can_read);
    assert_int_equal(rt_read(&a.stream, got, sizeof got), 4);
    close_pair(l, &a, &b);
}

static void test_tcp(void **state)
{
    check_echo(*state, "127.0.0.1:0");
}

static void test_tcp6(void **state)
{
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    struct rt_address at = address("[::1]:0");
    bool has_v6 = fd >= 0 && bind(fd, &at.sa, at.len) == 0;
    close(fd);
    if (!has_v6)
        skip();
    check_echo(*state, "[::1]:0");
}

static char dir[] = "/tmp/cheops-rt-XXXXXX";
static char unix_at[sizeof dir + 16];

static int make_dir(void **state)
{
    if (!mkdtemp(dir))
        return -1;
    snprintf(unix_at, sizeof unix_at, "unix:%s/door", dir);
    return 0;
}

static int remove_dir(void **state)
{
    unlink(unix_at + 5);
    return rmdir(dir);
}

static void test_unix(void **state)
{
    check_echo(*state, unix_at);
}

static void test_options(void **state)
{
    struct rt_loop *l = *state;
    struct owner a, b;
    make_pair(l, "127.0.0.1:0", NULL, NULL, &a, &b);
    int value;
    socklen_t n = sizeof value;
    assert_int_equal(getsockopt(a.stream.fd, IPPROTO_TCP, TCP_NODELAY, &value, &n), 0);
    assert_int_equal(value, 1);
    assert_int_equal(getsockopt(b.stream.fd, IPPROTO_TCP, TCP_NODELAY, &value, &n), 0);
    assert_int_equal(value, 1);
    rt_stream_keepalive(&b.stream, 60);
    assert_int_equal(getsockopt(b.stream.fd, SOL_SOCKET, SO_KEEPALIVE, &value, &n), 0);
    assert_int_equal(value, 1);
    assert_int_equal(getsockopt(b.stream.fd, IPPROTO_TCP, TCP_KEEPIDLE, &value, &n), 0);
    assert_int_equal(value, 60);

    struct rt_address own, peer;
    assert_int_equal(rt_stream_local(&a.stream, &own), 0);
    assert_int_equal(rt_stream_peer(&b.stream, &peer), 0);
    assert_int_equal(own.len, peer.len);
    assert_memory_equal(&own.in, &peer.in, sizeof own.in);
    uid_t uid;
    assert_int_equal(rt_stream_peer_uid(&b.stream, &uid), ERR_UNSUPPORTED);
    close_pair(l, &a, &b);

    make_pair(l, unix_at, NULL, NULL, &a, &b);
    assert_int_equal(rt_stream_peer_uid(&b.stream, &uid), 0);
    assert_int_equal(uid, getuid());
    assert_int_equal(rt_stream_peer(&b.stream, &peer), 0);
    char mem[64];
    struct out o;
    out_init(&o, mem, sizeof mem);
    rt_address_print(&peer, &o);
    assert_true(str_eq(out_get(&o), STR("unix:")));
    close_pair(l, &a, &b);
}

/* A hang-up is seen while the owner does not read, behind bytes that it has not read. */
static void test_hup_unread(void **state)
{
    struct rt_loop *l = *state;
    struct owner a, b;
    char got[16];
    make_pair(l, "127.0.0.1:0", NULL, NULL, &a, &b);
    assert_int_equal(put(&a.stream, "abc", 3), 3);
    UNTIL(l, b.stream.can_read);
    assert_false(b.stream.has_hup);
    rt_loop_turn(l, 0);
    int wakes = b.wakes;
    rt_stream_close(&a.stream);
    UNTIL(l, b.stream.has_hup);
    UNTIL(l, b.wakes == wakes + 1);
    assert_int_equal(rt_read(&b.stream, got, sizeof got), 3);
    assert_int_equal(rt_read(&b.stream, got, sizeof got), 0);
    close_pair(l, &a, &b);
}

static void test_reset(void **state)
{
    struct rt_loop *l = *state;
    struct owner a, b;
    char got[16];
    make_pair(l, "127.0.0.1:0", NULL, NULL, &a, &b);
    struct linger now = {.l_onoff = 1};
    assert_int_equal(setsockopt(a.stream.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    rt_stream_close(&a.stream);
    UNTIL(l, b.stream.has_hup);
    assert_int_equal(rt_read(&b.stream, got, sizeof got), ERR_RESET);
    assert_int_equal(rt_read(&b.stream, got, sizeof got), ERR_RESET); /* it stays so */
    assert_int_equal(put(&b.stream, "x", 1), ERR_RESET);
    assert_int_equal(rt_stream_shutdown(&b.stream), ERR_RESET);
    assert_int_equal(b.stream.os_error, ECONNRESET);
    assert_string_equal(rt_stream_why(&b.stream).p, "Connection reset by peer");
    close_pair(l, &a, &b);
}

/* Who answers and closes without reading all resets the connection: its answer can be read, and is
 * not taken for whole. */
static void test_answered_then_reset(void **state)
{
    struct rt_loop *l = *state;
    struct owner a, b;
    char got[16];
    make_pair(l, "127.0.0.1:0", NULL, NULL, &a, &b);
    assert_int_equal(put(&b.stream, "unread", 6), 6);
    UNTIL(l, a.stream.can_read);
    assert_int_equal(put(&a.stream, "answer", 6), 6);
    rt_stream_close(&a.stream);
    UNTIL(l, b.stream.has_hup);
    for (int i = 0; i < 2; i++)
        assert_int_equal(put(&b.stream, "x", 1), ERR_RESET);
    assert_int_equal(rt_read(&b.stream, got, sizeof got), 6);
    assert_memory_equal(got, "answer", 6);
    assert_int_equal(rt_read(&b.stream, got, sizeof got), ERR_RESET);
    assert_int_equal(put(&b.stream, "x", 1), ERR_RESET);
    close_pair(l, &a, &b);
}

/* Aborting tells the other side that what it got is not all. */
static void test_abort(void **state)
{
    struct rt_loop *l = *state;
    struct owner a, b;
    char got[16];
    make_pair(l, "127.0.0.1:0", NULL, NULL, &a, &b);
    assert_int_equal(put(&a.stream, "half", 4), 4);
    UNTIL(l, b.stream.can_read);
    assert_int_equal(rt_read(&b.stream, got, sizeof got), 4);
    rt_stream_abort(&a.stream);
    assert_false(rt_stream_is_open(&a.stream));
    rt_stream_abort(&a.stream);
    UNTIL(l, b.stream.has_hup);
    assert_int_equal(rt_read(&b.stream, got, sizeof got), ERR_RESET);
    close_pair(l, &a, &b);
}

/* Writing to one that has gone is an error, not a signal. */
static void test_write_to_closed(void **state)
{
    struct rt_loop *l = *state;
    struct owner a, b;
    make_pair(l, unix_at, NULL, NULL, &a, &b);
    rt_stream_close(&a.stream);
    assert_int_equal(put(&b.stream, "x", 1), ERR_RESET);
    close_pair(l, &a, &b);
}

static void test_connect_refused(void **state)
{
    struct rt_loop *l = *state;
    struct door d;
    door_open(&d, l, "127.0.0.1:0");
    rt_listener_stop(&d.listener);
    struct owner a;
    owner_init(&a);
    assert_int_equal(rt_stream_connect(&a.stream, l, &d.at, NULL, STR_NULL, &a.task), 0);
    UNTIL(l, a.wakes > 0 && rt_stream_connected(&a.stream) != ERR_AGAIN);
    assert_int_equal(rt_stream_connected(&a.stream), ERR_CLOSED);
    assert_string_equal(rt_stream_why(&a.stream).p, "Connection refused");
    char got[4];
    assert_int_equal(rt_read(&a.stream, got, sizeof got), ERR_CLOSED);
    rt_stream_close(&a.stream);

    /* known at once, told like any other */
    struct rt_address nowhere = address("unix:/nowhere/at/all");
    a.wakes = 0;
    assert_int_equal(rt_stream_connect(&a.stream, l, &nowhere, NULL, STR_NULL, &a.task), 0);
    assert_int_equal(a.wakes, 0);
    UNTIL(l, a.wakes == 1);
    assert_int_equal(rt_stream_connected(&a.stream), ERR_CLOSED);
    rt_stream_close(&a.stream);
}

static void check_large_at(struct rt_loop *l, const char *at)
{
    struct owner a, b;
    make_pair(l, at, NULL, NULL, &a, &b);
    check_large(l, &a.stream, &b.stream, LARGE);
    close_pair(l, &a, &b);
}

static void test_large_tcp(void **state)
{
    check_large_at(*state, "127.0.0.1:0");
}

static void test_large_unix(void **state)
{
    check_large_at(*state, unix_at);
}

static void test_large_pipe(void **state)
{
    struct rt_loop *l = *state;
    struct rt_stream a, b;
    assert_int_equal(rt_pipe_create(&a, &b, l, 5000, 0), 0);
    check_large(l, &a, &b, LARGE);
    assert_int_equal(rt_pipe_create(&a, &b, l, 300, 77), 0);
    check_large(l, &a, &b, 100 * 1000);
}

/* What was ready before a move is told at the new place. */
static void test_move(void **state)
{
    struct rt_loop *l = *state;
    struct owner a, b, c;
    owner_init(&c);
    char got[4];
    make_pair(l, "127.0.0.1:0", NULL, NULL, &a, &b);
    assert_int_equal(put(&a.stream, "abc", 3), 3);
    assert_int_equal(rt_stream_move(&c.stream, &b.stream, &c.task), 0);
    UNTIL(l, c.wakes == 1);
    assert_int_equal(b.wakes, 0);
    assert_int_equal(rt_read(&c.stream, got, sizeof got), 3);
    close_pair(l, &a, &c);
}

/* ---- listeners */

static void test_listen_unix(void **state)
{
    struct rt_loop *l = *state;
    struct door d;
    struct diag why = {0};
    struct rt_address at = address(unix_at);
    int fd;
    struct stat st;
    unlink(unix_at + 5);
    assert_int_equal(rt_listen(&at, false, 0640, &fd, &why), 0);
    assert_int_equal(stat(unix_at + 5, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    /* somebody answers there */
    int second;
    assert_int_equal(rt_listen(&at, false, 0600, &second, &why), ERR_SYSTEM);
    assert_non_null(strstr(why.message, unix_at));
    close(fd);
    /* nobody does any more: replaced */
    door_open(&d, l, unix_at);
    rt_listener_stop(&d.listener);
    unlink(unix_at + 5);
    /* a file that is no socket stays */
    FILE *f = fopen(unix_at + 5, "w");
    assert_non_null(f);
    fclose(f);
    assert_int_equal(rt_listen(&at, false, 0600, &second, &why), ERR_SYSTEM);
    assert_int_equal(stat(unix_at + 5, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    unlink(unix_at + 5);
}

static void test_listen_taken(void **state)
{
    struct rt_loop *l = *state;
    struct door d;
    door_open(&d, l, "127.0.0.1:0");
    struct diag why = {0};
    int fd;
    assert_int_equal(rt_listen(&d.at, false, 0, &fd, &why), ERR_SYSTEM);
    assert_non_null(strstr(why.message, "127.0.0.1:"));
    assert_non_null(strstr(why.message, "in use"));
    assert_true(why.hint[0]);
    /* with reuse_port a second one has a place beside it */
    assert_int_equal(rt_listen(&d.at, true, 0, &fd, &why), 0);
    close(fd);
    rt_listener_stop(&d.listener);
    rt_listener_stop(&d.listener);
}

/* What is no listening socket is refused, not waited on. */
static void test_listener_of_nothing(void **state)
{
    struct rt_loop *l = *state;
    struct rt_listener listener;
    struct diag why = {0};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(rt_listener_start(&listener, l, fd, door_accept, &why), ERR_SYSTEM);
    assert_true(why.message[0]);
    rt_listener_stop(&listener);
    assert_int_equal(close(fd), -1); /* was taken */
}

/* More connections than one run accepts; and what waits is accepted before the listener ends. */
static void test_accept_many(void **state)
{
    struct rt_loop *l = *state;
    struct door d;
    int fds[RT_ACCEPT_TURN + 20], n = 0;
    door_open(&d, l, "127.0.0.1:0");
    for (; n < RT_ACCEPT_TURN + 10; n++) {
        fds[n] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(fds[n], &d.at.sa, d.at.len), 0);
    }
    UNTIL(l, d.n == n);
    for (; n < RT_ACCEPT_TURN + 20; n++) {
        fds[n] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(fds[n], &d.at.sa, d.at.len), 0);
    }
    rt_listener_stop(&d.listener);
    assert_int_equal(d.n, n);
    while (n-- > 0) {
        close(fds[n]);
        close(d.fds[n]);
    }
}

/* Two loops with descriptors of their own for one socket: each connection reaches one of them, and
 * none is lost when one of them ends. */
static void test_accept_shared(void **state)
{
    struct rt_loop *l = *state, *other;
    struct door a, b = {.n = 0};
    struct diag why = {0};
    int clients[20];
    assert_int_equal(rt_loop_create(&other, &why), 0);
    door_open(&a, l, "127.0.0.1:0");
    int fd = dup(a.listener.fd);
    assert_int_equal(rt_listener_start(&b.listener, other, fd, door_accept, &why), 0);
    for (int i = 0; i < 20; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(clients[i], &a.at.sa, a.at.len), 0);
        if (i == 9)
            rt_listener_stop(&a.listener);
        rt_loop_turn(l, 0);
        rt_loop_turn(other, 0);
    }
    UNTIL(other, a.n + b.n == 20);
    assert_true(b.n >= 10);
    rt_listener_stop(&b.listener);
    rt_loop_destroy(&other);
    for (int i = 0; i < 20; i++) {
        close(clients[i]);
        close(i < a.n ? a.fds[i] : b.fds[i - a.n]);
    }
}

static int n_pauses;

static void count_pause(struct rt_listener *l, int os_error)
{
    assert_int_equal(os_error, EMFILE);
    n_pauses++;
}

/* Without descriptors a listener pauses, and goes on when there are some. */
static void test_accept_exhausted(void **state)
{
    struct rt_loop *l = *state;
    struct door d;
    struct rlimit old, few;
    door_open(&d, l, "127.0.0.1:0");
    d.listener.on_pause = count_pause;
    int client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    few = (struct rlimit){(rlim_t)client + 1, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    assert_int_equal(connect(client, &d.at.sa, d.at.len), 0);
    UNTIL(l, d.listener.paused);
    assert_int_equal(d.n, 0);
    UNTIL(l, n_pauses == 2); /* tried again */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    UNTIL(l, d.n == 1);
    assert_false(d.listener.paused);
    rt_listener_stop(&d.listener);
    close(client);
    close(d.fds[0]);
}

/* ---- memory streams */

static void test_pipe_piece(void **state)
{
    struct rt_loop *l = *state;
    struct owner a, b;
    owner_init(&a);
    owner_init(&b);
    char got[16];
    assert_int_equal(rt_pipe_create(&a.stream, &b.stream, l, 4, 1), 0);
    a.stream.task = &a.task;
    b.stream.task = &b.task;
    assert_int_equal(rt_read(&b.stream, got, sizeof got), ERR_AGAIN);
    assert_int_equal(put(&a.stream, "abcdef", 6), 4);
    assert_false(a.stream.can_write);
    assert_int_equal(put(&a.stream, "ef", 2), ERR_AGAIN);
    assert_int_equal(b.wakes, 0); /* not from within the write */
    rt_loop_turn(l, 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(b.wakes, i + 1);
        assert_true(b.stream.can_read);
        assert_int_equal(rt_read(&b.stream, got + i, 4), 1);
        assert_false(b.stream.can_read);
        rt_loop_turn(l, 0);
    }
    assert_int_equal(b.wakes, 4);
    assert_memory_equal(got, "abcd", 4);
    assert_int_equal(rt_read(&b.stream, got, sizeof got), ERR_AGAIN);
    assert_true(a.wakes > 0);
    assert_true(a.stream.can_write);
    assert_int_equal(put(&a.stream, "ef", 2), 2);
    assert_int_equal(rt_stream_shutdown(&a.stream), 0);
    assert_true(b.stream.has_hup);
    assert_int_equal(rt_read(&b.stream, got, sizeof got), 1);
    rt_loop_turn(l, 0);
    assert_int_equal(rt_read(&b.stream, got, sizeof got), 1);
    assert_true(b.stream.can_read);
    assert_int_equal(rt_read(&b.stream, got, sizeof got), 0);
    assert_int_equal(put(&a.stream, "x", 1), ERR_RESET);
    struct rt_address peer;
    assert_int_equal(rt_stream_peer(&b.stream, &peer), 0);
    assert_int_equal(peer.sa.sa_family, AF_UNIX);
    rt_stream_close(&a.stream);
    assert_int_equal(put(&b.stream, "x", 1), ERR_RESET);
    rt_stream_close(&b.stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address),
        LOOP_TEST(test_tcp),
        LOOP_TEST(test_tcp6),
        LOOP_TEST(test_unix),
        LOOP_TEST(test_options),
        LOOP_TEST(test_hup_unread),
        LOOP_TEST(test_reset),
        LOOP_TEST(test_answered_then_reset),
        LOOP_TEST(test_abort),
        LOOP_TEST(test_write_to_closed),
        LOOP_TEST(test_connect_refused),
        LOOP_TEST(test_large_tcp),
        LOOP_TEST(test_large_unix),
        LOOP_TEST(test_large_pipe),
        LOOP_TEST(test_move),
        LOOP_TEST(test_listen_unix),
        LOOP_TEST(test_listen_taken),
        LOOP_TEST(test_listener_of_nothing),
        LOOP_TEST(test_accept_many),
        LOOP_TEST(test_accept_shared),
        LOOP_TEST(test_accept_exhausted),
        LOOP_TEST(test_pipe_piece),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
