/* ctl/probe.h: asks services and other sites whether they answer, all at once. Internal to ctl.
 *
 * As the daemon does it: with its pools, TLS contexts and hello. Each probe is
 *
 *   NAME ──> CONNECT ──> ASK ──> DONE
 *     └─────────┴─────────┴──> DONE, with why
 *
 * A site's hello is part of its CONNECT, and answers it. All of them together have PROBE_MS, a dead
 * site costs no more than that.
 */
#ifndef CTL_PROBE_H
#define CTL_PROBE_H

#include "peer/peer.h"

#define PROBE_MS 5000

struct probe_result {
    bool is_asked;
    int rc;           /* 0: it has answered; ERR_AGAIN: not in time; else why not */
    char why[400];    /* rc < 0: the same in words */
    unsigned status;  /* of a service's answer */
    uint64_t took_us; /* from the beginning to the answer */
    bool has_clock;
    int64_t ahead_ms;                  /* its clock, less the one here */
    uint64_t slack_ms;                 /* how exact that is */
    enum peer_description description; /* of a site */
    int64_t not_after;                 /* of a site's certificate; 0: plain */
};

struct probe_results {
    struct probe_result *services; /* by service index */
    struct probe_result *sites;    /* by site index */
};

/* Asks the service instances of a configuration and, if wanted, its other sites. The results are in
 * the arena. ERR_SYSTEM, ERR_NO_MEMORY: nothing could be asked. */
int probe_all(struct cfg *cfg, bool with_sites, struct arena *a, struct probe_results *out,
              struct diag *d) MUST_USE;

#endif
