#include "proxy/txn.h"

#include "proxy/explain.h"

#include <stdlib.h>

void proxy_worker_random(struct proxy_worker *w, void *to, size_t n)
{
    CHECK(n <= 64);
    if (w->random_left < n) {
        rt_random(w->random, sizeof w->random);
        w->random_left = sizeof w->random;
    }
    w->random_left -= n;
    memcpy(to, w->random + w->random_left, n);
    memset(w->random + w->random_left, 0, n);
}

static void listener_free(struct rt_dead *dead)
{
    free(CONTAINER_OF(dead, struct proxy_listener, dead));
}

/* No request begins on it any more: those that are under way have what they need. */
static void let_go(struct proxy_listener *l)
{
    l->cfg = NULL;
    l->server.tls = NULL;
    l->server.options.proxies = NULL;
    l->server.options.n_proxies = 0;
    proxy_conf_unref(&l->conf);
}

/* A listener that takes no more connections has lost its last one, or began its last request. */
static void run_drain(struct rt_task *task)
{
    struct proxy_worker *w = CONTAINER_OF(task, struct proxy_worker, drain_task);
    size_t n_conns = 0;
    list_for_each_safe (it, &w->listeners) {
        struct proxy_listener *l = LIST_ITEM(it, struct proxy_listener, link);
        n_conns += l->server.n_conns;
        if (!l->is_retired || !http_server_is_ending(&l->server))
            continue;
        let_go(l);
        if (l->server.n_conns)
            continue;
        list_remove(&l->link);
        l->dead.free = listener_free;
        rt_reap(w->loop, &l->dead);
    }
    if (w->draining && n_conns == 0 && w->on_drained)
        w->on_drained(w);
}

int proxy_worker_create(struct proxy_worker **out, struct rt_loop *loop,
                        struct proxy_shared *shared, struct diag *d)
{
    struct proxy_worker *w = calloc(1, sizeof *w);
    if (!w)
        return diag_set(d, ERR_NO_MEMORY, "no memory for a worker");
    w->loop = loop;
    w->shared = shared;
    http_env_init(&w->env, loop);
    list_init(&w->listeners);
    list_init(&w->txns);
    w->outlived.keep_alive = HTTP_KEEP_NEVER;
    http_pool_init(&w->outlived, &w->env);
    w->drain_task.run = run_drain;
    rt_random(&w->id_state, sizeof w->id_state);
    if (proxy_meter_create(&w->meter) < 0) {
        http_env_fini(&w->env);
        free(w);
        return diag_set(d, ERR_NO_MEMORY, "no memory for a worker");
    }
    *out = w;
    return 0;
}

/* ---- a configuration as a worker uses it */

static enum http_keep_alive keep_alive_of(enum cfg_keep_alive k)
{
    return k == CFG_KEEP_ALIVE_ALWAYS  ? HTTP_KEEP_ALWAYS
           : k == CFG_KEEP_ALIVE_NEVER ? HTTP_KEEP_NEVER
                                       : HTTP_KEEP_SAFE;
}

static void set_limits(struct http_pool *p, const struct cfg *cfg)
{
    p->bounds = (struct rt_place_bounds){.places = cfg->limits.service_connections,
                                         .waiting = cfg->limits.service_queue,
                                         .wait_ms = cfg->timeouts.service_queue_ms};
    p->max_idle = cfg->limits.service_idle;
    p->idle_ms = cfg->timeouts.service_idle_ms;
    p->max_head = (uint32_t)cfg->limits.head;
    p->max_fields = (uint32_t)cfg->limits.fields;
}

static int init_service_pool(struct proxy_conf *c, size_t i)
{
    const struct cfg_instance *instance = &c->cfg->instances[i];
    struct http_pool *p = &c->services[i];
    set_limits(p, c->cfg);
    p->name = instance->name;
    p->tls = instance->tls;
    p->server_name = instance->server_name;
    p->keep_alive = keep_alive_of(instance->keep_alive);
    p->gauge = proxy_meter_service(c->worker->meter, c->service_numbers[i]);
    p->seat = rt_targets_seat(&c->worker->shared->services, c->cfg->app->services[i].name,
                              c->worker->loop);
    if (!p->seat)
        return ERR_NO_MEMORY;
    http_pool_init(p, &c->worker->env);
    return 0;
}

