/* What a replica runs next, rule by rule (docs/design.md section 5, Running it). */
#include "op_test.h"
#include "op/run.h"

#include <string.h>

#define LOG_MEMORY (64 * 1024 * 1024)

enum type { CREATE, REPLACE, UPDATE, ADD, CHANGE, DELETE, SNAPSHOT };

/* Updates overwrite, additions commute with each other, a change does neither. */
static const struct op_type types[] = {
    {.name = STR("create"), .creates = true},
    {.name = STR("replace"), .replaces = true, .overwrites = true},
    {.name = STR("update"), .overwrites = true},
    {.name = STR("add")},
    {.name = STR("change")},
    {.name = STR("delete"), .deletes = true, .overwrites = true}};

static const struct op_pair pairs[] = {{STR("create"), STR("create"), OP_TAKE_ONE},
                                       {STR("replace"), STR("replace"), OP_TAKE_ONE},
                                       {STR("replace"), STR("create"), OP_REVERSE_ORDER},
                                       {STR("add"), STR("add"), OP_ANY_ORDER}};

static struct site {
    struct arena arena;
    struct op_matrix matrix;
    struct op_log log;
    struct op_replica replica;
} site;

/* At the site A, which hears of B. */
static void begin(bool can_remake, bool can_transfer, size_t n_types)
{
    struct diag d = {0};
    struct op_rules rules = {.types = types,
                             .n_types = n_types,
                             .pairs = pairs,
                             .n_pairs = COUNT_OF(pairs),
                             .can_remake = can_remake,
                             .can_transfer = can_transfer};
    uint32_t actor;
    arena_init(&site.arena, NULL, 0, LOG_MEMORY);
    assert_int_equal(op_matrix_make(&rules, &site.arena, &site.matrix, &d), 0);
    op_log_init(&site.log, &site.matrix, &site.arena);
    assert_int_equal(op_log_actor(&site.log, STR("A"), &actor), 0);
    assert_int_equal(op_log_actor(&site.log, STR("B"), &actor), 0);
    op_replica_init(&site.replica, &site.log);
}

static void end(void)
{
    arena_fini(&site.arena);
}

/* An operation of an actor, the next one, that saw so many of A's and B's. */
static struct op_operation *add(uint32_t actor, unsigned type, uint64_t clock, uint64_t a,
                                uint64_t b)
{
    struct op_operation *op;
    struct diag d = {0};
    struct op_draft draft = {.actor = actor,
                             .type = type,
                             .n = site.log.actors[actor]->count + 1,
                             .clock = clock,
                             .life = OP_LIFE_UNKNOWN,
                             .saw = (uint64_t[]){a, b},
                             .n_saw = 2};
    if (op_log_add(&site.log, &draft, &op, &d) < 0)
        fail_msg("%s", d.message);
    return op;
}

/* By one of A's own clients. */
static struct op_operation *did(unsigned type, uint64_t clock, uint64_t a, uint64_t b)
{
    struct op_operation *op = add(0, type, clock, a, b);
    op_replica_did(&site.replica, op);
    return op;
}

/* By B. */
static struct op_operation *heard(unsigned type, uint64_t clock, uint64_t a, uint64_t b)
{
    struct op_operation *op = add(1, type, clock, a, b);
    op_replica_added(&site.replica, op);
    return op;
}

static void expect(enum op_step_kind kind, const struct op_operation *op)
{
    struct op_step step;
    op_replica_next(&site.replica, &step);
    assert_int_equal(step.kind, kind);
    if (op)
        assert_ptr_equal(step.op, op);
}

static void expect_end(enum op_why why, bool is_diverged, bool is_failed)
{
    struct op_step step;
    op_replica_next(&site.replica, &step);
    assert_int_equal(step.kind, OP_STEP_NONE);
    assert_int_equal(step.why, why);
    assert_int_equal(step.is_diverged, is_diverged);
    assert_int_equal(step.is_failed, is_failed);
    assert_int_equal(op_why_text(why).n > 0, why != OP_WHY_NOTHING);
}

