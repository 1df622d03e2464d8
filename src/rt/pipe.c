/* Memory streams: a ring of bytes each way. They tell of readiness as sockets do: a flag goes up
 * once, when something has changed. */
#include "rt/stream_internal.h"

#include <stdlib.h>

struct way {
    char *bytes;
    size_t start, n;
    bool is_ended;   /* no more bytes come */
    bool is_closed;  /* nobody reads them any more */
    bool is_limited; /* a read was cut by `piece`: its reader is told anew by the pump */
};

struct rt_pipe {
    struct rt_loop *loop;
    struct rt_stream *ends[2]; /* NULL: closed */
    struct way ways[2];        /* ways[i] is read by ends[i] */
    size_t capacity, piece;
    struct rt_task pump;
    char bytes[];
};

static int end_of(const struct rt_stream *s)
{
    return s->pipe->ends[1] == s;
}

static void raise_end(struct rt_pipe *p, int end, uint32_t events)
{
    if (p->ends[end])
        rt_stream_raise(p->ends[end], events);
}

static void pump_run(struct rt_task *t)
{
    struct rt_pipe *p = CONTAINER_OF(t, struct rt_pipe, pump);
    for (int i = 0; i < 2; i++) {
        if (p->ways[i].is_limited) {
            p->ways[i].is_limited = false;
            raise_end(p, i, EPOLLIN);
        }
    }
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static ssize_t pipe_read(struct rt_stream *s, void *to, size_t n)
{
    struct rt_pipe *p = s->pipe;
    int end = end_of(s);
    struct way *w = &p->ways[end];
    if (!w->n) {
        s->can_read = w->is_ended;
        return w->is_ended ? 0 : ERR_AGAIN;
    }
    size_t take = min_size(n, w->n);
    if (p->piece)
        take = min_size(take, p->piece);
    size_t first = min_size(take, p->capacity - w->start);
    memcpy(to, w->bytes + w->start, first);
    memcpy((char *)to + first, w->bytes, take - first);
    w->start = (w->start + take) % p->capacity;
    w->n -= take;
    if (take < n && !(w->is_ended && !w->n)) {
        s->can_read = false;
        w->is_limited = w->n > 0;
        if (w->is_limited)
            rt_wake(p->loop, &p->pump);
    }
    raise_end(p, !end, EPOLLOUT);
    return (ssize_t)take;
}

static size_t put(struct rt_pipe *p, struct way *w, const char *from, size_t n)
{
    size_t taken = min_size(n, p->capacity - w->n);
    size_t at = (w->start + w->n) % p->capacity;
    size_t first = min_size(taken, p->capacity - at);
    memcpy(w->bytes + at, from, first);
    memcpy(w->bytes, from + first, taken - first);
    w->n += taken;
    return taken;
}

static ssize_t pipe_write(struct rt_stream *s, const struct iovec *iov, int n)
{
    struct rt_pipe *p = s->pipe;
    int other = !end_of(s);
    struct way *w = &p->ways[other];
    if (s->error)
        return s->error;
    if (w->is_closed || w->is_ended)
        return rt_stream_fail(s, ERR_RESET, 0);
    size_t taken = 0, wanted = 0;
    for (int i = 0; i < n; i++) {
        wanted += iov[i].iov_len;
        if (iov[i].iov_len)
            taken += put(p, w, iov[i].iov_base, iov[i].iov_len);
    }
    if (taken < wanted)
        s->can_write = false;
    if (taken == 0 && wanted > 0)
        return ERR_AGAIN;
    raise_end(p, other, EPOLLIN);
    return (ssize_t)taken;
}

static int pipe_shutdown(struct rt_stream *s)
{
    int other = !end_of(s);
    s->pipe->ways[other].is_ended = true;
    raise_end(s->pipe, other, EPOLLIN | EPOLLRDHUP);
    return 0;
}

static void pipe_close(struct rt_stream *s)
{
    struct rt_pipe *p = s->pipe;
    int end = end_of(s);
    p->ways[end].is_closed = true;
    p->ways[!end].is_ended = true;
    p->ends[end] = NULL;
    s->pipe = NULL;
    if (p->ends[!end]) {
        raise_end(p, !end, EPOLLIN | EPOLLOUT | EPOLLHUP);
        return;
    }
    rt_cancel(p->loop, &p->pump);
    free(p);
}

static const struct rt_stream_ops pipe_ops = {
    .read = pipe_read, .write = pipe_write, .shutdown = pipe_shutdown, .close = pipe_close};

void rt_pipe_moved(struct rt_stream *to, struct rt_stream *from)
{
    to->pipe->ends[to->pipe->ends[1] == from] = to;
}

int rt_pipe_create(struct rt_stream *a, struct rt_stream *b, struct rt_loop *l, size_t capacity,
                   size_t piece)
{
    CHECK(capacity > 0);
    struct rt_pipe *p = calloc(1, sizeof *p + 2 * capacity);
    if (!p)
        return ERR_NO_MEMORY;
    *p = (struct rt_pipe){
        .loop = l, .ends = {a, b}, .capacity = capacity, .piece = piece, .pump.run = pump_run};
    for (int i = 0; i < 2; i++) {
        p->ways[i].bytes = p->bytes + (size_t)i * capacity;
        *p->ends[i] =
            (struct rt_stream){.ops = &pipe_ops, .loop = l, .pipe = p, .fd = -1, .can_write = true};
    }
    return 0;
}
