/* What runs: one thing at a time on a resource, its mark stored before.
 *
 *                      .--------------------------------------------.
 *                      v                                            |
 *     IDLE --> STEP_STORING --> STEP_RUNNING -- outcome, next mark -'--> IDLE
 *      | |                                      no answer, 5xx: IDLE until retry_at
 *      | '--> INTENT_STORING --> INTENT_RUNNING --> INTENT_LOGGING --> IDLE, the client is answered
 *      |                          4xx, dropped: IDLE
 *      '----> SNAPSHOT_RUNNING --> SNAPSHOT_LOGGING --> IDLE
 *
 * Waits: the STORING states for persisted(), the RUNNING ones for ran(), IDLE for retry_at, a
 * client, or an addition to the log. A client waits for its deadline at most.
 */
#include "repl/internal.h"
#include "repl/spread.h"
#include <stdlib.h>

#define UNKNOWN_STATUS 501

static const struct op_type *type_of(const struct repl_resource *r, uint32_t op_type)
{
    return &r->log->matrix->types[op_type];
}

/* ---- retries ---- */

static void wait_longer(struct repl_resource *r)
{
    const struct repl_config *c = &r->node->config;
    uint64_t ms = c->retry_ms;
    for (unsigned i = 0; i < r->n_retries && ms < c->retry_most_ms; i++)
        ms *= 2;
    if (ms > c->retry_most_ms)
        ms = c->retry_most_ms;
    r->n_retries++;
    r->node->counts.retries++;
    r->retry_at = r->node->now.ms + ms / 2 + repl_random(r->node) % (ms / 2 + 1);
    repl_time(r);
}

/* ---- requests ---- */

static void request(struct repl_resource *r, enum repl_run_kind kind, uint32_t op_type,
                    struct str payload, const struct repl_client *client)
{
    r->ticket = ++r->node->tickets;
    r->node->effects->run(r->node->context,
                          &(struct repl_run){.ticket = r->ticket,
                                             .kind = kind,
                                             .id = r->id,
                                             .type = &r->node->types[r->type],
                                             .op_type = op_type,
                                             .local = {r->local, r->n_local},
                                             .payload = payload,
                                             .client = client ? client->client : 0});
}

static enum op_outcome judge(const struct repl_outcome *o, const struct op_type *type, bool deletes)
{
    if (o->status == 0)
        return o->is_unsent ? OP_UNSENT : OP_UNANSWERED;
    if (o->status < 300 || (deletes && o->status == 404))
        return OP_DONE;
    if (o->status == 503 || o->status == 429 || o->status == 408)
        return OP_UNSENT;
    return o->status >= 500 ? OP_UNANSWERED : OP_REFUSED;
}

static void set_local(struct repl_resource *r, const struct op_type *type,
                      const struct repl_outcome *o)
{
    if (!type->creates || !o->local.n)
        return;
    CHECK(o->local.n <= sizeof r->local);
    memcpy(r->local, o->local.p, o->local.n);
    r->n_local = o->local.n;
}

/* ---- steps of the replica ---- */

static void run_step(struct repl_resource *r)
{
    const struct repl_op *op = r->step_op->owner;
    enum repl_run_kind kind = r->step == OP_STEP_DELETE ? REPL_DELETE
                              : r->step == OP_STEP_FIND ? REPL_FIND
                                                        : REPL_RUN;
    r->turn = REPL_STEP_RUNNING;
    request(r, kind, op->type, op->payload, NULL);
}

static void begin_step(struct repl_resource *r, const struct op_step *step)
{
    op_replica_begin(&r->replica, step);
    r->step = step->kind;
    r->step_op = step->op;
    if (step->kind == OP_STEP_SKIP) {
        op_replica_settle(&r->replica, OP_DONE, 0);
        repl_row_outcome(r, step->op);
    }
    repl_row_replica(r);
    r->turn = REPL_STEP_STORING;
    repl_flush(r, REPL_TURN);
}

static enum op_outcome judge_found(const struct repl_outcome *o)
{
    if (o->status == UNKNOWN_STATUS)
        return OP_LOST;
    if (o->status == 404)
        return OP_ABSENT;
    return o->status && o->status < 300 ? OP_DONE : OP_UNSENT;
}

