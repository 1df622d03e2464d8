/* LEG and CONNECT: which site is asked next, and a connection to it. */
#include "proxy/gather.h"

static struct http_pool *leg_pool(struct txn *t)
{
    size_t site = txn_leg_site(t);
    if (site == txn_cfg(t)->self)
        return &t->conf->services[t->service->index];
    return &t->conf->sites[site];
}

static struct str site_name(const struct txn *t, size_t site)
{
    return txn_cfg(t)->sites[site].name;
}

void txn_leg_end(struct txn *t, unsigned status, int code)
{
    struct txn_leg *leg = &t->legs[t->leg_at];
    if (leg->status || leg->code)
        return; /* it has ended before */
    leg->status = (uint16_t)status;
    leg->code = code;
    leg->us = (uint32_t)(rt_mono_us() - t->leg_begun_us);
}

static enum txn_verdict next_leg(struct txn *t)
{
    t->leg_at++;
    t->kept_sent = 0;
    t->request_done = t->up_broken = t->offering = t->fresh = false;
    return txn_go(t, TXN_LEG);
}

/* Read to the end of an answer that nobody wants, so that its connection can be kept. */
#define UNWANTED_BYTES (64 * 1024)

void txn_drop_held(struct txn *t)
{
    if (t->held)
        http_pool_put(&t->held,
                      t->held_reusable && http_body_discard(&t->held->io, UNWANTED_BYTES));
}

/* Keeps the present answer for the case that no later alternative gives one. */
static int hold(struct txn *t, const struct h1_head *head)
{
    if (head != t->answer && txn_keep_answer(t, head) < 0)
        return ERR_NO_MEMORY;
    txn_drop_held(t);
    t->held = t->up;
    t->held_leg = t->leg_at;
    t->held_answer = t->answer;
    t->held_inspected = t->inspected;
    t->held_reusable = t->request_done && !t->up_broken;
    t->up = NULL;
    t->answer = NULL;
    t->inspected = STR_NULL;
    t->inspected_capacity = t->inspected_sent = 0;
    return 0;
}

/* The best answer that came before, when no later alternative gave one. */
static enum txn_verdict use_held(struct txn *t)
{
    t->up = t->held;
    t->held = NULL;
    t->leg_at = t->held_leg;
    t->answer = t->held_answer;
    t->inspected = t->held_inspected;
    t->request_done = true;
    t->diag = (struct diag){0}; /* the failure of a later alternative is that leg's own */
    return txn_answer_begin(t, t->answer);
}

static enum txn_verdict refuse_leg(struct txn *t, int code)
{
    struct str site = site_name(t, txn_leg_site(t));
    if (t->diag.code == ERR_SITE_DOWN)
        diag_hint(&t->diag, "ask again when `cheops sites` shows it up, or name another site");
    return txn_refuse(t, code, "the service %.*s at %.*s: %s", STR_ARG(t->service->name),
                      STR_ARG(site), err_text(code));
}

enum txn_verdict txn_leg_failed(struct txn *t, enum plan_end end, int code)
{
    struct plan_attempt a = {
        .end = end,
        .is_safe = h1_is_safe(t->x->head.method),
        .is_last = txn_leg_is_last(t),
        .body_gone = t->body_gone,
    };
    txn_leg_end(t, 0, code);
    rt_waiter_leave(&t->waiter);
    http_pool_put(&t->up, false);
    if (!txn_is_chain(t))
        return refuse_leg(t, code);
    if (txn_is_overdue(t)) {
        a.is_last = true;
        code = t->diag.code = ERR_SITE_TIMEOUT;
    }
    switch (plan_settle_otherwise(&a)) {
    case PLAN_NEXT:
        t->diag = (struct diag){0};
        return next_leg(t);
    case PLAN_STOP:
        t->diag = (struct diag){0};
        return txn_refuse(t, ERR_MAYBE_RUN,
                          "%.*s got the request and gave no answer: it may have run it",
                          STR_ARG(site_name(t, txn_leg_site(t))));
    case PLAN_FAIL:
    case PLAN_ACCEPT:
        break;
    }
    return t->held ? use_held(t) : refuse_leg(t, code);
}

