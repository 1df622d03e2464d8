/* peer/control.h: asks every other site for a sign of life, and measures how far it is.
 *
 * Runs on the control loop. Per site one connection, one heartbeat at a time:
 *
 *   PAUSE ──(heartbeat_ms)──> CONNECT ──> ASK ──> PAUSE
 *     ^──────────(failed, or down_ms passed)─┘
 *
 * Round trips are measured on these connections only, from the writing of the question to the
 * reading of the answer's end, which are both one small message. A timer of its own looks for sites
 * that have been silent for too long (peer_sites_tick).
 */
#ifndef PEER_CONTROL_H
#define PEER_CONTROL_H

#include "peer/peer.h"

struct peer_control;

int peer_control_start(struct peer_control **out, struct peer *p, struct http_env *env,
                       struct diag *d) MUST_USE;
/* Closes the connections. */
void peer_control_stop(struct peer_control **c);
/* Why the last heartbeat of a site failed; "" when it did not. */
const char *peer_control_error(const struct peer_control *c, size_t site);

#endif
