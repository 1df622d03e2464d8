/* store/blob.h: bodies of operations, by their SHA-256, streamed in and out.
 *
 * A writer takes a body whose digest may not be known yet, a reader gives one back. Files are
 * touched by a thread of the store's own; a writer or a reader belongs to one loop and wakes its
 * owner's task there when something has changed: look, then go on or wait again. What was begun
 * with a digest and broken off goes on where it ended, after a restart too, as long as an entry
 * names it. Memory: STORE_BLOB_WINDOW for each.
 *
 *     rc = store_writer_create(&w, s, &(struct store_writer_want){.loop = l, .task = &t, .bytes =
 * n}); n = store_writer_put(w, bytes);     what is taken; 0: wait for the task store_writer_end(w);
 * no more; then wait until store_writer_state(w) == STORE_WRITER_WHOLE store_writer_commit(w,
 * batch);      and store_entry_put with store_writer_digest(w) … when that batch is done:
 *     store_writer_destroy(&w);
 */
#ifndef STORE_BLOB_H
#define STORE_BLOB_H

#include "store/store.h"

#define STORE_BLOB_WINDOW   (256u << 10)
#define STORE_BYTES_UNKNOWN UINT64_MAX

struct store_writer;
struct store_reader;

struct store_writer_want {
    struct rt_loop *loop;
    struct rt_task *task;
    struct str digest; /* absent: not known */
    uint64_t bytes;    /* STORE_BYTES_UNKNOWN: not known; known when the digest is */
};

enum store_writer_state {
    STORE_WRITER_OPENING,
    STORE_WRITER_TAKING,
    STORE_WRITER_ENDING,
    STORE_WRITER_WHOLE,  /* all of it is on stable storage, under its digest */
    STORE_WRITER_FAILED, /* store_writer_error */
};

/* Asks for room: ERR_BODY_TOO_LARGE (over max_body), ERR_DISK_FULL (blob_space, or the disk), both
 * before anything is read; ERR_STORE, ERR_DRAINING, ERR_OVERLOADED (the same digest is being
 * written), ERR_NO_MEMORY. */
int store_writer_create(struct store_writer **out, struct store *s,
                        const struct store_writer_want *want) MUST_USE;
enum store_writer_state store_writer_state(const struct store_writer *w);
/* 0; or ERR_BODY_TOO_LARGE, ERR_DISK_FULL, ERR_SYSTEM, ERR_CORRUPT (not the digest or the size that
 * was wanted; what was kept of it is gone). */
int store_writer_error(const struct store_writer *w);
/* How much of the body is there: where it goes on, once it is TAKING. */
uint64_t store_writer_bytes(const struct store_writer *w);
/* Takes a copy of the first bytes of `more`, as many as its window has room for, while it is
 * TAKING. */
size_t store_writer_put(struct store_writer *w, struct str more);
void store_writer_end(struct store_writer *w);
/* STORE_DIGEST_BYTES, once it is WHOLE; good as long as the writer. */
struct str store_writer_digest(const struct store_writer *w);
/* Adds to the batch that the body is here. Until that is done the writer holds the body; then what
 * no entry names is removed. */
void store_writer_commit(struct store_writer *w, struct store_batch *b);
/* In any state; what is not whole is kept if its digest was known, for the next one. */
void store_writer_destroy(struct store_writer **w);

/* A body from byte `offset` on. ERR_STORE, ERR_DRAINING, ERR_NO_MEMORY. */
int store_reader_create(struct store_reader **out, struct store *s, struct rt_loop *l,
                        struct rt_task *task, struct str digest, uint64_t offset) MUST_USE;
/* The next bytes, at most as many as are there; they stay until store_reader_take. Empty: wait,
 * unless it has ended. */
struct str store_reader_peek(const struct store_reader *r);
void store_reader_take(struct store_reader *r, size_t n);
/* 1: all was taken. 0: not yet. ERR_NOT_FOUND: it is not here, not all of it, or offset is behind
 * its end. ERR_CORRUPT: it is not what its digest says (found at the end, when read from its
 * start); it is removed and lacks from then on. ERR_SYSTEM. */
int store_reader_end(const struct store_reader *r);
uint64_t store_reader_bytes(const struct store_reader *r); /* of the whole, once something came */
void store_reader_destroy(struct store_reader **r);

#endif
