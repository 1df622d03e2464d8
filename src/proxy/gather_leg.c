/* The legs of a list over sites: each as far as it gets, none of them waiting for another. */
#include "proxy/gather.h"

#define MAX_INTERIM 1000

static void set_due(struct txn *t, struct gather_leg *leg, uint64_t ms)
{
    leg->due_ms = rt_now_ms(t->worker->loop) + ms;
}

static bool is_late(const struct txn *t, const struct gather_leg *leg)
{
    return leg->due_ms && rt_now_ms(t->worker->loop) >= leg->due_ms;
}

static bool is_local(const struct txn *t, const struct gather_leg *leg)
{
    return t->legs[leg->at].site == txn_cfg(t)->self;
}

static void go(struct txn *t, struct gather_leg *leg, enum gather_leg_state to)
{
    leg->state = to;
    leg->due_ms = 0;
    t->gather->progressed = true;
}

/* Notes what the present candidate gave: the time to its head stays. */
static void note(struct txn *t, struct gather_leg *leg, unsigned status, int code)
{
    struct txn_leg *l = &t->legs[leg->at];
    l->status = (uint16_t)status;
    l->code = code;
    if (!l->us)
        l->us = (uint32_t)(rt_mono_us() - leg->begun_us);
}

/* Two operands may have a site in common; its part is in the list once. */
static bool is_taken(const struct txn *t, size_t i)
{
    const struct txn_gather *m = t->gather;
    for (size_t k = 0; k < m->n; k++)
        if (k != i && m->legs[k].state != GATHER_LEG_MISSING &&
            t->legs[m->legs[k].at].site == t->legs[m->legs[i].at].site)
            return true;
    return false;
}

bool gather_leg_choose(struct txn *t, size_t i)
{
    struct gather_leg *leg = &t->gather->legs[i];
    while (is_taken(t, i)) {
        if (leg->at == leg->last)
            return false;
        leg->at++;
    }
    return true;
}

void gather_leg_failed(struct txn *t, size_t i, int code)
{
    struct gather_leg *leg = &t->gather->legs[i];
    size_t failed = leg->at;
    note(t, leg, 0, code);
    rt_waiter_leave(&leg->waiter);
    http_pool_put(&leg->up, false);
    /* What came of the list is in the gatherer: nobody else can go on with it. */
    bool can_go_on = leg->at < leg->last && leg->state != GATHER_LEG_BODY && !txn_is_overdue(t);
    leg->at += can_go_on;
    if (!can_go_on || !gather_leg_choose(t, i)) {
        leg->at = failed;
        go(t, leg, GATHER_LEG_MISSING);
        return;
    }
    go(t, leg, GATHER_LEG_CONNECT);
    leg->begun_us = 0;
    leg->fresh = false;
    leg->n_interim = 0;
}

/* ---- CONNECT */

static struct http_pool *pool_of(struct txn *t, const struct gather_leg *leg)
{
    return is_local(t, leg) ? &t->conf->services[t->service->index]
                            : &t->conf->sites[t->legs[leg->at].site];
}

/* The head is written as of the present leg. */
static int write_head(struct txn *t, struct gather_leg *leg)
{
    struct str target = t->target;
    t->leg_at = leg->at;
    t->up = leg->up;
    t->target = leg->target.p ? leg->target : target;
    int rc = txn_write_request_head(t);
    t->up = NULL;
    t->target = target;
    return rc;
}

static int begin(struct txn *t, struct gather_leg *leg)
{
    leg->begun_us = rt_mono_us();
    t->leg_at = leg->at;
    int rc = txn_can_try(t);
    t->diag = (struct diag){0};
    return rc;
}

