#include "store/db.h"
#include "base/check.h"
#include "store/schema.h"

#include <errno.h>
#include <stdio.h>

enum own {
    OWN_BEGIN,
    OWN_COMMIT,
    OWN_SAVE,
    OWN_RELEASE,
    OWN_BACK,
    OWN_UNNAMED,
    OWN_REMOVE_BLOB,
    OWN_GET,
    OWN_SET,
    OWN_PAGES,
    OWN_COUNT
};

static const char *const own_sql[OWN_COUNT] = {
    [OWN_BEGIN] = "BEGIN IMMEDIATE",
    [OWN_COMMIT] = "COMMIT",
    [OWN_SAVE] = "SAVEPOINT batch",
    [OWN_RELEASE] = "RELEASE batch",
    [OWN_BACK] = "ROLLBACK TO batch",
    [OWN_UNNAMED] = ("SELECT digest,content IS NULL AND is_whole,bytes FROM blob"
                     " WHERE refs=0 AND digest>?1 ORDER BY digest LIMIT 1"),
    [OWN_REMOVE_BLOB] = "DELETE FROM blob WHERE digest=?1 AND refs=0",
    [OWN_GET] = "SELECT value FROM meta WHERE name=?1",
    [OWN_SET] = "INSERT OR REPLACE INTO meta VALUES(?1,?2)",
    [OWN_PAGES] = "PRAGMA page_count",
};
_Static_assert(OWN_COUNT == COUNT_OF(((struct db *)0)->own), "struct db has room for all of them");

int db_code(const struct db *db, int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_FULL:
        return ERR_DISK_FULL;
    case SQLITE_NOMEM:
        return ERR_NO_MEMORY;
    case SQLITE_TOOBIG:
        return ERR_INVALID;
    case SQLITE_CONSTRAINT:
        return rc == SQLITE_CONSTRAINT_PRIMARYKEY || rc == SQLITE_CONSTRAINT_UNIQUE ? ERR_EXISTS
                                                                                    : ERR_INVALID;
    case SQLITE_IOERR: {
        int error = sqlite3_system_errno(db->sql);
        return error == ENOSPC || error == EDQUOT ? ERR_DISK_FULL : ERR_STORE;
    }
    default:
        return ERR_STORE;
    }
}

/* Steps a statement that gives no row, and makes it ready for the next time. */
static int run(struct db *db, sqlite3_stmt *stmt)
{
    int rc = sqlite3_step(stmt);
    sqlite3_reset(stmt);
    return db_code(db, rc);
}

/* ---- opening */

static int fail(struct db *db, int rc, const char *what, struct diag *d)
{
    int code = db_code(db, rc);
    return diag_set(d, code ? code : ERR_STORE, "%s: %s", what,
                    db->sql ? sqlite3_errmsg(db->sql) : sqlite3_errstr(rc));
}

static int on_commit(void *context, sqlite3 *sql, const char *name, int pages)
{
    ((struct db *)context)->log_pages = pages;
    return SQLITE_OK;
}

static int get_pragma(struct db *db, const char *sql, int64_t *out)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db->sql, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Locked for as long as it is open: no index of the log in shared memory, and no other program. */
static int set_up(struct db *db)
{
    int rc = sqlite3_exec(db->sql,
                          "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;"
                          "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;"
                          "PRAGMA cache_size=-16384; PRAGMA temp_store=MEMORY;",
                          NULL, NULL, NULL);
    int64_t bytes = 0;
    if (rc == SQLITE_OK)
        rc = get_pragma(db, "PRAGMA page_size", &bytes);
    db->page_bytes = (uint64_t)bytes;
    sqlite3_wal_hook(db->sql, on_commit, db);
    return rc;
}

static int upgrade(struct db *db, int64_t version)
{
    char text[80];
    int rc = sqlite3_exec(db->sql, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    for (int64_t i = version; i < STORE_SCHEMA_VERSION && rc == SQLITE_OK; i++)
        rc = sqlite3_exec(db->sql, store_schema_steps[i], NULL, NULL, NULL);
    snprintf(text, sizeof text, "PRAGMA user_version=%d; PRAGMA application_id=%d; COMMIT",
             STORE_SCHEMA_VERSION, STORE_APPLICATION_ID);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db->sql, text, NULL, NULL, NULL);
    return rc;
}

