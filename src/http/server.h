/* http/server.h: connections that clients open: heads in, one exchange at a time, answers out.
 *
 * A server belongs to one loop and one listener. When a head is complete (or is refused) it makes
 * an exchange and hands it to on_request, which only stores it and wakes its own task. From then on
 * the owner of the exchange reads the request's body from x->conn->io and writes the answer there;
 * it ends with http_exchange_end, exactly once.
 *
 *   states of a connection
 *
 *   PROXIED ──> SHAKING ──> IDLE ──> HEAD ──> BUSY ──> IDLE …
 *      │           │         │        │        ├─────> LINGER ──> DEAD
 *      └───────────┴─────────┴────────┴────────┴────────────────> DEAD
 *
 *   waits: PROXIED for the header of the PROXY protocol (head_ms), SHAKING for the TLS handshake
 * (tls_handshake_ms), IDLE for the first byte (idle_ms), HEAD for the end of a head (head_ms), BUSY
 * for its owner (whose deadlines count), LINGER for the client to close, so that it can read the
 * last answer (linger_ms).
 *
 *   A few connections over max_connections are taken all the same: their first request is refused
 *   with ERR_OVERLOADED, so that the client learns why. What comes on top is closed at once.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "base/arena.h"
#include "base/counter.h"
#include "http/conn.h"
#include "rt/ip.h"

#define HTTP_LINGER_BYTES  (1024 * 1024) /* thrown away in one turn, before others get theirs */
#define HTTP_OVER_MAX      64            /* connections over max_connections that are answered */
#define HTTP_BLOCK_BYTES   8192          /* of an exchange with the first part of its arena */
#define HTTP_PEER_HOST_MAX 46

struct http_server;
struct http_server_conn;

/* What the loops' servers and pools share: one a loop. */
struct http_env {
    struct rt_loop *loop;
    struct http_block *free_blocks; /* warm blocks of exchanges, LIFO */
    unsigned n_free_blocks;
    struct h1_field fields[H1_MAX_FIELDS]; /* scratch of a parse, valid until the next one */
};
void http_env_init(struct http_env *e, struct rt_loop *loop);
void http_env_fini(struct http_env *e);

/* One request and its answer. Lives from the end of its head to http_exchange_end. */
struct http_exchange {
    struct http_server_conn *conn;
    struct arena arena;  /* of the request; freed with the exchange */
    struct h1_head head; /* in the arena; not valid when error is set */
    int error;           /* 0, or why the head was refused: answer it and end without keeping */
    const char *why;     /* a sentence to the error; static */
    bool closes; /* the connection ends with it: http_exchange_keeps has said so, or its owner */
    void *owner; /* the user's */
};

struct http_server_options {
    uint32_t max_head, max_target, max_fields, max_trailers, max_requests;
    size_t max_connections, max_arena;
    uint32_t idle_ms, head_ms, tls_handshake_ms, linger_ms;
    const struct rt_ip_range *proxies; /* who may speak for a client; borrowed */
    size_t n_proxies;
    bool proxy_protocol; /* a connection begins with a header of it, by one of these */
};

enum http_server_conn_state {
    HTTP_PROXIED,
    HTTP_SHAKING,
    HTTP_IDLE,
    HTTP_HEAD,
    HTTP_BUSY,
    HTTP_LINGER,
    HTTP_DEAD,
};

struct http_server_conn {
    struct http_conn io; /* stream, body in, answer out */
    struct http_server *server;
    struct http_exchange *exchange;
    struct list link; /* in server->conns */
    struct rt_task task;
    struct rt_timer timer;
    struct rt_dead dead;
    enum http_server_conn_state state;
    uint32_t n_requests;
    uint32_t scanned; /* bytes of the head looked at */
    bool has_skipped; /* the empty line that may stand before a request line was there */
    bool is_tls;
    bool has_peer; /* peer was asked for, or given by a proxy */
    int over;      /* ERR_OVERLOADED, or what admit says: its first request is told so; or 0 */
    struct rt_ip peer;
    char peer_host[HTTP_PEER_HOST_MAX]; /* the client's address as text, "" until asked for */
    uint64_t peer_trust;                /* the owner's: what its certificate was taken under */
    char peer_site[64];                 /* the owner's: the site that its certificate names */
    struct counter *counted;            /* the owner's: given one back when it ends; or NULL */
};

