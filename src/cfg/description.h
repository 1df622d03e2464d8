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

struct description {
    struct app *app;
    struct app_service *service;                      /* being read */
    struct app_type *type;                            /* NULL: rules of the service itself */
    const struct app_template *collection, *item;     /* of that type */
    const struct yaml *places[DESCRIPTION_MAX_RULES]; /* of the service's rules */
    const struct yaml *services[APP_MAX_SERVICES];    /* their keys */
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
/* What a plain REST collection does, after the operations that were read. */
int description_add_standard_rules(struct yaml_reader *r, const struct yaml *at) MUST_USE;

int description_read_propagate(struct yaml_reader *r, const struct yaml *n, void *o);

extern const struct yaml_table description_rule_table, description_carriers_table,
    description_propagate_table, description_table; /* description_table is the whole file */

#endif
