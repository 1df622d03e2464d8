/* proxy/worker.h: what one loop needs to serve requests: listeners, pools, live transactions.
 *
 * A worker belongs to its loop's thread. Workers share what is behind struct proxy_shared: the
 * sites' states, correlation memory, the access log, names; each of those takes care of itself.
 *
 *     proxy_worker_create(&w, loop, &shared, &d);
 *     proxy_change_prepare(&change, w, &from, NULL, &d);   opens what is new
 *     proxy_change_apply(&change, &d);                     now, and at every reload
 *     rt_loop_run(loop);
 *     proxy_worker_drain(w);                     no new connections, idle ones closed
 *     proxy_worker_destroy(&w);
 */
#ifndef PROXY_WORKER_H
#define PROXY_WORKER_H

#include "cfg/cfg.h"
#include "http/client.h"
#include "peer/peer.h"
#include "plan/plan.h"
#include "proxy/clients.h"
#include "proxy/memory.h"
#include "proxy/meter.h"
#include "rt/passed.h"

struct txn;
struct proxy_scopes;

struct proxy_shared {
    struct proxy_memory *memory;    /* correlation identifiers */
    struct proxy_clients *clients;  /* what each client's address has open */
    struct rt_targets services;     /* places at each, of all workers */
    struct rt_targets sites;        /* the same of other sites */
    struct rt_log *access_log;      /* NULL: none */
    struct proxy_name_tables names; /* what is counted by name */
};

/* A configuration snapshot as one worker uses it, with the connection pools that belong to it. Kept
 * as long as a transaction of its time is under way. */
struct proxy_conf {
    unsigned refs;
    struct proxy_worker *worker;
    struct cfg *cfg;
    struct peer *peer;          /* the other sites; never NULL */
    struct http_pool *services; /* by service index */
    struct http_pool *sites;    /* by site index; the own one unused */
    struct plan_sites plan_sites;
    struct str *site_names;
    struct peer_target *targets; /* by site index: contexts of `sites` */
    uint16_t *service_numbers;   /* by service index: names that are counted */
    uint16_t *site_numbers;
    struct str via;              /* "Via: 1.1 cheops-Nantes\r\n" */
    struct proxy_scopes *scopes; /* read before: of this site's name and services */
    char via_text[96];
};

struct proxy_listener {
    struct list link;
    struct proxy_worker *worker;
    struct rt_listener socket;
    struct http_server server;
    struct proxy_conf *conf; /* referenced; the newest, unless it is retired; NULL: not needed */
    const struct cfg_listener *cfg; /* of conf; NULL: the listener for other sites */
    bool is_for_sites;
    bool is_retired; /* its address is in the configuration no more: the last requests */
    struct rt_dead dead;
};

struct proxy_worker {
    struct rt_loop *loop;
    struct http_env env;
    struct proxy_shared *shared;
    struct proxy_conf *conf;   /* the newest */
    struct http_pool outlived; /* connections of transactions that have let theirs go */
    struct list listeners;
    struct list txns; /* live transactions */
    bool draining;
    struct proxy_meter *meter;
    uint64_t pause_told_ms;     /* when it was said last that no descriptor is left; 0: never */
    uint64_t id_state;          /* of the transactions' identifiers */
    unsigned char random[1024]; /* secret bytes, drawn from the kernel in bulk */
    size_t random_left;
    struct rt_task drain_task; /* a listener that takes no more connections has lost its last one */
    void (*on_drained)(struct proxy_worker *w); /* draining, and the last connection ended */
    void *context;
};

int proxy_worker_create(struct proxy_worker **out, struct rt_loop *loop,
                        struct proxy_shared *shared, struct diag *d) MUST_USE;
/* A configuration that a worker is to take: everything that can fail is done before it is applied.
 * What stays over it: the listeners whose address is in both, their connections, and the requests
 * under way, which end under the configuration that they began with. */
struct proxy_change;
struct proxy_change_from {
    struct cfg *cfg;          /* referenced */
    struct peer *peer;        /* referenced */
    struct rt_passed *passed; /* sockets that are taken instead of being opened; NULL: none */
};
/* On any thread, one change at a time. Opens sockets for the addresses that the worker does not
 * have; of a Unix socket, and of one that was passed, there is one, which is shared with `first`,
 * the change of another worker (NULL: this is the first one). ERR_SYSTEM, ERR_NO_MEMORY. */
int proxy_change_prepare(struct proxy_change **out, struct proxy_worker *w,
                         const struct proxy_change_from *from, const struct proxy_change *first,
                         struct diag *d) MUST_USE;
/* On the worker's thread, or before it runs. Listeners whose address is gone take what the kernel
 * holds ready, and end with their last connection. Takes the change. ERR_SYSTEM, ERR_NO_MEMORY: a
 * new listener does not accept; all else is as it should. */
int proxy_change_apply(struct proxy_change **c, struct diag *d) MUST_USE;
/* Closes what was opened. */
void proxy_change_abandon(struct proxy_change **c);

/* Stops accepting, closes idle connections; on_drained is called when the last client has its last
 * answer and its connection has ended. */
void proxy_worker_drain(struct proxy_worker *w);
/* Ends what is still under way, closes everything, frees. */
void proxy_worker_destroy(struct proxy_worker **w);

/* Cuts what leads to or comes from a site whose certificate is revoked. On the worker's thread. */
void proxy_worker_cut_revoked(struct proxy_worker *w);

/* The live transactions, JSON objects with commas between them. On the worker's thread. */
void proxy_worker_print(const struct proxy_worker *w, struct out *o);
/* The live transactions in a crash report, a line each, written with `write`. For signal handlers,
 * of any thread: the list may be broken, and a fault in here is the handler's to end. */
void proxy_worker_report(const struct proxy_worker *w, void (*write)(struct str text));
/* Secret random bytes, n of at most 64. */
void proxy_worker_random(struct proxy_worker *w, void *to, size_t n);

/* A configuration for one worker, with empty pools and one reference. NULL: no memory. */
struct proxy_conf *proxy_conf_create(struct proxy_worker *w, const struct proxy_change_from *from);
struct proxy_conf *proxy_conf_ref(struct proxy_conf *c);
void proxy_conf_unref(struct proxy_conf **c);

#endif
