/* admin/admin.h: the admin API on a Unix socket (cheopsd(8)): JSON over HTTP/1.1.
 *
 * Served by the control loop. Who may open the socket (mode 0660, its group from the configuration)
 * may read; only root and the daemon's own user may change anything (SO_PEERCRED). Credentials,
 * bodies and query strings are never shown. A question is answered within ADMIN_GATHER_MS.
 *
 *   GET /healthz            the process lives
 *   GET /readyz             listeners are open and it is not draining: 200, else 503
 *   GET /metrics            OpenMetrics: docs/metrics.md
 *   POST /v1/reload         takes the configuration as it is in the files now; answers when it has
 *   GET /v1/                the list of these
 *   GET /v1/configuration   which one it runs with: digests of what it has read, and when
 *   GET /v1/explain         ?scope=&method=&target=&service=&field=&format=text: the plan, not run
 *   GET /v1/sites           states, round trips, clocks, certificates, descriptions
 *   GET /v1/transactions    live ones, of every worker
 */
#ifndef ADMIN_ADMIN_H
#define ADMIN_ADMIN_H

#include "peer/control.h"
#include "proxy/worker.h"

struct admin;

/* Who waits for a reload. */
struct admin_wish {
    void (*on_done)(const struct admin_wish *wish, int rc, const struct diag *d);
    void *context;
};

struct reload_counts {
    uint64_t done, refused;
    uint64_t last_us;         /* wall time of the last one that was done; 0: none */
    struct counter snapshots; /* configurations in memory: the newest, and what is still in use */
};

struct admin_in {
    struct http_env *env;
    struct cfg *cfg;
    struct peer *peer;
    struct peer_control *control; /* NULL: this site is alone */
    struct proxy_worker **workers;
    size_t n_workers;
    const bool *is_ready;
    /* Begins a reload. 0: wish->on_done is called once, in a later turn; else d says why not. */
    int (*reload)(void *context, const struct admin_wish *wish, struct diag *d);
    void *context;
    const struct reload_counts *reloads;
    struct rt_passed *passed; /* the socket is taken from there, if it is among them */
    uint64_t started_us;      /* set by admin_start: wall time */
};

/* The workers' slots may become NULL, one by one, when their loops have ended. */
int admin_start(struct admin **out, const struct admin_in *in, struct diag *d) MUST_USE;
/* Another configuration counts from now on. Borrows. */
void admin_update(struct admin *a, struct cfg *cfg, struct peer *peer,
                  struct peer_control *control);
/* After the workers have ended. */
void admin_stop(struct admin **a);

#endif
