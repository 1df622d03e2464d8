/* One resource's log: what comes in, waits for what it saw, is stored, and enters. */
#include "repl/internal.h"
#include "repl/spread.h"
#include <stdlib.h>

#define BATCH_BYTES (REPL_ROWS_BYTES - 2 * REPL_PAYLOAD_BYTES)
#define BATCH_ROWS  (REPL_ROOM - OP_MAX_ACTORS - 8)

struct repl_op *repl_op_create(struct str payload, const uint64_t *saw, uint32_t n_saw)
{
    struct repl_op *op = malloc(sizeof *op + payload.n + 1);
    uint64_t *copy = malloc((n_saw + 1) * sizeof *copy);
    if (!op || !copy) {
        free(op);
        free(copy);
        return NULL;
    }
    *op = (struct repl_op){.n_saw = n_saw, .saw = copy, .payload = {(char *)(op + 1), payload.n}};
    if (payload.n)
        memcpy(op + 1, payload.p, payload.n);
    if (n_saw)
        memcpy(copy, saw, n_saw * sizeof *copy);
    list_init(&op->place);
    return op;
}

void repl_op_destroy(struct repl_op **op)
{
    if (!*op)
        return;
    list_remove(&(*op)->place);
    free((*op)->saw);
    free(*op);
    *op = NULL;
}

/* ---- actors ---- */

/* What is known of other sites has room for at least n actors. */
static bool grow_far(struct repl_resource *r, uint32_t n)
{
    size_t n_sites = r->node->config.n_sites;
    uint32_t room = r->n_far ? r->n_far : 4;
    while (room < n)
        room *= 2;
    if (room == r->n_far)
        return true;
    struct repl_far *far = calloc(n_sites * room, sizeof *far);
    if (!far)
        return false;
    for (size_t site = 0; site < n_sites && r->far; site++)
        memcpy(&far[site * room], &r->far[site * r->n_far], r->n_far * sizeof *far);
    free(r->far);
    r->far = far;
    r->n_far = room;
    return true;
}

int repl_actor(struct repl_resource *r, struct str name, uint32_t *actor)
{
    if (!grow_far(r, r->log->n_actors + 1))
        return ERR_NO_MEMORY;
    return op_log_actor(r->log, name, actor);
}

/* What would be known of this site itself. */
uint64_t *repl_horizon(const struct repl_resource *r, uint32_t actor)
{
    return &r->far[r->node->config.self * r->n_far + actor].known;
}

/* ---- the log ---- */

int repl_log_create(struct repl_resource *r)
{
    struct arena *arena = malloc(sizeof *arena);
    struct op_log *log = malloc(sizeof *log);
    if (!arena || !log) {
        free(arena);
        free(log);
        return ERR_NO_MEMORY;
    }
    arena_init(arena, NULL, 0, r->node->config.log_bytes);
    op_log_init(log, r->node->types[r->type].matrix, arena);
    r->arena = arena;
    r->log = log;
    r->n_forgotten = 0;
    return 0;
}

void repl_log_destroy(struct repl_resource *r)
{
    if (!r->log)
        return;
    arena_fini(r->arena);
    free(r->arena);
    free(r->log);
    r->arena = NULL;
    r->log = NULL;
}

int repl_enter(struct repl_resource *r, struct repl_op *op)
{
    struct op_operation *held = NULL;
    struct op_draft draft = {.actor = op->actor,
                             .type = op->type,
                             .n = op->n,
                             .clock = op->clock,
                             .life = op->life,
                             .saw = op->saw,
                             .n_saw = op->n_saw,
                             .owner = op};
    if (op->hole_to) {
        op_log_skip(r->log, op->actor, op->hole_to);
        return 0;
    }
    int rc = op_log_add(r->log, &draft, &held, NULL);
    if (rc < 0)
        return rc;
    CHECK(held && held->owner == op);
    op->op = held;
    free(op->saw);
    op->saw = NULL;
    if (op->clock > r->clock)
        r->clock = op->clock;
    if (op->clock > r->node->clock)
        r->node->clock = op->clock;
    return 0;
}

/* ---- coming in ---- */

/* The highest number that it is about. */
static uint64_t last_of(const struct repl_op *op)
{
    return op->hole_to ? op->hole_to : op->n;
}

/* Whether it can enter once the log holds `counts`. */
static bool can_enter(const struct repl_op *op, const uint64_t *counts, uint32_t n)
{
    if (op->n > counts[op->actor] + 1)
        return false;
    for (uint32_t i = 0; i < op->n_saw && i < n; i++)
        if (i != op->actor && op->saw[i] > counts[i])
            return false;
    return true;
}

static void take(struct repl_resource *r, struct repl_op *op, uint64_t *counts)
{
    repl_row_actors(r); /* before what says more of them */
    counts[op->actor] = last_of(op);
    list_remove(&op->place);
    r->n_waiting--;
    list_push(&r->incoming, &op->place);
    if (op->hole_to)
        repl_row_actor(r, op->actor, op->hole_to);
    else
        repl_row_operation(r, op);
}

static bool take_all(struct repl_resource *r, uint64_t *counts)
{
    bool has_taken = false;
    list_for_each_safe (at, &r->waiting) {
        struct repl_op *op = LIST_ITEM(at, struct repl_op, place);
        if (last_of(op) <= counts[op->actor]) {
            r->n_waiting--;
            repl_op_destroy(&op);
        } else if (can_enter(op, counts, r->log->n_actors)) {
            if (r->node->bytes.n > BATCH_BYTES || r->node->n_rows > BATCH_ROWS)
                return false;
            take(r, op, counts);
            has_taken = true;
        }
    }
    return has_taken;
}

void repl_admit(struct repl_resource *r)
{
    uint64_t counts[OP_MAX_ACTORS];
    if (!list_is_empty(&r->incoming) || list_is_empty(&r->waiting) || r->node->is_failed)
        return;
    for (uint32_t i = 0; i < r->log->n_actors; i++)
        counts[i] = r->log->actors[i]->count;
    while (take_all(r, counts))
        ;
    if (!list_is_empty(&r->incoming))
        repl_flush(r, REPL_INCOMING);
}

void repl_admitted(struct repl_resource *r, int rc)
{
    list_for_each_safe (at, &r->incoming) {
        struct repl_op *op = LIST_ITEM(at, struct repl_op, place);
        list_remove(at);
        bool has_entered = rc == 0 && repl_enter(r, op) == 0;
        r->node->counts.refused += !has_entered;
        if (has_entered && !op->hole_to)
            op_replica_added(&r->replica, op->op);
        else
            repl_op_destroy(&op);
    }
    r->is_settled = false;
    r->must_snapshot = false;
    repl_vector_changed(r);
    repl_report(r, r->owed, r->is_joining);
    repl_admit(r);
}

void repl_drop_waiting(struct repl_resource *r)
{
    r->node->counts.overflowed += r->n_waiting;
    r->n_waiting = 0;
    list_for_each_safe (at, &r->waiting) {
        struct repl_op *op = LIST_ITEM(at, struct repl_op, place);
        repl_op_destroy(&op);
    }
}
