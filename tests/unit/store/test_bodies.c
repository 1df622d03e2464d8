/* Bodies: in and out by streaming, small and large, broken off and gone on with, bounded, counted,
 * and found out when they are not what their digest says. */
#include "store/blob.h"
#include "support.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct rt_task task;
static unsigned n_runs;

static void on_run(struct rt_task *t)
{
    n_runs++;
}

static int begin_bodies(void **state)
{
    task = (struct rt_task){.run = on_run};
    return begin(state);
}

/* ---- bytes of bodies: those of a stream that its seed and place alone make */

static char byte_of(unsigned seed, uint64_t at)
{
    return (char)(((at + 1) * (2654435761u + seed * 7919u)) >> 7);
}

static void fill(char *to, unsigned seed, uint64_t from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = byte_of(seed, from + i);
}

static struct str digest_of(unsigned seed, uint64_t n)
{
    static unsigned char digest[4][STORE_DIGEST_BYTES];
    static unsigned next;
    unsigned char *to = digest[next++ % 4];
    char part[4096];
    EVP_MD_CTX *h = EVP_MD_CTX_new();
    assert_true(h && EVP_DigestInit_ex(h, EVP_sha256(), NULL) == 1);
    for (uint64_t at = 0; at < n; at += sizeof part) {
        size_t m = n - at < sizeof part ? (size_t)(n - at) : sizeof part;
        fill(part, seed, at, m);
        EVP_DigestUpdate(h, part, m);
    }
    EVP_DigestFinal_ex(h, to, NULL);
    EVP_MD_CTX_free(h);
    return (struct str){(const char *)to, STORE_DIGEST_BYTES};
}

static const char *path_of_blob(struct str digest)
{
    char name[100] = "blobs/";
    int n = 6 + snprintf(name + 6, 4, "%02x/", (unsigned char)digest.p[0]);
    for (size_t i = 0; i < digest.n; i++)
        n += snprintf(name + n, 3, "%02x", (unsigned char)digest.p[i]);
    return path_of(name);
}

static bool file_of(struct str digest)
{
    return access(path_of_blob(digest), F_OK) == 0;
}

