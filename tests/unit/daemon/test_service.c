/* What is said to a service manager, and what of its environment is taken. */
#include "daemon/service.h"
#include "manager.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct service service;
static struct diag d;

static int set_up(void **state)
{
    service = (struct service){.fd = -1};
    d = (struct diag){0};
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    setenv("NOTIFY_SOCKET", manager_open(), 1);
    return 0;
}

static int tear_down(void **state)
{
    service_close(&service);
    manager_close();
    return 0;
}

static void set_to(const char *name, const char *value)
{
    assert_int_equal(value ? setenv(name, value, 1) : unsetenv(name), 0);
}

static void opens(void)
{
    assert_int_equal(service_open(&service, &d), 0);
    assert_null(getenv("NOTIFY_SOCKET"));
    assert_null(getenv("WATCHDOG_USEC"));
    assert_null(getenv("WATCHDOG_PID"));
}

static void is_refused(const char *why)
{
    d = (struct diag){0};
    assert_int_equal(service_open(&service, &d), ERR_INVALID);
    assert_string_equal(d.message, why);
    assert_int_equal(service.fd, -1);
    assert_null(getenv("NOTIFY_SOCKET")); /* a child would take it for its own */
}

/* ---- telling */

static void test_what_is_told_arrives(void **state)
{
    opens();
    service_tell(&service, "READY=1\nSTATUS=%d listeners", 3);
    service_tell(&service, "WATCHDOG=1");
    assert_string_equal(manager_heard(), "READY=1\nSTATUS=3 listeners");
    assert_string_equal(manager_heard(), "WATCHDOG=1");
    assert_string_equal(manager_heard(), "");
}

static void test_without_a_manager_nothing_is_told(void **state)
{
    static const char *const none[] = {NULL, ""};
    for (size_t i = 0; i < COUNT_OF(none); i++) {
        set_to("NOTIFY_SOCKET", none[i]);
        set_to("WATCHDOG_USEC", "1000000"); /* there is nobody to be told in time */
        opens();
        assert_int_equal(service.fd, -1);
        assert_int_equal(service.watchdog_us, 0);
        stderr_begin();
        service_tell(&service, "READY=1");
        assert_string_equal(stderr_end(), "");
    }
}

static void test_a_long_message_is_cut(void **state)
{
    char text[2 * SERVICE_TELL_BYTES];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    opens();
    service_tell(&service, "%s", text);
    assert_int_equal(strlen(manager_heard()), SERVICE_TELL_BYTES - 1);
    text[SERVICE_TELL_BYTES - 1] = '\0';
    service_tell(&service, "%s", text);
    assert_string_equal(manager_heard(), text); /* the longest that is whole */
}

static void test_a_manager_that_is_gone_is_said(void **state)
{
    set_to("NOTIFY_SOCKET", "/nowhere/notify");
    opens();
    stderr_begin();
    service_tell(&service, "READY=1\nSTATUS=more than is shown of it");
    assert_string_equal(stderr_end(), "warning: the service manager could not be told "
                                      "'READY=1\nSTATUS=more ': No such file or directory\n");
}

static uint64_t now_ms(void)
{
    struct timespec t;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &t), 0);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The kernel keeps some messages for it; then the daemon waits, and not for ever. */
static void test_a_manager_that_does_not_read_holds_nobody(void **state)
{
    opens();
    stderr_begin();
    while (sendto(service.fd, "x", 1, MSG_DONTWAIT, &service.to.sa, service.to.len) == 1)
        continue;
    uint64_t begun = now_ms();
    service_tell(&service, "WATCHDOG=1");
    uint64_t took = now_ms() - begun;
    assert_string_equal(stderr_end(), "warning: the service manager could not be told "
                                      "'WATCHDOG=1': Resource temporarily unavailable\n");
    assert_in_range(took, SERVICE_TELL_MS / 2, 30 * SERVICE_TELL_MS);
}

static void test_closing_twice(void **state)
{
    opens();
    service_close(&service);
    service_close(&service);
    assert_int_equal(service.fd, -1);
    service_tell(&service, "STOPPING=1");
    assert_string_equal(manager_heard(), "");
}

