/* A worker takes a configuration: at the start, and at each reload. */
#include "proxy/outlive.h"

#include <stdio.h>
#include <stdlib.h>

#define PAUSE_TELL_MS 60000

struct socket {
    int fd;         /* -1: the worker has it, or there is none */
    bool is_shared; /* by all workers; else each has its own */
};

struct proxy_change {
    struct proxy_worker *worker;
    struct proxy_conf *conf;
    size_t n;               /* listeners of the configuration, and the one for other sites */
    struct socket *sockets; /* by listener, the one for other sites last */
};

static void on_accept(struct rt_listener *socket, int fd)
{
    struct proxy_listener *l = CONTAINER_OF(socket, struct proxy_listener, socket);
    http_server_accept(&l->server, fd);
}

/* Connections of an address over client_connections that are told so; those on top are closed. */
#define TOLD_MAX 16

/* A trusted proxy has connections of many clients, whose requests are counted one by one. Without
 * memory to count, the connection is taken for one too many. */
static int admit(struct http_server_conn *c)
{
    struct proxy_listener *l = c->server->context;
    struct proxy_clients *clients = l->worker->shared->clients;
    uint64_t limit = l->conf->cfg->limits.client_connections;
    const struct rt_ip *peer = http_peer(c);
    if (!l->cfg || !limit || !peer->n_bits ||
        http_peer_is_in(c, l->cfg->proxies, l->cfg->n_proxies))
        return 0;
    if (proxy_clients_take(clients, peer, limit, &c->counted) == 0)
        return 0;
    return proxy_clients_take(clients, peer, limit + TOLD_MAX, &c->counted) == 0 ? ERR_TOO_MANY
                                                                                 : ERR_LIMIT;
}

/* Who is served goes on; who comes waits in the kernel's queue. Said at most once a minute. */
static void on_pause(struct rt_listener *socket, int os_error)
{
    struct proxy_worker *w = CONTAINER_OF(socket, struct proxy_listener, socket)->worker;
    uint64_t now = rt_now_ms(w->loop);
    counter_add(&w->meter->accept_pauses, 1);
    if (w->pause_told_ms && now - w->pause_told_ms < PAUSE_TELL_MS)
        return;
    w->pause_told_ms = now;
    fprintf(stderr,
            "cheopsd: new connections wait: %s; those that are open are served; raise the limit on "
            "open files (LimitNOFILE of the unit), or lower limits.connections\n",
            strerrordesc_np(os_error));
}

/* `l`: NULL for the listener for other sites. */
static struct http_server_options server_options(const struct cfg *cfg,
                                                 const struct cfg_listener *l)
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
        .proxies = l ? l->proxies : NULL,
        .n_proxies = l ? l->n_proxies : 0,
        .proxy_protocol = l && l->proxy_protocol,
    };
}

/* ---- which listener is which. Number n_listeners is the one for other sites. */

static const struct cfg_listener *listener_of(const struct cfg *cfg, size_t i)
{
    return i < cfg->n_listeners ? &cfg->listeners[i] : NULL;
}

static const struct rt_address *address_of(const struct cfg *cfg, size_t i)
{
    if (i < cfg->n_listeners)
        return &cfg->listeners[i].address;
    return cfg->peers.is_on ? &cfg->peers.listen : NULL;
}

static bool is_same_address(const struct rt_address *a, const struct rt_address *b)
{
    return a && b && rt_address_is_same(a, b);
}

/* The listener of cfg that has the address of number i of `of` and is for the same: clients, or
 * other sites. -1: none. */
static long same_listener(const struct cfg *cfg, const struct cfg *of, size_t i)
{
    bool is_for_sites = i == of->n_listeners;
    for (size_t j = 0; j <= cfg->n_listeners; j++)
        if ((j == cfg->n_listeners) == is_for_sites &&
            is_same_address(address_of(cfg, j), address_of(of, i)))
            return (long)j;
    return -1;
}

/* ---- preparing */

static int open_socket(struct proxy_change *c, size_t i, const struct proxy_change_from *from,
                       const struct proxy_change *first, struct diag *d)
{
    const struct cfg *cfg = c->conf->cfg, *old = c->worker->conf ? c->worker->conf->cfg : NULL;
    const struct rt_address *at = address_of(cfg, i);
    struct socket *s = &c->sockets[i];
    s->fd = -1;
    if (!at || (old && same_listener(old, cfg, i) >= 0))
        return 0;
    if (first && first->sockets[i].is_shared)
        return rt_listen_share(first->sockets[i].fd, &s->fd, d);
    bool is_unix = at->sa.sa_family == AF_UNIX;
    s->fd = first ? -1 : rt_passed_take(from->passed, at);
    s->is_shared = is_unix || s->fd >= 0;
    return s->fd >= 0 ? 0 : rt_listen(at, !is_unix, 0660, &s->fd, d);
}

