/* The machine of a transaction.
 *
 *   ROUTE ──> LEG ──> CONNECT ──> RELAY ──> ANSWER ──> DONE
 *    │ ^       ^ ^───────┴─────────│ │ │       ^
 *    v │       │ (next alternative)│ │ └──> INSPECT ──> LEG
 *   PEEK       │                   │ └────> TUNNEL ──> DONE
 *    │         │                   │
 *    └─────────┴───────────────────┴──> REFUSE ──> DONE
 *   ROUTE ──> GATHER ──> ANSWER, REFUSE, DONE (several sites at once: gather.h)
 *   PEER (what comes from another site) <──> PEEK
 *                                        ──> LEG, REFUSE (which also ends an own answer), DONE
 *
 *   where it waits        for what                                  bounded by
 *   PEEK, PEER            the client's body                         client_body
 *   CONNECT               a place in the pool, TCP, TLS, greeting   connect
 *   GATHER                its legs, the client                      gather.h; client_write
 *   RELAY                 the client's body, the leg's reading      client_body, service_body
 *                         a word from who is offered the body       offer
 *                         the head of the answer                    service_head, otherwise
 *   INSPECT               the beginning of the answer's body        service_body
 *   ANSWER                the service, the client                   service_body, client_write;
 *                                                                   stream_idle for streams
 *   TUNNEL                either end                                stream_idle
 *   REFUSE                the client's reading                      client_write
 *   and all before the answer's head, of a scoped request: `timeout`
 */
#include "proxy/gather.h"
#include "proxy/outlive.h"

#include <stdarg.h>
#include <stdio.h>

#define BIT(state)  (1u << TXN_##state)
#define STEP_BUDGET 400 /* more steps in one turn than any plan of 64 locations takes */

static const struct {
    const char *name;
    enum txn_verdict (*step)(struct txn *t);
    unsigned next; /* states that it may go to */
} states[TXN_STATE_COUNT] = {
    [TXN_ROUTE] = {"route", step_route,
                   BIT(PEEK) | BIT(PEER) | BIT(GATHER) | BIT(LEG) | BIT(REFUSE) | BIT(DONE)},
    [TXN_PEEK] = {"peek", step_peek, BIT(ROUTE) | BIT(PEER) | BIT(REFUSE) | BIT(DONE)},
    [TXN_PEER] = {"peer", step_peer, BIT(PEEK) | BIT(LEG) | BIT(REFUSE) | BIT(DONE)},
    [TXN_GATHER] = {"gather", step_gather, BIT(ANSWER) | BIT(REFUSE) | BIT(DONE)},
    [TXN_LEG] = {"leg", step_leg, BIT(CONNECT) | BIT(ANSWER) | BIT(REFUSE) | BIT(DONE)},
    [TXN_CONNECT] = {"connect", step_connect,
                     BIT(RELAY) | BIT(LEG) | BIT(ANSWER) | BIT(REFUSE) | BIT(DONE)},
    [TXN_RELAY] = {"relay", step_relay,
                   BIT(CONNECT) | BIT(LEG) | BIT(INSPECT) | BIT(ANSWER) | BIT(TUNNEL) |
                       BIT(REFUSE) | BIT(DONE)},
    [TXN_INSPECT] = {"inspect", step_inspect, BIT(LEG) | BIT(ANSWER) | BIT(REFUSE) | BIT(DONE)},
    [TXN_ANSWER] = {"answer", step_answer, BIT(DONE)},
    [TXN_TUNNEL] = {"tunnel", step_tunnel, BIT(DONE)},
    [TXN_REFUSE] = {"refuse", step_refuse, BIT(DONE)},
    [TXN_DONE] = {"done", NULL, 0},
};

/* What holds between two steps. */
static void check_invariant(const struct txn *t)
{
    CHECK_MAGIC(t, TXN_MAGIC);
    CHECK(t->x->owner == t);
    CHECK(t->up != t->held || !t->up);
    CHECK(t->state != TXN_ANSWER || (t->up && t->answer_begun));
    CHECK(t->state != TXN_RELAY || t->up);
    CHECK(t->waiter.state != RT_WAITS || t->state == TXN_CONNECT);
}

static void finish(struct txn *t)
{
    struct proxy_worker *w = t->worker;
    struct http_exchange *x = t->x;
    if (t->leg_begun_us && !t->answer_begun)
        txn_leg_end(t, 0, t->diag.code); /* it was cut off */
    gather_finish(t);
    counter_sub(&w->meter->transactions, 1);
    txn_count(t);
    txn_log(t);
    rt_waiter_leave(&t->waiter);
    bool reusable = t->answer_begun && t->request_done && !t->up_broken && t->state == TXN_DONE;
    http_pool_put(&t->up, reusable);
    txn_drop_held(t);
    rt_cancel(w->loop, &t->task);
    if (t->place)
        counter_give(t->place);
    list_remove(&t->link);
    proxy_scope_unref(&t->scope_read);
    proxy_conf_unref(&t->conf);
    t->magic = 0;
    http_exchange_end(x, t->keep);
}

static void run(struct rt_task *task)
{
    struct txn *t = CONTAINER_OF(task, struct txn, task);
    for (int budget = STEP_BUDGET;; budget--) {
        CHECK(budget > 0);
        check_invariant(t);
        enum txn_state before = t->state;
        enum txn_verdict v = states[before].step(t);
        CHECK(t->state == before || (states[before].next & (1u << t->state)));
        if (v == TXN_WAIT)
            return;
        if (v == TXN_END) {
            finish(t);
            return;
        }
    }
}