static int check_format(struct db *db, const char *path, struct diag *d)
{
    int64_t id = 0, version = 0, objects = 0;
    int rc = get_pragma(db, "PRAGMA application_id", &id);
    if (rc == SQLITE_OK)
        rc = get_pragma(db, "PRAGMA user_version", &version);
    if (rc == SQLITE_OK)
        rc = get_pragma(db, "SELECT count(*) FROM sqlite_schema", &objects);
    if (rc != SQLITE_OK)
        return fail(db, rc, path, d);
    if (objects > 0 && id != STORE_APPLICATION_ID) {
        diag_set(d, ERR_STORE, "%s is a database, but not one of Cheops", path);
        diag_hint(d, "give the store a folder of its own");
        return ERR_STORE;
    }
    if (version > STORE_SCHEMA_VERSION || version < 0) {
        diag_set(d, ERR_STORE, "%s has format %lld, and this cheopsd knows those up to %d", path,
                 (long long)version, STORE_SCHEMA_VERSION);
        diag_hint(d, "run the cheopsd that wrote it, or a newer one");
        return ERR_STORE;
    }
    rc = version < STORE_SCHEMA_VERSION ? upgrade(db, version) : SQLITE_OK;
    return rc == SQLITE_OK ? 0 : fail(db, rc, path, d);
}

static int prepare(struct db *db, const char *sql, sqlite3_stmt **out)
{
    return sqlite3_prepare_v3(db->sql, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
}

static int prepare_all(struct db *db)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; i < STORE_VERBS && rc == SQLITE_OK; i++)
        rc = prepare(db, store_verb_rows[i].sql, &db->verbs[i]);
    for (size_t i = 0; i < STORE_QUERIES && rc == SQLITE_OK; i++)
        rc = prepare(db, store_query_rows[i].sql, &db->queries[i]);
    for (size_t i = 0; i < OWN_COUNT && rc == SQLITE_OK; i++)
        rc = prepare(db, own_sql[i], &db->own[i]);
    return rc;
}

int db_open(struct db *db, const char *path, struct diag *d)
{
    *db = (struct db){0};
    int flags =
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int rc = sqlite3_open_v2(path, &db->sql, flags, NULL);
    if (rc == SQLITE_OK)
        rc = set_up(db);
    int code = rc == SQLITE_OK ? check_format(db, path, d) : fail(db, rc, path, d);
    if (code == 0) {
        rc = prepare_all(db);
        code = rc == SQLITE_OK ? 0 : fail(db, rc, path, d);
    }
    if (code < 0)
        db_close(db);
    return code;
}

static void finalize(sqlite3_stmt **statements, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        sqlite3_finalize(statements[i]);
        statements[i] = NULL;
    }
}

void db_close(struct db *db)
{
    finalize(db->verbs, STORE_VERBS);
    finalize(db->queries, STORE_QUERIES);
    finalize(db->own, OWN_COUNT);
    CHECK(sqlite3_close(db->sql) == SQLITE_OK);
    db->sql = NULL;
}

/* ---- transactions */

int db_begin(struct db *db)
{
    return run(db, db->own[OWN_BEGIN]);
}

void db_rollback(struct db *db)
{
    if (!sqlite3_get_autocommit(db->sql))
        (void)sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
}

int db_commit(struct db *db)
{
    int rc = run(db, db->own[OWN_COMMIT]);
    if (rc < 0)
        db_rollback(db);
    return rc;
}

/* A busy reader is none here: the one that reads is this connection. */
int db_checkpoint(struct db *db)
{
    int rc = sqlite3_wal_checkpoint_v2(db->sql, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL);
    if (rc == SQLITE_OK)
        db->log_pages = 0;
    return db_code(db, rc);
}

/* ---- rows in and out */

static int bind_str(sqlite3_stmt *stmt, int at, enum store_field_kind kind, struct str s)
{
    if (!s.p)
        return sqlite3_bind_null(stmt, at);
    return kind == STORE_FIELD_TEXT
               ? sqlite3_bind_text64(stmt, at, s.p, s.n, SQLITE_STATIC, SQLITE_UTF8)
               : sqlite3_bind_blob64(stmt, at, s.p, s.n, SQLITE_STATIC);
}

