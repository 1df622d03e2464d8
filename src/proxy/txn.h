/* proxy/txn.h: one request, from its head to its access log line. Internal to proxy.
 *
 * A table-driven machine (txn.c has the diagram): steps look at what is there, act, and say AGAIN
 * (run the state it is in now), WAIT (until a stream, a timer or the queue wakes it) or END. */
#ifndef PROXY_TXN_H
#define PROXY_TXN_H

#include "app/carrier.h"
#include "codec/json.h"
#include "proxy/forwarded.h"
#include "proxy/rate.h"
#include "proxy/scopes.h"
#include "proxy/worker.h"

/* state, its name in listings */
#define TXN_STATES(X)                                                                              \
    X(ROUTE, "route")                                                                              \
    X(PEEK, "peek")                                                                                \
    X(PEER, "peer")                                                                                \
    X(GATHER, "gather")                                                                            \
    X(LEG, "leg")                                                                                  \
    X(CONNECT, "connect")                                                                          \
    X(RELAY, "relay")                                                                              \
    X(INSPECT, "inspect")                                                                          \
    X(ANSWER, "answer")                                                                            \
    X(TUNNEL, "tunnel")                                                                            \
    X(REFUSE, "refuse")                                                                            \
    X(DONE, "done")

enum txn_state {
#define X(name, text) TXN_##name,
    TXN_STATES(X)
#undef X
        TXN_STATE_COUNT
};

enum txn_verdict { TXN_AGAIN, TXN_WAIT, TXN_END };

/* What one leg gave. */
struct txn_leg {
    uint16_t site;
    uint16_t status; /* 0: none came */
    int code;        /* why none came; 0 */
    uint32_t us;     /* from its begin to the head of its answer, or to its end */
};

struct txn {
    uint32_t magic;
    enum txn_state state;
    struct http_exchange *x;
    struct proxy_worker *worker;
    struct proxy_conf *conf;             /* referenced; NULL: it was let go, see own */
    struct txn_own *own;                 /* outlive.h: what is still needed of it then */
    const struct cfg_listener *listener; /* of conf; NULL: the one for other sites */
    struct rt_task task;
    struct list link; /* in worker->txns */
    struct rt_waiter waiter;

    uint64_t id;       /* the same at every site */
    uint64_t begun_us; /* monotonic */
    uint64_t begun_wall_us;
    uint64_t wait_ms;      /* what the present wait may take */
    uint64_t total_due_ms; /* the answer's head is due; 0: no bound over all legs */
    bool progressed;       /* bytes moved or the state changed: the wait begins anew */

    /* whom it comes from, and what it is for */
    struct str client;                 /* the address as text */
    struct proxy_forwarded *forwarded; /* what a trusted proxy says of it; NULL: there is none */
    bool is_from_site;                 /* it came in on the listener for other sites */
    bool is_leg;                       /* and is a leg */
    bool is_protocol;                  /* it was a message of the peer protocol: not logged */
    bool routed;                       /* carriers were read */
    size_t from_site;                  /* is_leg */
    struct counter *place; /* taken of its address's behind a proxy, or of its site's; or NULL */
    const struct app_service *service; /* of conf */
    struct app_class class_;
    struct app_carried carried;
    struct str target;
    struct str scope;               /* frozen, canonical; absent: none */
    struct str scope_source;        /* the text that diagnostics point into */
    struct proxy_scope *scope_read; /* referenced: scope and plan borrow from it; NULL: not read */
    const struct plan *plan;        /* NULL: one local leg */
    struct str traceparent;         /* of the client, or made here */
    char traceparent_made[56];
    struct app_carrier_ids ids;

