#include "peer/peer.h"
#include "peer/message.h"

#include <jansson.h>
#include <stdlib.h>

#define GREETING_BYTES 4096
#define URI_PREFIX     STR("cheops://site/")

struct peer {
    struct cfg *cfg;
    struct peer_sites *sites;
    char incarnation[17]; /* random, new at each start */
    char greeting[GREETING_BYTES];
    size_t greeting_n;
};

/* {"site", "incarnation", "protocol": [least, most], "application", "digest"} */
static char *hello_text(const struct peer *p)
{
    const struct app *app = p->cfg->app;
    json_t *j = json_pack("{s:s%,s:s,s:[i,i],s:s%,s:o}", "site", p->cfg->site.p, p->cfg->site.n,
                          "incarnation", p->incarnation, "protocol", PEER_PROTOCOL_MIN,
                          PEER_PROTOCOL_MAX, "application", app->name.p, app->name.n, "digest",
                          json_sprintf("%016llx", (unsigned long long)app->digest));
    char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
    json_decref(j);
    return text;
}

static int write_greeting(struct peer *p)
{
    struct out o;
    char *hello = hello_text(p);
    if (!hello)
        return ERR_NO_MEMORY;
    out_init(&o, p->greeting, sizeof p->greeting);
    out_fmt(&o,
            "POST /cheops/hello HTTP/1.1\r\nHost: cheops\r\nContent-Type: application/json\r\n"
            "Content-Length: %zu\r\n\r\n%s",
            strlen(hello), hello);
    p->greeting_n = o.n;
    free(hello);
    return o.overflowed ? ERR_LIMIT : 0;
}

int peer_create(struct peer **out, struct cfg *cfg, struct diag *d)
{
    struct peer *p = calloc(1, sizeof *p);
    uint64_t random;
    if (!p)
        return diag_set(d, ERR_NO_MEMORY, "no memory for the other sites");
    p->cfg = cfg_ref(cfg);
    rt_random(&random, sizeof random);
    struct out o;
    out_init(&o, p->incarnation, sizeof p->incarnation);
    out_fmt(&o, "%016llx", (unsigned long long)random);
    int rc = peer_sites_create(&p->sites, cfg->n_sites, cfg->self, cfg->peers.suspect_ms,
                               cfg->peers.down_ms, rt_mono_us() / 1000);
    if (rc == 0)
        rc = write_greeting(p);
    if (rc < 0) {
        peer_destroy(&p);
        return diag_set(d, rc, "the other sites: %s", err_text(rc));
    }
    *out = p;
    return 0;
}

void peer_destroy(struct peer **pp)
{
    struct peer *p = *pp;
    *pp = NULL;
    if (!p)
        return;
    peer_sites_destroy(&p->sites);
    cfg_unref(&p->cfg);
    free(p);
}

struct peer_sites *peer_sites_of(struct peer *p)
{
    return p->sites;
}

const struct cfg *peer_cfg(const struct peer *p)
{
    return p->cfg;
}

struct str peer_greeting(const struct peer *p)
{
    return (struct str){p->greeting, p->greeting_n};
}

/* ---- who is at the other end */

/* The site that the verified certificate names, if it is configured and another one; -1. */
static long certified_site(const struct peer *p, const struct rt_stream *s)
{
    char memory[128];
    struct str uri = rt_stream_peer_uri(s, URI_PREFIX, memory, sizeof memory);
    long site = uri.p ? cfg_site_find(p->cfg, str_from(uri, URI_PREFIX.n)) : -1;
    return site == (long)p->cfg->self ? -1 : site;
}

static struct str string_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return str_of(text);
}

static void say_versions(struct diag *d, struct str site, int least, int most)
{
    diag_hint(d, "bring the older site up to date: versions N and N-1 talk to each other");
    diag_set(d, ERR_PEER_VERSION,
             "%.*s speaks versions %d to %d of the peer protocol, this site %d to %d",
             STR_ARG(site), least, most, PEER_PROTOCOL_MIN, PEER_PROTOCOL_MAX);
}