static int bind_row(sqlite3_stmt *stmt, const struct store_shape *shape, const void *row)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; i < shape->n && rc == SQLITE_OK; i++) {
        const struct store_field *f = &shape->fields[i];
        const void *at = (const char *)row + f->offset;
        if (f->kind == STORE_FIELD_NUMBER)
            rc = sqlite3_bind_int64(stmt, (int)i + 1, (sqlite3_int64) * (const uint64_t *)at);
        else
            rc = bind_str(stmt, (int)i + 1, f->kind, *(const struct str *)at);
    }
    return rc;
}

static struct str column(sqlite3_stmt *stmt, int i)
{
    if (sqlite3_column_type(stmt, i) == SQLITE_NULL)
        return STR_NULL;
    const char *p = sqlite3_column_blob(stmt, i); /* of a text: its bytes, which are UTF-8 */
    return (struct str){p ? p : "", (size_t)sqlite3_column_bytes(stmt, i)};
}

/* What a row needs of an arena beside its place in the array. */
static size_t row_bytes(sqlite3_stmt *stmt, const struct store_shape *shape)
{
    size_t n = 0;
    for (size_t i = 0; i < shape->n; i++)
        if (shape->fields[i].kind != STORE_FIELD_NUMBER)
            n += (size_t)sqlite3_column_bytes(stmt, (int)i) + 32;
    return n;
}

static void read_row(sqlite3_stmt *stmt, const struct store_shape *shape, struct arena *a,
                     char *row)
{
    for (size_t i = 0; i < shape->n; i++) {
        const struct store_field *f = &shape->fields[i];
        void *to = row + f->offset;
        if (f->kind == STORE_FIELD_NUMBER)
            *(uint64_t *)to = (uint64_t)sqlite3_column_int64(stmt, (int)i);
        else
            *(struct str *)to = arena_str(a, column(stmt, (int)i));
    }
}

struct rows {
    char *at;
    size_t n, room;
};

/* Room for one more row and its texts; false: the arena has none. */
static bool make_room(struct rows *r, size_t size, size_t bytes, struct arena *a)
{
    size_t room = r->room ? 2 * r->room : 4;
    if (r->n < r->room)
        return bytes <= a->cap - a->used;
    if (room * size + bytes + 32 > a->cap - a->used)
        return false;
    char *at = arena_alloc(a, room * size);
    if (!at || arena_overflowed(a))
        return false;
    if (r->n)
        memcpy(at, r->at, r->n * size);
    r->at = at;
    r->room = room;
    return true;
}

static int answer(struct db *db, struct store_batch *b, const struct store_ask *q,
                  struct store_answer *out)
{
    const struct store_query_row *row = &store_query_rows[q->query];
    sqlite3_stmt *stmt = db->queries[q->query];
    struct rows rows = {0};
    int rc = bind_row(stmt, row->in, q->in);
    if (rc == SQLITE_OK) /* one more than asked for tells whether there is more */
        rc = sqlite3_bind_int64(stmt, (int)row->in->n + 1, (sqlite3_int64)q->limit + 1);
    int code = db_code(db, rc);
    while (code == 0 && !out->is_more && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        out->is_more = rows.n == q->limit ||
                       !make_room(&rows, row->out->size, row_bytes(stmt, row->out), &b->arena);
        if (out->is_more && rows.n == 0)
            code = ERR_NO_MEMORY;
        if (!out->is_more)
            read_row(stmt, row->out, &b->arena, rows.at + rows.n++ * row->out->size);
    }
    if (code == 0)
        code = db_code(db, rc);
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt); /* they borrow from the batch */
    out->rows = rows.at;
    out->n = rows.n;
    return code;
}

int db_answer(struct db *db, struct store_batch *b)
{
    int rc = 0;
    for (size_t i = 0; i < b->n_asks && rc == 0; i++)
        rc = answer(db, b, &b->asks[i], &b->answers[i]);
    return rc;
}