/* Identifiers are unique, not secret: a loop's random start and a counter, mixed. */
static uint64_t next_id(struct proxy_worker *w)
{
    uint64_t z = w->id_state += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

void txn_begin(struct http_exchange *x)
{
    struct proxy_listener *l = x->conn->server->context;
    struct proxy_worker *w = l->worker;
    struct txn *t = arena_alloc(&x->arena, sizeof *t);
    if (!t) {
        http_exchange_end(x, false);
        return;
    }
    memset(t, 0, offsetof(struct txn, diag));
    diag_init(&t->diag);
    t->magic = TXN_MAGIC;
    t->x = x;
    x->owner = t;
    t->worker = w;
    t->conf = proxy_conf_ref(l->conf);
    t->listener = l->cfg;
    t->is_from_site = l->is_for_sites;
    t->client = http_peer_host(x->conn);
    t->task.run = run;
    t->id = next_id(w);
    t->begun_us = rt_mono_us();
    t->begun_wall_us = rt_wall_us();
    t->state = l->is_for_sites && !x->error ? TXN_PEER : TXN_ROUTE;
    t->legs = &t->one_leg;
    t->n_legs = 1;
    t->one_leg.site = (uint16_t)t->conf->cfg->self;
    t->progressed = true;
    list_push(&w->txns, &t->link);
    counter_add(&w->meter->transactions, 1);
    http_exchange_attach(x, &t->task);
    rt_wake(w->loop, &t->task);
}

void txn_abort(struct txn *t)
{
    diag_set(&t->diag, ERR_DRAINING, "%s", err_text(ERR_DRAINING));
    t->keep = false;
    t->state = TXN_DONE;
    t->up_broken = true;
    finish(t);
}

enum txn_verdict txn_go(struct txn *t, enum txn_state to)
{
    t->state = to;
    t->progressed = true;
    if (t->body_rate.since_ms)
        proxy_rate_pause(&t->body_rate, rt_now_ms(t->worker->loop));
    return to == TXN_DONE ? TXN_END : TXN_AGAIN;
}

enum txn_verdict txn_wait(struct txn *t, uint64_t ms)
{
    struct rt_loop *l = t->worker->loop;
    if (t->progressed || ms != t->wait_ms) {
        uint64_t due = rt_now_ms(l) + ms;
        if (t->total_due_ms && !t->answer_begun && t->total_due_ms < due)
            due = t->total_due_ms;
        rt_timer_set(l, http_exchange_timer(t->x), due);
        t->progressed = false;
        t->wait_ms = ms;
    }
    return TXN_WAIT;
}

bool txn_timed_out(const struct txn *t)
{
    return !t->progressed && rt_timer_is_due(t->worker->loop, http_exchange_timer(t->x));
}

bool txn_is_overdue(const struct txn *t)
{
    return t->total_due_ms && rt_now_ms(t->worker->loop) >= t->total_due_ms;
}

enum txn_verdict txn_refuse(struct txn *t, int code, const char *format, ...)
{
    va_list ap;
    if (!t->diag.code) {
        t->diag.code = code;
        va_start(ap, format);
        if (vsnprintf(t->diag.message, sizeof t->diag.message, format, ap) < 0)
            t->diag.message[0] = 0;
        va_end(ap);
    }
    return txn_go(t, TXN_REFUSE);
}

enum txn_verdict txn_drop(struct txn *t, int code)
{
    diag_set(&t->diag, code, "%s", err_text(code));
    t->keep = false;
    t->up_broken = t->dropped = true;
    return txn_go(t, TXN_DONE);
}

size_t txn_leg_site(const struct txn *t)
{
    return t->plan ? t->plan->legs[t->leg_at].site : txn_cfg(t)->self;
}

bool txn_leg_is_local(const struct txn *t)
{
    return txn_leg_site(t) == txn_cfg(t)->self;
}

bool txn_leg_is_last(const struct txn *t)
{
    return t->leg_at + 1 >= t->n_legs;
}

/* A client that ends its sending while it waits for an answer has given up, as nginx and HAProxy
 * (abortonclose) take it. While a body is still being passed on, that is noticed when its end is
 * read, or when the service does not take it. */
bool txn_client_is_gone(const struct txn *t)
{
    const struct rt_stream *s = &txn_client(t)->stream;
    return s->error || (s->has_hup && !txn_client(t)->in) || txn_client(t)->in_eof;
}

void txn_print(const struct txn *t, struct out *o)
{
    uint64_t now = rt_now_ms(t->worker->loop);
    struct str path = t->target;
    ptrdiff_t query = str_find(path, '?');
    if (query >= 0)
        path = str_sub(path, 0, (size_t)query); /* queries may hold secrets */
    out_fmt(o, "{\"id\":\"%016llx\",\"state\":\"%s\"", (unsigned long long)t->id,
            states[t->state].name);
    out_fmt(o, ",\"age_ms\":%llu", (unsigned long long)((rt_mono_us() - t->begun_us) / 1000));
    uint64_t due = http_exchange_timer(t->x)->due_ms;
    if (due)
        out_fmt(o, ",\"deadline_ms\":%lld", (long long)(due - now));
    OUT(o, ",\"client\":");
    out_json(o, t->client);
    OUT(o, ",\"method\":");
    out_json(o, t->x->error ? STR_NULL : t->x->head.method_text);
    OUT(o, ",\"path\":");
    out_json(o, path);
    OUT(o, ",\"service\":");
    out_json(o, txn_service_name(t));
    if (t->scope.p) {
        OUT(o, ",\"scope\":");
        out_json(o, t->scope);
    }
    OUT(o, ",\"site\":");
    out_json(o, txn_leg_name(t, txn_leg_at(t)));
    if (t->gather)
        gather_print(t, o);
    out_char(o, '}');
}
