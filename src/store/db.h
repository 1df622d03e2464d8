/* store/db.h: the database of a store, without threads: what the store's thread, the restoring of
 * a backup and tests work with.
 *
 * One thread at a time. Changes are made within db_begin and db_commit; a batch of them within
 * db_apply is all or nothing.
 */
#ifndef STORE_DB_H
#define STORE_DB_H

#include "store/store.h"

#include <sqlite3.h>

struct db {
    sqlite3 *sql;
    sqlite3_stmt *verbs[STORE_VERBS];
    sqlite3_stmt *queries[STORE_QUERIES];
    sqlite3_stmt *own[10]; /* enum own of db.c */
    uint64_t page_bytes;
    int log_pages; /* of the write-ahead log after the last commit */
};

/* Opens or makes the file, sets it up, brings it to this version's format. ERR_STORE,
 * ERR_DISK_FULL, ERR_NO_MEMORY. */
int db_open(struct db *db, const char *path, struct diag *d) MUST_USE;
void db_close(struct db *db);

int db_begin(struct db *db) MUST_USE;
/* ERR_DISK_FULL or ERR_STORE: nothing of it counts; the transaction is over. */
int db_commit(struct db *db) MUST_USE;
void db_rollback(struct db *db);
/* The changes of a batch, within a transaction. On an error none of them is made; when the
 * transaction itself was lost, *is_lost is set. */
int db_apply(struct db *db, const struct store_batch *b, bool *is_lost) MUST_USE;
/* Fills b->answers. */
int db_answer(struct db *db, struct store_batch *b) MUST_USE;
/* Moves the write-ahead log into the database. */
int db_checkpoint(struct db *db) MUST_USE;
/* Takes the next body that nothing names, but for those up to `after`, out of the database, within
 * a transaction. 1: *digest is set; 0: there is none. */
int db_next_unnamed(struct db *db, const uint8_t after[STORE_DIGEST_BYTES],
                    uint8_t digest[STORE_DIGEST_BYTES], bool *has_file, uint64_t *bytes) MUST_USE;
int db_remove_blob(struct db *db, const uint8_t digest[STORE_DIGEST_BYTES]) MUST_USE;

/* Values of the table meta. ERR_NOT_FOUND. */
int db_get_number(struct db *db, const char *name, uint64_t *out) MUST_USE;
int db_set_number(struct db *db, const char *name, uint64_t value) MUST_USE;
int db_get_text(struct db *db, const char *name, struct arena *a, struct str *out) MUST_USE;
int db_set_text(struct db *db, const char *name, struct str value) MUST_USE;

/* The code of err.def for a result of SQLite; 0 for SQLITE_OK, _ROW and _DONE. */
int db_code(const struct db *db, int rc);
uint64_t db_bytes(const struct db *db);

/* ---- rows (batch.c) */

enum store_field_kind { STORE_FIELD_TEXT, STORE_FIELD_BYTES, STORE_FIELD_NUMBER };

struct store_field {
    const char *name;
    enum store_field_kind kind;
    size_t offset;
};

struct store_shape {
    const struct store_field *fields;
    size_t n, size;
};

struct store_verb_row {
    const char *name, *sql;
    const struct store_shape *shape;
};

struct store_query_row {
    const char *name, *sql;
    const struct store_shape *in, *out;
};

extern const struct store_verb_row store_verb_rows[STORE_VERBS];
extern const struct store_query_row store_query_rows[STORE_QUERIES];

#endif
