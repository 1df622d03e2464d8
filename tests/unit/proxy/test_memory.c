/* Correlation memory: what it keeps, for how long, and what makes room. */
#include "proxy/memory.h"
#include "../base/unit.h"

#include <pthread.h>

#define SMALL 512 /* identifiers: one bucket in each shard */

static struct proxy_memory *memory;
static struct proxy_text *paris, *lyon;
static char block[4096];
static struct arena arena;

static int begin(void **state)
{
    arena_init(&arena, block, sizeof block, 1 << 20);
    paris = proxy_text_create(STR("{a: Paris}"));
    lyon = proxy_text_create(STR("{a: Lyon}"));
    return proxy_memory_create(&memory, SMALL);
}

static int end(void **state)
{
    proxy_memory_destroy(&memory);
    assert_int_equal(atomic_load(&paris->refs), 1); /* nobody else holds it any more */
    assert_int_equal(atomic_load(&lyon->refs), 1);
    proxy_text_unref(&paris);
    proxy_text_unref(&lyon);
    assert_null(paris);
    arena_fini(&arena);
    return 0;
}

/* Keys are random but for some bits, which are those of a UUID. */
static uint64_t key_of(unsigned n)
{
    uint64_t z = (n + 1) * 0xbf58476d1ce4e5b9ull;
    return ((z ^ (z >> 31)) & ~0xf000ull) | 0x4000;
}

static bool has(uint64_t key, uint64_t now_ms)
{
    return proxy_memory_get(memory, key, now_ms, &arena).p != NULL;
}

static void test_what_was_put_is_found_until_its_end(void **state)
{
    proxy_memory_put(memory, 1, paris, 1000, 50);
    assert_str(proxy_memory_get(memory, 1, 1049, &arena), "{a: Paris}");
    assert_false(has(1, 1050));
    assert_false(has(2, 1000));
    assert_false(has(0, 1000));
}

static void test_an_identifier_has_its_last_scope(void **state)
{
    proxy_memory_put(memory, 1, paris, 0, 100);
    proxy_memory_put(memory, 1, lyon, 0, 100);
    assert_str(proxy_memory_get(memory, 1, 0, &arena), "{a: Lyon}");
    assert_int_equal(proxy_memory_count(memory), 1);
    assert_int_equal(atomic_load(&paris->refs), 1);
}

/* However many are put, their number is bounded, and the newest is always there. */
static void test_it_is_bounded(void **state)
{
    size_t full = 0;
    for (unsigned i = 0; i < 100000; i++) {
        uint64_t key = key_of(i);
        proxy_memory_put(memory, key, paris, i, 1000000);
        arena_fini(&arena);
        arena_init(&arena, block, sizeof block, 1 << 20);
        assert_true(has(key, i));
        if (i == 50000)
            full = proxy_memory_count(memory);
    }
    assert_true(full >= SMALL && full <= 2 * SMALL);
    assert_int_equal(proxy_memory_count(memory), full);
}

/* The entry nearest to its end makes room: one that ends late outlives any number of others. */
static void test_the_soonest_to_end_makes_room(void **state)
{
    proxy_memory_put(memory, 1, paris, 0, 1000000);
    for (unsigned i = 0; i < 100000; i++)
        proxy_memory_put(memory, key_of(i), lyon, 0, 1000);
    assert_str(proxy_memory_get(memory, 1, 0, &arena), "{a: Paris}");
}

static void *put_and_get(void *context)
{
    char own[4096];
    for (unsigned i = 0; i < 20000; i++) {
        struct arena a;
        uint64_t key = key_of(i % 1000);
        proxy_memory_put(memory, key, i % 3 ? paris : lyon, 0, 1000);
        arena_init(&a, own, sizeof own, sizeof own);
        struct str scope = proxy_memory_get(memory, key, 0, &a);
        if (scope.p && !str_eq(scope, STR("{a: Paris}")) && !str_eq(scope, STR("{a: Lyon}")))
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
        CASE(test_what_was_put_is_found_until_its_end),
        CASE(test_an_identifier_has_its_last_scope),
        CASE(test_it_is_bounded),
        CASE(test_the_soonest_to_end_makes_room),
        CASE(test_threads_share_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
