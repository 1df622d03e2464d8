#include "rt/sys.h"
#include "test_rt.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/cheops-log-XXXXXX";
static char path[sizeof dir + 16], moved[sizeof dir + 16];

static int make_dir(void **state)
{
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/log", dir);
    snprintf(moved, sizeof moved, "%s/log.1", dir);
    return 0;
}

static int remove_files(void **state)
{
    unlink(path);
    unlink(moved);
    return 0;
}

static int remove_dir(void **state)
{
    return rmdir(dir);
}

static struct rt_log *open_log(const char *at)
{
    struct rt_log *l = NULL;
    struct diag d = {0};
    if (rt_log_open(&l, at, &d) < 0)
        fail_msg("%s", d.message);
    return l;
}

/* A fifo at `path` whose other end the test holds: it decides when the writer may go on. */
static int make_fifo(void)
{
    assert_int_equal(mkfifo(path, 0600), 0);
    int fd = open(path, O_RDWR | O_NONBLOCK);
    assert_true(fd >= 0);
    return fd;
}

/* The next bytes of the fifo, waiting for them. */
static size_t read_some(int fd, char *to, size_t n)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, DEADLINE_MS) != 1)
        fail_msg("nothing came");
    ssize_t got = read(fd, to, n);
    assert_true(got > 0);
    return (size_t)got;
}

static void check_reads(int fd, const char *expected)
{
    char got[256];
    size_t n = 0;
    while (n < strlen(expected))
        n += read_some(fd, got + n, sizeof got - 1 - n);
    got[n] = '\0';
    assert_string_equal(got, expected);
}

/* The whole file. The caller frees it. */
static char *contents(const char *at)
{
    FILE *f = fopen(at, "r");
    assert_non_null(f);
    char *text = calloc(1, 4 * 1024 * 1024);
    assert_non_null(text);
    assert_true(fread(text, 1, 4 * 1024 * 1024 - 1, f) < 4 * 1024 * 1024 - 1);
    fclose(f);
    return text;
}

static void await_dropped(struct rt_log *l, uint64_t n)
{
    uint64_t until = rt_mono_us() + DEADLINE_MS * 1000;
    while (rt_log_dropped(l) < n && rt_mono_us() < until)
        sched_yield();
    assert_int_equal(rt_log_dropped(l), n);
}

/* ---- threads */

#define THREADS 4
#define LINES   3000

struct logger {
    struct rt_log *log;
    int id;
    pthread_barrier_t *barrier;
};

static void *lines_main(void *context)
{
    struct logger *g = context;
    char line[100];
    for (int i = 0; i < LINES; i++) {
        int n = snprintf(line, sizeof line, "thread %d line %d %.*s", g->id, i, i % 50,
                         "##################################################");
        rt_log_line(g->log, (struct str){line, (size_t)n});
    }
    return NULL;
}

/* Every line arrives whole, and those of a thread in its order: the rings have room for all. */
static void test_threads(void **state)
{
    struct rt_log *l = open_log(path);
    pthread_t threads[THREADS];
    struct logger loggers[THREADS];
    struct diag d;
    for (int t = 0; t < THREADS; t++) {
        loggers[t] = (struct logger){.log = l, .id = t};
        assert_int_equal(rt_thread_start(&threads[t], "logger", lines_main, &loggers[t], &d), 0);
    }
    for (int t = 0; t < THREADS; t++)
        assert_int_equal(pthread_join(threads[t], NULL), 0);
    uint64_t dropped = rt_log_dropped(l); /* the writer may be kept from the processor */
    rt_log_close(&l);
    assert_null(l);
    rt_log_close(&l);

    int next[THREADS] = {0};
    uint64_t lines = 0;
    char *text = contents(path);
    struct str rest = str_of(text), line;
    while (str_split(&rest, '\n', &line) && rest.p) {
        unsigned t = (unsigned)(line.p[7] - '0');
        char expected[100];
        assert_true(t < THREADS);
        uint64_t number;
        struct str digits = str_from(line, 14);
        digits.n = (size_t)str_find(digits, ' ');
        assert_int_equal(str_digits(digits, LINES - 1, &number), 0);
        int i = (int)number;
        assert_true(i >= next[t]); /* in order, whole, none twice */
        next[t] = i + 1;
        lines++;
        int n = snprintf(expected, sizeof expected, "thread %u line %d %.*s", t, i, i % 50,
                         "##################################################");
        assert_true(str_eq(line, (struct str){expected, (size_t)n}));
    }
    assert_int_equal(lines + dropped, THREADS * LINES);
    free(text);
}

static void *one_line_main(void *context)
{
    struct logger *g = context;
    rt_log_line(g->log, STR("one"));
    if (g->barrier)
        pthread_barrier_wait(g->barrier);
    return NULL;
}

/* The ring of a thread that has ended serves the next one; only so many threads have one at a
 * time. */
