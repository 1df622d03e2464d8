/* admin/admin.h: the admin API on a Unix socket (docs of cheopsd(8)): JSON over HTTP/1.1.
 *
 * Served by the control loop. Who may open the socket may read; only root and the daemon's own user
 * may change anything (SO_PEERCRED). Credentials, bodies and query strings are never shown.
 *
 *   GET /healthz            the process lives
 *   GET /readyz             listeners are open and it is not draining: 200, else 503
 *   GET /metrics            OpenMetrics: docs/metrics.md
 *   GET /v1/sites           states, round trips, certificate ages
 *   GET /v1/transactions    live ones, of every worker
 *   GET /v1/explain         ?scope=&method=&target=&service=&field=&format=text: the plan, not run
 *   GET /v1/                the list of these
 */
#ifndef ADMIN_ADMIN_H
#define ADMIN_ADMIN_H

#include "peer/control.h"
#include "proxy/worker.h"

struct admin;

struct admin_in {
    struct http_env *env;
    struct cfg *cfg;
    struct peer *peer;
    struct peer_control *control; /* NULL: this site is alone */
    struct proxy_worker **workers;
    size_t n_workers;
    const bool *is_ready;
    uint64_t started_us; /* set by admin_start: wall time */
};

int admin_start(struct admin **out, const struct admin_in *in, struct diag *d) MUST_USE;
void admin_stop(struct admin **a);

#endif