/* Checks a hello's versions and its site's name against what the connection proved. */
static int judge_hello(const struct peer *p, const json_t *hello, long proved, long *site,
                       struct diag *d)
{
    struct str name = string_of(hello, "site");
    json_t *range = json_object_get(hello, "protocol");
    int least = (int)json_integer_value(json_array_get(range, 0));
    int most = (int)json_integer_value(json_array_get(range, 1));
    *site = cfg_site_find(p->cfg, name);
    if (*site < 0 || *site == (long)p->cfg->self || (proved >= 0 && proved != *site))
        return diag_set(d, ERR_PEER_UNKNOWN,
                        "the hello names the site '%.*s', which this "
                        "connection does not prove",
                        STR_ARG(str_sub(name, 0, 63)));
    if (!json_is_array(range) || most < PEER_PROTOCOL_MIN || least > PEER_PROTOCOL_MAX) {
        say_versions(d, name, least, most);
        return ERR_PEER_VERSION;
    }
    return 0;
}

int peer_on_greeted(struct http_client_conn *c, const struct h1_head *answer, struct str body,
                    struct diag *d)
{
    const struct peer_target *target = c->pool->context;
    const struct peer *p = target->peer;
    struct str name = p->cfg->sites[target->site].name;
    long site, proved = -1;
    json_t *hello = json_loadb(body.p ? body.p : "", body.n, JSON_REJECT_DUPLICATES, NULL);
    int rc = 0;
    if (p->cfg->peers.client) {
        proved = certified_site(p, &c->io.stream);
        if (proved != (long)target->site)
            rc = diag_set(d, ERR_PEER_UNKNOWN, "who answers for %.*s has no certificate of it",
                          STR_ARG(name));
    }
    if (rc == 0 && answer->status != 200) {
        struct str detail = string_of(hello, "detail");
        rc = answer->status == 505 ? ERR_PEER_VERSION : ERR_PEER_UNKNOWN;
        diag_set(d, rc, "%.*s refused this site (%u%s%.*s)", STR_ARG(name), answer->status,
                 detail.n ? ": " : "", STR_ARG(str_sub(detail, 0, 200)));
    }
    if (rc == 0) {
        rc = judge_hello(p, hello, proved, &site, d);
        if (rc == 0 && site != (long)target->site)
            rc = diag_set(d, ERR_PEER_UNKNOWN, "at the address of %.*s another site answers",
                          STR_ARG(name));
    }
    json_decref(hello);
    return rc;
}

/* ---- the listener's side */

static struct str in_arena(struct http_exchange *x, json_t *j)
{
    char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
    struct str s = arena_str(&x->arena, str_of(text));
    free(text);
    json_decref(j);
    return s;
}

static enum peer_request refuse(struct http_exchange *x, struct peer_answer *a, int code,
                                const struct diag *d)
{
    a->status = (unsigned)err_status(code);
    a->code = code;
    a->close = true;
    a->body = in_arena(x, json_pack("{s:s,s:s}", "error", err_name(code), "detail",
                                    d->message[0] ? d->message : err_text(code)));
    return PEER_REQUEST_ANSWERED;
}

static enum peer_request serve_hello(struct peer *p, struct http_exchange *x, struct str body,
                                     long proved, struct peer_answer *a)
{
    struct diag d = {0};
    struct out o;
    long site;
    json_t *hello = json_loadb(body.p ? body.p : "", body.n, JSON_REJECT_DUPLICATES, NULL);
    int rc = judge_hello(p, hello, proved, &site, &d);
    json_decref(hello);
    if (rc < 0)
        return refuse(x, a, rc, &d);
    out_init(&o, x->conn->peer_site, sizeof x->conn->peer_site - 1);
    out_str(&o, p->cfg->sites[site].name);
    x->conn->peer_site[o.n] = 0;
    char *text = hello_text(p);
    a->status = 200;
    a->body = arena_str(&x->arena, str_of(text));
    free(text);
    return PEER_REQUEST_ANSWERED;
}

