/* The list is a pure function of the set: over generated histories, every order of arrival, each
 * prefix of it, the whole and the incremental way, and a slow reference agree. */
#include "op_test.h"
#include "reference.h"

#define LOG_MEMORY (4 * 1024 * 1024)

static uint64_t seed;

static unsigned draw(unsigned below)
{
    return op_draw(&seed, below);
}

/* ---- matrices ---- */

static const struct op_type counter_types[] = {{.name = STR("set"), .replaces = true},
                                               {.name = STR("inc")},
                                               {.name = STR("del"), .deletes = true}};
static const struct op_pair counter_pairs[] = {
    {STR("set"), STR("set"), OP_TAKE_ONE},      {STR("set"), STR("inc"), OP_KEEP_ORDER},
    {STR("inc"), STR("set"), OP_REVERSE_ORDER}, {STR("inc"), STR("inc"), OP_ANY_ORDER},
    {STR("set"), STR("del"), OP_AFTER_WINS},    {STR("inc"), STR("del"), OP_AFTER_WINS},
    {STR("del"), STR("del"), OP_TAKE_ONE}};

static void make_counter(struct arena *arena, struct op_matrix *m)
{
    struct diag d = {0};
    struct op_rules rules = {counter_types, COUNT_OF(counter_types), counter_pairs,
                             COUNT_OF(counter_pairs)};
    assert_int_equal(op_matrix_make(&rules, arena, m, &d), 0);
}

/* Any matrix that is accepted, over a create, a delete and up to four more types. */
static void make_any(struct arena *arena, struct op_matrix *m)
{
    static const struct str names[] = {STR("create"), STR("delete"), STR("a"),
                                       STR("b"),      STR("c"),      STR("d")};
    int rc;
    do {
        struct op_type types[COUNT_OF(names)] = {{.name = names[0], .creates = true},
                                                 {.name = names[1], .deletes = true}};
        struct op_pair pairs[COUNT_OF(names) * COUNT_OF(names)];
        size_t n_types = 2 + draw(5), n = 0;
        for (size_t i = 2; i < n_types; i++)
            types[i] = (struct op_type){.name = names[i], .replaces = draw(2)};
        for (size_t i = 0; i < n_types; i++)
            for (size_t j = 0; j < n_types; j++)
                if (j != 1 && draw(2))
                    pairs[n++] = (struct op_pair){names[i], names[j],
                                                  (enum op_relation)(1 + draw(OP_AFTER_WINS - 1))};
        rc = op_matrix_make(&(struct op_rules){types, n_types, pairs, n}, arena, m, NULL);
        assert_false(arena_overflowed(arena));
    } while (rc < 0);
}

/* ---- histories ---- */

/* Sites that issue operations, and now and then learn what others know. */
static void make_history(struct history *h, const struct op_matrix *m, size_t n_actors, size_t n)
{
    static const struct str names[MOST_ACTORS] = {STR("B"), STR("A"), STR("D"), STR("C"), STR("E")};
    uint64_t knows[MOST_ACTORS][MOST_ACTORS] = {{0}}, clocks[MOST_ACTORS] = {0};
    unsigned deletes = 1 + draw(8);
    *h = (struct history){.matrix = m, .n = n, .n_actors = n_actors};
    memcpy(h->names, names, sizeof names);
    for (size_t i = 0; i < n; i++) {
        unsigned a = draw((unsigned)n_actors), b = draw((unsigned)n_actors);
        if (draw(3) == 0) {
            for (size_t j = 0; j < n_actors; j++)
                if (knows[b][j] > knows[a][j])
                    knows[a][j] = knows[b][j];
            clocks[a] = clocks[b] > clocks[a] ? clocks[b] : clocks[a];
        }
        clocks[a] += 1 + draw(3);
        unsigned type = draw((unsigned)m->n);
        if (m->types[type].deletes && draw(deletes))
            type = 0;
        memcpy(h->saw[i], knows[a], sizeof knows[a]);
        h->drafts[i] = (struct op_draft){.actor = a,
                                         .type = type,
                                         .n = ++knows[a][a],
                                         .clock = clocks[a],
                                         .life = OP_LIFE_UNKNOWN,
                                         .saw = h->saw[i],
                                         .n_saw = (uint32_t)n_actors};
    }
    reference_lives(h);
}

