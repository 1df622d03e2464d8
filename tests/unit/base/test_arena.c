#include "unit.h"
#include "base/arena.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1 /* each allocation is a malloc of its own, and malloc never returns NULL */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif
#ifndef HAS_ASAN
#define HAS_ASAN 0
#endif

static bool is_aligned(const void *p)
{
    return (uintptr_t)p % _Alignof(max_align_t) == 0;
}

/* Allocations of all sizes are aligned and do not overlap: what is written to one stays there. */
static void test_blocks_are_apart(void **state)
{
    struct arena a;
    unsigned char *blocks[600];
    arena_init(&a, NULL, 0, 1024 * 1024);
    for (size_t n = 0; n < COUNT_OF(blocks); n++) {
        blocks[n] = arena_alloc(&a, n);
        assert_non_null(blocks[n]);
        assert_true(is_aligned(blocks[n]));
        memset(blocks[n], (int)(n % 251), n);
    }
    assert_false(arena_overflowed(&a));
    for (size_t n = 0; n < COUNT_OF(blocks); n++)
        for (size_t i = 0; i < n; i++)
            assert_int_equal(blocks[n][i], n % 251);
    arena_fini(&a);
}

static void test_empty_blocks_have_addresses(void **state)
{
    struct arena a;
    arena_init(&a, NULL, 0, 100);
    char *p = arena_alloc(&a, 0), *q = arena_alloc(&a, 0);
    assert_non_null(p);
    assert_non_null(q);
    assert_ptr_not_equal(p, q);
    arena_fini(&a);
}

static void test_first_memory(void **state)
{
    _Alignas(16) char first[257];
    for (size_t skew = 0; skew < 17; skew++) {
        struct arena a;
        arena_init(&a, first + skew, sizeof first - skew, 4096);
        char *p = arena_alloc(&a, 100), *q = arena_alloc(&a, 1000);
        assert_true(is_aligned(p) && is_aligned(q));
        bool is_inside = p >= first + skew && p + 100 <= first + sizeof first;
        assert_true(is_inside != HAS_ASAN);
        assert_false(q >= first && q < first + sizeof first);
        memset(p, 1, 100);
        memset(q, 2, 1000);
        arena_fini(&a);
    }
    struct arena a; /* too small to hold anything aligned */
    arena_init(&a, first + 1, 3, 4096);
    assert_non_null(arena_alloc(&a, 8));
    arena_fini(&a);
}

static void test_overflow(void **state)
{
    struct arena a;
    arena_init(&a, NULL, 0, 1000);
    assert_non_null(arena_alloc(&a, 900));
    assert_false(arena_overflowed(&a));
    char *small = arena_alloc(&a, ARENA_SCRATCH);
    assert_true(arena_overflowed(&a));
    assert_non_null(small);
    memset(small, 0xaa, ARENA_SCRATCH); /* may be written to */
    assert_null(arena_alloc(&a, ARENA_SCRATCH + 1));
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_non_null(arena_alloc(&a, 1)); /* it would fit, but an overflow is for good */
    assert_true(arena_overflowed(&a));
    assert_int_equal(a.used, 912);
    assert_null(arena_str(&a, STR("x")).p);
    assert_null(arena_printf(&a, "%d", 1).p);
    char *zeros = arena_zalloc(&a, 64);
    for (int i = 0; i < 64; i++)
        assert_int_equal(zeros[i], 0);
    assert_null(arena_zalloc(&a, 1000));
    arena_fini(&a);
}

static void test_huge_sizes_do_not_wrap(void **state)
{
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 15, SIZE_MAX - 16,
                                   SIZE_MAX / 2 + 1};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct arena a;
        arena_init(&a, NULL, 0, SIZE_MAX);
        assert_non_null(arena_alloc(&a, 1));
        assert_null(arena_alloc(&a, sizes[i]));
        assert_true(arena_overflowed(&a));
        arena_fini(&a);
    }
    if (!HAS_ASAN) { /* within the cap, but more than the machine has */
        struct arena a;
        arena_init(&a, NULL, 0, SIZE_MAX);
        assert_null(arena_alloc(&a, SIZE_MAX / 4));
        assert_true(arena_overflowed(&a));
        arena_fini(&a);
    }
}

/* With every cap the same calls succeed up to some point and fail from there on. */
static void test_cap_sweep(void **state)
{
    size_t most = 0;
    for (size_t cap = 0; cap < 5000; cap++) {
        struct arena a;
        size_t good = 0;
        arena_init(&a, NULL, 0, cap);
        for (size_t n = 1; n < 60; n++) {
            char *p = arena_alloc(&a, n);
            assert_non_null(p);
            memset(p, (int)n, n);
            good += !arena_overflowed(&a);
            assert_true(arena_overflowed(&a) == (good != n));
        }
        assert_true(a.used <= cap);
        assert_true(good >= most); /* more memory is never worse */
        most = good;
        arena_fini(&a);
    }
    assert_int_equal(most, 59);
}

static void test_reuse(void **state)
{
    struct arena a;
    arena_init(&a, NULL, 0, 10);
    arena_alloc(&a, 11);
    arena_fini(&a);
    arena_fini(&a); /* once more does no harm */
    arena_init(&a, NULL, 0, 100);
    assert_false(arena_overflowed(&a));
    assert_int_equal(a.used, 0);
    assert_non_null(arena_alloc(&a, 50));
    arena_fini(&a);
}

/* A block that has a chunk of its own leaves the rest of the current one in use. */
static void test_large_blocks_stand_alone(void **state)
{
    struct arena a;
    arena_init(&a, NULL, 0, 1024 * 1024);
    char *before = arena_alloc(&a, 16), *large = arena_alloc(&a, 200 * 1024);
    char *after = arena_alloc(&a, 16);
    memset(large, 1, 200 * 1024);
    assert_true((after == before + 16) != HAS_ASAN);
    arena_fini(&a);
}

struct thing {
    uint64_t x[4];
};

static void test_objects_and_texts(void **state)
{
    struct arena a;
    char text[] = "Nantes";
    arena_init(&a, NULL, 0, 4096);
    memset(arena_alloc(&a, 512), 0xff, 512);
    struct thing *t = arena_new(&a, struct thing);
    assert_true(t->x[0] == 0 && t->x[3] == 0);
    struct str copy = arena_str(&a, (struct str){text, 3});
    memset(text, 'x', sizeof text);
    assert_str(copy, "Nan");
    assert_int_equal(copy.p[3], 0);
    assert_null(arena_str(&a, STR_NULL).p);
    struct str empty = arena_str(&a, STR(""));
    assert_non_null(empty.p);
    assert_int_equal(empty.n, 0);
    assert_str(arena_printf(&a, "%s-%05d", "req", 42), "req-00042");
    assert_str(arena_printf(&a, "%s", ""), "");
    assert_false(arena_overflowed(&a));
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_are_apart),
        cmocka_unit_test(test_empty_blocks_have_addresses),
        cmocka_unit_test(test_first_memory),
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_huge_sizes_do_not_wrap),
        cmocka_unit_test(test_cap_sweep),
        cmocka_unit_test(test_reuse),
        cmocka_unit_test(test_large_blocks_stand_alone),
        cmocka_unit_test(test_objects_and_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
