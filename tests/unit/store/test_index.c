/* The index: what an identifier stands for, as records come, change and go, from other threads
 * too, and after opening anew. */
#include "store/index.h"
#include "support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

static struct store_found found;

static bool find(const char *id)
{
    return store_find(store, STR("image"), STR("image"), str_of(id), &arena, &found);
}

static void put_record(uint64_t n, const char *visible, enum store_state state)
{
    struct store_batch *b = batch();
    struct store_record r = record_of(n, visible);
    r.state = state;
    store_record_put(b, &r);
    assert_int_equal(run_once(&b), 0);
}

static void put_local(uint64_t n, const char *site, const char *local)
{
    struct store_batch *b = batch();
    store_replica_put(b, &(struct store_replica){id_of(n), str_of(site), 0, str_of(local)});
    assert_int_equal(run_once(&b), 0);
}

static void is_record(uint64_t n)
{
    assert_memory_equal(found.record, id_of(n).p, STORE_ID_BYTES);
}

static void test_by_visible_id_and_by_this_sites_own(void **state)
{
    assert_false(find("v"));
    put_record(1, "v", STORE_LIVE);
    assert_true(find("v"));
    is_record(1);
    assert_null(found.local.p);
    put_local(1, "Paris", "p");
    assert_false(find("p"));
    put_local(1, "Nantes", "n");
    assert_true(find("n"));
    is_record(1);
    assert_str(found.visible, "v");
    assert_true(find("v"));
    assert_str(found.local, "n");
    put_local(1, "Nantes", "v"); /* the same text for both */
    assert_false(find("n"));
    assert_true(find("v"));
    assert_str(found.local, "v");
    assert_false(store_find(store, STR("image"), STR("member"), STR("v"), &arena, &found));
    assert_false(store_find(store, STR("identity"), STR("image"), STR("v"), &arena, &found));
}

static void test_what_is_changed_is_found_as_it_is(void **state)
{
    put_record(1, NULL, STORE_CREATING);
    put_local(1, "Nantes", "n");
    assert_true(find("n"));
    assert_null(found.visible.p);
    assert_int_equal(found.state, STORE_CREATING);
    put_record(1, "v", STORE_LIVE);
    assert_true(find("v"));
    assert_str(found.local, "n");
    put_record(1, "w", STORE_DIVERGED);
    assert_false(find("v"));
    assert_true(find("w"));
    assert_int_equal(found.state, STORE_DIVERGED);
    put_record(1, "w", STORE_DELETED);
    assert_true(find("w"));
    assert_int_equal(found.state, STORE_DELETED);
    struct store_batch *b = batch();
    store_replica_remove(b, &(struct store_by_replica){id_of(1), STR("Nantes")});
    assert_int_equal(run_once(&b), 0);
    assert_false(find("n"));
    b = batch();
    store_record_remove(b, &(struct store_by_record){id_of(1)});
    assert_int_equal(run_once(&b), 0);
    assert_false(find("w"));
}

/* What a site's application itself bears under an identifier comes before a visible id. */
static void test_the_own_identifier_comes_first(void **state)
{
    put_record(1, "x", STORE_LIVE);
    put_record(2, "y", STORE_LIVE);
    put_local(2, "Nantes", "x");
    assert_true(find("x"));
    is_record(2);
    put_local(2, "Nantes", "z");
    assert_true(find("x"));
    is_record(1);
}

static void test_a_batch_that_failed_changes_nothing(void **state)
{
    struct store_batch *b = batch();
    struct store_record r = record_of(1, "v");
    struct store_entry bad = entry_of(1, 1);
    bad.value = STR_NULL;
    store_record_put(b, &r);
    store_entry_put(b, &bad);
    assert_int_equal(run_once(&b), ERR_INVALID);
    assert_false(find("v"));
}

/* ---- many */

#define MANY 20000

static void name(uint64_t n, char to[40], char letter)
{
    snprintf(to, 40, "%c-%08llx-0000-4000-8000-000000000000", letter,
             (unsigned long long)(n * 2654435761u % 0xffffffffu));
}

static void put_many(uint64_t from, uint64_t until, bool with_local)
{
    char visible[40], local[40];
    struct store_batch *b = NULL;
    for (uint64_t i = from; i < until; i++) {
        if (!b)
            b = batch();
        name(i, visible, 'v');
        name(i, local, 'n');
        struct store_record r = record_of(i, visible);
        store_record_put(b, &r);
        store_replica_put(b, &(struct store_replica){r.record, STR("Nantes"), 0,
                                                     str_of(with_local ? local : visible)});
        if (i % 1000 == 0 || i + 1 == until)
            assert_int_equal(run_once(&b), 0);
    }
}

static void check_many(uint64_t from, uint64_t until, char letter, bool there)
{
    char id[40];
    for (uint64_t i = from; i < until; i++) {
        name(i, id, letter);
        if (find(id) != there)
            fail_msg("%s is %sfound", id, there ? "not " : "");
        if (there)
            is_record(i);
    }
}

static void test_many_come_go_and_are_loaded(void **state)
{
    put_many(1, MANY, true);
    check_many(1, MANY, 'v', true);
    check_many(1, MANY, 'n', true);
    struct store_batch *b = batch();
    for (uint64_t i = 1; i < MANY / 2; i++)
        store_record_remove(b, &(struct store_by_record){id_of(i)});
    assert_int_equal(run_once(&b), 0);
    for (int i = 0; i < 2; i++) {
        check_many(1, MANY / 2, 'v', false);
        check_many(1, MANY / 2, 'n', false);
        check_many(MANY / 2, MANY, 'v', true);
        check_many(MANY / 2, MANY, 'n', true);
        assert_int_equal(counter_get(&store_stats(store)->records), MANY - MANY / 2);
        close_store();
        open_store();
    }
}

/* ---- threads */

static _Atomic bool ends;

static void *look(void *context)
{
    struct arena a;
    struct store_found f;
    char memory[1024];
    while (!atomic_load(&ends)) {
        arena_init(&a, memory, sizeof memory, sizeof memory);
        bool is_found = store_find(store, STR("image"), STR("image"), STR("always"), &a, &f);
        if (!is_found || !str_eq(f.visible, STR("always")))
            *(bool *)context = true;
        arena_fini(&a);
    }
    return NULL;
}

/* A record whose entry is replaced again and again is found at any time. */
static void test_it_is_read_while_it_changes(void **state)
{
    pthread_t threads[3];
    bool is_wrong[COUNT_OF(threads)] = {false};
    atomic_store(&ends, false);
    put_record(1, "always", STORE_LIVE);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, look, &is_wrong[i]), 0);
    for (uint64_t i = 0; i < 300; i++)
        put_local(1, "Nantes", i % 3 == 0 ? "a" : i % 3 == 1 ? "always" : "b");
    put_many(2, 3000, true);
    atomic_store(&ends, true);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_false(is_wrong[i]);
    }
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(test_by_visible_id_and_by_this_sites_own),
        CASE(test_what_is_changed_is_found_as_it_is),
        CASE(test_the_own_identifier_comes_first),
        CASE(test_a_batch_that_failed_changes_nothing),
        CASE(test_many_come_go_and_are_loaded),
        CASE(test_it_is_read_while_it_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
