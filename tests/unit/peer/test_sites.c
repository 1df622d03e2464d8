/* The table of peer/sites.h, cell by cell, in simulated time: suspect after 3 s, down after 6. */
#include "../base/unit.h"

#include "peer/sites.h"

#define SUSPECT_MS 3000
#define DOWN_MS    6000
#define BEGIN_MS   1000000

enum { SELF, OTHER, THIRD, SITES };

struct world {
    struct peer_sites *sites;
    uint64_t now;
};

static int begin(void **state)
{
    static struct world w;
    w.now = BEGIN_MS;
    *state = &w;
    return peer_sites_create(&w.sites, SITES, SELF, SUSPECT_MS, DOWN_MS, w.now);
}

static int end(void **state)
{
    struct world *w = *state;
    peer_sites_destroy(&w->sites);
    peer_sites_destroy(&w->sites);
    return 0;
}

static enum peer_site_state now_is(const struct world *w)
{
    return peer_sites_state(w->sites, OTHER);
}

static uint64_t later(struct world *w, uint64_t ms)
{
    w->now += ms;
    return peer_sites_tick(w->sites, w->now);
}

static void hear(struct world *w, uint64_t after_ms)
{
    w->now += after_ms;
    peer_sites_heard(w->sites, OTHER, w->now);
}

static void fail_after(struct world *w, uint64_t ms)
{
    w->now += ms;
    peer_sites_failed(w->sites, OTHER, w->now);
}

static void touch(struct world *w, uint64_t after_ms)
{
    w->now += after_ms;
    peer_sites_touch(w->sites, OTHER, w->now);
}

/* Brings a site that was up for an hour into the state. */
static void bring(struct world *w, enum peer_site_state to)
{
    if (to == PEER_SITE_UNKNOWN)
        return;
    hear(w, 500);
    w->now += 3600000;
    hear(w, 0);
    if (to == PEER_SITE_SUSPECT)
        later(w, SUSPECT_MS);
    if (to == PEER_SITE_DOWN)
        later(w, DOWN_MS);
    assert_int_equal(now_is(w), to);
}

static void test_a_new_table(void **state)
{
    const struct world *w = *state;
    assert_int_equal(peer_sites_state(w->sites, SELF), PEER_SITE_UP);
    assert_int_equal(peer_sites_state(w->sites, OTHER), PEER_SITE_UNKNOWN);
    assert_int_equal(peer_sites_heard_ms(w->sites, OTHER), 0);
    assert_int_equal(peer_sites_since_ms(w->sites, OTHER), BEGIN_MS);
    assert_int_equal(peer_sites_changes(w->sites, OTHER), 0);
    for (size_t i = 0; i < SITES; i++)
        for (size_t k = 0; k < SITES; k++)
            assert_int_equal(peer_sites_rtt_us(w->sites, i, k), i == k ? 0 : PEER_RTT_UNKNOWN);
}

static void test_names_of_the_states(void **state)
{
    (void)state;
    assert_str(peer_state_name(PEER_SITE_UNKNOWN), "unknown");
    assert_str(peer_state_name(PEER_SITE_UP), "up");
    assert_str(peer_state_name(PEER_SITE_SUSPECT), "suspect");
    assert_str(peer_state_name(PEER_SITE_DOWN), "down");
}

/* ---- the columns of the table */

static void test_a_sign_of_life(void **state)
{
    static const enum peer_site_state to[] = {
        [PEER_SITE_UNKNOWN] = PEER_SITE_UP,
        [PEER_SITE_UP] = PEER_SITE_UP,
        [PEER_SITE_SUSPECT] = PEER_SITE_UP,
        [PEER_SITE_DOWN] = PEER_SITE_DOWN,
    };
    for (unsigned from = 0; from < COUNT_OF(to); from++) {
        struct world *w = *state;
        bring(w, from);
        hear(w, 10);
        assert_int_equal(now_is(w), to[from]);
        assert_int_equal(peer_sites_heard_ms(w->sites, OTHER), w->now);
        end(state);
        assert_int_equal(begin(state), 0);
    }
}

