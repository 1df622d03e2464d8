/* Connections to services: which are used again, which are not, and the heads of answers. */
#include "http/client.h"
#include "http_test.h"

#include <stdio.h>

#define REQUEST "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define OK      "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

static struct rt_loop *loop;
static struct http_env env;
static struct http_pool pool;
static struct rt_name *name;
static struct rt_task task;

static void task_run(struct rt_task *t)
{
}

static int begin(void **state)
{
    struct diag d = {0};
    int rc = rt_loop_create(&loop, &d);
    if (rc == 0)
        rc = rt_name_create(&name, STR("127.0.0.1"), 1, &d);
    if (rc < 0)
        return rc;
    http_env_init(&env, loop);
    pool = (struct http_pool){.name = name,
                              .bounds = {.places = 2, .waiting = 1},
                              .max_idle = 2,
                              .idle_ms = 60000,
                              .max_head = 500,
                              .max_fields = 10};
    http_pool_init(&pool, &env);
    task = (struct rt_task){.run = task_run};
    return 0;
}

static int end(void **state)
{
    http_pool_fini(&pool);
    rt_cancel(loop, &task);
    rt_loop_turn(loop, 0);
    http_env_fini(&env);
    rt_name_unref(&name);
    bool is_clean = rt_buffers_in_use(loop) == 0 && pool.n_open == 0 && pool.n_idle == 0;
    rt_loop_destroy(&loop);
    return is_clean ? 0 : -1;
}

static struct http_client_conn *open_to(struct far *f)
{
    struct http_client_conn *c;
    struct rt_stream near;
    far_pipe(f, loop, &near, 65536);
    assert_int_equal(http_pool_adopt(&pool, &near, &task, &c), 0);
    return c;
}

static void send_request(struct http_client_conn *c)
{
    struct out o;
    assert_int_equal(http_head_begin(&c->io, &o), 0);
    OUT(&o, REQUEST);
    assert_int_equal(http_head_commit(&c->io, &o, H1_NO_BODY, 0), 0);
    assert_int_equal(http_flush(&c->io), 0);
}

static int read_head(struct http_client_conn *c, struct h1_head *h)
{
    const char *why = NULL;
    int rc = http_client_head(c, H1_GET, h, &why);
    assert_true((rc == ERR_SERVICE_BROKEN) == (why != NULL));
    if (rc == 0)
        http_client_head_end(c, h, 100);
    return rc;
}

/* A request and its answer; the body is left where it is. */
static void use(struct http_client_conn *c, struct far *f, const char *answer)
{
    struct h1_head h;
    send_request(c);
    far_send(f, str_of(answer));
    rt_loop_turn(loop, 0);
    assert_int_equal(read_head(c, &h), 0);
}

static struct http_client_conn *get(bool unsafe, bool fresh)
{
    static struct rt_waiter waiter;
    struct http_want want = {.unsafe = unsafe, .fresh = fresh, .task = &task, .waiter = &waiter};
    struct http_client_conn *c = NULL;
    struct diag d = {0};
    int rc = http_pool_get(&pool, &want, &c, &d);
    assert_true(rc == 0 || rc == ERR_OVERLOADED);
    return c;
}

/* ---- which are used again */

static void test_a_connection_is_used_again(void **state)
{
    static struct far f;
    struct http_client_conn *c = open_to(&f), *again;
    assert_false(c->has_idled);
    use(c, &f, OK);
    http_pool_put(&c, true);
    assert_null(c);
    assert_int_equal(pool.n_idle, 1);
    again = get(false, false);
    assert_true(again->has_idled);
    assert_false(again->has_answer);
    use(again, &f, OK);
    http_pool_put(&again, false);
    assert_int_equal(pool.n_open, 0);
    far_close(&f, loop);
}

