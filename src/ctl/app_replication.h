/* ctl/app_replication.h: what a description says of replication, and what can come of it, for
 * `cheops app check`.
 *
 * Of a type: its types of operation with their effects, the pairs whose order is left to clocks,
 * those that leave replicas diverged for good, and the shortest history of up to
 * OP_SEARCH_OPERATIONS operations at two sites after which replicas differ. The search tries
 * OP_SEARCH_HISTORIES at most.
 */
#ifndef CTL_APP_REPLICATION_H
#define CTL_APP_REPLICATION_H

#include "app/app.h"

#include <jansson.h>

/* Lines for people, indented under the type's; none when nothing of the type is logged. */
void ctl_put_replication(struct out *o, const struct app_type *type);
/* The same as an object, or null. */
json_t *ctl_json_replication(const struct app_type *type);

#endif