static void test_a_failure(void **state)
{
    static const enum peer_site_state to[] = {
        [PEER_SITE_UNKNOWN] = PEER_SITE_DOWN,
        [PEER_SITE_UP] = PEER_SITE_SUSPECT,
        [PEER_SITE_SUSPECT] = PEER_SITE_DOWN,
        [PEER_SITE_DOWN] = PEER_SITE_DOWN,
    };
    for (unsigned from = 0; from < COUNT_OF(to); from++) {
        struct world *w = *state;
        bring(w, from);
        fail_after(w, 10);
        assert_int_equal(now_is(w), to[from]);
        end(state);
        assert_int_equal(begin(state), 0);
    }
}

static void test_silence(void **state)
{
    static const struct {
        enum peer_site_state from, just_before, after;
        uint64_t ms; /* of silence */
    } rows[] = {
        {PEER_SITE_UNKNOWN, PEER_SITE_UNKNOWN, PEER_SITE_DOWN, DOWN_MS},
        {PEER_SITE_UP, PEER_SITE_UP, PEER_SITE_SUSPECT, SUSPECT_MS},
        {PEER_SITE_SUSPECT, PEER_SITE_SUSPECT, PEER_SITE_DOWN, DOWN_MS - SUSPECT_MS},
        {PEER_SITE_DOWN, PEER_SITE_DOWN, PEER_SITE_DOWN, 3600000},
    };
    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        struct world *w = *state;
        bring(w, rows[i].from);
        later(w, rows[i].ms - 1);
        assert_int_equal(now_is(w), rows[i].just_before);
        later(w, 1);
        assert_int_equal(now_is(w), rows[i].after);
        end(state);
        assert_int_equal(begin(state), 0);
    }
}

/* A tick that comes late does not go through what it has missed. */
static void test_a_late_tick_finds_the_site_down(void **state)
{
    struct world *w = *state;
    bring(w, PEER_SITE_UP);
    uint64_t before = peer_sites_changes(w->sites, OTHER);
    later(w, DOWN_MS);
    assert_int_equal(now_is(w), PEER_SITE_DOWN);
    assert_int_equal(peer_sites_changes(w->sites, OTHER), before + 1);
    assert_int_equal(peer_sites_since_ms(w->sites, OTHER), w->now);
}

/* ---- coming back */

static void test_two_signs_bring_a_site_back(void **state)
{
    struct world *w = *state;
    bring(w, PEER_SITE_DOWN);
    hear(w, 60000);
    assert_int_equal(now_is(w), PEER_SITE_DOWN);
    hear(w, SUSPECT_MS);
    assert_int_equal(now_is(w), PEER_SITE_UP);
}

static void test_signs_that_are_far_apart_do_not(void **state)
{
    struct world *w = *state;
    bring(w, PEER_SITE_DOWN);
    for (int i = 0; i < 10; i++) {
        hear(w, SUSPECT_MS + 1);
        assert_int_equal(now_is(w), PEER_SITE_DOWN);
    }
    hear(w, 1000);
    assert_int_equal(now_is(w), PEER_SITE_UP);
}

static void test_signs_with_a_failure_between_do_not(void **state)
{
    struct world *w = *state;
    bring(w, PEER_SITE_DOWN);
    for (int i = 0; i < 10; i++) {
        hear(w, 500);
        fail_after(w, 500);
        assert_int_equal(now_is(w), PEER_SITE_DOWN);
    }
}

/* The signs that a site gave while it was up are no credit once it is down. */
static void test_signs_before_it_was_down_do_not_count(void **state)
{
    struct world *w = *state;
    bring(w, PEER_SITE_UP);
    hear(w, 100);
    hear(w, 100);
    fail_after(w, 100);
    fail_after(w, 100);
    assert_int_equal(now_is(w), PEER_SITE_DOWN);
    hear(w, 100);
    assert_int_equal(now_is(w), PEER_SITE_DOWN);
}

static void test_the_first_sign_ever_counts_at_once(void **state)
{
    struct world *w = *state;
    fail_after(w, 100);
    assert_int_equal(now_is(w), PEER_SITE_DOWN);
    hear(w, 3600000);
    assert_int_equal(now_is(w), PEER_SITE_UP);
}

static void test_a_site_that_was_never_seen_stays_down(void **state)
{
    struct world *w = *state;
    later(w, DOWN_MS);
    for (int i = 0; i < 100; i++) {
        fail_after(w, 1000);
        later(w, 6000);
        assert_int_equal(now_is(w), PEER_SITE_DOWN);
    }
    assert_int_equal(peer_sites_changes(w->sites, OTHER), 1);
    assert_int_equal(peer_sites_heard_ms(w->sites, OTHER), 0);
}

