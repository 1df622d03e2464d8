/* Batches: what is written is read, together or not at all, in order, once each. */
#include "store/index.h"
#include "support.h"

#include <sqlite3.h>
#include <stdlib.h>

static int add_record(uint64_t n, const char *visible)
{
    struct store_batch *b = batch();
    struct store_record r = record_of(n, visible);
    store_record_put(b, &r);
    return run_once(&b);
}

/* ---- rows */

static void test_a_row_comes_back_as_it_was_put(void **state)
{
    struct store_batch *b = batch();
    struct store_record r = record_of(1, "a\xc3\xa9");
    struct store_entry e = entry_of(1, UINT64_MAX);
    char zeros[] = {0, 'x', 0};
    r.state = STORE_DIVERGED;
    e.value = (struct str){zeros, sizeof zeros};
    store_record_put(b, &r);
    store_entry_put(b, &e);
    store_ask_record(b, &(struct store_by_record){id_of(1)}, 1);
    store_ask_record(b, &(struct store_by_record){id_of(2)}, 1);
    assert_int_equal(run(b), 0);
    const struct store_record *found = b->answers[0].rows;
    assert_int_equal(b->answers[0].n, 1);
    assert_str(found->visible, "a\xc3\xa9");
    assert_true(str_eq(found->record, id_of(1)));
    assert_str(found->scope, "{image: Nantes & Paris}");
    assert_int_equal(found->state, STORE_DIVERGED);
    assert_int_equal(b->answers[1].n, 0);
    store_batch_destroy(&b);
    b = batch();
    store_ask_entries(b, &(struct store_by_entry){.record = STR("")}, 10);
    assert_int_equal(run(b), 0);
    const struct store_entry *entry = b->answers[0].rows;
    assert_int_equal(b->answers[0].n, 1);
    assert_true(str_eq(entry->value, e.value));
    assert_true(entry->n == UINT64_MAX && entry->kind == 2 && entry->actor == 1);
    assert_null(entry->body.p);
    store_batch_destroy(&b);
}

static void put_all(struct store_batch *b, uint64_t n)
{
    struct store_record r = record_of(n, "v");
    struct store_entry e = entry_of(n, 1);
    store_record_put(b, &r);
    store_replica_put(b, &(struct store_replica){r.record, STR("Paris"), 1, STR("p")});
    store_entry_put(b, &e);
}

/* Entries are asked for from the record's first possible one on. */
static void ask_all(struct store_batch *b, uint64_t n)
{
    struct store_by_record by = {id_of(n)};
    store_ask_record(b, &by, 9);
    store_ask_replicas(b, &by, 9);
    store_ask_entries(b, &(struct store_by_entry){.record = by.record}, 1);
}

static void check_all(uint64_t n, size_t rows)
{
    struct store_batch *b = batch();
    ask_all(b, n);
    assert_int_equal(run(b), 0);
    assert_int_equal(b->answers[0].n, rows);
    assert_int_equal(b->answers[1].n, rows);
    const struct store_entry *e = b->answers[2].rows;
    assert_int_equal(b->answers[2].n && str_eq(e->record, id_of(n)), rows);
    store_batch_destroy(&b);
}

static void test_removing_a_record_removes_its_rows_alone(void **state)
{
    struct store_batch *b = batch();
    put_all(b, 1);
    put_all(b, 2);
    assert_int_equal(run_once(&b), 0);
    check_all(1, 1);
    b = batch();
    store_record_remove(b, &(struct store_by_record){id_of(1)});
    assert_int_equal(run_once(&b), 0);
    check_all(1, 0);
    check_all(2, 1);
}

static void test_an_entry_is_put_anew_and_removed(void **state)
{
    struct store_batch *b = batch();
    struct store_entry e = entry_of(1, 1);
    store_entry_put(b, &e);
    e.value = STR("anew");
    store_entry_put(b, &e);
    assert_int_equal(run_once(&b), 0);
    b = batch();
    store_ask_entries(b, &(struct store_by_entry){.record = id_of(1)}, 9);
    assert_int_equal(run(b), 0);
    assert_int_equal(b->answers[0].n, 1);
    assert_str(((const struct store_entry *)b->answers[0].rows)->value, "anew");
    store_batch_destroy(&b);
    b = batch();
    struct store_by_entry key = key_of(&e);
    store_entry_remove(b, &key);
    store_ask_entries(b, &(struct store_by_entry){.record = id_of(1)}, 9);
    assert_int_equal(run(b), 0);
    assert_int_equal(b->answers[0].n, 0);
    store_batch_destroy(&b);
}

