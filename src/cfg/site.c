/* Reads a site's configuration (cheops.yaml(5)) into a snapshot. */
#include "cfg/site.h"
#include "cfg/file.h"

#include <sys/stat.h>

#define MAX_LISTENERS 64
#define MAX_SITES     1024

static struct cfg *cfg_of(struct yaml_reader *r)
{
    return ((struct site_reading *)r->context)->cfg;
}

static struct str file_path(struct yaml_reader *r, struct str path)
{
    return cfg_file_relative(r->arena, r->file, path);
}

static void warn(struct yaml_reader *r, const struct yaml *at, struct str what)
{
    struct cfg *c = cfg_of(r);
    if (c->n_warnings < COUNT_OF(c->warnings))
        c->warnings[c->n_warnings++] =
            arena_printf(r->arena, "%s:%u:%u: %.*s", r->file, at->line, at->column, STR_ARG(what));
}

/* ---- TLS */

struct tls_reading {
    struct str certificate, key, ca, crl;
};

static const struct yaml_key tls_keys[] = {
    {"certificate", YAML_TEXT, offsetof(struct tls_reading, certificate), .text = "PEM file"},
    {"key", YAML_TEXT, offsetof(struct tls_reading, key), .text = "PEM file of its private key"},
    {"ca", YAML_TEXT, offsetof(struct tls_reading, ca),
     .text = "PEM file: who may have signed the other end's certificate"},
};

static void check_key_file(struct yaml_reader *r, const struct yaml *at, struct str path)
{
    struct stat st;
    if (path.p && stat(path.p, &st) == 0 && (st.st_mode & 077))
        warn(r, at,
             arena_printf(r->arena, "the private key %.*s can be read by others: chmod 600 it",
                          STR_ARG(path)));
}

static int make_tls(struct yaml_reader *r, const struct yaml *at, const struct tls_reading *t,
                    struct rt_tls_config c, struct rt_tls **out)
{
    struct diag d = {0};
    struct str certificate = file_path(r, t->certificate), key = file_path(r, t->key);
    struct str ca = file_path(r, t->ca), crl = file_path(r, t->crl);
    c.certificate = certificate.p;
    c.key = key.p;
    c.ca = ca.p;
    c.crl = crl.p;
    c.alpn = "http/1.1";
    check_key_file(r, at, key);
    if (rt_tls_create(out, &c, &d) < 0)
        return yaml_error(at, r->file, r->d, "%s", d.message);
    int64_t end = rt_tls_not_after(*out), now = (int64_t)(rt_wall_us() / 1000000);
    if (end && end - now < 30 * 86400)
        warn(r, at,
             arena_printf(r->arena, "the certificate %.*s ends in %lld days", STR_ARG(certificate),
                          (long long)((end - now) / 86400)));
    return 0;
}

/* ---- listeners */

struct listener_reading {
    struct str address, service;
    const struct yaml *tls;
};

static int keep_listener_tls(struct yaml_reader *r, const struct yaml *n, void *o)
{
    (void)r;
    ((struct listener_reading *)o)->tls = n;
    return 0;
}

const struct yaml_key cfg_listener_keys[] = {
    {"address", YAML_TEXT, offsetof(struct listener_reading, address), .required = true,
     .text = "address:port, [IPv6]:port or unix:/path"},
    {"service", YAML_TEXT, offsetof(struct listener_reading, service),
     .text = "the service that its requests are for; left out: by host and path"},
    {"tls", YAML_CUSTOM, .read = keep_listener_tls,
     .text = "certificate and key (and ca: clients must have a certificate of it)"},
};
const size_t cfg_n_listener_keys = COUNT_OF(cfg_listener_keys);

static int find_service(struct yaml_reader *r, const struct yaml *at, struct str name,
                        const struct app_service **out)
{
    const struct app *app = cfg_of(r)->app;
    struct str names[64];
    *out = app_service_find(app, name);
    if (*out)
        return 0;
    size_t n = app->n_services < 64 ? app->n_services : 64;
    for (size_t i = 0; i < n; i++)
        names[i] = app->services[i].name;
    struct str near = str_nearest(name, names, n);
    int rc = yaml_error(at, r->file, r->d, "the application %.*s has no service '%.*s'",
                        STR_ARG(app->name), STR_ARG(name));
    if (near.p)
        diag_hint(r->d, "did you mean '%.*s'?", STR_ARG(near));
    return rc;
}

