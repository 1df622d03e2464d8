/* A body on its way in.
 *
 *   OPENING ──▶ TAKING ──▶ ENDING ──▶ WHOLE
 *      └───────────┴──────────┴─────▶ FAILED
 *
 * Up to STORE_INLINE_BYTES stay in the ring, and the files' thread never hears of them. What is
 * longer goes to a part: "new-N" while the digest is not known, else a file of the digest's name,
 * in which a later writer goes on. The part is synced, then moved to its place.
 */
#include "store/writer.h"
#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define STEP_BYTES (1u << 20) /* hashed anew in one step, so that others get their turn */
#define PUSH_BYTES                                                                                 \
    (8u << 20) /* written before the disk is told to begin, so that the last sync is short */
#define ROOM_MARGIN (16u << 20) /* of the disk, left to others */

static struct store_writer *writer_of(struct stream *st)
{
    return CONTAINER_OF(st, struct store_writer, stream);
}

static void set_state(struct store_writer *w, enum store_writer_state state)
{
    int now = atomic_load(&w->state);
    while (now != STORE_WRITER_FAILED && !atomic_compare_exchange_weak(&w->state, &now, (int)state))
        ;
}

/* Either thread; the first error stays. */
static void fail(struct store_writer *w, int rc)
{
    int none = 0;
    atomic_compare_exchange_strong(&w->error, &none, rc);
    atomic_store(&w->state, STORE_WRITER_FAILED);
}

static void fail_file(struct store_writer *w, const char *what)
{
    int rc = errno == ENOSPC || errno == EDQUOT ? ERR_DISK_FULL : ERR_SYSTEM;
    store_report(w->stream.store, "a body cannot be %s: %s", what, strerrordesc_np(errno));
    fail(w, rc);
}

static bool has_failed(const struct store_writer *w)
{
    return atomic_load(&w->state) == STORE_WRITER_FAILED;
}

/* ---- the files' thread: opening */

static void part_name(const struct store_writer *w, char to[BLOB_NAME_BYTES])
{
    char name[BLOB_NAME_BYTES];
    if (w->wants_digest) {
        blob_name(w->digest, name);
        memcpy(to, name + 3, BLOB_NAME_BYTES - 3);
    } else {
        snprintf(to, BLOB_NAME_BYTES, "new-%llu", (unsigned long long)w->part);
    }
}

/* Whether the body is in its place already. */
static bool find_whole(struct store_writer *w)
{
    char name[BLOB_NAME_BYTES];
    struct stat st;
    blob_name(w->digest, name);
    if (fstatat(w->stream.store->folder.blobs_fd, name, &st, 0) < 0)
        return false;
    w->was_there = true;
    atomic_store(&w->n_kept, (uint64_t)st.st_size);
    return true;
}