static void end_step(struct repl_resource *r, const struct repl_outcome *o)
{
    const struct op_type *type = type_of(r, r->step_op->type);
    enum op_outcome outcome = r->step == OP_STEP_FIND
                                  ? judge_found(o)
                                  : judge(o, type, type->deletes || r->step == OP_STEP_DELETE);
    if (outcome == OP_DONE && r->step != OP_STEP_DELETE)
        set_local(r, type, o);
    if (outcome == OP_LOST)
        r->node->counts.unknown++;
    op_replica_settle(&r->replica, outcome, o->status);
    repl_row_outcome(r, r->step_op);
    repl_row_replica(r);
    r->turn = REPL_IDLE;
    if (outcome == OP_UNSENT || outcome == OP_UNANSWERED)
        wait_longer(r);
    else
        r->n_retries = 0;
    repl_flush(r, REPL_NOBODY);
    repl_wake(r);
}

/* ---- a client's operation ---- */

static void capture_saw(struct repl_resource *r)
{
    r->intent.n_saw = r->log->n_actors;
    for (uint32_t i = 0; i < r->log->n_actors; i++)
        r->intent.saw[i] = r->log->actors[i]->count;
}

static void drop_intent(struct repl_resource *r)
{
    struct repl_intent *it = &r->intent;
    free((char *)(uintptr_t)it->payload.p);
    it->payload = STR_NULL;
    it->is_set = it->is_maybe = false;
    repl_row_gone(r, REPL_ROW_INTENT, 0, 0);
}

static void answer_intent(struct repl_resource *r, int rc, unsigned status)
{
    if (r->intent.client)
        repl_answer(r, r->intent.client, rc, status);
    r->intent.client = NULL;
}

static void run_intent(struct repl_resource *r)
{
    struct repl_intent *it = &r->intent;
    const struct op_type *type = type_of(r, it->op_type);
    bool must_find = it->is_maybe && type->creates && !type->overwrites;
    r->turn = REPL_INTENT_RUNNING;
    request(r, must_find ? REPL_FIND : REPL_RUN, it->op_type, it->payload, it->client);
    r->step = must_find ? OP_STEP_FIND : OP_STEP_RUN;
}

/* The intent's row is kept until what became of it is known. */
static void begin_intent(struct repl_resource *r, struct repl_client *client)
{
    struct repl_intent *it = &r->intent;
    char *payload = malloc(client->payload.n + 1);
    CHECK(payload);
    if (client->payload.n)
        memcpy(payload, client->payload.p, client->payload.n);
    list_remove(&client->place);
    r->n_queue--;
    it->is_set = true;
    it->is_maybe = false;
    it->op_type = client->op_type;
    it->sites = client->sites;
    it->payload = (struct str){payload, client->payload.n};
    it->client = client;
    capture_saw(r);
    repl_row_actors(r);
    repl_row_intent(r);
    r->turn = REPL_INTENT_STORING;
    repl_flush(r, REPL_TURN);
}

/* Enters the log, having run here, and is stored with that; nobody hears of it before. */
static int log_own(struct repl_resource *r, uint32_t op_type, struct str payload)
{
    struct repl_op *op = repl_op_create(payload, r->intent.saw, r->intent.n_saw);
    if (!op)
        return ERR_NO_MEMORY;
    op->actor = r->self;
    op->type = op_type;
    op->n = r->log->actors[r->self]->count + 1;
    op->clock = repl_clock(r->node);
    op->life = OP_LIFE_UNKNOWN;
    int rc = repl_enter(r, op);
    if (rc < 0) {
        repl_op_destroy(&op);
        return rc;
    }
    op->life = op->op->life;
    op_replica_did(&r->replica, op->op);
    r->logging = op;
    repl_row_actors(r);
    repl_row_operation(r, op);
    repl_row_outcome(r, op->op);
    repl_row_replica(r);
    return 0;
}

/* What a client was never told, and no site heard of, leaves no trace. */
static void end_intent(struct repl_resource *r, int rc, unsigned status, bool loses_base)
{
    if (loses_base)
        op_replica_lose_base(&r->replica);
    repl_row_actors(r); /* when the batch with the intent was refused */
    drop_intent(r);
    repl_row_replica(r);
    r->turn = REPL_IDLE;
    r->n_retries = 0;
    repl_vector_changed(r);
    repl_flush(r, REPL_NOBODY);
    answer_intent(r, rc, status);
    repl_wake(r);
}

static void log_intent(struct repl_resource *r, const struct repl_outcome *o)
{
    struct repl_intent *it = &r->intent;
    const struct op_type *type = type_of(r, it->op_type);
    set_local(r, type, o);
    int rc = log_own(r, it->op_type, it->payload);
    if (rc < 0) { /* the application holds what no log does */
        end_intent(r, rc, o->status, true);
        return;
    }
    if (type->creates && it->sites & ~r->sites) {
        r->sites |= it->sites;
        r->record++; /* log_own() has written the one before */
        repl_row_record(r);
    }
    if (it->client)
        it->client->status = o->status;
    drop_intent(r);
    r->turn = REPL_INTENT_LOGGING;
    repl_flush(r, REPL_TURN);
}

