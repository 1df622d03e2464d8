/* Connections that clients open: pipelining, keeping, limits, deadlines, draining. */
#include "http/server.h"
#include "http_test.h"

#include <stdio.h>

#define GET   "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST  "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
#define OK    "HTTP/1.1 200 OK\r\n\r\n"
#define CLOSE "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"

static struct rt_loop *loop;
static struct http_env env;
static struct http_server server;
static struct far far;
static struct http_exchange *exchange; /* that nobody has answered so far */
static int n_exchanges;
static struct rt_task on_empty;
static bool is_empty;

static void on_request(struct http_exchange *x)
{
    assert_null(exchange); /* one at a time */
    exchange = x;
    n_exchanges++;
}

static void on_empty_run(struct rt_task *t)
{
    is_empty = true;
}

static int begin(void **state)
{
    struct diag d = {0};
    struct http_server_options o = {.max_head = 1000,
                                    .max_target = 100,
                                    .max_fields = 10,
                                    .max_trailers = 100,
                                    .max_requests = 3,
                                    .max_connections = 1,
                                    .max_arena = 65536,
                                    .idle_ms = 60000,
                                    .head_ms = 60000,
                                    .linger_ms = 60000};
    int rc = rt_loop_create(&loop, &d);
    if (rc < 0)
        return rc;
    exchange = NULL;
    n_exchanges = 0;
    is_empty = false;
    http_env_init(&env, loop);
    http_server_init(&server, &env, &o, NULL, on_request, NULL);
    on_empty = (struct rt_task){.run = on_empty_run};
    server.on_empty = &on_empty;
    return 0;
}

static int end(void **state)
{
    far_close(&far, loop);
    http_server_fini(&server);
    rt_cancel(loop, &on_empty);
    rt_loop_turn(loop, 0);
    http_env_fini(&env);
    bool is_clean = rt_buffers_in_use(loop) == 0;
    rt_loop_destroy(&loop);
    return is_clean ? 0 : -1;
}

static void open_far(void)
{
    http_server_accept(&server, far_socket(&far, loop));
}

static void ask(const char *bytes)
{
    far_send(&far, str_of(bytes));
    UNTIL(loop, exchange);
}

/* Answers without a body, and ends the exchange. */
static void answer(bool keep)
{
    struct http_exchange *x = exchange;
    struct http_conn *io = &x->conn->io;
    struct out o;
    assert_int_equal(http_head_begin(io, &o), 0);
    out_str(&o, http_exchange_keeps(x) ? STR(OK) : STR(CLOSE));
    assert_int_equal(http_head_commit(io, &o, H1_NO_BODY, 0), 0);
    assert_int_equal(http_flush(io), 0);
    exchange = NULL;
    http_exchange_end(x, keep);
}

/* ---- one request after the other */

static void test_pipelined_requests_are_answered_in_turn(void **state)
{
    open_far();
    ask(GET "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi" GET);
    assert_true(str_eq(exchange->head.target, STR("/a")));
    rt_loop_turn(loop, 0);
    assert_int_equal(n_exchanges, 1); /* the next one waits */
    answer(true);
    UNTIL(loop, exchange);
    assert_true(str_eq(exchange->head.target, STR("/b")));
    assert_true(http_body_discard(&exchange->conn->io, 100));
    answer(true);
    UNTIL(loop, exchange);
    answer(true); /* the third is the last that max_requests allows */
    UNTIL(loop, far.has_ended);
    assert_got(&far, OK OK CLOSE);
}

static void test_a_client_that_ended_its_sending_is_answered(void **state)
{
    open_far();
    ask(GET);
    assert_int_equal(rt_stream_shutdown(&far.stream), 0);
    rt_loop_turn(loop, 0);
    answer(true);
    UNTIL(loop, far.has_ended && server.n_conns == 0);
    assert_got(&far, OK);
}

static void test_a_body_that_nobody_read_ends_the_connection(void **state)
{
    open_far();
    ask(POST "hel");
    answer(true);
    UNTIL(loop, far.has_ended);
    assert_got(&far, CLOSE);
    /* the rest is taken and thrown away, so that the answer can be read */
    far_send(&far, STR("lo" GET));
    rt_loop_turn(loop, 0);
    assert_int_equal(server.n_conns, 1);
    far_close(&far, loop);
    UNTIL(loop, server.n_conns == 0);
    assert_int_equal(n_exchanges, 1);
}

static void test_a_body_that_is_all_here_can_be_thrown_away(void **state)
{
    open_far();
    ask(POST "hello");
    assert_false(exchange->conn->io.in_done);
    assert_true(http_body_discard(&exchange->conn->io, 100));
    answer(true);
    ask(GET);
    answer(true);
    UNTIL(loop, far.got.n == 2 * (sizeof OK - 1));
    assert_got(&far, OK OK);
}

static void test_an_answer_that_broke_off_is_cut(void **state)
{
    open_far();
    ask(GET);
    answer(false);
    UNTIL(loop, far.has_ended);
    assert_int_equal(server.n_conns, 0);
}

static void test_an_answer_that_did_not_leave_is_not_kept(void **state)
{
    open_far();
    ask(GET);
    struct http_exchange *x = exchange;
    struct out o;
    assert_int_equal(http_head_begin(&x->conn->io, &o), 0);
    OUT(&o, OK);
    assert_int_equal(http_head_commit(&x->conn->io, &o, H1_LENGTH, 5), 0);
    assert_int_equal(http_flush(&x->conn->io), 0);
    exchange = NULL;
    http_exchange_end(x, true); /* five bytes were promised */
    UNTIL(loop, far.has_ended);
    assert_int_equal(n_exchanges, 1);
}

