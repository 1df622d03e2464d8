/* Equal states: generated histories at two or three sites, over applications and matrices of many
 * kinds, in any order of arrival, with refusals, lost answers, crashes and pruning. When all is
 * delivered and nothing is left to run, the applications hold the same, and what the list says, or
 * the replica says that they do not. No difference is silent. CHEOPS_HISTORIES=n runs n of each
 * kind and prints what became of them. */
#include "op_test.h"
#include "model.h"

#include <stdlib.h>
#include <string.h>

#define MOST_SITES 3
#define MOST_OPS   64
#define LOG_MEMORY (256 * 1024)
#define MOST_STEPS 2000 /* of one site until it is quiet */

static uint64_t seed;

static unsigned draw(unsigned below)
{
    return op_draw(&seed, below);
}

/* An operation that was issued, as it travels. */
struct issued {
    struct op_draft draft;
    uint64_t saw[MOST_SITES];
    struct model_body body;
};

struct site {
    struct arena arena;
    struct op_log log;
    struct op_replica replica;
    struct model_state state; /* of its application */
    uint64_t clock;
};

struct world {
    const struct model *model;
    struct op_matrix matrix;
    struct issued issued[MOST_OPS];
    size_t n_issued;
    struct site sites[MOST_SITES];
    unsigned n_sites;
    bool is_faulty; /* refusals, lost answers, crashes */
};

static struct world world;
static char log_memory[MOST_SITES][LOG_MEMORY], matrix_memory[MATRIX_MEMORY];
static struct counts {
    unsigned steps[OP_STEP_ASK + 1], whys[OP_WHYS];
    unsigned settled, diverged, failed, forgotten, restored, judged;
} counts;

/* ---- a site */

static void begin_log(unsigned i)
{
    static const struct str names[] = {STR("B"), STR("A"), STR("C")};
    struct site *s = &world.sites[i];
    arena_init(&s->arena, log_memory[i], LOG_MEMORY, 8 * LOG_MEMORY);
    op_log_init(&s->log, &world.matrix, &s->arena);
    for (uint32_t k = 0; k < world.n_sites; k++) {
        uint32_t actor;
        assert_int_equal(op_log_actor(&s->log, names[k], &actor), 0);
    }
}

static bool has(const struct site *s, const struct issued *op)
{
    return s->log.actors[op->draft.actor]->count >= op->draft.n;
}

static bool add(struct site *s, struct issued *op, struct op_operation **out)
{
    struct diag d = {0};
    int rc = op_log_add(&s->log, &op->draft, out, &d);
    if (rc != ERR_AGAIN && rc != 0)
        fail_msg("%s", d.message);
    if (rc == 0 && s->clock < op->draft.clock)
        s->clock = op->draft.clock;
    return rc == 0;
}

/* The process ends and begins again, with what was stored. */
static void restart(unsigned i)
{
    struct stored {
        uint64_t ran, failed;
        unsigned status;
        bool is_here, is_held;
    } stored[MOST_OPS];
    struct site *s = &world.sites[i];
    struct op_replica_row row = s->replica.row;
    counts.restored++;
    for (size_t k = 0; k < world.n_issued; k++) {
        struct issued *op = &world.issued[k];
        struct op_operation *held = op_log_find(&s->log, op->draft.actor, op->draft.n);
        stored[k] = (struct stored){.is_here = has(s, op), .is_held = held != NULL};
        if (held)
            stored[k] = (struct stored){held->ran, held->failed, held->status, true, true};
    }
    arena_fini(&s->arena);
    begin_log(i);
    struct op_operation *ops[MOST_OPS] = {NULL};
    for (size_t k = 0; k < world.n_issued; k++)
        if (stored[k].is_here)
            assert_true(add(s, &world.issued[k], &ops[k]));
    op_replica_restore(&s->replica, &s->log, &row);
    for (size_t k = 0; k < world.n_issued; k++)
        if (ops[k] && stored[k].is_held)
            op_replica_restore_operation(&s->replica, ops[k], stored[k].ran, stored[k].failed,
                                         stored[k].status);
}