static size_t count_parts(void)
{
    DIR *d = opendir(path_of("parts"));
    size_t n = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

/* ---- writing */

static struct store_writer *writer(struct str digest, uint64_t bytes)
{
    struct store_writer *w;
    struct store_writer_want want = {loop, &task, digest, bytes};
    assert_int_equal(store_writer_create(&w, store, &want), 0);
    return w;
}

static void turn_until(struct store_writer *w, enum store_writer_state state)
{
    time_t until = time(NULL) + 60;
    while (store_writer_state(w) != state && store_writer_state(w) != STORE_WRITER_FAILED &&
           time(NULL) < until)
        rt_loop_turn(loop, 1000);
    assert_int_equal(store_writer_state(w), state);
}

/* Puts bytes until the body has `until` of them, or it fails. */
static void put_until(struct store_writer *w, unsigned seed, uint64_t until)
{
    static char more[100000];
    uint64_t at;
    while ((at = store_writer_bytes(w)) < until && store_writer_state(w) != STORE_WRITER_FAILED) {
        size_t n = until - at < sizeof more ? (size_t)(until - at) : sizeof more;
        fill(more, seed, at, n);
        if (store_writer_put(w, (struct str){more, n}) == 0 &&
            store_writer_state(w) != STORE_WRITER_FAILED)
            rt_loop_turn(loop, 1000);
    }
}

static struct store_entry entry_with(uint64_t n, struct str digest, uint64_t bytes)
{
    struct store_entry e = entry_of(1, n);
    e.body = digest;
    e.body_bytes = bytes;
    return e;
}

/* Writes a body of a known size and an operation that names it. */
static struct str write_body(uint64_t n_op, unsigned seed, uint64_t n)
{
    struct store_writer *w = writer(STR_NULL, n);
    put_until(w, seed, n);
    store_writer_end(w);
    turn_until(w, STORE_WRITER_WHOLE);
    struct store_batch *b = batch();
    struct store_entry e = entry_with(n_op, store_writer_digest(w), n);
    store_writer_commit(w, b);
    store_entry_put(b, &e);
    assert_int_equal(run_once(&b), 0);
    store_writer_destroy(&w);
    return digest_of(seed, n);
}

static int drop_body(uint64_t n_op)
{
    struct store_entry e = entry_of(1, n_op);
    struct store_batch *b = batch();
    store_entry_put(b, &e);
    return run_once(&b);
}

/* The store's thread removes the files of bodies that nobody names after it has said that the batch
 * is done, and before it begins another one. */
static void finish(void)
{
    struct store_batch *b = batch();
    store_ask_blobs_lacking(b, &(struct store_by_digest){STR("")}, 1);
    assert_int_equal(run_once(&b), 0);
}

/* ---- reading */

/* What store_reader_end says at the end; the bytes are checked. */
static int read_body(struct str digest, unsigned seed, uint64_t offset, uint64_t *n)
{
    struct store_reader *r;
    time_t until = time(NULL) + 60;
    assert_int_equal(store_reader_create(&r, store, loop, &task, digest, offset), 0);
    *n = 0;
    int end;
    while ((end = store_reader_end(r)) == 0 && time(NULL) < until) {
        struct str bytes = store_reader_peek(r);
        if (bytes.n == 0)
            rt_loop_turn(loop, 1000);
        for (size_t i = 0; i < bytes.n; i++)
            if (bytes.p[i] != byte_of(seed, offset + *n + i))
                fail_msg("byte %llu differs", (unsigned long long)(offset + *n + i));
        *n += bytes.n;
        store_reader_take(r, bytes.n);
    }
    store_reader_destroy(&r);
    return end;
}

static void test_a_body_comes_back(void **state)
{
    static const uint64_t sizes[] = {0,      1,      STORE_INLINE_BYTES - 1, STORE_INLINE_BYTES,
                                     4097,   65536,  STORE_BLOB_WINDOW,      STORE_BLOB_WINDOW + 1,
                                     700000, 5000001};
    uint64_t n;
    for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
        struct str digest = write_body(i + 1, i, sizes[i]);
        assert_int_equal(file_of(digest), sizes[i] > STORE_INLINE_BYTES);
        assert_int_equal(read_body(digest, i, 0, &n), 1);
        assert_int_equal(n, sizes[i]);
        assert_int_equal(read_body(digest, i, sizes[i] / 2, &n), 1);
        assert_int_equal(n, sizes[i] - sizes[i] / 2);
        assert_int_equal(read_body(digest, i, sizes[i] + 1, &n), ERR_NOT_FOUND);
    }
    assert_int_equal(count_parts(), 0);
}

static void test_its_size_need_not_be_known(void **state)
{
    static const uint64_t sizes[] = {10, STORE_INLINE_BYTES, 1000000};
    uint64_t n;
    for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
        struct store_writer *w = writer(STR_NULL, STORE_BYTES_UNKNOWN);
        struct store_batch *b = batch();
        put_until(w, i, sizes[i]);
        store_writer_end(w);
        turn_until(w, STORE_WRITER_WHOLE);
        assert_int_equal(store_writer_bytes(w), sizes[i]);
        assert_true(str_eq(store_writer_digest(w), digest_of(i, sizes[i])));
        struct store_entry e = entry_with(i + 1, store_writer_digest(w), sizes[i]);
        store_writer_commit(w, b);
        store_entry_put(b, &e);
        assert_int_equal(run_once(&b), 0);
        store_writer_destroy(&w);
        assert_int_equal(read_body(digest_of(i, sizes[i]), i, 0, &n), 1);
    }
    assert_int_equal(counter_get(&store_stats(store)->blob_bytes), 1000000);
}

static void test_what_was_never_written_is_not_found(void **state)
{
    uint64_t n;
    assert_int_equal(read_body(digest_of(1, 10), 1, 0, &n), ERR_NOT_FOUND);
}

/* As soon as the last one of that digest is closed. */
static struct store_writer *next_writer(struct str digest, uint64_t bytes)
{
    struct store_writer *w;
    struct store_writer_want want = {loop, &task, digest, bytes};
    time_t until = time(NULL) + 60;
    int rc;
    while ((rc = store_writer_create(&w, store, &want)) == ERR_OVERLOADED && time(NULL) < until)
        rt_loop_turn(loop, 1);
    assert_int_equal(rc, 0);
    return w;
}