static void expect_settled(void)
{
    expect_end(OP_WHY_NOTHING, false, false);
}

static void do_as(enum op_step_kind kind, const struct op_operation *op, enum op_outcome outcome)
{
    struct op_step step;
    op_replica_next(&site.replica, &step);
    assert_int_equal(step.kind, kind);
    assert_ptr_equal(step.op, op);
    op_replica_begin(&site.replica, &step);
    op_replica_settle(&site.replica, outcome, outcome == OP_REFUSED ? 409 : 0);
}

static void run(const struct op_operation *op)
{
    do_as(OP_STEP_RUN, op, OP_DONE);
}

/* ---- (1) */

static void test_what_is_missing_runs(void **state)
{
    (void)state;
    begin(false, false, COUNT_OF(types));
    expect_settled();
    struct op_operation *c = heard(CREATE, 1, 0, 0), *u = heard(UPDATE, 2, 0, 1);
    run(c);
    assert_true(op_replica_has_run(&site.replica, c));
    assert_int_equal(site.replica.row.exists, OP_EXISTS);
    run(u);
    expect_settled();
    run(heard(CHANGE, 3, 0, 2));
    did(CHANGE, 4, 1, 3);
    expect_settled();
    end();
}

static void test_what_commutes_runs_in_any_order(void **state)
{
    (void)state;
    begin(false, false, COUNT_OF(types));
    did(CREATE, 1, 0, 0);
    did(ADD, 5, 1, 0);
    struct op_operation *theirs[2] = {heard(ADD, 3, 1, 0), heard(ADD, 4, 1, 1)};
    run(theirs[0]);
    run(theirs[1]);
    expect_settled();
    end();
}

static void test_a_replace_is_the_new_base(void **state)
{
    (void)state;
    begin(false, false, COUNT_OF(types));
    did(CREATE, 1, 0, 0);
    did(CHANGE, 2, 1, 0);
    run(heard(REPLACE, 3, 2, 0));
    expect_settled();
    run(heard(DELETE, 4, 2, 1));
    assert_int_equal(site.replica.row.exists, OP_EXISTS_NOT);
    expect_settled();
    end();
}

/* ---- (2) */

static void test_what_overwrites_runs_again(void **state)
{
    (void)state;
    begin(false, false, COUNT_OF(types));
    did(CREATE, 1, 0, 0);
    struct op_operation *ours = did(UPDATE, 5, 1, 0), *last = did(UPDATE, 6, 2, 0);
    struct op_operation *theirs = heard(UPDATE, 4, 1, 0);
    run(theirs);
    run(ours);
    /* What comes in between has its place. */
    struct op_operation *between = heard(UPDATE, 5, 1, 1);
    run(between);
    run(last);
    expect_settled();
    end();
}

/* ---- (3) */

static void test_the_base_runs_again(void **state)
{
    (void)state;
    begin(true, false, COUNT_OF(types));
    struct op_operation *c = did(CREATE, 1, 0, 0), *ours = did(CHANGE, 5, 1, 0);
    struct op_operation *theirs = heard(CHANGE, 4, 1, 0);
    do_as(OP_STEP_DELETE, c, OP_UNSENT);
    assert_false(site.replica.row.has_base);
    do_as(OP_STEP_DELETE, c, OP_DONE);
    run(c);
    run(theirs);
    run(ours);
    expect_settled();
    end();
}

static void test_what_was_superseded_goes(void **state)
{
    (void)state;
    begin(false, false, COUNT_OF(types));
    did(CREATE, 1, 0, 0);
    struct op_operation *r = did(REPLACE, 2, 1, 0);
    struct op_operation *a = did(ADD, 5, 2, 0), *theirs = heard(REPLACE, 4, 1, 0);
    assert_true(r->is_superseded);
    assert_true(op_replica_has_run(&site.replica, a));
    run(theirs);
    assert_false(op_replica_has_run(&site.replica, a));
    run(a);
    expect_settled();
    end();
}

