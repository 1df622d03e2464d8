/* proxy/explain.h: the plan of a request that is not run, as this site would make it now. */
#ifndef PROXY_EXPLAIN_H
#define PROXY_EXPLAIN_H

#include "cfg/cfg.h"
#include "peer/sites.h"
#include "plan/explain.h"

/* What is asked; see struct plan_explain. */
struct proxy_explain {
    struct str scope;          /* absent: what the request carries */
    struct str method, target; /* origin-form, or a URL */
    struct str service;        /* absent: recognised */
    const struct str *fields;  /* "Name: value" */
    size_t n_fields;
    bool as_json;
};

/* Writes the plan, with the states and round trips that are known now; any thread. On errors
 * nothing is written; *failure is for plan_explain_error. */
int proxy_explain(const struct cfg *cfg, const struct peer_sites *sites,
                  const struct proxy_explain *e, struct arena *a, struct out *o,
                  struct plan_explain_failure *failure) MUST_USE;

/* How a plan sees the sites: `names` (of cfg->n_sites) and `sites` must live as long. */
struct plan_sites proxy_plan_sites(const struct cfg *cfg, const struct str *names,
                                   const struct peer_sites *sites);

#endif
