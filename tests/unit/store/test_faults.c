/* What the disk does to a store: a process that dies within any write loses nothing that was
 * answered and shows no batch in part; a disk that is full refuses, answers, and recovers. */
#include "support.h"

#include <errno.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- the writes of SQLite */

static _Atomic long writes_left = LONG_MAX; /* then the process dies within one */
static _Atomic bool is_disk_full;

static ssize_t faulty_pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    if (atomic_load(&is_disk_full)) {
        errno = ENOSPC;
        return -1;
    }
    if (atomic_fetch_sub(&writes_left, 1) == 1) {
        ssize_t torn = pwrite(fd, bytes, n / 2, at);
        _exit(torn < 0 ? 2 : 1);
    }
    return pwrite(fd, bytes, n, at);
}

int __real_fstatvfs64(int fd, struct statvfs *v);
int __wrap_fstatvfs64(int fd, struct statvfs *v);
int __wrap_fstatvfs64(int fd, struct statvfs *v)
{
    int rc = __real_fstatvfs64(fd, v);
    if (atomic_load(&is_disk_full))
        v->f_bavail = 0;
    return rc;
}

static int set_up(void **state)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    sqlite3_syscall_ptr call = (sqlite3_syscall_ptr)faulty_pwrite;
    return vfs->xSetSystemCall(vfs, "pwrite", call) == SQLITE_OK &&
                   vfs->xSetSystemCall(vfs, "pwrite64", call) == SQLITE_OK
               ? 0
               : -1;
}

/* ---- crashes */

#define BATCHES 12

static struct store_batch *two_rows(uint64_t n)
{
    struct store_batch *b = batch();
    struct store_record r = record_of(n, "v");
    struct store_entry e = entry_of(n, 1);
    store_record_put(b, &r);
    store_entry_put(b, &e);
    return b;
}

/* The child's: each number that was answered goes to the pipe. */
static void write_until_it_dies(uint64_t first, long writes, int to)
{
    atomic_store(&writes_left, writes);
    open_store();
    for (uint64_t n = first; n < first + BATCHES; n++) {
        struct store_batch *b = two_rows(n);
        if (run_once(&b) < 0 || write(to, &n, sizeof n) != sizeof n)
            _exit(3);
    }
    close_store();
    _exit(0);
}

static bool has_entry(uint64_t n, bool *has_record)
{
    struct store_entry e = entry_of(n, 1);
    struct store_batch *b = batch();
    store_ask_record(b, &(struct store_by_record){e.record}, 1);
    store_ask_entries(b, &(struct store_by_entry){.record = e.record}, 1);
    assert_int_equal(run(b), 0);
    *has_record = b->answers[0].n == 1;
    const struct store_entry *found = b->answers[1].rows;
    bool has = b->answers[1].n == 1 && str_eq(found->record, e.record);
    store_batch_destroy(&b);
    return has;
}

/* Returns whether the child came to its end. */
static bool crash_after(long writes, uint64_t first)
{
    int pipes[2], status;
    uint64_t n, answered = first - 1;
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(pipes[0]);
        write_until_it_dies(first, writes, pipes[1]);
    }
    close(pipes[1]);
    while (read(pipes[0], &n, sizeof n) == sizeof n)
        answered = n;
    close(pipes[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
    open_store();
    for (n = first; n < first + BATCHES; n++) {
        bool has_record, has = has_entry(n, &has_record);
        assert_int_equal(has, has_record);
        assert_true(has || n > answered);
    }
    close_store();
    return WEXITSTATUS(status) == 0;
}

static void test_a_death_within_any_write_loses_nothing(void **state)
{
    long n = 0;
    close_store();
    for (long writes = 1; !crash_after(writes, 1 + (uint64_t)n * BATCHES); writes += 1 + writes / 8)
        n++;
    assert_true(n > 10);
    open_store();
}

/* ---- a full disk */

static bool is_full(void)
{
    return counter_get(&store_stats(store)->is_full) != 0;
}

static void test_a_full_disk_refuses_answers_and_recovers(void **state)
{
    bool has_record;
    struct store_batch *b = two_rows(1);
    assert_int_equal(run_once(&b), 0);
    atomic_store(&is_disk_full, true);
    b = two_rows(2);
    b->is_new_work = true;
    assert_int_equal(run_once(&b), ERR_DISK_FULL);
    assert_true(is_full());
    b = two_rows(3);
    b->is_new_work = true;
    assert_int_equal(store_submit(store, b, loop), ERR_DISK_FULL);
    store_batch_destroy(&b);
    b = two_rows(4); /* with the reserve it could have been done */
    assert_int_equal(run_once(&b), ERR_DISK_FULL);
    assert_true(has_entry(1, &has_record));
    assert_false(has_entry(2, &has_record) || has_record);
    assert_true(counter_get(&store_stats(store)->errors) > 0);
    atomic_store(&is_disk_full, false);
    time_t until = time(NULL) + 60;
    while (is_full() && time(NULL) < until)
        rt_loop_turn(loop, 50);
    assert_false(is_full());
    b = two_rows(2);
    b->is_new_work = true;
    assert_int_equal(run_once(&b), 0);
    assert_true(has_entry(2, &has_record) && has_record);
    assert_true(exists("reserve"));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(test_a_death_within_any_write_loses_nothing),
        CASE(test_a_full_disk_refuses_answers_and_recovers),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
