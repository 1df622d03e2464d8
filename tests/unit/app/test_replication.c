/* The standard matrix and what changes it; answers: done or not, the identifier of what was made.
 */
#include "app_test.h"

static char memory[64 * 1024];

static const struct op_type types[] = {
    {.name = {"create", 6}, .creates = true},
    {.name = {"delete", 6}, .deletes = true},
    {.name = {"replace", 7}, .replaces = true},
    {.name = {"tag", 3}},
    {.name = {"update", 6}},
};
enum { CREATE, DELETE, REPLACE, TAG, UPDATE };

static struct op_matrix matrix_of(struct arena *arena, const struct op_pair *pairs, size_t n)
{
    struct op_matrix m;
    struct diag d = {0};
    struct op_rules rules = {
        .types = types, .n_types = COUNT_OF(types), .pairs = pairs, .n_pairs = n};
    arena_init(arena, memory, sizeof memory, sizeof memory);
    if (app_matrix_make(&rules, arena, &m, &d) < 0)
        fail_msg("%s", d.message);
    return m;
}

/* docs/design.md section 5: "Standard types have a standard matrix". */
static void test_standard_matrix(void **state)
{
    static const enum op_relation want[COUNT_OF(types)][COUNT_OF(types)] = {
        [CREATE] = {OP_TAKE_ONE, OP_AFTER_WINS, OP_KEEP_ORDER, OP_KEEP_ORDER, OP_KEEP_ORDER},
        [DELETE] = {OP_UNLISTED, OP_TAKE_ONE, OP_UNLISTED, OP_UNLISTED, OP_UNLISTED},
        [REPLACE] = {OP_REVERSE_ORDER, OP_AFTER_WINS, OP_TAKE_ONE, OP_KEEP_ORDER, OP_KEEP_ORDER},
        [TAG] = {OP_REVERSE_ORDER, OP_AFTER_WINS, OP_REVERSE_ORDER, OP_UNLISTED, OP_UNLISTED},
        [UPDATE] = {OP_REVERSE_ORDER, OP_AFTER_WINS, OP_REVERSE_ORDER, OP_UNLISTED, OP_UNLISTED},
    };
    struct arena arena;
    struct op_matrix m = matrix_of(&arena, NULL, 0);
    for (unsigned a = 0; a < COUNT_OF(types); a++)
        for (unsigned b = 0; b < COUNT_OF(types); b++)
            assert_int_equal(op_relation(&m, a, b), want[a][b]);
    assert_true(m.types[CREATE].rank < m.types[REPLACE].rank);
    assert_true(m.types[REPLACE].rank < m.types[TAG].rank);
    assert_int_equal(m.types[TAG].rank, m.types[UPDATE].rank);
    arena_fini(&arena);
}

/* What is described of two types, in either order, is all that is known of them. */
static void test_described_pairs_take_the_place_of_standard_ones(void **state)
{
    static const struct op_pair pairs[] = {
        {{"replace", 7}, {"update", 6}, OP_ANY_ORDER},
        {{"tag", 3}, {"tag", 3}, OP_ANY_ORDER},
    };
    struct arena arena;
    struct op_matrix m = matrix_of(&arena, pairs, COUNT_OF(pairs));
    assert_int_equal(op_relation(&m, REPLACE, UPDATE), OP_ANY_ORDER);
    assert_int_equal(op_relation(&m, UPDATE, REPLACE), OP_UNLISTED);
    assert_int_equal(op_relation(&m, REPLACE, TAG), OP_KEEP_ORDER);
    assert_int_equal(op_relation(&m, TAG, REPLACE), OP_REVERSE_ORDER);
    assert_true(op_commutes(&m, TAG, TAG));
    assert_false(op_commutes(&m, REPLACE, UPDATE));
    arena_fini(&arena);
}

static void test_what_op_refuses_is_refused(void **state)
{
    static struct op_type many[OP_MAX_TYPES + 1];
    static char names[OP_MAX_TYPES + 1][4];
    static const struct op_pair pairs[] = {{{"update", 6}, {"tag", 3}, OP_TAKE_ONE}};
    struct arena arena;
    struct op_matrix m;
    struct diag d = {0};
    arena_init(&arena, NULL, 0, 1 << 20);
    struct op_rules rules = {
        .types = types, .n_types = COUNT_OF(types), .pairs = pairs, .n_pairs = 1};
    assert_int_equal(app_matrix_make(&rules, &arena, &m, &d), ERR_CONFIG);
    assert_string_equal(d.message,
                        "'tag' stands after take-one but does not replace the whole state");
    for (size_t i = 0; i < COUNT_OF(many); i++) {
        snprintf(names[i], sizeof names[i], "o%zu", i);
        many[i].name = str_of(names[i]);
    }
    rules = (struct op_rules){.types = many, .n_types = COUNT_OF(many)};
    d = (struct diag){0};
    assert_int_equal(app_matrix_make(&rules, &arena, &m, &d), ERR_CONFIG);
    assert_string_equal(d.message, "64 types of operation, at most 63 are allowed");
    rules.n_types--;
    assert_int_equal(app_matrix_make(&rules, &arena, &m, &d), 0);
    arena_fini(&arena);
    arena_init(&arena, memory, 100, 100);
    assert_int_equal(app_matrix_make(&rules, &arena, &m, NULL), ERR_NO_MEMORY);
    arena_fini(&arena);
}