static struct op_log *begin_log(struct history *h, struct arena *arena)
{
    struct op_log *log = arena_alloc(arena, sizeof *log);
    assert_non_null(log);
    op_log_init(log, h->matrix, arena);
    for (uint32_t i = 0; i < h->n_actors; i++) {
        uint32_t actor;
        assert_int_equal(op_log_actor(log, h->names[i], &actor), 0);
        assert_int_equal(actor, i);
    }
    return log;
}

static void assert_list(const struct op_log *log, const struct history *h, const bool *has)
{
    size_t list[MOST_OPERATIONS], n = reference_order(h, has, list), at = 0;
    list_for_each (place, &log->list) {
        const struct op_operation *op = OP_AT(place);
        assert_true(at < n);
        const struct op_draft *want = &h->drafts[list[at++]];
        if (op->actor != want->actor || op->n != want->n)
            fail_msg("%zu of %zu in the list is %u.%llu, not %u.%llu", at, n, op->actor,
                     (unsigned long long)op->n, want->actor, (unsigned long long)want->n);
        assert_false(op->is_superseded);
    }
    assert_int_equal(at, n);
    assert_int_equal(log->n_listed, n);
}

/* Adds all in an order drawn at random, what comes too early again later. Compares after each
 * addition when `is_thorough`. */
static void add_shuffled(struct op_log *log, const struct history *h, bool is_thorough)
{
    bool has[MOST_OPERATIONS] = {false};
    size_t left = h->n;
    while (left > 0) {
        size_t i = draw((unsigned)h->n);
        struct op_operation *op;
        if (has[i])
            continue;
        int rc = op_log_add(log, &h->drafts[i], &op, NULL);
        if (rc == ERR_AGAIN)
            continue;
        assert_int_equal(rc, 0);
        assert_int_equal(op->life, h->life[i]);
        has[i] = true;
        left--;
        if (is_thorough)
            assert_list(log, h, has);
    }
}

static void check_history(const struct op_matrix *m, size_t n_actors, size_t n, bool is_thorough)
{
    static struct history h;
    bool has[MOST_OPERATIONS];
    struct arena arena;
    memset(has, true, sizeof has);
    make_history(&h, m, n_actors, n);
    for (int round = 0; round < 3; round++) {
        arena_init(&arena, NULL, 0, LOG_MEMORY);
        struct op_log *log = begin_log(&h, &arena);
        add_shuffled(log, &h, is_thorough);
        assert_list(log, &h, has);
        op_log_rebuild(log);
        assert_list(log, &h, has);
        arena_fini(&arena);
    }
}

static void test_generated_histories_of_a_counter(void **state)
{
    struct arena arena;
    struct op_matrix m;
    arena_init(&arena, NULL, 0, MATRIX_MEMORY);
    make_counter(&arena, &m);
    for (int i = 1; i <= 1500; i++) {
        seed = 7919u * (unsigned)i;
        check_history(&m, 2 + draw(3), 1 + draw(24), true);
    }
    arena_fini(&arena);
}

static void test_generated_histories_of_any_matrix(void **state)
{
    for (int i = 1; i <= 1500; i++) {
        struct arena arena;
        struct op_matrix m;
        seed = 104729u * (unsigned)i;
        arena_init(&arena, NULL, 0, 64 * MATRIX_MEMORY);
        make_any(&arena, &m);
        check_history(&m, 2 + draw(MOST_ACTORS - 1), 1 + draw(20), true);
        arena_fini(&arena);
    }
}

static void test_long_histories(void **state)
{
    for (int i = 1; i <= 20; i++) {
        struct arena arena;
        struct op_matrix m;
        seed = 15485863u * (unsigned)i;
        arena_init(&arena, NULL, 0, 64 * MATRIX_MEMORY);
        make_any(&arena, &m);
        check_history(&m, MOST_ACTORS, MOST_OPERATIONS, false);
        arena_fini(&arena);
    }
}

/* ---- what is refused, repeated, forgotten ---- */

struct fixture {
    struct arena arena;
    struct op_matrix m;
    struct op_log log;
    uint32_t nantes, paris;
    struct diag d;
};

