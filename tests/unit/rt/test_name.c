/* Names against a getaddrinfo of the test's own, which the linker puts in its place. */
#include "rt/sys.h"
#include "test_rt.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <time.h>

/* ---- the look-up */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    const char *answer;      /* addresses with a port, separated by spaces; NULL: it fails */
    char host[64], port[16]; /* of the last one */
    int n_begun, n_ended;
    bool hangs;
} dns = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static struct addrinfo *item(struct str text)
{
    struct rt_address a;
    struct addrinfo *i = calloc(1, sizeof *i + sizeof a);
    CHECK(i && rt_address_parse(text, &a) == 0);
    memcpy(i + 1, &a.sa, a.len);
    i->ai_family = a.sa.sa_family;
    i->ai_addrlen = a.len;
    i->ai_addr = (struct sockaddr *)(i + 1);
    return i;
}

int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                       struct addrinfo **out);
int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                       struct addrinfo **out)
{
    pthread_mutex_lock(&dns.lock);
    dns.n_begun++;
    memccpy(dns.host, host, '\0', sizeof dns.host);
    memccpy(dns.port, port, '\0', sizeof dns.port);
    pthread_cond_broadcast(&dns.changed);
    bool fails = dns.hangs;
    while (dns.hangs)
        pthread_cond_wait(&dns.changed, &dns.lock);
    struct str rest = fails ? STR_NULL : str_of(dns.answer), one;
    *out = NULL;
    for (struct addrinfo **end = out; str_split(&rest, ' ', &one); end = &(*end)->ai_next)
        *end = item(one);
    dns.n_ended++;
    pthread_cond_broadcast(&dns.changed);
    int rc = *out ? 0 : EAI_AGAIN;
    pthread_mutex_unlock(&dns.lock);
    return rc;
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

static void dns_set(const char *answer, bool hangs)
{
    pthread_mutex_lock(&dns.lock);
    dns.answer = answer;
    dns.hangs = hangs;
    pthread_cond_broadcast(&dns.changed);
    pthread_mutex_unlock(&dns.lock);
}

/* Waits until `n` look-ups have begun or ended; returns how many. */
static int dns_await(const int *count, int n)
{
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    at.tv_sec += DEADLINE_MS / 1000;
    pthread_mutex_lock(&dns.lock);
    int e = 0;
    while (*count < n && e != ETIMEDOUT)
        e = pthread_cond_timedwait(&dns.changed, &dns.lock, &at);
    int is = *count;
    pthread_mutex_unlock(&dns.lock);
    if (is < n)
        fail_msg("%d look-ups instead of %d", is, n);
    return is;
}

/* ---- tests */

static struct rt_name *parse(const char *text)
{
    struct rt_name *n = NULL;
    struct diag d = {0};
    if (rt_name_parse(&n, str_of(text), &d) < 0)
        fail_msg("%s", d.message);
    return n;
}

static void check_address(struct rt_name *n, const char *expected)
{
    char mem[128];
    struct rt_address a;
    struct out o;
    assert_int_equal(rt_name_get(n, &a), 0);
    out_init(&o, mem, sizeof mem);
    rt_address_print(&a, &o);
    out_char(&o, '\0');
    assert_string_equal(mem, expected);
}

static int start(void **state)
{
    struct diag d = {0};
    dns_set("10.0.0.1:80 10.0.0.2:80", false);
    dns.n_begun = dns.n_ended = 0;
    return rt_resolver_start(20, &d);
}

static int stop(void **state)
{
    rt_resolver_stop();
    return 0;
}

static void test_literals(void **state)
{
    static const char *const literals[] = {"127.0.0.1:80", "[::1]:443", "unix:/run/x"};
    for (size_t i = 0; i < COUNT_OF(literals); i++) {
        struct rt_name *n = parse(literals[i]);
        check_address(n, literals[i]);
        assert_true(str_eq(rt_name_text(n), str_of(literals[i])));
        struct rt_address a;
        assert_int_equal(rt_name_get(n, &a), 0);
        assert_false(rt_name_failed(n, &a));
        check_address(n, literals[i]);
        rt_name_unref(&n);
        assert_null(n);
        rt_name_unref(&n);
    }
    struct rt_name *n = NULL;
    struct diag d = {0};
    assert_int_equal(rt_name_create(&n, STR("2001:db8::1"), 8080, &d), 0);
    check_address(n, "[2001:db8::1]:8080");
    assert_true(str_eq(rt_name_text(n), STR("[2001:db8::1]:8080")));
    rt_name_unref(&n);
    assert_true(rt_name_settle(NULL, 0));
    assert_int_equal(dns.n_begun, 0);
}

static void test_refused(void **state)
{
    static const char *const bad[] = {
        "",         "host",     "host:", "host:65536", ":80",      "ho st:80", "-host:80",
        ".host:80", "ho/st:80", "unix:", "[::1]",      "[::g]:80", "a:b:80",   "host:80 "};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct rt_name *n = NULL;
        struct diag d = {0};
        assert_int_equal(rt_name_parse(&n, str_of(bad[i]), &d), ERR_INVALID);
        assert_null(n);
        assert_true(d.message[0]);
    }
    struct rt_name *n = NULL;
    char long_host[400];
    memset(long_host, 'a', sizeof long_host);
    assert_int_equal(rt_name_create(&n, (struct str){long_host, 254}, 1, NULL), ERR_INVALID);
    assert_int_equal(rt_name_create(&n, (struct str){long_host, 400}, 1, NULL), ERR_INVALID);
    assert_int_equal(rt_name_create(&n, STR("host"), 65536, NULL), ERR_INVALID);
}