static void test_keys_are_added_once_and_expire(void **state)
{
    struct store_key k = {.caller = STR("c"),
                          .key = STR("k"),
                          .fingerprint = STR("f"),
                          .record = STR("r"),
                          .expires_us = 100};
    for (int i = 0; i < 2; i++) {
        struct store_batch *b = batch();
        store_key_add(b, &k);
        assert_int_equal(run_once(&b), i == 0 ? 0 : ERR_EXISTS);
    }
    struct store_batch *b = batch();
    k.answer = STR("201");
    store_key_put(b, &k);
    store_keys_expire(b, &(struct store_by_time){99});
    store_ask_key(b, &(struct store_by_key){k.caller, k.key}, 1);
    assert_int_equal(run(b), 0);
    assert_int_equal(b->answers[0].n, 1);
    assert_str(((const struct store_key *)b->answers[0].rows)->answer, "201");
    store_batch_destroy(&b);
    b = batch();
    store_keys_expire(b, &(struct store_by_time){100});
    store_ask_key(b, &(struct store_by_key){k.caller, k.key}, 1);
    assert_int_equal(run(b), 0);
    assert_int_equal(b->answers[0].n, 0);
    store_batch_destroy(&b);
}

static void test_records_are_found_by_state(void **state)
{
    struct store_batch *b = batch();
    for (uint64_t i = 1; i < 4; i++) {
        struct store_record r = record_of(i, "v");
        r.state = i == 2 ? STORE_UNKNOWN : STORE_LIVE;
        store_record_put(b, &r);
    }
    store_ask_records_in_state(b, &(struct store_by_state){STORE_UNKNOWN, STR("")}, 9);
    store_ask_records(b, &(struct store_by_record){id_of(1)}, 9);
    assert_int_equal(run(b), 0);
    assert_int_equal(b->answers[0].n, 1);
    assert_int_equal(b->answers[1].n, 2);
    store_batch_destroy(&b);
}

/* ---- batches */

static void test_a_batch_is_done_whole_or_not_at_all(void **state)
{
    struct store_batch *b = batch();
    struct store_record r = record_of(1, "a");
    struct store_entry bad = entry_of(1, 1);
    bad.value = STR_NULL;
    store_record_put(b, &r);
    store_entry_put(b, &bad);
    store_ask_record(b, &(struct store_by_record){id_of(1)}, 1);
    assert_int_equal(run(b), ERR_INVALID);
    assert_int_equal(b->answers[0].n, 0);
    store_batch_destroy(&b);
    check_all(1, 0);
}

static size_t n_done;
static bool are_done;

static void count_done(struct store_batch *b)
{
    are_done = ++n_done == (size_t)(uintptr_t)b->context;
}

/* One that fails takes no other of its group with it. */
static void test_a_bad_batch_fails_alone(void **state)
{
    struct store_batch *b[30];
    struct store_entry bad = entry_of(2, 1);
    bad.value = STR_NULL;
    n_done = 0;
    are_done = false;
    for (size_t i = 0; i < COUNT_OF(b); i++) {
        struct store_record r = record_of(i + 1, "v");
        b[i] = batch();
        store_record_put(b[i], &r);
        if (i % 3 == 1)
            store_entry_put(b[i], &bad);
        b[i]->on_done = count_done;
        b[i]->context = (void *)(uintptr_t)COUNT_OF(b);
        assert_int_equal(store_submit(store, b[i], loop), 0);
    }
    wait_for(&are_done);
    for (size_t i = 0; i < COUNT_OF(b); i++) {
        assert_int_equal(b[i]->rc, i % 3 == 1 ? ERR_INVALID : 0);
        store_batch_destroy(&b[i]);
    }
    struct store_batch *ask = batch();
    store_ask_records(ask, &(struct store_by_record){STR("")}, 99);
    assert_int_equal(run(ask), 0);
    assert_int_equal(ask->answers[0].n, 20);
    store_batch_destroy(&ask);
    assert_int_equal(counter_get(&store_stats(store)->records), 20);
}

static void test_a_row_that_a_check_refuses_is_invalid(void **state)
{
    struct store_batch *b = batch();
    struct store_record r = record_of(1, "v");
    r.record = STR("short");
    store_record_put(b, &r);
    assert_int_equal(run_once(&b), ERR_INVALID);
}