static void intent_ran(struct repl_resource *r, const struct repl_outcome *o)
{
    struct repl_intent *it = &r->intent;
    const struct op_type *type = type_of(r, it->op_type);
    bool is_found = r->step == OP_STEP_FIND;
    enum op_outcome outcome = is_found ? judge_found(o) : judge(o, type, type->deletes);
    if (outcome == OP_DONE) {
        log_intent(r, o);
    } else if (outcome == OP_REFUSED) { /* what was sent before may have run all the same */
        end_intent(r, it->is_maybe ? ERR_MAYBE_RUN : 0, o->status, it->is_maybe);
    } else if (outcome == OP_LOST) {
        r->node->counts.unknown++;
        end_intent(r, ERR_MAYBE_RUN, 0, true);
    } else if (outcome == OP_ABSENT && !it->client) {
        end_intent(r, 0, 0, false);
    } else if (outcome == OP_UNANSWERED && !type->replaces && !type->overwrites) {
        end_intent(r, ERR_MAYBE_RUN, 0, true);
    } else {
        it->is_maybe = outcome == OP_ABSENT ? false : it->is_maybe || outcome == OP_UNANSWERED;
        r->turn = REPL_IDLE;
        wait_longer(r);
    }
}

/* One that may have run, and may not be sent again, was dropped by the crash that it came through:
 * its client was never answered. */
static void resume_intent(struct repl_resource *r)
{
    const struct op_type *type = type_of(r, r->intent.op_type);
    if (!r->intent.client && !r->intent.is_maybe)
        end_intent(r, 0, 0, false);
    else if (r->intent.is_maybe && !type->replaces && !type->overwrites)
        end_intent(r, ERR_MAYBE_RUN, 0, true);
    else
        run_intent(r);
}

static void intent_logged(struct repl_resource *r)
{
    struct repl_op *op = r->logging;
    struct repl_client *client = r->intent.client;
    r->logging = NULL;
    r->turn = REPL_IDLE;
    r->n_retries = 0;
    r->retry_at = 0;
    r->intent.client = NULL;
    repl_vector_changed(r);
    repl_push(r);
    if (!client)
        return;
    client->n = op->n;
    client->ran = UINT64_C(1) << r->node->config.self;
    list_push(&r->waiters, &client->place);
    repl_time(r);
    repl_check_waiters(r);
}

/* ---- snapshots ---- */

static void read_state(struct repl_resource *r)
{
    capture_saw(r);
    r->turn = REPL_SNAPSHOT_RUNNING;
    request(r, REPL_READ, (uint32_t)r->log->matrix->n - 1, STR_NULL, NULL);
}

static void state_read(struct repl_resource *r, const struct repl_outcome *o)
{
    r->turn = REPL_IDLE;
    if (o->status == 0 || o->status >= 300 || o->state.n > REPL_PAYLOAD_BYTES ||
        log_own(r, (uint32_t)r->log->matrix->n - 1, o->state) < 0) {
        repl_vector_changed(r);
        wait_longer(r);
        return;
    }
    r->must_snapshot = false;
    r->node->counts.snapshots++;
    r->turn = REPL_SNAPSHOT_LOGGING;
    repl_flush(r, REPL_TURN);
}

/* ---- the driver ---- */

/* 0: the operation may run now. */
static unsigned refuse_client(struct repl_resource *r, const struct repl_client *client)
{
    const struct op_type *type = type_of(r, client->op_type);
    bool is_live = r->log->has_begun && !r->log->is_deleted;
    if (type->creates == is_live)
        return is_live ? 409 : 404;
    return op_replica_admits(&r->replica, client->op_type) ? 0 : 409;
}

static void next_client(struct repl_resource *r)
{
    struct repl_client *client = LIST_ITEM(r->queue.next, struct repl_client, place);
    unsigned status = refuse_client(r, client);
    if (status == 0) {
        r->has_retried = false;
        begin_intent(r, client);
        return;
    }
    if (r->replica.has_failures && !r->has_retried) { /* what it needs may run by now */
        r->has_retried = true;
        op_replica_retry(&r->replica);
        repl_wake(r);
        return;
    }
    r->has_retried = false;
    r->n_queue--;
    repl_answer(r, client, 0, status);
    repl_wake(r);
}

/* A record that nothing came of. */
static bool is_empty(const struct repl_resource *r)
{
    return !r->log->has_begun && list_is_empty(&r->queue) && list_is_empty(&r->waiting) &&
           list_is_empty(&r->incoming) && r->n_storing == 0 && !r->intent.is_set &&
           !r->intent.client;
}

