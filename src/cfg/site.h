/* cfg/site.h: the parts of a site's configuration and their tables of keys. Internal to cfg. */
#ifndef CFG_SITE_H
#define CFG_SITE_H

#include "cfg/cfg.h"
#include "cfg/table.h"

/* The reader's context. */
struct site_reading {
    struct cfg *cfg;
};

int cfg_read_listeners(struct yaml_reader *r, const struct yaml *n, void *o);
int cfg_read_instances(struct yaml_reader *r, const struct yaml *n, void *o);
int cfg_read_peers(struct yaml_reader *r, const struct yaml *n, void *o);
/* A name that the scope language can bear, and none of its own words. */
int cfg_check_site_name(struct yaml_reader *r, const struct yaml *n);

extern const struct yaml_key cfg_listener_keys[], cfg_instance_keys[], cfg_peers_keys[],
    cfg_site_keys[];
extern const size_t cfg_n_listener_keys, cfg_n_instance_keys, cfg_n_peers_keys, cfg_n_site_keys;

#endif
