#include "peer/peer.h"
#include "peer/message.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define GREETING_BYTES 1024
#define URI_PREFIX     STR("cheops://site/")
#define URI_BYTES      128

/* What a site has under way here. It is kept as long as the daemon lives, whatever becomes of the
 * configuration: connections count where they began. */
struct place {
    struct place *next;
    char site[64];
    struct counter connections, legs;
};

/* Those of all configurations of a daemon. Changed by the control loop only. */
struct places {
    _Atomic unsigned refs;
    struct place *first;
};

/* What this daemon knows of another site beside its state. */
struct other {
    _Atomic uint32_t next_row;    /* where the row of round trips that it is told goes on */
    _Atomic uint32_t description; /* enum peer_description, of its last hello */
    _Atomic int64_t not_after;    /* of the certificate that it showed last; 0: none so far */
    _Atomic int64_t clock_ms;     /* of its clock, less the one here; or PEER_CLOCK_UNKNOWN */
    _Atomic uint64_t list;        /* number of its revocation list; 0: none so far */
    struct place *place;
};

struct peer {
    _Atomic unsigned refs;
    struct cfg *cfg;
    struct peer_sites *sites;
    struct other *others;
    struct places *places;   /* referenced */
    struct peer_hello hello; /* of this site */
    char greeting[GREETING_BYTES];
    size_t greeting_n;
};

static void begin_hello(struct peer *p)
{
    const struct app *app = p->cfg->app;
    p->hello.least = PEER_PROTOCOL_MIN;
    p->hello.most = PEER_PROTOCOL_MAX;
    p->hello.digest = app->digest;
    snprintf(p->hello.site, sizeof p->hello.site, "%.*s", STR_ARG(p->cfg->site));
    snprintf(p->hello.application, sizeof p->hello.application, "%.*s", STR_ARG(app->name));
    rt_random(&p->hello.incarnation, sizeof p->hello.incarnation);
}

static int write_greeting(struct peer *p)
{
    char memory[GREETING_BYTES];
    struct out o, hello;
    out_init(&hello, memory, sizeof memory);
    peer_hello_write(&p->hello, &hello);
    out_init(&o, p->greeting, sizeof p->greeting);
    out_fmt(&o,
            "POST /cheops/hello HTTP/1.1\r\nHost: cheops\r\nContent-Type: application/json\r\n"
            "Content-Length: %zu\r\n\r\n",
            hello.n);
    out_str(&o, out_get(&hello));
    p->greeting_n = o.n;
    return o.overflowed || hello.overflowed ? ERR_LIMIT : 0;
}

/* What the last hello of each site said, where its application's description may be the same. */
static void take_over(struct peer *p, const struct peer *old)
{
    p->hello.incarnation = old->hello.incarnation;
    for (size_t i = 0; i < p->cfg->n_sites; i++) {
        long was = cfg_site_find(old->cfg, p->cfg->sites[i].name);
        if (was >= 0 && p->hello.digest == old->hello.digest)
            atomic_init(&p->others[i].description,
                        atomic_load_explicit(&old->others[was].description, memory_order_relaxed));
        if (was >= 0)
            atomic_init(&p->others[i].not_after,
                        atomic_load_explicit(&old->others[was].not_after, memory_order_relaxed));
        if (was >= 0)
            atomic_init(&p->others[i].clock_ms,
                        atomic_load_explicit(&old->others[was].clock_ms, memory_order_relaxed));
        if (was >= 0)
            atomic_init(&p->others[i].list,
                        atomic_load_explicit(&old->others[was].list, memory_order_relaxed));
        for (size_t j = 0; was >= 0 && j < p->cfg->n_sites; j++) {
            long to = cfg_site_find(old->cfg, p->cfg->sites[j].name);
            if (to >= 0)
                peer_sites_copy_rtt(p->sites, i, j, old->sites, (size_t)was, (size_t)to);
        }
        if (was >= 0 && i != p->cfg->self)
            peer_sites_copy(p->sites, i, old->sites, (size_t)was);
    }
}

/* A list that came from another site, and could not be kept in the file, still counts. So does one
 * that is newer than what the operator has put there. */
static void take_over_list(struct rt_revoked *to, struct rt_revoked *from)
{
    struct arena arena;
    struct diag d = {0};
    if (!to || !from || rt_revoked_number(from) <= rt_revoked_number(to))
        return;
    arena_init(&arena, NULL, 0, 2 * RT_REVOKED_BYTES);
    int rc = rt_revoked_offer(to, rt_revoked_copy(from, &arena), &d);
    (void)rc; /* refused: the configuration has another CA now, whose own list counts */
    arena_fini(&arena);
}

