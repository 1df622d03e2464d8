/* ROUTE and PEEK: what a request is for, under which scope, and which legs that means. */
#include "proxy/txn.h"

#include "codec/trace.h"
#include "codec/uri.h"

#define MAX_PASSES 3 /* by this site, before a request is taken for one that goes in circles */

static void too_many(struct txn *t)
{
    diag_hint(&t->diag,
              "ask again when others have ended, or raise limits.client_connections (%llu)",
              (unsigned long long)txn_cfg(t)->limits.client_connections);
}

static enum txn_verdict refuse_head(struct txn *t)
{
    const struct cfg_limits *m = &txn_cfg(t)->limits;
    int code = diag_set(&t->diag, t->x->error, "%s", t->x->why ? t->x->why : err_text(t->x->error));
    if (code == ERR_HEAD_TOO_LARGE)
        diag_hint(&t->diag, "send less, or raise limits.head (%llu bytes) or limits.fields (%llu)",
                  (unsigned long long)m->head, (unsigned long long)m->fields);
    else if (code == ERR_URI_TOO_LONG)
        diag_hint(&t->diag, "send less, or raise limits.target (%llu bytes)",
                  (unsigned long long)m->target);
    else if (code == ERR_REQUEST_TIMEOUT)
        diag_hint(&t->diag, "send it at once, or raise timeouts.client_head (%u ms)",
                  txn_cfg(t)->timeouts.client_head_ms);
    else if (code == ERR_TOO_MANY)
        too_many(t);
    else if (code == ERR_OVERLOADED)
        diag_hint(&t->diag, "ask again later, or raise limits.connections (%llu for each worker)",
                  (unsigned long long)m->connections);
    return txn_go(t, TXN_REFUSE);
}

static enum txn_verdict body_is_late(struct txn *t)
{
    unsigned ms = txn_cfg(t)->timeouts.client_body_ms;
    diag_set(&t->diag, ERR_REQUEST_TIMEOUT, "nothing of the request's body came for %u ms", ms);
    diag_hint(&t->diag, "send it without such pauses, or raise timeouts.client_body");
    return txn_go(t, TXN_REFUSE);
}

enum txn_verdict txn_wait_for_client(struct txn *t)
{
    const struct cfg *c = txn_cfg(t);
    const struct proxy_rate_bound bound = {c->limits.body_rate, c->timeouts.body_window_ms};
    uint64_t now = rt_now_ms(t->worker->loop);
    if (txn_timed_out(t))
        return body_is_late(t);
    /* Another site's Cheops waits for its client itself. */
    if (t->is_leg || !proxy_rate_is_low(&t->body_rate, &bound, now, t->body_bytes))
        return txn_wait(t, c->timeouts.client_body_ms);
    diag_set(&t->diag, ERR_REQUEST_TIMEOUT,
             "less than %llu bytes a second of the request's body came over %u ms",
             (unsigned long long)bound.bytes_per_s, bound.window_ms);
    diag_hint(&t->diag, "send it faster, or lower limits.body_rate");
    return txn_go(t, TXN_REFUSE);
}

int txn_body_is_bad(struct txn *t, int code)
{
    const struct cfg_limits *m = &txn_cfg(t)->limits;
    switch (code) {
    case ERR_BODY_TOO_LARGE:
        diag_set(&t->diag, code, "the body has more than %llu bytes", (unsigned long long)m->body);
        diag_hint(&t->diag, "send less, or raise limits.body");
        break;
    case ERR_HEAD_TOO_LARGE:
        diag_set(&t->diag, code, "the trailers of the request's body have more than %llu bytes",
                 (unsigned long long)m->trailers);
        diag_hint(&t->diag, "send less, or raise limits.trailers");
        break;
    case ERR_NO_MEMORY:
        diag_set(&t->diag, code, "the request needs more than %llu bytes of memory",
                 (unsigned long long)m->request_memory);
        diag_hint(&t->diag, "send less, or raise limits.request_memory");
        break;
    default:
        diag_set(&t->diag, code, "the framing of the request's body is malformed");
    }
    return code;
}