    /* the request's body */
    struct str kept; /* what was read ahead, in the arena */
    size_t kept_capacity, kept_sent;
    size_t peek_limit;   /* how much PEEK reads */
    bool kept_whole;     /* kept is all of the body */
    bool continued;      /* Cheops itself answered 100-continue */
    bool offering;       /* the body waits for the leg's 100 Continue */
    bool body_gone;      /* bytes that were not kept have left: no other leg can have them */
    bool request_done;   /* the leg has all of it, or takes no more */
    uint64_t body_bytes; /* taken from the client */
    struct proxy_rate body_rate;
    uint64_t answer_bytes; /* payload of the answer */

    /* legs */
    size_t leg_at, n_legs;
    struct txn_leg *legs;
    struct txn_leg one_leg;
    uint64_t leg_begun_us;
    struct txn_gather *gather;   /* the legs of a list that is merged; NULL: none */
    struct http_client_conn *up; /* of the present leg */
    bool up_broken;              /* writing to it failed: its answer may still be read */
    bool fresh;                  /* a reused connection broke: take a new one */
    uint64_t up_begin;           /* up's bytes_out before the request */
    unsigned n_interim;          /* 1xx answers that came to this leg */
    /* an answer that is used if nothing better comes */
    struct http_client_conn *held;
    size_t held_leg;
    struct h1_head *held_answer;
    struct str held_inspected;
    bool held_reusable; /* its leg has all of the request */

    /* the answer */
    struct h1_head *answer;  /* copied into the arena (INSPECT, held) */
    struct str inspected;    /* its body as far as it was read ahead */
    struct json_finder list; /* the array in it */
    size_t inspected_capacity, inspected_sent;
    unsigned status;
    bool answer_begun, tunnel_to_service_done, tunnel_to_client_done;
    bool keep;        /* the client's connection goes on */
    bool dropped;     /* the client did not get an answer, or not all of it */
    struct diag diag; /* why Cheops refuses; the last member: txn_begin does not zero its texts */
};

#define TXN_MAGIC 0x54584e31

/* Begins one for a new exchange; http's on_request. */
void txn_begin(struct http_exchange *x);
/* Ends it from outside (shutdown): the client's connection is cut. */
void txn_abort(struct txn *t);
/* One JSON object: identifier, state, deadline, what it is for; no credentials, no bodies. */
void txn_print(const struct txn *t, struct out *o);

/* ---- steps, one file each or a few */
enum txn_verdict step_route(struct txn *t);
enum txn_verdict step_peek(struct txn *t);
enum txn_verdict step_peer(struct txn *t);
enum txn_verdict step_leg(struct txn *t);
enum txn_verdict step_connect(struct txn *t);
enum txn_verdict step_relay(struct txn *t);
enum txn_verdict step_inspect(struct txn *t);
enum txn_verdict step_answer(struct txn *t);
enum txn_verdict step_tunnel(struct txn *t);
enum txn_verdict step_refuse(struct txn *t);

/* ---- for steps */

