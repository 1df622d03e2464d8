#include "admin/metrics.h"
#include "codec/uri.h"
#include "proxy/explain.h"

#include <stdlib.h>

#define BODY_BYTES 65536
#define TYPE_JSON  "application/json"
#define TYPE_TEXT  "text/plain; charset=utf-8"

struct admin {
    struct admin_in in;
    struct rt_listener socket;
    struct http_server server;
};

/* One request: answered at once, or when every worker has added its part. */
struct request {
    struct admin *admin;
    struct http_exchange *x;
    struct rt_task task;
    struct rt_timer timer;
    unsigned status;
    struct out body;
    size_t awaited; /* workers that have not answered so far */
    const char *type;
    bool written;
};

static void finish(struct request *r, bool keep)
{
    rt_timer_clear(r->admin->in.env->loop, &r->timer);
    rt_cancel(r->admin->in.env->loop, &r->task);
    http_exchange_end(r->x, keep);
}

static void write_answer(struct request *r)
{
    struct http_conn *io = &r->x->conn->io;
    struct out o;
    if (r->body.overflowed)
        r->status = 500, r->body.n = 0;
    if (http_head_begin(io, &o) < 0) {
        finish(r, false);
        return;
    }
    out_fmt(&o, "HTTP/1.1 %u %.*s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s\r\n", r->status,
            STR_ARG(h1_reason(r->status)), r->type, r->body.n,
            http_exchange_keeps(r->x) ? "" : "Connection: close\r\n");
    if (http_head_commit(io, &o, H1_LENGTH, r->body.n) < 0) {
        finish(r, false);
        return;
    }
    r->written = true;
    rt_timer_set(r->admin->in.env->loop, &r->timer, rt_now_ms(r->admin->in.env->loop) + 5000);
}

/* ---- routes */

static void get_health(struct request *r)
{
    OUT(&r->body, "{\"status\":\"alive\"}\n");
}

static void get_ready(struct request *r)
{
    bool ready = *r->admin->in.is_ready;
    r->status = ready ? 200 : 503;
    out_str(&r->body, ready ? STR("{\"status\":\"ready\"}\n") : STR("{\"status\":\"draining\"}\n"));
}

static void put_certificate(struct request *r)
{
    const struct cfg_peers *p = &r->admin->in.cfg->peers;
    int64_t end = p->server ? rt_tls_not_after(p->server) : 0;
    if (end)
        out_fmt(&r->body, ",\"certificate_days_left\":%lld",
                (long long)((end - (int64_t)(rt_wall_us() / 1000000)) / 86400));
}

static void put_site(struct request *r, size_t i)
{
    const struct admin_in *in = &r->admin->in;
    const struct cfg *cfg = in->cfg;
    struct peer_sites *sites = peer_sites_of(in->peer);
    uint64_t now = rt_mono_us() / 1000, heard = peer_sites_heard_ms(sites, i);
    uint32_t rtt = peer_sites_rtt_us(sites, cfg->self, i);
    OUT(&r->body, "{\"site\":");
    out_json(&r->body, cfg->sites[i].name);
    OUT(&r->body, ",\"state\":");
    out_json(&r->body, peer_state_name(peer_sites_state(sites, i)));
    out_fmt(&r->body, ",\"since_ms\":%llu",
            (unsigned long long)(now - peer_sites_since_ms(sites, i)));
    if (i == cfg->self) {
        OUT(&r->body, ",\"self\":true");
        put_certificate(r);
    } else {
        OUT(&r->body, ",\"address\":");
        out_json(&r->body, rt_name_text(cfg->sites[i].address));
        if (heard)
            out_fmt(&r->body, ",\"heard_ms\":%llu", (unsigned long long)(now - heard));
        OUT(&r->body, ",\"connections\":");
        out_u64(&r->body, peer_connections_of(in->peer, i));
        OUT(&r->body, ",\"legs\":");
        out_u64(&r->body, peer_legs_of(in->peer, i));
        if (peer_description_of(in->peer, i) != PEER_DESCRIPTION_UNKNOWN)
            out_str(&r->body, peer_description_of(in->peer, i) == PEER_DESCRIPTION_SAME
                                  ? STR(",\"description\":\"same\"")
                                  : STR(",\"description\":\"differs\""));
        if (in->control && peer_control_error(in->control, i)[0]) {
            OUT(&r->body, ",\"error\":");
            out_json(&r->body, str_of(peer_control_error(in->control, i)));
        }
    }
    if (rtt != PEER_RTT_UNKNOWN)
        out_fmt(&r->body, ",\"rtt_us\":%u,\"jitter_us\":%u", rtt, peer_sites_jitter_us(sites, i));
    out_char(&r->body, '}');
}

static void get_sites(struct request *r)
{
    OUT(&r->body, "{\"sites\":[");
    for (size_t i = 0; i < r->admin->in.cfg->n_sites; i++) {
        if (i)
            out_char(&r->body, ',');
        put_site(r, i);
    }
    OUT(&r->body, "]}\n");
}

