/* Correlation memory: what it keeps, for how long, and what makes room. */
#include "proxy/memory.h"
#include "../base/unit.h"

#include <pthread.h>
#include <stdio.h>

#define SMALL    512 /* identifiers: one bucket in each shard */
#define ID_BYTES 32

static struct proxy_memory *memory;
static char block[4096];
static struct arena arena;

static int begin(void **state)
{
    arena_init(&arena, block, sizeof block, 1 << 20);
    return proxy_memory_create(&memory, SMALL);
}

static int end(void **state)
{
    proxy_memory_destroy(&memory);
    arena_fini(&arena);
    return 0;
}

static struct str id_of(unsigned n, char *to)
{
    return (struct str){to, (size_t)snprintf(to, ID_BYTES, "req-%08x", n)};
}

static bool has(struct str id, uint64_t now_ms)
{
    return proxy_memory_get(memory, id, now_ms, &arena).p != NULL;
}

static void test_what_was_put_is_found_until_its_end(void **state)
{
    proxy_memory_put(memory, STR("req-1"), STR("{a: Paris}"), 1000, 50);
    assert_str(proxy_memory_get(memory, STR("req-1"), 1049, &arena), "{a: Paris}");
    assert_false(has(STR("req-1"), 1050));
    assert_false(has(STR("req-2"), 1000));
    assert_false(has(STR(""), 1000));
}

static void test_an_identifier_has_its_last_scope(void **state)
{
    proxy_memory_put(memory, STR("req-1"), STR("{a: Paris}"), 0, 100);
    proxy_memory_put(memory, STR("req-1"), STR("{a: Lyon}"), 0, 100);
    assert_str(proxy_memory_get(memory, STR("req-1"), 0, &arena), "{a: Lyon}");
    assert_int_equal(proxy_memory_count(memory), 1);
}

static void test_identifiers_have_63_bytes_at_most(void **state)
{
    char id[64];
    memset(id, 'x', sizeof id);
    proxy_memory_put(memory, (struct str){id, 63}, STR("{a: Paris}"), 0, 100);
    assert_true(has((struct str){id, 63}, 0));
    proxy_memory_put(memory, (struct str){id, 64}, STR("{a: Paris}"), 0, 100);
    assert_false(has((struct str){id, 64}, 0));
    proxy_memory_put(memory, STR(""), STR("{a: Paris}"), 0, 100);
    assert_int_equal(proxy_memory_count(memory), 1);
}

/* However many are put, their number is bounded, and the newest is always there. */
static void test_it_is_bounded(void **state)
{
    char text[32];
    size_t full = 0;
    for (unsigned i = 0; i < 100000; i++) {
        struct str id = id_of(i, text);
        proxy_memory_put(memory, id, STR("{a: Paris}"), i, 1000000);
        arena_fini(&arena);
        arena_init(&arena, block, sizeof block, 1 << 20);
        assert_true(has(id, i));
        if (i == 50000)
            full = proxy_memory_count(memory);
    }
    assert_true(full >= SMALL && full <= 2 * SMALL);
    assert_int_equal(proxy_memory_count(memory), full);
}

/* The entry nearest to its end makes room: one that ends late outlives any number of others. */
static void test_the_soonest_to_end_makes_room(void **state)
{
    char text[32];
    proxy_memory_put(memory, STR("req-late"), STR("{a: Paris}"), 0, 1000000);
    for (unsigned i = 0; i < 100000; i++)
        proxy_memory_put(memory, id_of(i, text), STR("{a: Lyon}"), 0, 1000);
    assert_str(proxy_memory_get(memory, STR("req-late"), 0, &arena), "{a: Paris}");
}

static void *put_and_get(void *context)
{
    char text[32], own[4096];
    for (unsigned i = 0; i < 20000; i++) {
        struct arena a;
        struct str id = id_of(i % 1000, text);
        proxy_memory_put(memory, id, STR("{a: Paris}"), 0, 1000);
        arena_init(&a, own, sizeof own, sizeof own);
        struct str scope = proxy_memory_get(memory, id, 0, &a);
        if (scope.p && !str_eq(scope, STR("{a: Paris}")))
            *(bool *)context = true;
        arena_fini(&a);
    }
    return NULL;
}

static void test_threads_share_it(void **state)
{
    pthread_t threads[4];
    bool broken[COUNT_OF(threads)] = {false};
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, put_and_get, &broken[i]), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_false(broken[i]);
    }
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(test_what_was_put_is_found_until_its_end), CASE(test_an_identifier_has_its_last_scope),
        CASE(test_identifiers_have_63_bytes_at_most),   CASE(test_it_is_bounded),
        CASE(test_the_soonest_to_end_makes_room),       CASE(test_threads_share_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
