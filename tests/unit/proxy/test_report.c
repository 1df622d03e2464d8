/* The live transactions in a crash report: also of a list that is broken. */
#include "proxy/txn.h"
#include "../base/unit.h"

static char memory[64 * 1024];
static struct out said;

static void hear(struct str text)
{
    out_str(&said, text);
}

static struct {
    struct cfg_site sites[1];
    struct cfg cfg;
    struct proxy_conf conf;
    struct app_service service;
    struct http_server_conn client;
    struct http_exchange x;
    struct txn txns[2];
    struct proxy_worker worker;
} all;

static int set_up(void **state)
{
    memset(&all, 0, sizeof all);
    out_init(&said, memory, sizeof memory);
    all.sites[0].name = STR("Nantes");
    all.cfg.sites = all.sites;
    all.cfg.n_sites = 1;
    all.conf.cfg = &all.cfg;
    all.service.name = STR("image");
    memcpy(all.client.peer_host, "192.0.2.1", 10);
    all.x.conn = &all.client;
    all.x.head.method_text = STR("GET");
    list_init(&all.worker.txns);
    for (size_t i = 0; i < COUNT_OF(all.txns); i++) {
        struct txn *t = &all.txns[i];
        *t = (struct txn){.magic = TXN_MAGIC, .id = 0xabc + i, .state = TXN_RELAY, .x = &all.x};
        t->conf = &all.conf;
        t->service = &all.service;
        t->legs = &t->one_leg;
        t->n_legs = 1;
        t->target = STR("/v2/images?token=secret");
        list_push(&all.worker.txns, &t->link);
    }
    return 0;
}

static void check(const char *expected)
{
    proxy_worker_report(&all.worker, hear);
    assert_int_equal(said.n, strlen(expected));
    assert_memory_equal(said.p, expected, said.n);
}

#define FIRST "  0000000000000abc relay service image GET /v2/images site Nantes client 192.0.2.1\n"

static void test_one_line_each(void **state)
{
    all.txns[1].service = NULL;
    all.txns[1].target = STR("/\x1b[2J");
    all.txns[1].state = TXN_ROUTE;
    check(FIRST "  0000000000000abd route service - GET /?[2J site Nantes client 192.0.2.1\n");
}

static void test_none(void **state)
{
    list_init(&all.worker.txns);
    check("  none\n");
}

static void test_what_is_no_transaction_ends_it(void **state)
{
    all.txns[1].magic = 0;
    check(FIRST "  the list is broken here\n");
}

static void test_a_state_that_is_none_ends_it(void **state)
{
    all.txns[0].state = TXN_STATE_COUNT;
    check("  the list is broken here\n");
}

static void test_a_link_to_nowhere_ends_it(void **state)
{
    all.txns[0].link.next = NULL;
    check("  the list is broken here\n");
}

static void test_a_text_that_is_too_long_is_none(void **state)
{
    all.txns[0].target.n = SIZE_MAX / 2;
    list_remove(&all.txns[1].link);
    check("  0000000000000abc relay service image GET - site Nantes client 192.0.2.1\n");
}

/* A list in a ring, without its head. */
static void test_a_list_without_an_end_is_bounded(void **state)
{
    struct list *at = &all.txns[1].link;
    all.worker.txns.next = at->next = at->prev = at;
    proxy_worker_report(&all.worker, hear);
    assert_true(said.n > 256 * (sizeof FIRST - 20) && !said.overflowed);
    assert_memory_equal(said.p + said.n - 11, "  and more\n", 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_one_line_each, set_up),
        cmocka_unit_test_setup(test_none, set_up),
        cmocka_unit_test_setup(test_what_is_no_transaction_ends_it, set_up),
        cmocka_unit_test_setup(test_a_state_that_is_none_ends_it, set_up),
        cmocka_unit_test_setup(test_a_link_to_nowhere_ends_it, set_up),
        cmocka_unit_test_setup(test_a_text_that_is_too_long_is_none, set_up),
        cmocka_unit_test_setup(test_a_list_without_an_end_is_bounded, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
