#include "admin/metrics.h"
#include "admin/request.h"
#include "codec/uri.h"

#include <stdio.h>
#include <stdlib.h>

#define SMALL_BYTES   1024
#define REQUEST_BYTES (512u * 1024) /* of an arena, for all but the body of the answer */
#define WORKER_BYTES  (72u * 1024)  /* of an answer, of each worker */
#define SITE_BYTES    4096          /* of an answer, of each site */

/* ---- an answer */

static void finish(struct admin_request *r, bool keep)
{
    struct rt_loop *l = r->admin->in.env->loop;
    rt_timer_clear(l, &r->timer);
    rt_cancel(l, &r->task);
    list_remove(&r->link);
    if (r->admin->reloading == r)
        r->admin->reloading = NULL;
    http_exchange_end(r->x, keep);
}

bool admin_body(struct admin_request *r, size_t bytes)
{
    char *memory = arena_alloc(&r->x->arena, bytes);
    if (memory)
        out_init(&r->body, memory, bytes);
    else
        admin_refuse(r, 503, "no memory for the answer");
    return memory != NULL;
}

void admin_refuse(struct admin_request *r, unsigned status, const char *why)
{
    r->status = status;
    r->type = ADMIN_JSON;
    r->body.n = 0;
    r->body.overflowed = false;
    OUT(&r->body, "{\"error\":");
    out_json(&r->body, str_of(why));
    OUT(&r->body, "}\n");
}

static void write_head(struct admin_request *r)
{
    struct http_conn *io = &r->x->conn->io;
    struct rt_loop *l = r->admin->in.env->loop;
    struct out o;
    if (r->body.overflowed)
        admin_refuse(r, 500, "the answer is too long");
    int rc = http_head_begin(io, &o);
    if (rc == 0) {
        out_fmt(&o, "HTTP/1.1 %u %.*s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s%s%s%s\r\n",
                r->status, STR_ARG(h1_reason(r->status)), r->type, r->body.n,
                r->allow ? "Allow: " : "", r->allow ? r->allow : "", r->allow ? "\r\n" : "",
                http_exchange_keeps(r->x) ? "" : "Connection: close\r\n");
        rc = http_head_commit(io, &o, H1_LENGTH, r->body.n);
    }
    if (rc < 0) {
        finish(r, false);
        return;
    }
    r->is_written = true;
    rt_timer_set(l, &r->timer, rt_now_ms(l) + ADMIN_WRITE_MS);
}

/* 0: all has left. */
static int write_body(struct admin_request *r)
{
    struct http_conn *io = &r->x->conn->io;
    while (r->body.n) {
        long n = http_body_write(io, out_get(&r->body));
        if (n <= 0)
            return n < 0 ? (int)n : ERR_AGAIN;
        r->body.p += n;
        r->body.n -= (size_t)n;
    }
    int rc = http_body_write_end(io, STR_NULL);
    return rc == 0 ? http_flush(io) : rc;
}

static void run(struct rt_task *task)
{
    struct admin_request *r = CONTAINER_OF(task, struct admin_request, task);
    struct rt_loop *l = r->admin->in.env->loop;
    if (!r->is_written) {
        bool is_due = rt_timer_is_due(l, &r->timer);
        if (((r->is_gathering && !list_is_empty(&r->questions)) || r->is_reloading) && !is_due)
            return;
        if (r->is_reloading)
            admin_end_reload(r);
        if (r->is_gathering)
            admin_end_transactions(r);
        write_head(r);
        if (!r->is_written)
            return;
    }
    int rc = write_body(r);
    if (rc != ERR_AGAIN || rt_timer_is_due(l, &r->timer))
        finish(r, rc == 0);
}

/* ---- routes */

static void get_health(struct admin_request *r)
{
    OUT(&r->body, "{\"status\":\"alive\"}\n");
}

static void get_ready(struct admin_request *r)
{
    bool ready = *r->admin->in.is_ready;
    r->status = ready ? 200 : 503;
    out_str(&r->body, ready ? STR("{\"status\":\"ready\"}\n") : STR("{\"status\":\"draining\"}\n"));
}

/* Until admin_stop requests are taken also while the workers end. */
static bool workers_are_there(const struct admin_in *in)
{
    bool are_there = true;
    for (size_t i = 0; i < in->n_workers; i++)
        are_there &= in->workers[i] != NULL;
    return are_there;
}

static void get_metrics(struct admin_request *r)
{
    if (!workers_are_there(&r->admin->in)) {
        admin_refuse(r, 503, err_text(ERR_DRAINING));
        return;
    }
    if (!admin_body(r, METRICS_BYTES))
        return;
    metrics_print(&r->admin->in, &r->body);
    r->type = METRICS_TYPE;
}

static void get_routes(struct admin_request *r);

static const struct route {
    const char *path;
    void (*run)(struct admin_request *r);
    bool is_change; /* POST; else GET */
} routes[] = {
    {"/healthz", get_health},
    {"/metrics", get_metrics},
    {"/readyz", get_ready},
    {"/v1/", get_routes},
    {"/v1/configuration", admin_get_configuration},
    {"/v1/explain", admin_get_explain},
    {"/v1/reload", admin_reload, true},
    {"/v1/sites", admin_get_sites},
    {"/v1/transactions", admin_get_transactions},
};

static void get_routes(struct admin_request *r)
{
    OUT(&r->body, "{\"routes\":[");
    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        if (i)
            out_char(&r->body, ',');
        out_json(&r->body, str_of(routes[i].path));
    }
    OUT(&r->body, "]}\n");
}

