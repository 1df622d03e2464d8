/* The resolution matrix: ranks, what is refused, who supersedes whom. */
#include "op_test.h"

#define TYPE(text)                                                                                 \
    {                                                                                              \
        .name = STR(text)                                                                          \
    }
#define REPLACES(text)                                                                             \
    {                                                                                              \
        .name = STR(text), .replaces = true                                                        \
    }
#define DELETES(text)                                                                              \
    {                                                                                              \
        .name = STR(text), .deletes = true                                                         \
    }
#define CREATES(text)                                                                              \
    {                                                                                              \
        .name = STR(text), .creates = true                                                         \
    }

static const struct op_type types[] = {CREATES("create"), REPLACES("put"), TYPE("patch"),
                                       TYPE("tag"), DELETES("delete")};
enum { CREATE, PUT, PATCH, TAG, DELETE, SNAPSHOT };

struct fixture {
    struct arena arena;
    struct op_matrix m;
    struct diag d;
    int rc;
};

static struct fixture make(const struct op_type *of, size_t n_types, const struct op_pair *pairs,
                           size_t n_pairs)
{
    struct fixture f = {.rc = 0};
    arena_init(&f.arena, NULL, 0, MATRIX_MEMORY);
    f.rc = op_matrix_make(&(struct op_rules){of, n_types, pairs, n_pairs}, &f.arena, &f.m, &f.d);
    return f;
}

#define MAKE(...)                                                                                  \
    make(types, COUNT_OF(types), (const struct op_pair[]){__VA_ARGS__},                            \
         COUNT_OF(((const struct op_pair[]){__VA_ARGS__})))
#define PAIR(before, after, relation)                                                              \
    {                                                                                              \
        STR(before), STR(after), relation                                                          \
    }

static void test_ranks_follow_chains(void **state)
{
    struct fixture f =
        MAKE(PAIR("put", "patch", OP_KEEP_ORDER), PAIR("tag", "put", OP_REVERSE_ORDER),
             PAIR("patch", "tag", OP_KEEP_ORDER));
    assert_int_equal(f.rc, 0);
    assert_int_equal(f.m.types[CREATE].rank, 0); /* unlisted: before all others */
    assert_int_equal(f.m.types[PUT].rank, 1);
    assert_int_equal(f.m.types[PATCH].rank, 2);
    assert_int_equal(f.m.types[TAG].rank, 3);
    assert_int_equal(f.m.types[SNAPSHOT].rank, -1);
    arena_fini(&f.arena);
}

static void test_who_supersedes_whom(void **state)
{
    static const struct {
        unsigned later, earlier;
        bool when_seen, when_concurrent;
    } rows[] = {
        {CREATE, CREATE, true, true},     /* take-one */
        {PUT, CREATE, false, false},      /* unlisted, but a create is kept */
        {PUT, PATCH, true, false},        /* reverse-order */
        {PATCH, PUT, false, false},       /* keep-order */
        {PUT, TAG, true, false},          /* unlisted; put replaces */
        {TAG, PUT, false, false},         /* unlisted; tag does not */
        {TAG, TAG, false, false},         /* any-order */
        {DELETE, PATCH, true, true},      /* after-wins */
        {SNAPSHOT, PATCH, true, false},   /* what it saw */
        {SNAPSHOT, CREATE, false, false}, /* but creates */
        {SNAPSHOT, SNAPSHOT, true, false}, {PUT, SNAPSHOT, true, false},
        {PATCH, SNAPSHOT, false, false},
    };
    struct fixture f =
        MAKE(PAIR("create", "create", OP_TAKE_ONE), PAIR("patch", "put", OP_REVERSE_ORDER),
             PAIR("put", "patch", OP_KEEP_ORDER), PAIR("tag", "tag", OP_ANY_ORDER),
             PAIR("patch", "delete", OP_AFTER_WINS));
    assert_int_equal(f.rc, 0);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool seen = op_supersedes(&f.m, rows[i].later, rows[i].earlier, true);
        bool concurrent = op_supersedes(&f.m, rows[i].later, rows[i].earlier, false);
        if (seen != rows[i].when_seen || concurrent != rows[i].when_concurrent)
            fail_msg("row %zu: %d when seen, %d when concurrent", i, seen, concurrent);
    }
    arena_fini(&f.arena);
}

static void refuses(struct fixture f, const char *message, const char *hint)
{
    assert_int_equal(f.rc, ERR_CONFIG);
    assert_string_equal(f.d.message, message);
    assert_string_equal(f.d.hint, hint);
    arena_fini(&f.arena);
}