/* ---- what is shown of a history that fails */

static void print_site(unsigned i)
{
    struct site *s = &world.sites[i];
    struct op_step step;
    op_replica_next(&s->replica, &step);
    print_message("site %u%s, step %d%s%s %.*s\n  cells", i, s->state.exists ? "" : " missing",
                  (int)step.kind, step.is_diverged ? " diverged" : "",
                  step.is_failed ? " failed" : "", STR_ARG(op_why_text(step.why)));
    for (int k = 0; k < MODEL_CELLS; k++)
        print_message(" %d", s->state.cells[k]);
    print_message("\n  base %u.%llu at %llu, list", s->replica.row.base.actor,
                  (unsigned long long)s->replica.row.base.n,
                  (unsigned long long)s->replica.row.base_seq);
    list_for_each (at, &s->log.list)
        print_message(" %u.%llu(%llu,%llu)", OP_AT(at)->actor, (unsigned long long)OP_AT(at)->n,
                      (unsigned long long)OP_AT(at)->ran, (unsigned long long)OP_AT(at)->failed);
    print_message("\n");
}

static void print_history(void)
{
    for (size_t i = 0; i < world.n_issued; i++) {
        const struct issued *op = &world.issued[i];
        print_message("%u.%llu %.*s clock %llu cell %d value %d saw", op->draft.actor,
                      (unsigned long long)op->draft.n,
                      STR_ARG(world.matrix.types[op->draft.type].name),
                      (unsigned long long)op->draft.clock, op->body.cell, op->body.value);
        for (unsigned k = 0; k < world.n_sites; k++)
            print_message(" %llu", (unsigned long long)op->saw[k]);
        print_message("\n");
    }
    for (unsigned i = 0; i < world.n_sites; i++)
        print_site(i);
}

/* ---- what it does */

static struct issued *issue(struct site *s, unsigned type, const struct model_body *body,
                            const uint64_t *saw)
{
    assert_true(world.n_issued < MOST_OPS);
    struct issued *op = &world.issued[world.n_issued++];
    unsigned actor = (unsigned)(s - world.sites);
    s->clock += 1 + draw(3);
    *op = (struct issued){.body = *body};
    memcpy(op->saw, saw, sizeof op->saw);
    op->draft = (struct op_draft){.actor = actor,
                                  .type = type,
                                  .n = s->log.actors[actor]->count + 1,
                                  .clock = s->clock,
                                  .life = OP_LIFE_UNKNOWN,
                                  .saw = op->saw,
                                  .n_saw = world.n_sites,
                                  .owner = op};
    struct op_operation *added;
    assert_true(add(s, op, &added));
    op_replica_did(&s->replica, added);
    return op;
}

static void vector_of(const struct site *s, uint64_t *saw)
{
    memset(saw, 0, MOST_SITES * sizeof *saw);
    for (unsigned i = 0; i < world.n_sites; i++)
        saw[i] = s->log.actors[i]->count;
}

static void take_snapshot(struct site *s)
{
    uint64_t saw[MOST_SITES];
    struct model_body body = {.state = s->state};
    vector_of(s, saw);
    if (world.n_issued < MOST_OPS)
        issue(s, (unsigned)world.model->n_types, &body, saw);
}

static bool has_same_vector(const struct site *a, const struct site *b)
{
    for (unsigned i = 0; i < world.n_sites; i++)
        if (a->log.actors[i]->count != b->log.actors[i]->count)
            return false;
    return true;
}

static bool ask_for_snapshot(const struct site *s)
{
    for (unsigned i = 0; i < world.n_sites; i++) {
        struct site *other = &world.sites[i];
        if (other != s && has_same_vector(s, other) && op_replica_can_snapshot(&other->replica)) {
            take_snapshot(other);
            return true;
        }
    }
    return false;
}

static void delete_from(struct model_state *s)
{
    *s = (struct model_state){.exists = false};
}