/* Asks each worker, on its own loop, for its live transactions. */
struct question {
    struct rt_message message;
    struct request *request;
    struct proxy_worker *worker;
    struct rt_loop *home;
    struct out out;
    char text[BODY_BYTES / 4];
};

static void come_home(struct rt_loop *l, struct rt_message *m)
{
    struct question *q = CONTAINER_OF(m, struct question, message);
    struct request *r = q->request;
    if (q->out.n && r->body.n && r->body.p[r->body.n - 1] == '}')
        out_char(&r->body, ',');
    out_str(&r->body, out_get(&q->out));
    free(q);
    if (--r->awaited == 0) {
        OUT(&r->body, "]}\n");
        rt_wake(l, &r->task);
    }
}

static void visit(struct rt_loop *l, struct rt_message *m)
{
    struct question *q = CONTAINER_OF(m, struct question, message);
    (void)l;
    out_init(&q->out, q->text, sizeof q->text);
    proxy_worker_print(q->worker, &q->out);
    q->message.deliver = come_home;
    rt_post(q->home, &q->message);
}

static void get_transactions(struct request *r)
{
    const struct admin_in *in = &r->admin->in;
    OUT(&r->body, "{\"transactions\":[");
    for (size_t i = 0; i < in->n_workers; i++) {
        struct question *q = malloc(sizeof *q);
        if (!q)
            continue;
        q->message.deliver = visit;
        q->request = r;
        q->worker = in->workers[i];
        q->home = in->env->loop;
        r->awaited++;
        rt_post(in->workers[i]->loop, &q->message);
    }
    if (r->awaited == 0)
        OUT(&r->body, "]}\n");
}

#define MAX_FIELDS 32

/* Takes "name=value", decoded, off the query. False at its end. ERR_… in *rc. */
static bool next_parameter(struct request *r, struct str *query, struct str *name,
                           struct str *value, int *rc)
{
    char memory[16384];
    struct str raw;
    struct out o;
    if (!str_split(query, '&', &raw))
        return false;
    ptrdiff_t equals = str_find(raw, '=');
    *name = str_sub(raw, 0, equals < 0 ? raw.n : (size_t)equals);
    out_init(&o, memory, sizeof memory);
    *rc = uri_decode(str_from(raw, equals < 0 ? raw.n : (size_t)equals + 1), &o);
    if (*rc == 0 && o.overflowed)
        *rc = ERR_LIMIT;
    *value = arena_str(&r->x->arena, out_get(&o));
    if (*rc == 0 && !value->p)
        *rc = ERR_NO_MEMORY;
    return *rc == 0;
}

static int read_question(struct request *r, struct proxy_explain *e, struct str *fields,
                         struct diag *d)
{
    struct str query = uri_query(r->x->head.target), name, value;
    int rc = 0;
    e->as_json = true;
    e->fields = fields;
    while (next_parameter(r, &query, &name, &value, &rc)) {
        if (str_eq(name, STR("scope")))
            e->scope = value;
        else if (str_eq(name, STR("method")))
            e->method = value;
        else if (str_eq(name, STR("target")))
            e->target = value;
        else if (str_eq(name, STR("service")))
            e->service = value;
        else if (str_eq(name, STR("format")))
            e->as_json = !str_eq(value, STR("text"));
        else if (str_eq(name, STR("field")) && e->n_fields < MAX_FIELDS)
            fields[e->n_fields++] = value;
        else
            return diag_set(d, ERR_INVALID, "there is no parameter '%.*s'%s",
                            STR_ARG(str_sub(name, 0, 100)),
                            e->n_fields < MAX_FIELDS ? "" : ", or too many of it");
    }
    return rc < 0 ? diag_set(d, rc, "a parameter cannot be decoded, or is too long") : 0;
}

static void get_explain(struct request *r)
{
    struct str fields[MAX_FIELDS];
    struct proxy_explain e = {.method = STR("GET"), .target = STR("/")};
    struct plan_explain_failure failure = {.scope = STR_NULL};
    const struct admin_in *in = &r->admin->in;
    int rc = read_question(r, &e, fields, &failure.diag);
    if (rc == 0)
        rc = proxy_explain(in->cfg, peer_sites_of(in->peer), &e, &r->x->arena, &r->body, &failure);
    if (rc < 0) {
        r->status = (unsigned)err_status(rc);
        plan_explain_error(&failure, e.as_json, &r->body);
    }
    if (e.as_json)
        out_char(&r->body, '\n');
    r->type = e.as_json ? TYPE_JSON : TYPE_TEXT;
}

static void get_metrics(struct request *r)
{
    char *body = arena_alloc(&r->x->arena, METRICS_BYTES);
    if (!body) {
        r->status = 503;
        return;
    }
    out_init(&r->body, body, METRICS_BYTES);
    metrics_print(&r->admin->in, &r->body);
    r->type = METRICS_TYPE;
}

