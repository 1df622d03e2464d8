/* RELAY and INSPECT: the request flows to the leg until the head of its answer is there. */
#include "proxy/gather.h"

#include "codec/uri.h"

#define PUMP_BYTES  (1024 * 1024) /* moved in one turn before others get theirs */
#define MAX_INTERIM 1000 /* 1xx answers to one request: hours of 102, and an end to a flood */

int txn_pump(struct txn *t, struct http_conn *from, struct http_conn *to, uint64_t *moved,
             bool *from_failed)
{
    struct str data;
    uint64_t stop = *moved + PUMP_BYTES;
    int rc;
    *from_failed = true;
    while ((rc = http_body_peek(from, &data)) > 0) {
        long n = http_body_write(to, data);
        if (n <= 0) {
            *from_failed = false;
            return n == 0 ? ERR_AGAIN : (int)n;
        }
        http_body_consume(from, (size_t)n);
        *moved += (uint64_t)n;
        t->progressed = true;
        if (*moved >= stop) {
            rt_wake(t->worker->loop, &t->task);
            return ERR_AGAIN;
        }
    }
    if (rc == 0) {
        rc = http_body_write_end(to, from->trailers);
        *from_failed = rc == ERR_BAD_REQUEST;
    }
    if (rc < 0 && rc != ERR_AGAIN)
        return rc;
    *from_failed = false;
    int flushed = http_flush(to);
    return flushed < 0 ? flushed : rc;
}

int txn_send_kept(struct txn *t, struct http_conn *to, struct str kept, size_t *sent)
{
    while (*sent < kept.n) {
        long n = http_body_write(to, str_from(kept, *sent));
        if (n < 0)
            return (int)n;
        if (n == 0) {
            int rc = http_flush(to);
            return rc < 0 ? rc : ERR_AGAIN;
        }
        *sent += (size_t)n;
        t->progressed = true;
    }
    return 0;
}

int txn_pump_request(struct txn *t, bool *client_failed)
{
    uint64_t limit = txn_cfg(t)->limits.body, moved = 0;
    *client_failed = false;
    int rc = txn_send_kept(t, &t->up->io, t->kept, &t->kept_sent);
    if (rc < 0)
        return rc;
    rc = txn_pump(t, txn_client(t), &t->up->io, &moved, client_failed);
    t->body_bytes += moved;
    t->body_gone |= moved > 0;
    if (limit && t->body_bytes > limit) {
        *client_failed = true;
        return ERR_BODY_TOO_LARGE;
    }
    return rc;
}

/* What is wrong with the client's body, as an answer, or nothing when it has gone. */
static enum txn_verdict client_failed(struct txn *t, int code)
{
    t->up_broken = true; /* the leg has half a request: its connection is not used again */
    t->x->head.keep_alive = false; /* nobody knows where the next request begins */
    if (code == ERR_BODY_TOO_LARGE || code == ERR_BAD_REQUEST || code == ERR_HEAD_TOO_LARGE)
        return txn_refuse(t, txn_body_is_bad(t, code), "%s", err_text(code));
    return txn_drop(t, ERR_CLIENT_GONE);
}

/* The leg's connection ended without an answer. A reused one may have been closed by the service
 * before the request came: then a fresh one is tried, if that can do no harm. */
static enum txn_verdict leg_broke(struct txn *t, int code, const char *why)
{
    bool harmless = h1_is_safe(t->x->head.method) && !t->body_gone;
    bool unsent = t->up->io.bytes_out == t->up_begin;
    if (t->up->has_idled && !t->up->has_answer && (harmless || unsent) && !t->body_gone) {
        http_pool_put(&t->up, false);
        t->fresh = true;
        t->kept_sent = 0;
        t->request_done = t->up_broken = false;
        return txn_go(t, TXN_CONNECT);
    }
    if (code == ERR_SERVICE_BROKEN)
        diag_set(&t->diag, code, "the service %.*s at %.*s gave an answer that is not valid: %s",
                 STR_ARG(t->service->name), STR_ARG(txn_cfg(t)->sites[txn_leg_site(t)].name), why);
    else if (code == ERR_TLS) /* TLS 1.3: a certificate that it refuses is told so late */
        http_client_tls_failed(t->up, &t->diag);
    else
        diag_set(&t->diag, ERR_SERVICE_BROKEN,
                 "the service %.*s at %.*s closed the connection before it answered",
                 STR_ARG(t->service->name), STR_ARG(txn_cfg(t)->sites[txn_leg_site(t)].name));
    return txn_leg_failed(t, unsent ? PLAN_END_REFUSED : PLAN_END_NO_ANSWER, t->diag.code);
}

