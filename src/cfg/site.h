/* cfg/site.h: the parts of a site's configuration. Internal to cfg.
 *
 * The context of the reader is the struct cfg that is made. What refers to the site's name or to
 * the application stands after them in the table, so they have been read.
 */
#ifndef CFG_SITE_H
#define CFG_SITE_H

#include "cfg/cfg.h"
#include "cfg/table.h"

static inline struct cfg *cfg_of(const struct yaml_reader *r)
{
    return r->context;
}

int cfg_read_listeners(struct yaml_reader *r, const struct yaml *n, void *o);
int cfg_read_instances(struct yaml_reader *r, const struct yaml *n, void *o);
int cfg_read_peers(struct yaml_reader *r, const struct yaml *n, void *o);
/* A name that the scope language can bear, and none of its own words. */
int cfg_check_site_name(struct yaml_reader *r, const struct yaml *n) MUST_USE;
/* The service of a name at a node, or an error there with the nearest one. */
int cfg_find_service(struct yaml_reader *r, const struct yaml *at, struct str name,
                     const struct app_service **out) MUST_USE;
/* Sets the error of something that a node names, with what to do, at the node. */
int cfg_error_of(struct yaml_reader *r, const struct yaml *at, const struct diag *why);
/* Adds a warning at a node. */
void cfg_warn(struct yaml_reader *r, const struct yaml *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same files, seen from the configuration's folder. */
struct cfg_tls cfg_find_tls(struct yaml_reader *r, const struct cfg_tls *t);
/* `what` but the files of `t`, which were found, loaded; errors and warnings stand at `at`. */
int cfg_make_tls(struct yaml_reader *r, const struct yaml *at, const struct cfg_tls *t,
                 struct rt_tls_config what, struct rt_tls **out) MUST_USE;

extern const struct yaml_table cfg_listener_table, cfg_instance_table, cfg_peers_table,
    cfg_site_table; /* cfg_site_table is the whole file */

#endif
