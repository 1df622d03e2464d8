/* rt/stream.h: a byte stream: TCP, Unix, TLS over either, or memory (tests, simulator, fuzzers).
 *
 * Five calls behind one table: read, write, shutdown, close, and readiness, which arrives as flags
 * and a wake of the owner's task. A descriptor is registered once, edge-triggered: after a short
 * count or ERR_AGAIN the flag is gone until the kernel reports anew, and the task is woken when a
 * flag goes up, not while it stays up.
 *
 *     if (s->can_read)
 *         n = rt_read(s, buf, sizeof buf);    > 0 bytes, 0: the other side ended its sending
 *     if (s->can_write)
 *         n = rt_write(s, iov, 2);            > 0 bytes, ERR_AGAIN, …
 *
 * A stream is embedded in its owner and stays where it is (or rt_stream_move). While it is open,
 * the owner may exchange `task` at any time (a connection hands its stream to the request that uses
 * it); the new one looks at the flags itself. One loop's thread.
 */
#ifndef RT_STREAM_H
#define RT_STREAM_H

#include "rt/loop.h"
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

struct rt_revoked;
struct rt_tls;
struct rt_tls_session;
struct rt_pipe;
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

/* "127.0.0.1:80", "[::1]:80", "unix:/path"; no names. ERR_INVALID (*out is as it was). */
int rt_address_parse(struct str text, struct rt_address *out) MUST_USE;
/* Writes it in the same form. */
void rt_address_print(const struct rt_address *a, struct out *o);
/* Only the host, without brackets, for Forwarded and X-Forwarded-For; "unix:" for a Unix socket. */
void rt_address_print_host(const struct rt_address *a, struct out *o);
/* Both known, and equal. */
bool rt_address_is_same(const struct rt_address *a, const struct rt_address *b);
/* 127.0.0.0/8, ::1 or a Unix path. */
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
    struct rt_task *task;       /* woken on readiness; NULL: nobody */
    struct rt_source source;    /* the loop's */
    struct rt_tls_session *ssl; /* TLS; NULL: plain */
    struct rt_pipe *pipe;       /* memory; NULL: a descriptor */
    int fd;                     /* -1: memory, or closed */
    bool can_read, can_write;
    bool has_hup;       /* the other side ended its sending, or broke, seen without reading */
    bool is_connecting; /* TCP connect or TLS handshake under way: rt_stream_connected tells */
    bool is_deaf;       /* a write failed: the other side takes no more, but may have said why */
    int error;          /* a code that ended it; 0: none */
    int os_error;       /* the errno behind it; 0: none */
};

/* Adopts a connected socket (accept). With `tls` the server handshake runs as bytes come; reads
 * return ERR_AGAIN until it is over. The stream takes fd, also on error (it is closed then).
 * ERR_SYSTEM, ERR_NO_MEMORY. */
int rt_stream_accept(struct rt_stream *s, struct rt_loop *l, int fd, struct rt_tls *tls,
                     struct rt_task *task) MUST_USE;
/* Begins to connect; the task is woken when rt_stream_connected no longer says ERR_AGAIN (and maybe
 * before). `server_name`: SNI and the name or address that the certificate is verified for (TLS);
 * absent: the certificate is verified, for no name. On error the stream is closed: ERR_SYSTEM (no
 * descriptors), ERR_NO_MEMORY, ERR_INVALID (a name that cannot be one). A refusal is told by
 * rt_stream_connected, even if it is known at once. */
int rt_stream_connect(struct rt_stream *s, struct rt_loop *l, const struct rt_address *to,
                      struct rt_tls *tls, struct str server_name, struct rt_task *task) MUST_USE;
/* 0: connected and, with TLS, the handshake is over. ERR_AGAIN: under way; call it again when
 * woken. Else why it failed: ERR_CLOSED (nobody takes connections there, or the handshake was hung
 * up), ERR_RESET, ERR_TLS, ERR_SYSTEM. A TLS 1.3 client learns only by reading that its certificate
 * was refused. */
int rt_stream_connected(struct rt_stream *s) MUST_USE;

/* Bytes read, 0 when the other side ended its sending (again at each call), ERR_AGAIN, ERR_RESET (a
 * TLS stream that ends without close_notify, too), ERR_TLS. n > 0. can_read says whether there may
 * be more: a short count clears it, but not when a hang-up was seen or TLS has more in its buffer.
 */
