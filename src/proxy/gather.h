/* proxy/gather.h: a list of several sites: one transaction, a leg for each. Internal to proxy.
 *
 * GATHER is one state of the transaction with a smaller machine in each of its legs; what becomes
 * of them together gather_settle decides, what is written plan/gather.h makes.
 *
 *   CONNECT ──> HEAD ──> BODY ──> DONE            a leg that gives its part
 *     │ ^         │         └───> MISSING         it gave something else, or nothing in time
 *     └─┘         └──> MISSING, DONE (HEAD)
 *   (a reused connection broke, or the next candidate of the operand)
 *
 *   where a leg waits     for what                                  bounded by
 *   CONNECT               a place in the pool, TCP, TLS, greeting   connect
 *   HEAD                  the head of its answer                    service_head; otherwise, when
 *                                                                   it is not the last candidate
 *   BODY                  bytes, while the gatherer wants some      service_body
 *   and all before the answer's head: `timeout` of the scope
 *
 * Nothing is read of a leg that is ahead of the others, and of none while the client does not read.
 */
#ifndef PROXY_GATHER_H
#define PROXY_GATHER_H

#include "plan/gather.h"
#include "proxy/txn.h"

#define GATHER_TURN_BYTES (1024 * 1024) /* moved in one turn before others get theirs */

enum gather_leg_state {
    GATHER_LEG_CONNECT,
    GATHER_LEG_HEAD,
    GATHER_LEG_BODY,
    GATHER_LEG_DONE,
    GATHER_LEG_MISSING,
    GATHER_LEG_UNASKED, /* the marker says that nothing follows there */
};

/* One operand of the `&`. */
struct gather_leg {
    enum gather_leg_state state;
    size_t at, last; /* the candidate that is asked, and the last one: indexes into t->legs */
    struct http_client_conn *up;
    struct rt_waiter waiter;
    struct str target;
    struct h1_head *answer; /* in the arena: of an answer that is no list */
    uint64_t begun_us;      /* of the candidate; 0: it has not begun */
    uint64_t due_ms;        /* 0: it waits for nothing */
    unsigned n_interim;
    bool fresh; /* a reused connection broke: take a new one */
};

struct txn_gather {
    struct gather g;
    struct gather_source *sources;
    struct gather_leg *legs;
    struct gather_part *parts; /* what settle looked at last */
    size_t n;
    size_t lead;          /* the first whose head was a list's; n: none so far */
    struct h1_head *head; /* the lead's */
    struct str lines;     /* fields that every leg gets instead of some of the client's */
    uint64_t client_due_ms;
    uint64_t moved; /* bytes of this turn */
    bool begun, progressed;
};

/* gather.c, for txn.c and head.c: gives everything back; prints the legs; writes the sites that
 * gave their parts, or those that did not, each with the reason. t->gather may be NULL for the
 * first. */
void gather_finish(struct txn *t);
void gather_print(const struct txn *t, struct out *o);
void gather_put_sites(const struct txn *t, bool missing, struct out *o);

enum txn_verdict step_gather(struct txn *t);

/* leg.c: whether the present leg can be tried at all: 0, or why not, with the diagnostic set. */
int txn_can_try(struct txn *t);
/* relay.c: what the Cheops-Error of another site's Cheops means for its leg: ERR_SITE_REFUSED when
 * the service was not asked, else what became of the request, which may have been run. */
int txn_code_of_refusal(struct str name);
/* head.c: "200", "timeout", "down": how a leg ended. */
void txn_put_leg_end(const struct txn_leg *leg, struct out *o);

/* gather_head.c: what the legs' requests leave out and have instead: JSON as it is, whole.
 * ERR_NOT_ACCEPTABLE: the client takes no JSON. ERR_NO_MEMORY. The diagnostic is set. */
int gather_ask_for_json(struct txn *t);
/* Where each leg's page begins: from the client's marker. ERR_BAD_REQUEST, ERR_NO_MEMORY. */
int gather_read_marker(struct txn *t);
/* Whether the answer is a list in JSON as it is. */
bool gather_is_list(const struct h1_head *head);
/* Makes the head of one site's list that of all of them. */
void gather_change_head(struct h1_head *head);

/* gather_leg.c: goes on with a leg as far as it gets. 0, or why the whole answer breaks off. */
int gather_leg_run(struct txn *t, size_t i);
/* It gave nothing: the next candidate is asked, or its part is missing. */
void gather_leg_failed(struct txn *t, size_t i, int code);
/* Goes on to the first candidate, from the present one on, that no other leg asks. False: none. */
bool gather_leg_choose(struct txn *t, size_t i);

#endif