static void test_what_is_refused(void **state)
{
    static const struct op_type twice[] = {TYPE("a"), TYPE("b"), TYPE("a")};
    static const struct op_type built_in[] = {TYPE("snapshot")};
    static const struct op_pair none[1];
    struct op_type many[OP_MAX_TYPES + 1];
    char names[OP_MAX_TYPES + 1][8];
    for (size_t i = 0; i < COUNT_OF(many); i++) {
        snprintf(names[i], sizeof names[i], "t%zu", i);
        many[i] = (struct op_type){.name = str_of(names[i])};
    }
    refuses(make(twice, 3, none, 0), "the type of operation 'a' is listed twice", "");
    refuses(make(built_in, 1, none, 0), "the type of operation 'snapshot' is built in", "");
    refuses(make(many, COUNT_OF(many), none, 0), "64 types of operation, at most 63 are allowed",
            "");
    refuses(MAKE(PAIR("pathc", "put", OP_KEEP_ORDER)),
            "the matrix names 'pathc', which is no type of operation", "did you mean 'patch'?");
    refuses(MAKE(PAIR("put", "snapshot", OP_KEEP_ORDER)),
            "the matrix names 'snapshot', which is no type of operation", "");
    refuses(MAKE(PAIR("put", "put", OP_TAKE_ONE), PAIR("put", "put", OP_ANY_ORDER)),
            "the matrix lists 'put' before 'put' twice", "");
    refuses(MAKE(PAIR("put", "patch", OP_TAKE_ONE)),
            "'patch' stands after take-one but does not replace the whole state",
            "list it as replacing, or use keep-order or any-order");
    refuses(MAKE(PAIR("tag", "patch", OP_REVERSE_ORDER)),
            "'patch' stands after reverse-order but does not replace the whole state",
            "list it as replacing, or use keep-order or any-order");
    refuses(MAKE(PAIR("put", "patch", OP_AFTER_WINS)),
            "'patch' stands after after-wins but does not delete", "");
    refuses(MAKE(PAIR("put", "patch", OP_KEEP_ORDER), PAIR("patch", "tag", OP_KEEP_ORDER),
                 PAIR("tag", "put", OP_KEEP_ORDER)),
            "keep-order and reverse-order go in a circle: 'put' before 'patch', and the other way "
            "round over others",
            "");
}

static void test_any_order_both_ways_commutes(void **state)
{
    struct fixture f = MAKE(PAIR("put", "patch", OP_ANY_ORDER), PAIR("patch", "put", OP_ANY_ORDER),
                            PAIR("tag", "patch", OP_ANY_ORDER), PAIR("tag", "tag", OP_ANY_ORDER));
    (void)state;
    assert_int_equal(f.rc, 0);
    unsigned put = (unsigned)op_type_find(&f.m, STR("put")),
             patch = (unsigned)op_type_find(&f.m, STR("patch")),
             tag = (unsigned)op_type_find(&f.m, STR("tag"));
    assert_true(op_commutes(&f.m, put, patch) && op_commutes(&f.m, patch, put));
    assert_true(op_commutes(&f.m, tag, tag));
    assert_false(op_commutes(&f.m, tag, patch) || op_commutes(&f.m, patch, tag));
    assert_false(op_commutes(&f.m, put, (unsigned)f.m.n - 1));
    arena_fini(&f.arena);
}

static void test_names_of_relations(void **state)
{
    for (int r = OP_UNLISTED + 1; r < OP_RELATIONS; r++)
        assert_int_equal(op_relation_find(op_relation_name((enum op_relation)r)), r);
    assert_int_equal(op_relation_find(STR("take-two")), OP_UNLISTED);
}

static void test_memory_that_runs_out(void **state)
{
    size_t cap = 0;
    int rc;
    do {
        struct arena arena;
        struct op_matrix m;
        struct diag d = {0};
        arena_init(&arena, NULL, 0, cap);
        rc = op_matrix_make(&(struct op_rules){types, COUNT_OF(types), NULL, 0}, &arena, &m, &d);
        arena_fini(&arena);
        assert_true(rc == 0 || rc == ERR_NO_MEMORY);
        cap += 16;
    } while (rc < 0);
    assert_true(cap > 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranks_follow_chains),
        cmocka_unit_test(test_who_supersedes_whom),
        cmocka_unit_test(test_any_order_both_ways_commutes),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_names_of_relations),
        cmocka_unit_test(test_memory_that_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
