/* What writers and readers share: the ring between two threads, and how each is told of the other.
 *
 * The loop's thread asks for a step with stream_wake; the files' thread answers with stream_tell.
 * A stream that its owner has left is closed by the files' thread, whose last message frees it on
 * the loop's. Once that thread has ended, the loop's closes it itself.
 */
#include "base/check.h"
#include "store/internal.h"

#include <stdlib.h>

static void on_tell(struct rt_loop *l, struct rt_message *m)
{
    struct stream *st = CONTAINER_OF(m, struct stream, tell);
    atomic_store(&st->is_told, false);
    if (st->task)
        rt_wake(l, st->task);
}

static void on_gone(struct rt_loop *l, struct rt_message *m)
{
    struct stream *st = CONTAINER_OF(m, struct stream, gone);
    free(st->ring);
    st->kind->free(st);
}

int stream_init(struct stream *st, const struct stream_kind *kind, struct store *s, size_t window)
{
    st->kind = kind;
    st->store = s;
    st->tell.deliver = on_tell;
    st->gone.deliver = on_gone;
    st->window = window;
    atomic_init(&st->head, 0);
    atomic_init(&st->tail, 0);
    atomic_init(&st->is_told, false);
    list_init(&st->place);
    st->ring = malloc(window);
    return st->ring ? 0 : ERR_NO_MEMORY;
}

/* ---- the ring */

char *stream_room(const struct stream *st, size_t *n)
{
    size_t at = (size_t)(atomic_load(&st->head) % st->window);
    size_t room = st->window - stream_used(st);
    *n = room < st->window - at ? room : st->window - at;
    return st->ring + at;
}

void stream_filled(struct stream *st, size_t n)
{
    atomic_fetch_add(&st->head, n);
}

size_t stream_put(struct stream *st, struct str bytes)
{
    size_t taken = 0, n;
    while (taken < bytes.n) {
        char *to = stream_room(st, &n);
        if (n == 0)
            break;
        if (n > bytes.n - taken)
            n = bytes.n - taken;
        memcpy(to, bytes.p + taken, n);
        stream_filled(st, n);
        taken += n;
    }
    return taken;
}

struct str stream_peek(const struct stream *st)
{
    size_t at = (size_t)(atomic_load(&st->tail) % st->window);
    size_t used = stream_used(st);
    return (struct str){st->ring + at, used < st->window - at ? used : st->window - at};
}

void stream_take(struct stream *st, size_t n)
{
    CHECK(n <= stream_used(st));
    atomic_fetch_add(&st->tail, n);
}

/* ---- telling each other */

void stream_tell(struct stream *st)
{
    if (!atomic_exchange(&st->is_told, true))
        rt_post(st->loop, &st->tell);
}

/* With the lock. False: nobody steps any more. */
static bool enqueue(struct blobs *b, struct stream *st)
{
    if (b->is_over)
        return false;
    if (!st->is_queued) {
        st->is_queued = true;
        list_push(&b->jobs, &st->place);
        CHECK(pthread_cond_signal(&b->wake) == 0);
    }
    return true;
}

void stream_wake(struct stream *st)
{
    struct blobs *b = &st->store->blobs;
    CHECK(pthread_mutex_lock(&b->lock) == 0);
    (void)enqueue(b, st);
    CHECK(pthread_mutex_unlock(&b->lock) == 0);
}

static void close_stream(struct stream *st)
{
    st->kind->close(st);
    rt_post(st->loop, &st->gone); /* it may be freed from here on */
}

void stream_destroy(struct stream *st)
{
    struct blobs *b = &st->store->blobs;
    st->task = NULL;
    CHECK(pthread_mutex_lock(&b->lock) == 0);
    st->is_closing = true;
    bool is_taken = enqueue(b, st);
    CHECK(pthread_mutex_unlock(&b->lock) == 0);
    if (!is_taken)
        close_stream(st);
}

/* ---- the thread */

/* The next stream and whether it is closing; NULL: all is done and no more is to come. */
static struct stream *next_job(struct blobs *b, struct stream *again, bool *is_closing)
{
    struct stream *st = NULL;
    CHECK(pthread_mutex_lock(&b->lock) == 0);
    if (again)
        (void)enqueue(b, again);
    while (list_is_empty(&b->jobs) && !b->is_stopping)
        CHECK(pthread_cond_wait(&b->wake, &b->lock) == 0);
    b->is_over = list_is_empty(&b->jobs);
    if (!b->is_over) {
        st = LIST_ITEM(b->jobs.next, struct stream, place);
        list_remove(&st->place);
        st->is_queued = false;
        *is_closing = st->is_closing;
    }
    CHECK(pthread_mutex_unlock(&b->lock) == 0);
    return st;
}

void *stream_main(void *blobs)
{
    struct stream *st, *again = NULL;
    bool is_closing = false;
    while ((st = next_job(blobs, again, &is_closing))) {
        again = NULL;
        if (is_closing)
            close_stream(st);
        else if (st->kind->step(st))
            again = st;
    }
    return NULL;
}