static void test_another_create_wins(void **state)
{
    (void)state;
    begin(false, false, COUNT_OF(types));
    did(CREATE, 1, 0, 0);
    struct op_operation *theirs = heard(CREATE, 2, 0, 0);
    do_as(OP_STEP_DELETE, theirs, OP_UNANSWERED);
    assert_int_equal(site.replica.row.exists, OP_EXISTS_MAYBE);
    do_as(OP_STEP_DELETE, theirs, OP_DONE);
    run(theirs);
    expect_settled();
    end();
}

static void test_a_replace_needs_what_it_replaces(void **state)
{
    (void)state;
    begin(false, false, COUNT_OF(types));
    struct op_operation *c = heard(CREATE, 1, 0, 0), *r = heard(REPLACE, 2, 0, 1);
    run(c);
    run(r);
    expect_settled();
    end();
}

static void test_a_replace_after_half_a_delete(void **state)
{
    (void)state;
    begin(false, false, COUNT_OF(types));
    did(CREATE, 1, 0, 0);
    struct op_operation *theirs = heard(CREATE, 2, 0, 0);
    do_as(OP_STEP_DELETE, theirs, OP_UNANSWERED);
    struct op_operation *r = heard(REPLACE, 3, 0, 1);
    do_as(OP_STEP_DELETE, theirs, OP_DONE);
    run(theirs);
    run(r);
    expect_settled();
    end();
}

static void test_nothing_is_deleted_where_nothing_is(void **state)
{
    (void)state;
    begin(false, false, COUNT_OF(types));
    heard(CREATE, 1, 0, 0);
    struct op_operation *d = heard(DELETE, 2, 0, 1);
    do_as(OP_STEP_SKIP, d, OP_DONE);
    expect_settled();
    end();
}

/* ---- (4) */

static void test_a_snapshot_settles_the_order(void **state)
{
    (void)state;
    begin(false, true, COUNT_OF(types));
    did(CREATE, 1, 0, 0);
    did(CHANGE, 5, 1, 0);
    run(heard(CHANGE, 4, 1, 0));
    assert_false(op_replica_can_snapshot(&site.replica));
    expect(OP_STEP_SNAPSHOT, NULL);
    did(SNAPSHOT, 6, 2, 1);
    expect_settled();
    assert_true(op_replica_can_snapshot(&site.replica));
    run(heard(SNAPSHOT, 7, 3, 1));
    expect_settled();
    end();
}

static void test_without_a_base_one_is_asked_for(void **state)
{
    (void)state;
    begin(false, true, COUNT_OF(types));
    did(CREATE, 1, 0, 0);
    do_as(OP_STEP_RUN, heard(CHANGE, 2, 1, 0), OP_UNANSWERED);
    expect(OP_STEP_ASK, NULL);
    assert_false(op_replica_can_snapshot(&site.replica));
    run(heard(SNAPSHOT, 3, 1, 1));
    expect_settled();
    end();
}

/* A state that lacks an operation is no state for others: that would be lost for good. */
static void test_no_snapshot_without_what_was_refused(void **state)
{
    (void)state;
    begin(false, true, COUNT_OF(types));
    did(CREATE, 1, 0, 0);
    did(CHANGE, 5, 1, 0);
    do_as(OP_STEP_RUN, heard(CHANGE, 4, 1, 0), OP_DONE);
    do_as(OP_STEP_RUN, heard(CHANGE, 6, 2, 1), OP_REFUSED);
    expect(OP_STEP_ASK, NULL);
    end();
}

/* ---- (5) */