/* Up and failing by turns: tried all the time, and never brought down by it. */
static void test_a_flapping_site_is_suspect_at_worst(void **state)
{
    struct world *w = *state;
    bring(w, PEER_SITE_UP);
    for (int i = 0; i < 20; i++) {
        fail_after(w, 500);
        later(w, 1);
        assert_int_equal(now_is(w), PEER_SITE_SUSPECT);
        hear(w, 500);
        later(w, 1);
        assert_int_equal(now_is(w), PEER_SITE_UP);
    }
}

/* ---- what legs tell */

static void test_a_touch_ends_silence(void **state)
{
    struct world *w = *state;
    bring(w, PEER_SITE_UP);
    for (int i = 0; i < 20; i++) {
        touch(w, SUSPECT_MS - 1);
        later(w, 0);
        assert_int_equal(now_is(w), PEER_SITE_UP);
    }
    later(w, SUSPECT_MS);
    assert_int_equal(now_is(w), PEER_SITE_SUSPECT);
    touch(w, 1);
    later(w, 0);
    assert_int_equal(now_is(w), PEER_SITE_UP);
}

static void test_a_touch_makes_a_new_site_known(void **state)
{
    struct world *w = *state;
    touch(w, 1);
    later(w, 0);
    assert_int_equal(now_is(w), PEER_SITE_UP);
}

static void test_a_touch_does_not_bring_a_site_back(void **state)
{
    struct world *w = *state;
    bring(w, PEER_SITE_DOWN);
    for (int i = 0; i < 5; i++) {
        touch(w, 10);
        later(w, 10);
        assert_int_equal(now_is(w), PEER_SITE_DOWN);
    }
}

static void test_a_touch_between_two_failures(void **state)
{
    struct world *w = *state;
    bring(w, PEER_SITE_UP);
    fail_after(w, 100);
    touch(w, 100);
    fail_after(w, 100);
    assert_int_equal(now_is(w), PEER_SITE_SUSPECT);
    fail_after(w, 100);
    assert_int_equal(now_is(w), PEER_SITE_DOWN);
}

/* ---- when to look again */

static void test_when_the_next_tick_is_due(void **state)
{
    struct world *w = *state;
    fail_after(w, 0);
    peer_sites_failed(w->sites, THIRD, w->now);
    assert_true(later(w, 1) == UINT64_MAX); /* both down */
    hear(w, 10);
    uint64_t heard = w->now;
    assert_int_equal(later(w, 0), heard + SUSPECT_MS);
    assert_int_equal(later(w, SUSPECT_MS - 1), heard + SUSPECT_MS);
    assert_int_equal(later(w, 1), heard + DOWN_MS);
    assert_true(later(w, DOWN_MS - SUSPECT_MS) == UINT64_MAX);
}

static void test_the_earliest_site_counts(void **state)
{
    struct world *w = *state;
    hear(w, 10);
    uint64_t first = w->now;
    w->now += 100;
    peer_sites_heard(w->sites, THIRD, w->now);
    assert_int_equal(later(w, 0), first + SUSPECT_MS);
}

static void test_the_own_site_is_always_up(void **state)
{
    struct world *w = *state;
    peer_sites_failed(w->sites, SELF, w->now);
    peer_sites_failed(w->sites, SELF, w->now);
    later(w, 3600000);
    assert_int_equal(peer_sites_state(w->sites, SELF), PEER_SITE_UP);
    peer_sites_sample(w->sites, SELF, 77);
    assert_int_equal(peer_sites_rtt_us(w->sites, SELF, SELF), 0);
    assert_int_equal(peer_sites_changes(w->sites, SELF), 0);
}

/* ---- round trips */

static uint32_t rtt(const struct world *w)
{
    return peer_sites_rtt_us(w->sites, SELF, OTHER);
}

