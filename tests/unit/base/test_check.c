/* Failing checks end the process after a report; lists. */
#include "unit.h"
#include "base/list.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void report(void)
{
    if (write(STDERR_FILENO, "live: none\n", 11) != 11)
        _exit(3);
    CHECK(!"a check in the reporter does not report again");
}

/* Runs a failing check in a child; its standard error goes to `text`. Returns the signal. */
static int fail_in_child(void (*reporter)(void), char *text, size_t size)
{
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        sigaction(SIGABRT, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
        dup2(ends[1], STDERR_FILENO);
        check_set_reporter(reporter);
        CHECK(1 + 1 == 2);
        CHECK(1 + 1 == 3);
        _exit(0);
    }
    close(ends[1]);
    size_t n = 0;
    for (ssize_t got; n + 1 < size && (got = read(ends[0], text + n, size - 1 - n)) > 0;)
        n += (size_t)got;
    text[n] = 0;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void test_failing_check(void **state)
{
    char text[2000];
    assert_int_equal(fail_in_child(NULL, text, sizeof text), SIGABRT);
    assert_non_null(strstr(text, "a check failed: 1 + 1 == 3 at "));
    assert_non_null(strstr(text, "test_check.c:"));
    assert_int_equal(fail_in_child(report, text, sizeof text), SIGABRT);
    const char *live = strstr(text, "live: none\n");
    assert_non_null(live);
    assert_null(strstr(live + 1, "live: none\n"));
}

struct item {
    int value;
    struct list link;
};

static int sum_and_order(struct list *head)
{
    int digits = 0;
    list_for_each (it, head)
        digits = digits * 10 + LIST_ITEM(it, struct item, link)->value;
    return digits;
}

static void test_lists(void **state)
{
    struct list head;
    struct item items[4];
    list_init(&head);
    assert_true(list_is_empty(&head));
    for (int i = 0; i < 4; i++) {
        items[i].value = i + 1;
        list_init(&items[i].link);
        list_remove(&items[i].link); /* in no list: does nothing */
    }
    list_push(&head, &items[0].link);
    list_push(&head, &items[1].link);
    list_push_front(&head, &items[2].link);
    list_push_front(&head, &items[3].link);
    assert_int_equal(sum_and_order(&head), 4312);
    list_remove(&items[2].link);
    list_remove(&items[2].link);
    assert_int_equal(sum_and_order(&head), 412);
    assert_true(list_is_empty(&items[2].link));
    list_for_each_safe (it, &head)
        if (LIST_ITEM(it, struct item, link)->value != 1)
            list_remove(it);
    assert_int_equal(sum_and_order(&head), 1);
    list_remove(&items[0].link);
    assert_true(list_is_empty(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_failing_check),
                                       cmocka_unit_test(test_lists)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