static void test_diverged(void **state)
{
    (void)state;
    begin(false, false, COUNT_OF(types));
    did(CREATE, 1, 0, 0);
    did(CHANGE, 5, 1, 0);
    run(heard(CHANGE, 4, 1, 0));
    expect_end(OP_WHY_ORDER, true, false);
    assert_true(op_replica_admits(&site.replica, CHANGE));
    assert_false(op_replica_repair(&site.replica));
    did(CHANGE, 6, 2, 1);
    expect_end(OP_WHY_ORDER, true, false);
    run(heard(REPLACE, 7, 3, 1));
    expect_settled();
    end();
}

static void test_no_base_no_way_back(void **state)
{
    (void)state;
    begin(false, false, COUNT_OF(types));
    did(CREATE, 1, 0, 0);
    op_replica_lose_base(&site.replica);
    expect_end(OP_WHY_REMAKE, true, false);
    assert_false(op_replica_admits(&site.replica, UPDATE));
    assert_false(op_replica_admits(&site.replica, CREATE));
    assert_true(op_replica_admits(&site.replica, REPLACE));
    did(REPLACE, 2, 1, 0);
    expect_settled();
    end();
    begin(false, false, COUNT_OF(types) - 1); /* without a delete */
    did(CREATE, 1, 0, 0);
    heard(CREATE, 2, 0, 0);
    expect_end(OP_WHY_NO_DELETE, true, false);
    end();
    begin(false, false, COUNT_OF(types));
    heard(DELETE, 1, 0, 0);
    heard(REPLACE, 2, 0, 1);
    expect_end(OP_WHY_NO_CREATE, true, false);
    end();
    begin(false, false, COUNT_OF(types));
    site.replica.row.exists = OP_EXISTS;
    do_as(OP_STEP_RUN, heard(CHANGE, 1, 0, 0), OP_UNANSWERED);
    expect_end(OP_WHY_NO_BASE, true, false);
    end();
}

/* ---- refused */

static void test_what_follows_a_failure_runs(void **state)
{
    (void)state;
    begin(false, false, COUNT_OF(types));
    did(CREATE, 1, 0, 0);
    struct op_operation *f = heard(CHANGE, 2, 1, 0), *u = heard(CHANGE, 3, 1, 0);
    do_as(OP_STEP_RUN, f, OP_REFUSED);
    assert_int_equal(f->status, 409);
    run(u);
    expect_end(OP_WHY_NOTHING, false, true);
    assert_true(op_replica_is_failed(&site.replica, f));
    assert_true(op_replica_admits(&site.replica, CHANGE));
    op_replica_retry(&site.replica); /* it would come after what it stands before */
    expect_end(OP_WHY_NOTHING, false, true);
    end();
}

static void test_a_failure_is_tried_before_what_saw_it(void **state)
{
    (void)state;
    begin(false, false, COUNT_OF(types));
    did(CREATE, 1, 0, 0);
    struct op_operation *f = heard(CHANGE, 2, 1, 0);
    do_as(OP_STEP_RUN, f, OP_REFUSED);
    expect_end(OP_WHY_NOTHING, false, true);
    struct op_operation *u = heard(CHANGE, 3, 1, 1);
    do_as(OP_STEP_RUN, f, OP_REFUSED);
    run(u);
    expect_end(OP_WHY_NOTHING, false, true);
    run(heard(REPLACE, 4, 1, 2));
    expect_settled();
    end();
}

static void test_what_overwrites_is_tried_again_in_its_place(void **state)
{
    (void)state;
    begin(false, false, COUNT_OF(types));
    did(CREATE, 1, 0, 0);
    struct op_operation *f = heard(UPDATE, 2, 1, 0), *u = heard(UPDATE, 3, 1, 0);
    do_as(OP_STEP_RUN, f, OP_REFUSED);
    run(u);
    op_replica_retry(&site.replica);
    run(f);
    run(u);
    expect_settled();
    end();
}

static void test_the_rest_waits_for_a_failed_base(void **state)
{
    (void)state;
    begin(false, false, COUNT_OF(types));
    struct op_operation *c = heard(CREATE, 1, 0, 0), *u = heard(UPDATE, 2, 0, 1);
    do_as(OP_STEP_RUN, c, OP_REFUSED);
    expect_end(OP_WHY_BASE_FAILED, false, true);
    assert_false(op_replica_admits(&site.replica, UPDATE));
    op_replica_retry(&site.replica);
    run(c);
    run(u);
    expect_settled();
    end();
}