static void test_the_estimate_follows_rfc_6298(void **state)
{
    struct world *w = *state;
    peer_sites_sample(w->sites, OTHER, 8000);
    assert_int_equal(rtt(w), 8000);
    assert_int_equal(peer_sites_jitter_us(w->sites, OTHER), 4000);
    peer_sites_sample(w->sites, OTHER, 16000);
    assert_int_equal(rtt(w), 9000);                                /* 7/8 8000 + 1/8 16000 */
    assert_int_equal(peer_sites_jitter_us(w->sites, OTHER), 5000); /* 3/4 4000 + 1/4 8000 */
    for (int i = 0; i < 200; i++)
        peer_sites_sample(w->sites, OTHER, 1000);
    assert_in_range(rtt(w), 1000, 1007); /* what division leaves */
    assert_in_range(peer_sites_jitter_us(w->sites, OTHER), 0, 10);
}

static void test_one_slow_answer_moves_it_by_an_eighth(void **state)
{
    struct world *w = *state;
    peer_sites_sample(w->sites, OTHER, 1000);
    peer_sites_sample(w->sites, OTHER, 801000);
    assert_int_equal(rtt(w), 101000);
}

static void test_the_largest_samples(void **state)
{
    struct world *w = *state;
    peer_sites_sample(w->sites, OTHER, UINT32_MAX - 1);
    peer_sites_sample(w->sites, OTHER, UINT32_MAX - 1);
    assert_int_equal(rtt(w), UINT32_MAX - 1);
    peer_sites_sample(w->sites, OTHER, PEER_RTT_UNKNOWN);
    assert_int_equal(rtt(w), UINT32_MAX - 1);
}

/* After a cut the way may be another one: what was measured before says nothing of it. */
static void test_after_down_it_is_measured_anew(void **state)
{
    struct world *w = *state;
    peer_sites_sample(w->sites, OTHER, 1000);
    bring(w, PEER_SITE_DOWN);
    assert_int_equal(rtt(w), 1000);
    peer_sites_sample(w->sites, OTHER, 50000);
    hear(w, 10);
    assert_int_equal(rtt(w), 50000);
    assert_int_equal(peer_sites_jitter_us(w->sites, OTHER), 25000);
    peer_sites_sample(w->sites, OTHER, 58000);
    assert_int_equal(rtt(w), 51000);
}

static void test_a_published_row(void **state)
{
    struct world *w = *state;
    peer_sites_published(w->sites, OTHER, THIRD, 4200);
    assert_int_equal(peer_sites_rtt_us(w->sites, OTHER, THIRD), 4200);
    assert_int_equal(peer_sites_rtt_us(w->sites, THIRD, OTHER), PEER_RTT_UNKNOWN);
    peer_sites_published(w->sites, OTHER, THIRD, PEER_RTT_UNKNOWN);
    assert_int_equal(peer_sites_rtt_us(w->sites, OTHER, THIRD), PEER_RTT_UNKNOWN);
    peer_sites_published(w->sites, SELF, OTHER, 1); /* nobody publishes for this site */
    assert_int_equal(rtt(w), PEER_RTT_UNKNOWN);
    peer_sites_published(w->sites, OTHER, OTHER, 5);
    assert_int_equal(peer_sites_rtt_us(w->sites, OTHER, OTHER), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(test_a_new_table),
        TEST(test_names_of_the_states),
        TEST(test_a_sign_of_life),
        TEST(test_a_failure),
        TEST(test_silence),
        TEST(test_a_late_tick_finds_the_site_down),
        TEST(test_two_signs_bring_a_site_back),
        TEST(test_signs_that_are_far_apart_do_not),
        TEST(test_signs_with_a_failure_between_do_not),
        TEST(test_signs_before_it_was_down_do_not_count),
        TEST(test_the_first_sign_ever_counts_at_once),
        TEST(test_a_site_that_was_never_seen_stays_down),
        TEST(test_a_flapping_site_is_suspect_at_worst),
        TEST(test_a_touch_ends_silence),
        TEST(test_a_touch_makes_a_new_site_known),
        TEST(test_a_touch_does_not_bring_a_site_back),
        TEST(test_a_touch_between_two_failures),
        TEST(test_when_the_next_tick_is_due),
        TEST(test_the_earliest_site_counts),
        TEST(test_the_own_site_is_always_up),
        TEST(test_the_estimate_follows_rfc_6298),
        TEST(test_one_slow_answer_moves_it_by_an_eighth),
        TEST(test_the_largest_samples),
        TEST(test_after_down_it_is_measured_anew),
        TEST(test_a_published_row),
    };
    return cmocka_run_group_tests_name("peer_sites", tests, NULL, NULL);
}
