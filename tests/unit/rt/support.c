#include "test_rt.h"
#include "support.h"

static void owner_run(struct rt_task *t)
{
    CONTAINER_OF(t, struct owner, task)->wakes++;
}

void owner_init(struct owner *o)
{
    *o = (struct owner){.task.run = owner_run};
}

ssize_t put(struct rt_stream *s, const void *bytes, size_t n)
{
    struct iovec iov = {(void *)(uintptr_t)bytes, n};
    return rt_write(s, &iov, 1);
}

struct rt_address address(const char *text)
{
    struct rt_address a;
    assert_int_equal(rt_address_parse(str_of(text), &a), 0);
    return a;
}

void door_accept(struct rt_listener *l, int fd)
{
    struct door *d = CONTAINER_OF(l, struct door, listener);
    assert_true(d->n < (int)COUNT_OF(d->fds));
    d->fds[d->n++] = fd;
}

void door_open(struct door *d, struct rt_loop *l, const char *at)
{
    int fd;
    d->n = 0;
    d->at = address(at);
    struct diag why = {0};
    assert_int_equal(rt_listen(&d->at, true, 0600, &fd, &why), 0);
    d->at.len = sizeof d->at - offsetof(struct rt_address, sa);
    assert_int_equal(getsockname(fd, &d->at.sa, &d->at.len), 0);
    assert_int_equal(rt_listener_start(&d->listener, l, fd, door_accept, &why), 0);
}

void make_pair(struct rt_loop *l, const char *at, struct rt_tls *server, struct rt_tls *client,
               struct owner *a, struct owner *b)
{
    struct door d;
    owner_init(a);
    owner_init(b);
    door_open(&d, l, at);
    assert_int_equal(rt_stream_connect(&a->stream, l, &d.at, client, STR_NULL, &a->task), 0);
    UNTIL(l, d.n == 1 && (client || rt_stream_connected(&a->stream) != ERR_AGAIN));
    assert_int_equal(rt_stream_accept(&b->stream, l, d.fds[0], server, &b->task), 0);
    assert_true(client || rt_stream_connected(&a->stream) == 0);
    assert_true(server || rt_stream_connected(&b->stream) == 0);
    rt_listener_stop(&d.listener);
    rt_loop_turn(l, 0);
    a->wakes = b->wakes = 0;
}

void close_pair(struct rt_loop *l, struct owner *a, struct owner *b)
{
    rt_stream_close(&a->stream);
    rt_stream_close(&b->stream);
    rt_stream_close(&b->stream);
    assert_false(rt_stream_is_open(&b->stream));
    rt_cancel(l, &a->task);
    rt_cancel(l, &b->task);
}

/* ---- movers */

static uint8_t byte_at(size_t at, uint8_t seed)
{
    return (uint8_t)(at * 31 + (at >> 11) + seed);
}

/* What was refused is offered again from its first byte, as TLS wants it. */
static void mover_send(struct mover *m)
{
    uint8_t bytes[20000];
    while (m->sent < m->total && m->stream.can_write) {
        size_t n = m->total - m->sent < sizeof bytes ? m->total - m->sent : sizeof bytes;
        for (size_t i = 0; i < n; i++)
            bytes[i] = byte_at(m->sent + i, m->out_seed);
        struct iovec iov[] = {{bytes, n / 3}, {bytes + n / 3, n - n / 3}};
        ssize_t written = rt_write(&m->stream, iov, 2);
        if (written == ERR_AGAIN) {
            assert_false(m->stream.can_write);
            break;
        }
        assert_true(written > 0);
        assert_true((size_t)written == n || !m->stream.can_write);
        m->sent += (size_t)written;
        if (m->sent == m->total)
            assert_int_equal(rt_stream_shutdown(&m->stream), 0);
    }
}

static void mover_run(struct rt_task *t)
{
    struct mover *m = CONTAINER_OF(t, struct mover, task);
    uint8_t bytes[7000];
    mover_send(m);
    for (unsigned i = 0; i < m->pace && m->stream.can_read && !m->is_done; i++) {
        ssize_t n = rt_read(&m->stream, bytes, sizeof bytes);
        if (n == ERR_AGAIN) {
            assert_false(m->stream.can_read);
            return;
        }
        assert_true(n >= 0);
        for (ssize_t j = 0; j < n; j++)
            if (bytes[j] != byte_at(m->got + (size_t)j, m->in_seed))
                fail_msg("wrong byte at %zu", m->got + (size_t)j);
        m->got += (size_t)n;
        m->is_done = n == 0;
    }
    if (m->stream.can_read && !m->is_done)
        rt_wake(m->loop, &m->task);
}

void check_large(struct rt_loop *l, struct rt_stream *sa, struct rt_stream *sb, size_t n)
{
    struct mover a = {
        .task.run = mover_run, .loop = l, .total = n, .pace = 3, .out_seed = 4, .in_seed = 9};
    struct mover b = {
        .task.run = mover_run, .loop = l, .total = n, .pace = 1, .out_seed = 9, .in_seed = 4};
    assert_int_equal(rt_stream_move(&a.stream, sa, &a.task), 0);
    assert_int_equal(rt_stream_move(&b.stream, sb, &b.task), 0);
    assert_false(rt_stream_is_open(sa));
    rt_wake(l, &a.task);
    rt_wake(l, &b.task);
    UNTIL(l, a.is_done && b.is_done && a.sent == n && b.sent == n);
    assert_int_equal(a.got, n);
    assert_int_equal(b.got, n);
    rt_stream_close(&a.stream);
    rt_stream_close(&b.stream);
    rt_cancel(l, &a.task);
    rt_cancel(l, &b.task);
}