static struct place *find_place(struct places *all, struct str site)
{
    struct place *p = all->first;
    while (p && !str_eq(str_of(p->site), site))
        p = p->next;
    if (p || !(p = calloc(1, sizeof *p)))
        return p;
    snprintf(p->site, sizeof p->site, "%.*s", STR_ARG(site));
    p->next = all->first;
    all->first = p;
    return p;
}

static int find_places(struct peer *p, const struct peer *old)
{
    p->places = old ? old->places : calloc(1, sizeof *p->places);
    if (!p->places)
        return ERR_NO_MEMORY;
    atomic_fetch_add_explicit(&p->places->refs, 1, memory_order_relaxed);
    for (size_t i = 0; i < p->cfg->n_sites; i++) {
        p->others[i].place = find_place(p->places, p->cfg->sites[i].name);
        if (!p->others[i].place)
            return ERR_NO_MEMORY;
    }
    return 0;
}

static void places_unref(struct places **pp)
{
    struct places *all = *pp;
    *pp = NULL;
    if (!all || atomic_fetch_sub_explicit(&all->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (struct place *p = all->first, *next; p; p = next) {
        next = p->next;
        free(p);
    }
    free(all);
}

int peer_create(struct peer **out, struct cfg *cfg, const struct peer *old, struct diag *d)
{
    struct peer *p = calloc(1, sizeof *p);
    if (!p)
        return diag_set(d, ERR_NO_MEMORY, "no memory for the other sites");
    atomic_init(&p->refs, 1);
    p->cfg = cfg_ref(cfg);
    p->others = calloc(cfg->n_sites, sizeof *p->others);
    int rc = p->others
                 ? peer_sites_create(&p->sites, cfg->n_sites, cfg->self, cfg->peers.suspect_ms,
                                     cfg->peers.down_ms, rt_mono_us() / 1000)
                 : ERR_NO_MEMORY;
    for (size_t i = 0; rc == 0 && i < cfg->n_sites; i++)
        atomic_init(&p->others[i].clock_ms, PEER_CLOCK_UNKNOWN);
    if (rc == 0)
        rc = find_places(p, old);
    if (rc == 0) {
        begin_hello(p);
        if (old)
            take_over(p, old);
        if (old)
            take_over_list(cfg->peers.revoked, old->cfg->peers.revoked);
        rc = write_greeting(p);
    }
    if (rc < 0) {
        peer_unref(&p);
        return diag_set(d, rc, "the other sites: %s", err_text(rc));
    }
    *out = p;
    return 0;
}

struct peer *peer_ref(struct peer *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void peer_unref(struct peer **pp)
{
    struct peer *p = *pp;
    *pp = NULL;
    if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
        return;
    peer_sites_destroy(&p->sites);
    places_unref(&p->places);
    cfg_unref(&p->cfg);
    free(p->others);
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

enum peer_description peer_description_of(const struct peer *p, size_t site)
{
    CHECK(site < p->cfg->n_sites);
    return (enum peer_description)atomic_load_explicit(&p->others[site].description,
                                                       memory_order_relaxed);
}

int64_t peer_not_after(const struct peer *p, size_t site)
{
    CHECK(site < p->cfg->n_sites);
    if (site == p->cfg->self)
        return p->cfg->peers.server ? rt_tls_not_after(p->cfg->peers.server) : 0;
    return atomic_load_explicit(&p->others[site].not_after, memory_order_relaxed);
}

int64_t peer_clock_ms(const struct peer *p, size_t site)
{
    CHECK(site < p->cfg->n_sites);
    return atomic_load_explicit(&p->others[site].clock_ms, memory_order_relaxed);
}

void peer_take_clock(struct peer *p, size_t from, int64_t ahead_ms)
{
    atomic_store_explicit(&p->others[from].clock_ms, ahead_ms, memory_order_relaxed);
}

/* ---- revocation */

uint64_t peer_list_number(const struct peer *p, size_t site)
{
    const struct rt_revoked *own = p->cfg->peers.revoked;
    CHECK(site < p->cfg->n_sites);
    if (site == p->cfg->self)
        return own ? rt_revoked_number(own) : 0;
    return atomic_load_explicit(&p->others[site].list, memory_order_relaxed);
}

bool peer_is_revoked(const struct rt_stream *s, void *peer)
{
    const struct peer *p = peer;
    return p->cfg->peers.revoked && rt_stream_is_revoked(s, p->cfg->peers.revoked);
}

/* Changes with the configuration and with the list: what a certificate was verified under. */
static uint64_t trust_of(const struct peer *p)
{
    const struct rt_revoked *own = p->cfg->peers.revoked;
    return p->cfg->generation << 32 | (own ? (uint32_t)rt_revoked_changes(own) : 0);
}

/* ---- who is at the other end */

/* The other site that the verified certificate bears the name of, or -1 with why in d. */
static long certified_site(const struct peer *p, const struct rt_stream *s, struct diag *d)
{
    char memory[URI_BYTES];
    struct str uri = rt_stream_peer_uri(s, URI_PREFIX, memory, sizeof memory);
    struct str name = str_from(uri, URI_PREFIX.n);
    long site = uri.p ? cfg_site_find(p->cfg, name) : -1;
    if (!uri.p)
        diag_set(d, ERR_PEER_UNKNOWN, "its certificate bears no site's name (cheops://site/NAME)");
    else if (site < 0)
        diag_set(d, ERR_PEER_UNKNOWN,
                 "its certificate bears the name '%.*s', which is no site of this configuration",
                 STR_ARG(name));
    else if (site == (long)p->cfg->self)
        diag_set(d, ERR_PEER_UNKNOWN, "its certificate bears this site's own name");
    else
        atomic_store_explicit(&p->others[site].not_after, rt_stream_peer_not_after(s),
                              memory_order_relaxed);
    return site == (long)p->cfg->self ? -1 : site;
}

static int refuse_versions(struct diag *d, const struct peer_hello *h)
{
    diag_set(d, ERR_PEER_VERSION,
             "%s speaks versions %u to %u of the peer protocol, this site %d to %d", h->site,
             h->least, h->most, PEER_PROTOCOL_MIN, PEER_PROTOCOL_MAX);
    diag_hint(d, "bring the older site up to date: versions N and N-1 talk to each other");
    return ERR_PEER_VERSION;
}

/* Checks what the other end says of itself against what its certificate proves (-1: there is none,
 * on a plain link) and against this site. */
static int judge_hello(const struct peer *p, const struct peer_hello *h, long proved, size_t *site,
                       struct diag *d)
{
    long named = cfg_site_find(p->cfg, str_of(h->site));
    if (proved >= 0 && named != proved)
        return diag_set(d, ERR_PEER_UNKNOWN, "its hello says '%s', its certificate %.*s", h->site,
                        STR_ARG(p->cfg->sites[proved].name));
    if (named < 0 || named == (long)p->cfg->self)
        return diag_set(d, ERR_PEER_UNKNOWN,
                        "its hello says '%s', which is no other site of this configuration",
                        h->site);
    if (h->most < PEER_PROTOCOL_MIN || h->least > PEER_PROTOCOL_MAX)
        return refuse_versions(d, h);
    if (strcmp(h->application, p->hello.application) != 0)
        return diag_set(d, ERR_PEER_APPLICATION, "%s runs the application %s, this site %s",
                        h->site, h->application, p->hello.application);
    *site = (size_t)named;
    atomic_store_explicit(&p->others[named].description,
                          h->digest == p->hello.digest ? PEER_DESCRIPTION_SAME
                                                       : PEER_DESCRIPTION_DIFFERS,
                          memory_order_relaxed);
    return 0;
}

/* What is meant by the code that the other end refuses with. */
static int meaning_of(struct str code)
{
    return str_eq(code, str_of(err_name(ERR_PEER_VERSION))) ? ERR_PEER_VERSION
           : str_eq(code, str_of(err_name(ERR_OVERLOADED))) ? ERR_OVERLOADED
                                                            : ERR_PEER_UNKNOWN;
}

/* The other end has refused: its reason, as far as it gives one that can be told. */
static int say_refused(const struct h1_head *answer, struct str body, struct diag *d)
{
    char detail[512];
    struct out o;
    size_t field = h1_find(answer, H1_CHEOPS_ERROR, 0);
    struct str code = field < answer->n_fields ? h1_value(answer, field) : STR_NULL;
    out_init(&o, detail, sizeof detail);
    out_visible(&o, body, 120);
    return diag_set(d, meaning_of(code), "it refuses this site: %u %.*s %.*s", answer->status,
                    STR_ARG(str_sub(code, 0, 40)), STR_ARG(out_get(&o)));
}

/* Whether the connection leads to the site that it was opened for. */
static int judge_answer(const struct http_client_conn *c, const struct h1_head *answer,
                        struct str body, struct diag *d)
{
    const struct peer_target *target = c->pool->context;
    const struct peer *p = target->peer;
    struct peer_hello hello;
    size_t site = target->site;
    long proved = -1;
    if (p->cfg->peers.client && (proved = certified_site(p, &c->io.stream, d)) < 0)
        return ERR_PEER_UNKNOWN;
    if (proved >= 0 && proved != (long)site)
        return diag_set(d, ERR_PEER_UNKNOWN, "its certificate bears the name %.*s",
                        STR_ARG(p->cfg->sites[proved].name));
    if (answer->status != 200)
        return say_refused(answer, body, d);
    int rc = peer_hello_read(body, &hello, d);
    if (rc == 0)
        rc = judge_hello(p, &hello, proved, &site, d);
    if (rc == 0 && site != target->site)
        rc = diag_set(d, ERR_PEER_UNKNOWN, "at its address %s answers", hello.site);
    return rc;
}

int peer_on_greeted(struct http_client_conn *c, const struct h1_head *answer, struct str body,
                    struct diag *d)
{
    const struct peer_target *target = c->pool->context;
    struct diag why = {0};
    int rc = judge_answer(c, answer, body, &why);
    if (rc < 0)
        diag_set(d, rc, "%.*s: %s", STR_ARG(target->peer->cfg->sites[target->site].name),
                 why.message);
    return rc;
}

/* ---- places */

uint64_t peer_connections_of(const struct peer *p, size_t site)
{
    return counter_get(&p->others[site].place->connections);
}

uint64_t peer_legs_of(const struct peer *p, size_t site)
{
    return counter_get(&p->others[site].place->legs);
}

int peer_leg_begin(struct peer *p, size_t site, struct counter **place, struct diag *d)
{
    uint64_t limit = p->cfg->limits.site_legs;
    struct counter *legs = &p->others[site].place->legs;
    if (counter_take(legs, limit)) {
        *place = legs;
        return 0;
    }
    diag_set(d, ERR_OVERLOADED, "%.*s has %llu legs under way at %.*s already",
             STR_ARG(p->cfg->sites[site].name), (unsigned long long)limit, STR_ARG(p->cfg->site));
    diag_hint(d, "raise site_legs of %.*s, or ask for less at once", STR_ARG(p->cfg->site));
    return ERR_OVERLOADED;
}

/* Counts a connection as the site's. One that was another's until now (a second hello on a plain
 * link) goes over. */
static int take_connection(struct peer *p, struct http_server_conn *c, size_t site, struct diag *d)
{
    struct counter *count = &p->others[site].place->connections;
    uint64_t limit = p->cfg->limits.site_connections;
    if (c->counted == count)
        return 0;
    if (!counter_take(count, limit))
        return diag_set(d, ERR_OVERLOADED, "%.*s has %llu connections to %.*s already",
                        STR_ARG(p->cfg->sites[site].name), (unsigned long long)limit,
                        STR_ARG(p->cfg->site));
    if (c->counted)
        counter_give(c->counted);
    c->counted = count;
    return 0;
}

/* ---- the listener's side */

static enum peer_request answer_with(struct http_exchange *x, const struct out *text,
                                     struct peer_answer *a)
{
    a->status = 200;
    a->body = arena_str(&x->arena, out_get(text));
    return PEER_REQUEST_ANSWERED;
}

static enum peer_request refuse(struct http_exchange *x, struct peer_answer *a)
{
    char memory[2048];
    struct out o;
    out_init(&o, memory, sizeof memory);
    OUT(&o, "{\"error\":");
    out_json(&o, str_of(err_name(a->diag.code)));
    OUT(&o, ",\"detail\":");
    out_json(&o, str_of(a->diag.message));
    OUT(&o, "}");
    answer_with(x, &o, a);
    a->status = (unsigned)err_status(a->diag.code);
    a->close = true;
    return PEER_REQUEST_ANSWERED;
}

static enum peer_request serve_hello(struct peer *p, struct http_exchange *x, struct str body,
                                     struct peer_answer *a)
{
    char memory[GREETING_BYTES];
    struct out o;
    struct peer_hello hello;
    size_t site = 0;
    long proved = -1;
    int rc = 0;
    x->conn->peer_site[0] = 0;
    if (x->conn->is_tls && (proved = certified_site(p, &x->conn->io.stream, &a->diag)) < 0)
        rc = ERR_PEER_UNKNOWN;
    if (rc == 0)
        rc = peer_hello_read(body, &hello, &a->diag);
    if (rc == 0)
        rc = judge_hello(p, &hello, proved, &site, &a->diag);
    if (rc == 0)
        rc = take_connection(p, x->conn, site, &a->diag);
    if (rc < 0)
        return refuse(x, a);
    snprintf(x->conn->peer_site, sizeof x->conn->peer_site, "%s", hello.site);
    x->conn->peer_trust = trust_of(p);
    out_init(&o, memory, sizeof memory);
    peer_hello_write(&p->hello, &o);
    return answer_with(x, &o, a);
}

void peer_write_heartbeat(struct peer *p, size_t to, struct out *o)
{
    _Atomic uint32_t *kept = &p->others[to].next_row;
    uint32_t next = atomic_load_explicit(kept, memory_order_relaxed);
    peer_heartbeat_write(p->cfg, p->sites, p->hello.incarnation, &next, o);
    atomic_store_explicit(kept, next, memory_order_relaxed);
}

void peer_take_heartbeat(struct peer *p, size_t from, struct str text)
{
    uint64_t list = peer_heartbeat_read(p->cfg, p->sites, from, text);
    atomic_store_explicit(&p->others[from].list, list, memory_order_relaxed);
}

static enum peer_request serve_heartbeat(struct peer *p, struct http_exchange *x, struct str body,
                                         size_t site, struct peer_answer *a)
{
    char memory[PEER_MESSAGE_MAX];
    struct out o;
    peer_take_heartbeat(p, site, body);
    out_init(&o, memory, sizeof memory);
    peer_write_heartbeat(p, site, &o);
    return answer_with(x, &o, a);
}

static enum peer_request serve_list(struct peer *p, struct http_exchange *x, struct peer_answer *a)
{
    struct rt_revoked *own = p->cfg->peers.revoked;
    a->body = own ? rt_revoked_copy(own, &x->arena) : STR_NULL;
    if (!a->body.p) {
        diag_set(&a->diag, ERR_NOT_FOUND,
                 "this site has no revocation list with a number and at most %d bytes",
                 RT_REVOKED_BYTES);
        return refuse(x, a);
    }
    a->status = 200;
    a->is_list = true;
    return PEER_REQUEST_ANSWERED;
}

bool peer_wants_body(const struct http_exchange *x)
{
    return str_starts(x->head.target, STR("/cheops/")) &&
           h1_find(&x->head, H1_CHEOPS_LEG, 0) == x->head.n_fields;
}

/* The site that the connection's hello named, or -1 with why in d. The certificate was looked at
 * with the hello; under a newer configuration or list it is looked at once more. */
static long greeted_site(const struct peer *p, struct http_server_conn *c, struct diag *d)
{
    long site = c->peer_site[0] ? cfg_site_find(p->cfg, str_of(c->peer_site)) : -1;
    if (!c->peer_site[0])
        diag_set(d, ERR_PEER_UNKNOWN, "a connection between sites begins with a hello");
    else if (site < 0)
        diag_set(d, ERR_PEER_UNKNOWN, "%s is no longer a site of this configuration", c->peer_site);
    uint64_t trust = trust_of(p);
    if (site < 0 || c->peer_trust == trust)
        return site;
    if (c->is_tls && !rt_stream_is_accepted(&c->io.stream, p->cfg->peers.server)) {
        diag_set(d, ERR_PEER_UNKNOWN, "the certificate of %s is no longer taken", c->peer_site);
        return -1;
    }
    c->peer_trust = trust;
    return site;
}

enum peer_request peer_serve(struct peer *p, struct http_exchange *x, struct str body, size_t *site,
                             struct peer_answer *a)
{
    bool is_post = x->head.method == H1_POST;
    bool is_leg = h1_find(&x->head, H1_CHEOPS_LEG, 0) < x->head.n_fields;
    *a = (struct peer_answer){0};
    if (!is_leg && is_post && str_eq(x->head.target, STR("/cheops/hello")))
        return serve_hello(p, x, body, a);
    long greeted = greeted_site(p, x->conn, &a->diag);
    if (greeted < 0)
        return refuse(x, a);
    *site = (size_t)greeted;
    if (is_leg)
        return PEER_REQUEST_LEG;
    if (is_post && str_eq(x->head.target, STR("/cheops/v1/heartbeat")))
        return serve_heartbeat(p, x, body, *site, a);
    if (x->head.method == H1_GET && str_eq(x->head.target, STR("/cheops/v1/crl")))
        return serve_list(p, x, a);
    diag_set(&a->diag, ERR_NOT_FOUND, "the peer protocol has no such request");
    return refuse(x, a);
}

bool peer_is_allowed(const struct cfg *cfg, size_t site, const struct app_service *service,
                     unsigned kind)
{
    const struct cfg_site *s = &cfg->sites[site];
    bool is_listed = !s->lists_services;
    for (size_t i = 0; i < s->n_services; i++)
        is_listed |= s->services[i] == service;
    return is_listed && (s->allow_kinds & (1u << kind));
}