static int listener_tls(struct yaml_reader *r, const struct yaml *n, struct cfg_listener *l)
{
    struct tls_reading t = {0};
    int rc = yaml_read(r, n, tls_keys, COUNT_OF(tls_keys), &t);
    if (rc == 0 && (!t.certificate.p || !t.key.p))
        rc = yaml_error(n, r->file, r->d, "a listener with TLS needs certificate and key");
    if (rc < 0)
        return rc;
    struct rt_tls_config c = {.is_server = true, .require_peer = t.ca.p != NULL};
    return make_tls(r, n, &t, c, &l->tls);
}

static int read_listener(struct yaml_reader *r, const struct yaml *n, struct cfg_listener *l)
{
    struct listener_reading x = {0};
    const struct cfg *c = cfg_of(r);
    int rc = yaml_read(r, n, cfg_listener_keys, cfg_n_listener_keys, &x);
    if (rc < 0)
        return rc;
    l->text = x.address;
    if (rt_address_parse(x.address, &l->address) < 0)
        return yaml_error(
            n, r->file, r->d,
            "'%.*s' is not an address such as 127.0.0.1:5000, [::1]:5000 or unix:/path",
            STR_ARG(x.address));
    for (const struct cfg_listener *other = c->listeners; other < l; other++)
        if (str_eq(other->text, l->text))
            return yaml_error(n, r->file, r->d, "two listeners have the address %.*s",
                              STR_ARG(l->text));
    if (x.service.p)
        rc = find_service(r, n, x.service, &l->service);
    if (rc == 0 && x.tls)
        rc = listener_tls(r, x.tls, l);
    return rc;
}

int cfg_read_listeners(struct yaml_reader *r, const struct yaml *n, void *o)
{
    struct cfg *c = cfg_of(r);
    (void)o;
    int rc = yaml_expect(r, n, YAML_LIST);
    size_t count = rc < 0 ? 0 : n->length;
    if (rc == 0 && (count == 0 || count > MAX_LISTENERS))
        rc = yaml_error(n, r->file, r->d, "a site has 1 to %d listeners", MAX_LISTENERS);
    c->listeners = arena_zalloc(r->arena, (count + 1) * sizeof *c->listeners);
    if (!c->listeners)
        return diag_set(r->d, ERR_NO_MEMORY, "%s is too large", r->file);
    for (const struct yaml *i = n->first; i && rc == 0; i = i->next)
        rc = read_listener(r, i, &c->listeners[c->n_listeners++]);
    return rc;
}

/* ---- service instances */

struct instance_reading {
    struct str url, server_name;
    unsigned keep_alive, host, checks;
    const struct yaml *tls;
};

static int keep_instance_tls(struct yaml_reader *r, const struct yaml *n, void *o)
{
    (void)r;
    ((struct instance_reading *)o)->tls = n;
    return 0;
}

const struct yaml_key cfg_instance_keys[] = {
    {"url", YAML_TEXT, offsetof(struct instance_reading, url), .required = true,
     .text = "http://host:port, https://host:port or unix:/path"},
    {"keep_alive", YAML_CHOICE, offsetof(struct instance_reading, keep_alive),
     .choices = "safe|always|never",
     .text = "safe: no POST, PUT, PATCH or DELETE on a connection that has idled"},
    {"host", YAML_CHOICE, offsetof(struct instance_reading, host), .choices = "client|upstream",
     .text = "which Host it gets: the client's, or that of url"},
    {"server_name", YAML_TEXT, offsetof(struct instance_reading, server_name),
     .text = "name that its certificate must bear; left out: the host of url"},
    {"credential_checks", YAML_CHOICE, offsetof(struct instance_reading, checks),
     .choices = "here|elsewhere",
     .text = "where it has credentials checked: elsewhere than through this site's Cheops, "
             "credentials get no suffix"},
    {"tls", YAML_CUSTOM, .read = keep_instance_tls,
     .text = "ca (left out: the system's), certificate and key of this client"},
};
const size_t cfg_n_instance_keys = COUNT_OF(cfg_instance_keys);

