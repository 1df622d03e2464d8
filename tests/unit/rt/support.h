/* support.h: ends of connections for the tests of streams. */
#ifndef TEST_RT_SUPPORT_H
#define TEST_RT_SUPPORT_H

#include "rt/stream.h"

/* An owner that only counts its wakes. */
struct owner {
    struct rt_task task;
    struct rt_stream stream;
    int wakes;
};
void owner_init(struct owner *o);

ssize_t put(struct rt_stream *s, const void *bytes, size_t n);
struct rt_address address(const char *text);

/* A listener that keeps what it accepted. */
struct door {
    struct rt_listener listener;
    struct rt_address at; /* with the port that it got */
    int fds[200], n;
};
void door_accept(struct rt_listener *l, int fd);
void door_open(struct door *d, struct rt_loop *l, const char *at);

/* Two connected streams over a listener at `at`; the TLS contexts may be NULL. The client is a.
 * With TLS the handshake is not begun. */
void make_pair(struct rt_loop *l, const char *at, struct rt_tls *server, struct rt_tls *client,
               struct owner *a, struct owner *b);
void close_pair(struct rt_loop *l, struct owner *a, struct owner *b);

/* A stream that sends `total` bytes, ends its sending, and reads as many, one read of at most 7000
 * bytes after the other, `pace` of them a run. */
struct mover {
    struct rt_task task;
    struct rt_stream stream;
    struct rt_loop *loop;
    size_t total, sent, got;
    unsigned pace;
    uint8_t out_seed, in_seed;
    bool is_done; /* the other's end was read */
};
#define LARGE (4 * 1024 * 1024)

/* n bytes that go both ways faster than they are read: nothing is lost, and both ends sleep when
 * there is nothing to do. Takes the owners' streams. */
void check_large(struct rt_loop *l, struct rt_stream *a, struct rt_stream *b, size_t n);

#endif