static inline ssize_t rt_read(struct rt_stream *s, void *to, size_t n)
{
    return s->ops->read(s, to, n);
}
/* Bytes written, maybe fewer than given (then can_write is cleared), ERR_AGAIN, ERR_RESET, ERR_TLS.
 * After ERR_RESET what the other side sent before can still be read; then reads say ERR_RESET, too.
 * What is written over TLS has left for the kernel. Bytes that TLS refused with ERR_AGAIN or a
 * short count may be sealed already: the next write must begin with them, and not be shorter. */
static inline ssize_t rt_write(struct rt_stream *s, const struct iovec *iov, int n)
{
    return s->ops->write(s, iov, n);
}
/* Takes the stream as readable, and wakes its task: for who must know what has come until now, also
 * what the loop was not told of so far. */
void rt_stream_look(struct rt_stream *s);
/* Copies what has come to a plain socket and was not read, without taking it: as rt_read otherwise.
 * When all of it does not suffice, more wakes the task. */
ssize_t rt_peek(struct rt_stream *s, void *to, size_t n);
/* TLS begins on an accepted plain stream, with what was not read from it so far: its server
 * handshake runs as for rt_stream_accept. ERR_NO_MEMORY. */
int rt_stream_secure(struct rt_stream *s, struct rt_tls *tls) MUST_USE;
/* Ends the sending after what was written; over TLS the close_notify follows by itself if the
 * socket is full now. Reading goes on. ERR_RESET, ERR_TLS. */
int rt_stream_shutdown(struct rt_stream *s);
/* Frees what it holds; may be called again. The task is not woken any more. */
void rt_stream_close(struct rt_stream *s);
/* Ends it for its owner, who is woken and reads ERR_RESET, as though the other side had broken it.
 */
void rt_stream_cut(struct rt_stream *s);
/* Closes so that the other side sees a broken connection, not the end of what was sent: a reset;
 * over TLS the lack of a close_notify tells the same. Bytes under way may be lost. */
void rt_stream_abort(struct rt_stream *s);
static inline bool rt_stream_is_open(const struct rt_stream *s)
{
    return s->ops != NULL;
}
/* Moves an open stream to another place, with another task; *from is closed after it. */
int rt_stream_move(struct rt_stream *to, struct rt_stream *from, struct rt_task *task) MUST_USE;
/* TCP keep-alive probes: the first after idle_s, four more 15 s apart. For tunnels and streams. */
void rt_stream_keepalive(struct rt_stream *s, unsigned idle_s);
/* The peer's and the own address; an IPv4 address in IPv6's clothes is given as IPv4. Memory
 * streams are as a Unix socket without a path. ERR_RESET: the connection is gone. */
int rt_stream_peer(const struct rt_stream *s, struct rt_address *out) MUST_USE;
int rt_stream_local(const struct rt_stream *s, struct rt_address *out) MUST_USE;
/* The user at the other end of a Unix socket. ERR_UNSUPPORTED for others. */
int rt_stream_peer_uid(const struct rt_stream *s, uid_t *uid) MUST_USE;
/* Whether it is root, or the user that this process runs as. */
bool rt_stream_peer_is_trusted(const struct rt_stream *s);
/* Why TLS failed, "it …" or "the client …", OpenSSL's words in brackets; "" when there is nothing.
 * What to do about it; "". */
struct str rt_stream_tls_error(const struct rt_stream *s);
const char *rt_stream_tls_hint(const struct rt_stream *s);
/* Why the stream failed: what TLS or the system says, else the text of its code. */
struct str rt_stream_why(const struct rt_stream *s);
/* The verified peer's URI SANs that begin with `prefix`: the first, copied into to[n]; absent:
 * none, or longer, or no verified certificate. */
struct str rt_stream_peer_uri(const struct rt_stream *s, struct str prefix, char *to, size_t n);
/* Whether the peer's certificate, which was verified when the stream began, would be taken by
 * another context: it may have another CA, or a list in which the certificate is revoked. */
bool rt_stream_is_accepted(const struct rt_stream *s, struct rt_tls *tls);

/* End of validity of the verified peer's certificate, seconds since 1970; 0: there is none. */
int64_t rt_stream_peer_not_after(const struct rt_stream *s);

/* ---- TLS contexts, immutable and shared between threads, reference-counted ------------------ */

struct rt_tls_config {
    bool is_server;
    const char *certificate,
        *key;       /* PEM files, the chain in the first; NULL: none (clients only) */
    const char *ca; /* PEM file of the roots the peer is verified with; NULL: on a server
                     * no client certificate is asked for, on a client the system's */
    struct rt_revoked *revoked; /* referenced; NULL: nothing is looked up */
    bool require_peer;          /* servers: refuse clients without a verified certificate */
    bool only_1_3;              /* TLS 1.3 only (between sites); else 1.2 and 1.3 */
    const char *alpn;           /* "http/1.1"; NULL: none */
};

