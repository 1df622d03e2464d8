/* proxy/outlive.h: a transaction that goes on under a configuration of its own.
 *
 * A stream may live for days, and the snapshot that it began with is not kept for it: once its
 * answer flows, a transaction whose configuration is no longer the newest copies the few things
 * that it still needs into its arena, moves its connection out of the pools of that time, and lets
 * the snapshot go. What reads names and time-outs of any transaction asks here.
 */
#ifndef PROXY_OUTLIVE_H
#define PROXY_OUTLIVE_H

#include "proxy/txn.h"

/* Of one leg: what it is called in the log, and counted under. */
struct txn_own_leg {
    struct str site;
    uint16_t site_number;
};

/* What is still needed of a configuration that was let go. */
struct txn_own {
    struct cfg_timeouts timeouts;
    struct str service, type, from; /* names; absent: there is none */
    uint16_t service_number;
    struct txn_own_leg *legs;
};

/* Lets the configuration go if it is an earlier one and the answer flows, with all of the request
 * sent. Without memory, or for a list that several sites make, it stays until the end. Not within a
 * step before the answer flows. */
void txn_outlive(struct txn *t);

const struct cfg_timeouts *txn_timeouts(const struct txn *t);
/* The leg whose answer the client gets, or that was asked last. */
static inline size_t txn_leg_at(const struct txn *t)
{
    return t->leg_at < t->n_legs ? t->leg_at : t->n_legs - 1;
}
/* Names; absent: it has none, or it is not known so far. */
struct str txn_service_name(const struct txn *t);
struct str txn_type_name(const struct txn *t);
struct str txn_from_name(const struct txn *t);
/* Of a leg's site, and the number that it is counted under. */
struct str txn_leg_name(const struct txn *t, size_t leg);
uint16_t txn_leg_number(const struct txn *t, size_t leg);
uint16_t txn_service_number(const struct txn *t);

#endif