static void test_rings(void **state)
{
    struct rt_log *l = open_log(path);
    struct logger g = {.log = l};
    pthread_t threads[RT_LOG_RINGS + 6];
    struct diag d;
    for (size_t i = 0; i < 3 * RT_LOG_RINGS; i++) {
        assert_int_equal(rt_thread_start(&threads[0], "logger", one_line_main, &g, &d), 0);
        assert_int_equal(pthread_join(threads[0], NULL), 0);
    }
    assert_int_equal(rt_log_dropped(l), 0);

    pthread_barrier_t barrier;
    g.barrier = &barrier;
    assert_int_equal(pthread_barrier_init(&barrier, NULL, COUNT_OF(threads)), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(rt_thread_start(&threads[i], "logger", one_line_main, &g, &d), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    pthread_barrier_destroy(&barrier);
    assert_int_equal(rt_log_dropped(l), COUNT_OF(threads) - RT_LOG_RINGS);
    rt_log_close(&l);
    char *text = contents(path);
    assert_int_equal(strlen(text), 4 * (3 * RT_LOG_RINGS + RT_LOG_RINGS));
    free(text);
}

/* ---- dropping */

/* A writer that is held up holds up nobody: lines are dropped and counted, the others arrive. */
static void test_full(void **state)
{
    int fd = make_fifo();
    struct rt_log *l = open_log(path);
    char line[1000], got[4096];
    memset(line, 'x', sizeof line);
    uint64_t total = 0, newlines = 0;
    while (rt_log_dropped(l) < 100 && total < 100000) {
        rt_log_line(l, (struct str){line, sizeof line});
        total++;
    }
    assert_int_equal(rt_log_dropped(l), 100);
    assert_true(total > RT_LOG_RING_BYTES / sizeof line);
    uint64_t bytes = 0;
    while (bytes < (total - 100) * (sizeof line + 1)) {
        size_t n = read_some(fd, got, sizeof got);
        bytes += n;
        for (size_t i = 0; i < n; i++)
            newlines += got[i] == '\n';
    }
    assert_int_equal(newlines, total - 100);
    assert_int_equal(bytes, (total - 100) * (sizeof line + 1));
    rt_log_line(l, STR("again")); /* there is room again */
    check_reads(fd, "again\n");
    assert_int_equal(rt_log_dropped(l), 100);
    rt_log_close(&l);
    close(fd);
}

static void test_lengths(void **state)
{
    struct rt_log *l = open_log(path);
    static char line[RT_LOG_LINE_BYTES + 1];
    memset(line, 'x', sizeof line);
    rt_log_line(l, STR_NULL);
    rt_log_line(l, (struct str){line, RT_LOG_LINE_BYTES});
    rt_log_line(l, (struct str){line, RT_LOG_LINE_BYTES + 1});
    assert_int_equal(rt_log_dropped(l), 1);
    rt_log_close(&l);
    char *text = contents(path);
    assert_int_equal(strlen(text), 1 + RT_LOG_LINE_BYTES + 1);
    free(text);
}

static void test_disk_full(void **state)
{
    struct rt_log *l = open_log("/dev/full");
    rt_log_line(l, STR("a"));
    rt_log_line(l, STR("b"));
    await_dropped(l, 2);
    rt_log_close(&l);
}

/* A line that the disk took half of is ended before the next one. */
static void test_torn(void **state)
{
    struct rt_log *l = open_log(path);
    struct rlimit old, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){5, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    rt_log_line(l, STR("0123456789"));
    await_dropped(l, 1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    rt_log_line(l, STR("next"));
    rt_log_line(l, STR("and"));
    assert_int_equal(rt_log_dropped(l), 1);
    rt_log_close(&l);
    char *text = contents(path);
    assert_string_equal(text, "01234\nnext\nand\n");
    free(text);
}

/* ---- files */

static void test_reopen(void **state)
{
    struct diag d = {0};
    int old = make_fifo();
    struct rt_log *l = open_log(path);
    rt_log_line(l, STR("first"));
    check_reads(old, "first\n");
    assert_int_equal(rename(path, moved), 0);
    rt_log_line(l, STR("second")); /* the file is the same under its new name */
    check_reads(old, "second\n");
    int new = make_fifo();
    assert_int_equal(rt_log_reopen(l, &d), 0);
    rt_log_line(l, STR("third"));
    check_reads(new, "third\n");

    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(rt_log_reopen(l, &d), ERR_SYSTEM);
    assert_non_null(strstr(d.message, path));
    assert_int_equal(rmdir(path), 0);
    rt_log_line(l, STR("fourth")); /* goes where it went */
    check_reads(new, "fourth\n");
    rt_log_close(&l);
    close(old);
    close(new);
}

static void test_open_fails(void **state)
{
    struct rt_log *l = NULL;
    struct diag d = {0};
    assert_int_equal(rt_log_open(&l, "/nowhere/log", &d), ERR_SYSTEM);
    assert_null(l);
    assert_non_null(strstr(d.message, "/nowhere/log"));
}

static void test_stderr(void **state)
{
    int fds[2], old = dup(STDERR_FILENO);
    struct diag d = {0};
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
    struct rt_log *l = open_log("-");
    assert_int_equal(dup2(old, STDERR_FILENO), STDERR_FILENO);
    rt_log_line(l, STR("to standard error"));
    check_reads(fds[0], "to standard error\n");
    assert_int_equal(rt_log_reopen(l, &d), 0);
    rt_log_close(&l);
    close(old);
    close(fds[0]);
    close(fds[1]);
}

#define LOG_TEST(f) cmocka_unit_test_teardown(f, remove_files)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_TEST(test_threads), LOG_TEST(test_rings),      LOG_TEST(test_full),
        LOG_TEST(test_lengths), LOG_TEST(test_disk_full),  LOG_TEST(test_torn),
        LOG_TEST(test_reopen),  LOG_TEST(test_open_fails), LOG_TEST(test_stderr),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