static void test_answers_are_paged(void **state)
{
    struct store_batch *b = batch();
    for (uint64_t i = 1; i <= 25; i++) {
        struct store_entry e = entry_of(1, i);
        store_entry_put(b, &e);
    }
    assert_int_equal(run_once(&b), 0);
    struct store_by_entry after = {.record = id_of(1)};
    size_t n = 0;
    for (bool is_more = true; is_more;) {
        b = batch();
        store_ask_entries(b, &after, 10);
        assert_int_equal(run(b), 0);
        const struct store_entry *entries = b->answers[0].rows;
        is_more = b->answers[0].is_more;
        for (size_t i = 0; i < b->answers[0].n; i++)
            assert_int_equal(entries[i].n, ++n);
        after = (struct store_by_entry){id_of(1), 2, 1, n};
        store_batch_destroy(&b);
    }
    assert_int_equal(n, 25);
}

static void test_memory_pages_answers_too(void **state)
{
    static char large[20000];
    struct store_batch *b = batch();
    for (uint64_t i = 1; i <= 10; i++) {
        struct store_entry e = entry_of(1, i);
        e.value = (struct str){large, sizeof large};
        store_entry_put(b, &e);
    }
    assert_int_equal(run_once(&b), 0);
    b = store_batch_create(64 * 1024);
    store_ask_entries(b, &(struct store_by_entry){.record = id_of(1)}, 10);
    assert_int_equal(run(b), 0);
    assert_true(b->answers[0].is_more);
    assert_in_range(b->answers[0].n, 1, 3);
    store_batch_destroy(&b);
    b = store_batch_create(16 * 1024);
    store_ask_entries(b, &(struct store_by_entry){.record = id_of(1)}, 10);
    assert_int_equal(run_once(&b), ERR_NO_MEMORY);
}

static void test_a_batch_that_outgrows_its_memory_is_refused(void **state)
{
    static char large[20000];
    struct store_batch *b = store_batch_create(10000);
    struct store_entry e = entry_of(1, 1);
    e.value = (struct str){large, sizeof large};
    store_entry_put(b, &e);
    assert_int_equal(run_once(&b), ERR_NO_MEMORY);
    check_all(1, 0);
}

/* ---- order, groups, bounds */

struct order {
    unsigned n, last;
    bool is_wrong, is_done;
};

static struct order seen;

static void on_ordered(struct store_batch *b)
{
    unsigned number = (unsigned)(uintptr_t)b->context;
    seen.is_wrong |= number != seen.last + 1 || b->rc < 0;
    seen.last = number;
    seen.is_done = --seen.n == 0;
    store_batch_destroy(&b);
}

static void submit_ordered(unsigned n, bool only_ask)
{
    struct store_batch *b = batch();
    struct store_record r = record_of(n, "v");
    if (only_ask)
        store_ask_record(b, &(struct store_by_record){r.record}, 1);
    else
        store_record_put(b, &r);
    b->on_done = on_ordered;
    b->context = (void *)(uintptr_t)n;
    assert_int_equal(store_submit(store, b, loop), 0);
}

static void test_many_share_a_sync_and_stay_in_order(void **state)
{
    enum { N = 3000 };
    uint64_t groups = counter_get(&store_stats(store)->groups);
    seen = (struct order){.n = N};
    for (unsigned i = 1; i <= N; i++)
        submit_ordered(i, i % 3 == 0);
    wait_for(&seen.is_done);
    assert_false(seen.is_wrong);
    assert_in_range(counter_get(&store_stats(store)->groups) - groups, 1, N / 4);
    assert_int_equal(counter_get(&store_stats(store)->records), N - N / 3);
    assert_int_equal(counter_get(&store_stats(store)->queue), 0);
}

