/* What a table is for is said in store/rows.def; docs/store-format.md is held to this text by a
 * test. A step is never changed once released: what is new is a step of its own. */
#include "store/schema.h"

#define CREATE_TABLES                                                                              \
    "CREATE TABLE meta(name TEXT PRIMARY KEY NOT NULL, value NOT NULL) WITHOUT ROWID;"             \
    "CREATE TABLE record(record BLOB PRIMARY KEY NOT NULL CHECK(length(record)=16),"               \
    " service TEXT NOT NULL, type TEXT NOT NULL, visible TEXT, scope TEXT NOT NULL,"               \
    " state INTEGER NOT NULL) WITHOUT ROWID;"                                                      \
    "CREATE INDEX record_state ON record(state, record) WHERE state<>0;"                           \
    "CREATE TABLE replica(record BLOB NOT NULL CHECK(length(record)=16), site TEXT NOT NULL,"      \
    " place INTEGER NOT NULL, local TEXT, PRIMARY KEY(record, site)) WITHOUT ROWID;"               \
    "CREATE TABLE entry(record BLOB NOT NULL CHECK(length(record)=16), kind INTEGER NOT NULL,"     \
    " actor INTEGER NOT NULL, n INTEGER NOT NULL, value BLOB NOT NULL,"                            \
    " body BLOB CHECK(body IS NULL OR length(body)=32), body_bytes INTEGER NOT NULL,"              \
    " PRIMARY KEY(record, kind, actor, n)) WITHOUT ROWID;"                                         \
    "CREATE TABLE key(caller BLOB NOT NULL, key TEXT NOT NULL, fingerprint BLOB NOT NULL,"         \
    " record BLOB NOT NULL, status INTEGER NOT NULL, answer BLOB, expires_us INTEGER NOT NULL,"    \
    " PRIMARY KEY(caller, key)) WITHOUT ROWID;"                                                    \
    "CREATE INDEX key_expires ON key(expires_us);"                                                 \
    "CREATE TABLE blob(digest BLOB NOT NULL UNIQUE CHECK(length(digest)=32),"                      \
    " bytes INTEGER NOT NULL, is_whole INTEGER NOT NULL, content BLOB, refs INTEGER NOT NULL);"    \
    "CREATE INDEX blob_unnamed ON blob(digest) WHERE refs=0;"                                      \
    "CREATE INDEX blob_lacking ON blob(digest) WHERE is_whole=0;"

/* Who names a body is counted where it is named, so that no change can forget it. */
#define NAME_BODY                                                                                  \
    " INSERT INTO blob VALUES(NEW.body,NEW.body_bytes,0,NULL,1)"                                   \
    " ON CONFLICT(digest) DO UPDATE SET refs=refs+1;"
#define UNNAME_BODY " UPDATE blob SET refs=refs-1 WHERE digest=OLD.body;"
#define CREATE_TRIGGERS                                                                            \
    "CREATE TRIGGER entry_names AFTER INSERT ON entry WHEN NEW.body IS NOT NULL"                   \
    " BEGIN" NAME_BODY " END;"                                                                     \
    "CREATE TRIGGER entry_unnames AFTER DELETE ON entry WHEN OLD.body IS NOT NULL"                 \
    " BEGIN" UNNAME_BODY " END;"                                                                   \
    "CREATE TRIGGER entry_renames AFTER UPDATE OF body ON entry"                                   \
    " WHEN NEW.body IS NOT NULL AND NEW.body IS NOT OLD.body BEGIN" NAME_BODY " END;"              \
    "CREATE TRIGGER entry_drops AFTER UPDATE OF body ON entry"                                     \
    " WHEN OLD.body IS NOT NULL AND NEW.body IS NOT OLD.body BEGIN" UNNAME_BODY " END;"            \
    "CREATE TRIGGER record_rows AFTER DELETE ON record BEGIN"                                      \
    " DELETE FROM replica WHERE record=OLD.record;"                                                \
    " DELETE FROM entry WHERE record=OLD.record; END;"

const char *const store_schema_steps[STORE_SCHEMA_VERSION] = {
    CREATE_TABLES CREATE_TRIGGERS,
};
