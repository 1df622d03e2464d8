/* app/matcher.h: the compiled form of a service's rules, for classify.c and its tests only.
 *
 * A tree over path segments with at most one way down for each segment of a path: where a node has
 * literals and a variable, what lies under the variable was copied under each literal that the
 * variable would match. So a match never goes back, and costs one search among a node's literals
 * for each segment.
 */
#ifndef APP_MATCHER_H
#define APP_MATCHER_H

#include "app/classify.h"

#define MATCHER_MAX_NODES 16384

/* Rules whose template ends at a place, in the order of the description. */
struct matcher_rule {
    const struct app_rule *rule;
    uint32_t order;
    struct matcher_rule *next;
};

struct matcher_edge {
    struct str literal;
    struct matcher_node *to;
};

struct matcher_node {
    struct matcher_edge *literals; /* sorted by uri_segment_cmp */
    size_t n_literals, cap_literals;
    struct matcher_node *variable;
    struct matcher_rule *here; /* templates that end at this node */
    struct matcher_rule *rest; /* {name...}: one or more further segments, each of which could stand
                                * for a variable */
};

struct app_matcher {
    struct matcher_node root;
    size_t n_nodes;
};

/* The literal child that a segment names; NULL: none. */
struct matcher_node *matcher_literal(const struct matcher_node *n, struct str segment);

#endif