/* The host of "host:port" or "[v6]:port" without port and brackets. */
static struct str host_of(struct str authority)
{
    if (authority.n && authority.p[0] == '[') {
        ptrdiff_t end = str_find(authority, ']');
        return str_sub(authority, 1, end < 0 ? 0 : (size_t)end - 1);
    }
    ptrdiff_t colon = str_find(authority, ':');
    return colon < 0 ? authority : str_sub(authority, 0, (size_t)colon);
}

static int read_url(struct yaml_reader *r, const struct yaml *at, struct str url,
                    struct cfg_instance *i, bool *is_tls)
{
    struct diag d = {0};
    struct str where = url;
    *is_tls = str_starts(url, STR("https://"));
    if (*is_tls || str_starts(url, STR("http://")))
        where = str_from(url, *is_tls ? 8 : 7);
    else if (!str_starts(url, STR("unix:")))
        return yaml_error(at, r->file, r->d,
                          "'%.*s' is not http://, https:// or unix:", STR_ARG(url));
    if (where.n && where.p[where.n - 1] == '/')
        where.n--;
    if (where.p != url.p && memchr(where.p, '/', where.n))
        return yaml_error(at, r->file, r->d,
                          "a url has no path: Cheops sends on the path as it came");
    if (where.p != url.p && str_find(str_from(where, host_of(where).n), ':') < 0)
        where = arena_printf(r->arena, "%.*s:%d", STR_ARG(where), *is_tls ? 443 : 80);
    i->host = where.p == url.p ? STR("localhost") : where;
    i->server_name = host_of(where);
    if (rt_name_parse(&i->name, where, &d) < 0)
        return yaml_error(at, r->file, r->d, "%s", d.message);
    return 0;
}

static int instance_tls(struct yaml_reader *r, const struct yaml *key,
                        const struct instance_reading *x, bool is_https, struct cfg_instance *i)
{
    struct tls_reading t = {0};
    int rc = x->tls ? yaml_read(r, x->tls, tls_keys, COUNT_OF(tls_keys), &t) : 0;
    if (rc < 0)
        return rc;
    if (!is_https)
        return x->tls ? yaml_error(x->tls, r->file, r->d, "tls, but the url is not https://") : 0;
    return make_tls(r, x->tls ? x->tls : key, &t, (struct rt_tls_config){0}, &i->tls);
}

static int read_instance(struct yaml_reader *r, const struct yaml *key)
{
    struct cfg *c = cfg_of(r);
    const struct app_service *s;
    struct instance_reading x = {0};
    bool is_https = false;
    int rc = find_service(r, key, key->text, &s);
    if (rc == 0)
        rc = yaml_read(r, key->value, cfg_instance_keys, cfg_n_instance_keys, &x);
    if (rc < 0)
        return rc;
    struct cfg_instance *i = &c->instances[s->index];
    i->service = s;
    i->index = s->index;
    rc = read_url(r, key, x.url, i, &is_https);
    if (rc == 0)
        rc = instance_tls(r, key, &x, is_https, i);
    static const enum cfg_keep_alive modes[] = {CFG_KEEP_ALIVE_SAFE, CFG_KEEP_ALIVE_ALWAYS,
                                                CFG_KEEP_ALIVE_NEVER};
    i->keep_alive = modes[x.keep_alive];
    i->host_upstream = x.host == 1;
    if (x.server_name.p)
        i->server_name = x.server_name;
    i->credential_checks_pass = x.checks == 0;
    if (!i->credential_checks_pass && !s->checks_credentials)
        warn(
            r, key,
            arena_printf(r->arena,
                         "%.*s has credentials checked elsewhere: no scope's suffix is set for it, "
                         "and its own sub-requests follow a scope by other carriers only",
                         STR_ARG(s->name)));
    return rc;
}

int cfg_read_instances(struct yaml_reader *r, const struct yaml *n, void *o)
{
    int rc = yaml_expect(r, n, YAML_MAP);
    (void)o;
    for (const struct yaml *k = rc < 0 ? NULL : n->first; k && rc == 0; k = k->next)
        rc = read_instance(r, k);
    return rc;
}

