/* Listeners and service instances of a site's configuration. */
#include "cfg/site.h"

#include <stdarg.h>
#include <stdio.h>

#define MAX_LISTENERS    64
#define MAX_PROXIES      256
#define MAX_CERTIFICATES 64 /* of a listener, beside that of tls */

void cfg_warn(struct yaml_reader *r, const struct yaml *at, const char *format, ...)
{
    struct cfg *c = cfg_of(r);
    char what[400];
    va_list ap;
    va_start(ap, format);
    if (vsnprintf(what, sizeof what, format, ap) < 0)
        what[0] = 0;
    va_end(ap);
    struct str w = arena_printf(r->arena, "%s:%u:%u: %s", r->file, at->line, at->column, what);
    bool is_new = c->n_warnings == 0 || !str_eq(c->warnings[c->n_warnings - 1], w);
    if (is_new && c->n_warnings < COUNT_OF(c->warnings))
        c->warnings[c->n_warnings++] = w;
}

int cfg_error_of(struct yaml_reader *r, const struct yaml *at, const struct diag *why)
{
    int rc = yaml_error(at, r->file, r->d, "%s", why->message);
    if (why->hint[0])
        diag_hint(r->d, "%s", why->hint);
    return rc;
}

static void hint_services(struct yaml_reader *r, const struct app *app)
{
    char memory[200];
    struct out o;
    out_init(&o, memory, sizeof memory);
    for (size_t i = 0; i < app->n_services; i++)
        out_fmt(&o, "%s%.*s", i ? ", " : "", STR_ARG(app->services[i].name));
    diag_hint(r->d, "its services are: %.*s", STR_ARG(out_get(&o)));
}

int cfg_find_service(struct yaml_reader *r, const struct yaml *at, struct str name,
                     const struct app_service **out)
{
    const struct app *app = cfg_of(r)->app;
    struct str names[APP_MAX_SERVICES];
    *out = app_service_find(app, name);
    if (*out)
        return 0;
    for (size_t i = 0; i < app->n_services; i++)
        names[i] = app->services[i].name;
    struct str near = str_nearest(name, names, app->n_services);
    int rc = yaml_error(at, r->file, r->d, "the application %.*s has no service '%.*s'",
                        STR_ARG(app->name), STR_ARG(str_sub(name, 0, 64)));
    if (near.p)
        diag_hint(r->d, "did you mean '%.*s'?", STR_ARG(near));
    else
        hint_services(r, app);
    return rc;
}

/* ---- listeners */

static const struct yaml_key tls_keys[] = {
    {"certificate", YAML_TEXT, offsetof(struct cfg_tls, certificate), .noun = "PEM file",
     .example = "tls/cert.pem", .text = "the certificate, and what signed it up to the CA"},
    {"key", YAML_TEXT, offsetof(struct cfg_tls, key), .noun = "PEM file", .example = "tls/key.pem",
     .text = "its private key; nobody else should be able to read it"},
    {"ca", YAML_TEXT, offsetof(struct cfg_tls, ca), .noun = "PEM file", .example = "tls/ca.pem",
     .text = "who must have signed the other end's certificate"},
};
static const struct yaml_table tls_table = {"TLS end", tls_keys, COUNT_OF(tls_keys)};

/* Of a further certificate of a listener. */
static const struct yaml_key certificate_keys[] = {
    {"certificate", YAML_TEXT, offsetof(struct cfg_tls, certificate), .required = true,
     .noun = "PEM file", .example = "tls/other.pem",
     .text = "the certificate, and what signed it up to the CA"},
    {"key", YAML_TEXT, offsetof(struct cfg_tls, key), .required = true, .noun = "PEM file",
     .example = "tls/other.key", .text = "its private key; nobody else should be able to read it"},
};
static const struct yaml_table certificate_table = {"certificate", certificate_keys,
                                                    COUNT_OF(certificate_keys)};

struct listener_reading {
    const struct yaml *address, *service, *tls, *certificates;
    struct rt_ip_range *proxies;
    size_t n_proxies;
    unsigned trusted_field;
    bool proxy_protocol;
};

static int read_proxies(struct yaml_reader *r, const struct yaml *n, void *o)
{
    struct listener_reading *x = o;
    const char *why = NULL;
    int rc = yaml_array(r, n->length, sizeof *x->proxies, &x->proxies);
    if (rc == 0 && n->length > MAX_PROXIES)
        rc = yaml_error(n, r->file, r->d, "more than %d trusted proxies", MAX_PROXIES);
    for (const struct yaml *i = n->first; i && rc == 0; i = i->next) {
        struct str text;
        rc = yaml_text(r, i, &text);
        if (rc == 0 && rt_ip_range_parse(text, &x->proxies[x->n_proxies++], &why) < 0) {
            rc = yaml_error(i, r->file, r->d, "'%.*s' is not an address or a range of addresses",
                            STR_ARG(str_sub(text, 0, 80)));
            diag_hint(r->d, "%s", why);
        }
    }
    return rc;
}

