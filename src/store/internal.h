/* store/internal.h: the store's parts, between its files. */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include "rt/sys.h"
#include "store/blob.h"
#include "store/db.h"
#include "store/index.h"

#include <pthread.h>
#include <stdatomic.h>

/* ---- folder.c: the folder, its lock, the reserve */

/* What is kept free for the batches that finish something when the disk is full. */
#define STORE_RESERVE_BYTES (4u << 20)
#define STORE_DATABASE      "store.db"

struct folder {
    int fd, lock_fd, blobs_fd, parts_fd;
    bool has_reserve;
};

#define FOLDER_CLOSED ((struct folder){-1, -1, -1, -1, false})

/* Makes what is not there. ERR_STORE: another process has it open. */
int folder_open(struct folder *f, const char *path, struct diag *d) MUST_USE;
void folder_close(struct folder *f);
/* False: the disk is too full for it. */
bool folder_take_reserve(struct folder *f);
void folder_give_reserve(struct folder *f);
/* Bytes that the disk has left. */
uint64_t folder_free_bytes(const struct folder *f);

/* ---- index.c */

struct index;

int index_create(struct index **out) MUST_USE;
void index_destroy(struct index **ix);
/* By the store's thread alone: a record's own columns; this site's identifier of it (absent: none);
 * that it is gone. ERR_NO_MEMORY: it is as it was. */
int index_put(struct index *ix, const struct store_record *r) MUST_USE;
int index_set_local(struct index *ix, struct str record, struct str local) MUST_USE;
void index_remove(struct index *ix, struct str record);
size_t index_count(const struct index *ix); /* records */

/* ---- blob.c: files of bodies, and the thread that touches them */

#define BLOB_NAME_BYTES                                                                            \
    (2 * STORE_DIGEST_BYTES + 4) /* "ab/" and all digits, with the final zero                      \
                                  */

struct stream;

struct blobs {
    struct store *store;
    struct folder *folder;
    uint64_t space, max_body;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct list jobs;    /* streams that have something to do */
    struct list writers; /* all of them, with the bodies that they hold */
    uint64_t used;       /* bytes in files, or promised to writers */
    uint64_t next_part;
    bool is_stopping, is_over;
    pthread_t thread;
    bool runs;
};

/* What the thread does for a writer or a reader; a constant of its type. */
struct stream_kind {
    bool (*step)(struct stream *st); /* true: there is more to do */
    void (*close)(struct stream *st);
    void (*free)(struct stream *st);
};

/* The part that writers and readers share: bytes on their way between the loop's thread and the
 * files' thread, each at one end of the ring. */
struct stream {
    const struct stream_kind *kind;
    struct store *store;
    struct rt_loop *loop;
    struct rt_task *task; /* the loop's thread's; NULL: its owner has gone */
    struct rt_message tell, gone;
    _Atomic bool is_told;
    bool is_queued, is_closing; /* under the lock of struct blobs */
    struct list place;
    char *ring;
    size_t window;
    _Atomic uint64_t head, tail; /* bytes that went in, and out */
};

void blobs_init(struct blobs *b, struct store *s, const struct store_config *c);
int blobs_start(struct blobs *b, struct diag *d) MUST_USE;
void blobs_stop(struct blobs *b);
void blobs_fini(struct blobs *b);
/* Promises n bytes of space; ERR_DISK_FULL. */
int blobs_reserve(struct blobs *b, uint64_t n) MUST_USE;
void blobs_release(struct blobs *b, uint64_t n);
/* Whether a writer holds the body. */
bool blobs_is_held(struct blobs *b, const uint8_t digest[STORE_DIGEST_BYTES]);
/* Removes the file of a body, unless a writer holds it. */
void blobs_remove(struct blobs *b, const uint8_t digest[STORE_DIGEST_BYTES], uint64_t bytes);
/* "ab/abcd…", below the folder of blobs; the name of a part is what follows the '/'. */
void blob_name(const uint8_t digest[STORE_DIGEST_BYTES], char to[BLOB_NAME_BYTES]);
/* The digest that a file of that name bears; false: it bears none. */
bool blob_digest(const char *name, uint8_t digest[STORE_DIGEST_BYTES]);

/* stream.c */
int stream_init(struct stream *st, const struct stream_kind *kind, struct store *s,
                size_t window) MUST_USE;
size_t stream_put(struct stream *st, struct str bytes);
struct str stream_peek(const struct stream *st);
void stream_take(struct stream *st, size_t n);
static inline size_t stream_used(const struct stream *st)
{
    return (size_t)(atomic_load(&st->head) - atomic_load(&st->tail));
}
/* Where the next bytes go, as far as they follow each other; then stream_filled. */
char *stream_room(const struct stream *st, size_t *n);
void stream_filled(struct stream *st, size_t n);
/* From the loop's thread: the files' thread is to look at it. */
void stream_wake(struct stream *st);
/* From the files' thread: the owner is to look at it. */
void stream_tell(struct stream *st);
/* From the loop's thread: it is closed and freed when the other is done with it. */
void stream_destroy(struct stream *st);
void *stream_main(void *blobs);

/* ---- recover.c: what a crash left over */

/* Makes files and database agree, and counts the space in use. */
int recover(struct store *s, bool was_closed, struct diag *d) MUST_USE;

/* ---- store.c */

struct store {
    struct db db; /* the store's thread's, once it runs */
    struct folder folder;
    struct index *index;
    struct blobs blobs;
    struct arena arena; /* what is configured */
    struct str site;
    uint64_t incarnation, max_queue;
    struct store_stats stats;
    void (*on_event)(void *context, const char *text);
    void *event_context;
    pthread_t thread;
    bool runs;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t wake;
    struct store_batch *first, **last;
    bool is_stopping, is_over; /* no more is taken; the thread has ended */
    bool is_untidy;            /* something was left for the next opening */
};

void *store_main(void *store);

/* From any thread: counts an error, and tells it. */
void store_report(struct store *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Hands over a batch that nobody waits for, whatever the queue holds; takes it. */
void store_submit_own(struct store *s, struct store_batch *b);

#endif
