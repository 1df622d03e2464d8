/* The report of a system call that a confined daemon never makes; those of faults are in
 * tests/system/test_crash.py. */
#include "daemon/crash.h"
#include "rt/confine.h"
#include "../base/unit.h"

#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void make_the_call(int report)
{
    struct diag d = {0};
    if (dup2(report, STDERR_FILENO) < 0)
        _exit(1);
    crash_start();
    if (rt_confine_calls(&d) < 0)
        _exit(2);
    syscall(SYS_ptrace, 0L, 0L, 0L, 0L);
    _exit(3);
}

static void test_a_call_that_is_never_made(void **state)
{
    char text[1000], expected[200];
    int ends[2], status;
    size_t n = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        make_the_call(ends[1]);
    close(ends[1]);
    for (ssize_t got; (got = read(ends[0], text + n, sizeof text - 1 - n)) > 0;)
        n += (size_t)got;
    text[n] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
    snprintf(expected, sizeof expected,
             "cheopsd " CHEOPS_VERSION " ends by SIGSYS in the thread test_daemon_cra, which made "
             "the system call %d that it never makes\nend of the report\n",
             SYS_ptrace);
    assert_string_equal(text, expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_call_that_is_never_made)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