/* A peer's body breaks off: what came is kept, over a restart too, and the next one goes on. */
static void go_on(uint64_t total, uint64_t first, bool restarts)
{
    uint64_t n;
    struct str digest = digest_of(3, total);
    struct store_batch *b = batch();
    struct store_entry e = entry_with(1, digest, total);
    store_entry_put(b, &e);
    assert_int_equal(run_once(&b), 0);
    struct store_writer *w = writer(digest, total);
    turn_until(w, STORE_WRITER_TAKING);
    put_until(w, 3, first);
    store_writer_destroy(&w);
    if (restarts) {
        close_store();
        open_store();
    }
    w = next_writer(digest, total);
    turn_until(w, STORE_WRITER_TAKING);
    assert_in_range(store_writer_bytes(w), 1, first);
    put_until(w, 3, total);
    store_writer_end(w);
    turn_until(w, STORE_WRITER_WHOLE);
    b = batch();
    store_writer_commit(w, b);
    store_ask_blobs_lacking(b, &(struct store_by_digest){STR("")}, 9);
    assert_int_equal(run(b), 0);
    assert_int_equal(b->answers[0].n, 0);
    store_batch_destroy(&b);
    store_writer_destroy(&w);
    assert_int_equal(read_body(digest, 3, 0, &n), 1);
    assert_int_equal(n, total);
    assert_int_equal(count_parts(), 0);
    assert_int_equal(counter_get(&store_stats(store)->blob_bytes), total);
}

static void test_a_body_goes_on_where_it_broke_off(void **state)
{
    go_on(3000000, 1234567, false);
}

static void test_a_body_goes_on_after_a_restart(void **state)
{
    go_on(3000000, 1234567, true);
}

/* An operation may name a body before it is here. */
static void test_a_body_that_lacks_is_listed(void **state)
{
    struct str digest = digest_of(1, 5000);
    uint64_t n;
    struct store_batch *b = batch();
    struct store_entry e = entry_with(1, digest, 5000);
    store_entry_put(b, &e);
    store_ask_blobs_lacking(b, &(struct store_by_digest){STR("")}, 9);
    assert_int_equal(run(b), 0);
    const struct store_blob *blob = b->answers[0].rows;
    assert_int_equal(b->answers[0].n, 1);
    assert_true(str_eq(blob->digest, digest));
    assert_int_equal(blob->bytes, 5000);
    store_batch_destroy(&b);
    assert_int_equal(read_body(digest, 1, 0, &n), ERR_NOT_FOUND);
}

static void test_a_body_that_is_here_is_not_asked_for_again(void **state)
{
    struct str digest = write_body(1, 1, 100000);
    struct store_writer *w = next_writer(digest, 100000);
    turn_until(w, STORE_WRITER_WHOLE);
    assert_int_equal(store_writer_bytes(w), 100000);
    store_writer_destroy(&w);
    write_body(2, 1, 100000); /* and one whose digest was not known is kept once */
    assert_int_equal(counter_get(&store_stats(store)->blobs), 1);
}

static void test_one_writer_a_digest(void **state)
{
    struct store_writer *w = writer(digest_of(1, 100000), 100000), *other;
    struct store_writer_want want = {loop, &task, digest_of(1, 100000), 100000};
    assert_int_equal(store_writer_create(&other, store, &want), ERR_OVERLOADED);
    store_writer_destroy(&w);
}

/* ---- what is wrong */

static void wrong(uint64_t wanted, uint64_t sent, unsigned seed)
{
    uint64_t n;
    struct str digest = digest_of(1, wanted);
    struct store_writer *w = next_writer(digest, wanted);
    if (wanted > STORE_INLINE_BYTES)
        turn_until(w, STORE_WRITER_TAKING);
    put_until(w, seed, sent);
    store_writer_end(w);
    turn_until(w, STORE_WRITER_FAILED);
    assert_int_equal(store_writer_error(w), ERR_CORRUPT);
    store_writer_destroy(&w);
    assert_int_equal(read_body(digest, 1, 0, &n), ERR_NOT_FOUND);
}