static void test_an_empty_path_is_the_root(void **state)
{
    open_far();
    ask("GET http://other?x=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(exchange->error, 0);
    assert_true(str_eq(exchange->head.target, STR("/?x=1")));
    assert_true(str_eq(exchange->head.authority, STR("other")));
    answer(true);
}

/* ---- limits */

static void assert_refused(const char *bytes, int code)
{
    open_far();
    ask(bytes);
    assert_int_equal(exchange->error, code);
    assert_false(http_exchange_keeps(exchange));
    answer(true);
    UNTIL(loop, far.has_ended);
    assert_got(&far, CLOSE);
    far_close(&far, loop);
    UNTIL(loop, server.n_conns == 0);
}

static void test_heads_are_limited(void **state)
{
    char bytes[1500];
    snprintf(bytes, sizeof bytes, "GET /%0200d HTTP/1.1\r\nHost: a\r\n\r\n", 0);
    assert_refused(bytes, ERR_URI_TOO_LONG);
    snprintf(bytes, sizeof bytes, "GET /%01200d", 0);
    assert_refused(bytes, ERR_URI_TOO_LONG);
    snprintf(bytes, sizeof bytes, "GET / HTTP/1.1\r\nA: %01200d\r\n\r\n", 0);
    assert_refused(bytes, ERR_HEAD_TOO_LARGE);
    assert_refused(
        "GET / HTTP/1.1\r\nHost: a\r\n1:\r\n2:\r\n3:\r\n4:\r\n5:\r\n6:\r\n7:\r\n8:\r\n9:\r\n"
        "10:\r\n\r\n",
        ERR_HEAD_TOO_LARGE);
    assert_refused("GET / HTTP/1.1\nHost: a\n\n", ERR_BAD_REQUEST);
}

static void test_one_empty_line_is_forgiven(void **state)
{
    open_far();
    ask("\r\n" GET);
    assert_int_equal(exchange->error, 0);
    answer(true);
    far_send(&far, STR("\r"));
    rt_loop_turn(loop, 0);
    ask("\n" GET);
    assert_int_equal(exchange->error, 0);
    answer(true);
    far_send(&far, STR("\r\n"));
    rt_loop_turn(loop, 0);
    ask("\r\n" GET);
    assert_int_equal(exchange->error, ERR_BAD_REQUEST);
    answer(true);
}

static void test_connections_over_the_limit_are_told(void **state)
{
    static struct far held, more;
    struct counter refused = {0};
    server.refused = &refused;
    http_server_accept(&server, far_socket(&held, loop));
    open_far();
    ask(GET);
    assert_int_equal(exchange->error, ERR_OVERLOADED);
    answer(true);
    UNTIL(loop, far.has_ended);
    server.n_conns += HTTP_OVER_MAX; /* as many more are being told */
    http_server_accept(&server, far_socket(&more, loop));
    server.n_conns -= HTTP_OVER_MAX;
    UNTIL(loop, more.has_ended);
    assert_int_equal(more.got.n, 0);
    assert_int_equal(counter_get(&refused), 2);
    server.refused = NULL;
    far_close(&held, loop);
    far_close(&more, loop);
}

/* ---- deadlines */

static void test_an_idle_connection_is_closed(void **state)
{
    server.options.idle_ms = 1;
    open_far();
    UNTIL(loop, far.has_ended);
    assert_int_equal(server.n_conns, 0);
    assert_int_equal(n_exchanges, 0);
}

static void test_half_a_head_is_answered_in_time(void **state)
{
    server.options.head_ms = 1;
    open_far();
    ask("GET / HT");
    assert_int_equal(exchange->error, ERR_REQUEST_TIMEOUT);
    answer(true);
}

static void test_who_does_not_close_is_not_waited_for_long(void **state)
{
    server.options.linger_ms = 1;
    open_far();
    ask(POST);
    answer(true);
    UNTIL(loop, server.n_conns == 0);
}

/* ---- draining */

static void test_draining_closes_idle_connections(void **state)
{
    open_far();
    ask(GET);
    answer(true);
    UNTIL(loop, server.conns.next != &server.conns && far.got.n);
    http_server_drain(&server);
    UNTIL(loop, is_empty && far.has_ended);
    assert_got(&far, OK);
}

static void test_draining_serves_what_is_here(void **state)
{
    open_far();
    rt_loop_turn(loop, 0);
    far_send(&far, STR(GET GET)); /* the loop has not been told so far */
    http_server_drain(&server);
    UNTIL(loop, exchange);
    answer(true);
    UNTIL(loop, far.has_ended);
    assert_got(&far, CLOSE); /* the second is not: it may be sent again elsewhere */
    far_close(&far, loop);
    UNTIL(loop, is_empty);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(test_pipelined_requests_are_answered_in_turn),
        CASE(test_a_client_that_ended_its_sending_is_answered),
        CASE(test_a_body_that_nobody_read_ends_the_connection),
        CASE(test_a_body_that_is_all_here_can_be_thrown_away),
        CASE(test_an_answer_that_broke_off_is_cut),
        CASE(test_an_answer_that_did_not_leave_is_not_kept),
        CASE(test_an_empty_path_is_the_root),
        CASE(test_heads_are_limited),
        CASE(test_one_empty_line_is_forgiven),
        CASE(test_connections_over_the_limit_are_told),
        CASE(test_an_idle_connection_is_closed),
        CASE(test_half_a_head_is_answered_in_time),
        CASE(test_who_does_not_close_is_not_waited_for_long),
        CASE(test_draining_closes_idle_connections),
        CASE(test_draining_serves_what_is_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