static void test_look_up(void **state)
{
    struct rt_name *n = parse("keystone.example:5000");
    assert_true(rt_name_settle(NULL, DEADLINE_MS));
    assert_string_equal(dns.host, "keystone.example");
    assert_string_equal(dns.port, "5000");
    check_address(n, "10.0.0.1:80");
    /* a second owner keeps it */
    struct rt_name *second = rt_name_ref(n);
    rt_name_unref(&n);
    check_address(second, "10.0.0.1:80");
    rt_name_unref(&second);
    assert_true(rt_name_settle(NULL, 0));
}

/* An address where nobody answers gives its place to the next one, for everybody. */
static void test_failed(void **state)
{
    struct rt_name *n = parse("two.example:80");
    struct rt_address first, second;
    assert_true(rt_name_settle(NULL, DEADLINE_MS));
    assert_int_equal(rt_name_get(n, &first), 0);
    assert_true(rt_name_failed(n, &first));
    check_address(n, "10.0.0.2:80");
    assert_true(rt_name_failed(n, &first)); /* somebody else's, late: nothing new */
    check_address(n, "10.0.0.2:80");
    assert_int_equal(rt_name_get(n, &second), 0);
    assert_true(rt_name_failed(n, &second));
    check_address(n, "10.0.0.1:80");
    rt_name_unref(&n);

    dns_set("10.0.0.7:80", false);
    n = parse("one.example:80");
    assert_true(rt_name_settle(NULL, DEADLINE_MS));
    assert_int_equal(rt_name_get(n, &first), 0);
    assert_false(rt_name_failed(n, &first)); /* there is no other one */
    check_address(n, "10.0.0.7:80");
    rt_name_unref(&n);
}

static void test_refresh(void **state)
{
    struct rt_name *n = parse("moves.example:80");
    struct rt_address a;
    assert_true(rt_name_settle(NULL, DEADLINE_MS));
    assert_int_equal(rt_name_get(n, &a), 0);
    assert_true(rt_name_failed(n, &a));
    check_address(n, "10.0.0.2:80");
    /* what is good stays in front as long as it is among what is found; the result of a look-up is
     * there when the next one begins */
    dns_set("10.0.0.9:80 10.0.0.2:80", false);
    dns_await(&dns.n_begun, dns_await(&dns.n_ended, dns.n_ended + 1) + 1);
    check_address(n, "10.0.0.2:80");
    dns_set("10.0.0.9:80", false);
    dns_await(&dns.n_begun, dns_await(&dns.n_ended, dns.n_ended + 1) + 1);
    check_address(n, "10.0.0.9:80");
    /* and everything stays when nothing is found */
    dns_set(NULL, false);
    dns_await(&dns.n_begun, dns_await(&dns.n_ended, dns.n_ended + 1) + 1);
    check_address(n, "10.0.0.9:80");
    rt_name_unref(&n);
}

static void test_not_found(void **state)
{
    struct rt_address a;
    dns_set(NULL, false);
    struct rt_name *n = parse("nowhere.example:80");
    assert_true(rt_name_settle(NULL, DEADLINE_MS)); /* tried, and that is all */
    assert_int_equal(rt_name_get(n, &a), ERR_AGAIN);
    assert_false(rt_name_failed(n, &a));
    dns_set("10.0.0.3:80", false); /* tried again soon */
    dns_await(&dns.n_begun, dns_await(&dns.n_ended, dns.n_ended + 1) + 1);
    check_address(n, "10.0.0.3:80");
    rt_name_unref(&n);
}

/* A look-up that hangs holds up neither requests nor the end, nor a resolver that comes after. */
static void test_hanging(void **state)
{
    struct rt_address a;
    struct diag d = {0};
    dns_set(NULL, true);
    struct rt_name *n = parse("hangs.example:80");
    dns_await(&dns.n_begun, 1);
    assert_int_equal(rt_name_get(n, &a), ERR_AGAIN);
    assert_false(rt_name_settle(NULL, 1));
    assert_false(rt_name_settle(n, 1));
    struct rt_name *literal = parse("127.0.0.1:80");
    assert_true(rt_name_settle(literal, 0)); /* nobody waits for another one's name */
    rt_name_unref(&literal);
    uint64_t before = rt_mono_us();
    rt_resolver_stop();
    assert_true(rt_mono_us() - before < DEADLINE_MS * 1000);
    dns_set("10.0.0.4:80", false); /* for the second thread; the first one's fails */
    assert_int_equal(rt_resolver_start(20, &d), 0);
    dns_await(&dns.n_ended, 2);
    assert_true(rt_name_settle(NULL, DEADLINE_MS));
    dns_await(&dns.n_begun, 3);
    check_address(n, "10.0.0.4:80");
    rt_name_unref(&n);
}

/* Names that live across a stop and a start, and names that come and go while it runs. */
static void test_many(void **state)
{
    struct rt_name *names[300];
    struct diag d = {0};
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT_OF(names); i++)
            names[i] = parse("name.example:80");
        if (round == 1) {
            rt_resolver_stop();
            rt_resolver_stop();
            assert_int_equal(rt_resolver_start(60000, &d), 0);
        }
        if (round > 0)
            assert_true(rt_name_settle(NULL, DEADLINE_MS));
        for (size_t i = 0; i < COUNT_OF(names); i++)
            rt_name_unref(&names[i]);
    }
}

#define NAME_TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAME_TEST(test_literals), NAME_TEST(test_refused), NAME_TEST(test_look_up),
        NAME_TEST(test_failed),   NAME_TEST(test_refresh), NAME_TEST(test_not_found),
        NAME_TEST(test_hanging),  NAME_TEST(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
