/* What a crash left over: files that nothing names, parts that are of no use, bodies that are said
 * to be here and are not. A store that was closed has none of it but parts. */
#include "base/check.h"
#include "store/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_DIGESTS 512 /* read from the database at once */

struct recovery {
    struct store *store;
    sqlite3_stmt *find, *files, *lost, *sum;
    struct diag *d;
};

static int fail(const struct recovery *r, const char *what)
{
    return diag_set(r->d, ERR_STORE, "%s: %s", what, sqlite3_errmsg(r->store->db.sql));
}

static int prepare(struct recovery *r)
{
    static const char *const sql[] = {
        "SELECT is_whole AND content IS NULL, refs FROM blob WHERE digest=?1",
        ("SELECT digest FROM blob WHERE is_whole AND content IS NULL AND digest>?1"
         " ORDER BY digest LIMIT ?2"),
        "UPDATE blob SET is_whole=0 WHERE digest=?1",
        "SELECT coalesce(sum(bytes),0),count(*) FROM blob WHERE is_whole AND content IS NULL",
    };
    sqlite3_stmt **to[] = {&r->find, &r->files, &r->lost, &r->sum};
    for (size_t i = 0; i < COUNT_OF(sql); i++)
        if (sqlite3_prepare_v2(r->store->db.sql, sql[i], -1, to[i], NULL) != SQLITE_OK)
            return fail(r, "bodies cannot be looked for");
    return 0;
}

/* has_file: the database says that it is in a file. */
static int find_blob(struct recovery *r, const uint8_t *digest, bool *has_file, bool *is_named)
{
    *has_file = *is_named = false;
    sqlite3_bind_blob(r->find, 1, digest, STORE_DIGEST_BYTES, SQLITE_STATIC);
    int rc = sqlite3_step(r->find);
    if (rc == SQLITE_ROW) {
        *has_file = sqlite3_column_int(r->find, 0) != 0;
        *is_named = sqlite3_column_int64(r->find, 1) > 0;
    }
    sqlite3_reset(r->find);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : fail(r, "a body cannot be looked for");
}

/* Calls check for each file of a folder; it says whether it stays. */
static int for_each_file(struct recovery *r, int at, const char *folder,
                         int (*check)(struct recovery *r, int fd, const char *name, bool *stays))
{
    int fd = openat(at, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return diag_set(r->d, ERR_SYSTEM, "the store's folder %s cannot be read: %s", folder,
                        strerrordesc_np(errno));
    }
    int rc = 0;
    for (struct dirent *e; rc == 0 && (e = readdir(dir));) {
        bool stays = true;
        if (e->d_name[0] != '.')
            rc = check(r, fd, e->d_name, &stays);
        if (rc == 0 && !stays)
            (void)unlinkat(fd, e->d_name, 0);
    }
    closedir(dir);
    return rc;
}

/* A part of a body that an operation waits for goes on; it counts as space in use. */
static int check_part(struct recovery *r, int fd, const char *name, bool *stays)
{
    uint8_t digest[STORE_DIGEST_BYTES];
    struct stat st;
    bool has_file = false, is_named = false;
    int rc = blob_digest(name, digest) ? find_blob(r, digest, &has_file, &is_named) : 0;
    *stays = is_named && !has_file && fstatat(fd, name, &st, 0) == 0 &&
             blobs_reserve(&r->store->blobs, (uint64_t)st.st_size) == 0;
    return rc;
}

static int check_file(struct recovery *r, int fd, const char *name, bool *stays)
{
    uint8_t digest[STORE_DIGEST_BYTES];
    bool is_named = false;
    *stays = false;
    return blob_digest(name, digest) ? find_blob(r, digest, stays, &is_named) : 0;
}

static int check_files(struct recovery *r)
{
    char shard[4];
    int rc = 0;
    for (unsigned i = 0; i < 256 && rc == 0; i++) {
        snprintf(shard, sizeof shard, "%02x", i);
        rc = for_each_file(r, r->store->folder.blobs_fd, shard, check_file);
    }
    return rc;
}

static bool is_there(const struct store *s, const uint8_t *digest)
{
    char name[BLOB_NAME_BYTES];
    blob_name(digest, name);
    return faccessat(s->folder.blobs_fd, name, F_OK, 0) == 0;
}

static int mark_lost(struct recovery *r, const uint8_t *digest)
{
    store_report(r->store, "the file of a body has gone");
    sqlite3_bind_blob(r->lost, 1, digest, STORE_DIGEST_BYTES, SQLITE_STATIC);
    int rc = sqlite3_step(r->lost);
    sqlite3_reset(r->lost);
    return rc == SQLITE_DONE ? 0 : fail(r, "a body that is lost cannot be noted");
}

/* The next digests that should have a file, after the last of them. */
static int read_digests(struct recovery *r, uint8_t (*digests)[STORE_DIGEST_BYTES],
                        const uint8_t *after, size_t *n)
{
    int rc;
    *n = 0;
    sqlite3_bind_blob(r->files, 1, after, STORE_DIGEST_BYTES, SQLITE_TRANSIENT);
    sqlite3_bind_int(r->files, 2, MAX_DIGESTS);
    while ((rc = sqlite3_step(r->files)) == SQLITE_ROW)
        memcpy(digests[(*n)++], sqlite3_column_blob(r->files, 0), STORE_DIGEST_BYTES);
    sqlite3_reset(r->files);
    return rc == SQLITE_DONE ? 0 : fail(r, "bodies cannot be listed");
}

static int check_rows(struct recovery *r)
{
    uint8_t digests[MAX_DIGESTS][STORE_DIGEST_BYTES];
    uint8_t after[STORE_DIGEST_BYTES] = {0};
    size_t n;
    int rc;
    do {
        rc = read_digests(r, digests, after, &n);
        for (size_t i = 0; i < n && rc == 0; i++)
            if (!is_there(r->store, digests[i]))
                rc = mark_lost(r, digests[i]);
        if (n)
            memcpy(after, digests[n - 1], sizeof after);
    } while (rc == 0 && n == MAX_DIGESTS);
    return rc;
}

static int count_space(struct recovery *r)
{
    struct store *s = r->store;
    if (sqlite3_step(r->sum) != SQLITE_ROW)
        return fail(r, "bodies cannot be counted");
    uint64_t bytes = (uint64_t)sqlite3_column_int64(r->sum, 0);
    counter_add(&s->stats.blobs, (uint64_t)sqlite3_column_int64(r->sum, 1));
    sqlite3_reset(r->sum);
    s->blobs.used += bytes; /* also over a limit that was lowered */
    counter_add(&s->stats.blob_bytes, bytes);
    return 0;
}

static int run(struct recovery *r, bool was_closed)
{
    int rc = prepare(r);
    if (rc == 0 && !was_closed)
        rc = check_files(r);
    if (rc == 0 && !was_closed)
        rc = check_rows(r);
    if (rc == 0)
        rc = for_each_file(r, r->store->folder.fd, "parts", check_part);
    if (rc == 0)
        rc = count_space(r);
    return rc;
}

int recover(struct store *s, bool was_closed, struct diag *d)
{
    struct recovery r = {.store = s, .d = d};
    int rc = run(&r, was_closed);
    sqlite3_stmt *all[] = {r.find, r.files, r.lost, r.sum};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        sqlite3_finalize(all[i]);
    return rc;
}
