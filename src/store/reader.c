/* A body on its way out: its row is asked for; a small one comes with it, else the files' thread
 * fills the ring. */
#include "base/check.h"
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct store_reader {
    struct stream stream;
    struct store_batch *ask; /* under way, or NULL */
    bool has_file;           /* the files' thread fills the ring */
    uint8_t digest[STORE_DIGEST_BYTES];
    uint64_t offset;
    _Atomic uint64_t bytes;
    _Atomic int end; /* 1: all is in the ring; or what is wrong */
    /* the files' thread's */
    int fd;
    uint64_t at;
    EVP_MD_CTX *hash; /* NULL: not from the start */
};

static struct store_reader *reader_of(struct stream *st)
{
    return CONTAINER_OF(st, struct store_reader, stream);
}

static struct str digest_of(const struct store_reader *r)
{
    return (struct str){(const char *)r->digest, sizeof r->digest};
}

/* It lacks from here on, and whoever looks for what lacks finds it. */
static void give_up_body(struct store_reader *r)
{
    struct store *s = r->stream.store;
    struct store_batch *b = store_batch_create(4096);
    store_report(s, "a body is not what its digest says, and was removed");
    blobs_remove(&s->blobs, r->digest, atomic_load(&r->bytes));
    if (b) {
        store_blob_lost(b, &(struct store_by_digest){digest_of(r)});
        store_submit_own(s, b);
    }
}

/* All was read from the start: is it what was written? */
static void finish(struct store_reader *r)
{
    uint8_t digest[STORE_DIGEST_BYTES];
    bool is_good = r->at == atomic_load(&r->bytes);
    if (r->hash) {
        CHECK(EVP_DigestFinal_ex(r->hash, digest, NULL) == 1);
        is_good = memcmp(digest, r->digest, sizeof digest) == 0;
    }
    if (!is_good)
        give_up_body(r);
    atomic_store(&r->end, is_good ? 1 : ERR_CORRUPT);
}

static void take_in(struct store_reader *r, const char *p, size_t n)
{
    if (r->hash)
        CHECK(EVP_DigestUpdate(r->hash, p, n) == 1);
    r->at += n;
}

/* ---- the files' thread */

static int open_file(struct store_reader *r)
{
    char name[BLOB_NAME_BYTES];
    struct stat st;
    blob_name(r->digest, name);
    r->fd = openat(r->stream.store->folder.blobs_fd, name, O_RDONLY | O_CLOEXEC);
    if (r->fd < 0 || fstat(r->fd, &st) < 0)
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_SYSTEM;
    return 0;
}

static bool step(struct stream *st)
{
    struct store_reader *r = reader_of(st);
    size_t room;
    if (atomic_load(&r->end))
        return false;
    int rc = r->fd < 0 ? open_file(r) : 0;
    char *to = stream_room(st, &room);
    if (rc == 0 && room == 0)
        return false;
    ssize_t n = rc == 0 ? pread(r->fd, to, room, (off_t)r->at) : 0;
    if (n < 0)
        rc = ERR_SYSTEM;
    if (rc < 0) {
        store_report(st->store, "a body cannot be read: %s", strerrordesc_np(errno));
        atomic_store(&r->end, rc);
    } else if (n == 0) {
        finish(r);
    } else {
        take_in(r, to, (size_t)n);
        stream_filled(st, (size_t)n);
    }
    stream_tell(st);
    return rc == 0 && n > 0;
}

static void close_reader(struct stream *st)
{
    struct store_reader *r = reader_of(st);
    if (r->fd >= 0)
        close(r->fd);
    EVP_MD_CTX_free(r->hash);
}

static void free_reader(struct stream *st)
{
    free(reader_of(st));
}

static const struct stream_kind reader_kind = {step, close_reader, free_reader};

/* ---- the loop's thread */

static void give_small(struct store_reader *r, struct str content)
{
    struct str rest = str_from(content, (size_t)r->offset);
    take_in(r, rest.p, rest.n);
    CHECK(stream_put(&r->stream, rest) == rest.n);
    finish(r);
}

static int on_row(struct store_reader *r, const struct store_batch *b)
{
    const struct store_blob *row = b->answers[0].rows;
    if (b->rc < 0)
        return b->rc;
    if (b->answers[0].n == 0 || !row->is_whole || r->offset > row->bytes)
        return ERR_NOT_FOUND;
    atomic_store(&r->bytes, row->bytes);
    r->has_file = !row->content.p;
    if (r->has_file)
        stream_wake(&r->stream);
    else if (row->content.n == row->bytes && row->content.n <= r->stream.window)
        give_small(r, row->content);
    else
        return ERR_CORRUPT;
    return 0;
}

static void on_answered(struct store_batch *b)
{
    struct store_reader *r = b->context;
    r->ask = NULL;
    int rc = on_row(r, b);
    if (rc < 0)
        atomic_store(&r->end, rc);
    store_batch_destroy(&b);
    if (r->stream.task)
        rt_wake(r->stream.loop, r->stream.task);
}

static void ask(struct store_reader *r)
{
    r->ask = store_batch_create(64 * 1024);
    if (!r->ask)
        return;
    store_ask_blob(r->ask, &(struct store_by_digest){digest_of(r)}, 1);
    r->ask->on_done = on_answered;
    r->ask->context = r;
}

int store_reader_create(struct store_reader **out, struct store *s, struct rt_loop *l,
                        struct rt_task *task, struct str digest, uint64_t offset)
{
    CHECK(digest.n == STORE_DIGEST_BYTES);
    struct store_reader *r = calloc(1, sizeof *r);
    *out = NULL;
    if (!r)
        return ERR_NO_MEMORY;
    int rc = stream_init(&r->stream, &reader_kind, s, STORE_BLOB_WINDOW);
    r->stream.loop = l;
    r->stream.task = task;
    memcpy(r->digest, digest.p, sizeof r->digest);
    r->fd = -1;
    r->at = r->offset = offset;
    if (offset == 0) {
        r->hash = EVP_MD_CTX_new();
        if (!r->hash || EVP_DigestInit_ex(r->hash, EVP_sha256(), NULL) != 1)
            rc = ERR_NO_MEMORY;
    }
    if (rc == 0) {
        ask(r);
        rc = r->ask ? store_submit(s, r->ask, l) : ERR_NO_MEMORY;
    }
    if (rc < 0) {
        store_batch_destroy(&r->ask);
        EVP_MD_CTX_free(r->hash);
        free(r->stream.ring);
        free(r);
        return rc;
    }
    *out = r;
    return 0;
}

struct str store_reader_peek(const struct store_reader *r)
{
    return stream_peek(&r->stream);
}

void store_reader_take(struct store_reader *r, size_t n)
{
    struct stream *st = &r->stream;
    stream_take(st, n);
    /* Not for every byte: half a window is read at once. */
    if (r->has_file && !atomic_load(&r->end) && stream_used(st) <= st->window / 2)
        stream_wake(st);
}

int store_reader_end(const struct store_reader *r)
{
    int end = atomic_load(&r->end); /* before the ring is looked at */
    return end > 0 && stream_used(&r->stream) ? 0 : end;
}

uint64_t store_reader_bytes(const struct store_reader *r)
{
    return atomic_load(&r->bytes);
}

void store_reader_destroy(struct store_reader **rp)
{
    struct store_reader *r = *rp;
    *rp = NULL;
    if (!r)
        return;
    store_batch_orphan(&r->ask);
    stream_destroy(&r->stream);
}