/* The queue holds its bound and no more; what was taken is done. */
static void test_the_queue_is_bounded(void **state)
{
    close_store();
    config.queue = 8;
    open_store();
    unsigned taken = 0, refused = 0;
    seen = (struct order){.n = UINT32_MAX};
    while (refused == 0 && taken < 1000000) {
        struct store_batch *b = batch();
        struct store_record r = record_of(taken + 1, "v");
        store_record_put(b, &r);
        b->on_done = on_ordered;
        b->context = (void *)(uintptr_t)(taken + 1);
        int rc = store_submit(store, b, loop);
        if (rc == 0) {
            taken++;
            continue;
        }
        assert_int_equal(rc, ERR_OVERLOADED);
        assert_int_equal(err_status(rc), 503);
        refused++;
        store_batch_destroy(&b);
    }
    assert_int_equal(refused, 1);
    assert_true(taken >= 8);
    assert_int_equal(counter_get(&store_stats(store)->refused), 1);
    close_store();
    assert_false(seen.is_wrong);
    assert_int_equal(seen.last, taken);
    config.queue = 100000;
    open_store();
    assert_int_equal(counter_get(&store_stats(store)->records), taken);
}

static void test_a_stop_finishes_what_was_taken_and_takes_no_more(void **state)
{
    enum { N = 500 };
    seen = (struct order){.n = N};
    for (unsigned i = 1; i <= N; i++)
        submit_ordered(i, false);
    store_stop(store);
    struct store_batch *b = batch();
    assert_int_equal(store_submit(store, b, loop), ERR_DRAINING);
    store_batch_destroy(&b);
    rt_loop_turn(loop, 0);
    assert_true(seen.is_done);
    assert_false(seen.is_wrong);
}

static void test_an_orphan_is_done_all_the_same(void **state)
{
    struct store_batch *b = batch();
    struct store_record r = record_of(1, "v");
    store_record_put(b, &r);
    assert_int_equal(store_submit(store, b, loop), 0);
    store_batch_orphan(&b);
    assert_null(b);
    struct store_batch *ask = batch(); /* of the same loop: done after it */
    store_ask_record(ask, &(struct store_by_record){id_of(1)}, 1);
    assert_int_equal(run(ask), 0);
    assert_int_equal(ask->answers[0].n, 1);
    store_batch_destroy(&ask);
}

/* ---- opening */

static void test_what_was_written_is_there_after_opening_anew(void **state)
{
    uint64_t incarnation = store_incarnation(store);
    assert_int_equal(add_record(1, "v"), 0);
    close_store();
    open_store();
    assert_true(store_incarnation(store) == incarnation && incarnation != 0);
    struct store_found f;
    assert_true(store_find(store, STR("image"), STR("image"), STR("v"), &arena, &f));
}

static void refused(const char *text)
{
    struct store *other;
    struct diag d = {0};
    assert_int_equal(store_open(&other, &config, &d), ERR_STORE);
    assert_null(other);
    if (!strstr(d.message, text))
        fail_msg("'%s' is not in '%s'", text, d.message);
    assert_true(d.hint[0]);
}

static void test_one_process_at_a_time(void **state)
{
    refused("is in use by another process");
    assert_int_equal(add_record(1, "v"), 0);
}

static void test_a_store_of_another_site_is_refused(void **state)
{
    close_store();
    config.site = STR("Paris");
    refused("is of site Nantes, and this is site Paris");
    config.site = STR("Nantes");
    open_store();
}

static void exec(const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path_of("store.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_a_newer_format_is_refused(void **state)
{
    close_store();
    exec("PRAGMA user_version=1000");
    refused("has format 1000");
    exec("PRAGMA user_version=1");
    open_store();
}

static void test_another_database_is_refused(void **state)
{
    close_store();
    exec("PRAGMA application_id=1");
    refused("but not one of Cheops");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(test_a_row_comes_back_as_it_was_put),
        CASE(test_removing_a_record_removes_its_rows_alone),
        CASE(test_an_entry_is_put_anew_and_removed),
        CASE(test_keys_are_added_once_and_expire),
        CASE(test_records_are_found_by_state),
        CASE(test_a_batch_is_done_whole_or_not_at_all),
        CASE(test_a_bad_batch_fails_alone),
        CASE(test_a_row_that_a_check_refuses_is_invalid),
        CASE(test_answers_are_paged),
        CASE(test_memory_pages_answers_too),
        CASE(test_a_batch_that_outgrows_its_memory_is_refused),
        CASE(test_many_share_a_sync_and_stay_in_order),
        CASE(test_the_queue_is_bounded),
        CASE(test_a_stop_finishes_what_was_taken_and_takes_no_more),
        CASE(test_an_orphan_is_done_all_the_same),
        CASE(test_what_was_written_is_there_after_opening_anew),
        CASE(test_one_process_at_a_time),
        CASE(test_a_store_of_another_site_is_refused),
        CASE(test_a_newer_format_is_refused),
        CASE(test_another_database_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
