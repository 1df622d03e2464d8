/* app/classify.h: what a request is for: service, resource type, kind of operation, identifier.
 *
 * Pure. A matcher is compiled once per service when a description is loaded: a tree over path
 * segments, so that matching costs the length of the path, not the number of rules.
 */
#ifndef APP_CLASSIFY_H
#define APP_CLASSIFY_H

#include "app/app.h"
#include "base/diag.h"
#include "base/err.h"

#define APP_MAX_VARIABLES 6

struct app_class {
    enum app_kind kind;          /* APP_OPAQUE when no rule matches */
    const struct app_rule *rule; /* NULL: opaque, or OPTIONS */
    const struct app_type *type; /* NULL: opaque, or meta of the service */
    struct str id;               /* of the resource, as sent; absent: none (app_id_segment) */
    size_t n_variables;
    struct str names[APP_MAX_VARIABLES];
    struct str values[APP_MAX_VARIABLES]; /* as sent, borrowed from the target */
    bool needs_body; /* a condition on a body member is open: call again with the body's start */
};

/* Compiles the rules of a service into service->matcher. ERR_CONFIG, with line and column of the
 * rule: one that is never reached, because an earlier one takes all of its requests or nothing is
 * matched as HEAD or OPTIONS; more than APP_MAX_VARIABLES; ERR_NO_MEMORY. */
int app_matcher_compile(struct app_service *service, struct arena *arena, struct diag *d) MUST_USE;

struct app_request {
    struct str method;
    struct str target;     /* origin-form, without the prefix of a carrier */
    struct str media_type; /* value of Content-Type; absent: none */
    struct str body;       /* what was read of it; absent: nothing so far */
    bool body_is_whole;    /* the body, or as much as peek_limit allows, is there */
};

/* HEAD is matched as GET; OPTIONS is always APP_META, of the type that its path belongs to; dot
 * segments, empty segments and %2F never match a variable. Never fails: what no rule describes is
 * APP_OPAQUE. With needs_body, kind and type are what holds without the open condition; call again
 * when the body, or as much of it as the limit allows, is there. */
void app_classify(const struct app_service *service, const struct app_request *r,
                  struct app_class *out);

/* The number of the segment in a rule's path that is the identifier of a resource of its type: the
 * place of the item template's last variable where the path begins as the item does, else the
 * variable of that name. -1: the path names no resource. */
ptrdiff_t app_id_segment(const struct app_rule *rule);

/* Which service a request on a listener that is not tied to one is for: by host (a name before a
 * pattern, a longer pattern before a shorter one), then longest prefix on a '/' border. `host` may
 * have a port, which does not count; `path` is without the query. NULL: none (unknown-service). */
const struct app_service *app_recognise(const struct app *app, struct str host, struct str path);

#endif
