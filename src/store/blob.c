/* The files of bodies: their names, the space they take, who holds one, their thread. */
#include "base/check.h"
#include "store/internal.h"
#include "store/writer.h"

#include <stdio.h>
#include <unistd.h>

void blobs_init(struct blobs *b, struct store *s, const struct store_config *c)
{
    b->store = s;
    b->folder = &s->folder;
    b->space = c->blob_space;
    b->max_body = c->max_body;
    CHECK(pthread_mutex_init(&b->lock, NULL) == 0);
    CHECK(pthread_cond_init(&b->wake, NULL) == 0);
    list_init(&b->jobs);
    list_init(&b->writers);
}

int blobs_start(struct blobs *b, struct diag *d)
{
    int rc = rt_thread_start(&b->thread, "blobs", stream_main, b, d);
    b->runs = rc == 0;
    return rc;
}

void blobs_stop(struct blobs *b)
{
    if (!b->runs)
        return;
    CHECK(pthread_mutex_lock(&b->lock) == 0);
    b->is_stopping = true;
    CHECK(pthread_cond_signal(&b->wake) == 0);
    CHECK(pthread_mutex_unlock(&b->lock) == 0);
    CHECK(pthread_join(b->thread, NULL) == 0);
    b->runs = false;
}

void blobs_fini(struct blobs *b)
{
    CHECK(list_is_empty(&b->writers) && list_is_empty(&b->jobs));
    pthread_mutex_destroy(&b->lock);
    pthread_cond_destroy(&b->wake);
}

/* ---- names */

void blob_name(const uint8_t digest[STORE_DIGEST_BYTES], char to[BLOB_NAME_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    char *at = to + 3;
    for (size_t i = 0; i < STORE_DIGEST_BYTES; i++) {
        *at++ = digits[digest[i] >> 4];
        *at++ = digits[digest[i] & 15];
    }
    *at = 0;
    to[0] = to[3];
    to[1] = to[4];
    to[2] = '/';
}

bool blob_digest(const char *name, uint8_t digest[STORE_DIGEST_BYTES])
{
    struct str s = str_of(name);
    for (size_t i = 0; i < STORE_DIGEST_BYTES; i++) {
        uint64_t byte;
        if (s.n != 2 * STORE_DIGEST_BYTES || str_hex(str_sub(s, 2 * i, 2), 255, &byte) < 0)
            return false;
        digest[i] = (uint8_t)byte;
    }
    return true;
}

/* ---- space */

/* With the lock. */
static void change_used(struct blobs *b, uint64_t used)
{
    b->used = used;
    struct counter *gauge = &b->store->stats.blob_bytes;
    counter_add(gauge, used - counter_get(gauge)); /* wraps down as well as up */
}

int blobs_reserve(struct blobs *b, uint64_t n)
{
    CHECK(pthread_mutex_lock(&b->lock) == 0);
    bool fits = b->used <= b->space && n <= b->space - b->used;
    if (fits)
        change_used(b, b->used + n);
    CHECK(pthread_mutex_unlock(&b->lock) == 0);
    return fits ? 0 : ERR_DISK_FULL;
}

void blobs_release(struct blobs *b, uint64_t n)
{
    CHECK(pthread_mutex_lock(&b->lock) == 0);
    CHECK(n <= b->used);
    change_used(b, b->used - n);
    CHECK(pthread_mutex_unlock(&b->lock) == 0);
}

/* ---- who holds a body */

static bool is_held(const struct blobs *b, const uint8_t *digest)
{
    list_for_each (at, &b->writers) {
        const struct store_writer *w = LIST_ITEM(at, struct store_writer, held);
        if (w->has_digest && memcmp(w->digest, digest, STORE_DIGEST_BYTES) == 0)
            return true;
    }
    return false;
}

bool blobs_is_held(struct blobs *b, const uint8_t digest[STORE_DIGEST_BYTES])
{
    CHECK(pthread_mutex_lock(&b->lock) == 0);
    bool held = is_held(b, digest);
    CHECK(pthread_mutex_unlock(&b->lock) == 0);
    return held;
}

void blobs_remove(struct blobs *b, const uint8_t digest[STORE_DIGEST_BYTES], uint64_t bytes)
{
    char name[BLOB_NAME_BYTES];
    blob_name(digest, name);
    CHECK(pthread_mutex_lock(&b->lock) == 0);
    if (!is_held(b, digest) && unlinkat(b->folder->blobs_fd, name, 0) == 0)
        change_used(b, b->used - (bytes < b->used ? bytes : b->used));
    CHECK(pthread_mutex_unlock(&b->lock) == 0);
}
