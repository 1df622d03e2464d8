/* peer/control.h: asks every other site for a sign of life, measures how far it is, and fetches a
 * newer list of revoked certificates.
 *
 * Runs on the control loop. Per site one connection, one question at a time:
 *
 *   PAUSE ──(heartbeat_ms)──> CONNECT ──> ASK ──> PAUSE
 *     ^                          │         └──(its list is newer)──> LIST ──> PAUSE
 *     └──(failed, or down_ms passed)───────┴───────────────────────────┘
 *
 * Round trips are measured on these connections only, from the writing of the question to the
 * reading of the answer's end, which are both one small message. A timer of its own looks for sites
 * that have been silent for too long (peer_sites_tick).
 */
#ifndef PEER_CONTROL_H
#define PEER_CONTROL_H

#include "peer/peer.h"

#define PEER_LIST_AGAIN_MS 60000 /* after a site's list was refused it is asked for anew */

struct peer_control;

/* What became of a list of revoked certificates that another site has told of. */
struct peer_list_news {
    struct str from;
    uint64_t number;
    bool is_taken;   /* it counts from now on; else it was refused */
    const char *why; /* it was refused, or is kept in memory only; "": it is in the file `crl` */
};
/* Called on the control loop; may not stop the control. */
struct peer_control_events {
    void (*on_list)(void *context, const struct peer_list_news *news);
    void *context;
};

int peer_control_start(struct peer_control **out, struct peer *p, struct http_env *env,
                       const struct peer_control_events *events, struct diag *d) MUST_USE;
/* Closes the connections. */
void peer_control_stop(struct peer_control **c);
/* Why the last heartbeat of a site failed; "" when it did not. */
const char *peer_control_error(const struct peer_control *c, size_t site);

/* Why a site's list was refused, or why the one in use here is not in the file; "": nothing is. */
const char *peer_control_list_error(const struct peer_control *c, size_t site);

#endif
