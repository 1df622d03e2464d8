/* peer/sites.h: what is known of the other sites: up or down, and how far (design.md section 8).
 *
 * One table a daemon. The control loop decides, worker loops read and tell of signs of life at any
 * time without a lock: every cell is one atomic word, and a reader needs no two of them to agree.
 * Time is handed in: monotonic milliseconds, never 0.
 *
 *   state     a sign of life          a failure                        silence
 *   UNKNOWN   UP                      DOWN                             down_ms: DOWN
 *   UP        UP                      SUSPECT                          suspect_ms: SUSPECT
 *   SUSPECT   UP                      DOWN                             down_ms: DOWN
 *   DOWN      UP with the second in   DOWN                             DOWN
 *             a row; the first ever
 *             counts at once
 *
 * A sign of life is anything that the site sent on a connection that this site opened: that it can
 * reach this one says nothing of the other way. A failure is a refused connection, a broken one, a
 * wrong certificate or answer. Two signs are in a row when no failure and at most suspect_ms lie
 * between them.
 *
 * A site that is UNKNOWN or SUSPECT is tried; one that is DOWN is refused at once.
 */
#ifndef PEER_SITES_H
#define PEER_SITES_H

#include "base/err.h"
#include "base/str.h"

#define PEER_RTT_UNKNOWN UINT32_MAX
#define PEER_SIGNS_UP    2 /* in a row bring a site back that was down */

enum peer_site_state { PEER_SITE_UNKNOWN, PEER_SITE_UP, PEER_SITE_SUSPECT, PEER_SITE_DOWN };
#define PEER_SITE_STATES 4

struct peer_sites;

/* Sites 0 to n-1 in the order of the configuration; `self` is always up and 0 us away. */
int peer_sites_create(struct peer_sites **out, size_t n, size_t self, uint32_t suspect_ms,
                      uint32_t down_ms, uint64_t now_ms) MUST_USE;
void peer_sites_destroy(struct peer_sites **s);

/* Before anybody reads `to`: takes over what is known of a site, and of a round trip, in another
 * table, where they have other numbers. */
void peer_sites_copy(struct peer_sites *to, size_t site, const struct peer_sites *from, size_t was);
void peer_sites_copy_rtt(struct peer_sites *to, size_t a, size_t b, const struct peer_sites *from,
                         size_t was_a, size_t was_b);

/* ---- readers, any thread */

enum peer_site_state peer_sites_state(const struct peer_sites *s, size_t site);
/* Smoothed round trip from one site to another, as the first published it; PEER_RTT_UNKNOWN. */
uint32_t peer_sites_rtt_us(const struct peer_sites *s, size_t from, size_t to);
/* Its mean deviation, for the own row only. */
uint32_t peer_sites_jitter_us(const struct peer_sites *s, size_t to);
/* Since when the site is in its state, and the last sign of life; 0: never. */
uint64_t peer_sites_since_ms(const struct peer_sites *s, size_t site);
uint64_t peer_sites_heard_ms(const struct peer_sites *s, size_t site);
uint64_t peer_sites_changes(const struct peer_sites *s, size_t site);
struct str peer_state_name(enum peer_site_state state);

/* ---- any thread */

/* Anything came from the site beside the heartbeats: it is not silent. */
void peer_sites_touch(struct peer_sites *s, size_t site, uint64_t now_ms);

/* ---- the control loop */

/* A heartbeat was answered. */
void peer_sites_heard(struct peer_sites *s, size_t site, uint64_t now_ms);
/* A round trip was measured (RFC 6298: smoothed by 1/8, deviation by 1/4). The first one, and the
 * first one after the site was down, begins anew. */
void peer_sites_sample(struct peer_sites *s, size_t site, uint32_t us);
/* The site refused, broke off or could not be reached. */
void peer_sites_failed(struct peer_sites *s, size_t site, uint64_t now_ms);
/* The row that another site published: from it to `to`; PEER_RTT_UNKNOWN: it has not measured. */
void peer_sites_published(struct peer_sites *s, size_t from, size_t to, uint32_t us);
/* Time has passed: silent sites become suspect and down. Returns when to call it again unless
 * something is heard before; UINT64_MAX: nothing can become of silence. */
uint64_t peer_sites_tick(struct peer_sites *s, uint64_t now_ms);

#endif
