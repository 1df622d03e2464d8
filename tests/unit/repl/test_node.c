/* What one node stores, reads again and says; tests/sim holds what many of them come to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/check.h"
#include "repl/spread.h"
#include "site.h"

#define MEMORY (1 << 20)
#define BOTH   3 /* the sites 0 and 1 */

static struct repl_view view(struct site *s, uint64_t id)
{
    struct repl_view v;
    assert_true(repl_node_view(s->node, (struct repl_id){1, id}, &v));
    return v;
}

static void assert_alike(struct site *s, const struct repl_view *before, uint64_t id)
{
    struct repl_view v = view(s, id);
    assert_int_equal(v.log->n_listed, before->log->n_listed);
    assert_int_equal(v.log->life, before->log->life);
    assert_int_equal(v.sites, before->sites);
    assert_true(v.is_settled);
}

static void test_what_is_stored_is_read(void **state)
{
    static const unsigned kinds[] = {CREATE, ADD, SET, ADD, ADD, DELETE, CREATE, ADD};
    struct site s;
    site_start(&s, 0, MEMORY);
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        assert_int_equal(site_begin(&s, 4, kinds[i], BOTH), 0);
        site_settle(&s);
        struct repl_view v = view(&s, 4);
        struct op_log log = *v.log; /* what it counts */
        v.log = &log;
        struct op_replica_row row = v.replica->row;
        site_restart(&s, MEMORY);
        assert_int_equal(s.n_runs, 0);
        assert_alike(&s, &v, 4);
        assert_memory_equal(&view(&s, 4).replica->row, &row, sizeof row);
        assert_true(str_eq(view(&s, 4).local, STR("7")));
    }
    assert_int_equal(s.n_answers, COUNT_OF(kinds));
    site_fini(&s);
}

static void test_a_mark_is_settled_after_a_start(void **state)
{
    struct site s;
    site_start(&s, 0, MEMORY);
    assert_int_equal(site_begin(&s, 4, CREATE, BOTH), 0);
    repl_node_persisted(s.node, s.now, 0); /* the intent is stored, its request under way */
    assert_int_equal(s.n_runs, 1);
    site_restart(&s, MEMORY);
    assert_int_equal(s.n_runs, 1);
    assert_int_equal(s.runs[0].kind, REPL_FIND);
    s.status = 404;
    site_settle(&s);
    struct repl_view v;
    assert_false(repl_node_view(s.node, (struct repl_id){1, 4}, &v));
    assert_int_equal(s.n_rows, 0);
    site_fini(&s);
}

static void test_a_refusal_leaves_nothing(void **state)
{
    struct site s;
    site_start(&s, 0, MEMORY);
    s.status = 422;
    assert_int_equal(site_begin(&s, 4, CREATE, BOTH), 0);
    site_settle(&s);
    assert_int_equal(s.answer.rc, 0);
    assert_int_equal(s.answer.status, 422);
    assert_int_equal(s.n_rows, 0);
    site_fini(&s);
}

/* What all have is forgotten, its memory given back, and the rest is read again. */
static void test_a_long_life_needs_little_memory(void **state)
{
    struct site a, b;
    site_start(&a, 0, 96 * 1024);
    site_start(&b, 1, 96 * 1024);
    assert_int_equal(site_begin(&a, 4, CREATE, BOTH), 0);
    site_settle(&a);
    for (size_t i = 0; i < 4000; i++) {
        assert_int_equal(site_begin(&a, 4, SET, BOTH), 0);
        site_settle(&a);
        assert_int_equal(a.answer.rc, 0);
        assert_int_equal(a.answer.status, 200);
        if (i % 20 == 0)
            site_meet(&a, &b);
    }
    site_meet(&a, &b);
    assert_true(a.n_rows < 20 && b.n_rows < 20);
    assert_int_equal(view(&b, 4).log->actors[1]->count, 4001);
    site_restart(&b, 96 * 1024);
    assert_int_equal(b.n_runs, 0);
    assert_int_equal(view(&b, 4).log->n_listed, 2);
    uint64_t n = b.n_answers;
    b.now.wall_ms = 1; /* its clock is far behind; what it issues is not */
    assert_int_equal(site_begin(&b, 4, ADD, BOTH), 0);
    site_settle(&b);
    assert_int_equal(b.n_answers, n + 1);
    site_meet(&a, &b);
    assert_int_equal(view(&a, 4).log->n_listed, 3);
    site_fini(&a);
    site_fini(&b);
}

/* Who lacks what others have forgotten is told so. */
static void test_a_third_site_takes_over_what_is_left(void **state)
{
    struct site a, b, c;
    site_start(&a, 0, MEMORY);
    site_start(&b, 1, MEMORY);
    site_start(&c, 2, MEMORY);
    static const unsigned kinds[] = {CREATE, ADD, SET, SET, ADD, SET, DELETE};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        assert_int_equal(site_begin(&a, 4, kinds[i], BOTH), 0);
        site_settle(&a);
        site_meet(&a, &b);
    }
    assert_true(repl_node_counts(a.node)->forgotten > 0);
    assert_int_equal(site_begin(&a, 4, CREATE, 7), 0); /* Lyon, too */
    site_settle(&a);
    assert_true(site_deliver(&a, &c, REPL_OPS) > 0);
    assert_int_equal(site_begin(&c, 4, SET, 7), 0); /* waits until it knows what others know */
    site_settle(&c);
    assert_int_equal(c.n_answers, 0);
    site_meet(&a, &c);
    assert_int_equal(c.n_answers, 1);
    assert_int_equal(c.answer.status, 200);
    assert_int_equal(view(&c, 4).log->life, 1);
    assert_int_equal(view(&c, 4).log->n_listed, view(&a, 4).log->n_listed);
    site_fini(&a);
    site_fini(&b);
    site_fini(&c);
}

