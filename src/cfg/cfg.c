#include "cfg/cfg.h"
#include "cfg/file.h"
#include "cfg/site.h"
#include "scope/scope.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define CFG_ARENA (32u << 20)

int cfg_check_site_name(struct yaml_reader *r, const struct yaml *n)
{
    if (scope_is_site_name(n->text))
        return 0;
    return yaml_error(
        n, r->file, r->d,
        "'%.*s' is not a site name: letters, digits, '_', and after the first '.' and '-', at most "
        "%d, and no word of the scope language",
        STR_ARG(str_sub(n->text, 0, 80)), SCOPE_MAX_NAME);
}

/* ---- time-outs and limits, from their tables */

static const struct yaml_key timeout_keys[] = {
#define CFG_TIMEOUT(member, key, ms, words)                                                        \
    {key, YAML_DURATION, offsetof(struct cfg_timeouts, member##_ms), 1, 86400000, .text = words},
#include "cfg/timeouts.def"
#undef CFG_TIMEOUT
};

static const struct yaml_key limit_keys[] = {
#define CFG_LIMIT(member, key, value, min, max, words)                                             \
    {key, YAML_SIZE, offsetof(struct cfg_limits, member), min, max, .text = words},
#include "cfg/limits.def"
#undef CFG_LIMIT
};

static const struct cfg_timeouts default_timeouts = {
#define CFG_TIMEOUT(member, key, ms, words) .member##_ms = ms,
#include "cfg/timeouts.def"
#undef CFG_TIMEOUT
};

static const struct cfg_limits default_limits = {
#define CFG_LIMIT(member, key, value, min, max, words) .member = value,
#include "cfg/limits.def"
#undef CFG_LIMIT
};

static struct cfg *cfg_of(struct yaml_reader *r)
{
    return ((struct site_reading *)r->context)->cfg;
}

static int read_timeouts(struct yaml_reader *r, const struct yaml *n, void *o)
{
    (void)o;
    return yaml_read(r, n, timeout_keys, COUNT_OF(timeout_keys), &cfg_of(r)->timeouts);
}

static int read_limits(struct yaml_reader *r, const struct yaml *n, void *o)
{
    (void)o;
    return yaml_read(r, n, limit_keys, COUNT_OF(limit_keys), &cfg_of(r)->limits);
}

/* ---- the top */

static int read_site_name(struct yaml_reader *r, const struct yaml *n, void *o)
{
    struct cfg *c = o;
    int rc = yaml_text(r, n, &c->site);
    return rc < 0 ? rc : cfg_check_site_name(r, n);
}

static int read_application(struct yaml_reader *r, const struct yaml *n, void *o)
{
    struct cfg *c = o;
    struct str path;
    int rc = yaml_text(r, n, &path);
    if (rc < 0)
        return rc;
    path = cfg_file_relative(r->arena, r->file, path);
    rc = path.p ? cfg_read_app(path.p, r->arena, &c->app, r->d) : ERR_NO_MEMORY;
    if (rc == ERR_CONFIG && r->d && !r->d->line)
        snprintf(r->d->file, sizeof r->d->file, "%s", r->file), r->d->line = n->line,
                                                                r->d->column = n->column;
    return rc;
}

static int read_admin(struct yaml_reader *r, const struct yaml *n, void *o)
{
    static const struct yaml_key keys[] = {
        {"socket", YAML_TEXT, offsetof(struct cfg, admin_socket), .required = true,
         .text = "path of the Unix socket"},
        {"group", YAML_TEXT, offsetof(struct cfg, admin_group), .text = "who may read: its group"},
    };
    return yaml_read(r, n, keys, COUNT_OF(keys), o);
}

static int read_log(struct yaml_reader *r, const struct yaml *n, void *o)
{
    static const struct yaml_key keys[] = {
        {"access", YAML_TEXT, offsetof(struct cfg, access_log),
         .text = "file of the access log, or - for standard error"},
    };
    return yaml_read(r, n, keys, COUNT_OF(keys), o);
}

static int skip(struct yaml_reader *r, const struct yaml *n, void *o)
{
    (void)r, (void)n, (void)o;
    return 0;
}

static int read_workers(struct yaml_reader *r, const struct yaml *n, void *o)
{
    uint64_t v;
    if (n->kind != YAML_SCALAR || str_digits(n->text, 256, &v) < 0 || v == 0)
        return yaml_error(n, r->file, r->d, "'workers' must be a number from 1 to 256");
    ((struct cfg *)o)->workers = (unsigned)v;
    return 0;
}

/* In two passes: the rest refers to the site's name and the application. */
static const struct yaml_key first_keys[] = {
    {"site", YAML_CUSTOM, .read = read_site_name, .required = true, .text = "this site's name"},
    {"application", YAML_CUSTOM, .read = read_application, .required = true,
     .text = "file of the application description"},
    {"workers", YAML_CUSTOM, .read = read_workers, .text = "worker loops; left out: one a core"},
    {"listeners", YAML_CUSTOM, .read = skip, .required = true, .text = "where clients connect to"},
    {"services", YAML_CUSTOM, .read = skip, .text = "where this site's service instances are"},
    {"peers", YAML_CUSTOM, .read = skip, .text = "other sites; left out: this site is alone"},
    {"admin", YAML_CUSTOM, .read = read_admin, .text = "the admin API"},
    {"log", YAML_CUSTOM, .read = read_log, .text = "logs"},
    {"timeouts", YAML_CUSTOM, .read = read_timeouts, .text = "time-outs"},
    {"limits", YAML_CUSTOM, .read = read_limits, .text = "limits"},
};

static int read_second(struct yaml_reader *r, const struct yaml *top, struct cfg *c)
{
    static const struct {
        const char *name;
        int (*read)(struct yaml_reader *r, const struct yaml *n, void *o);
    } parts[] = {
        {"services", cfg_read_instances}, /* first: their names are looked up before other sites' */
        {"listeners", cfg_read_listeners},
        {"peers", cfg_read_peers},
    };
    int rc = 0;
    c->instances = arena_zalloc(r->arena, (c->app->n_services + 1) * sizeof *c->instances);
    c->sites = arena_zalloc(r->arena, sizeof *c->sites);
    if (!c->instances || !c->sites)
        return diag_set(r->d, ERR_NO_MEMORY, "%s is too large", r->file);
    c->sites[0] = (struct cfg_site){.name = c->site, .allow_kinds = ~0u};
    c->n_sites = 1;
    for (size_t i = 0; i < COUNT_OF(parts) && rc == 0; i++) {
        const struct yaml *key = yaml_get(top, str_of(parts[i].name));
        if (key)
            rc = parts[i].read(r, key->value, c);
    }
    return rc;
}

int cfg_read(const char *path, struct cfg **out, struct diag *d)
{
    struct str text;
    struct yaml *top;
    struct cfg *c = calloc(1, sizeof *c);
    if (!c)
        return diag_set(d, ERR_NO_MEMORY, "no memory to read %s", path);
    atomic_init(&c->refs, 1);
    arena_init(&c->arena, NULL, 0, CFG_ARENA);
    c->timeouts = default_timeouts;
    c->limits = default_limits;
    c->admin_group = STR("cheops");
    c->file = arena_str(&c->arena, str_of(path));
    struct site_reading x = {c};
    struct yaml_reader r = {path, &c->arena, d, &x};
    int rc = cfg_file_read(path, &c->arena, &text, d);
    if (rc == 0)
        rc = yaml_parse(text, path, &c->arena, &top, d);
    if (rc == 0)
        rc = yaml_read(&r, top, first_keys, COUNT_OF(first_keys), c);
    if (rc == 0)
        rc = read_second(&r, top, c);
    if (rc == 0 && arena_overflowed(&c->arena))
        rc = diag_set(d, ERR_NO_MEMORY, "%s is too large", path);
    if (rc < 0)
        cfg_unref(&c);
    *out = c;
    return rc;
}

struct cfg *cfg_ref(struct cfg *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

static void destroy(struct cfg *c)
{
    for (size_t i = 0; i < c->n_listeners; i++)
        rt_tls_unref(&c->listeners[i].tls);
    for (size_t i = 0; c->instances && i < c->app->n_services; i++) {
        rt_name_unref(&c->instances[i].name);
        rt_tls_unref(&c->instances[i].tls);
    }
    for (size_t i = 0; i < c->n_sites; i++)
        rt_name_unref(&c->sites[i].address);
    rt_tls_unref(&c->peers.server);
    rt_tls_unref(&c->peers.client);
    arena_fini(&c->arena);
    free(c);
}

void cfg_unref(struct cfg **cp)
{
    struct cfg *c = *cp;
    *cp = NULL;
    if (c && atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1)
        destroy(c);
}

const struct cfg_instance *cfg_instance_of(const struct cfg *c, const struct app_service *service)
{
    const struct cfg_instance *i = &c->instances[service->index];
    return i->service ? i : NULL;
}

const struct app_service *cfg_service_at(const struct cfg *c, unsigned port)
{
    for (size_t i = 0; i < c->n_listeners; i++) {
        const struct rt_address *a = &c->listeners[i].address;
        bool is_tcp = a->sa.sa_family == AF_INET || a->sa.sa_family == AF_INET6;
        /* Port and family are at the same place for both. */
        if (is_tcp && ntohs(a->in.sin_port) == port && c->listeners[i].service)
            return c->listeners[i].service;
    }
    return NULL;
}

long cfg_site_find(const struct cfg *c, struct str name)
{
    for (size_t i = 0; i < c->n_sites; i++)
        if (str_eq(c->sites[i].name, name))
            return (long)i;
    return -1;
}

/* ---- the commented example (`cheops init`) */

static void put_keys(struct out *o, const char *indent, const struct yaml_key *keys, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out_fmt(o, "#%s%s: %s%s%s\n", indent, keys[i].name, keys[i].choices ? keys[i].choices : "…",
                "   # ", keys[i].text);
}

void cfg_write_example(struct out *o, struct str site)
{
    out_fmt(o,
            "# The configuration of one site of Cheops: cheops.yaml(5).\n"
            "# Paths are relative to this file. Check it with: cheopsd --check-config FILE\n\n"
            "site: %.*s\napplication: /usr/share/cheops/apps/openstack.yaml\n#workers: 2\n\n",
            STR_ARG(site));
    OUT(o, "# Where clients connect to.\nlisteners:\n"
           "  - {address: \"127.0.0.1:5000\", service: identity}\n"
           "  - {address: \"127.0.0.1:9292\", service: image}\n");
    put_keys(o, "    ", cfg_listener_keys, cfg_n_listener_keys);
    OUT(o, "\n# Where the service instances of this site are.\nservices:\n"
           "  identity: {url: \"http://127.0.0.1:15000\"}\n"
           "  image: {url: \"http://127.0.0.1:19292\"}\n");
    put_keys(o, "    ", cfg_instance_keys, cfg_n_instance_keys);
    OUT(o, "\n# Other sites. `cheops ca init` and `cheops ca issue SITE` make the certificates.\n"
           "#peers:\n");
    put_keys(o, "  ", cfg_peers_keys, cfg_n_peers_keys);
    OUT(o, "#    Paris:\n");
    put_keys(o, "      ", cfg_site_keys, cfg_n_site_keys);
    OUT(o, "\nadmin: {socket: /run/cheops/admin.sock, group: cheops}\n"
           "log: {access: /var/log/cheops/access.log}\n\n#timeouts:\n");
#define CFG_TIMEOUT(member, key, ms, words) out_fmt(o, "#  %s: %dms   # %s\n", key, ms, words);
#include "cfg/timeouts.def"
#undef CFG_TIMEOUT
    OUT(o, "\n#limits:\n");
#define CFG_LIMIT(member, key, value, min, max, words)                                             \
    out_fmt(o, "#  %s: %llu   # %s\n", key, (unsigned long long)(value), words);
#include "cfg/limits.def"
#undef CFG_LIMIT
}