/* ---- no answer */

static void test_what_overwrites_is_sent_until_it_is_answered(void **state)
{
    (void)state;
    begin(false, false, COUNT_OF(types));
    did(CREATE, 1, 0, 0);
    struct op_operation *u = heard(UPDATE, 2, 1, 0), *c = heard(CHANGE, 3, 1, 0);
    do_as(OP_STEP_RUN, u, OP_UNANSWERED);
    do_as(OP_STEP_RUN, u, OP_UNSENT); /* the first one may have arrived */
    run(u);
    run(c);
    expect_settled();
    end();
}

static void test_a_refusal_after_no_answer_says_nothing_of_the_state(void **state)
{
    (void)state;
    begin(true, false, COUNT_OF(types));
    struct op_operation *c = did(CREATE, 1, 0, 0), *u = heard(UPDATE, 2, 1, 0);
    do_as(OP_STEP_RUN, u, OP_UNANSWERED);
    do_as(OP_STEP_RUN, u, OP_REFUSED);
    do_as(OP_STEP_DELETE, c, OP_DONE);
    run(c);
    run(u);
    expect_settled();
    end();
}

static void test_a_create_is_looked_for(void **state)
{
    (void)state;
    begin(false, false, COUNT_OF(types));
    struct op_operation *c = heard(CREATE, 1, 0, 0);
    do_as(OP_STEP_RUN, c, OP_UNSENT);
    do_as(OP_STEP_RUN, c, OP_UNANSWERED);
    do_as(OP_STEP_FIND, c, OP_UNSENT);
    do_as(OP_STEP_FIND, c, OP_ABSENT);
    do_as(OP_STEP_RUN, c, OP_UNANSWERED);
    do_as(OP_STEP_FIND, c, OP_DONE);
    expect_settled();
    end();
}

static void test_what_cannot_be_found_is_said(void **state)
{
    (void)state;
    begin(false, false, COUNT_OF(types));
    struct op_operation *c = heard(CREATE, 1, 0, 0);
    do_as(OP_STEP_RUN, c, OP_UNANSWERED);
    do_as(OP_STEP_FIND, c, OP_LOST);
    expect_end(OP_WHY_UNKNOWN, true, false);
    op_replica_retry(&site.replica);
    expect_end(OP_WHY_UNKNOWN, true, false);
    op_replica_settle(&site.replica, OP_ABSENT, 0);
    run(c);
    expect_settled();
    end();
}

static void test_a_mark_outlives_the_process(void **state)
{
    struct op_step step;
    (void)state;
    begin(true, false, COUNT_OF(types));
    struct op_operation *c = did(CREATE, 1, 0, 0), *u = heard(CHANGE, 2, 1, 0);
    op_replica_next(&site.replica, &step);
    op_replica_begin(&site.replica, &step);
    struct op_replica_row row = site.replica.row;
    op_replica_restore(&site.replica, &site.log, &row);
    op_replica_restore_operation(&site.replica, c, c->ran, 0, 0);
    do_as(OP_STEP_DELETE, c, OP_DONE);
    run(c);
    run(u);
    row = site.replica.row;
    op_replica_restore(&site.replica, &site.log, &row);
    op_replica_restore_operation(&site.replica, c, c->ran, 0, 0);
    op_replica_restore_operation(&site.replica, u, u->ran, 0, 0);
    expect_settled();
    end();
}

/* ---- pruned */

static void on_forget(void *context, const struct op_operation *op)
{
    op_replica_forget(context, op);
}