#define MANY 9000

static void test_a_long_list_takes_several_messages(void **state)
{
    struct site a, b;
    struct repl_view v;
    site_start(&a, 0, MEMORY);
    site_start(&b, 1, MEMORY);
    a.is_forgetful = b.is_forgetful = true;
    for (uint64_t i = 0; i < MANY; i++) {
        assert_int_equal(site_begin(&a, i * REPL_BUCKETS, CREATE, BOTH), 0);
        site_settle(&a);
    }
    site_lose(&a);
    a.now.ms += 1000;
    b.now.ms += 1000;
    site_meet(&a, &b);
    for (uint64_t i = 0; i < MANY; i++)
        assert_true(repl_node_view(b.node, (struct repl_id){1, i * REPL_BUCKETS}, &v));
    site_lose(&b);
    repl_send_lists(b.node, 0, 0);
    assert_int_equal(site_deliver(&b, &a, REPL_LIST), 3);
    site_fini(&a);
    site_fini(&b);
}

/* Each message cut after each byte, and with each byte changed. */
static void test_a_bad_message_is_dropped(void **state)
{
    struct site a, b;
    site_start(&a, 0, MEMORY);
    site_start(&b, 1, MEMORY);
    assert_int_equal(site_begin(&a, 4, CREATE, BOTH), 0);
    site_settle(&a);
    site_deliver(&a, &b, 0);
    site_settle(&b);
    assert_int_equal(site_begin(&a, 4, ADD, BOTH), 0);
    site_settle(&a);
    a.now.ms += 1000;
    repl_node_tick(a.node, a.now);
    char bytes[1024];
    for (struct site_message *m = a.first; m; m = m->next)
        for (size_t n = 0; m->to == 1 && n < m->bytes.n; n++) {
            uint64_t bad = repl_node_counts(b.node)->bad;
            assert_true(m->bytes.n < sizeof bytes);
            repl_node_message(b.node, b.now, 0, str_sub(m->bytes, 0, n));
            assert_int_equal(repl_node_counts(b.node)->bad, bad + 1);
            memcpy(bytes, m->bytes.p, m->bytes.n);
            bytes[n] = (char)(bytes[n] ^ 0x55);
            repl_node_message(b.node, b.now, 0, (struct str){bytes, m->bytes.n});
            site_settle(&b);
        }
    site_meet(&a, &b);
    assert_true(view(&b, 4).log->n_listed >= 2);
    assert_true(repl_node_counts(b.node)->bad > 100);
    site_fini(&a);
    site_fini(&b);
}

static void test_when_a_client_is_answered(void **state)
{
    assert_true(repl_settle(REPL_WAIT_ONE, 7, 1));
    assert_false(repl_settle(REPL_WAIT_MAJORITY, 7, 1));
    assert_true(repl_settle(REPL_WAIT_MAJORITY, 7, 5));
    assert_false(repl_settle(REPL_WAIT_MAJORITY, 15, 3));
    assert_false(repl_settle(REPL_WAIT_ALL, 7, 6));
    assert_true(repl_settle(REPL_WAIT_ALL, 7, 15));
    assert_false(repl_settle(REPL_WAIT_ONE, 6, 1)); /* none of its sites */
}

static void test_a_full_disk_refuses_new_work_alone(void **state)
{
    struct site s;
    site_start(&s, 0, MEMORY);
    assert_int_equal(site_begin(&s, 4, CREATE, BOTH), 0);
    s.n_batches = 0;
    repl_node_persisted(s.node, s.now, ERR_DISK_FULL);
    assert_int_equal(s.answer.rc, ERR_DISK_FULL);
    assert_int_equal(s.n_runs, 0);
    assert_false(repl_node_is_failed(s.node));
    site_settle(&s);
    assert_int_equal(site_begin(&s, 4, CREATE, BOTH), 0);
    site_settle(&s);
    assert_int_equal(s.answer.status, 200);
    assert_int_equal(site_begin(&s, 4, ADD, BOTH), 0);
    repl_node_persisted(s.node, s.now, 0);
    struct repl_outcome o = {.status = 200};
    repl_node_ran(s.node, s.now, s.runs[0].id, s.runs[0].ticket, &o);
    repl_node_persisted(s.node, s.now, ERR_DISK_FULL); /* it ran, and cannot be kept */
    assert_true(repl_node_is_failed(s.node));
    assert_int_equal(site_begin(&s, 4, ADD, BOTH), ERR_CLOSED);
    site_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_stored_is_read),
        cmocka_unit_test(test_a_mark_is_settled_after_a_start),
        cmocka_unit_test(test_a_refusal_leaves_nothing),
        cmocka_unit_test(test_a_long_life_needs_little_memory),
        cmocka_unit_test(test_a_third_site_takes_over_what_is_left),
        cmocka_unit_test(test_a_long_list_takes_several_messages),
        cmocka_unit_test(test_a_bad_message_is_dropped),
        cmocka_unit_test(test_when_a_client_is_answered),
        cmocka_unit_test(test_a_full_disk_refuses_new_work_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