static int set_up(void **state)
{
    static struct fixture f;
    f = (struct fixture){.nantes = 0};
    arena_init(&f.arena, NULL, 0, LOG_MEMORY);
    make_counter(&f.arena, &f.m);
    op_log_init(&f.log, &f.m, &f.arena);
    *state = &f;
    return op_log_actor(&f.log, STR("Nantes"), &f.nantes) +
           op_log_actor(&f.log, STR("Paris"), &f.paris);
}

static int tear_down(void **state)
{
    arena_fini(&((struct fixture *)*state)->arena);
    return 0;
}

enum { SET, INC, DEL };

static int add(struct fixture *f, uint32_t actor, uint64_t n, uint64_t clock, unsigned type,
               uint64_t saw_other)
{
    uint64_t saw[2] = {saw_other, saw_other};
    struct op_operation *op;
    f->d = (struct diag){0};
    return op_log_add(&f->log,
                      &(struct op_draft){.actor = actor,
                                         .n = n,
                                         .clock = clock,
                                         .type = type,
                                         .life = OP_LIFE_UNKNOWN,
                                         .saw = saw,
                                         .n_saw = 2},
                      &op, &f->d);
}

static void test_what_comes_too_early_waits(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add(f, f->nantes, 2, 2, INC, 0), ERR_AGAIN);
    assert_string_equal(f->d.message, "operation 1 of 'Nantes' comes first");
    assert_int_equal(add(f, f->nantes, 1, 1, SET, 0), 0);
    assert_int_equal(add(f, f->paris, 1, 9, INC, 2), ERR_AGAIN);
    assert_string_equal(f->d.message, "operation 2 of 'Nantes' comes first");
    assert_int_equal(add(f, f->nantes, 2, 2, INC, 0), 0);
    assert_int_equal(add(f, f->paris, 1, 9, INC, 2), 0);
    assert_int_equal(f->log.n_listed, 3);
}

static void test_a_clock_that_runs_backwards_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add(f, f->nantes, 1, 5, SET, 0), 0);
    assert_int_equal(add(f, f->paris, 1, 5, INC, 1), ERR_INVALID);
    assert_string_equal(f->d.message, "the clock of operation 1 of 'Paris' is not above that of "
                                      "what it saw of 'Nantes'");
    assert_int_equal(add(f, f->nantes, 2, 5, INC, 0), ERR_INVALID);
    assert_int_equal(add(f, f->paris, 1, 5, INC, 0), 0); /* it did not see the other */
    assert_int_equal(f->log.n_listed, 2);
}

static void test_a_life_that_is_over_is_refused(void **state)
{
    struct fixture *f = *state;
    uint64_t saw[2] = {1, 0};
    struct op_operation *op;
    struct op_draft late = {
        .actor = f->paris, .n = 1, .clock = 8, .type = INC, .life = 0, .saw = saw, .n_saw = 2};
    assert_int_equal(add(f, f->nantes, 1, 5, DEL, 0), 0);
    assert_int_equal(op_log_add(&f->log, &late, &op, &f->d), ERR_INVALID);
    assert_string_equal(f->d.message, "operation 1 of 'Paris' saw the end of its own life");
    late.life = 1;
    assert_int_equal(op_log_add(&f->log, &late, &op, &f->d), 0);
    assert_int_equal(f->log.n_listed, 2);
}

static void test_nonsense_is_refused(void **state)
{
    struct fixture *f = *state;
    uint64_t saw[3] = {0, 0, 1};
    struct op_operation *op;
    assert_int_equal(add(f, 2, 1, 1, SET, 0), ERR_INVALID);
    assert_int_equal(add(f, f->nantes, 0, 1, SET, 0), ERR_INVALID);
    assert_int_equal(add(f, f->nantes, 1, 1, 99, 0), ERR_INVALID);
    assert_int_equal(
        op_log_add(
            &f->log,
            &(struct op_draft){.n = 1, .clock = 1, .saw = saw, .n_saw = 3, .life = OP_LIFE_UNKNOWN},
            &op, &f->d),
        ERR_INVALID);
    assert_int_equal(f->log.n_listed, 0);
}

static void test_a_second_copy_changes_nothing(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add(f, f->nantes, 1, 1, SET, 0), 0);
    assert_int_equal(add(f, f->nantes, 1, 1, SET, 0), 0);
    assert_int_equal(add(f, f->nantes, 1, 99, DEL, 0), 0);
    assert_int_equal(f->log.n_listed, 1);
    assert_false(f->log.is_deleted);
}

