/* peer/peer.h: site to site (design.md section 8, docs/peer-protocol.md).
 *
 * One struct peer a daemon, shared by its threads: who this site is, the states of the others, the
 * texts of the protocol. Worker loops use it to greet, to serve what peers ask, and to know who is
 * up; the control loop (peer/control.h) measures.
 */
#ifndef PEER_PEER_H
#define PEER_PEER_H

#include "cfg/cfg.h"
#include "http/client.h"
#include "peer/sites.h"

#define PEER_PROTOCOL_MIN 1
#define PEER_PROTOCOL_MAX 1
/* Bytes of the body of a message of the protocol, and of its answer's. */
#define PEER_MESSAGE_MAX 16384

struct peer;

/* Threads that use the peer see the snapshot's sites; cfg is referenced. What `old` (NULL: none)
 * knows of sites that have the same name is taken over: a reload begins with it. Gives one
 * reference. */
int peer_create(struct peer **out, struct cfg *cfg, const struct peer *old,
                struct diag *d) MUST_USE;
struct peer *peer_ref(struct peer *p);
void peer_unref(struct peer **p);

struct peer_sites *peer_sites_of(struct peer *p);
const struct cfg *peer_cfg(const struct peer *p);

/* The request that begins every connection to another site: POST /cheops/hello, whole. */
struct str peer_greeting(const struct peer *p);
/* For struct http_pool.on_greeted; pool->context is the struct peer_target. Judges the answer: 0,
 * or ERR_PEER_VERSION, ERR_PEER_UNKNOWN, … with d set. */
struct peer_target {
    struct peer *peer;
    size_t site; /* which one is called: its certificate must bear its name */
};
int peer_on_greeted(struct http_client_conn *c, const struct h1_head *answer, struct str body,
                    struct diag *d);

/* Whether another site's description of the application is the one here, byte for byte, by its last
 * hello. */
enum peer_description {
    PEER_DESCRIPTION_UNKNOWN,
    PEER_DESCRIPTION_SAME,
    PEER_DESCRIPTION_DIFFERS,
};
enum peer_description peer_description_of(const struct peer *p, size_t site);
/* End of validity of the certificate that a site showed last (of this site's own), seconds since
 * 1970; 0: none so far, or the links are plain. */
int64_t peer_not_after(const struct peer *p, size_t site);

#define PEER_CLOCK_UNKNOWN INT64_MIN
/* By how many milliseconds a site's clock is ahead of the one here (negative: behind), as the Date
 * of its last answer to a heartbeat tells, which counts in seconds: to half a second.
 * PEER_CLOCK_UNKNOWN. */
int64_t peer_clock_ms(const struct peer *p, size_t site);

/* ---- the list of revoked certificates, which travels on control */

/* The number of a site's list of the CA (rt/revoked.h): of this site the one in use, of others the
 * one that they told last. 0: none, or not known. */
uint64_t peer_list_number(const struct peer *p, size_t site);
/* Whether a stream's certificate is on the list here; context is the struct peer. For
 * http_server_cut and http_pool_cut, after the list has changed. */
bool peer_is_revoked(const struct rt_stream *s, void *peer);

/* ---- the peers' listener */

/* What a request that came in on the peers' listener is. */
enum peer_request {
    PEER_REQUEST_ANSWERED, /* of the protocol itself, or refused: the answer is in *answer */
    PEER_REQUEST_LEG,      /* a leg, from *site: the caller runs it */
};

struct peer_answer {
    unsigned status;
    struct diag diag; /* code 0, or the error that it reports */
    struct str body;  /* in the exchange's arena; may be empty */
    bool is_list;     /* the body is a revocation list in DER, otherwise JSON */
    bool close;       /* the connection is not kept */
};

/* Decides on a request whose body (of requests of the protocol, at most PEER_MESSAGE_MAX) is
 * `body`. Which site asks is what the connection's hello said, which must be what its certificate
 * says; a plain listener has only the hello. A certificate that was taken under an earlier
 * configuration or revocation list is verified anew, once: it may be revoked. Reads and sets
 * conn->peer_site. */
enum peer_request peer_serve(struct peer *p, struct http_exchange *x, struct str body, size_t *site,
                             struct peer_answer *answer);
/* How many connections and legs a site has here, of `site_connections` and `site_legs`. */
uint64_t peer_connections_of(const struct peer *p, size_t site);
uint64_t peer_legs_of(const struct peer *p, size_t site);
/* Takes one of the site's places for legs: counter_give(*place) gives it back, also when the peer
 * has ended by then. ERR_OVERLOADED: all are taken. */
int peer_leg_begin(struct peer *p, size_t site, struct counter **place, struct diag *d) MUST_USE;
/* Whether such a request's body must be read before peer_serve. */
bool peer_wants_body(const struct http_exchange *x);

/* ---- legs: the field Cheops-Leg (RFC 8941 dictionary) */

#define PEER_LEG_DEADLINE_MAX_MS 3600000

struct peer_leg {
    struct str service;   /* name */
    uint64_t transaction; /* its identifier, the same at every site */
    struct str scope;     /* frozen, canonical */
    uint64_t deadline_ms; /* left of the scope's timeout */
};

void peer_leg_write(const struct peer_leg *leg, struct out *o);
/* *out borrows the value and the arena. What it takes is what a site writes: each member once, a
 * scope that is frozen and canonical. ERR_BAD_REQUEST with the member in d, ERR_NO_MEMORY. */
int peer_leg_parse(struct str value, struct arena *a, struct peer_leg *out,
                   struct diag *d) MUST_USE;

/* Whether `site` may have a leg of this service and kind run here (cfg `allow`). */
bool peer_is_allowed(const struct cfg *cfg, size_t site, const struct app_service *service,
                     unsigned kind);

#endif