/* A connection that the request's head is written to. */
static int connect_leg(struct txn *t, struct gather_leg *leg)
{
    const struct cfg_timeouts *c = &txn_cfg(t)->timeouts;
    struct diag d = {0}; /* of one site, where there are several: its code is what counts */
    int rc = leg->begun_us ? 0 : begin(t, leg);
    if (rc == 0 && !leg->up && leg->waiter.state != RT_WAITS) {
        struct http_want want = {.fresh = leg->fresh, .task = &t->task, .waiter = &leg->waiter};
        rc = http_pool_get(pool_of(t, leg), &want, &leg->up, &d);
        set_due(t, leg, leg->up ? c->connect_ms : c->service_queue_ms);
    }
    if (rc == 0)
        rc = leg->up ? http_client_ready(leg->up, &d) : ERR_AGAIN;
    if (rc == ERR_AGAIN && is_late(t, leg))
        rc = leg->waiter.state == RT_WAITS ? http_pool_give_up(pool_of(t, leg), &leg->waiter, &d)
                                           : ERR_SITE_UNREACHABLE;
    return rc < 0 ? rc : write_head(t, leg);
}

/* The codes that say what happened; all others are that nobody takes connections there. */
static int connect_code(const struct txn *t, const struct gather_leg *leg, int code)
{
    switch (code) {
    case ERR_SITE_DOWN:
    case ERR_OVERLOADED:
    case ERR_NO_MEMORY:
    case ERR_TLS:
    case ERR_UNKNOWN_SERVICE:
    case ERR_HEAD_TOO_LARGE:
        return code;
    default:
        return is_local(t, leg) ? ERR_SERVICE_UNREACHABLE : ERR_SITE_UNREACHABLE;
    }
}

static void run_connect(struct txn *t, size_t i)
{
    const struct cfg_timeouts *c = &txn_cfg(t)->timeouts;
    struct gather_leg *leg = &t->gather->legs[i];
    int rc = connect_leg(t, leg);
    if (rc == ERR_AGAIN)
        return;
    if (rc < 0) {
        gather_leg_failed(t, i, connect_code(t, leg, rc));
        return;
    }
    go(t, leg, GATHER_LEG_HEAD);
    set_due(t, leg, leg->at == leg->last ? c->service_head_ms : c->otherwise_ms);
}

/* ---- HEAD */

/* Ends the head; its copy is t->answer, which is taken. NULL: no memory. */
static struct h1_head *keep_head(struct txn *t, struct gather_leg *leg, const struct h1_head *head)
{
    t->up = leg->up;
    int rc = txn_keep_answer(t, head);
    t->up = NULL;
    struct h1_head *kept = rc == 0 ? t->answer : NULL;
    t->answer = NULL;
    return kept;
}

static void take_list(struct txn *t, size_t i, const struct h1_head *head)
{
    struct txn_gather *m = t->gather;
    struct gather_leg *leg = &m->legs[i];
    if (i < m->lead) {
        struct h1_head *kept = keep_head(t, leg, head);
        if (!kept) {
            gather_leg_failed(t, i, ERR_NO_MEMORY);
            return;
        }
        m->lead = i;
        m->head = kept;
    } else {
        http_client_head_end(leg->up, head, (uint32_t)txn_cfg(t)->limits.trailers);
    }
    m->sources[i].site = txn_cfg(t)->sites[t->legs[leg->at].site].name;
    if (t->x->head.method == H1_HEAD) {
        http_pool_put(&leg->up, true);
        go(t, leg, GATHER_LEG_DONE);
        return;
    }
    go(t, leg, GATHER_LEG_BODY);
}

static void final_answer(struct txn *t, size_t i, const struct h1_head *head)
{
    struct gather_leg *leg = &t->gather->legs[i];
    size_t refused = h1_find(head, H1_CHEOPS_ERROR, 0);
    note(t, leg, head->status, 0);
    if (!is_local(t, leg) && refused < head->n_fields) {
        gather_leg_failed(t, i, txn_code_of_refusal(h1_value(head, refused)));
    } else if (gather_is_list(head)) {
        take_list(t, i, head);
    } else if (head->status == 200) {
        t->gather->sources[i].why = "its list is no JSON, or is coded";
        gather_leg_failed(t, i, ERR_SERVICE_BROKEN);
    } else {
        leg->answer = keep_head(t, leg, head);
        go(t, leg, GATHER_LEG_MISSING);
        if (!leg->answer)
            gather_leg_failed(t, i, ERR_NO_MEMORY);
    }
}

/* The connection ended without an answer: a reused one may have been closed by the service before
 * the request came. */