/* ---- the environment */

/* A name of n bytes that begins so. */
static const char *name_of(char first, size_t n)
{
    static char text[200];
    memset(text, 'n', n);
    text[0] = first;
    text[n] = '\0';
    return text;
}

static void test_addresses(void **state)
{
    const size_t most = sizeof service.to.un.sun_path - 1;
    set_to("NOTIFY_SOCKET", name_of('/', most));
    opens();
    assert_int_equal(service.to.len, sizeof service.to.un); /* with its NUL */
    service_close(&service);
    set_to("NOTIFY_SOCKET", name_of('@', most));
    opens();
    assert_int_equal(service.to.len, sizeof service.to.un - 1); /* which such a name has not */
    assert_int_equal(service.to.un.sun_path[0], '\0');
}

static void test_what_is_no_address_is_refused(void **state)
{
    static const char *const wrong[] = {"/", "@", "somewhere", "./notify", "vsock:2:1234"};
    char why[400];
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        set_to("NOTIFY_SOCKET", wrong[i]);
        snprintf(why, sizeof why, "NOTIFY_SOCKET is no socket's path: '%s'", wrong[i]);
        is_refused(why);
    }
    set_to("NOTIFY_SOCKET", name_of('/', sizeof service.to.un.sun_path));
    snprintf(why, sizeof why, "NOTIFY_SOCKET is no socket's path: '%s'",
             name_of('/', sizeof service.to.un.sun_path));
    is_refused(why);
}

static void test_the_watchdog_of_this_process(void **state)
{
    char own[20];
    snprintf(own, sizeof own, "%d", (int)getpid());
    const struct {
        const char *us, *pid;
        uint64_t expected;
    } cases[] = {
        {NULL, NULL, 0},
        {"30000000", NULL, 30000000}, /* whoever has the variable is meant */
        {"30000000", own, 30000000},
        {"30000000", "1", 0},
        {"9223372036854775807", own, INT64_MAX},
        {NULL, own, 0},
    };
    const char *name = getenv("NOTIFY_SOCKET");
    char manager[64];
    snprintf(manager, sizeof manager, "%s", name);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        set_to("NOTIFY_SOCKET", manager);
        set_to("WATCHDOG_USEC", cases[i].us);
        set_to("WATCHDOG_PID", cases[i].pid);
        opens();
        assert_int_equal(service.watchdog_us, cases[i].expected);
        service_close(&service);
    }
}

static void test_what_is_no_number_is_refused(void **state)
{
    static const struct {
        const char *us, *pid, *why;
    } cases[] = {
        {"soon", NULL, "WATCHDOG_USEC is not a number: 'soon'"},
        {"-1", NULL, "WATCHDOG_USEC is not a number: '-1'"},
        {"", NULL, "WATCHDOG_USEC is not a number: ''"},
        {"9223372036854775808", NULL, "WATCHDOG_USEC is not a number: '9223372036854775808'"},
        {"1000", "me", "WATCHDOG_PID is not a number: 'me'"},
        {"1000", "2147483648", "WATCHDOG_PID is not a number: '2147483648'"},
    };
    char manager[64];
    snprintf(manager, sizeof manager, "%s", getenv("NOTIFY_SOCKET"));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        set_to("NOTIFY_SOCKET", manager);
        set_to("WATCHDOG_USEC", cases[i].us);
        set_to("WATCHDOG_PID", cases[i].pid);
        is_refused(cases[i].why);
    }
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_told_arrives),
        TEST(test_without_a_manager_nothing_is_told),
        TEST(test_a_long_message_is_cut),
        TEST(test_a_manager_that_is_gone_is_said),
        TEST(test_a_manager_that_does_not_read_holds_nobody),
        TEST(test_closing_twice),
        TEST(test_addresses),
        TEST(test_what_is_no_address_is_refused),
        TEST(test_the_watchdog_of_this_process),
        TEST(test_what_is_no_number_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
