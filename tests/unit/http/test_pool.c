/* Pools of connections: which address a connection is opened to, and who gets a free place. The
 * getaddrinfo is the test's own, which the linker puts in its place. */
#include "http/client.h"
#include "../rt/test_rt.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- a name with two addresses */

static unsigned port;
static const char *hosts[2];

int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                       struct addrinfo **out);
int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                       struct addrinfo **out)
{
    struct addrinfo **end = out;
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        char text[40];
        struct rt_address a;
        struct addrinfo *item = calloc(1, sizeof *item + sizeof a);
        int n = snprintf(text, sizeof text, "%s:%u", hosts[i], port);
        CHECK(item && rt_address_parse((struct str){text, (size_t)n}, &a) == 0);
        memcpy(item + 1, &a.sa, a.len);
        item->ai_family = a.sa.sa_family;
        item->ai_addrlen = a.len;
        item->ai_addr = (struct sockaddr *)(item + 1);
        *end = item;
        end = &item->ai_next;
    }
    *end = NULL;
    return 0;
}

void __wrap_freeaddrinfo(struct addrinfo *i);
void __wrap_freeaddrinfo(struct addrinfo *i)
{
    while (i) {
        struct addrinfo *next = i->ai_next;
        free(i);
        i = next;
    }
}

/* ---- a service and a pool to it */

struct setting {
    struct rt_loop *loop;
    struct rt_listener listener;
    struct http_env env;
    struct http_pool pool;
    struct rt_name *name;
    int n_accepted;
};

static struct setting s;

static void on_accept(struct rt_listener *l, int fd)
{
    s.n_accepted++;
    rt_discard(fd);
}

static int begin(void **state)
{
    struct diag d = {0};
    struct rt_address any;
    int fd;
    s = (struct setting){0};
    hosts[0] = "127.0.0.2";
    hosts[1] = "127.0.0.1";
    CHECK(rt_address_parse(STR("127.0.0.1:0"), &any) == 0);
    if (rt_loop_create(&s.loop, &d) < 0 || rt_listen(&any, false, 0, &fd, &d) < 0)
        return -1;
    socklen_t n = sizeof any.in;
    CHECK(getsockname(fd, &any.sa, &n) == 0);
    port = ntohs(any.in.sin_port);
    CHECK(rt_listener_start(&s.listener, s.loop, fd, on_accept, &d) == 0);
    http_env_init(&s.env, s.loop);
    CHECK(rt_resolver_start(60000, &d) == 0);
    CHECK(rt_name_create(&s.name, STR("two.example"), port, &d) == 0);
    CHECK(rt_name_settle(s.name, DEADLINE_MS));
    s.pool =
        (struct http_pool){.name = s.name, .bounds = {.places = 2, .waiting = 4}, .idle_ms = 1000};
    http_pool_init(&s.pool, &s.env);
    return 0;
}

static int end(void **state)
{
    http_pool_fini(&s.pool);
    rt_listener_stop(&s.listener);
    rt_loop_turn(s.loop, 0);
    http_env_fini(&s.env);
    rt_name_unref(&s.name);
    rt_resolver_stop();
    rt_loop_destroy(&s.loop);
    return 0;
}

/* Who wants a connection. */
struct user {
    struct rt_task task;
    struct rt_waiter waiter;
    struct http_client_conn *conn;
    struct diag d;
    int rc, wakes;
};

static void user_run(struct rt_task *t)
{
    struct user *u = CONTAINER_OF(t, struct user, task);
    u->wakes++;
    if (u->conn && u->rc == ERR_AGAIN)
        u->rc = http_client_ready(u->conn, &u->d);
}

static void ask(struct user *u)
{
    struct http_want want = {.task = &u->task, .waiter = &u->waiter};
    u->task.run = user_run;
    u->rc = http_pool_get(&s.pool, &want, &u->conn, &u->d);
    if (u->rc == 0)
        u->rc = http_client_ready(u->conn, &u->d);
}

static void leave(struct user *u)
{
    rt_waiter_leave(&u->waiter);
    http_pool_put(&u->conn, false);
    rt_cancel(s.loop, &u->task);
}

/* ---- addresses */

static void test_the_next_address_is_tried(void **state)
{
    struct user first = {0}, second = {0};
    struct rt_address known;
    ask(&first);
    UNTIL(s.loop, first.rc != ERR_AGAIN);
    assert_int_equal(first.rc, 0);
    UNTIL(s.loop, s.n_accepted == 1);
    assert_int_equal(rt_name_get(s.name, &known), 0);
    assert_int_equal(ntohl(known.in.sin_addr.s_addr), INADDR_LOOPBACK);
    /* and is known to be the good one from then on */
    ask(&second);
    UNTIL(s.loop, second.rc != ERR_AGAIN);
    assert_int_equal(second.rc, 0);
    assert_false(second.conn->is_second);
    leave(&first);
    leave(&second);
}