static void test_a_body_that_is_another_is_refused(void **state)
{
    wrong(100000, 100000, 2);
    wrong(100000, 99999, 1);
    wrong(100000, 100001, 1);
    wrong(10, 10, 2);
    wrong(10, 9, 1);
    wrong(10, 11, 1);
    close_store();
    assert_int_equal(count_parts(), 0);
    open_store();
    assert_int_equal(counter_get(&store_stats(store)->blob_bytes), 0);
}

static void spoil(struct str digest)
{
    int fd = open(path_of_blob(digest), O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "!", 1, 777), 1);
    close(fd);
}

static void test_a_spoilt_file_is_found_out_and_lacks(void **state)
{
    struct store_reader *r;
    struct str digest = write_body(1, 1, 100000);
    spoil(digest);
    assert_int_equal(store_reader_create(&r, store, loop, &task, digest, 0), 0);
    time_t until = time(NULL) + 60;
    while (store_reader_end(r) == 0 && time(NULL) < until) {
        store_reader_take(r, store_reader_peek(r).n);
        rt_loop_turn(loop, 100);
    }
    assert_int_equal(store_reader_end(r), ERR_CORRUPT);
    store_reader_destroy(&r);
    assert_false(file_of(digest));
    struct store_batch *b = batch();
    store_ask_blobs_lacking(b, &(struct store_by_digest){STR("")}, 9);
    assert_int_equal(run(b), 0);
    assert_int_equal(b->answers[0].n, 1);
    store_batch_destroy(&b);
    assert_true(counter_get(&store_stats(store)->errors) >= 1);
}

/* ---- limits */

static int try_writer(uint64_t bytes)
{
    struct store_writer *w;
    struct store_writer_want want = {loop, &task, STR_NULL, bytes};
    int rc = store_writer_create(&w, store, &want);
    if (rc == 0)
        store_writer_destroy(&w);
    return rc;
}

static void test_a_body_over_the_limit_is_refused_before_it_comes(void **state)
{
    close_store();
    config.max_body = 10000;
    open_store();
    assert_int_equal(try_writer(10000), 0);
    assert_int_equal(try_writer(10001), ERR_BODY_TOO_LARGE);
    assert_int_equal(err_status(ERR_BODY_TOO_LARGE), 413);
    struct store_writer *w = writer(STR_NULL, STORE_BYTES_UNKNOWN);
    put_until(w, 1, 10000);
    assert_int_equal(store_writer_error(w), 0);
    put_until(w, 1, 10001);
    assert_int_equal(store_writer_error(w), ERR_BODY_TOO_LARGE);
    store_writer_destroy(&w);
}

static void test_the_space_of_bodies_is_bounded(void **state)
{
    close_store();
    config.blob_space = 100000;
    open_store();
    struct str digest = write_body(1, 1, 60000);
    assert_int_equal(try_writer(40001), ERR_DISK_FULL);
    assert_int_equal(err_status(ERR_DISK_FULL), 507);
    assert_int_equal(try_writer(STORE_INLINE_BYTES), 0); /* it is not in a file */
    struct store_writer *w = writer(STR_NULL, STORE_BYTES_UNKNOWN);
    put_until(w, 2, 40000);
    assert_int_equal(store_writer_error(w), 0);
    assert_int_equal(try_writer(5000), ERR_DISK_FULL);
    put_until(w, 2, 40001);
    assert_int_equal(store_writer_error(w), ERR_DISK_FULL);
    store_writer_destroy(&w);
    assert_int_equal(drop_body(1), 0); /* gives its space back */
    finish();
    assert_false(file_of(digest));
    write_body(2, 2, 99000);
}

/* ---- who names a body */

static void test_a_body_stays_as_long_as_something_names_it(void **state)
{
    struct str digest = write_body(1, 1, 50000);
    struct store_batch *b = batch();
    struct store_entry e = entry_with(2, digest, 50000), third = e;
    store_entry_put(b, &e);
    store_entry_put(b, &e); /* twice is once */
    third.n = 3;
    store_entry_put(b, &third);
    assert_int_equal(run_once(&b), 0);
    assert_int_equal(drop_body(1), 0);
    assert_int_equal(drop_body(1), 0);
    assert_true(file_of(digest));
    b = batch();
    struct store_by_entry key = key_of(&e);
    store_entry_remove(b, &key);
    assert_int_equal(run_once(&b), 0);
    assert_true(file_of(digest));
    b = batch();
    third.body = STR_NULL;
    store_entry_put(b, &third);
    assert_int_equal(run_once(&b), 0);
    finish();
    assert_false(file_of(digest));
    assert_int_equal(counter_get(&store_stats(store)->blobs), 0);
}