/* ---- other sites */

struct peer_reading {
    struct str address;
    const struct yaml *allow;
};

static int keep_allow(struct yaml_reader *r, const struct yaml *n, void *o)
{
    (void)r;
    ((struct peer_reading *)o)->allow = n;
    return 0;
}

const struct yaml_key cfg_site_keys[] = {
    {"address", YAML_TEXT, offsetof(struct peer_reading, address), .required = true,
     .text = "host:port of its listener for sites, as seen from here"},
    {"allow", YAML_CUSTOM, .read = keep_allow,
     .text =
         "what it may ask of this site: services and kinds; left out: what the description knows"},
};
const size_t cfg_n_site_keys = COUNT_OF(cfg_site_keys);

static int read_allow_services(struct yaml_reader *r, const struct yaml *n, void *o)
{
    struct cfg_site *s = o;
    int rc = yaml_expect(r, n, YAML_LIST);
    s->lists_services = true;
    s->services = arena_zalloc(r->arena, (n->length + 1) * sizeof *s->services);
    if (rc == 0 && !s->services)
        rc = diag_set(r->d, ERR_NO_MEMORY, "%s is too large", r->file);
    for (const struct yaml *i = n->first; i && rc == 0; i = i->next) {
        struct str name;
        rc = yaml_text(r, i, &name);
        if (rc == 0)
            rc = find_service(r, i, name, &s->services[s->n_services++]);
    }
    return rc;
}

static int read_allow_kinds(struct yaml_reader *r, const struct yaml *n, void *o)
{
    struct cfg_site *s = o;
    struct str *kinds;
    size_t count;
    int rc = yaml_texts(r, n, &kinds, &count);
    s->allow_kinds = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        int k = 0;
        while (k < APP_KINDS && !str_eq(kinds[i], app_kind_name((enum app_kind)k)))
            k++;
        if (k == APP_KINDS)
            rc = yaml_error(n, r->file, r->d, "'%.*s' is no kind of operation", STR_ARG(kinds[i]));
        s->allow_kinds |= 1u << k;
    }
    return rc;
}

static const struct yaml_key allow_keys[] = {
    {"services", YAML_CUSTOM, .read = read_allow_services, .text = "names of services"},
    {"kinds", YAML_CUSTOM, .read = read_allow_kinds, .text = "kinds of operation"},
};

static int read_site(struct yaml_reader *r, const struct yaml *key, struct cfg_site *s)
{
    struct peer_reading x = {0};
    struct diag d = {0};
    int rc = cfg_check_site_name(r, key);
    if (rc == 0)
        rc = yaml_read(r, key->value, cfg_site_keys, cfg_n_site_keys, &x);
    if (rc < 0)
        return rc;
    s->name = key->text;
    s->allow_kinds = ~(1u << APP_OPAQUE);
    if (rt_name_parse(&s->address, x.address, &d) < 0)
        return yaml_error(key, r->file, r->d, "%s", d.message);
    return x.allow ? yaml_read(r, x.allow, allow_keys, COUNT_OF(allow_keys), s) : 0;
}

/* Keeps the sites in name order. */
static void sort_sites(struct cfg *c)
{
    for (size_t i = 1; i < c->n_sites; i++)
        for (size_t k = i; k && str_cmp(c->sites[k - 1].name, c->sites[k].name) > 0; k--) {
            struct cfg_site swap = c->sites[k];
            c->sites[k] = c->sites[k - 1];
            c->sites[k - 1] = swap;
        }
}

static int read_sites(struct yaml_reader *r, const struct yaml *n, void *o)
{
    struct cfg *c = cfg_of(r);
    (void)o;
    int rc = yaml_expect(r, n, YAML_MAP);
    if (rc < 0)
        return rc;
    size_t count = n->length;
    if (count >= MAX_SITES)
        return yaml_error(n, r->file, r->d, "more than %d sites", MAX_SITES);
    struct cfg_site *sites = arena_zalloc(r->arena, (count + 1) * sizeof *sites);
    if (!sites)
        return diag_set(r->d, ERR_NO_MEMORY, "%s is too large", r->file);
    sites[0] = c->sites[0];
    c->sites = sites;
    for (const struct yaml *k = n->first; k && rc == 0; k = k->next) {
        if (str_eq(k->text, c->site))
            return yaml_error(k, r->file, r->d, "%.*s is this site itself", STR_ARG(c->site));
        rc = read_site(r, k, &c->sites[c->n_sites++]);
    }
    sort_sites(c);
    c->self = (size_t)cfg_site_find(c, c->site);
    return rc;
}