static void count(void *context, const struct op_operation *op)
{
    ++*(size_t *)context;
    assert_true(op->is_superseded);
}

static void test_forgetting_keeps_the_list(void **state)
{
    struct fixture *f = *state;
    size_t forgotten = 0;
    assert_int_equal(add(f, f->nantes, 1, 1, SET, 0), 0);
    assert_int_equal(add(f, f->nantes, 2, 2, INC, 0), 0);
    assert_int_equal(add(f, f->paris, 1, 3, SET, 2), 0); /* supersedes both */
    assert_int_equal(add(f, f->nantes, 3, 4, INC, 1), 0);
    assert_int_equal(add(f, f->paris, 2, 5, SET, 2), 0); /* supersedes Paris 1, not Nantes 3 */
    op_log_forget(&f->log, (uint64_t[]){3, 1}, 2, count, &forgotten);
    assert_int_equal(forgotten, 3);
    assert_null(op_log_find(&f->log, f->nantes, 1));
    assert_null(op_log_find(&f->log, f->paris, 1));
    assert_non_null(op_log_find(&f->log, f->nantes, 3));
    assert_int_equal(f->log.n_listed, 2);
    op_log_rebuild(&f->log);
    assert_int_equal(f->log.n_listed, 2);
    assert_int_equal(OP_AT(f->log.list.next)->actor, f->paris);
    /* What comes is numbered on, and its clock still is above those that are forgotten. */
    assert_int_equal(add(f, f->nantes, 1, 1, SET, 0), 0);
    assert_int_equal(add(f, f->nantes, 4, 4, INC, 2), ERR_INVALID);
    assert_int_equal(add(f, f->nantes, 4, 6, INC, 2), 0);
    assert_int_equal(f->log.n_listed, 3);
}

static void test_memory_that_runs_out_changes_nothing(void **state)
{
    static struct history h;
    struct arena matrix_arena, arena;
    struct op_matrix m;
    bool has[MOST_OPERATIONS];
    arena_init(&matrix_arena, NULL, 0, MATRIX_MEMORY);
    make_counter(&matrix_arena, &m);
    seed = 4711;
    make_history(&h, &m, 3, 60);
    for (size_t cap = 4096; cap < 32 * 1024; cap += 999) {
        struct op_log log;
        int rc = 0;
        memset(has, 0, sizeof has);
        arena_init(&arena, NULL, 0, cap);
        op_log_init(&log, &m, &arena);
        for (uint32_t i = 0, actor; i < 3; i++)
            assert_int_equal(op_log_actor(&log, h.names[i], &actor), 0);
        for (size_t i = 0; i < h.n && rc == 0; i++) {
            struct op_operation *op;
            rc = op_log_add(&log, &h.drafts[i], &op, NULL);
            has[i] = rc == 0;
        }
        assert_true(rc == 0 || rc == ERR_NO_MEMORY);
        assert_list(&log, &h, has);
        arena_fini(&arena);
    }
    arena_fini(&matrix_arena);
}

static void test_actors_are_bounded(void **state)
{
    struct fixture *f = *state;
    uint32_t actor;
    char name[16];
    for (unsigned i = 2; i < OP_MAX_ACTORS; i++) {
        snprintf(name, sizeof name, "site%u", i);
        assert_int_equal(op_log_actor(&f->log, str_of(name), &actor), 0);
    }
    assert_int_equal(op_log_actor(&f->log, STR("one more"), &actor), ERR_LIMIT);
    assert_int_equal(op_log_actor(&f->log, STR("Paris"), &actor), 0);
    assert_int_equal(actor, f->paris);
}

#define WITH_LOG(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generated_histories_of_a_counter),
        cmocka_unit_test(test_generated_histories_of_any_matrix),
        cmocka_unit_test(test_long_histories),
        WITH_LOG(test_what_comes_too_early_waits),
        WITH_LOG(test_a_clock_that_runs_backwards_is_refused),
        WITH_LOG(test_a_life_that_is_over_is_refused),
        WITH_LOG(test_nonsense_is_refused),
        WITH_LOG(test_a_second_copy_changes_nothing),
        WITH_LOG(test_forgetting_keeps_the_list),
        cmocka_unit_test(test_memory_that_runs_out_changes_nothing),
        WITH_LOG(test_actors_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