static enum txn_verdict leg_is_late(struct txn *t)
{
    int code = txn_leg_is_local(t) ? ERR_SERVICE_TIMEOUT : ERR_SITE_TIMEOUT;
    const char *bound = txn_is_overdue(t)          ? "timeouts.scope, or the scope's timeout"
                        : http_is_full(&t->up->io) ? "timeouts.service_body"
                        : !txn_leg_is_last(t)      ? "timeouts.otherwise"
                                                   : "timeouts.service_head";
    diag_set(&t->diag, code, "the service %.*s at %.*s gave no answer within %llu ms",
             STR_ARG(t->service->name), STR_ARG(txn_cfg(t)->sites[txn_leg_site(t)].name),
             (unsigned long long)((rt_mono_us() - t->leg_begun_us) / 1000));
    diag_hint(&t->diag, "look at the service, or raise %s", bound);
    return txn_leg_failed(t, PLAN_END_NO_ANSWER, code);
}

/* What RELAY waits for, and how long. */
static enum txn_verdict wait_for_answer(struct txn *t)
{
    const struct cfg_timeouts *c = &txn_cfg(t)->timeouts;
    bool service_is_full = http_is_full(&t->up->io);
    if (txn_timed_out(t)) {
        if (t->offering && !txn_is_overdue(t)) {
            t->offering = false;
            t->progressed = true;
            return TXN_AGAIN;
        }
        if (!t->request_done && !t->up_broken && !service_is_full && !txn_is_overdue(t))
            return txn_wait_for_client(t);
        return leg_is_late(t);
    }
    /* The rest of its body may be here, unread: that client has given up all the same. */
    if (service_is_full && txn_client(t)->stream.has_hup)
        return txn_drop(t, ERR_CLIENT_GONE);
    if (!t->offering && !t->request_done && !t->up_broken && !service_is_full)
        return txn_wait_for_client(t);
    if (t->body_rate.since_ms)
        proxy_rate_pause(&t->body_rate, rt_now_ms(t->worker->loop));
    if (t->offering)
        return txn_wait(t, c->offer_ms);
    if (!t->request_done && !t->up_broken)
        return txn_wait(t, c->service_body_ms);
    if (!txn_leg_is_last(t))
        return txn_wait(t, c->otherwise_ms);
    return txn_wait(t, c->service_head_ms);
}

/* Moves the request on. False when the transaction has gone elsewhere: *v. */
static bool send_request(struct txn *t, enum txn_verdict *v)
{
    bool client_side;
    if (t->request_done || t->up_broken)
        return true;
    if (t->offering) {
        int rc = http_flush(&t->up->io);
        t->up_broken = rc < 0 && rc != ERR_AGAIN;
        return true;
    }
    int rc = txn_pump_request(t, &client_side);
    if (rc == 0) {
        t->request_done = true;
        t->progressed = true;
    } else if (rc != ERR_AGAIN && client_side) {
        *v = client_failed(t, rc);
        return false;
    } else if (rc != ERR_AGAIN) {
        t->up_broken = true; /* it may have answered all the same: RFC 9112 section 9.5 */
    }
    return true;
}

/* 1xx: passed on to who can read it. 100 lets an offered body flow. One a turn, and the next when
 * the client has taken it. */
static enum txn_verdict interim(struct txn *t, const struct h1_head *head)
{
    bool is_continue = head->status == 100;
    int rc = 0;
    if (++t->n_interim > MAX_INTERIM)
        return leg_broke(t, ERR_SERVICE_BROKEN, "it has more 1xx answers than anybody needs");
    if (is_continue && t->offering)
        t->offering = false;
    else if (t->x->head.minor >= 1 &&
             !(is_continue && (t->continued || !t->x->head.expects_continue)))
        rc = txn_write_interim(t, head);
    http_client_head_end(t->up, head, 0);
    t->progressed = true;
    if (rc < 0 && rc != ERR_AGAIN)
        return txn_drop(t, ERR_CLIENT_GONE);
    rt_wake(t->worker->loop, &t->task);
    return wait_for_answer(t);
}

/* What the client has not taken of 1xx answers is written before the next head is looked at. */
static bool interim_is_stuck(struct txn *t, enum txn_verdict *v)
{
    int rc = http_flush(txn_client(t));
    if (rc == 0)
        return false;
    if (rc != ERR_AGAIN || txn_timed_out(t))
        *v = txn_drop(t, rc == ERR_AGAIN ? ERR_CLIENT_TIMEOUT : ERR_CLIENT_GONE);
    else
        *v = txn_wait(t, txn_cfg(t)->timeouts.client_write_ms);
    return true;
}

int txn_code_of_refusal(struct str name)
{
    static const struct str late[] = {
        {"service-timeout", 15}, {"request-timeout", 15}, {"maybe-run", 9}};
    for (size_t i = 0; i < COUNT_OF(late); i++)
        if (str_eq(name, late[i]))
            return ERR_SITE_TIMEOUT;
    return str_eq(name, STR("service-broken")) ? ERR_SERVICE_BROKEN : ERR_SITE_REFUSED;
}

