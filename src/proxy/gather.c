/* GATHER: a list of several sites, from its legs to the client. */
#include "proxy/gather.h"

#include <stdlib.h>

#define UNWANTED_BYTES (64 * 1024) /* read of a part that is not needed, to keep its connection */

static void *resize(void *context, void *old, size_t n)
{
    if (n)
        return realloc(old, n);
    free(old);
    return NULL;
}

static struct str leg_site(const struct txn *t, const struct gather_leg *leg)
{
    return txn_cfg(t)->sites[t->legs[leg->at].site].name;
}

/* ---- begin */

/* A leg for each operand: legs of the plan that differ in `candidate` alone are one. */
static void make_legs(struct txn *t)
{
    struct txn_gather *m = t->gather;
    const struct plan_leg *legs = t->plan->legs;
    for (size_t i = 0; i < t->n_legs; i++) {
        if (i && legs[i].replica == legs[i - 1].replica) {
            m->legs[m->n - 1].last = i;
            continue;
        }
        m->legs[m->n] = (struct gather_leg){.at = i, .last = i};
        m->n++;
    }
    m->lead = m->n;
    for (size_t i = 0; i < m->n; i++) {
        if (!gather_leg_choose(t, i))
            m->legs[i].state = GATHER_LEG_UNASKED;
        m->sources[i].site = leg_site(t, &m->legs[i]);
    }
}

static int allocate(struct txn *t)
{
    struct arena *a = &t->x->arena;
    struct txn_gather *m = arena_zalloc(a, sizeof *m);
    if (!m)
        return ERR_NO_MEMORY;
    m->sources = arena_zalloc(a, t->n_legs * sizeof *m->sources);
    m->legs = arena_zalloc(a, t->n_legs * sizeof *m->legs);
    m->parts = arena_zalloc(a, t->n_legs * sizeof *m->parts);
    if (!m->sources || !m->legs || !m->parts || arena_overflowed(a))
        return ERR_NO_MEMORY;
    t->gather = m;
    return 0;
}

static int begin(struct txn *t)
{
    struct gather_conf conf;
    if (t->x->head.framing != H1_NO_BODY)
        return diag_set(&t->diag, ERR_SCOPE_UNSUPPORTED,
                        "a list of several sites cannot be asked for with a body");
    int rc = allocate(t);
    if (rc == 0)
        rc = gather_conf_read(t->class_.type, t->target, &t->x->arena, &conf);
    if (rc < 0)
        return diag_set(&t->diag, rc, "no memory for a list of %zu sites", t->n_legs);
    proxy_worker_random(t->worker, conf.key, sizeof conf.key);
    conf.unit_max = (size_t)txn_cfg(t)->limits.list_item;
    conf.resize = resize;
    conf.context = NULL;
    struct txn_gather *m = t->gather;
    make_legs(t);
    gather_init(&m->g, &conf, m->sources, m->n);
    t->request_done = true;
    rc = gather_ask_for_json(t);
    return rc < 0 ? rc : gather_read_marker(t);
}

/* Sites behind whose last item the page begins are not asked, and operands that have none left. */
static int leave_out_ended(struct txn *t)
{
    struct txn_gather *m = t->gather;
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++) {
        if (m->sources[i].asked.at != GATHER_AT_END && m->legs[i].state != GATHER_LEG_UNASKED)
            continue;
        m->legs[i].state = GATHER_LEG_UNASKED;
        m->sources[i].site = leg_site(t, &m->legs[i]);
        gather_leave_out(&m->g, i);
        n++;
    }
    return n < m->n ? 0
                    : diag_set(&t->diag, ERR_BAD_REQUEST,
                               "the marker says that every site's list has ended");
}

/* ---- the legs together */

static struct gather_part part_of(const struct txn *t, size_t i)
{
    const struct gather_leg *leg = &t->gather->legs[i];
    struct gather_part p = {GATHER_PART_OPEN, 0};
    if (leg->state == GATHER_LEG_UNASKED)
        p.state = GATHER_PART_UNASKED;
    else if (leg->state == GATHER_LEG_DONE ||
             (leg->state == GATHER_LEG_BODY && gather_is_ready(&t->gather->g, i)))
        p.state = GATHER_PART_READY;
    else if (leg->state == GATHER_LEG_MISSING)
        p = (struct gather_part){GATHER_PART_MISSING, t->legs[leg->at].status};
    return p;
}

