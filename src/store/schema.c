/* What a table is for is said in store/rows.def; docs/store-format.md is held to this text by a
 * test. A step is never changed once released: what is new is a step of its own. */
#include "store/schema.h"

#define CREATE_TABLES                                                                              \
    "CREATE TABLE meta(name TEXT PRIMARY KEY NOT NULL, value NOT NULL) WITHOUT ROWID;"             \
    "CREATE TABLE record(record BLOB PRIMARY KEY NOT NULL CHECK(length(record)=16),"               \
    " application TEXT NOT NULL, service TEXT NOT NULL, type TEXT NOT NULL, visible TEXT,"         \
    " consistency TEXT NOT NULL, scope TEXT NOT NULL, state INTEGER NOT NULL) WITHOUT ROWID;"      \
    "CREATE INDEX record_state ON record(state, record) WHERE state<>0;"                           \
    "CREATE TABLE replica(record BLOB NOT NULL CHECK(length(record)=16), site TEXT NOT NULL, "     \
    "place INTEGER NOT NULL,"                                                                      \
    " local TEXT, PRIMARY KEY(record, site)) WITHOUT ROWID;"                                       \
    "CREATE TABLE operation(record BLOB NOT NULL CHECK(length(record)=16), site TEXT NOT NULL,"    \
    " incarnation INTEGER NOT NULL, n INTEGER NOT NULL CHECK(n>0), clock INTEGER NOT NULL,"        \
    " life INTEGER NOT NULL, type TEXT NOT NULL, saw BLOB NOT NULL, method TEXT NOT NULL,"         \
    " target BLOB NOT NULL, head BLOB NOT NULL,"                                                   \
    " body BLOB CHECK(body IS NULL OR length(body)=32), body_bytes INTEGER NOT NULL,"              \
    " caller BLOB, PRIMARY KEY(record, site, incarnation, n)) WITHOUT ROWID;"                      \
    "CREATE TABLE intent(record BLOB NOT NULL CHECK(length(record)=16), number INTEGER NOT NULL,"  \
    " type TEXT NOT NULL, method TEXT NOT NULL, target BLOB NOT NULL, head BLOB NOT NULL,"         \
    " body BLOB CHECK(body IS NULL OR length(body)=32), body_bytes INTEGER NOT NULL,"              \
    " caller BLOB, begun_us INTEGER NOT NULL, PRIMARY KEY(record, number)) WITHOUT ROWID;"         \
    "CREATE TABLE mark(record BLOB PRIMARY KEY NOT NULL CHECK(length(record)=16),"                 \
    " site TEXT NOT NULL, incarnation INTEGER NOT NULL, n INTEGER NOT NULL,"                       \
    " begun_us INTEGER NOT NULL) WITHOUT ROWID;"                                                   \
    "CREATE TABLE outcome(record BLOB NOT NULL CHECK(length(record)=16), site TEXT NOT NULL,"      \
    " incarnation INTEGER NOT NULL, n INTEGER NOT NULL, at TEXT NOT NULL,"                         \
    " status INTEGER NOT NULL, error TEXT, when_us INTEGER NOT NULL,"                              \
    " PRIMARY KEY(record, site, incarnation, n, at)) WITHOUT ROWID;"                               \
    "CREATE TABLE ran(record BLOB NOT NULL CHECK(length(record)=16), place INTEGER NOT NULL,"      \
    " site TEXT NOT NULL, incarnation INTEGER NOT NULL, n INTEGER NOT NULL,"                       \
    " PRIMARY KEY(record, place)) WITHOUT ROWID;"                                                  \
    "CREATE TABLE known(record BLOB NOT NULL CHECK(length(record)=16), peer TEXT NOT NULL,"        \
    " vector BLOB NOT NULL, PRIMARY KEY(record, peer)) WITHOUT ROWID;"                             \
    "CREATE TABLE forgotten(record BLOB NOT NULL CHECK(length(record)=16), site TEXT NOT NULL,"    \
    " incarnation INTEGER NOT NULL, n INTEGER NOT NULL, life INTEGER NOT NULL,"                    \
    " clock INTEGER NOT NULL, PRIMARY KEY(record, site, incarnation)) WITHOUT ROWID;"              \
    "CREATE TABLE tombstone(record BLOB PRIMARY KEY NOT NULL CHECK(length(record)=16),"            \
    " vector BLOB NOT NULL, life INTEGER NOT NULL, when_us INTEGER NOT NULL) WITHOUT ROWID;"       \
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
#define COUNT_BODIES(table)                                                                        \
    "CREATE TRIGGER " table "_names AFTER INSERT ON " table " WHEN NEW.body IS NOT NULL"           \
    " BEGIN" NAME_BODY " END;"                                                                     \
    "CREATE TRIGGER " table "_unnames AFTER DELETE ON " table " WHEN OLD.body IS NOT NULL"         \
    " BEGIN" UNNAME_BODY " END;"                                                                   \
    "CREATE TRIGGER " table "_renames AFTER UPDATE OF body ON " table                              \
    " WHEN NEW.body IS NOT NULL AND NEW.body IS NOT OLD.body BEGIN" NAME_BODY " END;"              \
    "CREATE TRIGGER " table "_drops AFTER UPDATE OF body ON " table                                \
    " WHEN OLD.body IS NOT NULL AND NEW.body IS NOT OLD.body BEGIN" UNNAME_BODY " END;"

#define REMOVE_FROM(table) " DELETE FROM " table " WHERE record=OLD.record;"
#define CREATE_TRIGGERS                                                                            \
    COUNT_BODIES("operation")                                                                      \
    COUNT_BODIES("intent")                                                                         \
    "CREATE TRIGGER operation_outcomes AFTER DELETE ON operation BEGIN"                            \
    " DELETE FROM outcome WHERE record=OLD.record AND site=OLD.site"                               \
    " AND incarnation=OLD.incarnation AND n=OLD.n; END;"                                           \
    "CREATE TRIGGER record_rows AFTER DELETE ON record BEGIN" REMOVE_FROM("replica")               \
        REMOVE_FROM("operation") REMOVE_FROM("intent") REMOVE_FROM("mark") REMOVE_FROM("outcome")  \
            REMOVE_FROM("ran") REMOVE_FROM("known") REMOVE_FROM("forgotten") " END;"

const char *const store_schema_steps[STORE_SCHEMA_VERSION] = {
    CREATE_TABLES CREATE_TRIGGERS,
};