/* How often Via names this site (RFC 9110 section 7.6.3). */
static unsigned passes(const struct txn *t)
{
    const struct h1_head *h = &t->x->head;
    unsigned n = 0;
    for (size_t i = h1_find(h, H1_VIA, 0); i < h->n_fields; i = h1_find(h, H1_VIA, i + 1)) {
        struct str list = h1_value(h, i), piece;
        while (str_split(&list, ',', &piece)) {
            piece = str_trim(piece);
            ptrdiff_t blank = str_find(piece, ' ');
            struct str by = str_trim(str_from(piece, blank < 0 ? piece.n : (size_t)blank));
            if (str_starts(by, STR("cheops-")) && str_eq(str_from(by, 7), txn_cfg(t)->site))
                n++;
        }
    }
    return n;
}

/* The service that a client's request is for. */
static int find_service(struct txn *t)
{
    struct str path = t->target;
    ptrdiff_t query = str_find(path, '?');
    if (query >= 0)
        path = str_sub(path, 0, (size_t)query);
    t->service = t->listener->service ? t->listener->service
                                      : app_recognise(txn_cfg(t)->app, t->x->head.authority, path);
    if (t->service)
        return 0;
    diag_hint(&t->diag, "tie the listener to a service, or give the service a host or a prefix");
    return diag_set(&t->diag, ERR_UNKNOWN_SERVICE,
                    "no service of the application takes the host '%.*s' and the path '%.*s'",
                    STR_ARG(str_sub(t->x->head.authority, 0, 100)), STR_ARG(str_sub(path, 0, 100)));
}

void txn_take_traceparent(struct txn *t)
{
    t->traceparent = trace_take(&t->x->head);
    if (t->traceparent.p)
        return;
    struct out o;
    out_init(&o, t->traceparent_made, sizeof t->traceparent_made);
    OUT(&o, "00-");
    out_hex64(&o, t->id);
    out_hex64(&o, t->begun_wall_us * 0x9e3779b97f4a7c15ull);
    OUT(&o, "-");
    out_str(&o, str_sub(out_get(&o), 3, 16)); /* the id again: this hop's */
    OUT(&o, "-00");
    t->traceparent = out_get(&o);
}

void txn_classify(struct txn *t)
{
    const struct h1_head *h = &t->x->head;
    size_t type = h1_find(h, H1_CONTENT_TYPE, 0);
    struct app_request r = {
        .method = h->method_text,
        .target = t->target,
        .media_type = type < h->n_fields ? h1_value(h, type) : STR_NULL,
        .body = t->kept,
        .body_is_whole = t->kept_whole || t->kept.n >= txn_cfg(t)->limits.peek,
    };
    app_classify(t->service, &r, &t->class_);
}

bool txn_peek_wanted(struct txn *t, size_t limit)
{
    if (t->kept_whole || t->x->head.framing == H1_NO_BODY || t->kept.n >= limit)
        return false;
    t->peek_limit = limit;
    return true;
}

/* RFC 9113 section 3.1 has retired it: a tunnel of it would carry requests past all that is decided
 * for each request. Not taking an upgrade up is always right. */
static bool asks_for_h2c(const struct h1_head *h)
{
    for (size_t i = h1_find(h, H1_UPGRADE, 0); i < h->n_fields; i = h1_find(h, H1_UPGRADE, i + 1)) {
        struct str list = h1_value(h, i), protocol;
        while (str_split(&list, ',', &protocol))
            if (str_eq_nocase(str_trim(protocol), STR("h2c")))
                return true;
    }
    return false;
}

int txn_check_head(struct txn *t)
{
    struct h1_head *h = &t->x->head;
    const struct cfg_limits *limits = &txn_cfg(t)->limits;
    h->has_upgrade = h->has_upgrade && !asks_for_h2c(h);
    if (h->framing == H1_LENGTH && limits->body && h->length > limits->body)
        return txn_body_is_bad(t, ERR_BODY_TOO_LARGE);
    if (h1_find(h, H1_VIA, 0) < h->n_fields && passes(t) > MAX_PASSES) {
        diag_hint(&t->diag, "a service's url leads back to a listener of Cheops");
        return diag_set(&t->diag, ERR_LOOP, "the request has passed %.*s more than %d times",
                        STR_ARG(txn_cfg(t)->site), MAX_PASSES);
    }
    return 0;
}

