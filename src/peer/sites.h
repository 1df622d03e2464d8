/* peer/sites.h: what is known of the other sites: up or down, and how far (design.md section 8).
 *
 * One table a daemon. The control loop writes it, worker loops read it at any time without a lock:
 * every cell is one atomic word, and a reader needs no two of them to agree. Time is handed in.
 *
 *   UNKNOWN ──(sign of life)──> UP ──(suspect_ms silent)──> SUSPECT ──(down_ms silent)──> DOWN
 *      └──────────(down_ms silent, or refused)──────────────────────────────────────────────^
 *   UP again from SUSPECT: one sign of life; from DOWN: PEER_SIGNS_UP in a row, but the first one
 *   ever counts at once.
 *
 * A site that is UNKNOWN or SUSPECT is tried; one that is DOWN is refused at once.
 */
#ifndef PEER_SITES_H
#define PEER_SITES_H

#include "base/err.h"
#include "base/str.h"

#define PEER_RTT_UNKNOWN UINT32_MAX
#define PEER_SIGNS_UP    2

enum peer_site_state { PEER_SITE_UNKNOWN, PEER_SITE_UP, PEER_SITE_SUSPECT, PEER_SITE_DOWN };

struct peer_sites;

/* Sites 0 to n-1 in the order of the configuration; `self` is always up and 0 us away. */
int peer_sites_create(struct peer_sites **out, size_t n, size_t self, uint32_t suspect_ms,
                      uint32_t down_ms, uint64_t now_ms) MUST_USE;
void peer_sites_destroy(struct peer_sites **s);

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

/* ---- the control loop */

/* Anything came from the site. */
void peer_sites_heard(struct peer_sites *s, size_t site, uint64_t now_ms);
/* A round trip was measured (RFC 6298: smoothed by 1/8, deviation by 1/4). */
void peer_sites_sample(struct peer_sites *s, size_t site, uint32_t us);
/* The site refused or could not be reached: the row of good signs is broken; a site that was never
 * heard of is down. */
void peer_sites_failed(struct peer_sites *s, size_t site, uint64_t now_ms);
/* The row that another site published: from it to `to`. */
void peer_sites_published(struct peer_sites *s, size_t from, size_t to, uint32_t us);
/* Time has passed: silent sites become suspect and down. */
void peer_sites_tick(struct peer_sites *s, uint64_t now_ms);

#endif