static json_t *row_of(const struct peer *p)
{
    json_t *row = json_object();
    for (size_t i = 0; i < p->cfg->n_sites; i++) {
        uint32_t us = peer_sites_rtt_us(p->sites, p->cfg->self, i);
        if (us != PEER_RTT_UNKNOWN)
            json_object_set_new(row, p->cfg->sites[i].name.p, json_integer(us));
    }
    return row;
}

void peer_take_row(struct peer *p, size_t from, const char *text, size_t n)
{
    const char *name;
    json_t *us, *message = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
    json_t *row = json_object_get(message, "row");
    json_object_foreach(row, name, us)
    {
        long to = cfg_site_find(p->cfg, str_of(name));
        json_int_t v = json_integer_value(us);
        if (to >= 0 && json_is_integer(us) && v >= 0 && v < PEER_RTT_UNKNOWN)
            peer_sites_published(p->sites, from, (size_t)to, (uint32_t)v);
    }
    json_decref(message);
}

char *peer_heartbeat_text(const struct peer *p)
{
    json_t *j = json_pack("{s:s%,s:s,s:o}", "site", p->cfg->site.p, p->cfg->site.n, "incarnation",
                          p->incarnation, "row", row_of(p));
    char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
    json_decref(j);
    return text;
}

static enum peer_request serve_heartbeat(struct peer *p, struct http_exchange *x, struct str body,
                                         size_t site, struct peer_answer *a)
{
    peer_take_row(p, site, body.p ? body.p : "", body.n);
    char *text = peer_heartbeat_text(p);
    a->status = 200;
    a->body = arena_str(&x->arena, str_of(text));
    free(text);
    return PEER_REQUEST_ANSWERED;
}

bool peer_wants_body(const struct http_exchange *x)
{
    return str_starts(x->head.target, STR("/cheops/")) &&
           h1_find(&x->head, H1_CHEOPS_LEG, 0) == x->head.n_fields;
}

enum peer_request peer_serve(struct peer *p, struct http_exchange *x, struct str body, size_t *site,
                             struct peer_answer *a)
{
    struct diag d = {0};
    bool is_tls = x->conn->is_tls, is_post = x->head.method == H1_POST;
    long proved = is_tls ? certified_site(p, &x->conn->io.stream) : -1;
    if (is_tls && proved < 0) {
        diag_set(&d, ERR_PEER_UNKNOWN, "the certificate names no site that is configured here");
        return refuse(x, a, ERR_PEER_UNKNOWN, &d);
    }
    bool is_leg = h1_find(&x->head, H1_CHEOPS_LEG, 0) < x->head.n_fields;
    if (!is_leg && is_post && str_eq(x->head.target, STR("/cheops/hello")))
        return serve_hello(p, x, body, proved, a);
    long greeted = cfg_site_find(p->cfg, str_of(x->conn->peer_site));
    if (!x->conn->peer_site[0] || greeted < 0) {
        diag_set(&d, ERR_PEER_UNKNOWN, "a connection between sites begins with a hello");
        return refuse(x, a, ERR_PEER_UNKNOWN, &d);
    }
    *site = (size_t)greeted;
    if (is_leg)
        return PEER_REQUEST_LEG;
    if (is_post && str_eq(x->head.target, STR("/cheops/v1/heartbeat")))
        return serve_heartbeat(p, x, body, *site, a);
    diag_set(&d, ERR_NOT_FOUND, "the peer protocol has no such request");
    return refuse(x, a, ERR_NOT_FOUND, &d);
}

bool peer_is_allowed(const struct cfg *cfg, size_t site, const struct app_service *service,
                     unsigned kind)
{
    const struct cfg_site *s = &cfg->sites[site];
    bool listed = s->n_services == 0;
    if (!s->has_allow) /* what the description knows: an opaque request is not */
        return kind != APP_OPAQUE;
    for (size_t i = 0; i < s->n_services; i++)
        listed |= s->services[i] == service;
    return listed && (s->allow_kinds & (1u << kind));
}