static void test_the_last_one_is_taken_first(void **state)
{
    static struct far f[2];
    struct http_client_conn *a = open_to(&f[0]), *b = open_to(&f[1]), *first = a, *last = b;
    use(a, &f[0], OK);
    use(b, &f[1], OK);
    http_pool_put(&a, true);
    http_pool_put(&b, true);
    struct http_client_conn *got = get(false, false), *next = get(false, false);
    assert_ptr_equal(got, last);
    assert_ptr_equal(next, first);
    http_pool_put(&got, false);
    http_pool_put(&next, false);
    for (size_t i = 0; i < 2; i++)
        far_close(&f[i], loop);
}

/* Whether a request gets the connection that is idle, and not one that is opened for it. */
static bool reuses(enum http_keep_alive keep_alive, bool unsafe, bool fresh)
{
    static struct far f;
    struct http_client_conn *c = open_to(&f);
    pool.keep_alive = HTTP_KEEP_SAFE;
    use(c, &f, OK);
    http_pool_put(&c, true);
    pool.keep_alive = keep_alive;
    c = get(unsafe, fresh);
    bool is_same = c->has_idled;
    http_pool_put(&c, false);
    http_pool_fini(&pool);
    far_close(&f, loop);
    return is_same;
}

static void test_who_may_use_it_again(void **state)
{
    assert_true(reuses(HTTP_KEEP_SAFE, false, false));
    assert_false(reuses(HTTP_KEEP_SAFE, true, false));
    assert_false(reuses(HTTP_KEEP_SAFE, false, true));
    assert_true(reuses(HTTP_KEEP_ALWAYS, true, false));
    assert_false(reuses(HTTP_KEEP_ALWAYS, true, true));
    assert_false(reuses(HTTP_KEEP_NEVER, false, false));
}

/* ---- which are not kept */

static void assert_not_kept(const char *answer, bool keep)
{
    static struct far f;
    struct http_client_conn *c = open_to(&f);
    use(c, &f, answer);
    http_pool_put(&c, keep);
    assert_int_equal(pool.n_open, 0);
    rt_loop_turn(loop, 0);
    assert_true(f.has_ended);
    far_close(&f, loop);
}

static void test_what_is_not_kept(void **state)
{
    assert_not_kept(OK, false);
    assert_not_kept("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", true);
    assert_not_kept("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", true);
    assert_not_kept("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", true);
    assert_not_kept("HTTP/1.1 200 OK\r\n\r\nhello", true);
    assert_not_kept(OK OK, true); /* an answer that nobody asked for */
    pool.max_idle = 0;
    assert_not_kept(OK, true);
    pool.max_idle = 2;
    pool.keep_alive = HTTP_KEEP_NEVER;
    assert_not_kept(OK, true);
}

static void test_a_request_that_did_not_leave_is_not_kept(void **state)
{
    static struct far f;
    struct http_client_conn *c = open_to(&f);
    use(c, &f, OK);
    c->io.out_done = false; /* the service answered before the body ended */
    http_pool_put(&c, true);
    assert_int_equal(pool.n_open, 0);
    far_close(&f, loop);
}

/* ---- while they are idle */

static void make_idle(struct far *f)
{
    struct http_client_conn *c = open_to(f);
    use(c, f, OK);
    http_pool_put(&c, true);
    assert_int_equal(pool.n_idle, 1);
}

static void test_idle_ones_end(void **state)
{
    static struct far f;
    make_idle(&f);
    far_close(&f, loop); /* the service closes */
    UNTIL(loop, pool.n_open == 0);
    make_idle(&f);
    far_send(&f, STR(OK)); /* it sends what nobody asked for */
    UNTIL(loop, pool.n_open == 0);
    far_close(&f, loop);
    pool.idle_ms = 1;
    make_idle(&f);
    UNTIL(loop, pool.n_open == 0);
    assert_int_equal(pool.n_idle, 0);
    far_close(&f, loop);
}

static void test_one_that_ended_unseen_is_passed_over(void **state)
{
    static struct far f[2];
    make_idle(&f[0]);
    struct http_client_conn *good = open_to(&f[1]), *c = NULL;
    http_pool_put(&good, false);
    far_send(&f[0], STR("x"));
    c = get(false, false); /* before the loop has turned */
    assert_false(c->has_idled);
    http_pool_put(&c, false);
    for (size_t i = 0; i < 2; i++)
        far_close(&f[i], loop);
}