/* When the time is up what has not come so far is missing. */
static enum gather_verdict settle(struct txn *t, size_t *which)
{
    struct txn_gather *m = t->gather;
    bool is_overdue = txn_is_overdue(t);
    for (size_t i = 0; i < m->n; i++) {
        m->parts[i] = part_of(t, i);
        if (!is_overdue || m->parts[i].state != GATHER_PART_OPEN)
            continue;
        gather_leg_failed(t, i, ERR_SITE_TIMEOUT);
        m->parts[i] = part_of(t, i);
    }
    return gather_settle(m->parts, m->n, t->plan->missing_fails, which);
}

static bool is_missing(const struct txn *t, size_t i)
{
    return t->gather->legs[i].state == GATHER_LEG_MISSING;
}

static enum txn_verdict refuse(struct txn *t, size_t which)
{
    struct txn_gather *m = t->gather;
    char text[300];
    struct out o;
    int code = t->legs[m->legs[which].at].code;
    out_init(&o, text, sizeof text);
    for (size_t i = 0; i < m->n; i++) {
        if (!is_missing(t, i))
            continue;
        out_str(&o, o.n ? STR(", ") : STR(""));
        out_str(&o, leg_site(t, &m->legs[i]));
        OUT(&o, " (");
        txn_put_leg_end(&t->legs[m->legs[i].at], &o);
        if (m->sources[i].why)
            out_fmt(&o, ": %s", m->sources[i].why);
        OUT(&o, ")");
    }
    for (size_t i = 0; i < m->n; i++)
        if (m->parts[i].state == GATHER_PART_READY)
            code = ERR_PART_MISSING;
    return txn_refuse(t, code, "the list has no part of %.*s", STR_ARG(out_get(&o)));
}

/* No site gave a list: what one of them gave is the answer, as it came. */
static enum txn_verdict pass(struct txn *t, size_t which)
{
    struct gather_leg *leg = &t->gather->legs[which];
    t->leg_at = leg->at;
    t->up = leg->up;
    leg->up = NULL;
    t->answer = leg->answer;
    return txn_answer_begin(t, t->answer);
}

static enum txn_verdict answer(struct txn *t)
{
    struct txn_gather *m = t->gather;
    while (m->parts[m->lead].state != GATHER_PART_READY) /* its head came, and then no list */
        m->lead++;
    for (size_t i = 0; i < m->n; i++)
        if (is_missing(t, i))
            gather_leave_out(&m->g, i);
    t->leg_at = m->legs[m->lead].at;
    gather_change_head(m->head);
    int rc = txn_write_answer_head(t, m->head);
    if (rc == ERR_HEAD_TOO_LARGE)
        return txn_refuse(t, ERR_SERVICE_BROKEN, "the head of the service's answer is too large");
    if (rc < 0)
        return txn_drop(t, ERR_CLIENT_GONE);
    t->status = m->head->status;
    t->answer_begun = true;
    m->progressed = true;
    return TXN_AGAIN;
}

/* ---- the client */

/* What came of the list is the client's, who sees that it is cut. */
static enum txn_verdict break_off(struct txn *t, int code)
{
    int rc = http_flush(txn_client(t));
    return txn_drop(t, rc < 0 && rc != ERR_AGAIN ? ERR_CLIENT_GONE : code);
}

/* Writes what is merged: 0 when all of it is written, ERR_AGAIN, or whose end broke: *v. */
static int write_out(struct txn *t, enum txn_verdict *v)
{
    struct txn_gather *m = t->gather;
    struct http_conn *client = txn_client(t);
    bool is_list = t->x->head.method != H1_HEAD;
    struct str data;
    int rc = 0;
    while (is_list && (rc = gather_peek(&m->g, &data)) > 0) {
        long n = http_body_write(client, data);
        if (n < 0)
            goto gone;
        if (n == 0)
            break;
        gather_consume(&m->g, (size_t)n);
        t->answer_bytes += (uint64_t)n;
        m->client_due_ms = 0;
        m->progressed = true;
    }
    if (rc < 0 && rc != ERR_AGAIN) {
        *v = break_off(t, rc);
        return rc;
    }
    if (rc == 0)
        rc = http_body_write_end(client, STR_NULL);
    int flushed = http_flush(client);
    if ((rc < 0 && rc != ERR_AGAIN) || (flushed < 0 && flushed != ERR_AGAIN))
        goto gone;
    return rc == 0 && flushed == 0 ? 0 : ERR_AGAIN;
gone:
    *v = txn_drop(t, ERR_CLIENT_GONE);
    return ERR_CLIENT_GONE;
}

