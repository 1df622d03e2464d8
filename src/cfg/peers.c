/* Links to other sites in a site's configuration. */
#include "cfg/file.h"
#include "cfg/site.h"
#include "scope/scope.h"

#define MAX_SITES 1024
#define KINDS     "create|read|list|update|delete|action|meta|stream|opaque"

int cfg_check_site_name(struct yaml_reader *r, const struct yaml *n)
{
    if (scope_is_site_name(n->text))
        return 0;
    int rc = yaml_error(n, r->file, r->d, "'%.*s' is not a name for a site",
                        STR_ARG(str_sub(n->text, 0, 80)));
    diag_hint(
        r->d,
        "letters, digits and '_', and after the first '.' and '-'; at most %d, and no word of "
        "the scope language",
        SCOPE_MAX_NAME);
    return rc;
}

/* ---- sites */

struct peer_reading {
    const struct yaml *address, *allow;
};

static int read_allow_services(struct yaml_reader *r, const struct yaml *n, void *o)
{
    struct cfg_site *s = o;
    s->lists_services = true;
    int rc = yaml_array(r, n->length, sizeof *s->services, &s->services);
    for (const struct yaml *i = n->first; i && rc == 0; i = i->next) {
        struct str name;
        rc = yaml_text(r, i, &name);
        if (rc == 0)
            rc = cfg_find_service(r, i, name, &s->services[s->n_services++]);
    }
    return rc;
}

static const struct yaml_key allow_keys[] = {
    {"services", YAML_READ_LIST, .read = read_allow_services, .noun = "service",
     .example = "[image]", .text = "services; left out: every one"},
    {"kinds", YAML_CHOICES, offsetof(struct cfg_site, allow_kinds), .choices = KINDS,
     .example = "[read, list]", .text = "kinds of operation; left out: all but opaque"},
};
static const struct yaml_table allow_table = {"mapping of what is allowed", allow_keys,
                                              COUNT_OF(allow_keys)};

static const struct yaml_key site_keys[] = {
    {"address", YAML_KEEP, offsetof(struct peer_reading, address), .required = true,
     .noun = "host:port", .example = "cheops.paris.example:7400",
     .text = "its listener for sites, as seen from here"},
    {"allow", YAML_KEEP, offsetof(struct peer_reading, allow), .table = &allow_table,
     .text = "what it may ask of this site; left out: what the description knows"},
};
static const struct yaml_table site_table = {"site", site_keys, COUNT_OF(site_keys)};

static int read_site(struct yaml_reader *r, const struct yaml *key, struct cfg_site *s)
{
    struct peer_reading x = {0};
    struct diag d = {0};
    int rc = cfg_check_site_name(r, key);
    if (rc == 0)
        rc = yaml_read(r, key->value, &site_table, &x);
    if (rc < 0)
        return rc;
    CHECK(x.address); /* it is required */
    s->name = key->text;
    s->allow_kinds = ~(1u << APP_OPAQUE);
    if (rt_name_parse(&s->address, x.address->text, &d) < 0)
        return yaml_error(x.address, r->file, r->d, "%s", d.message);
    return x.allow ? yaml_read(r, x.allow, &allow_table, s) : 0;
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
    struct cfg_site *sites;
    (void)o;
    if (n->length >= MAX_SITES)
        return yaml_error(n, r->file, r->d, "more than %d sites", MAX_SITES - 1);
    int rc = yaml_array(r, n->length + 1, sizeof *sites, &sites);
    if (rc < 0)
        return rc;
    sites[0] = c->sites[0];
    c->sites = sites;
    for (const struct yaml *k = n->first; k && rc == 0; k = k->next) {
        if (str_eq(k->text, c->site))
            rc = yaml_error(k, r->file, r->d, "%.*s is this site itself", STR_ARG(c->site));
        else
            rc = read_site(r, k, &c->sites[c->n_sites++]);
    }
    sort_sites(c);
    c->self = (size_t)cfg_site_find(c, c->site);
    return rc;
}

/* ---- links */

struct peers_reading {
    const struct yaml *listen;
    struct cfg_tls tls;
    struct str crl;
    uint32_t heartbeat_ms, suspect_ms, down_ms;
    bool plain;
};