static void test_an_idle_one_gives_its_place(void **state)
{
    static struct far f[2];
    make_idle(&f[0]);
    struct http_client_conn *busy = open_to(&f[1]);
    assert_int_equal(pool.n_open, pool.bounds.places);
    struct http_client_conn *c = get(false, true);
    assert_non_null(c);
    assert_int_equal(pool.n_open, pool.bounds.places);
    assert_int_equal(pool.n_idle, 0);
    http_pool_put(&c, false);
    http_pool_put(&busy, false);
    for (size_t i = 0; i < 2; i++)
        far_close(&f[i], loop);
}

static void test_without_a_queue_it_is_told_at_once(void **state)
{
    static struct far f[2];
    struct http_client_conn *a = open_to(&f[0]), *b = open_to(&f[1]);
    pool.bounds.waiting = 0;
    assert_null(get(false, false));
    http_pool_put(&a, false);
    http_pool_put(&b, false);
    for (size_t i = 0; i < 2; i++)
        far_close(&f[i], loop);
}

/* ---- heads */

static void test_interim_answers_come_first(void **state)
{
    static struct far f;
    struct http_client_conn *c = open_to(&f);
    struct h1_head h;
    struct str data;
    send_request(c);
    far_send(
        &f, STR("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1."));
    rt_loop_turn(loop, 0);
    assert_int_equal(read_head(c, &h), 0);
    assert_int_equal(h.status, 100);
    assert_int_equal(read_head(c, &h), 0);
    assert_int_equal(h.status, 103);
    assert_int_equal(read_head(c, &h), ERR_AGAIN);
    far_send(&f, STR("1 200 OK\r\nContent-Length: 2\r\n\r\nhi"));
    rt_loop_turn(loop, 0);
    assert_int_equal(read_head(c, &h), 0);
    assert_int_equal(h.status, 200);
    assert_int_equal(http_body_peek(&c->io, &data), 1);
    assert_true(str_eq(data, STR("hi")));
    http_body_consume(&c->io, 2);
    http_pool_put(&c, true);
    assert_int_equal(pool.n_idle, 1);
    far_close(&f, loop);
}

static void assert_broken(const char *answer, bool ends, int code)
{
    static struct far f;
    struct http_client_conn *c = open_to(&f);
    struct h1_head h;
    send_request(c);
    far_send(&f, str_of(answer));
    if (ends)
        assert_int_equal(rt_stream_shutdown(&f.stream), 0);
    rt_loop_turn(loop, 0);
    assert_int_equal(read_head(c, &h), code);
    assert_int_equal(c->has_answer, answer[0] != 0);
    http_pool_put(&c, true);
    assert_int_equal(pool.n_open, 0);
    far_close(&f, loop);
}

static void test_broken_heads(void **state)
{
    char bytes[700];
    assert_broken("", true, ERR_CLOSED);
    assert_broken("HTTP/1.1 200 OK\r\nA", true, ERR_CLOSED);
    assert_broken("HTTP/1.1 200 OK\nA: b\n\n", false, ERR_SERVICE_BROKEN);
    assert_broken("HTTP/2.0 200 OK\r\n\r\n", false, ERR_SERVICE_BROKEN);
    assert_broken("HTTP/1.1 99 OK\r\n\r\n", false, ERR_SERVICE_BROKEN);
    snprintf(bytes, sizeof bytes, "HTTP/1.1 200 OK\r\nA: %0600d", 0);
    assert_broken(bytes, false, ERR_SERVICE_BROKEN);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(test_a_connection_is_used_again),
        CASE(test_the_last_one_is_taken_first),
        CASE(test_who_may_use_it_again),
        CASE(test_what_is_not_kept),
        CASE(test_a_request_that_did_not_leave_is_not_kept),
        CASE(test_idle_ones_end),
        CASE(test_one_that_ended_unseen_is_passed_over),
        CASE(test_an_idle_one_gives_its_place),
        CASE(test_without_a_queue_it_is_told_at_once),
        CASE(test_interim_answers_come_first),
        CASE(test_broken_heads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