static void test_statuses(void **state)
{
    static struct app_operation operations[COUNT_OF(types)] = {
        [TAG] = {.done = {409, 404}, .n_done = 2}};
    struct arena arena;
    struct app_type type = {
        .replication = {.matrix = matrix_of(&arena, NULL, 0), .operations = operations}};
    unsigned snapshot = (unsigned)app_operation_find(&type, STR("snapshot"));
    static const struct {
        unsigned operation, status;
        bool is_done;
    } rows[] = {
        {UPDATE, 200, true},  {UPDATE, 204, true},  {UPDATE, 299, true}, {UPDATE, 199, false},
        {UPDATE, 300, false}, {UPDATE, 404, false}, {DELETE, 404, true}, {DELETE, 409, false},
        {TAG, 409, true},     {TAG, 404, true},     {TAG, 400, false},
    };
    assert_int_equal(snapshot, COUNT_OF(types));
    assert_int_equal(app_operation_find(&type, STR("tag")), TAG);
    assert_int_equal(app_operation_find(&type, STR("untag")), -1);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(app_is_done(&type, rows[i].operation, rows[i].status), rows[i].is_done);
    assert_true(app_is_done(&type, snapshot, 200));
    assert_false(app_is_done(&type, snapshot, 404));
    arena_fini(&arena);
}

static void test_identifier_of_what_was_made(void **state)
{
    static const struct {
        const char *in_path, *answer, *id; /* id NULL: rc */
        int rc;
    } rows[] = {
        {NULL, "{\"image\": {\"id\": \"a-1\"}}", "a-1", 0},
        {NULL, "{\"image\": {\"id\": 17, \"x\": 1}}", "17", 0},
        {NULL, "{\"image\": {\"id\": \"\\u00e9/\"}}", "é/", 0},
        {"net%20work", "", "net work", 0},
        {"a", "{\"image\": {\"id\": \"b\"}}", "a", 0},
        {NULL, "{\"image\": {}}", NULL, ERR_NOT_FOUND},
        {NULL, "{}", NULL, ERR_NOT_FOUND},
        {NULL, "{\"image\": {\"id\": \"\"}}", NULL, ERR_INVALID},
        {NULL, "{\"image\": {\"id\": null}}", NULL, ERR_INVALID},
        {NULL, "{\"image\": {\"id\": {}}}", NULL, ERR_INVALID},
        {NULL, "{\"image\": {\"id\": \"\\ud800\"}}", NULL, ERR_INVALID},
        {NULL, "{\"image\": {\"id\": \"a", NULL, ERR_INVALID},
        {NULL, "", NULL, ERR_INVALID},
        {"%zz", "", NULL, ERR_INVALID},
    };
    struct app_type type = {.id_pointer = STR("/image/id"), .client_id_pointer = STR("/image/id")};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct app_class c = {.type = &type, .id = str_of(rows[i].in_path)};
        char text[64];
        struct out id;
        out_init(&id, text, sizeof text);
        assert_int_equal(app_created_id(&c, str_of(rows[i].answer), &id), rows[i].rc);
        if (rows[i].id)
            assert_str(out_get(&id), rows[i].id);
        out_init(&id, text, sizeof text);
        assert_int_equal(app_client_id(&c, str_of(rows[i].answer), &id), rows[i].rc);
    }
    struct app_type without = {.name = STR("t")};
    struct app_class c = {.type = &without};
    struct out none;
    out_init(&none, NULL, 0);
    assert_int_equal(app_created_id(&c, STR("{\"id\": \"a\"}"), &none), ERR_NOT_FOUND);
    assert_int_equal(app_client_id(&c, STR("{\"id\": \"a\"}"), &none), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_standard_matrix),
        cmocka_unit_test(test_described_pairs_take_the_place_of_standard_ones),
        cmocka_unit_test(test_what_op_refuses_is_refused), cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_identifier_of_what_was_made)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