static const struct route *find_route(struct str path)
{
    for (size_t i = 0; i < COUNT_OF(routes); i++)
        if (str_eq(path, str_of(routes[i].path)))
            return &routes[i];
    return NULL;
}

static void route(struct admin_request *r)
{
    const struct h1_head *h = &r->x->head;
    if (r->x->error) {
        admin_refuse(r, (unsigned)err_status(r->x->error), err_text(r->x->error));
        return;
    }
    if (r->admin->is_stopping) {
        admin_refuse(r, 503, err_text(ERR_DRAINING));
        return;
    }
    const struct route *found = find_route(uri_path(h->target));
    if (!h1_is_safe(h->method) && !rt_stream_peer_is_trusted(&r->x->conn->io.stream)) {
        admin_refuse(r, 403, "only root and the user that cheopsd runs as may change anything");
    } else if (!found) {
        admin_refuse(r, 404, "there is no such route; /v1/ lists them");
    } else if (h->method != (found->is_change ? H1_POST : H1_GET)) {
        r->allow = found->is_change ? "POST" : "GET";
        admin_refuse(r, 405, found->is_change ? "this route takes POST" : "this route answers GET");
    } else {
        found->run(r);
    }
}

/* ---- requests */

static void on_request(struct http_exchange *x)
{
    struct admin *a = x->conn->server->context;
    struct rt_loop *l = a->in.env->loop;
    struct admin_request *r = arena_zalloc(&x->arena, sizeof *r);
    char *memory = arena_alloc(&x->arena, SMALL_BYTES);
    if (!r || !memory) {
        http_exchange_end(x, false);
        return;
    }
    r->admin = a;
    r->x = x;
    r->status = 200;
    r->type = ADMIN_JSON;
    r->task.run = run;
    rt_timer_init(&r->timer, &r->task);
    list_init(&r->questions);
    list_push(&a->requests, &r->link);
    out_init(&r->body, memory, SMALL_BYTES);
    http_exchange_attach(x, &r->task);
    rt_timer_set(l, &r->timer, rt_now_ms(l) + ADMIN_GATHER_MS);
    route(r);
    rt_wake(l, &r->task);
}

static void on_accept(struct rt_listener *socket, int fd)
{
    http_server_accept(&CONTAINER_OF(socket, struct admin, socket)->server, fd);
}

/* ---- the whole */

/* Who may open the socket: the group of the configuration, which must be there, or cheops, which
 * need not. */
static int set_group(const struct admin_in *in, const struct rt_address *at, struct diag *d)
{
    struct diag why = {0};
    if (in->cfg->admin_group.p)
        return rt_listen_group(at, in->cfg->admin_group, d);
    if (rt_listen_group(at, STR("cheops"), &why) == ERR_SYSTEM)
        fprintf(stderr, "warning: %s\n", why.message);
    return 0;
}

/* A socket that was passed has the mode and the group that its maker gave it. */
static int open_socket(const struct admin_in *in, int *fd, struct diag *d)
{
    char memory[256];
    struct out path;
    struct rt_address at;
    out_init(&path, memory, sizeof memory);
    OUT(&path, "unix:");
    out_str(&path, in->cfg->admin_socket);
    int rc = path.overflowed ? ERR_INVALID : rt_address_parse(out_get(&path), &at);
    if (rc < 0)
        return rc;
    *fd = rt_passed_take(in->passed, &at);
    if (*fd >= 0)
        return 0;
    rc = rt_listen(&at, false, 0660, fd, d);
    return rc == 0 ? set_group(in, &at, d) : rc;
}

int admin_start(struct admin **out, const struct admin_in *in, struct diag *d)
{
    struct http_server_options options = {
        .max_head = 16384,
        .max_target = 16384,
        .max_fields = 64,
        .max_trailers = 1024,
        .max_requests = 10000,
        .max_connections = 64,
        .max_arena = METRICS_BYTES + REQUEST_BYTES + in->n_workers * WORKER_BYTES +
                     in->cfg->n_sites * SITE_BYTES,
        .idle_ms = 60000,
        .head_ms = 5000,
        .tls_handshake_ms = 5000,
        .linger_ms = 2000,
    };
    int fd = -1;
    struct admin *a = calloc(1, sizeof *a);
    if (!a)
        return diag_set(d, ERR_NO_MEMORY, "no memory for the admin API");
    a->in = *in;
    a->in.started_us = rt_wall_us();
    list_init(&a->requests);
    http_server_init(&a->server, in->env, &options, NULL, on_request, a);
    int rc = open_socket(in, &fd, d);
    if (rc == 0)
        rc = rt_listener_start(&a->socket, in->env->loop, fd, on_accept, d);
    else if (fd >= 0)
        rt_discard(fd);
    if (rc < 0) {
        free(a);
        return diag_set(d, rc, "the admin socket %.*s: %s", STR_ARG(in->cfg->admin_socket),
                        err_text(rc));
    }
    *out = a;
    return 0;
}

void admin_update(struct admin *a, struct cfg *cfg, struct peer *peer, struct peer_control *control)
{
    a->in.cfg = cfg;
    a->in.peer = peer;
    a->in.control = control;
}

void admin_stop(struct admin **ap)
{
    struct admin *a = *ap;
    *ap = NULL;
    if (!a)
        return;
    a->is_stopping = true; /* what is asked from now on finds no workers */
    rt_listener_stop(&a->socket);
    rt_loop_turn(a->in.env->loop, 0); /* the workers have ended: every question comes home now */
    list_for_each_safe (it, &a->requests) {
        finish(LIST_ITEM(it, struct admin_request, link), false);
    }
    http_server_fini(&a->server);
    rt_loop_turn(a->in.env->loop, 0);
    free(a);
}