static const struct route {
    struct str path;
    void (*get)(struct request *r);
} routes[] = {
    {{"/healthz", 8}, get_health},      {{"/readyz", 7}, get_ready},
    {{"/v1/sites", 9}, get_sites},      {{"/v1/transactions", 16}, get_transactions},
    {{"/v1/explain", 11}, get_explain}, {{"/metrics", 8}, get_metrics},
};

static void refuse(struct request *r, unsigned status, const char *why)
{
    r->status = status;
    OUT(&r->body, "{\"error\":");
    out_json(&r->body, str_of(why));
    OUT(&r->body, ",\"routes\":[");
    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        if (i)
            out_char(&r->body, ',');
        out_json(&r->body, routes[i].path);
    }
    OUT(&r->body, "]}\n");
}

static void route(struct request *r)
{
    const struct h1_head *h = &r->x->head;
    if (r->x->error) {
        refuse(r, (unsigned)err_status(r->x->error), err_text(r->x->error));
        return;
    }
    if (h->method != H1_GET) {
        refuse(r, 405, "the admin API answers GET");
        return;
    }
    for (size_t i = 0; i < COUNT_OF(routes); i++)
        if (str_eq(uri_path(h->target), routes[i].path)) {
            routes[i].get(r);
            return;
        }
    refuse(r, 404, "there is no such route");
}

static void run(struct rt_task *task)
{
    struct request *r = CONTAINER_OF(task, struct request, task);
    struct http_conn *io = &r->x->conn->io;
    int rc = 0;
    if (r->awaited)
        return;
    if (!r->written)
        write_answer(r);
    if (!r->written)
        return;
    while (r->body.n && rc == 0) {
        long n = http_body_write(io, out_get(&r->body));
        rc = n < 0 ? (int)n : n == 0 ? ERR_AGAIN : 0;
        if (n > 0) {
            r->body.p += n;
            r->body.n -= (size_t)n;
        }
    }
    if (rc == 0)
        rc = http_body_write_end(io, STR_NULL);
    if (rc == 0 || rc == ERR_AGAIN)
        rc = rc == 0 ? http_flush(io) : rc;
    if (rc == ERR_AGAIN && !rt_timer_is_due(r->admin->in.env->loop, &r->timer))
        return;
    finish(r, rc == 0);
}

static void on_request(struct http_exchange *x)
{
    struct admin *a = x->conn->server->context;
    struct request *r = arena_zalloc(&x->arena, sizeof *r);
    char *body = arena_alloc(&x->arena, BODY_BYTES);
    if (!r || !body) {
        http_exchange_end(x, false);
        return;
    }
    r->admin = a;
    r->x = x;
    r->status = 200;
    r->type = TYPE_JSON;
    r->task.run = run;
    rt_timer_init(&r->timer, &r->task);
    out_init(&r->body, body, BODY_BYTES);
    http_exchange_attach(x, &r->task);
    route(r);
    rt_wake(a->in.env->loop, &r->task);
}

static void on_accept(struct rt_listener *socket, int fd)
{
    http_server_accept(&CONTAINER_OF(socket, struct admin, socket)->server, fd);
}

int admin_start(struct admin **out, const struct admin_in *in, struct diag *d)
{
    static const struct http_server_options options = {
        .max_head = 16384,
        .max_target = 16384,
        .max_fields = 64,
        .max_trailers = 1024,
        .max_requests = 10000,
        .max_connections = 64,
        .max_arena = METRICS_BYTES + 256 * 1024,
        .idle_ms = 60000,
        .head_ms = 5000,
        .tls_handshake_ms = 5000,
        .linger_ms = 2000,
    };
    struct rt_address at;
    int fd;
    struct admin *a = calloc(1, sizeof *a);
    if (!a)
        return diag_set(d, ERR_NO_MEMORY, "no memory for the admin API");
    a->in = *in;
    a->in.started_us = rt_wall_us();
    http_server_init(&a->server, in->env, &options, NULL, on_request, a);
    struct str text = arena_printf(&in->cfg->arena, "unix:%.*s", STR_ARG(in->cfg->admin_socket));
    int rc = text.p ? rt_address_parse(text, &at) : ERR_NO_MEMORY;
    if (rc == 0)
        rc = rt_listen(&at, false, 0660, &fd, d);
    if (rc == 0)
        rc = rt_listener_start(&a->socket, in->env->loop, fd, on_accept, d);
    if (rc < 0) {
        free(a);
        return diag_set(d, rc, "the admin socket %.*s: %s", STR_ARG(in->cfg->admin_socket),
                        err_text(rc));
    }
    *out = a;
    return 0;
}

void admin_stop(struct admin **ap)
{
    struct admin *a = *ap;
    *ap = NULL;
    if (!a)
        return;
    rt_listener_stop(&a->socket);
    http_server_fini(&a->server);
    rt_loop_turn(a->in.env->loop, 0);
    free(a);
}