/* Until the first of the deadlines. */
static enum txn_verdict wait(struct txn *t)
{
    struct txn_gather *m = t->gather;
    struct rt_loop *l = t->worker->loop;
    uint64_t due = t->answer_begun ? 0 : t->total_due_ms;
    if (!t->answer_begun || !http_is_full(txn_client(t)))
        m->client_due_ms = 0;
    else if (!m->client_due_ms)
        m->client_due_ms = rt_now_ms(l) + txn_cfg(t)->timeouts.client_write_ms;
    else if (rt_now_ms(l) >= m->client_due_ms)
        return txn_drop(t, ERR_CLIENT_TIMEOUT);
    if (m->client_due_ms && (!due || m->client_due_ms < due))
        due = m->client_due_ms;
    for (size_t i = 0; i < m->n; i++)
        if (m->legs[i].due_ms && (!due || m->legs[i].due_ms < due))
            due = m->legs[i].due_ms;
    if (due)
        rt_timer_set(l, http_exchange_timer(t->x), due);
    return TXN_WAIT;
}

/* ---- the step */

static enum txn_verdict before_answer(struct txn *t)
{
    size_t which = 0;
    switch (settle(t, &which)) {
    case GATHER_UNDECIDED:
        return TXN_WAIT;
    case GATHER_ANSWER:
        return answer(t);
    case GATHER_PASS:
        return pass(t, which);
    case GATHER_FAIL:
        break;
    }
    return refuse(t, which);
}

enum txn_verdict step_gather(struct txn *t)
{
    enum txn_verdict v = TXN_WAIT;
    int rc = t->gather ? 0 : begin(t);
    if (rc == 0 && !t->gather->begun)
        rc = leave_out_ended(t);
    if (rc < 0)
        return txn_refuse(t, rc, "%s", err_text(rc));
    struct txn_gather *m = t->gather;
    m->begun = true;
    m->moved = 0;
    do {
        m->progressed = false;
        if (txn_client_is_gone(t))
            return txn_drop(t, ERR_CLIENT_GONE);
        for (size_t i = 0; i < m->n; i++)
            if ((rc = gather_leg_run(t, i)) < 0)
                return break_off(t, rc);
        if (!t->answer_begun && (v = before_answer(t)) != TXN_WAIT && t->state != TXN_GATHER)
            return v;
        if (t->answer_begun && (rc = write_out(t, &v)) == 0)
            return txn_go(t, TXN_DONE);
        if (rc < 0 && rc != ERR_AGAIN)
            return v;
    } while (m->progressed && m->moved < GATHER_TURN_BYTES);
    if (m->progressed)
        rt_wake(t->worker->loop, &t->task);
    return wait(t);
}

void gather_finish(struct txn *t)
{
    struct txn_gather *m = t->gather;
    if (!m)
        return;
    for (size_t i = 0; i < m->n; i++) {
        struct gather_leg *leg = &m->legs[i];
        bool is_over = leg->state == GATHER_LEG_BODY && t->state == TXN_DONE && !t->dropped;
        if (leg->begun_us && leg->state <= GATHER_LEG_HEAD)
            gather_leg_failed(t, i, t->diag.code ? t->diag.code : ERR_CLIENT_GONE);
        rt_waiter_leave(&leg->waiter);
        http_pool_put(&leg->up, is_over && http_body_discard(&leg->up->io, UNWANTED_BYTES));
    }
    gather_fini(&m->g);
}

void gather_print(const struct txn *t, struct out *o)
{
    static const char *const names[] = {"connect", "head", "body", "done", "missing", "unasked"};
    const struct txn_gather *m = t->gather;
    OUT(o, ",\"legs\":[");
    for (size_t i = 0; i < m->n; i++) {
        out_str(o, i ? STR(",{\"site\":") : STR("{\"site\":"));
        out_json(o, leg_site(t, &m->legs[i]));
        out_fmt(o, ",\"state\":\"%s\"}", names[m->legs[i].state]);
    }
    out_char(o, ']');
}

/* ---- for head.c */

void gather_put_sites(const struct txn *t, bool missing, struct out *o)
{
    const struct txn_gather *m = t->gather;
    bool is_first = true;
    for (size_t i = 0; i < m->n; i++) {
        const struct gather_leg *leg = &m->legs[i];
        if (leg->state == GATHER_LEG_UNASKED || is_missing(t, i) != missing)
            continue;
        out_str(o, is_first ? STR("") : STR(", "));
        is_first = false;
        out_str(o, leg_site(t, leg));
        if (!missing)
            continue;
        out_char(o, '=');
        txn_put_leg_end(&t->legs[leg->at], o);
    }
}