enum txn_verdict txn_leg_answered(struct txn *t, const struct h1_head *head, bool is_empty_select)
{
    struct plan_attempt a = {
        .end = PLAN_END_STATUS,
        .status = head->status,
        .is_safe = h1_is_safe(t->x->head.method),
        .is_empty_select = is_empty_select,
        .is_last = txn_leg_is_last(t),
        .body_gone = t->body_gone,
    };
    txn_leg_end(t, head->status, 0);
    if (!txn_is_chain(t) || plan_settle_otherwise(&a) != PLAN_NEXT)
        return txn_answer_begin(t, head);
    if (hold(t, head) < 0)
        return txn_refuse(t, ERR_NO_MEMORY, "no memory to keep an answer");
    return next_leg(t);
}

int txn_can_try(struct txn *t)
{
    size_t site = txn_leg_site(t);
    if (site == txn_cfg(t)->self) {
        if (cfg_instance_of(txn_cfg(t), t->service))
            return 0;
        diag_hint(&t->diag, "add it under `services` of the site's configuration");
        return diag_set(&t->diag, ERR_UNKNOWN_SERVICE, "%.*s has no instance of the service %.*s",
                        STR_ARG(txn_cfg(t)->site), STR_ARG(t->service->name));
    }
    if (t->conf->plan_sites.state(t->conf->plan_sites.context, site) == PLAN_SITE_DOWN)
        return diag_set(&t->diag, ERR_SITE_DOWN, "the site %.*s is known to be down",
                        STR_ARG(site_name(t, site)));
    return 0;
}

enum txn_verdict step_leg(struct txn *t)
{
    t->n_interim = 0;
    t->leg_begun_us = t->leg_at ? rt_mono_us() : t->begun_us;
    int rc = txn_can_try(t);
    if (rc < 0)
        return txn_leg_failed(t, PLAN_END_REFUSED, rc);
    return txn_go(t, TXN_CONNECT);
}

/* The code that says the same of a service here or of another site. */
static int unreachable(const struct txn *t)
{
    return txn_leg_is_local(t) ? ERR_SERVICE_UNREACHABLE : ERR_SITE_UNREACHABLE;
}

static enum txn_verdict connect_failed(struct txn *t, int code)
{
    if (code == ERR_PEER_VERSION || code == ERR_PEER_UNKNOWN || code == ERR_PEER_APPLICATION)
        code = ERR_SITE_REFUSED; /* the client has done nothing wrong */
    else if (code != ERR_OVERLOADED && code != ERR_NO_MEMORY && code != ERR_TLS)
        code = unreachable(t);
    if (t->diag.code)
        t->diag.code = code;
    return txn_leg_failed(t, PLAN_END_REFUSED, code);
}

/* The time for a connection is up: what it was spent on. */
static int connect_is_late(struct txn *t)
{
    struct http_pool *p = leg_pool(t);
    if (t->waiter.state == RT_WAITS)
        return http_pool_give_up(p, &t->waiter, &t->diag);
    diag_set(&t->diag, unreachable(t), "no connection to %.*s within %u ms",
             STR_ARG(rt_name_text(p->name)), txn_cfg(t)->timeouts.connect_ms);
    diag_hint(&t->diag, "look at what listens there, or raise timeouts.connect");
    return t->diag.code;
}

enum txn_verdict step_connect(struct txn *t)
{
    const struct cfg_timeouts *c = &txn_cfg(t)->timeouts;
    int rc = 0;
    if (txn_client_is_gone(t))
        return txn_drop(t, ERR_CLIENT_GONE);
    if (!t->up && t->waiter.state != RT_WAITS) {
        struct http_want want = {
            .unsafe = !h1_is_safe(t->x->head.method),
            .fresh = t->fresh || t->x->head.has_upgrade,
            .task = &t->task,
            .waiter = &t->waiter,
        };
        rc = http_pool_get(leg_pool(t), &want, &t->up, &t->diag);
        t->progressed = true; /* the wait in the queue, and that for the connection */
    }
    if (rc == 0 && t->up)
        rc = http_client_ready(t->up, &t->diag);
    else if (rc == 0)
        rc = ERR_AGAIN;
    if (rc == ERR_AGAIN && txn_timed_out(t))
        rc = connect_is_late(t);
    if (rc == ERR_AGAIN)
        return txn_wait(t, t->up ? c->connect_ms : c->service_queue_ms);
    if (rc < 0)
        return connect_failed(t, rc);
    rc = txn_write_request_head(t);
    if (rc < 0)
        return txn_refuse(t, rc, "the request's head with what Cheops adds: %s", err_text(rc));
    return txn_go(t, TXN_RELAY);
}