static void open_part(struct store_writer *w)
{
    char name[BLOB_NAME_BYTES];
    struct stat st;
    part_name(w, name);
    w->is_opened = true;
    w->fd = openat(w->stream.store->folder.parts_fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (w->fd < 0 || fstat(w->fd, &st) < 0) {
        fail_file(w, "begun");
        return;
    }
    uint64_t kept = (uint64_t)st.st_size;
    blobs_release(&w->stream.store->blobs, kept); /* it was counted as a part, and is promised */
    if (kept > w->want_bytes && ftruncate(w->fd, 0) == 0)
        kept = 0;
    atomic_store(&w->n_kept, kept);
    w->n_written = w->n_pushed = kept;
}

/* What is in the part is hashed before more is added. True: not all of it so far. */
static bool hash_kept(struct store_writer *w)
{
    uint64_t kept = atomic_load(&w->n_kept), until = w->n_hashed + STEP_BYTES;
    char bytes[32768];
    while (w->n_hashed < kept && w->n_hashed < until) {
        ssize_t n = pread(w->fd, bytes, sizeof bytes, (off_t)w->n_hashed);
        if (n <= 0) {
            fail_file(w, "read again");
            return false;
        }
        CHECK(EVP_DigestUpdate(w->hash, bytes, (size_t)n) == 1);
        w->n_hashed += (uint64_t)n;
    }
    return w->n_hashed < kept;
}

static bool step_open(struct store_writer *w)
{
    if (!w->is_opened && w->wants_digest && find_whole(w)) {
        set_state(w, STORE_WRITER_WHOLE);
        return false;
    }
    if (!w->is_opened)
        open_part(w);
    if (has_failed(w) || hash_kept(w))
        return !has_failed(w);
    set_state(w, STORE_WRITER_TAKING);
    return true; /* something may be waiting */
}

/* ---- the files' thread: taking */

static void write_some(struct store_writer *w, struct str bytes)
{
    ssize_t n = pwrite(w->fd, bytes.p, bytes.n, (off_t)w->n_written);
    if (n < 0 && errno == EINTR)
        return;
    if (n < 0) {
        fail_file(w, "written");
        return;
    }
    CHECK(EVP_DigestUpdate(w->hash, bytes.p, (size_t)n) == 1);
    w->n_written += (uint64_t)n;
    if (w->n_written - w->n_pushed >= PUSH_BYTES) {
        (void)sync_file_range(w->fd, (off_t)w->n_pushed, (off_t)(w->n_written - w->n_pushed),
                              SYNC_FILE_RANGE_WRITE);
        w->n_pushed = w->n_written;
    }
    stream_take(&w->stream, (size_t)n);
}

static void check_digest(struct store_writer *w)
{
    uint8_t digest[STORE_DIGEST_BYTES];
    CHECK(EVP_DigestFinal_ex(w->hash, digest, NULL) == 1);
    bool is_size = w->want_bytes == STORE_BYTES_UNKNOWN || w->want_bytes == w->n_written;
    bool is_same = !w->wants_digest || memcmp(digest, w->digest, sizeof digest) == 0;
    if (!is_size || !is_same) {
        fail(w, ERR_CORRUPT);
        return;
    }
    struct blobs *b = &w->stream.store->blobs;
    CHECK(pthread_mutex_lock(&b->lock) == 0);
    memcpy(w->digest, digest, sizeof digest);
    w->has_digest = true; /* held from here on: what is moved to its place stays there */
    CHECK(pthread_mutex_unlock(&b->lock) == 0);
}

static int sync_shard(const struct folder *f, const char name[BLOB_NAME_BYTES])
{
    char shard[3] = {name[0], name[1], 0};
    int fd = openat(f->blobs_fd, shard, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0)
        close(fd);
    return rc;
}

static void move_to_place(struct store_writer *w)
{
    const struct folder *f = &w->stream.store->folder;
    char part[BLOB_NAME_BYTES], name[BLOB_NAME_BYTES];
    part_name(w, part);
    blob_name(w->digest, name);
    if (fdatasync(w->fd) < 0) {
        w->is_suspect = true; /* what was read again could come from memory alone */
        fail_file(w, "synced");
        return;
    }
    w->was_there = faccessat(f->blobs_fd, name, F_OK, 0) == 0;
    if (renameat(f->parts_fd, part, f->blobs_fd, name) < 0) {
        fail_file(w, "put in its place");
        return;
    }
    w->is_moved = true;
    if (sync_shard(f, name) < 0)
        fail_file(w, "put in its place");
    if (!w->was_there)
        (void)counter_take(&w->stream.store->stats.blobs, UINT64_MAX);
}

static bool step_take(struct store_writer *w)
{
    bool is_ended = atomic_load(&w->is_ended); /* before the ring is looked at */
    struct str bytes = stream_peek(&w->stream);
    if (bytes.n) {
        write_some(w, bytes);
        return !has_failed(w);
    }
    if (!is_ended)
        return false;
    set_state(w, STORE_WRITER_ENDING);
    check_digest(w);
    if (!has_failed(w))
        move_to_place(w);
    set_state(w, STORE_WRITER_WHOLE);
    return false;
}

static bool step(struct stream *st)
{
    struct store_writer *w = writer_of(st);
    bool more = false;
    switch (atomic_load(&w->state)) {
    case STORE_WRITER_OPENING:
        more = step_open(w);
        break;
    case STORE_WRITER_TAKING:
        more = w->is_opened ? step_take(w) : step_open(w);
        break;
    default:
        return false;
    }
    stream_tell(st);
    return more;
}

/* ---- the files' thread: closing */

/* A part whose digest was known stays for the next writer, unless it is not what it should be. */
static void close_part(struct store_writer *w)
{
    struct store *s = w->stream.store;
    char name[BLOB_NAME_BYTES];
    int error = atomic_load(&w->error);
    bool stays = w->wants_digest && !w->is_suspect && (error == 0 || error == ERR_DISK_FULL);
    uint64_t bytes = stays ? w->n_written : 0;
    part_name(w, name);
    if (!stays)
        (void)unlinkat(s->folder.parts_fd, name, 0);
    blobs_release(&s->blobs, w->reserved > bytes ? w->reserved - bytes : 0);
}

/* A file that no batch may have told the database of: it is told now, and takes it away when
 * nothing names it. */
static void hand_over(struct store_writer *w)
{
    struct store_batch *b = store_batch_create(4096);
    if (!b)
        return;
    store_blob_put(b, &(struct store_blob){.digest = {(const char *)w->digest, sizeof w->digest},
                                           .bytes = w->n_written,
                                           .is_whole = 1});
    store_submit_own(w->stream.store, b);
}

static void close_writer(struct stream *st)
{
    struct store_writer *w = writer_of(st);
    struct blobs *b = &st->store->blobs;
    if (w->fd >= 0 && !w->is_moved)
        close_part(w);
    else if (!w->is_moved || w->was_there)
        blobs_release(b, w->reserved);
    if (w->fd >= 0)
        close(w->fd);
    EVP_MD_CTX_free(w->hash);
    CHECK(pthread_mutex_lock(&b->lock) == 0);
    list_remove(&w->held);
    CHECK(pthread_mutex_unlock(&b->lock) == 0);
    if (w->is_moved)
        hand_over(w);
}

static void free_writer(struct stream *st)
{
    free(writer_of(st));
}

static const struct stream_kind writer_kind = {step, close_writer, free_writer};

/* ---- the loop's thread */

/* Whether a body of that size may come; ROOM_MARGIN only for what is large or of unknown size. */
static int ask_for_room(struct store *s, uint64_t bytes, uint64_t *reserved)
{
    struct blobs *b = &s->blobs;
    uint64_t n = bytes == STORE_BYTES_UNKNOWN ? 0 : bytes;
    if (n > b->max_body)
        return ERR_BODY_TOO_LARGE;
    if (bytes <= STORE_INLINE_BYTES)
        return 0;
    uint64_t left = folder_free_bytes(&s->folder);
    if (counter_get(&s->stats.is_full) || left < ROOM_MARGIN || left - ROOM_MARGIN < n)
        return ERR_DISK_FULL;
    int rc = blobs_reserve(b, n);
    if (rc == 0)
        *reserved = n;
    return rc;
}

/* One writer a digest. */
static int enlist(struct store_writer *w)
{
    struct blobs *b = &w->stream.store->blobs;
    int rc = 0;
    CHECK(pthread_mutex_lock(&b->lock) == 0);
    if (b->is_stopping)
        rc = ERR_DRAINING;
    list_for_each (at, &b->writers) {
        const struct store_writer *other = LIST_ITEM(at, struct store_writer, held);
        if (w->has_digest && other->wants_digest &&
            memcmp(other->digest, w->digest, sizeof w->digest) == 0)
            rc = ERR_OVERLOADED;
    }
    w->part = b->next_part++;
    if (rc == 0)
        list_push(&b->writers, &w->held);
    CHECK(pthread_mutex_unlock(&b->lock) == 0);
    return rc;
}

static size_t window_for(uint64_t bytes)
{
    if (bytes > STORE_BLOB_WINDOW)
        return STORE_BLOB_WINDOW;
    return bytes < STORE_INLINE_BYTES ? STORE_INLINE_BYTES : (size_t)bytes;
}

static int make(struct store *s, const struct store_writer_want *want, struct store_writer **out)
{
    struct store_writer *w = calloc(1, sizeof *w);
    *out = w;
    if (!w)
        return ERR_NO_MEMORY;
    w->fd = -1;
    list_init(&w->held);
    w->want_bytes = want->bytes;
    w->wants_digest = w->has_digest = want->digest.p != NULL;
    if (want->digest.n == sizeof w->digest)
        memcpy(w->digest, want->digest.p, sizeof w->digest);
    w->is_small = want->bytes <= STORE_INLINE_BYTES || !w->wants_digest;
    atomic_init(&w->state, w->is_small ? STORE_WRITER_TAKING : STORE_WRITER_OPENING);
    w->hash = EVP_MD_CTX_new();
    int rc = stream_init(&w->stream, &writer_kind, s, window_for(want->bytes));
    w->stream.loop = want->loop;
    w->stream.task = want->task;
    return w->hash && EVP_DigestInit_ex(w->hash, EVP_sha256(), NULL) == 1 ? rc : ERR_NO_MEMORY;
}

int store_writer_create(struct store_writer **out, struct store *s,
                        const struct store_writer_want *want)
{
    CHECK(!want->digest.p ||
          (want->digest.n == STORE_DIGEST_BYTES && want->bytes != STORE_BYTES_UNKNOWN));
    uint64_t reserved = 0;
    *out = NULL;
    if (counter_get(&s->stats.is_failed))
        return ERR_STORE;
    int rc = ask_for_room(s, want->bytes, &reserved);
    if (rc < 0)
        return rc;
    struct store_writer *w;
    rc = make(s, want, &w);
    if (rc == 0)
        rc = enlist(w);
    if (rc < 0) {
        blobs_release(&s->blobs, reserved);
        if (w) {
            EVP_MD_CTX_free(w->hash);
            free(w->stream.ring);
            free(w);
        }
        return rc;
    }
    w->reserved = reserved;
    if (!w->is_small)
        stream_wake(&w->stream);
    *out = w;
    return 0;
}

enum store_writer_state store_writer_state(const struct store_writer *w)
{
    return (enum store_writer_state)atomic_load(&w->state);
}

int store_writer_error(const struct store_writer *w)
{
    return atomic_load(&w->error);
}

uint64_t store_writer_bytes(const struct store_writer *w)
{
    return atomic_load(&w->n_kept) + w->n_put;
}

/* 0, or why n more bytes cannot be taken. */
static int check_more(struct store_writer *w, size_t n)
{
    struct blobs *b = &w->stream.store->blobs;
    uint64_t total = store_writer_bytes(w) + n;
    if (w->want_bytes != STORE_BYTES_UNKNOWN)
        return total > w->want_bytes ? ERR_CORRUPT : 0;
    if (total > b->max_body)
        return ERR_BODY_TOO_LARGE;
    if (total <= STORE_INLINE_BYTES || total <= w->reserved)
        return 0;
    int rc = blobs_reserve(b, total - w->reserved);
    if (rc == 0)
        w->reserved = total;
    return rc;
}

size_t store_writer_put(struct store_writer *w, struct str more)
{
    if (store_writer_state(w) != STORE_WRITER_TAKING || atomic_load(&w->is_ended))
        return 0;
    size_t room = w->stream.window - stream_used(&w->stream);
    more = str_sub(more, 0, room);
    int rc = check_more(w, more.n);
    if (rc < 0) {
        fail(w, rc);
        return 0;
    }
    size_t n = stream_put(&w->stream, more);
    w->n_put += n;
    if (w->is_small && w->n_put > STORE_INLINE_BYTES)
        w->is_small = false;
    if (!w->is_small && n)
        stream_wake(&w->stream);
    return n;
}

/* The whole body is in the ring, from its beginning. */
static void end_small(struct store_writer *w)
{
    struct blobs *b = &w->stream.store->blobs;
    CHECK(EVP_DigestUpdate(w->hash, w->stream.ring, (size_t)w->n_put) == 1);
    w->n_written = w->n_put;
    check_digest(w);
    set_state(w, STORE_WRITER_WHOLE);
    blobs_release(b, w->reserved);
    w->reserved = 0;
}

void store_writer_end(struct store_writer *w)
{
    if (atomic_load(&w->is_ended))
        return;
    atomic_store(&w->is_ended, true);
    if (!w->is_small)
        stream_wake(&w->stream);
    else if (!has_failed(w))
        end_small(w);
}

struct str store_writer_digest(const struct store_writer *w)
{
    CHECK(store_writer_state(w) == STORE_WRITER_WHOLE);
    return (struct str){(const char *)w->digest, sizeof w->digest};
}

void store_writer_commit(struct store_writer *w, struct store_batch *b)
{
    struct store_blob blob = {
        .digest = store_writer_digest(w), .bytes = store_writer_bytes(w), .is_whole = 1};
    if (w->is_small)
        blob.content = (struct str){w->stream.ring, (size_t)w->n_put};
    store_blob_put(b, &blob);
}

void store_writer_destroy(struct store_writer **wp)
{
    struct store_writer *w = *wp;
    *wp = NULL;
    if (w)
        stream_destroy(&w->stream);
}