/* A carrier in the path is gone from the target: what was classified had it, and so may have the
 * body, of which all that matters was read. */
static void follow_cuts(struct txn *t)
{
    struct app_carried *c = &t->carried;
    size_t cut = c->body_cut_to - c->body_cut_from;
    if (t->target.p != c->target.p) {
        t->target = c->target;
        txn_classify(t);
    }
    if (cut == 0)
        return;
    char *body = (char *)(uintptr_t)t->kept.p;
    memmove(body + c->body_cut_from, body + c->body_cut_to, t->kept.n - c->body_cut_to);
    t->kept.n -= cut;
    if (t->x->head.framing == H1_LENGTH)
        t->x->head.length -= cut;
    c->body_cut_to = c->body_cut_from;
}

/* Whom the request comes from, where a trusted proxy stands in front. Without memory, the proxy:
 * the request is refused for that anyhow. */
static void read_forwarded(struct txn *t)
{
    struct http_server_conn *c = t->x->conn;
    char text[HTTP_PEER_HOST_MAX];
    struct out o;
    if (!http_peer_is_in(c, t->listener->proxies, t->listener->n_proxies))
        return;
    t->forwarded = arena_zalloc(&t->x->arena, sizeof *t->forwarded);
    if (!t->forwarded)
        return;
    struct proxy_forwarded_by by = {*http_peer(c), t->listener->proxies, t->listener->n_proxies,
                                    t->listener->trusts_forwarded};
    proxy_forwarded_read(&t->x->head, &by, t->forwarded);
    out_init(&o, text, sizeof text);
    rt_ip_print(&t->forwarded->chain[0], &o);
    t->client = arena_str(&t->x->arena, out_get(&o));
}

/* A client behind a trusted proxy has as many requests under way as another one has connections. */
static int take_place(struct txn *t)
{
    uint64_t limit = txn_cfg(t)->limits.client_connections;
    const struct proxy_forwarded *f = t->forwarded;
    if (!limit || !f || f->n == 1)
        return 0;
    if (proxy_clients_take(t->worker->shared->clients, &f->chain[0], limit, &t->place) == 0)
        return 0;
    too_many(t);
    return diag_set(&t->diag, ERR_TOO_MANY, "%.*s has %llu requests under way already",
                    STR_ARG(t->client), (unsigned long long)limit);
}

/* The first reading of a client's request: carriers, service. */
static int begin_route(struct txn *t)
{
    struct h1_head *h = &t->x->head;
    read_forwarded(t);
    t->target = h->target;
    int rc = take_place(t);
    if (rc == 0)
        rc = txn_check_head(t);
    if (rc < 0)
        return rc;
    txn_take_traceparent(t); /* before the carriers: they look for one in tracestate */
    rc = app_carriers_read(txn_cfg(t)->app, h, &t->x->arena, &t->carried, &t->diag);
    t->target = t->carried.target;
    if (rc < 0) {
        find_service(t); /* for the shape of the error */
        return rc;
    }
    return find_service(t);
}

/* Carrier 7, when no other is there. */
static void ask_memory(struct txn *t)
{
    struct proxy_memory *m = t->worker->shared->memory;
    for (size_t i = 0; i < COUNT_OF(t->carried.memory_ids) && !t->carried.text.p; i++) {
        struct str id = t->carried.memory_ids[i];
        if (!id.p)
            continue;
        uint64_t key = app_correlation_key(txn_cfg(t)->app, id);
        t->carried.text = proxy_memory_get(m, key, rt_now_ms(t->worker->loop), &t->x->arena);
        if (t->carried.text.p)
            t->carried.carrier = APP_CARRIER_MEMORY;
    }
}

/* The two identifiers of one request begin with the same digits, so that one entry stands for both.
 * What a client sent as its correlation identifier is put back in the answer. Returns the key. */
