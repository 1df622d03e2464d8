/* proxy/explain.h: the plan of a request that is not run, for the admin API and for a live site. */
#ifndef PROXY_EXPLAIN_H
#define PROXY_EXPLAIN_H

#include "proxy/worker.h"

struct proxy_explain {
    struct str scope;          /* absent: none */
    struct str method, target; /* origin-form */
    struct str service;        /* absent: by the path's prefix */
};

/* Writes the plan as one JSON object. What is wrong with the scope is the result's code and d. */
int proxy_explain(const struct proxy_conf *c, const struct proxy_explain *e, struct arena *a,
                  struct out *o, struct diag *d) MUST_USE;

#endif
