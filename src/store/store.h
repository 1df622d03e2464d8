/* store/store.h: what must outlive the process: records, and what replication knows of
 * them (design.md section 5).
 *
 * One thread touches the database. Loops hand it *batches*: changes, applied together or not at
 * all, then questions, answered from what is on stable storage. Batches that wait at the same time
 * share one sync. Bodies are in store/blob.h, identifiers in memory in store/index.h; docs/
 * store-format.md says what is in the files.
 *
 *     struct store_batch *b = store_batch_create(0);
 *     store_record_put(b, &(struct store_record){.record = id, .type = STR("image"), …});
 *     store_ask_entries(b, &(struct store_by_entry){.record = id}, 100);
 *     b->on_done = on_done;
 *     rc = store_submit(s, b, loop);      0: on_done(b) runs once, in a later turn of that loop
 *     …
 *     const struct store_entry *entries = b->answers[0].rows;     in on_done
 *     store_batch_destroy(&b);
 *
 * Threads: a batch belongs to its maker until it is submitted, and again from on_done on. All other
 * calls may come from any thread unless they say otherwise.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/arena.h"
#include "base/counter.h"
#include "base/diag.h"
#include "base/err.h"
#include "rt/loop.h"

#define STORE_ID_BYTES     16
#define STORE_DIGEST_BYTES 32
/* A body up to this size is kept in the database, where it needs no sync of its own. */
#define STORE_INLINE_BYTES 4096
#define STORE_BATCH_BYTES                                                                          \
    (8u << 20)              /* memory of a batch with its answers, unless told otherwise           \
                             */
#define STORE_BATCH_ASKS 16 /* questions of a batch */

/* The numbers are in the file. */
enum store_state {
    STORE_LIVE = 0,
    STORE_CREATING = 1, /* there is an intent, and no operation so far */
    STORE_DELETED = 2,  /* what its list amounts to; the record is not yet gone */
    STORE_DIVERGED = 3,
    STORE_UNKNOWN = 4, /* what became of an intent could not be found out */
};

/* ---- rows: struct store_record, struct store_entry, … */

#define STORE_TYPE_TEXT          struct str
#define STORE_TYPE_BYTES         struct str
#define STORE_TYPE_NUMBER        uint64_t
#define ROW(row)                 struct store_##row {
#define FIELD(row, kind, member) STORE_TYPE_##kind member;
#define END(row)                                                                                   \
    }                                                                                              \
    ;
#include "store/rows.def"
#undef ROW
#undef FIELD
#undef END

enum store_verb {
#define VERB(verb, row, sql) STORE_VERB_##verb,
#include "store/verbs.def"
#undef VERB
    STORE_VERBS
};

enum store_query {
#define QUERY(query, in, out, sql) STORE_QUERY_##query,
#include "store/queries.def"
#undef QUERY
    STORE_QUERIES
};

/* ---- batches */

struct store;

/* One change; `what` is a row of the verb's type. For those that apply batches, too. */
struct store_change {
    struct store_change *next;
    enum store_verb verb;
    const void *what;
};

struct store_ask {
    enum store_query query;
    const void *in;
    size_t limit;
};

/* Rows of the query's type, in the batch's memory. is_more: the limit, or the batch's memory, ended
 * it (memory never before the first row: that is ERR_NO_MEMORY). */
struct store_answer {
    const void *rows;
    size_t n;
    bool is_more;
};

struct store_batch {
    /* the caller's */
    void (*on_done)(struct store_batch *b); /* only stores results and wakes a task */
    void *context;
    bool is_new_work; /* refused with ERR_DISK_FULL while the disk is full; what finishes something
                       * that was begun is not marked, and may use the reserve */
    /* set before on_done: 0, or nothing was changed: ERR_EXISTS (an `add` that was there),
     * ERR_DISK_FULL, ERR_STORE (it takes nothing more until it is opened anew), ERR_NO_MEMORY */
    int rc;
    struct store_answer answers[STORE_BATCH_ASKS];
    /* the store's */
    struct arena arena;
    struct store_change *first, **last;
    struct store_ask asks[STORE_BATCH_ASKS];
    size_t n_changes, n_asks;
    struct store_batch *next;
    struct rt_loop *loop;
    struct rt_message message;
};

/* An empty batch of at most `bytes` of memory (0: STORE_BATCH_BYTES), copies of what is put into it
 * included. NULL: no memory. */
struct store_batch *store_batch_create(size_t bytes);
/* Not between store_submit and on_done; a batch whose owner dies meanwhile is orphaned. */
void store_batch_destroy(struct store_batch **b);
/* It is done and destroyed without anybody being told. On the loop that it was submitted from. */
void store_batch_orphan(struct store_batch **b);

/* Adds a change; copies *what. What does not fit is found by store_submit: ERR_NO_MEMORY. */
#define VERB(verb, row, sql)                                                                       \
    void store_##verb(struct store_batch *b, const struct store_##row *what);
#include "store/verbs.def"
#undef VERB

/* Adds a question, answered in b->answers in the order of asking; copies *in. The answer has all
 * changes of this batch and of those submitted before it. */
#define QUERY(query, in, out, sql)                                                                 \
    void store_ask_##query(struct store_batch *b, const struct store_##in *what, size_t limit);
#include "store/queries.def"
#undef QUERY

/* Hands b over; on_done(b) is called once, in a later turn of l, which must not be destroyed before
 * (store_stop). Batches of one loop are done in its order. Else b stays the caller's as it was:
 * ERR_OVERLOADED (the queue is full), ERR_DISK_FULL (is_new_work), ERR_DRAINING (store_stop),
 * ERR_STORE, ERR_NO_MEMORY (it has outgrown its memory). */
int store_submit(struct store *s, struct store_batch *b, struct rt_loop *l) MUST_USE;

/* ---- the whole */

struct store_config {
    const char *folder;  /* made when it is not there */
    struct str site;     /* the own name; a store of another site is refused */
    uint64_t max_body;   /* bytes of one body */
    uint64_t blob_space; /* bytes of all bodies in files */
    uint64_t queue;      /* batches that wait */
    /* What happened to the disk or the database, for the log; from any thread. May be NULL. */
    void (*on_event)(void *context, const char *text);
    void *context;
};

/* Opens or makes the store, brings an older format up to this one, removes what a crash left over,
 * loads the index, starts the threads. ERR_STORE with what to do: another process has it open, it
 * is another site's, its format is newer, it is damaged; ERR_SYSTEM, ERR_NO_MEMORY. */
int store_open(struct store **out, const struct store_config *c, struct diag *d) MUST_USE;
/* Takes no more, finishes and posts all that was taken, ends the threads. Before the loops that
 * have submitted are destroyed. */
void store_stop(struct store *s);
void store_close(struct store **s); /* stops it, if it runs */

/* Random, made with the store and anew when it is restored; part of this site's dots. */
uint64_t store_incarnation(const struct store *s);

/* What is counted, for /metrics; gauges where it says so. */
struct store_stats {
    struct counter batches, changes, groups; /* done; changes in them; syncs they took */
    struct counter refused;                  /* by store_submit */
    struct counter errors;                   /* of the database and of files */
    struct counter queue;                    /* gauge: batches that wait */
    struct counter is_full, is_failed; /* gauges: 1 while the disk is full; the store failed */
    struct counter bytes;              /* gauge: of the database and its log */
    struct counter blob_bytes, blobs;  /* gauges: bodies in files */
    struct counter records;            /* gauge */
};
const struct store_stats *store_stats(const struct store *s);

#endif