static int init_site_pool(struct proxy_conf *c, size_t i)
{
    struct http_pool *p = &c->sites[i];
    set_limits(p, c->cfg);
    p->name = c->cfg->sites[i].address;
    p->tls = c->cfg->peers.client;
    /* A kept connection to another Cheops that closes says so, and refuses before it runs: any
     * method may go on it. */
    p->keep_alive = HTTP_KEEP_ALWAYS;
    c->targets[i] = (struct peer_target){c->peer, i};
    p->context = &c->targets[i];
    p->greeting = peer_greeting(c->peer);
    p->on_greeted = peer_on_greeted;
    p->gauge = proxy_meter_site(c->worker->meter, c->site_numbers[i]);
    p->seat = rt_targets_seat(&c->worker->shared->sites, c->cfg->sites[i].name, c->worker->loop);
    if (!p->seat)
        return ERR_NO_MEMORY;
    http_pool_init(p, &c->worker->env);
    return 0;
}

static void conf_free(struct proxy_conf *c)
{
    for (size_t i = 0; c->services && i < c->cfg->app->n_services; i++)
        if (c->services[i].env)
            http_pool_fini(&c->services[i]);
    for (size_t i = 0; c->sites && i < c->cfg->n_sites; i++)
        if (c->sites[i].env)
            http_pool_fini(&c->sites[i]);
    peer_unref(&c->peer);
    cfg_unref(&c->cfg);
    free(c->services);
    free(c->sites);
    proxy_scopes_destroy(&c->scopes);
    free(c->targets);
    free(c->site_names);
    free(c->service_numbers);
    free(c->site_numbers);
    free(c);
}

struct proxy_conf *proxy_conf_ref(struct proxy_conf *c)
{
    c->refs++;
    return c;
}

void proxy_conf_unref(struct proxy_conf **cp)
{
    struct proxy_conf *c = *cp;
    *cp = NULL;
    if (c && --c->refs == 0)
        conf_free(c);
}

/* The names under which this configuration's services and sites are counted. */
static void number_names(struct proxy_conf *c)
{
    struct proxy_name_tables *names = &c->worker->shared->names;
    for (size_t i = 0; i < c->cfg->app->n_services; i++)
        c->service_numbers[i] =
            (uint16_t)proxy_name_number(&names->services, c->cfg->app->services[i].name);
    for (size_t i = 0; i < c->cfg->n_sites; i++)
        c->site_numbers[i] = (uint16_t)proxy_name_number(&names->sites, c->cfg->sites[i].name);
}

static int init_pools(struct proxy_conf *c)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < c->cfg->app->n_services; i++)
        if (c->cfg->instances[i].service)
            rc = init_service_pool(c, i);
    for (size_t i = 0; rc == 0 && i < c->cfg->n_sites; i++)
        if (i != c->cfg->self)
            rc = init_site_pool(c, i);
    return rc;
}

