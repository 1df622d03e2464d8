/* proxy/clients.h: how much each client's address has open, over all loops.
 *
 * An IPv6 client is counted by its /64, the least that one gets. A shard's lock is held to find an
 * address's counter; whoever holds a place gives it back by the counter alone (base/counter.h). A
 * counter that is 0 is nobody's, and used for another address of its bucket. Memory is in the
 * number of places that are taken. Any thread.
 *
 *     rc = proxy_clients_take(clients, ip, 100, &place);
 *     counter_give(place);
 */
#ifndef PROXY_CLIENTS_H
#define PROXY_CLIENTS_H

#include "base/counter.h"
#include "rt/ip.h"

struct proxy_clients;

/* ERR_NO_MEMORY. */
int proxy_clients_create(struct proxy_clients **out) MUST_USE;
/* No place is taken any more. */
void proxy_clients_destroy(struct proxy_clients **c);
/* Takes a place of the address's `limit`; *place is given back with counter_give, and stays as
 * it was on ERR_LIMIT: all are taken; ERR_NO_MEMORY. */
int proxy_clients_take(struct proxy_clients *c, const struct rt_ip *ip, uint64_t limit,
                       struct counter **place) MUST_USE;
/* How many places the address has taken. */
uint64_t proxy_clients_of(struct proxy_clients *c, const struct rt_ip *ip);

#endif
