/* The store's thread.
 *
 * It takes all that waits, and does it as one group: the batches that only ask and came before the
 * first change are answered at once; the changes of the others are made in one transaction, each
 * batch within a savepoint of its own; after the commit the index follows, bodies that nothing
 * names any more lose their files, and every batch is answered and posted to its loop, in order.
 *
 *     OPEN ──▶ FULL ──▶ OPEN      no space: new work is refused, the reserve is given up for what
 *       │        │                finishes; looked at again every second
 *       └────────┴────▶ FAILED    the database cannot be trusted any more: nothing is taken
 *
 * Suspension points: the queue is empty (while FULL: for a second at most).
 */
#include "base/check.h"
#include "store/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define GROUP_BATCHES 1024 /* of one transaction */
#define GROUP_REMOVED 256  /* bodies that one transaction takes away */
#define LOG_PAGES     4096 /* of the write-ahead log (16 MiB), until it is moved into the database */

struct group {
    struct store_batch *first;
    size_t n;
    bool is_lost; /* the transaction */
    uint64_t n_changes;
    size_t n_removed;
    struct removed {
        uint8_t digest[STORE_DIGEST_BYTES];
        uint64_t bytes;
        bool has_file;
    } removed[GROUP_REMOVED];
};

/* ---- telling */

static void tell(struct store *s, const char *text)
{
    if (s->on_event)
        s->on_event(s->event_context, text);
}

void store_report(struct store *s, const char *format, ...)
{
    char text[300];
    va_list ap;
    (void)counter_take(&s->stats.errors, UINT64_MAX);
    va_start(ap, format);
    if (vsnprintf(text, sizeof text, format, ap) < 0)
        text[0] = 0;
    va_end(ap);
    tell(s, text);
}

static void set_gauge(struct counter *c, uint64_t value)
{
    counter_add(c, value - counter_get(c));
}

/* What the database says of an error that ends, or hinders, everybody's work. */
static void judge(struct store *s, int rc)
{
    if (rc == ERR_DISK_FULL && !counter_get(&s->stats.is_full)) {
        set_gauge(&s->stats.is_full, 1);
        store_report(s,
                     "the disk is full: nothing new is taken for replication until there is room");
    } else if (rc == ERR_STORE && !counter_get(&s->stats.is_failed)) {
        set_gauge(&s->stats.is_failed, 1);
        store_report(s, "the store failed and takes nothing more: %s", sqlite3_errmsg(s->db.sql));
    }
}

/* ---- the queue */

static void push(struct store *s, struct store_batch *b)
{
    b->next = NULL;
    *s->last = b;
    s->last = &b->next;
    counter_add(&s->stats.queue, 1);
    CHECK(pthread_cond_signal(&s->wake) == 0);
}

static int check_submit(const struct store *s, const struct store_batch *b)
{
    if (s->is_stopping)
        return ERR_DRAINING;
    if (counter_get(&s->stats.is_failed))
        return ERR_STORE;
    if (arena_overflowed(&b->arena))
        return ERR_NO_MEMORY;
    if (b->is_new_work && counter_get(&s->stats.is_full))
        return ERR_DISK_FULL;
    return counter_get(&s->stats.queue) >= s->max_queue ? ERR_OVERLOADED : 0;
}

int store_submit(struct store *s, struct store_batch *b, struct rt_loop *l)
{
    b->loop = l;
    CHECK(pthread_mutex_lock(&s->lock) == 0);
    int rc = check_submit(s, b);
    if (rc == 0)
        push(s, b);
    else
        counter_add(&s->stats.refused, 1);
    CHECK(pthread_mutex_unlock(&s->lock) == 0);
    return rc;
}

void store_submit_own(struct store *s, struct store_batch *b)
{
    b->loop = NULL;
    CHECK(pthread_mutex_lock(&s->lock) == 0);
    bool is_taken = !s->is_over;
    if (is_taken)
        push(s, b);
    else
        s->is_untidy = true; /* the next opening looks for what this would have removed */
    CHECK(pthread_mutex_unlock(&s->lock) == 0);
    if (!is_taken)
        store_batch_destroy(&b);
}

static void wait_for_work(struct store *s)
{
    struct timespec until;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
    until.tv_sec++;
    if (counter_get(&s->stats.is_full))
        (void)pthread_cond_timedwait(&s->wake, &s->lock, &until);
    else
        CHECK(pthread_cond_wait(&s->wake, &s->lock) == 0);
}

/* Takes what waits, a group at most; false: all is done, and no more is to come. */
static bool take_group(struct store *s, struct group *g)
{
    struct store_batch **end = &g->first;
    g->n = 0;
    CHECK(pthread_mutex_lock(&s->lock) == 0);
    if (!s->first && !s->is_stopping)
        wait_for_work(s);
    g->first = s->first;
    while (*end && g->n < GROUP_BATCHES) {
        end = &(*end)->next;
        g->n++;
    }
    s->first = *end;
    *end = NULL;
    if (!s->first)
        s->last = &s->first;
    counter_sub(&s->stats.queue, g->n);
    s->is_over = s->is_stopping && g->n == 0;
    bool goes_on = !s->is_over;
    CHECK(pthread_mutex_unlock(&s->lock) == 0);
    return goes_on;
}

static void deliver(struct rt_loop *l, struct rt_message *m)
{
    struct store_batch *b = CONTAINER_OF(m, struct store_batch, message);
    b->on_done(b);
}

static void finish(struct store *s, struct store_batch *b)
{
    int rc = b->rc == 0 ? db_answer(&s->db, b) : b->rc;
    if (b->rc == 0)
        judge(s, rc);
    b->rc = rc;
    counter_add(&s->stats.batches, 1);
    b->message.deliver = deliver;
    if (b->loop)
        rt_post(b->loop, &b->message);
    else
        store_batch_destroy(&b);
}

