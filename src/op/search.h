/* op/search.h: whether what a description declares lets replicas become different.
 *
 * Tries the histories of up to three operations at two sites that hear of each other late, with an
 * application that does the worst that the declared effects allow: what does not commute shows in
 * which order it ran, and what does not overwrite shows how often. Nothing fails and no answer is
 * lost, so what is found needs nothing but two clients at two sites. Pure; allocates only what a
 * few short logs need.
 *
 *     struct op_finding f;
 *     op_search(&matrix, &f);
 *     if (f.found != OP_FOUND_NOTHING)
 *         show(f.events, f.n);
 */
#ifndef OP_SEARCH_H
#define OP_SEARCH_H

#include "op/run.h"

#define OP_SEARCH_OPERATIONS 3
#define OP_SEARCH_HISTORIES  200000 /* that are tried at most */

enum op_found {
    OP_FOUND_NOTHING,
    OP_FOUND_DIVERGED, /* a replica ends diverged and says so */
    OP_FOUND_SILENT,   /* replicas differ and none says so: a fault of Cheops */
};

/* An operation of a history. */
struct op_event {
    unsigned site; /* 0, 1 */
    unsigned type;
    bool has_heard; /* before it the sites told each other all, and ran it */
};

struct op_finding {
    enum op_found found;
    bool is_cut;     /* not all histories were tried */
    bool is_created; /* the history begins with a resource that both sites hold */
    struct op_event events[OP_SEARCH_OPERATIONS];
    size_t n;
    unsigned site; /* where the replica differs, when all is heard */
    enum op_why why;
};

/* Finds the shortest such history. What a snapshot would settle is not one. */
void op_search(const struct op_matrix *m, struct op_finding *f);

/* Whether operations of a type leave replicas diverged for good as soon as two are concurrent: they
 * neither commute nor overwrite, and the state can neither be made anew, nor replaced, nor
 * transferred. */
bool op_only_diverges(const struct op_matrix *m, unsigned type);

/* Whether nothing but clocks orders concurrent operations of two types: they are not in the matrix,
 * which ranks neither, and neither supersedes the other. */
bool op_is_left_to_clocks(const struct op_matrix *m, unsigned a, unsigned b);

#endif