/* They are read after `tls`, whose `ca` counts for them, too. */
static int keep_certificates(struct yaml_reader *r, const struct yaml *n, void *o)
{
    struct listener_reading *x = o;
    x->certificates = n;
    return n->length <= MAX_CERTIFICATES
               ? 0
               : yaml_error(n, r->file, r->d, "more than %d certificates", MAX_CERTIFICATES);
}

static const struct yaml_key listener_keys[] = {
    {"address", YAML_KEEP, offsetof(struct listener_reading, address), .required = true,
     .noun = "listening address", .example = "127.0.0.1:5000",
     .text = "address:port, [IPv6]:port or unix:/path"},
    {"service", YAML_KEEP, offsetof(struct listener_reading, service), .noun = "name of a service",
     .example = "identity", .is_active = true,
     .text = "the service that its requests are for; left out: recognised by host and path"},
    {"tls", YAML_KEEP, offsetof(struct listener_reading, tls), .table = &tls_table,
     .text = "TLS towards clients: certificate and key; with ca, clients need a certificate of it"},
    {"certificates", YAML_READ_LIST, .read = keep_certificates, .table = &certificate_table,
     .text = "further certificates, each for the server names that it bears; clients that ask for "
             "another name, or none, are shown that of tls"},
    {"trusted_proxies", YAML_READ_LIST, .read = read_proxies, .noun = "network",
     .example = "[192.0.2.0/24]",
     .text = "proxies in front, addresses or ranges, that are believed about who the client is; "
             "unix: for a Unix socket; left out: nobody is"},
    {"trusted_field", YAML_CHOICE, offsetof(struct listener_reading, trusted_field),
     .choices = "x-forwarded|forwarded", .value = "x-forwarded",
     .text = "what they write: X-Forwarded-For, -Proto, -Host, or Forwarded; the other is not "
             "believed"},
    {"proxy_protocol", YAML_TRUTH, offsetof(struct listener_reading, proxy_protocol),
     .value = "false",
     .text = "true: each connection begins with a header of the PROXY protocol version 2, and only "
             "trusted_proxies may connect"},
};
const struct yaml_table cfg_listener_table = {"listener", listener_keys, COUNT_OF(listener_keys)};

static int listener_tls(struct yaml_reader *r, const struct yaml *n, struct cfg_listener *l)
{
    struct cfg_tls t = {0};
    int rc = yaml_read(r, n, &tls_table, &t);
    if (rc == 0 && (!t.certificate.p || !t.key.p))
        rc = yaml_error(n, r->file, r->d, "a listener with TLS needs certificate and key");
    if (rc < 0)
        return rc;
    struct rt_tls_config what = {.is_server = true, .require_peer = t.ca.p != NULL};
    l->files = cfg_find_tls(r, &t);
    return cfg_make_tls(r, n, &l->files, what, &l->tls);
}

static int read_certificate(struct yaml_reader *r, const struct yaml *n, struct cfg_listener *l,
                            struct cfg_certificate *c)
{
    struct cfg_tls t = {0};
    struct rt_tls *tls = NULL;
    struct rt_tls_config what = {.is_server = true, .require_peer = l->files.ca.p != NULL};
    int rc = yaml_read(r, n, &certificate_table, &t);
    if (rc < 0)
        return rc;
    c->files = cfg_find_tls(r, &t);
    c->files.ca = l->files.ca;
    rc = cfg_make_tls(r, n, &c->files, what, &tls);
    if (rc < 0)
        return rc;
    c->tls = tls;
    rt_tls_add(l->tls, tls);
    return 0;
}

static int listener_certificates(struct yaml_reader *r, const struct yaml *n,
                                 struct cfg_listener *l)
{
    if (!l->tls)
        return yaml_error(n, r->file, r->d, "certificates without tls, which has the first one");
    int rc = yaml_array(r, n->length, sizeof *l->certificates, &l->certificates);
    for (const struct yaml *i = n->first; i && rc == 0; i = i->next)
        rc = read_certificate(r, i, l, &l->certificates[l->n_certificates++]);
    return rc;
}

static int listener_address(struct yaml_reader *r, const struct yaml *n, struct cfg_listener *l)
{
    const struct cfg *c = cfg_of(r);
    l->text = n->text;
    if (rt_address_parse(n->text, &l->address) < 0) {
        int rc = yaml_error(n, r->file, r->d, "'%.*s' is not an address to listen on",
                            STR_ARG(str_sub(n->text, 0, 80)));
        diag_hint(r->d, "write 127.0.0.1:5000, [::1]:5000 or unix:/path");
        return rc;
    }
    for (const struct cfg_listener *other = c->listeners; other < l; other++)
        if (str_eq(other->text, l->text))
            return yaml_error(n, r->file, r->d, "two listeners have the address %.*s",
                              STR_ARG(l->text));
    return 0;
}