/* ---- a transaction */

static int apply_all(struct store *s, struct group *g, bool only_old_work)
{
    int rc = db_begin(&s->db);
    for (struct store_batch *b = g->first; b && rc == 0; b = b->next) {
        b->rc = only_old_work && b->is_new_work ? ERR_DISK_FULL : 0;
        if (b->rc < 0 || !b->first)
            continue;
        b->rc = db_apply(&s->db, b, &g->is_lost);
        if (g->is_lost || b->rc == ERR_STORE || b->rc == ERR_DISK_FULL)
            rc = b->rc;
    }
    return rc;
}

static int remove_unnamed(struct store *s, struct group *g)
{
    uint8_t after[STORE_DIGEST_BYTES] = {0};
    int rc = 1;
    for (g->n_removed = 0; rc > 0 && g->n_removed < GROUP_REMOVED;) {
        struct removed *r = &g->removed[g->n_removed];
        rc = db_next_unnamed(&s->db, after, r->digest, &r->has_file, &r->bytes);
        if (rc <= 0)
            break;
        memcpy(after, r->digest, sizeof after);
        if (blobs_is_held(&s->blobs, r->digest))
            continue;
        g->n_removed++;
        rc = db_remove_blob(&s->db, r->digest);
        rc = rc < 0 ? rc : 1;
    }
    return rc < 0 ? rc : 0;
}

static int commit(struct store *s, struct group *g, bool only_old_work)
{
    g->is_lost = false;
    int rc = apply_all(s, g, only_old_work);
    if (rc == 0)
        rc = remove_unnamed(s, g);
    if (rc == 0)
        rc = db_commit(&s->db);
    if (rc < 0)
        db_rollback(&s->db);
    counter_add(&s->stats.groups, 1);
    return rc;
}

/* ---- after it */

static int follow(struct store *s, const struct store_change *c)
{
    const struct store_replica *replica = c->what;
    switch (c->verb) {
    case STORE_VERB_record_put:
        return index_put(s->index, c->what);
    case STORE_VERB_record_remove:
        index_remove(s->index, ((const struct store_by_record *)c->what)->record);
        return 0;
    case STORE_VERB_replica_put:
        return str_eq(replica->site, s->site)
                   ? index_set_local(s->index, replica->record, replica->local)
                   : 0;
    case STORE_VERB_replica_remove:
        return str_eq(((const struct store_by_replica *)c->what)->site, s->site)
                   ? index_set_local(s->index, replica->record, STR_NULL)
                   : 0;
    default:
        return 0;
    }
}

static void follow_all(struct store *s, const struct group *g)
{
    int rc = 0;
    for (const struct store_batch *b = g->first; b; b = b->next)
        for (const struct store_change *c = b->rc == 0 ? b->first : NULL; c; c = c->next) {
            rc = rc == 0 ? follow(s, c) : rc;
            counter_add(&s->stats.changes, 1);
        }
    if (rc < 0 && !counter_get(&s->stats.is_failed)) {
        set_gauge(&s->stats.is_failed, 1); /* opened anew, it has all of them */
        store_report(s, "the store takes nothing more: no memory for an identifier");
    }
    set_gauge(&s->stats.records, index_count(s->index));
}

static void remove_files(struct store *s, const struct group *g)
{
    for (size_t i = 0; i < g->n_removed; i++) {
        if (!g->removed[i].has_file)
            continue;
        blobs_remove(&s->blobs, g->removed[i].digest, g->removed[i].bytes);
        counter_give(&s->stats.blobs);
    }
}

/* All that has changes, as one transaction; whatever becomes of it is in each batch's rc. */
static void change(struct store *s, struct group *g)
{
    int rc = commit(s, g, counter_get(&s->stats.is_full) != 0);
    judge(s, rc);
    if (rc == ERR_DISK_FULL) {
        folder_give_reserve(&s->folder);
        rc = commit(s, g, true);
        judge(s, rc);
    }
    if (rc < 0) {
        for (struct store_batch *b = g->first; b; b = b->next)
            b->rc = b->first || rc == ERR_STORE ? rc : 0;
        return;
    }
    follow_all(s, g);
    remove_files(s, g);
}

static void do_group(struct store *s, struct group *g)
{
    while (g->first && !g->first->first) { /* those that only ask, before the first change */
        struct store_batch *b = g->first;
        g->first = b->next;
        finish(s, b);
    }
    if (!g->first)
        return;
    if (counter_get(&s->stats.is_failed)) {
        for (struct store_batch *b = g->first; b; b = b->next)
            b->rc = ERR_STORE;
    } else {
        change(s, g);
    }
    while (g->first) {
        struct store_batch *b = g->first;
        g->first = b->next;
        finish(s, b);
    }
}

/* What nobody waits for. */
static void keep_house(struct store *s)
{
    if (s->db.log_pages >= LOG_PAGES && !counter_get(&s->stats.is_failed))
        judge(s, db_checkpoint(&s->db));
    if (counter_get(&s->stats.is_full) && folder_take_reserve(&s->folder)) {
        set_gauge(&s->stats.is_full, 0);
        tell(s, "there is room on the disk again");
    }
    set_gauge(&s->stats.bytes, db_bytes(&s->db));
}

void *store_main(void *context)
{
    struct store *s = context;
    struct group *g = calloc(1, sizeof *g);
    CHECK(g); /* a few KiB, at the start */
    while (take_group(s, g)) {
        do_group(s, g);
        keep_house(s);
    }
    free(g);
    return NULL;
}