/* Keeps some buffers of OpenSSL's records for the thread that gave them back, until it drops them:
 * for a program that begins with it, before anything else uses OpenSSL, and runs loops. */
void rt_tls_keep_buffers(void);
void rt_tls_drop_buffers(void);
/* Reads the files. Servers without `ca` resume sessions by ticket; with it every connection shows
 * its certificate anew. ERR_CONFIG with what is wrong with which file; ERR_NO_MEMORY. */
int rt_tls_create(struct rt_tls **out, const struct rt_tls_config *c, struct diag *d) MUST_USE;
/* Gives a server another certificate, that of `other`, a server of the same CA and ALPN: it is
 * shown to clients whose server name it bears and no certificate before it does. Whoever asks for
 * another name, or none, is shown the first. Takes the reference of other. Before t is used. */
void rt_tls_add(struct rt_tls *t, struct rt_tls *other);
struct rt_tls *rt_tls_ref(struct rt_tls *t);
void rt_tls_unref(struct rt_tls **t);
/* Begin and end of validity of the own certificate, seconds since 1970; 0: none. */
int64_t rt_tls_not_before(const struct rt_tls *t);
int64_t rt_tls_not_after(const struct rt_tls *t);
/* The last end of validity of what stands in `ca`; 0: there is none. */
int64_t rt_tls_ca_not_after(const struct rt_tls *t);
/* The own certificate's URI SANs, as rt_stream_peer_uri. */
struct str rt_tls_own_uri(const struct rt_tls *t, struct str prefix, char *to, size_t n);
/* Why `by`, a context of the other end, would not take the own certificate; "": it would. Static.
 */
const char *rt_tls_refusal(const struct rt_tls *t, const struct rt_tls *by);

/* ---- listeners ------------------------------------------------------------------------------ */

#define RT_ACCEPT_TURN     64
#define RT_ACCEPT_PAUSE_MS 100

struct rt_listener {
    struct rt_loop *loop;
    int fd;      /* -1: stopped */
    bool paused; /* out of descriptors or memory: accepting is tried again by a timer */
    struct rt_source source;
    struct rt_timer timer;
    struct rt_task task;
    void (*on_accept)(struct rt_listener *l, int fd);      /* takes fd; runs as a task of its own */
    void (*on_pause)(struct rt_listener *l, int os_error); /* accepting pauses; NULL: nobody asks */
};

/* Makes a listening socket: non-blocking, SO_REUSEADDR, with `reuse_port` SO_REUSEPORT (one a
 * loop). An IPv6 one takes IPv6 only. A Unix path that nobody answers on any more is replaced;
 * `mode` sets its permissions. Gives the descriptor. ERR_SYSTEM with address and reason in d. */
int rt_listen(const struct rt_address *at, bool reuse_port, unsigned mode, int *fd,
              struct diag *d) MUST_USE;
/* Gives the file of a Unix socket to a group, for its `mode`. ERR_NOT_FOUND: there is no such
 * group; ERR_SYSTEM: it may not be given to it. */
int rt_listen_group(const struct rt_address *at, struct str group, struct diag *d) MUST_USE;
/* Begins to accept on fd, which the listener takes, also on error. Loops may share a socket through
 * descriptors of their own (dup); a connection then wakes one of them. At most RT_ACCEPT_TURN
 * accepts at once before others run. ERR_SYSTEM, ERR_NO_MEMORY. */
int rt_listener_start(struct rt_listener *l, struct rt_loop *loop, int fd,
                      void (*on_accept)(struct rt_listener *, int), struct diag *d) MUST_USE;
/* Gives another descriptor of a listening socket, for another loop's listener. */
int rt_listen_share(int fd, int *out, struct diag *d) MUST_USE;
/* Closes a socket that nobody takes. */
void rt_discard(int fd);
/* Stops and closes; what the kernel holds ready is accepted first, so on_accept is called from
 * here. May be called again. */
void rt_listener_stop(struct rt_listener *l);

/* ---- memory streams: two ends in one loop, for tests and fuzzers ----------------------------- */

/* Makes two connected streams. Each direction holds at most `capacity` bytes, and gives at most
 * `piece` bytes a read (0: all); what is left becomes readable anew after that, so that every split
 * is met. A write after the other end was closed is ERR_RESET. ERR_NO_MEMORY. */
int rt_pipe_create(struct rt_stream *a, struct rt_stream *b, struct rt_loop *l, size_t capacity,
                   size_t piece) MUST_USE;

#endif