static bool has_counts(const struct repl_resource *r)
{
    for (uint32_t i = 0; i < r->log->n_actors; i++)
        if (r->log->actors[i]->count > 0)
            return true;
    return false;
}

static void rest(struct repl_resource *r, const struct op_step *step)
{
    uint64_t owed = r->owed;
    r->is_failed = step->is_failed;
    r->is_diverged = step->is_diverged;
    r->is_settled = true;
    r->owed = 0;
    repl_report(r, owed, false);
    repl_prune(r);
}

/* What nothing came of is removed, first from the store. */
static void remove_empty(struct repl_resource *r)
{
    if (!r->record_stored) {
        repl_remove(&r);
        return;
    }
    r->record_stored = 0;
    r->actors_stored = 0;
    repl_row_gone(r, REPL_ROW_RECORD, 0, 0);
    repl_flush(r, REPL_NOBODY);
}

/* There is nothing to be run. What comes to a newcomer, or is asked of it, waits. */
static void stand_by(struct repl_resource *r, const struct op_step *step)
{
    bool must_ask = step->kind == OP_STEP_ASK;
    bool can_read = step->kind == OP_STEP_SNAPSHOT ||
                    (r->must_snapshot && op_replica_can_snapshot(&r->replica));
    if (can_read && !r->is_joining) {
        r->is_settled = false;
        read_state(r);
        return;
    }
    rest(r, step);
    if (!list_is_empty(&r->queue) && !r->is_joining) {
        next_client(r);
    } else if (must_ask) {
        repl_ask(r);
        wait_longer(r);
    }
}

void repl_advance(struct repl_resource *r)
{
    struct op_step step;
    if (r->turn != REPL_IDLE || r->node->is_failed)
        return;
    if (r->retry_at > r->node->now.ms) {
        repl_time(r);
        return;
    }
    if (r->intent.is_set) {
        resume_intent(r);
        return;
    }
    if (is_empty(r) && !has_counts(r)) {
        remove_empty(r);
        return;
    }
    op_replica_next(&r->replica, &step);
    switch (step.kind) {
    case OP_STEP_RUN:
    case OP_STEP_SKIP:
    case OP_STEP_DELETE:
    case OP_STEP_FIND:
        r->is_settled = false;
        begin_step(r, &step);
        break;
    case OP_STEP_SNAPSHOT:
    case OP_STEP_ASK:
    case OP_STEP_NONE:
        stand_by(r, &step);
        break;
    }
}

/* ---- what comes in ---- */

void repl_stored(struct repl_resource *r, int rc)
{
    if (rc < 0 && r->turn != REPL_INTENT_STORING) {
        r->node->is_failed = true;
        return;
    }
    switch (r->turn) {
    case REPL_STEP_STORING:
        if (r->step == OP_STEP_SKIP)
            r->turn = REPL_IDLE;
        else
            run_step(r);
        break;
    case REPL_INTENT_STORING:
        if (rc < 0)
            end_intent(r, rc, 0, false);
        else
            run_intent(r);
        break;
    case REPL_INTENT_LOGGING:
    case REPL_SNAPSHOT_LOGGING:
        intent_logged(r);
        break;
    default: /* an outcome: nothing waits for it */
        break;
    }
    repl_wake(r);
}

void repl_ran(struct repl_resource *r, const struct repl_outcome *outcome)
{
    if (r->turn == REPL_STEP_RUNNING)
        end_step(r, outcome);
    else if (r->turn == REPL_INTENT_RUNNING)
        intent_ran(r, outcome);
    else if (r->turn == REPL_SNAPSHOT_RUNNING)
        state_read(r, outcome);
    repl_wake(r);
}

/* ---- those who wait for other sites ---- */

bool repl_settle(enum repl_wait wait, uint64_t sites, uint64_t ran)
{
    int n = __builtin_popcountll(sites), n_ran = __builtin_popcountll(sites & ran);
    switch (wait) {
    case REPL_WAIT_ONE:
        return n_ran >= 1;
    case REPL_WAIT_MAJORITY:
        return n_ran >= n / 2 + 1;
    case REPL_WAIT_ALL:
        return n_ran == n;
    }
    return false;
}

void repl_check_waiters(struct repl_resource *r)
{
    list_for_each_safe (at, &r->waiters) {
        struct repl_client *c = LIST_ITEM(at, struct repl_client, place);
        if (repl_settle(c->wait, r->sites, c->ran))
            repl_answer(r, c, 0, c->status);
    }
}