static const struct yaml_key peers_keys[] = {
    {"listen", YAML_KEEP, offsetof(struct peers_reading, listen), .required = true,
     .noun = "listening address", .example = "\"0.0.0.0:7400\"",
     .text = "address:port that other sites connect to"},
    {"certificate", YAML_TEXT, offsetof(struct peers_reading, tls.certificate), .noun = "PEM file",
     .example = "tls/site.pem", .text = "this site's certificate, made by `cheops ca issue`"},
    {"key", YAML_TEXT, offsetof(struct peers_reading, tls.key), .noun = "PEM file",
     .example = "tls/site.key", .text = "its private key"},
    {"ca", YAML_TEXT, offsetof(struct peers_reading, tls.ca), .noun = "PEM file",
     .example = "tls/ca.pem", .text = "the deployment's CA, made by `cheops ca init`"},
    {"crl", YAML_TEXT, offsetof(struct peers_reading, crl), .noun = "PEM file",
     .example = "tls/crl.pem",
     .text =
         "what `cheops ca revoke` has revoked; a newer list that another site has is kept here"},
    {"plain", YAML_TRUTH, offsetof(struct peers_reading, plain), .value = "false",
     .text = "true: without TLS; on loopback addresses only, for trying things out"},
    {"heartbeat", YAML_DURATION, offsetof(struct peers_reading, heartbeat_ms), .least = 50,
     .most = 60000, .value = "1s", .text = "how often each site is asked for a sign of life"},
    {"suspect", YAML_DURATION, offsetof(struct peers_reading, suspect_ms), .least = 100,
     .most = 600000, .value = "3s", .text = "silence after which a site is suspect"},
    {"down", YAML_DURATION, offsetof(struct peers_reading, down_ms), .least = 200, .most = 3600000,
     .value = "6s", .text = "silence after which it is down"},
    {"sites", YAML_READ_MAP, .read = read_sites, .table = &site_table, .example = "Paris",
     .text = "the other sites"},
};
const struct yaml_table cfg_peers_table = {"link between sites", peers_keys, COUNT_OF(peers_keys)};

static int peers_tls(struct yaml_reader *r, const struct yaml *n, const struct peers_reading *x)
{
    struct cfg_peers *p = &cfg_of(r)->peers;
    if (!x->tls.certificate.p || !x->tls.key.p || !x->tls.ca.p)
        return yaml_error(
            n, r->file, r->d,
            "links between sites need certificate, key and ca (`cheops ca` makes them)");
    p->files = cfg_find_tls(r, &x->tls);
    p->crl = cfg_file_relative(r->arena, r->file, x->crl);
    struct diag d = {0};
    if (rt_revoked_open(&p->revoked, p->files.ca.p, p->crl.p, &d) < 0)
        return cfg_error_of(r, n, &d);
    struct rt_tls_config server = {
        .is_server = true, .require_peer = true, .only_1_3 = true, .revoked = p->revoked};
    struct rt_tls_config client = {.only_1_3 = true, .revoked = p->revoked};
    int rc = cfg_make_tls(r, n, &p->files, server, &p->server);
    return rc < 0 ? rc : cfg_make_tls(r, n, &p->files, client, &p->client);
}

/* The key that is out of order, or the one that is there. */
static const struct yaml *place_of_times(const struct yaml *n, const struct peers_reading *x)
{
    static const char *const names[] = {"suspect", "down", "heartbeat"};
    const struct yaml *key = x->heartbeat_ms < x->suspect_ms ? yaml_get(n, STR("down")) : NULL;
    for (size_t i = 0; i < COUNT_OF(names) && !key; i++)
        key = yaml_get(n, str_of(names[i]));
    return key ? key->value : n;
}

int cfg_read_peers(struct yaml_reader *r, const struct yaml *n, void *o)
{
    struct cfg_peers *p = &cfg_of(r)->peers;
    struct peers_reading x = {0};
    (void)o;
    int rc = yaml_read(r, n, &cfg_peers_table, &x);
    if (rc < 0)
        return rc;
    p->is_on = true;
    p->plain = x.plain;
    p->listen_text = x.listen->text;
    p->heartbeat_ms = x.heartbeat_ms;
    p->suspect_ms = x.suspect_ms;
    p->down_ms = x.down_ms;
    if (rt_address_parse(x.listen->text, &p->listen) < 0)
        return yaml_error(x.listen, r->file, r->d, "'%.*s' is not an address:port to listen on",
                          STR_ARG(str_sub(x.listen->text, 0, 80)));
    if (x.heartbeat_ms >= x.suspect_ms || x.suspect_ms >= x.down_ms)
        return yaml_error(place_of_times(n, &x), r->file, r->d,
                          "heartbeat < suspect < down must hold, not %u ms < %u ms < %u ms",
                          x.heartbeat_ms, x.suspect_ms, x.down_ms);
    if (!x.plain)
        return peers_tls(r, n, &x);
    if (!rt_address_is_loopback(&p->listen))
        return yaml_error(x.listen, r->file, r->d,
                          "links without TLS are for loopback addresses only");
    return 0;
}