static int apply(struct db *db, const struct store_change *c)
{
    sqlite3_stmt *stmt = db->verbs[c->verb];
    int rc = bind_row(stmt, store_verb_rows[c->verb].shape, c->what);
    int code = rc == SQLITE_OK ? run(db, stmt) : db_code(db, rc);
    sqlite3_clear_bindings(stmt);
    return code;
}

int db_apply(struct db *db, const struct store_batch *b, bool *is_lost)
{
    int rc = run(db, db->own[OWN_SAVE]);
    for (const struct store_change *c = b->first; c && rc == 0; c = c->next)
        rc = apply(db, c);
    if (rc == 0)
        rc = run(db, db->own[OWN_RELEASE]);
    if (rc < 0) {
        *is_lost = sqlite3_get_autocommit(db->sql) || run(db, db->own[OWN_BACK]) < 0 ||
                   run(db, db->own[OWN_RELEASE]) < 0;
    }
    return rc;
}

/* ---- bodies that nothing names */

int db_next_unnamed(struct db *db, const uint8_t after[STORE_DIGEST_BYTES],
                    uint8_t digest[STORE_DIGEST_BYTES], bool *has_file, uint64_t *bytes)
{
    sqlite3_stmt *stmt = db->own[OWN_UNNAMED];
    int rc = sqlite3_bind_blob(stmt, 1, after, STORE_DIGEST_BYTES, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        struct str bytes_of = column(stmt, 0);
        CHECK(bytes_of.p && bytes_of.n == STORE_DIGEST_BYTES); /* a CHECK of the table */
        memcpy(digest, bytes_of.p, STORE_DIGEST_BYTES);
        *has_file = sqlite3_column_int(stmt, 1) != 0;
        *bytes = (uint64_t)sqlite3_column_int64(stmt, 2);
    }
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    return rc == SQLITE_ROW ? 1 : db_code(db, rc);
}

int db_remove_blob(struct db *db, const uint8_t digest[STORE_DIGEST_BYTES])
{
    sqlite3_stmt *stmt = db->own[OWN_REMOVE_BLOB];
    int rc = sqlite3_bind_blob(stmt, 1, digest, STORE_DIGEST_BYTES, SQLITE_STATIC);
    int code = rc == SQLITE_OK ? run(db, stmt) : db_code(db, rc);
    sqlite3_clear_bindings(stmt);
    return code;
}

/* ---- meta */

/* Leaves the statement on the row. */
static int find_meta(struct db *db, const char *name)
{
    sqlite3_stmt *stmt = db->own[OWN_GET];
    int rc = sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    return rc == SQLITE_DONE ? ERR_NOT_FOUND : db_code(db, rc);
}

int db_get_number(struct db *db, const char *name, uint64_t *out)
{
    int rc = find_meta(db, name);
    if (rc == 0)
        *out = (uint64_t)sqlite3_column_int64(db->own[OWN_GET], 0);
    sqlite3_reset(db->own[OWN_GET]);
    return rc;
}

int db_get_text(struct db *db, const char *name, struct arena *a, struct str *out)
{
    int rc = find_meta(db, name);
    if (rc == 0) {
        *out = arena_str(a, column(db->own[OWN_GET], 0));
        rc = arena_overflowed(a) ? ERR_NO_MEMORY : 0;
    }
    sqlite3_reset(db->own[OWN_GET]);
    return rc;
}

int db_set_number(struct db *db, const char *name, uint64_t value)
{
    sqlite3_stmt *stmt = db->own[OWN_SET];
    int rc = sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(stmt, 2, (sqlite3_int64)value);
    return rc == SQLITE_OK ? run(db, stmt) : db_code(db, rc);
}

int db_set_text(struct db *db, const char *name, struct str value)
{
    sqlite3_stmt *stmt = db->own[OWN_SET];
    int rc = sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = bind_str(stmt, 2, STORE_FIELD_TEXT, value);
    int code = rc == SQLITE_OK ? run(db, stmt) : db_code(db, rc);
    sqlite3_clear_bindings(stmt);
    return code;
}

uint64_t db_bytes(const struct db *db)
{
    sqlite3_stmt *stmt = db->own[OWN_PAGES];
    uint64_t pages = sqlite3_step(stmt) == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_reset(stmt);
    return (pages + (uint64_t)db->log_pages) * db->page_bytes;
}
