/* rt/stream.h: a byte stream: TCP, Unix, TLS over either, or memory (tests, simulator, fuzzers).
 *
 * Five calls behind one table: read, write, shutdown, close, and readiness, which arrives as flags
 * and a wake of the owner's task. Edge-triggered and registered once: after a short read or
 * RT_AGAIN the flag is gone until the kernel reports anew.
 *
 *     n = rt_read(s, buf, sizeof buf);      > 0 bytes, 0 the other side ended its sending,
 * ERR_AGAIN… n = rt_write(s, iov, 2);
 *
 * A stream is embedded in its owner. While it is open, `task` is woken on readiness; the owner may
 * exchange it at any time (a connection hands its stream to the request that uses it).
 */
#ifndef RT_STREAM_H
#define RT_STREAM_H

#include "rt/loop.h"
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

struct rt_tls;
struct rt_stream;

/* An address to connect or listen to: IPv4, IPv6 or a Unix path. */
struct rt_address {
    socklen_t len; /* 0: not known (a name that was not resolved so far) */
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    };
};

/* "127.0.0.1:80", "[::1]:80", "unix:/path"; no names. ERR_INVALID. */
int rt_address_parse(struct str text, struct rt_address *out) MUST_USE;
/* Writes it in the same form. */
void rt_address_print(const struct rt_address *a, struct out *o);
/* Only the host, for Forwarded and X-Forwarded-For; "unix:" for a Unix socket. */
void rt_address_print_host(const struct rt_address *a, struct out *o);
bool rt_address_is_loopback(const struct rt_address *a);

struct rt_stream_ops {
    ssize_t (*read)(struct rt_stream *s, void *to, size_t n);
    ssize_t (*write)(struct rt_stream *s, const struct iovec *iov, int n);
    int (*shutdown)(struct rt_stream *s); /* end of sending: FIN, close_notify */
    void (*close)(struct rt_stream *s);
};

struct rt_stream {
    const struct rt_stream_ops *ops; /* NULL: closed */
    struct rt_loop *loop;
    struct rt_task *task; /* woken on readiness; NULL: nobody */
    void *ssl;            /* TLS; NULL: plain */
    int fd;               /* -1: memory, or closed */
    bool can_read, can_write;
    bool has_hup;       /* the other side ended its sending, or broke, seen without reading */
    bool is_connecting; /* TCP connect or TLS handshake under way: rt_stream_connected tells */
    bool is_tls_client;
    int error; /* a code that ended it; 0: none */
};

/* Adopts a connected socket (accept). With `tls` the server handshake runs as bytes come; reads
 * return ERR_AGAIN until it is over. The stream takes fd, also on error. */
int rt_stream_accept(struct rt_stream *s, struct rt_loop *l, int fd, struct rt_tls *tls,
                     struct rt_task *task) MUST_USE;
/* Begins to connect; the task is woken when rt_stream_connected no longer says ERR_AGAIN.
 * `server_name`: SNI and the name that is verified (TLS); absent: none. */
int rt_stream_connect(struct rt_stream *s, struct rt_loop *l, const struct rt_address *to,
                      struct rt_tls *tls, struct str server_name, struct rt_task *task) MUST_USE;
/* 0: connected and, with TLS, the handshake is over. ERR_AGAIN: under way. Else why it failed:
 * ERR_CLOSED, ERR_RESET, ERR_TLS, ERR_SYSTEM. */
int rt_stream_connected(struct rt_stream *s) MUST_USE;

/* Bytes read (a short count clears can_read), 0 when the other side ended its sending, ERR_AGAIN,
 * ERR_RESET, ERR_TLS. */
static inline ssize_t rt_read(struct rt_stream *s, void *to, size_t n)
{
    return s->ops->read(s, to, n);
}
/* Bytes written, maybe fewer than given (then can_write is cleared), ERR_AGAIN, ERR_RESET, ERR_TLS.
 */
