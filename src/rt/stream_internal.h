/* rt/stream_internal.h: what stream.c (descriptors), tls_stream.c and pipe.c share. */
#ifndef RT_STREAM_INTERNAL_H
#define RT_STREAM_INTERNAL_H

#include "rt/stream.h"

#include <sys/epoll.h>

#define RT_EVENTS_READ  (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)
#define RT_EVENTS_WRITE (EPOLLOUT | EPOLLHUP | EPOLLERR)
#define RT_EVENTS_HUP   (EPOLLRDHUP | EPOLLHUP | EPOLLERR)

/* Raises the flags that the events of epoll(7) mean, and wakes the owner if one was down. */
void rt_stream_raise(struct rt_stream *s, uint32_t events);
/* Ends the stream for good: reads and writes answer `code` from now on. Returns it. */
int rt_stream_fail(struct rt_stream *s, int code, int os_error);
/* Notes that a write failed; returns ERR_RESET. What came before can still be read. */
int rt_stream_deafen(struct rt_stream *s, int os_error);
/* Of the socket below: 0 when it is connected, ERR_AGAIN, or what the stream failed with. */
int rt_socket_connected(struct rt_stream *s);

/* ---- tls_stream.c */

extern const struct rt_stream_ops rt_tls_ops;

/* Gives the stream, whose descriptor is set, a session. server_name as for rt_stream_connect. */
int rt_tls_begin(struct rt_stream *s, struct rt_tls *tls, struct str server_name);
int rt_tls_handshake(struct rt_stream *s);
/* The stream lies at another address now. */
void rt_tls_moved(struct rt_stream *s);
/* Notes events of the socket; wakes the owner. */
void rt_tls_raise(struct rt_stream *s, uint32_t events);

/* ---- pipe.c */

void rt_pipe_moved(struct rt_stream *to, struct rt_stream *from);

#endif