static uint64_t make_ids(struct txn *t)
{
    const struct app *app = txn_cfg(t)->app;
    char text[128];
    struct out o;
    unsigned char bytes[16];
    proxy_worker_random(t->worker, bytes, sizeof bytes);
    bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40); /* as in a UUID of version 4 */
    uint64_t key = 0;
    for (size_t i = 0; i < sizeof key; i++)
        key = key << 8 | bytes[i];
    out_init(&o, text, sizeof text);
    out_hex64(&o, key);
    t->ids.trace_id = arena_str(&t->x->arena, out_get(&o));
    if (!app->carriers.correlation_field.p)
        return key;
    out_init(&o, text, sizeof text);
    app_correlation_make(app, bytes, &o);
    t->ids.correlation = arena_str(&t->x->arena, out_get(&o));
    return key;
}

/* Remembers under which scope the service's own sub-requests will come. */
void txn_remember(struct txn *t)
{
    const struct app_carriers *c = &txn_cfg(t)->app->carriers;
    uint64_t now = rt_now_ms(t->worker->loop), keep = c->correlation_keep_s * 1000ull;
    if (t->ids.trace_id.p)
        return;
    uint64_t key = make_ids(t);
    struct proxy_text *of_leg = t->scope_read ? NULL : proxy_text_create(t->scope);
    struct proxy_text *scope = t->scope_read ? t->scope_read->shared : of_leg;
    if (scope)
        proxy_memory_put(t->worker->shared->memory, key, scope, now, keep);
    proxy_text_unref(&of_leg);
}

/* The scope, frozen here for the service: t->scope, t->scope_read. */
static int read_scope(struct txn *t)
{
    struct proxy_scope_question q = {t->carried.text, txn_cfg(t)->site, t->service->name};
    t->scope_source = t->carried.text;
    int rc = proxy_scopes_get(t->conf->scopes, &q, &t->scope_read, &t->diag);
    if (rc == 0)
        t->scope = t->scope_read->text;
    return rc;
}

/* t->plan: the one that an earlier request of the same kind left with the scope, or made now. */
static int find_plan(struct txn *t)
{
    enum h1_method method = t->x->head.method;
    struct plan *made;
    t->plan = proxy_scope_plan(t->scope_read, &t->class_, method);
    if (t->plan)
        return 0;
    struct plan_in in = {
        .app = txn_cfg(t)->app,
        .service = t->service,
        .class_ = &t->class_,
        .method = t->x->head.method_text,
        .scope = t->scope_read->frozen,
        .sites = &t->conf->plan_sites,
    };
    int rc = plan_make(&in, &t->x->arena, &made, &t->diag);
    if (rc < 0)
        return rc;
    t->plan = made;
    proxy_scope_keep(t->scope_read, &t->class_, method, made);
    return 0;
}

static int make_plan(struct txn *t)
{
    struct arena *a = &t->x->arena;
    int rc = read_scope(t);
    if (rc == 0)
        rc = find_plan(t);
    if (rc < 0)
        return rc;
    if (t->plan->unsupported)
        return diag_set(&t->diag, t->plan->unsupported, "%.*s", STR_ARG(t->plan->unsupported_why));
    t->n_legs = t->plan->n_legs;
    t->legs = arena_zalloc(a, t->n_legs * sizeof *t->legs);
    if (!t->legs || arena_overflowed(a)) {
        t->legs = &t->one_leg;
        return diag_set(&t->diag, ERR_NO_MEMORY, "no memory for the plan's legs");
    }
    for (size_t i = 0; i < t->n_legs; i++)
        t->legs[i].site = t->plan->legs[i].site;
    uint64_t ms =
        t->plan->timeout_us ? (t->plan->timeout_us + 999) / 1000 : txn_cfg(t)->timeouts.scope_ms;
    t->total_due_ms = rt_now_ms(t->worker->loop) + ms;
    return 0;
}