/* The outcome of a request, and what it did. */
static enum op_outcome send(struct site *s, const struct op_step *step, unsigned *status)
{
    const struct issued *op = step->op->owner;
    unsigned fault = world.is_faulty ? draw(24) : 24;
    *status = 409;
    if (fault == 0)
        return OP_REFUSED;
    if (fault == 1)
        return OP_UNSENT;
    if (fault == 2)
        return OP_UNANSWERED;
    *status = MODEL_OK;
    if (step->kind == OP_STEP_DELETE)
        delete_from(&s->state);
    else
        *status = model_run(world.model, &s->state, step->op->type, &op->body);
    if (fault == 3)
        return OP_UNANSWERED;
    return *status == MODEL_OK ? OP_DONE : OP_REFUSED;
}

static enum op_outcome find(const struct site *s)
{
    if (world.is_faulty && draw(8) == 0)
        return OP_UNSENT;
    if (world.model->cannot_find)
        return OP_LOST;
    return s->state.exists ? OP_DONE : OP_ABSENT;
}

/* One step; false: there is none. */
static bool do_step(unsigned i)
{
    struct site *s = &world.sites[i];
    struct op_step step, again;
    unsigned status = 0;
    op_replica_next(&s->replica, &step);
    op_replica_next(&s->replica, &again);
    assert_memory_equal(&step, &again, sizeof step);
    counts.steps[step.kind]++;
    counts.whys[step.why]++;
    switch (step.kind) {
    case OP_STEP_NONE:
        return false;
    case OP_STEP_SNAPSHOT:
        take_snapshot(s);
        return true;
    case OP_STEP_ASK:
        return ask_for_snapshot(s);
    default:
        break;
    }
    op_replica_begin(&s->replica, &step);
    enum op_outcome outcome = step.kind == OP_STEP_SKIP   ? OP_DONE
                              : step.kind == OP_STEP_FIND ? find(s)
                                                          : send(s, &step, &status);
    if (outcome == OP_UNANSWERED && draw(2))
        restart(i);
    else
        op_replica_settle(&s->replica, outcome, status);
    return true;
}

static void run_out(unsigned i)
{
    for (unsigned n = 0; do_step(i); n++)
        if (n == MOST_STEPS) {
            print_history();
            fail_msg("%s: site %u does not come to an end", world.model->name, i);
        }
}

/* ---- events */

static bool deliver(unsigned to, struct issued *op)
{
    struct op_operation *added;
    struct site *s = &world.sites[to];
    if (has(s, op) || !add(s, op, &added))
        return false;
    op_replica_added(&s->replica, added);
    return true;
}

static void deliver_some(unsigned to)
{
    unsigned n = 1 + draw(4);
    for (size_t i = 0; i < world.n_issued && n > 0; i++)
        if (world.issued[i].draft.actor != to && draw(2))
            n -= deliver(to, &world.issued[i]);
}

/* What overwrites or replaces is sent again until there is an answer; a create is looked for;
 * anything else was never acknowledged and leaves the replica without a base. */
static bool run_for_client(struct site *s, unsigned type, const struct model_body *body)
{
    const struct op_type *t = &world.matrix.types[type];
    bool is_answered = !world.is_faulty || draw(12) > 0;
    if (is_answered || t->overwrites || t->replaces) {
        bool was_there = s->state.exists;
        if (!is_answered && draw(2) && model_run(world.model, &s->state, type, body) == MODEL_OK &&
            t->creates && !t->overwrites)
            return !was_there;
        return model_run(world.model, &s->state, type, body) == MODEL_OK;
    }
    if (draw(2))
        model_run(world.model, &s->state, type, body);
    op_replica_lose_base(&s->replica);
    return false;
}

static void client_asks(unsigned at)
{
    struct site *s = &world.sites[at];
    unsigned type = draw((unsigned)world.model->n_types);
    struct model_body body = {.cell = (int)draw(4), .value = 1 + (int)draw(1000)};
    uint64_t saw[MOST_SITES];
    if (world.matrix.types[type].deletes && draw(3))
        return;
    op_replica_retry(&s->replica);
    run_out(at);
    if (!op_replica_admits(&s->replica, type) || world.n_issued + 8 > MOST_OPS)
        return;
    vector_of(s, saw);
    if (!run_for_client(s, type, &body))
        return;
    if (draw(4) == 0)
        deliver_some(at); /* while it ran */
    issue(s, type, &body, saw);
}