static void broke(struct txn *t, size_t i, int code)
{
    struct gather_leg *leg = &t->gather->legs[i];
    if (code == ERR_SERVICE_BROKEN || !leg->up->has_idled || leg->up->has_answer) {
        gather_leg_failed(t, i, code == ERR_TLS ? ERR_TLS : ERR_SERVICE_BROKEN);
        return;
    }
    http_pool_put(&leg->up, false);
    leg->fresh = true;
    go(t, leg, GATHER_LEG_CONNECT);
}

static void run_head(struct txn *t, size_t i)
{
    struct gather_leg *leg = &t->gather->legs[i];
    struct h1_head head;
    const char *why = "";
    int rc = http_flush(&leg->up->io);
    if (rc >= 0 || rc == ERR_AGAIN)
        rc = http_client_head(leg->up, t->x->head.method, &head, &why);
    if (rc == ERR_AGAIN && is_late(t, leg)) {
        gather_leg_failed(t, i, is_local(t, leg) ? ERR_SERVICE_TIMEOUT : ERR_SITE_TIMEOUT);
    } else if (rc == ERR_AGAIN) {
        return;
    } else if (rc < 0 || head.status == 101 ||
               (head.status < 200 && ++leg->n_interim > MAX_INTERIM)) {
        broke(t, i, rc < 0 ? rc : ERR_SERVICE_BROKEN);
    } else if (head.status < 200) { /* the client gets none: it would not know whose it is */
        http_client_head_end(leg->up, &head, 0);
        t->gather->progressed = true;
    } else {
        if (!is_local(t, leg))
            peer_sites_touch(peer_sites_of(t->conf->peer), t->legs[leg->at].site,
                             rt_mono_us() / 1000);
        final_answer(t, i, &head);
    }
}

/* ---- BODY */

/* The part is not what was promised: before the answer has begun it is missing, after that the
 * answer breaks off. */
static int part_failed(struct txn *t, size_t i, int code)
{
    const struct gather_source *s = &t->gather->sources[i];
    bool was_needed = s->phase != GATHER_LEFT_OUT;
    gather_leg_failed(t, i, code);
    return t->answer_begun && was_needed ? code : 0;
}

/* Moves bytes into the gatherer: 0 when the body is over, ERR_AGAIN, or what is wrong. */
static int pump(struct txn *t, size_t i)
{
    struct txn_gather *m = t->gather;
    struct http_conn *io = &m->legs[i].up->io;
    struct str data;
    while (gather_wants(&m->g, i) && m->moved < GATHER_TURN_BYTES) {
        int rc = http_body_peek(io, &data);
        if (rc <= 0)
            return rc == 0 ? gather_end(&m->g, i) : rc;
        long n = gather_push(&m->g, i, data);
        if (n < 0)
            return (int)n;
        http_body_consume(io, (size_t)n);
        m->moved += (uint64_t)n;
        m->progressed = true;
    }
    return ERR_AGAIN;
}

/* A leg that is ahead of the others waits for nothing. */
static int run_body(struct txn *t, size_t i)
{
    struct txn_gather *m = t->gather;
    struct gather_leg *leg = &m->legs[i];
    uint64_t before = m->moved;
    int rc = pump(t, i);
    if (rc == 0) {
        http_pool_put(&leg->up, true);
        go(t, leg, GATHER_LEG_DONE);
        return 0;
    }
    if (rc != ERR_AGAIN)
        return part_failed(t, i, rc == ERR_NO_MEMORY ? rc : ERR_SERVICE_BROKEN);
    if (!gather_wants(&m->g, i)) {
        leg->due_ms = 0;
    } else if (!leg->due_ms || m->moved != before) {
        set_due(t, leg, txn_cfg(t)->timeouts.service_body_ms);
    } else if (is_late(t, leg)) {
        return part_failed(t, i, is_local(t, leg) ? ERR_SERVICE_TIMEOUT : ERR_SITE_TIMEOUT);
    }
    return 0;
}

int gather_leg_run(struct txn *t, size_t i)
{
    if (t->gather->legs[i].state == GATHER_LEG_CONNECT)
        run_connect(t, i);
    if (t->gather->legs[i].state == GATHER_LEG_HEAD)
        run_head(t, i);
    return t->gather->legs[i].state == GATHER_LEG_BODY ? run_body(t, i) : 0;
}
