/* plan/explain.h: from the text of a request to its printed plan, without running it.
 *
 * What `cheops explain` and the admin API have in common: the request is read as a listener would
 * read it (carriers too), classified, planned and printed. Pure.
 *
 *     struct plan_explain e = {.app = app, .sites = &sites,
 *                              .method = STR("GET"), .target = STR("/v2/images"),
 *                              .scope = STR("{image: Paris}")};
 *     plan_explain(&e, &arena, &out, &failure) < 0 ? plan_explain_error(&failure, json, &out) : …
 */
#ifndef PLAN_EXPLAIN_H
#define PLAN_EXPLAIN_H

#include "plan/plan.h"

struct plan_explain {
    const struct app *app;
    struct str service; /* its name; absent: recognised by the URL's port, host, or path */
    const struct plan_sites *sites; /* the origin is sites->self */
    const void *context;            /* handed to the two functions, which may be NULL */
    /* The service that a listener on that port is tied to; NULL: none. */
    const struct app_service *(*service_at)(const void *context, unsigned port);
    /* Whether a suffix may be set on credentials before that service (every credential check of it
     * passes its site's Cheops). */
    bool (*suffix_allowed)(const void *context, const struct app_service *service);
    struct str method, target; /* origin-form, or a URL */
    struct str scope;          /* absent: what the request carries */
    const struct str *fields;  /* "Name: value" */
    size_t n_fields;
    struct str note; /* of the caller, printed at the end; absent: none */
    bool as_json;
};

/* What went wrong, and the scope that the diagnostic points into (absent: none). */
struct plan_explain_failure {
    struct diag diag;
    struct str scope;
};

/* Writes the plan. Errors are those of a request: ERR_BAD_REQUEST, ERR_UNKNOWN_SERVICE,
 * ERR_SCOPE_…; nothing was written then. Carrier 7 (memory) is not asked. */
int plan_explain(const struct plan_explain *e, struct arena *arena, struct out *o,
                 struct plan_explain_failure *failure) MUST_USE;
/* Writes an error: for people its sentence, the place and the hint, each on lines of their own; as
 * JSON {"ok":false,"code":…,"status":…,"offset":…,"length":…,"message":…,"hint":…}. */
void plan_explain_error(const struct plan_explain_failure *failure, bool as_json, struct out *o);

#endif
