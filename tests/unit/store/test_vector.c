/* Vectors as bytes: what is put is read, equal ones are equal bytes, anything else is refused. */
#include "store/vector.h"
#include "../base/unit.h"

static const struct store_vector_entry entries[] = {
    {STR("Lyon"), 7, 1},
    {STR("Nantes"), 1, 300},
    {STR("Nantes"), UINT64_MAX, UINT64_MAX},
    {STR("Paris"), 0, 2},
};

static struct str make(char *to, size_t n)
{
    struct out o;
    out_init(&o, to, n);
    for (size_t i = 0; i < COUNT_OF(entries); i++)
        store_vector_put(&o, &entries[i]);
    assert_false(o.overflowed);
    return out_get(&o);
}

static void test_entries_come_back(void **state)
{
    char memory[200];
    struct store_vector_entry e;
    struct str v = make(memory, sizeof memory);
    assert_int_equal(store_vector_check(v), 0);
    for (size_t i = 0; i < COUNT_OF(entries); i++) {
        assert_true(store_vector_next(&v, &e));
        assert_true(str_eq(e.site, entries[i].site));
        assert_true(e.incarnation == entries[i].incarnation && e.n == entries[i].n);
    }
    assert_false(store_vector_next(&v, &e));
    assert_int_equal(store_vector_check(STR("")), 0);
}

static void test_a_cut_one_is_refused(void **state)
{
    char memory[200];
    struct str v = make(memory, sizeof memory);
    size_t whole = 0;
    for (size_t n = 1; n < v.n; n++)
        if (store_vector_check(str_sub(v, 0, n)) == 0)
            whole++;
    assert_int_equal(whole, COUNT_OF(entries) - 1); /* at its entries' ends it is a shorter one */
}

static int check_pair(struct store_vector_entry a, struct store_vector_entry b)
{
    char memory[100];
    struct out o;
    out_init(&o, memory, sizeof memory);
    store_vector_put(&o, &a);
    store_vector_put(&o, &b);
    return store_vector_check(out_get(&o));
}

static void test_out_of_order_doubled_and_empty_ones_are_refused(void **state)
{
    struct store_vector_entry a = {STR("A"), 1, 1}, b = {STR("B"), 1, 1};
    assert_int_equal(check_pair(a, b), 0);
    assert_int_equal(check_pair(b, a), ERR_INVALID);
    assert_int_equal(check_pair(a, a), ERR_INVALID);
    assert_int_equal(check_pair(a, (struct store_vector_entry){STR("B"), 1, 0}), ERR_INVALID);
    assert_int_equal(check_pair((struct store_vector_entry){STR(""), 1, 1}, b), ERR_INVALID);
}

static void test_a_name_over_the_limit_overflows(void **state)
{
    static char name[STORE_SITE_BYTES + 1], memory[400];
    struct out o;
    out_init(&o, memory, sizeof memory);
    store_vector_put(&o, &(struct store_vector_entry){{name, STORE_SITE_BYTES}, 1, 1});
    assert_false(o.overflowed);
    store_vector_put(&o, &(struct store_vector_entry){{name, STORE_SITE_BYTES + 1}, 1, 1});
    assert_true(o.overflowed);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries_come_back),
        cmocka_unit_test(test_a_cut_one_is_refused),
        cmocka_unit_test(test_out_of_order_doubled_and_empty_ones_are_refused),
        cmocka_unit_test(test_a_name_over_the_limit_overflows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