static void test_a_record_goes_with_its_bodies(void **state)
{
    struct str digest = write_body(1, 1, 50000);
    struct store_batch *b = batch();
    struct store_record r = record_of(1, "v");
    store_record_put(b, &r);
    store_record_remove(b, &(struct store_by_record){id_of(1)});
    assert_int_equal(run_once(&b), 0);
    finish();
    assert_false(file_of(digest));
}

/* A writer holds what it has written until it is destroyed; then it goes, if nothing names it. */
static void test_a_body_that_nothing_came_to_name_goes(void **state)
{
    struct str digest = digest_of(1, 50000);
    struct store_writer *w = writer(STR_NULL, 50000);
    put_until(w, 1, 50000);
    store_writer_end(w);
    turn_until(w, STORE_WRITER_WHOLE);
    struct store_batch *b = batch();
    store_writer_commit(w, b);
    assert_int_equal(run_once(&b), 0);
    assert_true(file_of(digest));
    store_writer_destroy(&w);
    close_store();
    assert_false(file_of(digest));
    open_store();
}

/* ---- what a crash leaves */

static void make_file(const char *name)
{
    int fd = open(path_of(name), O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0 && write(fd, "x", 1) == 1);
    close(fd);
}

/* What the database says of a store that was not closed. */
static void say_it_crashed(void)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path_of("store.db"), &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "UPDATE meta SET value=0 WHERE name='closed'", NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_changes(db), 1);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_what_a_crash_left_goes(void **state)
{
    struct str digest = write_body(1, 1, 50000);
    make_file("blobs/ab/abcdef");
    make_file("blobs/00/0000000000000000000000000000000000000000000000000000000000000000");
    make_file("parts/new-17");
    make_file("parts/1111111111111111111111111111111111111111111111111111111111111111");
    close_store(); /* a store that was closed is not looked through */
    open_store();
    assert_true(exists("blobs/ab/abcdef"));
    assert_int_equal(count_parts(), 0);
    close_store();
    say_it_crashed();
    open_store();
    assert_false(exists("blobs/ab/abcdef"));
    assert_false(
        exists("blobs/00/0000000000000000000000000000000000000000000000000000000000000000"));
    assert_true(file_of(digest));
    uint64_t n;
    assert_int_equal(read_body(digest, 1, 0, &n), 1);
}

static void test_a_file_that_has_gone_lacks(void **state)
{
    struct str digest = write_body(1, 1, 50000);
    uint64_t n;
    close_store();
    unlink(path_of_blob(digest));
    say_it_crashed();
    open_store();
    assert_int_equal(read_body(digest, 1, 0, &n), ERR_NOT_FOUND);
    assert_int_equal(counter_get(&store_stats(store)->blob_bytes), 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin_bodies, end)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(test_a_body_comes_back),
        CASE(test_its_size_need_not_be_known),
        CASE(test_what_was_never_written_is_not_found),
        CASE(test_a_body_goes_on_where_it_broke_off),
        CASE(test_a_body_goes_on_after_a_restart),
        CASE(test_a_body_that_lacks_is_listed),
        CASE(test_a_body_that_is_here_is_not_asked_for_again),
        CASE(test_one_writer_a_digest),
        CASE(test_a_body_that_is_another_is_refused),
        CASE(test_a_spoilt_file_is_found_out_and_lacks),
        CASE(test_a_body_over_the_limit_is_refused_before_it_comes),
        CASE(test_the_space_of_bodies_is_bounded),
        CASE(test_a_body_stays_as_long_as_something_names_it),
        CASE(test_a_record_goes_with_its_bodies),
        CASE(test_a_body_that_nothing_came_to_name_goes),
        CASE(test_what_a_crash_left_goes),
        CASE(test_a_file_that_has_gone_lacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