static int read_listener(struct yaml_reader *r, const struct yaml *n, struct cfg_listener *l)
{
    struct listener_reading x = {0};
    int rc = yaml_read(r, n, &cfg_listener_table, &x);
    if (rc == 0)
        rc = listener_address(r, x.address, l);
    if (rc == 0 && x.service)
        rc = cfg_find_service(r, x.service, x.service->text, &l->service);
    if (rc == 0 && x.tls)
        rc = listener_tls(r, x.tls, l);
    if (rc == 0 && x.certificates)
        rc = listener_certificates(r, x.certificates, l);
    if (rc == 0 && x.proxy_protocol && !x.n_proxies) {
        rc = yaml_error(yaml_get(n, STR("proxy_protocol"))->value, r->file, r->d,
                        "proxy_protocol without trusted_proxies: nobody could connect");
        diag_hint(r->d, "name the proxies in front of this listener in trusted_proxies");
    }
    l->proxies = x.proxies;
    l->n_proxies = x.n_proxies;
    l->trusts_forwarded = x.trusted_field == 1;
    l->proxy_protocol = x.proxy_protocol;
    return rc;
}

int cfg_read_listeners(struct yaml_reader *r, const struct yaml *n, void *o)
{
    struct cfg *c = o;
    if (n->length == 0 || n->length > MAX_LISTENERS)
        return yaml_error(n, r->file, r->d, "a site has 1 to %d listeners", MAX_LISTENERS);
    int rc = yaml_array(r, n->length, sizeof *c->listeners, &c->listeners);
    for (const struct yaml *i = n->first; i && rc == 0; i = i->next)
        rc = read_listener(r, i, &c->listeners[c->n_listeners++]);
    return rc;
}

/* ---- service instances */

enum checks { CHECKS_HERE, CHECKS_ELSEWHERE };

struct instance_reading {
    const struct yaml *url, *tls;
    struct str server_name;
    unsigned keep_alive, host, checks;
};

static const struct yaml_key instance_keys[] = {
    {"url", YAML_KEEP, offsetof(struct instance_reading, url), .required = true, .noun = "URL",
     .example = "http://127.0.0.1:15000",
     .text = "http://host:port, https://host:port or unix:/path; it has no path"},
    {"keep_alive", YAML_CHOICE, offsetof(struct instance_reading, keep_alive),
     .choices = "safe|always|never", .value = "safe",
     .text = "reuse of connections; safe: no POST, PUT, PATCH or DELETE on one that has idled"},
    {"host", YAML_CHOICE, offsetof(struct instance_reading, host), .choices = "client|upstream",
     .value = "client", .text = "which Host it gets: the client's, or that of url"},
    {"server_name", YAML_TEXT, offsetof(struct instance_reading, server_name), .noun = "host name",
     .example = "keystone.nantes.example",
     .text = "name that its certificate must bear; left out: the host of url"},
    {"credential_checks", YAML_CHOICE, offsetof(struct instance_reading, checks),
     .choices = "here|elsewhere", .value = "here",
     .text = "where it has credentials checked: through this site's Cheops, or not; elsewhere: "
             "credentials get no suffix on the way to it"},
    {"tls", YAML_KEEP, offsetof(struct instance_reading, tls), .table = &tls_table,
     .text = "TLS towards it: ca (left out: the system's); certificate and key, if it asks for "
             "them"},
};
const struct yaml_table cfg_instance_table = {"service instance", instance_keys,
                                              COUNT_OF(instance_keys)};

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

/* What stands after the host of an authority: ":port" or nothing. */
static struct str port_of(struct str authority)
{
    struct str host = host_of(authority);
    return str_from(authority, (size_t)(host.p - authority.p) + host.n);
}

static int read_url(struct yaml_reader *r, const struct yaml *at, struct cfg_instance *i,
                    bool *is_tls)
{
    struct diag d = {0};
    struct str url = at->text, where = url;
    *is_tls = str_starts(url, STR("https://"));
    if (*is_tls || str_starts(url, STR("http://")))
        where = str_from(url, *is_tls ? 8 : 7);
    else if (!str_starts(url, STR("unix:")))
        return yaml_error(at, r->file, r->d,
                          "'%.*s' is not http://, https:// or unix:", STR_ARG(str_sub(url, 0, 80)));
    bool is_unix = where.p == url.p;
    if (!is_unix && where.n && where.p[where.n - 1] == '/')
        where.n--;
    if (!is_unix && str_find(where, '/') >= 0)
        return yaml_error(at, r->file, r->d,
                          "a url has no path: Cheops sends on the path as it came");
    if (!is_unix && str_find(port_of(where), ':') < 0)
        where = arena_printf(r->arena, "%.*s:%d", STR_ARG(where), *is_tls ? 443 : 80);
    i->host = is_unix ? STR("localhost") : where;
    i->server_name = host_of(where);
    if (rt_name_parse(&i->name, where, &d) < 0)
        return yaml_error(at, r->file, r->d, "%s", d.message);
    return 0;
}

