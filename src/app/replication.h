/* app/replication.h: what replication needs to know of a resource type (docs/design.md sections 4
 * and 5; docs/app-description.md, "What replication needs to know").
 *
 * Pure. Read with the description, immutable afterwards. A type of operation is a number in the
 * type's matrix; numbers follow the names, so they are the same wherever the names are. What
 * outlives the description keeps the name.
 *
 *     app_classify(service, &request, &c);
 *     int type = app_operation_of(&c);
 *     if (type >= 0)
 *         effects = &c.type->replication.matrix.types[type];
 *     …
 *     if (app_is_done(c.type, type, status) && app_created_id(&c, body, &id) == 0)
 *         …
 */
#ifndef APP_REPLICATION_H
#define APP_REPLICATION_H

#include "base/out.h"
#include "op/matrix.h"

#define APP_MAX_DONE 4 /* statuses of one operation type */

struct app;
struct app_class;
struct app_rule;
struct app_type;

/* Where an identifier of another resource stands. */
enum app_place {
    APP_IN_PATH,  /* `name` is a variable of the path */
    APP_IN_QUERY, /* a query parameter */
    APP_IN_BODY,  /* a pattern: a JSON Pointer in which '*' stands for each element of an array */
    APP_IN_ITEM,  /* the same in an item of a list answer */
};

struct app_reference {
    const struct app_type *type; /* whose identifier it is */
    enum app_place place;
    struct str name;
};

/* A member of a create's request, and the parameter by which a list selects what has its value. */
struct app_marker {
    struct str member, query;
};

/* A type of operation that is logged, beside what the matrix says of it. */
struct app_operation {
    const struct app_rule *rule; /* the first of its name */
    unsigned done[APP_MAX_DONE]; /* statuses that count as done, beside 2xx */
    size_t n_done;
};

/* Of one resource type. The arrays are sorted, so their order in the file does not show. */
struct app_replication {
    struct op_matrix matrix;          /* n is 0: nothing of this type is logged */
    struct app_operation *operations; /* by their numbers; none for the built-in snapshot */
    struct str visible;               /* form of identifiers that clients see; absent: not needed */
    struct app_marker *markers;       /* all of them find what a create made; none: nothing does */
    size_t n_markers;
    const struct app_rule *transfer_read, *transfer_write; /* NULL: states are not transferred */
    struct str *ignored; /* patterns of what legitimately differs between replicas (`volatile`) */
    size_t n_ignored;
    struct str *links; /* patterns of URLs in answers whose paths hold identifiers */
    size_t n_links;
    struct app_reference *references; /* the type's own, then those of its service */
    size_t n_references;
    uint64_t digest; /* of all that replication depends on; set by cfg */
};

/* Makes a type's matrix: the pairs that are described, and of the standard matrix those that are
 * described in neither order. Errors are those of op_matrix_make. */
int app_matrix_make(const struct op_rules *described, struct arena *arena, struct op_matrix *out,
                    struct diag *d) MUST_USE;

/* The number of the request's type of operation; -1: it is none that is logged (a read, a list, one
 * that the description excludes). What the body decides is known when c->needs_body is false. */
int app_operation_of(const struct app_class *c);
/* The number of the type of operation with that name, -1: none. The built-in one is found. */
int app_operation_find(const struct app_type *type, struct str name);

/* Whether an answer with that status means that the operation has done what it does: 2xx, 404 to a
 * delete, and what the description adds. */
bool app_is_done(const struct app_type *type, unsigned operation, unsigned status);

/* Writes the identifier of what a create has made, as a path has it after decoding: the path's own
 * where the create names the resource there, else what the answer has at the type's pointer.
 * ERR_NOT_FOUND: it is at neither place. ERR_INVALID: what is there is no identifier (an empty
 * text, an object, the body is no JSON). */
int app_created_id(const struct app_class *c, struct str answer, struct out *id) MUST_USE;
/* The identifier that a client gives in a create's request body; errors as above. */
int app_client_id(const struct app_class *c, struct str request, struct out *id) MUST_USE;

/* Writes all that replication of a type depends on, as a text that only changes when that does:
 * what the digest is made of. */
void app_replication_put(const struct app *app, const struct app_type *type, struct out *o);

#endif
