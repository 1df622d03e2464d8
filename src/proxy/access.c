/* What stays of a transaction when it ends: what is counted (docs/metrics.md), and a line of the
 * access log, one JSON object (docs/access-log.md lists its members). No credential, body or query
 * is in either. */
#include "proxy/outlive.h"

#define LINE_BYTES 8000
/* Of what a client chose, so that nobody can make a line that is too long to be written. */
#define METHOD_MAX     32
#define PATH_MAX_BYTES 1024
#define ID_MAX         128
#define WHY_MAX        400

static void put_member(struct out *o, struct str name, struct str value)
{
    OUT(o, ",\"");
    out_str(o, name);
    OUT(o, "\":");
    out_json(o, value);
}

static void put_number(struct out *o, struct str name, uint64_t value)
{
    OUT(o, ",\"");
    out_str(o, name);
    OUT(o, "\":");
    out_u64(o, value);
}

static void put_legs(const struct txn *t, struct out *o)
{
    OUT(o, ",\"legs\":[");
    bool first = true;
    for (size_t i = 0; i < t->n_legs; i++) {
        const struct txn_leg *leg = &t->legs[i];
        if (!leg->status && !leg->code && !leg->us)
            continue;
        out_str(o, first ? STR("{\"site\":") : STR(",{\"site\":"));
        first = false;
        out_json(o, txn_leg_name(t, i));
        if (leg->status)
            put_number(o, STR("status"), leg->status);
        else
            put_member(o, STR("error"), str_of(err_name(leg->code)));
        put_number(o, STR("us"), leg->us);
        out_char(o, '}');
    }
    out_char(o, ']');
}

static void put_request(const struct txn *t, struct out *o)
{
    const struct h1_head *h = &t->x->head;
    struct str path = t->target.p ? t->target : h->target;
    ptrdiff_t query = str_find(path, '?');
    if (query >= 0)
        path = str_sub(path, 0, (size_t)query);
    put_member(o, STR("method"), str_sub(h->method_text, 0, METHOD_MAX));
    put_member(o, STR("path"), str_sub(path, 0, PATH_MAX_BYTES));
    if (txn_service_name(t).p)
        put_member(o, STR("service"), txn_service_name(t));
    if (txn_type_name(t).p)
        put_member(o, STR("type"), txn_type_name(t));
    if (t->routed)
        put_member(o, STR("kind"), app_kind_name(t->class_.kind));
}

/* Whether what was said of the error is logged, too. What is wrong with a client's request is not:
 * it may quote a query. */
static bool says_why(const struct txn *t)
{
    return t->diag.code && (t->is_from_site || err_status(t->diag.code) >= 500);
}

/* The line; what can be long is left out unless `whole`. */
static void put_line(const struct txn *t, bool whole, struct out *o)
{
    OUT(o, "{\"time\":\"");
    rt_print_time(t->begun_wall_us, o);
    OUT(o, "\",\"transaction\":\"");
    out_hex64(o, t->id);
    OUT(o, "\"");
    if (t->traceparent.p)
        put_member(o, STR("trace"), str_sub(t->traceparent, 3, 32));
    put_member(o, STR("client"), t->client);
    if (t->is_leg)
        put_member(o, STR("from"), txn_from_name(t));
    if (!t->x->error)
        put_request(t, o);
    if (t->scope.p && whole)
        put_member(o, STR("scope"), t->scope);
    if (t->carried.correlation.p)
        put_member(o, STR("correlation"), str_sub(t->carried.correlation, 0, ID_MAX));
    put_member(o, STR("plan"), t->plan ? plan_form_name(t->plan->form) : STR("local"));
    if (whole)
        put_legs(t, o);
    else
        OUT(o, ",\"cut\":true");
    put_number(o, STR("status"), t->status ? t->status : (unsigned)err_status(t->diag.code));
    if (t->diag.code)
        put_member(o, STR("error"), str_of(err_name(t->diag.code)));
    if (says_why(t))
        put_member(o, STR("why"), str_of(t->diag.message));
    put_number(o, STR("bytes_in"), t->body_bytes);
    put_number(o, STR("bytes_out"), t->answer_bytes + t->inspected_sent);
    put_number(o, STR("us"), rt_mono_us() - t->begun_us);
    out_char(o, '}');
}

void txn_log_lost(struct http_server_conn *c, int code, struct str why)
{
    const struct proxy_listener *l = c->server->context;
    struct rt_log *log = l->worker->shared->access_log;
    char memory[LINE_BYTES];
    struct out o;
    if (!log)
        return;
    out_init(&o, memory, sizeof memory);
    OUT(&o, "{\"time\":\"");
    rt_print_time(rt_wall_us(), &o);
    OUT(&o, "\"");
    put_member(&o, STR("client"), http_peer_host(c));
    put_member(&o, STR("listener"), l->cfg ? l->cfg->text : l->conf->cfg->peers.listen_text);
    put_member(&o, STR("error"), str_of(err_name(code)));
    put_member(&o, STR("why"), str_sub(why, 0, WHY_MAX));
    out_char(&o, '}');
    if (!o.overflowed)
        rt_log_line(log, out_get(&o));
}

void txn_count(const struct txn *t)
{
    struct proxy_meter *m = t->worker->meter;
    if (t->is_protocol)
        return;
    unsigned status = t->status ? t->status : t->diag.code ? (unsigned)err_status(t->diag.code) : 0;
    bool is_whole = t->state == TXN_DONE && !t->dropped;
    struct proxy_request_key key = {
        .service = txn_service_number(t),
        .site = txn_leg_number(t, txn_leg_at(t)),
        .plan = t->is_leg ? PROXY_PLAN_LEG
                : t->plan ? (uint8_t)t->plan->form
                          : PLAN_LOCAL,
        .class_ = is_whole ? (uint8_t)(status / 100) : 0,
    };
    proxy_meter_request(m, &key);
    for (size_t i = 0; i < t->n_legs; i++)
        if (t->legs[i].us)
            proxy_meter_leg(m, txn_leg_number(t, i), t->legs[i].us);
    if (t->diag.code)
        counter_add(&m->refused[-t->diag.code], 1);
    counter_add(&m->received_bytes, t->body_bytes);
    counter_add(&m->sent_bytes, t->answer_bytes + t->inspected_sent);
}

void txn_log(const struct txn *t)
{
    struct rt_log *log = t->worker->shared->access_log;
    char memory[LINE_BYTES];
    struct out o;
    if (!log || t->is_protocol)
        return;
    out_init(&o, memory, sizeof memory);
    put_line(t, true, &o);
    if (o.overflowed) {
        out_init(&o, memory, sizeof memory);
        put_line(t, false, &o);
    }
    if (!o.overflowed)
        rt_log_line(log, out_get(&o));
}