static void test_the_effect_of_what_is_forgotten_is_not(void **state)
{
    (void)state;
    begin(false, false, COUNT_OF(types));
    did(CREATE, 1, 0, 0);
    did(CHANGE, 2, 1, 0);
    struct op_operation *r = heard(REPLACE, 3, 2, 0);
    op_log_forget(&site.log, (uint64_t[]){2, 1}, 2, on_forget, &site.replica);
    assert_false(site.replica.row.has_base);
    run(r);
    expect_settled();
    end();
}

static void test_what_an_unanswered_create_made_is_deleted(void **state)
{
    (void)state;
    begin(false, false, COUNT_OF(types));
    struct op_operation *c = heard(CREATE, 1, 0, 0);
    do_as(OP_STEP_RUN, c, OP_UNANSWERED);
    struct op_operation *d = heard(DELETE, 2, 0, 1);
    op_log_forget(&site.log, (uint64_t[]){0, 1}, 2, on_forget, &site.replica);
    run(d);
    expect_settled();
    end();
}

/* ---- many */

/* Ten thousand, most of them in order, cost about as much as reading them: that a step does not
 * look at the whole list again is held by counting what is kept. */
static void test_ten_thousand(void **state)
{
    struct op_step step;
    (void)state;
    begin(false, false, COUNT_OF(types));
    did(CREATE, 1, 0, 0);
    for (uint64_t i = 1; i < 10000; i++) {
        heard(CHANGE, 1 + i, 1, i - 1);
        if (i % 100 == 0)
            op_replica_next(&site.replica, &step);
    }
    for (uint64_t i = 1; i < 10000; i++) {
        op_replica_next(&site.replica, &step);
        assert_int_equal(step.kind, OP_STEP_RUN);
        assert_int_equal(step.op->n, i);
        assert_true(site.log.is_checked);
        assert_ptr_equal(site.log.kept->next, &step.op->place);
        op_replica_begin(&site.replica, &step);
        op_replica_settle(&site.replica, OP_DONE, 0);
    }
    expect_settled();
    assert_int_equal(site.log.n_kept, 9999);
    heard(CHANGE, 20000, 1, 9999);
    assert_int_equal(site.log.n_kept, 9999);
    assert_true(site.log.is_checked);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_missing_runs),
        cmocka_unit_test(test_what_commutes_runs_in_any_order),
        cmocka_unit_test(test_a_replace_is_the_new_base),
        cmocka_unit_test(test_what_overwrites_runs_again),
        cmocka_unit_test(test_the_base_runs_again),
        cmocka_unit_test(test_what_was_superseded_goes),
        cmocka_unit_test(test_another_create_wins),
        cmocka_unit_test(test_a_replace_needs_what_it_replaces),
        cmocka_unit_test(test_a_replace_after_half_a_delete),
        cmocka_unit_test(test_nothing_is_deleted_where_nothing_is),
        cmocka_unit_test(test_a_snapshot_settles_the_order),
        cmocka_unit_test(test_without_a_base_one_is_asked_for),
        cmocka_unit_test(test_no_snapshot_without_what_was_refused),
        cmocka_unit_test(test_diverged),
        cmocka_unit_test(test_no_base_no_way_back),
        cmocka_unit_test(test_what_follows_a_failure_runs),
        cmocka_unit_test(test_a_failure_is_tried_before_what_saw_it),
        cmocka_unit_test(test_what_overwrites_is_tried_again_in_its_place),
        cmocka_unit_test(test_the_rest_waits_for_a_failed_base),
        cmocka_unit_test(test_what_overwrites_is_sent_until_it_is_answered),
        cmocka_unit_test(test_a_refusal_after_no_answer_says_nothing_of_the_state),
        cmocka_unit_test(test_a_create_is_looked_for),
        cmocka_unit_test(test_what_cannot_be_found_is_said),
        cmocka_unit_test(test_a_mark_outlives_the_process),
        cmocka_unit_test(test_the_effect_of_what_is_forgotten_is_not),
        cmocka_unit_test(test_what_an_unanswered_create_made_is_deleted),
        cmocka_unit_test(test_ten_thousand)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
