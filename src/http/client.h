/* http/client.h: connections to services and to other sites, pooled per target and loop.
 *
 *     rc = http_pool_get(pool, &want, &conn, &d);     0: given; ERR_AGAIN: wait for a wake
 *     rc = http_client_ready(conn, &d);                       connected, greeted
 *     … write the request to conn->io, then
 *     rc = http_client_head(conn, method, &head, &why);       the next head of its answer
 *     http_pool_put(&conn, keep);
 *
 *   states of a connection
 *
 *   CONNECTING ──> GREETING ──> BUSY <──> IDLE
 *        └──────────────┴────────┴─────────┴──> DEAD
 *
 *   While it is CONNECTING, GREETING or BUSY its owner's task is woken, and the owner's deadlines
 *   count; IDLE waits for idle_ms, or for the other end to close.
 */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include "base/counter.h"
#include "rt/places.h"
#include "http/server.h"
#include "rt/sys.h"

enum http_keep_alive { HTTP_KEEP_SAFE, HTTP_KEEP_ALWAYS, HTTP_KEEP_NEVER };

enum http_client_state {
    HTTP_CLIENT_CONNECTING,
    HTTP_CLIENT_GREETING,
    HTTP_CLIENT_BUSY,
    HTTP_CLIENT_IDLE,
    HTTP_CLIENT_DEAD,
};

struct http_client_conn;

/* What others may read of the connections to one target, at any time. */
struct http_gauge {
    struct counter open, idle, waiting; /* as of now; waiting are requests */
    struct counter connects, reuses;    /* since the start */
    struct counter refused;             /* since the start: requests that found no place in time */
};

struct http_pool {
    struct http_env *env;
    struct rt_name *name; /* borrowed; the target */
    struct rt_tls *tls;   /* borrowed; NULL: plain */
    struct str server_name;
    enum http_keep_alive keep_alive;
    struct rt_seat *seat;          /* borrowed; NULL: the pool has places of its own */
    struct rt_place_bounds bounds; /* of requests at the target, on all loops that share seats */
    size_t max_idle;
    uint32_t idle_ms, max_head, max_fields;
    struct str greeting; /* a request that begins every connection, whole; absent: none */
    /* Judges the answer to the greeting: 0, or a code with d set. */
    int (*on_greeted)(struct http_client_conn *c, const struct h1_head *answer, struct str body,
                      struct diag *d);
    void *context; /* the owner's */

    struct list idle; /* the one used last in front */
    struct list busy;
    size_t n_open, n_idle;
    struct rt_places own_places;
    struct rt_seat own_seat;
    struct http_gauge *gauge; /* borrowed; of all pools to the target; NULL: nobody looks */
};

struct http_client_conn {
    struct http_conn io;
    struct http_pool *pool;
    struct http_gauge *gauge; /* of the pool that opened it */
    struct list link;
    struct rt_task task; /* of the idle connection */
    struct rt_timer timer;
    struct rt_dead dead;
    enum http_client_state state; /* neither IDLE nor DEAD: it has a place */
    struct rt_address to;         /* that it was opened to */
    bool is_second;               /* the name's next address: the first took no connections */
    bool has_idled;  /* it was used before, so the other end may have closed it unseen */
    bool has_answer; /* a byte of the answer to the current request was read */
    bool closes;     /* the answer said that the other end closes after it */
    uint32_t scanned, head_size;
};

/* Fills in limits before; lists and counters are begun here. */
void http_pool_init(struct http_pool *p, struct http_env *env);
/* Closes what is idle; busy connections must have been put back. */
void http_pool_fini(struct http_pool *p);

/* Closes the idle connections, and cuts the others, whose stream is_bad says so of. */
void http_pool_cut(struct http_pool *p,
                   bool (*is_bad)(const struct rt_stream *stream, void *context), void *context);

/* A busy connection leaves its pool, which may end before it, for another one of the same loop: its
 * place is free, it is put back where it is now, and it is counted with its target as before. */
void http_pool_move(struct http_client_conn *c, struct http_pool *to);

/* A connection for one request. With `unsafe` and HTTP_KEEP_SAFE a fresh one; `fresh` asks for that
 * in any case (the retry after a reused one broke). `task` is woken by it from then on.
 * ERR_AGAIN: all places are taken; `waiter` waits in the queue, and its task is woken with one, to
 * ask again. ERR_OVERLOADED: the queue is full or too slow, or there is no descriptor.
 * ERR_SERVICE_UNREACHABLE: no address. */
struct http_want {
    bool unsafe, fresh;
    struct rt_task *task;
    struct rt_waiter *waiter;
};
int http_pool_get(struct http_pool *p, const struct http_want *want, struct http_client_conn **out,
                  struct diag *d) MUST_USE;
/* A busy connection, greeted if the pool greets, over a stream that is already open, which it takes
 * (memory streams of tests and fuzzers). ERR_NO_MEMORY. */
int http_pool_adopt(struct http_pool *p, struct rt_stream *stream, struct rt_task *task,
                    struct http_client_conn **out) MUST_USE;
/* It has waited for too long: leaves the queue, and says so: ERR_OVERLOADED. */
int http_pool_give_up(struct http_pool *p, struct rt_waiter *w, struct diag *d);

/* 0: connected, TLS is up, the greeting was answered well. ERR_AGAIN: a wake tells. Else why not:
 * when nobody takes connections at the address, the name's next one was tried, too (localhost is
 * often two, and a service listens on one). */
int http_client_ready(struct http_client_conn *c, struct diag *d) MUST_USE;
/* Says why TLS failed, of whom, and what to do. */
void http_client_tls_failed(const struct http_client_conn *c, struct diag *d);

/* The next head of the answer (maybe a 1xx). On 0 *head borrows the read buffer and the loop's
 * scratch until http_client_head_end, which goes on to its body (or to the next head after a 1xx).
 * ERR_AGAIN; ERR_CLOSED or ERR_RESET: it ended before a head was complete; ERR_SERVICE_BROKEN: not
 * valid, *why says so. */
int http_client_head(struct http_client_conn *c, enum h1_method method, struct h1_head *head,
                     const char **why) MUST_USE;
void http_client_head_end(struct http_client_conn *c, const struct h1_head *head,
                          uint32_t max_trailers);

/* Ends the use of a connection; *c becomes NULL. With `keep` it is kept for another request if
 * request and answer are complete, the answer did not say `close` and the pool keeps connections.
 */
void http_pool_put(struct http_client_conn **c, bool keep);

#endif
