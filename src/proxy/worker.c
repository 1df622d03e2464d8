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

/* A listener of a draining worker has lost its last connection. */
static void run_drain(struct rt_task *task)
{
    struct proxy_worker *w = CONTAINER_OF(task, struct proxy_worker, drain_task);
    list_for_each (it, &w->listeners) {
        if (LIST_ITEM(it, struct proxy_listener, link)->server.n_conns)
            return;
    }
    if (w->on_drained)
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
    p->max_open = cfg->limits.service_connections;
    p->max_idle = cfg->limits.service_idle;
    p->max_waiting = cfg->limits.service_queue;
    p->idle_ms = cfg->timeouts.service_idle_ms;
    p->max_head = (uint32_t)cfg->limits.head;
    p->max_fields = (uint32_t)cfg->limits.fields;
}

static void init_service_pool(struct proxy_conf *c, size_t i)
{
    const struct cfg_instance *instance = &c->cfg->instances[i];
    struct http_pool *p = &c->services[i];
    set_limits(p, c->cfg);
    p->name = instance->name;
    p->tls = instance->tls;
    p->server_name = instance->server_name;
    p->keep_alive = keep_alive_of(instance->keep_alive);
    p->gauge = proxy_meter_service(c->worker->meter, c->service_numbers[i]);
    http_pool_init(p, &c->worker->env);
}

static void init_site_pool(struct proxy_conf *c, size_t i)
{
    struct http_pool *p = &c->sites[i];
    set_limits(p, c->cfg);
    p->name = c->cfg->sites[i].address;
    p->tls = c->cfg->peers.client;
    /* A kept connection to another Cheops that closes says so, and refuses before it runs: any
     * method may go on it. */
    p->keep_alive = HTTP_KEEP_ALWAYS;
    c->targets[i] = (struct peer_target){c->worker->shared->peer, i};
    p->context = &c->targets[i];
    p->greeting = peer_greeting(c->worker->shared->peer);
    p->on_greeted = peer_on_greeted;
    p->gauge = proxy_meter_site(c->worker->meter, c->site_numbers[i]);
    http_pool_init(p, &c->worker->env);
}

static void conf_free(struct proxy_conf *c)
{
    for (size_t i = 0; c->services && i < c->cfg->app->n_services; i++)
        if (c->services[i].env)
            http_pool_fini(&c->services[i]);
    for (size_t i = 0; c->sites && i < c->cfg->n_sites; i++)
        if (c->sites[i].env)
            http_pool_fini(&c->sites[i]);
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

static struct proxy_conf *conf_create(struct proxy_worker *w, struct cfg *cfg)
{
    struct proxy_conf *c = calloc(1, sizeof *c);
    struct out via;
    if (!c)
        return NULL;
    c->refs = 1;
    c->worker = w;
    c->cfg = cfg_ref(cfg);
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
    for (size_t i = 0; i < cfg->app->n_services; i++)
        if (cfg->instances[i].service)
            init_service_pool(c, i);
    for (size_t i = 0; i < cfg->n_sites; i++) {
        c->site_names[i] = cfg->sites[i].name;
        if (i != cfg->self)
            init_site_pool(c, i);
    }
    c->plan_sites = proxy_plan_sites(cfg, c->site_names, peer_sites_of(w->shared->peer));
    out_init(&via, c->via_text, sizeof c->via_text);
    OUT(&via, "Via: 1.1 cheops-");
    out_str(&via, cfg->site);
    OUT(&via, "\r\n");
    c->via = out_get(&via);
    return c;
}

/* ---- listeners */

static void on_accept(struct rt_listener *socket, int fd)
{
    struct proxy_listener *l = CONTAINER_OF(socket, struct proxy_listener, socket);
    http_server_accept(&l->server, fd);
}

static struct http_server_options server_options(const struct cfg *cfg)
{
    const struct cfg_limits *m = &cfg->limits;
    return (struct http_server_options){
        .max_head = (uint32_t)m->head,
        .max_target = (uint32_t)m->target,
        .max_fields = (uint32_t)m->fields,
        .max_trailers = (uint32_t)m->trailers,
        .max_requests = (uint32_t)m->requests_per_connection,
        .max_connections = m->connections,
        .max_arena = m->request_memory,
        .idle_ms = cfg->timeouts.client_idle_ms,
        .head_ms = cfg->timeouts.client_head_ms,
        .tls_handshake_ms = cfg->timeouts.tls_handshake_ms,
        .linger_ms = cfg->timeouts.linger_ms,
    };
}

/* The listening socket of an address: one a loop (SO_REUSEPORT), or a share in the first one's. */
static int open_socket(const struct cfg_listener *from, const struct rt_address *at,
                       const struct proxy_worker *first, int *fd, struct diag *d)
{
    bool is_unix = at->sa.sa_family == AF_UNIX;
    if (is_unix && first)
        list_for_each (it, &first->listeners) {
            const struct proxy_listener *l = LIST_ITEM(it, struct proxy_listener, link);
            if (l->cfg == from)
                return rt_listener_share(&l->socket, fd, d);
        }
    return rt_listen(at, !is_unix, 0660, fd, d);
}

static int add_listener(struct proxy_worker *w, const struct cfg *cfg,
                        const struct cfg_listener *from, const struct proxy_worker *first,
                        struct diag *d)
{
    const struct rt_address *at = from ? &from->address : &cfg->peers.listen;
    struct http_server_options options = server_options(cfg);
    int fd;
    struct proxy_listener *l = calloc(1, sizeof *l);
    if (!l)
        return diag_set(d, ERR_NO_MEMORY, "no memory for a listener");
    l->worker = w;
    l->cfg = from;
    http_server_init(&l->server, &w->env, &options, from ? from->tls : cfg->peers.server, txn_begin,
                     l);
    l->server.on_lost = txn_log_lost;
    l->server.on_empty = &w->drain_task;
    l->server.connections = &w->meter->connections;
    int rc = open_socket(from, at, first, &fd, d);
    if (rc == 0)
        rc = rt_listener_start(&l->socket, w->loop, fd, on_accept, d);
    if (rc < 0) {
        free(l);
        return rc;
    }
    list_push(&w->listeners, &l->link);
    return 0;
}

int proxy_worker_configure(struct proxy_worker *w, struct cfg *cfg,
                           const struct proxy_worker *first, struct diag *d)
{
    int rc = 0;
    CHECK(!w->conf);
    w->conf = conf_create(w, cfg);
    if (!w->conf)
        return diag_set(d, ERR_NO_MEMORY, "no memory for a worker's pools");
    for (size_t i = 0; rc == 0 && i < cfg->n_listeners; i++)
        rc = add_listener(w, cfg, &cfg->listeners[i], first, d);
    if (rc == 0 && cfg->peers.is_on)
        rc = add_listener(w, cfg, NULL, first, d);
    return rc;
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
        free(l);
    }
    proxy_conf_unref(&w->conf);
    rt_loop_turn(w->loop, 0);
    rt_cancel(w->loop, &w->drain_task);
    http_env_fini(&w->env);
    proxy_meter_destroy(&w->meter);
    free(w);
}
