/* PEER: what came in on the listener for other sites: the peer protocol itself, or a leg. */
#include "proxy/txn.h"

static enum txn_verdict write_peer_answer(struct txn *t, const struct peer_answer *a)
{
    struct http_conn *io = txn_client(t);
    struct out o;
    int rc = http_head_begin(io, &o);
    if (rc < 0)
        return txn_drop(t, ERR_CLIENT_GONE);
    if (a->close)
        t->x->head.keep_alive = false;
    out_fmt(&o, "HTTP/1.1 %u %.*s\r\nDate: %.*s\r\n", a->status, STR_ARG(h1_reason(a->status)),
            STR_ARG(rt_http_date()));
    if (a->diag.code)
        out_fmt(&o, "Cheops-Error: %s\r\n", err_name(a->diag.code));
    if (!http_exchange_keeps(t->x))
        OUT(&o, "Connection: close\r\n");
    out_fmt(&o, "Content-Type: application/%s\r\nContent-Length: %zu\r\n\r\n",
            a->is_list ? "pkix-crl" : "json", a->body.n);
    out_str(&o, a->body);
    rc = http_head_commit(io, &o, H1_NO_BODY, 0);
    if (rc < 0)
        return txn_drop(t, ERR_CLIENT_GONE);
    t->status = a->status;
    t->answer_begun = t->keep = true;
    t->diag = a->diag;
    t->is_protocol = !a->diag.code; /* who was refused, and why, is logged */
    return txn_go(t, TXN_REFUSE);   /* which flushes it */
}

/* Reads the field Cheops-Leg, and removes it with all that is not for a service. */
static int take_leg_field(struct txn *t, struct peer_leg *leg)
{
    struct h1_head *h = &t->x->head;
    size_t field = h1_find(h, H1_CHEOPS_LEG, 0);
    int rc = peer_leg_parse(h1_value(h, field), &t->x->arena, leg, &t->diag);
    if (rc == 0 && h1_find(h, H1_CHEOPS_LEG, field + 1) < h->n_fields)
        rc = diag_set(&t->diag, ERR_BAD_REQUEST, "the field Cheops-Leg stands twice");
    h1_drop(h, H1_CHEOPS_LEG);
    h1_drop(h, H1_CHEOPS_SITE);
    h1_drop(h, H1_CHEOPS_ERROR);
    h1_drop(h, H1_OTHER_CHEOPS);
    return rc;
}

/* The identifier that the client gave its request goes back to it, whose service ever answers. */
static void take_correlation(struct txn *t)
{
    const struct app *app = txn_cfg(t)->app;
    struct h1_head *h = &t->x->head;
    if (!app->carriers.correlation_field.p)
        return;
    size_t i = h1_find_name(h, app->carriers.correlation_field, 0);
    if (i < h->n_fields && app_correlation_is(app, h1_value(h, i)))
        t->carried.correlation = h1_value(h, i);
}

/* Checks what a leg says, and makes a transaction with one local leg of it. */
static int begin_leg(struct txn *t)
{
    const struct cfg *cfg = txn_cfg(t);
    struct peer_leg leg;
    t->is_leg = true;
    t->target = t->x->head.target;
    int rc = take_leg_field(t, &leg);
    if (rc == 0)
        rc = txn_check_head(t);
    if (rc < 0)
        return rc;
    t->id = leg.transaction;
    t->scope = leg.scope;
    t->total_due_ms = rt_now_ms(t->worker->loop) + leg.deadline_ms;
    t->service = app_service_find(cfg->app, leg.service);
    if (!t->service)
        return diag_set(&t->diag, ERR_UNKNOWN_SERVICE, "the description here knows no service %.*s",
                        STR_ARG(str_sub(leg.service, 0, 100)));
    txn_take_traceparent(t);
    take_correlation(t);
    t->routed = true;
    return peer_leg_begin(t->conf->peer, t->from_site, &t->place, &t->diag);
}

static int route_leg(struct txn *t)
{
    const struct cfg *cfg = txn_cfg(t);
    int rc = t->routed ? 0 : begin_leg(t);
    if (rc < 0)
        return rc;
    txn_classify(t);
    if (t->class_.needs_body && txn_peek_wanted(t, cfg->limits.peek))
        return ERR_MORE;
    if (!peer_is_allowed(cfg, t->from_site, t->service, t->class_.kind)) {
        diag_hint(&t->diag, "add it to `allow` of the asking site in this site's configuration");
        return diag_set(&t->diag, ERR_PEER_NOT_ALLOWED, "%.*s does not run %.*s of %.*s for %.*s",
                        STR_ARG(cfg->site), STR_ARG(app_kind_name(t->class_.kind)),
                        STR_ARG(t->service->name), STR_ARG(cfg->sites[t->from_site].name));
    }
    if (t->worker->draining)
        return diag_set(&t->diag, ERR_DRAINING, "%.*s is stopping", STR_ARG(cfg->site));
    return 0;
}

/* The body of a request of the protocol, whole. */
static int read_peer_body(struct txn *t)
{
    struct http_conn *io = txn_client(t);
    struct str data;
    int rc;
    while ((rc = http_body_peek(io, &data)) > 0) {
        if (t->kept.n + data.n > PEER_MESSAGE_MAX ||
            !txn_keep(t, &t->kept, &t->kept_capacity, data))
            return ERR_BODY_TOO_LARGE;
        http_body_consume(io, data.n);
        t->progressed = true;
    }
    return rc;
}

enum txn_verdict step_peer(struct txn *t)
{
    struct peer_answer answer = {0};
    int rc = peer_wants_body(t->x) ? read_peer_body(t) : 0;
    if (rc == ERR_AGAIN && !txn_timed_out(t))
        return txn_wait(t, txn_cfg(t)->timeouts.client_body_ms);
    if (rc == ERR_BODY_TOO_LARGE)
        return txn_refuse(t, rc, "a message of the peer protocol is too large");
    if (rc < 0)
        return txn_drop(t, ERR_CLIENT_GONE);
    if (peer_serve(t->conf->peer, t->x, t->kept, &t->from_site, &answer) == PEER_REQUEST_ANSWERED)
        return write_peer_answer(t, &answer);
    if (txn_ends_here(t))
        return txn_end_here(t);
    rc = route_leg(t);
    if (rc == ERR_MORE)
        return txn_go(t, TXN_PEEK);
    if (rc == 0 && arena_overflowed(&t->x->arena))
        rc = diag_set(&t->diag, ERR_NO_MEMORY, "the leg needs more memory than request_memory");
    if (rc < 0)
        return txn_refuse(t, rc, "%s", err_text(rc));
    return txn_go(t, TXN_LEG);
}