static inline ssize_t rt_write(struct rt_stream *s, const struct iovec *iov, int n)
{
    return s->ops->write(s, iov, n);
}
int rt_stream_shutdown(struct rt_stream *s);
/* Frees what it holds; may be called again. The task is not woken any more. */
void rt_stream_close(struct rt_stream *s);
static inline bool rt_stream_is_open(const struct rt_stream *s)
{
    return s->ops != NULL;
}
/* TCP keep-alive probes: first after idle_s. For tunnels and streams. */
void rt_stream_keepalive(struct rt_stream *s, unsigned idle_s);
/* The peer's and the own address. */
int rt_stream_peer(const struct rt_stream *s, struct rt_address *out) MUST_USE;
int rt_stream_local(const struct rt_stream *s, struct rt_address *out) MUST_USE;
/* Why TLS failed, as OpenSSL says; "" when there is nothing. */
struct str rt_stream_tls_error(const struct rt_stream *s);
/* The verified peer's URI SANs that begin with `prefix`: the first, copied into to[n]; absent:
 * none, or no verified certificate. */
struct str rt_stream_peer_uri(const struct rt_stream *s, struct str prefix, char *to, size_t n);

/* ---- TLS contexts, immutable and shared between threads, reference-counted ------------------ */

struct rt_tls_config {
    bool is_server;
    const char *certificate, *key; /* PEM files; NULL: none (clients only) */
    const char *ca;    /* PEM file of the roots the peer is verified with; NULL: on a server
                        * no client certificate is asked for, on a client the system's */
    const char *crl;   /* PEM; NULL: none */
    bool require_peer; /* servers: refuse clients without a verified certificate */
    bool only_1_3;     /* TLS 1.3 only (between sites); else 1.2 and 1.3 */
    const char *alpn;  /* "http/1.1"; NULL: none */
};

/* Reads the files. ERR_CONFIG with what is wrong with which file. */
int rt_tls_create(struct rt_tls **out, const struct rt_tls_config *c, struct diag *d) MUST_USE;
struct rt_tls *rt_tls_ref(struct rt_tls *t);
void rt_tls_unref(struct rt_tls **t);
/* End of validity of the own certificate, seconds since 1970; 0: none. */
int64_t rt_tls_not_after(const struct rt_tls *t);

/* ---- listeners ------------------------------------------------------------------------------ */

struct rt_listener {
    struct rt_loop *loop;
    int fd;
    bool paused; /* out of descriptors: accepting is tried again by a timer */
    struct rt_timer timer;
    struct rt_task task;
    void (*on_accept)(struct rt_listener *l, int fd); /* takes fd */
};

/* Makes a listening socket: non-blocking, SO_REUSEADDR, with `reuse_port` SO_REUSEPORT (one a
 * loop). A Unix path that nobody listens on any more is replaced; `mode` sets its permissions.
 * Gives the descriptor. ERR_SYSTEM with address and reason in d. */
int rt_listen(const struct rt_address *at, bool reuse_port, unsigned mode, int *fd,
              struct diag *d) MUST_USE;
/* Begins to accept on fd, which the listener takes. At most 64 accepts a turn. */
int rt_listener_start(struct rt_listener *l, struct rt_loop *loop, int fd,
                      void (*on_accept)(struct rt_listener *, int), struct diag *d) MUST_USE;
/* Stops and closes; what the kernel holds ready is accepted first. */
void rt_listener_stop(struct rt_listener *l);

/* ---- memory streams: two ends in one loop, for tests and fuzzers ----------------------------- */

struct rt_pipe;
/* Makes two connected streams. Each direction holds at most `capacity` bytes, and gives at most
 * `piece` bytes a read (0: all), so that every split is met. */
int rt_pipe_create(struct rt_stream *a, struct rt_stream *b, struct rt_loop *l, size_t capacity,
                   size_t piece) MUST_USE;

#endif