struct peers_reading {
    struct tls_reading tls;
    struct str listen;
    uint32_t heartbeat_ms, suspect_ms, down_ms;
    bool plain;
};

const struct yaml_key cfg_peers_keys[] = {
    {"listen", YAML_TEXT, offsetof(struct peers_reading, listen), .required = true,
     .text = "address:port that other sites connect to"},
    {"certificate", YAML_TEXT, offsetof(struct peers_reading, tls.certificate),
     .text = "PEM file: this site's, made by `cheops ca issue`"},
    {"key", YAML_TEXT, offsetof(struct peers_reading, tls.key),
     .text = "PEM file of its private key"},
    {"ca", YAML_TEXT, offsetof(struct peers_reading, tls.ca),
     .text = "PEM file of the deployment's CA"},
    {"crl", YAML_TEXT, offsetof(struct peers_reading, tls.crl),
     .text = "PEM file of revoked certificates"},
    {"plain", YAML_TRUTH, offsetof(struct peers_reading, plain),
     .text = "true: without TLS, on loopback addresses only"},
    {"heartbeat", YAML_DURATION, offsetof(struct peers_reading, heartbeat_ms), 50, 60000,
     .text = "how often each site is asked for a sign of life"},
    {"suspect", YAML_DURATION, offsetof(struct peers_reading, suspect_ms), 100, 600000,
     .text = "silence after which a site is suspect"},
    {"down", YAML_DURATION, offsetof(struct peers_reading, down_ms), 200, 3600000,
     .text = "silence after which it is down"},
    {"sites", YAML_CUSTOM, .read = read_sites, .text = "the other sites, by name"},
};
const size_t cfg_n_peers_keys = COUNT_OF(cfg_peers_keys);

static int peers_tls(struct yaml_reader *r, const struct yaml *n, const struct peers_reading *x)
{
    struct cfg_peers *p = &cfg_of(r)->peers;
    if (!x->tls.certificate.p || !x->tls.key.p || !x->tls.ca.p)
        return yaml_error(
            n, r->file, r->d,
            "links between sites need certificate, key and ca (`cheops ca` makes them)");
    p->certificate = file_path(r, x->tls.certificate);
    p->crl = file_path(r, x->tls.crl);
    struct rt_tls_config server = {.is_server = true, .require_peer = true, .only_1_3 = true};
    struct rt_tls_config client = {.only_1_3 = true};
    int rc = make_tls(r, n, &x->tls, server, &p->server);
    return rc < 0 ? rc : make_tls(r, n, &x->tls, client, &p->client);
}

int cfg_read_peers(struct yaml_reader *r, const struct yaml *n, void *o)
{
    struct cfg_peers *p = &cfg_of(r)->peers;
    struct peers_reading x = {.heartbeat_ms = 1000, .suspect_ms = 3000, .down_ms = 6000};
    (void)o;
    int rc = yaml_read(r, n, cfg_peers_keys, cfg_n_peers_keys, &x);
    if (rc < 0)
        return rc;
    p->is_on = true;
    p->plain = x.plain;
    p->listen_text = x.listen;
    p->heartbeat_ms = x.heartbeat_ms;
    p->suspect_ms = x.suspect_ms;
    p->down_ms = x.down_ms;
    if (rt_address_parse(x.listen, &p->listen) < 0)
        return yaml_error(n, r->file, r->d, "'%.*s' is not an address:port", STR_ARG(x.listen));
    if (x.heartbeat_ms >= x.suspect_ms || x.suspect_ms >= x.down_ms)
        return yaml_error(n, r->file, r->d, "heartbeat < suspect < down must hold");
    if (!x.plain)
        return peers_tls(r, n, &x);
    if (!rt_address_is_loopback(&p->listen))
        return yaml_error(n, r->file, r->d, "links without TLS are for loopback addresses only");
    return 0;
}
