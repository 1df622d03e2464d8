/* A log from what is held of it: after a start, and when most of its memory is of what it has
 * forgotten; and forgetting. */
#include "repl/internal.h"
#include "repl/spread.h"
#include <stdlib.h>

#define FEW 64 /* operations forgotten: their memory is left alone */

/* ---- after a start ---- */

void repl_load_destroy(struct repl_resource *r)
{
    for (size_t i = 0; r->load && i < r->load->n; i++)
        repl_op_destroy(&r->load->ops[i]);
    if (r->load)
        free(r->load->ops);
    free(r->load);
    r->load = NULL;
}

/* Puts an operation back as it was held; op->op is that of the log then. */
static int put_back(struct repl_resource *r, struct repl_op *op, const uint64_t *saw,
                    uint32_t n_saw)
{
    struct op_draft draft = {.actor = op->actor,
                             .type = op->type,
                             .n = op->n,
                             .clock = op->clock,
                             .life = op->life,
                             .saw = saw,
                             .n_saw = n_saw,
                             .owner = op};
    return op_log_load(r->log, &draft, &op->op, NULL);
}

static int enter_loaded(struct repl_resource *r, struct repl_loaded *load)
{
    int rc = 0;
    for (size_t i = 0; i < load->n && rc == 0; i++) {
        struct repl_op *op = load->ops[i];
        if (op->actor >= r->log->n_actors)
            return ERR_INVALID;
        op_log_skip(r->log, op->actor, op->n);
        if (op->clock > r->clock)
            r->clock = op->clock;
    }
    for (size_t i = 0; i < load->n && rc == 0; i++)
        rc = put_back(r, load->ops[i], load->ops[i]->saw, load->ops[i]->n_saw);
    return rc == 0 && load->n > 0 ? op_log_loaded(r->log, NULL) : rc;
}

int repl_restore(struct repl_resource *r)
{
    struct repl_loaded *load = r->load;
    repl_load_sort(load);
    int rc = enter_loaded(r, load);
    if (rc == 0 && load->has_replica)
        op_replica_restore(&r->replica, r->log, &load->replica);
    for (size_t i = 0; i < load->n && rc == 0; i++) {
        struct repl_op *op = load->ops[i];
        free(op->saw);
        op->saw = NULL;
        if (op->loaded_ran || op->loaded_failed)
            op_replica_restore_operation(&r->replica, op->op, op->loaded_ran, op->loaded_failed,
                                         op->loaded_status);
    }
    if (rc == 0)
        load->n = 0; /* the log owns them now */
    if (r->clock > r->node->clock)
        r->node->clock = r->clock;
    return rc;
}

/* ---- making the log anew ---- */

static int copy_log(struct repl_resource *r, const struct op_log *old)
{
    int rc = 0;
    for (uint32_t a = 0; a < old->n_actors && rc == 0; a++) {
        uint32_t at;
        rc = op_log_actor(r->log, old->actors[a]->name, &at);
        if (rc == 0)
            op_log_skip(r->log, at, old->actors[a]->count);
    }
    for (uint32_t a = 0; a < old->n_actors; a++)
        for (size_t i = 0; i < old->actors[a]->n_held && rc == 0; i++) {
            const struct op_operation *op = old->actors[a]->held[i];
            rc = put_back(r, op->owner, op->saw, op->n_saw);
        }
    return rc == 0 ? op_log_loaded(r->log, NULL) : rc;
}

/* What became of each operation; with `is_copied` of the copy, else back to the old one. */
static void copy_outcomes(struct repl_resource *r, const struct op_log *old, bool is_copied)
{
    for (uint32_t a = 0; a < old->n_actors; a++)
        for (size_t i = 0; i < old->actors[a]->n_held; i++) {
            struct op_operation *op = old->actors[a]->held[i];
            struct repl_op *owner = op->owner;
            if (!is_copied)
                owner->op = op;
            else if (op->ran || op->failed)
                op_replica_restore_operation(&r->replica, owner->op, op->ran, op->failed,
                                             op->status);
        }
}