static void on_forget(void *context, const struct op_operation *op)
{
    op_replica_forget(context, op);
    counts.forgotten++;
}

/* What all have, when whatever came later saw all of that. */
static void prune(void)
{
    uint64_t stable[MOST_SITES];
    for (unsigned i = 0; i < world.n_sites; i++) {
        stable[i] = UINT64_MAX;
        for (unsigned k = 0; k < world.n_sites; k++)
            if (world.sites[k].log.actors[i]->count < stable[i])
                stable[i] = world.sites[k].log.actors[i]->count;
    }
    for (size_t k = 0; k < world.n_issued; k++) {
        const struct issued *op = &world.issued[k];
        if (op->draft.n <= stable[op->draft.actor])
            continue;
        for (unsigned i = 0; i < world.n_sites; i++)
            if (i != op->draft.actor && op->saw[i] < stable[i])
                return;
    }
    struct site *s = &world.sites[draw(world.n_sites)];
    op_log_forget(&s->log, stable, world.n_sites, on_forget, &s->replica);
}

static void happen(void)
{
    unsigned at = draw(world.n_sites);
    switch (draw(world.is_faulty ? 12 : 8)) {
    case 0:
    case 1:
    case 2:
        client_asks(at);
        break;
    case 3:
    case 4:
        deliver_some(at);
        break;
    case 5:
    case 6:
    case 7:
        do_step(at);
        break;
    case 8:
        prune();
        break;
    case 9:
        op_replica_retry(&world.sites[at].replica);
        break;
    case 10:
        op_replica_repair(&world.sites[at].replica);
        break;
    default:
        restart(at);
    }
}

/* ---- the end */

static void deliver_all(void)
{
    for (bool is_new = true; is_new;) {
        is_new = false;
        for (size_t i = 0; i < world.n_issued; i++)
            for (unsigned k = 0; k < world.n_sites; k++)
                is_new |= deliver(k, &world.issued[i]);
    }
}

/* An operator removes what a create may have left behind, and all that failed is tried again. */
static void retry_all(void)
{
    for (unsigned i = 0; i < world.n_sites; i++) {
        struct site *s = &world.sites[i];
        if (s->replica.row.is_lost) {
            delete_from(&s->state);
            op_replica_settle(&s->replica, OP_ABSENT, 0);
        }
        op_replica_retry(&s->replica);
    }
}

static void come_to_rest(void)
{
    world.is_faulty = false;
    for (unsigned round = 0; round < 4; round++) {
        size_t before;
        do {
            before = world.n_issued;
            deliver_all();
            for (unsigned i = 0; i < world.n_sites; i++)
                run_out(i);
        } while (world.n_issued > before);
        if (round == 0)
            retry_all();
    }
}

/* What the list says, on an application of its own; false: something of it is refused there. */
static bool judge(const struct op_log *log, struct model_state *out)
{
    bool is_good = true;
    delete_from(out);
    list_for_each (at, &log->list) {
        const struct issued *op = OP_AT(at)->owner;
        if (op->draft.type < world.model->n_types &&
            world.model->types[op->draft.type].effects.creates)
            delete_from(out);
        is_good &= model_run(world.model, out, op->draft.type, &op->body) == MODEL_OK;
    }
    return is_good;
}

static bool is_equal(const struct model_state *a, const struct model_state *b)
{
    return a->exists == b->exists && memcmp(a->cells, b->cells, sizeof a->cells) == 0;
}