static void test_when_none_takes_connections_it_ends(void **state)
{
    struct user u = {0};
    rt_listener_stop(&s.listener);
    ask(&u);
    UNTIL(s.loop, u.rc != ERR_AGAIN);
    assert_int_equal(u.rc, ERR_CLOSED);
    assert_non_null(strstr(u.d.message, "two.example"));
    leave(&u);
    assert_int_equal(s.pool.n_open, 0);
}

/* ---- places */

static void test_a_place_that_is_not_taken_is_the_next_ones(void **state)
{
    struct user holds[2] = {0}, gone = {0}, next = {0};
    ask(&holds[0]);
    ask(&holds[1]);
    ask(&gone);
    ask(&next);
    assert_int_equal(gone.rc, ERR_AGAIN);
    assert_int_equal(s.pool.own_places.n_waiting, 2);
    leave(&holds[0]); /* calls the one that waits longest */
    assert_int_equal(s.pool.own_places.n_waiting, 1);
    leave(&gone); /* which has no use for it any more */
    assert_int_equal(s.pool.own_places.n_waiting, 0);
    UNTIL(s.loop, next.wakes > 0);
    ask(&next);
    UNTIL(s.loop, next.rc != ERR_AGAIN);
    assert_int_equal(next.rc, 0);
    leave(&holds[1]);
    leave(&next);
}

static void test_a_place_that_was_taken_is_nobodys(void **state)
{
    struct user holds[2] = {0}, first = {0}, second = {0};
    ask(&holds[0]);
    ask(&holds[1]);
    ask(&first);
    ask(&second);
    leave(&holds[0]);
    UNTIL(s.loop, first.wakes > 0);
    ask(&first);
    assert_non_null(first.conn);
    rt_waiter_leave(&first.waiter);
    assert_int_equal(s.pool.own_places.n_waiting, 1);
    leave(&holds[1]);
    leave(&first);
    leave(&second);
}

static void test_the_queue_is_bounded(void **state)
{
    struct user users[7] = {0};
    for (size_t i = 0; i < COUNT_OF(users); i++)
        ask(&users[i]);
    assert_int_equal(users[5].rc, ERR_AGAIN);
    assert_int_equal(users[6].rc, ERR_OVERLOADED);
    assert_non_null(strstr(users[6].d.hint, "service_queue"));
    for (size_t i = 0; i < COUNT_OF(users); i++)
        leave(&users[i]);
    assert_int_equal(s.pool.own_places.n_waiting, 0);
}

static void test_a_queue_that_is_too_slow_is_not_joined(void **state)
{
    struct user holds[2] = {0}, first = {0}, late = {0};
    struct http_gauge gauge = {0};
    s.pool.gauge = &gauge;
    s.pool.bounds.wait_ms = 1000;
    ask(&holds[0]);
    ask(&holds[1]);
    ask(&first);
    s.pool.own_places.since_ms -= 1000; /* so long, and nobody was called */
    ask(&late);
    assert_int_equal(late.rc, ERR_OVERLOADED);
    assert_non_null(strstr(late.d.message, "more than 1000 ms"));
    assert_int_equal(counter_get(&gauge.waiting), 1);
    assert_int_equal(http_pool_give_up(&s.pool, &first.waiter, &first.d), ERR_OVERLOADED);
    assert_non_null(strstr(first.d.message, "in use for 1000 ms"));
    assert_int_equal(counter_get(&gauge.waiting), 0);
    assert_int_equal(counter_get(&gauge.refused), 2);
    leave(&holds[0]);
    leave(&holds[1]);
    leave(&first);
    s.pool.gauge = NULL;
}

static void test_a_connection_that_moves_leaves_its_place(void **state)
{
    struct user first = {0}, second = {0};
    struct http_gauge gauge = {0};
    struct http_pool other = {.keep_alive = HTTP_KEEP_NEVER};
    http_pool_init(&other, &s.env);
    s.pool.gauge = &gauge;
    s.pool.bounds.places = 1;
    ask(&first);
    UNTIL(s.loop, first.rc == 0);
    ask(&second);
    assert_int_equal(s.pool.own_places.n_waiting, 1);
    http_pool_move(first.conn, &other);
    assert_int_equal(s.pool.n_open, 0);
    assert_int_equal(other.n_open, 1);
    assert_int_equal(counter_get(&gauge.open), 1);
    UNTIL(s.loop, second.wakes > 0);
    ask(&second);
    assert_non_null(second.conn);
    assert_int_equal(counter_get(&gauge.open), 2);
    leave(&second);
    http_pool_put(&first.conn, true);
    assert_int_equal(other.n_open, 0);
    assert_int_equal(counter_get(&gauge.open), 0);
    http_pool_fini(&other);
    leave(&first);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(test_the_next_address_is_tried),
        CASE(test_when_none_takes_connections_it_ends),
        CASE(test_a_place_that_is_not_taken_is_the_next_ones),
        CASE(test_a_place_that_was_taken_is_nobodys),
        CASE(test_the_queue_is_bounded),
        CASE(test_a_connection_that_moves_leaves_its_place),
        CASE(test_a_queue_that_is_too_slow_is_not_joined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