struct proxy_conf *proxy_conf_create(struct proxy_worker *w, const struct proxy_change_from *from)
{
    struct cfg *cfg = from->cfg;
    struct proxy_conf *c = calloc(1, sizeof *c);
    struct out via;
    if (!c)
        return NULL;
    c->refs = 1;
    c->worker = w;
    c->cfg = cfg_ref(cfg);
    c->peer = peer_ref(from->peer);
    c->services = calloc(cfg->app->n_services + 1, sizeof *c->services);
    c->sites = calloc(cfg->n_sites, sizeof *c->sites);
    c->targets = calloc(cfg->n_sites, sizeof *c->targets);
    c->site_names = calloc(cfg->n_sites, sizeof *c->site_names);
    c->service_numbers = calloc(cfg->app->n_services + 1, sizeof *c->service_numbers);
    c->site_numbers = calloc(cfg->n_sites, sizeof *c->site_numbers);
    if (!c->services || !c->sites || !c->targets || !c->site_names || !c->service_numbers ||
        !c->site_numbers || proxy_scopes_create(&c->scopes) < 0) {
        conf_free(c);
        return NULL;
    }
    number_names(c);
    if (init_pools(c) < 0) {
        conf_free(c);
        return NULL;
    }
    for (size_t i = 0; i < cfg->n_sites; i++)
        c->site_names[i] = cfg->sites[i].name;
    c->plan_sites = proxy_plan_sites(cfg, c->site_names, peer_sites_of(c->peer));
    out_init(&via, c->via_text, sizeof c->via_text);
    OUT(&via, "Via: 1.1 cheops-");
    out_str(&via, cfg->site);
    OUT(&via, "\r\n");
    c->via = out_get(&via);
    return c;
}

static void cut_conf(const struct proxy_conf *c, struct peer *newest)
{
    for (size_t i = 0; i < c->cfg->n_sites; i++)
        if (i != c->cfg->self)
            http_pool_cut(&c->sites[i], peer_is_revoked, newest);
}

/* Transactions of an earlier configuration have their connections in pools of that time: what is
 * revoked is asked of the newest list all the same. */
void proxy_worker_cut_revoked(struct proxy_worker *w)
{
    list_for_each (it, &w->listeners) {
        struct proxy_listener *l = LIST_ITEM(it, struct proxy_listener, link);
        if (l->is_for_sites)
            http_server_cut(&l->server, peer_is_revoked, w->conf->peer);
    }
    cut_conf(w->conf, w->conf->peer);
    list_for_each (it, &w->txns) {
        const struct proxy_conf *c = LIST_ITEM(it, struct txn, link)->conf;
        if (c && c != w->conf)
            cut_conf(c, w->conf->peer);
    }
    http_pool_cut(&w->outlived, peer_is_revoked, w->conf->peer);
}

void proxy_worker_print(const struct proxy_worker *w, struct out *o)
{
    bool first = true;
    list_for_each (it, &w->txns) {
        size_t before = o->n;
        if (!first)
            out_char(o, ',');
        txn_print(LIST_ITEM(it, struct txn, link), o);
        if (o->overflowed) { /* what does not fit is left out whole */
            o->n = before;
            return;
        }
        first = false;
    }
}

void proxy_worker_drain(struct proxy_worker *w)
{
    w->draining = true;
    rt_wake(w->loop, &w->drain_task);
    list_for_each (it, &w->listeners) {
        struct proxy_listener *l = LIST_ITEM(it, struct proxy_listener, link);
        rt_listener_stop(&l->socket);
        http_server_drain(&l->server);
    }
}

void proxy_worker_destroy(struct proxy_worker **wp)
{
    struct proxy_worker *w = *wp;
    *wp = NULL;
    if (!w)
        return;
    w->on_drained = NULL;
    list_for_each_safe (it, &w->txns) {
        txn_abort(LIST_ITEM(it, struct txn, link));
    }
    list_for_each_safe (it, &w->listeners) {
        struct proxy_listener *l = LIST_ITEM(it, struct proxy_listener, link);
        rt_listener_stop(&l->socket);
        http_server_fini(&l->server);
    }
    rt_loop_turn(w->loop, 0); /* what died is freed at the end of a turn */
    list_for_each_safe (it, &w->listeners) {
        struct proxy_listener *l = LIST_ITEM(it, struct proxy_listener, link);
        list_remove(&l->link);
        proxy_conf_unref(&l->conf);
        free(l);
    }
    proxy_conf_unref(&w->conf);
    rt_loop_turn(w->loop, 0);
    rt_cancel(w->loop, &w->drain_task);
    http_pool_fini(&w->outlived);
    http_env_fini(&w->env);
    proxy_meter_destroy(&w->meter);
    free(w);
}