static void compare(uint64_t first_seed)
{
    struct model_state said;
    bool is_said = judge(&world.sites[0].log, &said);
    const struct site *settled = NULL;
    for (unsigned i = 0; i < world.n_sites; i++) {
        struct site *s = &world.sites[i];
        struct op_step step;
        op_replica_next(&s->replica, &step);
        counts.diverged += step.is_diverged;
        counts.failed += step.is_failed;
        if (step.is_diverged || step.is_failed)
            continue;
        counts.settled++;
        counts.judged += is_said;
        bool is_wrong = (settled && !is_equal(&settled->state, &s->state)) ||
                        (is_said && !is_equal(&said, &s->state));
        if (is_wrong) {
            print_history();
            fail_msg("%s: site %u differs and does not say so, seed %llu", world.model->name, i,
                     (unsigned long long)first_seed);
        }
        settled = s;
    }
}

static void run_history(const struct model *model, unsigned n_sites, bool is_faulty)
{
    uint64_t first_seed = seed;
    struct arena arena;
    world.model = model;
    world.n_issued = 0;
    world.n_sites = n_sites;
    world.is_faulty = is_faulty;
    arena_init(&arena, matrix_memory, sizeof matrix_memory, MATRIX_MEMORY);
    assert_int_equal(model_make_matrix(model, &arena, &world.matrix, NULL), 0);
    for (unsigned i = 0; i < n_sites; i++) {
        world.sites[i].clock = draw(20);
        delete_from(&world.sites[i].state);
        begin_log(i);
        op_replica_init(&world.sites[i].replica, &world.sites[i].log);
    }
    for (unsigned n = 4 + draw(40); n > 0; n--)
        happen();
    come_to_rest();
    compare(first_seed);
    for (unsigned i = 0; i < n_sites; i++)
        arena_fini(&world.sites[i].arena);
    arena_fini(&arena);
}

/* ---- tests */

static unsigned histories(void)
{
    const char *text = getenv("CHEOPS_HISTORIES");
    uint64_t n = 2000;
    if (text && str_digits(str_of(text), 100000000, &n) < 0)
        fail_msg("CHEOPS_HISTORIES is not a number");
    return (unsigned)n;
}

static void test_sites_that_work(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_models; i++) {
        counts = (struct counts){.settled = 0};
        seed = 0x9e3779b97f4a7c15 + i;
        for (unsigned k = 0; k < histories() / 3; k++)
            run_history(&models[i], 2 + k % 2, false);
        assert_true(counts.settled > 0 && counts.judged > 0);
        if (getenv("CHEOPS_HISTORIES"))
            print_message("%s: %u settled, %u diverged, %u failed\n", models[i].name,
                          counts.settled, counts.diverged, counts.failed);
        if (models[i].converges && counts.diverged)
            fail_msg("%s: %u replicas diverged", models[i].name, counts.diverged);
    }
}

static void test_sites_that_fail(void **state)
{
    struct counts all = {.settled = 0};
    (void)state;
    for (size_t i = 0; i < n_models; i++) {
        counts = (struct counts){.settled = 0};
        seed = 0xd1b54a32d192ed03 + i;
        for (unsigned k = 0; k < histories(); k++)
            run_history(&models[i], 2 + k % 2, true);
        if (getenv("CHEOPS_HISTORIES"))
            print_message("%s: %u settled (%u judged), %u diverged, %u failed\n", models[i].name,
                          counts.settled, counts.judged, counts.diverged, counts.failed);
        assert_true(counts.settled > 0);
        for (size_t k = 0; k < COUNT_OF(all.steps); k++)
            all.steps[k] += counts.steps[k];
        for (size_t k = 0; k < OP_WHYS; k++)
            all.whys[k] += counts.whys[k];
        all.forgotten += counts.forgotten;
        all.restored += counts.restored;
    }
    for (size_t k = 0; k < COUNT_OF(all.steps); k++)
        assert_true(all.steps[k] > 0);
    for (size_t k = 0; k < OP_WHYS; k++)
        if (k != OP_WHY_NO_CREATE && k != OP_WHY_NO_BASE) /* test_run.c has these */
            assert_true(all.whys[k] > 0);
    assert_true(all.forgotten > 0 && all.restored > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sites_that_work),
                                       cmocka_unit_test(test_sites_that_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
