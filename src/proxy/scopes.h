/* proxy/scopes.h: scopes that were read before, by their bytes.
 *
 * Clients send the same few scopes again and again, and a scope means the same as long as the
 * site's name and the service are the same: parsing, freezing and printing it is done once. One
 * table a worker's configuration, so without locks; bounded, a newer scope takes the place of an
 * older one.
 *
 *     rc = proxy_scopes_get(scopes, &question, &scope, &d);
 *     … scope->frozen, scope->text, valid until
 *     proxy_scope_unref(&scope);
 */
#ifndef PROXY_SCOPES_H
#define PROXY_SCOPES_H

#include "app/carrier.h"
#include "base/arena.h"
#include "base/diag.h"
#include "plan/plan.h"
#include "proxy/memory.h"
#include "scope/scope.h"

#define PROXY_SCOPES      256 /* kept at most */
#define PROXY_SCOPE_BYTES 256 /* longer ones are not kept */
#define PROXY_SCOPE_PLANS 8   /* kept with each */

struct proxy_scopes;

/* What a scope means for requests that one rule takes. */
struct proxy_scope_plan {
    const struct app_rule *rule;
    enum h1_method method;
    const struct plan *plan; /* in the scope's arena */
};

struct proxy_scope {
    unsigned refs;
    uint64_t hash;
    struct str written, service; /* what it was made of */
    struct scope *frozen;
    struct str text;               /* of frozen, canonical */
    struct app_scope_text encoded; /* the same */
    struct proxy_text *shared;     /* the same, for the correlation memory */
    struct proxy_scope_plan plans[PROXY_SCOPE_PLANS];
    size_t n_plans;
    struct arena arena;
};

struct proxy_scope_question {
    struct str written; /* as the request has it */
    struct str origin, service;
};

int proxy_scopes_create(struct proxy_scopes **out) MUST_USE;
void proxy_scopes_destroy(struct proxy_scopes **s);
/* On 0 gives a reference. Errors are those of scope_parse and scope_freeze, with *d set. */
int proxy_scopes_get(struct proxy_scopes *s, const struct proxy_scope_question *q,
                     struct proxy_scope **out, struct diag *d) MUST_USE;
/* The plan that was kept for requests of this class; NULL: none was. It is valid as long as the
 * scope, and for one application and one list of sites: scopes belong to a configuration. */
const struct plan *proxy_scope_plan(const struct proxy_scope *s, const struct app_class *class_,
                                    enum h1_method method);
/* Copies a plan into the scope, if it will be the same next time and there is room. */
void proxy_scope_keep(struct proxy_scope *s, const struct app_class *class_, enum h1_method method,
                      const struct plan *plan);
/* Takes the reference; *s becomes NULL. Harmless on NULL. */
void proxy_scope_unref(struct proxy_scope **s);

#endif
