/* Reads a site's configuration (cheops.yaml(5)) into a snapshot. */
#include "cfg/file.h"
#include "cfg/site.h"

#include <stdatomic.h>
#include <stdlib.h>

#define CFG_ARENA   (32u << 20)
#define MAX_WORKERS 256

/* ---- time-outs and limits, from their tables */

static const struct yaml_key timeout_keys[] = {
#define CFG_TIMEOUT(member, key, standard, words)                                                  \
    {key,          YAML_DURATION,    offsetof(struct cfg_timeouts, member##_ms),                   \
     .least = 1,   .most = 86400000, .value = standard,                                            \
     .text = words},
#include "cfg/timeouts.def"
#undef CFG_TIMEOUT
};
static const struct yaml_table timeout_table = {"mapping of time-outs", timeout_keys,
                                                COUNT_OF(timeout_keys)};

static const struct yaml_key limit_keys[] = {
#define CFG_LIMIT(member, key, type, standard, min, max, words)                                    \
    {key,          YAML_##type, offsetof(struct cfg_limits, member),                               \
     .least = min, .most = max, .value = standard,                                                 \
     .text = words},
#include "cfg/limits.def"
#undef CFG_LIMIT
};
static const struct yaml_table limit_table = {"mapping of limits", limit_keys,
                                              COUNT_OF(limit_keys)};

/* ---- the rest of the top */

static const struct yaml_key admin_keys[] = {
    {"socket", YAML_TEXT, offsetof(struct cfg, admin_socket), .required = true, .noun = "path",
     .example = "/run/cheops/admin.sock", .text = "the Unix socket; its mode is 0660"},
    {"group", YAML_TEXT, offsetof(struct cfg, admin_group), .noun = "group", .example = "cheops",
     .text = "its group: who may read; left out: cheops, if there is such a group"},
};
static const struct yaml_table admin_table = {"admin API", admin_keys, COUNT_OF(admin_keys)};

static const struct yaml_key log_keys[] = {
    {"access", YAML_TEXT, offsetof(struct cfg, access_log), .noun = "path",
     .example = "/var/log/cheops/access.log", .is_active = true,
     .text = "the access log, a JSON object a line; -: standard error; left out: none"},
};
static const struct yaml_table log_table = {"mapping of logs", log_keys, COUNT_OF(log_keys)};

static int read_site_name(struct yaml_reader *r, const struct yaml *n, void *o)
{
    struct cfg *c = o;
    int rc = yaml_text(r, n, &c->site);
    if (rc == 0)
        rc = cfg_check_site_name(r, n);
    if (rc == 0)
        rc = yaml_array(r, 1, sizeof *c->sites, &c->sites);
    if (rc < 0)
        return rc;
    c->sites[0] = (struct cfg_site){.name = c->site, .allow_kinds = ~0u};
    c->n_sites = 1;
    return 0;
}

static int read_application(struct yaml_reader *r, const struct yaml *n, void *o)
{
    struct cfg *c = o;
    struct str path;
    struct app *app = NULL;
    struct diag d = {0};
    int rc = yaml_text(r, n, &path);
    if (rc < 0)
        return rc;
    path = c->app_file.p ? c->app_file : cfg_file_relative(r->arena, r->file, path);
    c->app_file = path;
    rc = path.p ? cfg_read_app(path.p, r->arena, &app, &d)
                : diag_set(&d, ERR_NO_MEMORY, "%s is too large", r->file);
    CHECK(rc < 0 || app);
    if (rc == 0)
        rc = yaml_array(r, app->n_services, sizeof *c->instances, &c->instances);
    if (rc == 0)
        c->app = app;
    else if (rc == ERR_CONFIG && !d.line)
        cfg_error_of(r, n, &d);
    else if (r->d && !r->d->code)
        *r->d = d;
    return rc;
}

/* In the order in which they are read: what refers to the site's name or the application stands
 * after them, and names of services are looked up before those of other sites. */
static const struct yaml_key top_keys[] = {
    {"site", YAML_READ_TEXT, .read = read_site_name, .required = true, .noun = "name",
     .example = "Nantes", .text = "this site's name, as scopes use it"},
    {"application", YAML_READ_TEXT, .read = read_application, .required = true, .noun = "path",
     .example = "/usr/share/cheops/apps/openstack.yaml",
     .text = "the application description; relative paths begin at the folder of this file"},
    {"workers", YAML_COUNT, offsetof(struct cfg, workers), .least = 1, .most = MAX_WORKERS,
     .example = "2", .text = "worker loops, each a thread; left out: one a core"},
    {"listeners", YAML_READ_LIST, .read = cfg_read_listeners, .table = &cfg_listener_table,
     .required = true, .text = "where clients connect to",
     .more = "- {address: \"127.0.0.1:9292\", service: image}"},
    {"services", YAML_READ_MAP, .read = cfg_read_instances, .table = &cfg_instance_table,
     .is_active = true, .example = "identity", .text = "where this site's service instances are",
     .more = "image: {url: \"http://127.0.0.1:19292\"}"},
    {"peers", YAML_READ_PART, .read = cfg_read_peers, .table = &cfg_peers_table,
     .text = "other sites; left out: this site is alone"},
    {"admin", YAML_PART, 0, .table = &admin_table, .is_active = true,
     .text = "the admin API; left out: none"},
    {"log", YAML_PART, 0, .table = &log_table, .is_active = true, .text = "logs"},
    {"confine", YAML_TRUTH, offsetof(struct cfg, confine), .value = "true",
     .text = "false: the daemon may open every file and make every system call that its user may"},
    {"timeouts", YAML_PART, offsetof(struct cfg, timeouts), .table = &timeout_table,
     .text = "how long each thing is waited for"},
    {"limits", YAML_PART, offsetof(struct cfg, limits), .table = &limit_table,
     .text = "the largest sizes and counts"},
};
const struct yaml_table cfg_site_table = {"site's configuration", top_keys, COUNT_OF(top_keys)};

int cfg_read_with(const char *path, const char *application, struct cfg **out, struct diag *d)
{
    struct str text;
    struct yaml *top;
    struct cfg *c = calloc(1, sizeof *c);
    *out = NULL;
    if (!c)
        return diag_set(d, ERR_NO_MEMORY, "no memory to read %s", path);
    atomic_init(&c->refs, 1);
    arena_init(&c->arena, NULL, 0, CFG_ARENA);
    c->file = arena_str(&c->arena, str_of(path));
    c->app_file = arena_str(&c->arena, str_of(application));
    struct yaml_reader r = {.file = path, .arena = &c->arena, .d = d, .context = c};
    int rc = cfg_file_read(path, &c->arena, &text, d);
    if (rc == 0) {
        c->digest = cfg_digest(text);
        rc = yaml_parse(text, path, &c->arena, &top, d);
    }
    if (rc == 0)
        rc = yaml_read(&r, top, &cfg_site_table, c);
    if (rc == 0 && arena_overflowed(&c->arena))
        rc = diag_set(d, ERR_NO_MEMORY, "%s is too large", path);
    if (rc < 0)
        cfg_unref(&c);
    *out = c;
    return rc;
}

int cfg_read(const char *path, struct cfg **out, struct diag *d)
{
    return cfg_read_with(path, NULL, out, d);
}
