/* What the search finds, for the applications of the model. */
#include "op_test.h"
#include "model.h"
#include "op/search.h"

#include <string.h>

static char memory[MATRIX_MEMORY];

static const struct model *model_of(const char *name)
{
    for (size_t i = 0; i < n_models; i++)
        if (strcmp(models[i].name, name) == 0)
            return &models[i];
    fail_msg("no model '%s'", name);
    return NULL;
}

static struct op_matrix matrix_of(const char *name, struct arena *arena)
{
    struct op_matrix m;
    arena_init(arena, memory, sizeof memory, MATRIX_MEMORY);
    assert_int_equal(model_make_matrix(model_of(name), arena, &m, NULL), 0);
    return m;
}

/* What no generated history of three operations can make diverge, the search does not either; and
 * nothing ever differs silently. */
static void test_models_that_converge(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_models; i++) {
        struct arena arena;
        struct op_finding f;
        struct op_matrix m = matrix_of(models[i].name, &arena);
        op_search(&m, &f);
        assert_false(f.is_cut);
        assert_int_not_equal(f.found, OP_FOUND_SILENT);
        if (models[i].converges && f.found != OP_FOUND_NOTHING)
            fail_msg("%s: diverges", models[i].name);
        arena_fini(&arena);
    }
}

static void test_the_shortest_history_is_found(void **state)
{
    struct arena arena;
    struct op_finding f;
    struct op_matrix m = matrix_of("list that grows, never made again", &arena);
    (void)state;
    op_search(&m, &f);
    assert_int_equal(f.found, OP_FOUND_DIVERGED);
    assert_true(f.is_created);
    assert_int_equal(f.n, 2);
    assert_int_equal(f.events[0].type, 1);
    assert_int_equal(f.events[1].type, 1);
    assert_int_equal(f.events[0].site, 0);
    assert_int_equal(f.events[1].site, 1);
    assert_false(f.events[1].has_heard);
    assert_int_equal(f.site, 1);
    assert_int_equal(f.why, OP_WHY_ORDER);
    arena_fini(&arena);
}

static void test_two_creates_and_no_delete(void **state)
{
    static const struct op_type types[] = {{.name = STR("create"), .creates = true}};
    struct arena arena;
    struct op_finding f;
    struct op_matrix m;
    (void)state;
    arena_init(&arena, memory, sizeof memory, MATRIX_MEMORY);
    assert_int_equal(
        op_matrix_make(&(struct op_rules){.types = types, .n_types = 1}, &arena, &m, NULL), 0);
    op_search(&m, &f);
    assert_int_equal(f.found, OP_FOUND_DIVERGED);
    assert_false(f.is_created);
    assert_int_equal(f.n, 2);
    assert_int_equal(f.why, OP_WHY_NO_DELETE);
    arena_fini(&arena);
}

/* A resource that was there before all operations: nothing in the list makes it. */
static void test_a_type_without_create(void **state)
{
    static const struct op_type types[] = {{.name = STR("set"), .overwrites = true},
                                           {.name = STR("append")}};
    struct arena arena;
    struct op_finding f;
    struct op_matrix m;
    (void)state;
    for (size_t n = 1; n <= 2; n++) {
        arena_init(&arena, memory, sizeof memory, MATRIX_MEMORY);
        assert_int_equal(
            op_matrix_make(&(struct op_rules){.types = types, .n_types = n}, &arena, &m, NULL), 0);
        op_search(&m, &f);
        assert_int_equal(f.found, n == 1 ? OP_FOUND_NOTHING : OP_FOUND_DIVERGED);
        arena_fini(&arena);
    }
    assert_true(f.is_created);
    assert_int_equal(f.n, 2);
}

static void test_what_only_diverges(void **state)
{
    struct arena arena;
    struct op_matrix m = matrix_of("list that grows, never made again", &arena);
    (void)state;
    assert_true(op_only_diverges(&m, 1));
    assert_false(op_only_diverges(&m, 0) || op_only_diverges(&m, 2));
    arena_fini(&arena);
    m = matrix_of("list that grows, made again", &arena);
    assert_false(op_only_diverges(&m, 1));
    arena_fini(&arena);
    m = matrix_of("list that grows, with transfer", &arena);
    assert_false(op_only_diverges(&m, 2));
    arena_fini(&arena);
    m = matrix_of("counter that can be set", &arena);
    assert_false(op_only_diverges(&m, 2));
    arena_fini(&arena);
}

static void test_what_clocks_order(void **state)
{
    struct arena arena;
    struct op_matrix m = matrix_of("counter in an order of types", &arena);
    (void)state;
    assert_false(op_is_left_to_clocks(&m, 1, 1) || op_is_left_to_clocks(&m, 1, 2) ||
                 op_is_left_to_clocks(&m, 0, 1) || op_is_left_to_clocks(&m, 1, 3));
    arena_fini(&arena);
    m = matrix_of("fields, standard matrix", &arena);
    assert_true(op_is_left_to_clocks(&m, 2, 2));
    assert_false(op_is_left_to_clocks(&m, 1, 2) || op_is_left_to_clocks(&m, 1, 1));
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_models_that_converge),
                                       cmocka_unit_test(test_the_shortest_history_is_found),
                                       cmocka_unit_test(test_two_creates_and_no_delete),
                                       cmocka_unit_test(test_a_type_without_create),
                                       cmocka_unit_test(test_what_only_diverges),
                                       cmocka_unit_test(test_what_clocks_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