struct http_server {
    struct http_env *env;
    struct http_server_options options;
    struct rt_tls *tls; /* borrowed; NULL: plain */
    void (*on_request)(struct http_exchange *x);
    /* A connection ended before its first request, by TLS or the PROXY protocol: code, and why as
     * text. May be NULL. */
    void (*on_lost)(struct http_server_conn *c, int code, struct str why);
    /* Judges a connection when its peer is known: 0, a code that its first request is refused with,
     * or ERR_LIMIT to close it at once. May be NULL. */
    int (*admit)(struct http_server_conn *c);
    struct rt_task *on_empty; /* woken when it drains and the last connection ended; or NULL */
    void *context;            /* the owner's */
    struct list conns;
    size_t n_conns;
    struct counter *connections; /* borrowed; of all servers of the loop; NULL: nobody looks */
    struct counter *refused;     /* the same, of those that were refused for a limit */
    bool draining;
};

void http_server_init(struct http_server *s, struct http_env *env,
                      const struct http_server_options *o, struct rt_tls *tls,
                      void (*on_request)(struct http_exchange *), void *context);
/* Takes an accepted socket. */
void http_server_accept(struct http_server *s, int fd);
/* Takes a stream that is already open (memory streams of tests and fuzzers). */
void http_server_adopt(struct http_server *s, struct rt_stream *stream);
/* No connection is kept after its request from now on; idle ones are closed, those whose request is
 * here already are served. */
void http_server_drain(struct http_server *s);
/* It drains, and every connection that it has serves what is known to be its last request, or
 * lingers after it. */
bool http_server_is_ending(const struct http_server *s);
/* Cuts the connections whose stream is_bad says so of, whatever they are doing. */
void http_server_cut(struct http_server *s,
                     bool (*is_bad)(const struct rt_stream *stream, void *context), void *context);
/* Closes every connection; the owner has ended its exchanges. */
void http_server_fini(struct http_server *s);

/* The answer is written and flushed, or given up. With `keep` the connection goes on with the next
 * request, if http_exchange_keeps still says so (or a drain began since, and that request is here);
 * otherwise it is closed, lingering when the client
 * may still be sending. Without `keep` it is cut, so that the client sees that an answer broke off.
 * The exchange and its arena die at the end of the turn. */
void http_exchange_end(struct http_exchange *x, bool keep);
/* Whether the connection is kept after the answer: asked when its head is written, which says
 * `close` otherwise. It is not when the request's body was not read to its end: nobody knows when,
 * or whether, the rest comes (RFC 9112 section 9.6, RFC 9110 section 10.1.1). Once false it stays
 * so; http_body_discard may come before. */
bool http_exchange_keeps(struct http_exchange *x);
/* Makes wakes of the connection's stream and of its timer run `task` instead of the connection's
 * own. */
static inline void http_exchange_attach(struct http_exchange *x, struct rt_task *task)
{
    x->conn->io.stream.task = x->conn->timer.task = task;
}
/* The connection's timer, which is the owner's until the exchange ends. It is not set at first. */
static inline struct rt_timer *http_exchange_timer(const struct http_exchange *x)
{
    return &x->conn->timer;
}
/* The address of who connected, or whom the PROXY protocol names in its place. */
const struct rt_ip *http_peer(struct http_server_conn *c);
/* The same as text; "unix:" for a Unix socket. */
struct str http_peer_host(struct http_server_conn *c);
/* Whether it is in one of n ranges; false when it is not known. */
bool http_peer_is_in(struct http_server_conn *c, const struct rt_ip_range *ranges, size_t n);

#endif
