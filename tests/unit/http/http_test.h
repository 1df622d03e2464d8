/* What the tests of http share: the far end of a connection, which keeps all that it is sent. */
#ifndef TESTS_HTTP_TEST_H
#define TESTS_HTTP_TEST_H

#include "../rt/test_rt.h"
#include "rt/stream.h"

struct far {
    struct rt_task task;
    struct rt_stream stream;
    struct out got;
    bool has_ended; /* the near end ended its sending, or broke */
    bool is_slow;   /* it does not read */
    char memory[200000];
};

static inline void far_run(struct rt_task *t)
{
    struct far *f = CONTAINER_OF(t, struct far, task);
    char bytes[4096];
    while (!f->is_slow && rt_stream_is_open(&f->stream) && f->stream.can_read && !f->has_ended) {
        ssize_t n = rt_read(&f->stream, bytes, sizeof bytes);
        if (n == ERR_AGAIN)
            return;
        if (n > 0)
            out_str(&f->got, (struct str){bytes, (size_t)n});
        f->has_ended = n <= 0;
    }
}

static inline void far_init(struct far *f)
{
    memset(f, 0, offsetof(struct far, memory));
    f->task.run = far_run;
    f->stream.task = &f->task;
    out_init(&f->got, f->memory, sizeof f->memory);
}

/* A memory stream to the far end, which holds `capacity` bytes each way. */
static inline void far_pipe(struct far *f, struct rt_loop *l, struct rt_stream *near,
                            size_t capacity)
{
    far_init(f);
    assert_int_equal(rt_pipe_create(near, &f->stream, l, capacity, 0), 0);
    f->stream.task = &f->task;
}

/* A socket whose other end is the far end. */
static inline int far_socket(struct far *f, struct rt_loop *l)
{
    int fds[2];
    far_init(f);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(rt_stream_accept(&f->stream, l, fds[1], NULL, &f->task), 0);
    return fds[0];
}

static inline void far_send(struct far *f, struct str bytes)
{
    struct iovec iov = {(void *)(uintptr_t)bytes.p, bytes.n};
    assert_int_equal(rt_write(&f->stream, &iov, 1), (ssize_t)bytes.n);
}

static inline void far_close(struct far *f, struct rt_loop *l)
{
    rt_stream_close(&f->stream);
    rt_cancel(l, &f->task);
}

static inline bool far_has(const struct far *f, const char *text)
{
    return memmem(f->got.p, f->got.n, text, strlen(text)) != NULL;
}

#define assert_got(f, text)                                                                        \
    do {                                                                                           \
        (f)->got.p[(f)->got.n] = 0;                                                                \
        assert_string_equal((f)->got.p, text);                                                     \
    } while (0)

#endif
