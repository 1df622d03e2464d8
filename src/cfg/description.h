/* cfg/description.h: the parts of an application description. Internal to cfg.
 *
 * The context of the reader is a struct description: what is being read.
 */
#ifndef CFG_DESCRIPTION_H
#define CFG_DESCRIPTION_H

#include "app/app.h"
#include "cfg/table.h"

#define DESCRIPTION_MAX_TYPES 256  /* of a service */
#define DESCRIPTION_MAX_RULES 1024 /* of a service, the standard ones counted */

#define DESCRIPTION_MAX_OPERATIONS 128 /* types of operation of a type that change it */

/* What a description says that an operation does. */
struct description_effects {
    bool replaces, overwrites, makes, is_replicated;
    struct str *commutes, *done;
    size_t n_commutes, n_done;
};

/* A type of operation of the resource type that is being read. */
struct description_operation {
    const struct app_rule *rule; /* the first of its name */
    const struct yaml *node;     /* its mapping; NULL: a standard one */
    struct description_effects effects;
};

/* A reference whose type is looked for when all types are known. */
struct description_reference {
    struct app_reference *to;
    const struct app_service *service;
    const struct yaml *name; /* of the type */
    struct description_reference *next;
};

/* The keys of a resource type that only replication reads. */
struct description_replication {
    const struct yaml *resolution; /* NULL: the standard matrix alone */
    struct op_pair *pairs;         /* of it */
    size_t n_pairs;
    bool can_remake;
    struct str transfer_read, transfer_write; /* names of operations; write absent: no transfer */
};

struct description {
    struct app *app;
    struct app_service *service;                      /* being read */
    struct app_type *type;                            /* NULL: rules of the service itself */
    const struct app_template *collection, *item;     /* of that type */
    const struct yaml *places[DESCRIPTION_MAX_RULES]; /* of the service's rules */
    const struct yaml *services[APP_MAX_SERVICES];    /* their keys */
    struct description_operation operations[DESCRIPTION_MAX_OPERATIONS]; /* of the type */
    size_t n_operations;
    struct description_replication *replication; /* of the type */
    struct description_reference *references;    /* of all types and services */
};

static inline struct description *description_of(const struct yaml_reader *r)
{
    return r->context;
}

/* What a name of a service, a type or a variable looks like, at most 63 bytes. */
bool description_is_name(struct str s);
bool description_is_pointer(struct str s); /* JSON Pointer */
bool description_is_field(struct str s);   /* field name */

/* A path template of its own. */
int description_read_template(struct yaml_reader *r, const struct yaml *n,
                              struct app_template *t) MUST_USE;
/* A list of operations; those of a type are told from those of the service by x->type. */
int description_read_rules(struct yaml_reader *r, const struct yaml *n, void *o);
/* What a plain REST collection does, after the operations that were read; `which`: the bits 1 <<
 * index in DESCRIPTION_STANDARD. */
#define DESCRIPTION_STANDARD "create|list|read|replace|update|delete"
int description_add_standard_rules(struct yaml_reader *r, const struct yaml *at,
                                   unsigned which) MUST_USE;

/* ---- replication (cfg/effects.c, cfg/replication.c) */

int description_read_resolution(struct yaml_reader *r, const struct yaml *n, void *o);
int description_read_markers(struct yaml_reader *r, const struct yaml *n, void *o);
/* Of a type or, when x->type is NULL, of the service. */
int description_read_references(struct yaml_reader *r, const struct yaml *n, void *o);
bool description_is_visible(struct str s);
bool description_is_status(struct str s);

/* Notes what an operation that was read, or a standard one, does. `node` is its mapping; NULL: it
 * is a standard one. */
int description_add_effects(struct yaml_reader *r, const struct yaml *node,
                            const struct app_rule *rule,
                            const struct description_effects *effects) MUST_USE;
/* The type of operation with that name, of the type that is being read; NULL: none. */
struct description_operation *description_find_operation(struct description *x, struct str name);
/* Numbers what is logged, and makes the matrix. `key` is the type's. */
int description_make_operations(struct yaml_reader *r, const struct yaml *key,
                                struct app_type *type) MUST_USE;
/* The same, and what else replication needs of a type that was read. */
int description_finish_type(struct yaml_reader *r, const struct yaml *key,
                            struct app_type *type) MUST_USE;
/* Finds the types that references name, joins those of services, and makes the digests. */
int description_finish_replication(struct yaml_reader *r, struct app *app) MUST_USE;

extern const struct yaml_table description_resolution_table, description_marker_table,
    description_transfer_table, description_reference_table;

int description_read_propagate(struct yaml_reader *r, const struct yaml *n, void *o);

extern const struct yaml_table description_rule_table, description_carriers_table,
    description_propagate_table, description_table; /* description_table is the whole file */

#endif