static int instance_tls(struct yaml_reader *r, const struct instance_reading *x, bool is_https,
                        struct cfg_instance *i)
{
    struct cfg_tls t = {0};
    int rc = x->tls ? yaml_read(r, x->tls, &tls_table, &t) : 0;
    if (rc < 0)
        return rc;
    if (!is_https)
        return x->tls ? yaml_error(x->tls, r->file, r->d, "tls, but the url is not https://") : 0;
    i->files = cfg_find_tls(r, &t);
    return cfg_make_tls(r, x->tls ? x->tls : x->url, &i->files, (struct rt_tls_config){0}, &i->tls);
}

static int read_instance(struct yaml_reader *r, const struct yaml *key)
{
    static const enum cfg_keep_alive modes[] = {CFG_KEEP_ALIVE_SAFE, CFG_KEEP_ALIVE_ALWAYS,
                                                CFG_KEEP_ALIVE_NEVER};
    const struct app_service *s;
    struct instance_reading x = {0};
    bool is_https = false;
    int rc = cfg_find_service(r, key, key->text, &s);
    if (rc == 0)
        rc = yaml_read(r, key->value, &cfg_instance_table, &x);
    if (rc < 0)
        return rc;
    struct cfg_instance *i = &cfg_of(r)->instances[s->index];
    if (i->service)
        return yaml_error(key, r->file, r->d, "'%.*s' is the service '%.*s', which stands above",
                          STR_ARG(key->text), STR_ARG(s->name));
    i->service = s;
    i->index = s->index;
    CHECK(x.url); /* it is required */
    rc = read_url(r, x.url, i, &is_https);
    if (rc == 0)
        rc = instance_tls(r, &x, is_https, i);
    i->keep_alive = modes[x.keep_alive];
    i->host_upstream = x.host == 1;
    if (x.server_name.p)
        i->server_name = x.server_name;
    i->credential_checks_pass = x.checks == CHECKS_HERE;
    return rc;
}

/* ---- credential checks (a suffix is only set where its check is sure to pass this Cheops) */

static bool is_reached(const struct cfg *c, const struct app_service *s)
{
    for (size_t i = 0; i < c->n_listeners; i++)
        if (c->listeners[i].service == s ||
            (!c->listeners[i].service && (s->prefix.p || s->host.p)))
            return true;
    return false;
}

/* The first service that checks credentials and that no listener takes; NULL: none. */
static const struct app_service *unreached_checker(const struct cfg *c)
{
    for (size_t i = 0; i < c->app->n_services; i++) {
        const struct app_service *s = &c->app->services[i];
        if (s->checks_credentials && !is_reached(c, s))
            return s;
    }
    return NULL;
}

static void check_credentials(struct yaml_reader *r, const struct yaml *services)
{
    struct cfg *c = cfg_of(r);
    const struct app_service *checker = unreached_checker(c);
    for (const struct yaml *k = services->first; k; k = k->next) {
        const struct app_service *s = app_service_find(c->app, k->text);
        struct cfg_instance *i = &c->instances[s->index];
        if (s->checks_credentials) {
            i->credential_checks_pass = true; /* a suffix is cut before it in any case */
        } else if (i->credential_checks_pass && checker) {
            i->credential_checks_pass = false;
            cfg_warn(r, k,
                     "no listener takes %.*s, so %.*s cannot have credentials checked through this "
                     "Cheops: credentials get no suffix on the way to it",
                     STR_ARG(checker->name), STR_ARG(s->name));
        } else if (!i->credential_checks_pass) {
            cfg_warn(r, k,
                     "%.*s has credentials checked elsewhere: they get no suffix on the way to it, "
                     "and its own requests follow a scope by other carriers only",
                     STR_ARG(s->name));
        }
    }
}

int cfg_read_instances(struct yaml_reader *r, const struct yaml *n, void *o)
{
    int rc = 0;
    for (const struct yaml *k = n->first; k && rc == 0; k = k->next)
        rc = read_instance(r, k);
    if (rc == 0 && cfg_of(r)->app->propagate.n_credential_fields)
        check_credentials(r, n);
    return rc;
}
