/* The order of operations once more, as docs/design.md says it and as slowly as that is. */
#ifndef REFERENCE_H
#define REFERENCE_H

#include "op/log.h"

#define MOST_OPERATIONS 400
#define MOST_ACTORS     5

struct history {
    const struct op_matrix *matrix;
    struct op_draft drafts[MOST_OPERATIONS]; /* in an order in which they can come; saw is below */
    uint64_t saw[MOST_OPERATIONS][MOST_ACTORS];
    uint32_t life[MOST_OPERATIONS];
    size_t n;
    struct str names[MOST_ACTORS];
    size_t n_actors;
};

/* Sets life[]. */
void reference_lives(struct history *h);
/* The list of the operations of which has[i] is true: indexes into drafts. Returns how many. */
size_t reference_order(const struct history *h, const bool *has, size_t *list);

#endif