static void make_anew(struct repl_resource *r)
{
    struct op_log *old = r->log;
    struct arena *arena = r->arena;
    size_t n_forgotten = r->n_forgotten;
    if (repl_log_create(r) < 0)
        return;
    bool is_copied = copy_log(r, old) == 0;
    if (is_copied) {
        struct op_replica_row row = r->replica.row;
        op_replica_restore(&r->replica, r->log, &row);
    }
    copy_outcomes(r, old, is_copied);
    if (!is_copied)
        repl_log_destroy(r);
    struct repl_resource gone = {.log = is_copied ? old : NULL, .arena = arena};
    repl_log_destroy(&gone);
    if (!is_copied) {
        r->log = old;
        r->arena = arena;
        r->n_forgotten = n_forgotten;
    }
}

/* ---- forgetting ---- */

static size_t count_held(const struct repl_resource *r)
{
    size_t n = 0;
    for (uint32_t a = 0; a < r->log->n_actors; a++)
        n += r->log->actors[a]->n_held;
    return n;
}

static void on_forget(void *context, const struct op_operation *op)
{
    struct repl_resource *r = context;
    struct repl_op *owner = op->owner;
    r->node->counts.forgotten++;
    r->n_forgotten++;
    op_replica_forget(&r->replica, op);
    repl_row_gone(r, REPL_ROW_OPERATION, op->actor, op->n);
    repl_row_gone(r, REPL_ROW_OUTCOME, op->actor, op->n);
    repl_op_destroy(&owner);
}

/* The least of all the sites' vectors. */
static void find_stable(const struct repl_resource *r, uint64_t *stable)
{
    for (uint32_t a = 0; a < r->log->n_actors; a++) {
        stable[a] = repl_stable(r, a);
        for (size_t site = 0; site < r->node->config.n_sites; site++) {
            if (!(r->sites >> site & 1) || site == r->node->config.self)
                continue;
            uint64_t known = repl_known(r, site, a);
            stable[a] = known < stable[a] ? known : stable[a];
        }
    }
}

static bool has_seen(const struct repl_resource *r, const struct op_operation *op,
                     const uint64_t *stable)
{
    for (uint32_t a = 0; a < r->log->n_actors; a++)
        if (stable[a] > (a < op->n_saw ? op->saw[a] : 0))
            return false;
    return true;
}

/* How many are superseded within it; 0 also when something above it did not see all of it. */
static size_t count_forgettable(const struct repl_resource *r, const uint64_t *stable)
{
    size_t n = 0;
    for (uint32_t a = 0; a < r->log->n_actors; a++)
        for (size_t i = 0; i < r->log->actors[a]->n_held; i++) {
            const struct op_operation *op = r->log->actors[a]->held[i];
            if (op->n > stable[a] && !has_seen(r, op, stable))
                return 0;
            n += op->n <= stable[a] && op->is_superseded;
        }
    return n;
}

static void forget(struct repl_resource *r)
{
    uint64_t stable[OP_MAX_ACTORS];
    find_stable(r, stable);
    size_t n = count_forgettable(r, stable);
    if (n == 0 || !repl_rows_reserve(r->node, 2 * n + OP_MAX_ACTORS + 8))
        return;
    op_log_forget(r->log, stable, r->log->n_actors, on_forget, r);
    for (uint32_t a = 0; a < r->log->n_actors; a++)
        repl_row_actor(r, a, r->log->actors[a]->count);
    repl_row_record(
        r); /* with the clock, which operations that are gone may have been the last to say */
    repl_row_replica(r);
    repl_flush(r, REPL_NOBODY);
}

void repl_prune(struct repl_resource *r)
{
    if (r->turn != REPL_IDLE || r->node->is_failed || !list_is_empty(&r->incoming) ||
        r->intent.is_set)
        return;
    if (count_held(r) > r->log->n_listed)
        forget(r);
    list_remove(&r->watching);
    if (count_held(r) > r->log->n_listed)
        list_push(&r->node->watching, &r->watching);
    if (r->n_forgotten > FEW && r->n_forgotten > 2 * count_held(r))
        make_anew(r);
}