static int route_client(struct txn *t)
{
    int rc = 0;
    if (!t->routed) {
        rc = begin_route(t);
        if (rc < 0)
            return rc;
        t->routed = true;
    }
    txn_classify(t);
    size_t peek = txn_cfg(t)->limits.peek;
    bool wants =
        t->class_.needs_body || app_carriers_want_body(txn_cfg(t)->app, &t->class_, &t->carried);
    if (wants && txn_peek_wanted(t, peek))
        return ERR_MORE;
    rc = app_carriers_read_body(txn_cfg(t)->app, &t->class_, t->kept, &t->x->arena, &t->carried,
                                &t->diag);
    if (rc < 0)
        return rc;
    follow_cuts(t);
    if (t->carried.carrier == APP_CARRIER_NONE)
        ask_memory(t);
    if (!t->carried.text.p)
        return 0;
    if (!t->plan)
        rc = make_plan(t);
    if (rc == 0 && txn_is_chain(t) && txn_peek_wanted(t, txn_cfg(t)->limits.replay))
        return ERR_MORE;
    return rc;
}

enum txn_verdict step_route(struct txn *t)
{
    if (t->x->error)
        return refuse_head(t);
    if (txn_ends_here(t))
        return txn_end_here(t);
    int rc = route_client(t);
    if (rc == ERR_MORE)
        return txn_go(t, TXN_PEEK);
    if (rc == 0 && arena_overflowed(&t->x->arena))
        rc = txn_body_is_bad(t, ERR_NO_MEMORY);
    if (rc < 0)
        return txn_refuse(t, rc, "%s", err_text(rc));
    return txn_go(t, t->plan && t->plan->policy == PLAN_MERGE ? TXN_GATHER : TXN_LEG);
}

bool txn_keep(struct txn *t, struct str *kept, size_t *capacity, struct str data)
{
    if (kept->n + data.n > *capacity) {
        size_t want = *capacity ? *capacity * 2 : 2048;
        while (want < kept->n + data.n)
            want *= 2;
        char *p = arena_alloc(&t->x->arena, want);
        if (!p || arena_overflowed(&t->x->arena))
            return false;
        if (kept->n)
            memcpy(p, kept->p, kept->n);
        kept->p = p;
        *capacity = want;
    }
    memcpy((char *)(uintptr_t)kept->p + kept->n, data.p, data.n);
    kept->n += data.n;
    return true;
}

/* Says 100 Continue in the service's place: the body is needed before a service is known. */
static int let_client_continue(struct txn *t)
{
    struct http_conn *io = txn_client(t);
    struct out o;
    if (!t->x->head.expects_continue || t->continued || http_unread(io).n)
        return 0;
    t->continued = true;
    int rc = http_head_begin(io, &o);
    if (rc < 0)
        return rc;
    OUT(&o, "HTTP/1.1 100 Continue\r\n\r\n");
    rc = http_head_commit(io, &o, H1_NO_BODY, 0);
    return rc < 0 ? rc : http_flush(io);
}

/* Reads the body up to peek_limit into t->kept. 0: whole. ERR_LIMIT: there is more of it. */
static int read_ahead(struct txn *t)
{
    struct http_conn *io = txn_client(t);
    struct str data;
    int rc = let_client_continue(t);
    if (rc < 0 && rc != ERR_AGAIN)
        return rc;
    while ((rc = http_body_peek(io, &data)) > 0) {
        if (t->kept.n >= t->peek_limit)
            return ERR_LIMIT;
        data = str_sub(data, 0, t->peek_limit - t->kept.n);
        if (!txn_keep(t, &t->kept, &t->kept_capacity, data))
            return ERR_NO_MEMORY;
        http_body_consume(io, data.n);
        t->body_bytes += data.n;
        t->progressed = true;
    }
    return rc;
}

enum txn_verdict step_peek(struct txn *t)
{
    int rc = read_ahead(t);
    if (rc == 0)
        t->kept_whole = true;
    if (rc == 0 || rc == ERR_LIMIT)
        return txn_go(t, t->is_leg ? TXN_PEER : TXN_ROUTE);
    if (rc == ERR_AGAIN)
        return txn_wait_for_client(t);
    t->x->head.keep_alive = false; /* nobody knows where the next request begins */
    if (rc == ERR_BAD_REQUEST || rc == ERR_HEAD_TOO_LARGE || rc == ERR_NO_MEMORY)
        return txn_refuse(t, txn_body_is_bad(t, rc), "%s", err_text(rc));
    return txn_drop(t, ERR_CLIENT_GONE);
}