/* A list of a chain that selects, and may be empty: its body has to be looked at. */
static bool wants_inspection(const struct txn *t, const struct h1_head *head)
{
    const struct app_type *type = t->class_.type;
    struct str value;
    if (!txn_is_chain(t) || txn_leg_is_last(t) || head->status != 200 || !type ||
        t->class_.kind != APP_LIST || !type->list.array.p || t->x->head.method != H1_GET)
        return false;
    for (size_t i = 0; i < type->list.n_selects; i++)
        if (uri_query_find(t->target, type->list.selects[i], &value))
            return true;
    return false;
}

static enum txn_verdict peer_refused(struct txn *t, const struct h1_head *head, size_t field)
{
    struct str name = h1_value(head, field);
    int code = txn_code_of_refusal(name);
    if (!txn_is_chain(t))
        return txn_leg_answered(t, head, false); /* it names itself: passed on */
    diag_set(&t->diag, code, "the service %.*s at %.*s: its Cheops answered %.*s",
             STR_ARG(t->service->name), STR_ARG(txn_cfg(t)->sites[txn_leg_site(t)].name),
             STR_ARG(name));
    return txn_leg_failed(t, code == ERR_SITE_REFUSED ? PLAN_END_REFUSED : PLAN_END_NO_ANSWER,
                          code);
}

static enum txn_verdict final_answer(struct txn *t, const struct h1_head *head)
{
    size_t refused = h1_find(head, H1_CHEOPS_ERROR, 0);
    if (!txn_leg_is_local(t) && refused < head->n_fields)
        return peer_refused(t, head, refused);
    if (wants_inspection(t, head)) {
        if (txn_keep_answer(t, head) < 0)
            return txn_refuse(t, ERR_NO_MEMORY, "no memory to look at an answer");
        json_finder_init(&t->list, t->class_.type->list.array);
        return txn_go(t, TXN_INSPECT);
    }
    return txn_leg_answered(t, head, false);
}

static enum txn_verdict switch_protocols(struct txn *t, const struct h1_head *head)
{
    if (!t->x->head.has_upgrade)
        return leg_broke(t, ERR_SERVICE_BROKEN, "it switches protocols unasked");
    if (!t->request_done) /* what is left of the body would be taken for the new protocol's */
        return leg_broke(t, ERR_SERVICE_BROKEN, "it switches protocols before it has the request");
    txn_leg_end(t, 101, 0);
    if (txn_write_answer_head(t, head) < 0)
        return txn_drop(t, ERR_CLIENT_GONE);
    http_client_head_end(t->up, head, 0);
    t->answer_begun = true;
    return txn_go(t, TXN_TUNNEL);
}

enum txn_verdict step_relay(struct txn *t)
{
    struct h1_head head;
    const char *why = "";
    enum txn_verdict v;
    if (t->request_done && txn_client_is_gone(t))
        return txn_drop(t, ERR_CLIENT_GONE);
    if (!send_request(t, &v))
        return v;
    if (interim_is_stuck(t, &v))
        return v;
    int rc = http_client_head(t->up, t->x->head.method, &head, &why);
    if (rc == ERR_AGAIN && t->up_broken && !t->up->io.stream.can_read)
        return leg_broke(t, ERR_RESET, why);
    if (rc == ERR_AGAIN)
        return wait_for_answer(t);
    if (rc < 0)
        return leg_broke(t, rc, why);
    if (!txn_leg_is_local(t))
        peer_sites_touch(peer_sites_of(t->conf->peer), txn_leg_site(t), rt_mono_us() / 1000);
    if (head.status == 101)
        return switch_protocols(t, &head);
    if (head.status < 200)
        return interim(t, &head);
    return final_answer(t, &head);
}

enum txn_verdict step_inspect(struct txn *t)
{
    struct str data;
    int rc;
    for (;;) {
        json_finder_push(&t->list, t->inspected, false);
        enum json_empty empty = json_finder_is_empty(&t->list);
        if (empty != JSON_EMPTY_MORE)
            return txn_leg_answered(t, t->answer, empty == JSON_EMPTY_YES);
        rc = http_body_peek(&t->up->io, &data);
        if (rc <= 0)
            break;
        size_t room = txn_cfg(t)->limits.peek - t->inspected.n;
        data = str_sub(data, 0, room);
        if (data.n == 0 || !txn_keep(t, &t->inspected, &t->inspected_capacity, data))
            return txn_leg_answered(t, t->answer, false); /* too long to be empty */
        http_body_consume(&t->up->io, data.n);
        t->progressed = true;
    }
    if (rc == ERR_AGAIN && !txn_timed_out(t))
        return txn_wait(t, txn_cfg(t)->timeouts.service_body_ms);
    /* Whole and not the list that was promised, or broken: that is the client's to see. */
    return txn_leg_answered(t, t->answer, false);
}