int proxy_change_prepare(struct proxy_change **out, struct proxy_worker *w,
                         const struct proxy_change_from *from, const struct proxy_change *first,
                         struct diag *d)
{
    struct proxy_change *c = calloc(1, sizeof *c);
    int rc = c ? 0 : ERR_NO_MEMORY;
    if (rc == 0) {
        c->worker = w;
        c->conf = proxy_conf_create(w, from);
        c->sockets = calloc(from->cfg->n_listeners + 1, sizeof *c->sockets);
        rc = c->conf && c->sockets ? 0 : ERR_NO_MEMORY;
    }
    if (rc < 0)
        diag_set(d, rc, "no memory for a worker's pools");
    for (size_t i = 0; rc == 0 && i <= from->cfg->n_listeners; i++) {
        rc = open_socket(c, i, from, first, d);
        c->n += rc == 0;
    }
    if (rc < 0)
        proxy_change_abandon(&c);
    else
        *out = c;
    return rc;
}

void proxy_change_abandon(struct proxy_change **cp)
{
    struct proxy_change *c = *cp;
    *cp = NULL;
    if (!c)
        return;
    for (size_t i = 0; i < c->n; i++)
        if (c->sockets[i].fd >= 0)
            rt_discard(c->sockets[i].fd);
    proxy_conf_unref(&c->conf);
    free(c->sockets);
    free(c);
}

/* ---- applying */

/* Connections that come from now on are served under the configuration; those that are there, from
 * their next request on. */
static void point(struct proxy_listener *l, struct proxy_conf *conf, size_t i)
{
    struct proxy_conf *old = l->conf;
    l->conf = proxy_conf_ref(conf);
    l->cfg = listener_of(conf->cfg, i);
    l->server.options = server_options(conf->cfg, l->cfg);
    l->server.tls = l->cfg ? l->cfg->tls : conf->cfg->peers.server;
    if (old)
        proxy_conf_unref(&old);
}

static void retire(struct proxy_listener *l)
{
    l->is_retired = true;
    rt_listener_stop(&l->socket);
    http_server_drain(&l->server);
    rt_wake(l->worker->loop, &l->worker->drain_task);
}

static int add_listener(struct proxy_worker *w, size_t i, int fd, struct diag *d)
{
    static const struct http_server_options none;
    struct proxy_listener *l = calloc(1, sizeof *l);
    if (!l) {
        rt_discard(fd);
        return diag_set(d, ERR_NO_MEMORY, "no memory for a listener");
    }
    l->worker = w;
    l->is_for_sites = i == w->conf->cfg->n_listeners;
    http_server_init(&l->server, &w->env, &none, NULL, txn_begin, l);
    l->server.on_lost = txn_log_lost;
    l->server.on_empty = &w->drain_task;
    l->server.admit = admit;
    l->server.connections = &w->meter->connections;
    l->server.refused = &w->meter->refused_connections;
    point(l, w->conf, i);
    int rc = rt_listener_start(&l->socket, w->loop, fd, on_accept, d);
    if (rc < 0) {
        proxy_conf_unref(&l->conf);
        free(l);
        return rc;
    }
    l->socket.on_pause = on_pause;
    list_push(&w->listeners, &l->link);
    return 0;
}

static size_t number_of(const struct proxy_listener *l)
{
    const struct cfg *cfg = l->conf->cfg;
    return l->cfg ? (size_t)(l->cfg - cfg->listeners) : cfg->n_listeners;
}

int proxy_change_apply(struct proxy_change **cp, struct diag *d)
{
    struct proxy_change *c = *cp;
    struct proxy_worker *w = c->worker;
    struct proxy_conf *old = w->conf;
    int rc = 0;
    w->conf = proxy_conf_ref(c->conf);
    list_for_each (it, &w->listeners) {
        struct proxy_listener *l = LIST_ITEM(it, struct proxy_listener, link);
        long at = l->is_retired ? -1 : same_listener(w->conf->cfg, l->conf->cfg, number_of(l));
        if (at >= 0)
            point(l, w->conf, (size_t)at);
        else if (!l->is_retired)
            retire(l);
    }
    for (size_t i = 0; i < c->n; i++) {
        int fd = c->sockets[i].fd, failed = 0;
        c->sockets[i].fd = -1;
        if (fd >= 0)
            failed = add_listener(w, i, fd, d);
        rc = rc ? rc : failed;
    }
    list_for_each (it, &w->txns)
        txn_outlive(LIST_ITEM(it, struct txn, link));
    if (old)
        proxy_conf_unref(&old);
    proxy_change_abandon(cp);
    return rc;
}