/* Goes to a state; the wait begins anew. */
enum txn_verdict txn_go(struct txn *t, enum txn_state to);
/* Waits at most ms from the last progress on. */
enum txn_verdict txn_wait(struct txn *t, uint64_t ms);
bool txn_timed_out(const struct txn *t);
/* The time over all legs is up. */
bool txn_is_overdue(const struct txn *t);
/* Answers with an error of Cheops; the diagnostic is set unless it was. */
enum txn_verdict txn_refuse(struct txn *t, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The client went away, or cannot be answered any more: nothing is written. */
enum txn_verdict txn_drop(struct txn *t, int code);

static inline const struct cfg *txn_cfg(const struct txn *t)
{
    return t->conf->cfg;
}
static inline struct http_conn *txn_client(const struct txn *t)
{
    return &t->x->conn->io;
}
static inline bool txn_is_scoped(const struct txn *t)
{
    return t->scope.p != NULL;
}
/* The site of the present leg, and whether it is this one. */
size_t txn_leg_site(const struct txn *t);
bool txn_leg_is_local(const struct txn *t);
bool txn_leg_is_last(const struct txn *t);
/* Tries alternatives. */
static inline bool txn_is_chain(const struct txn *t)
{
    return t->n_legs > 1;
}

/* leg.c: notes how the present leg ended: with a status, or the code of what went wrong. */
void txn_leg_end(struct txn *t, unsigned status, int code);
/* leg.c: the present leg ended without a status. `end` says whether the request may have run. */
enum txn_verdict txn_leg_failed(struct txn *t, enum plan_end end, int code);
/* A final status came: what becomes of it. `head` borrows what `up` read, or is t->answer. */
enum txn_verdict txn_leg_answered(struct txn *t, const struct h1_head *head, bool is_empty_select);
/* Ends the use of the held answer's connection; it is kept if the rest of that answer is here. */
void txn_drop_held(struct txn *t);
/* The client closed or broke while it waits. */
bool txn_client_is_gone(const struct txn *t);
/* route.c, for clients' requests and for legs: what is refused for its size, or because Via shows
 * that it goes in circles. An upgrade to h2c is not taken up. */
int txn_check_head(struct txn *t);
/* Takes up the trace that the request is part of, or begins one. */
void txn_take_traceparent(struct txn *t);
/* By the target as it is now, and what of the body was read ahead. */
void txn_classify(struct txn *t);
/* Whether more of the body is to be read ahead, up to limit: PEEK does it then. */
bool txn_peek_wanted(struct txn *t, size_t limit);
/* route.c: waits for more of the client's body, or refuses when nothing or too little comes. */
enum txn_verdict txn_wait_for_client(struct txn *t);
/* route.c: says what is wrong with the client's body, or which limit it passes; gives the code. */
int txn_body_is_bad(struct txn *t, int code);
/* route.c: makes the identifiers of carrier 7 and remembers the scope under them, once. */
void txn_remember(struct txn *t);

/* answer.c: answers what txn_ends_here. */
enum txn_verdict txn_end_here(struct txn *t);
/* answer.c: writes the head of the answer and goes to ANSWER. */
enum txn_verdict txn_answer_begin(struct txn *t, const struct h1_head *head);
/* Copies the answer's head to t->answer, and goes on to its body. 0 or ERR_NO_MEMORY. */
int txn_keep_answer(struct txn *t, const struct h1_head *head);

/* relay.c: moves payload from one connection to the other until one of them has to be waited for.
 * 0: the message is complete and written. ERR_AGAIN. Else what failed, and whose end it was. *moved
 * is increased by the payload's bytes. */
int txn_pump(struct txn *t, struct http_conn *from, struct http_conn *to, uint64_t *moved,
             bool *from_failed);
/* Moves the request's body on: 0, ERR_AGAIN, or what failed at whose end. */
int txn_pump_request(struct txn *t, bool *client_failed);
/* Writes what was read ahead, from *sent on: 0, ERR_AGAIN, or what broke `to`. */
int txn_send_kept(struct txn *t, struct http_conn *to, struct str kept, size_t *sent);
/* A growing copy in the arena: appends, within limit. False when it does not fit. */
bool txn_keep(struct txn *t, struct str *kept, size_t *capacity, struct str data);

/* head.c */
int txn_write_request_head(struct txn *t);
int txn_write_answer_head(struct txn *t, const struct h1_head *head);
int txn_write_error(struct txn *t);
/* Whether Max-Forwards lets an OPTIONS or TRACE come here and no further (RFC 9110 section 7.6.2),
 * and the answer to such an OPTIONS. */
bool txn_ends_here(const struct txn *t);
int txn_write_options(struct txn *t);
/* A 1xx answer, passed on as it came. */
int txn_write_interim(struct txn *t, const struct h1_head *head);

/* access.c */
void txn_count(const struct txn *t);
void txn_log(const struct txn *t);
void txn_log_lost(struct http_server_conn *c, int code, struct str why); /* without a request */

#endif
