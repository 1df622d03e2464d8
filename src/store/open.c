/* A store from its folder to its threads, and back. */
#include "base/check.h"
#include "store/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ARENA_BYTES 8192

/* ---- the index, from two scans in the order of the records */

struct scan {
    struct store *store;
    sqlite3_stmt *records, *locals;
    bool has_local;
};

static struct str column(sqlite3_stmt *stmt, int i)
{
    const char *p = sqlite3_column_blob(stmt, i);
    size_t n = (size_t)sqlite3_column_bytes(stmt, i);
    return sqlite3_column_type(stmt, i) == SQLITE_NULL ? STR_NULL : (struct str){p ? p : "", n};
}

static int next_local(struct scan *x)
{
    int rc = sqlite3_step(x->locals);
    x->has_local = rc == SQLITE_ROW;
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int load_record(struct scan *x)
{
    struct store_record r = {.record = column(x->records, 0),
                             .service = column(x->records, 1),
                             .type = column(x->records, 2),
                             .visible = column(x->records, 3),
                             .state = (uint64_t)sqlite3_column_int64(x->records, 4)};
    int order = 1, rc = index_put(x->store->index, &r);
    while (rc == 0 && x->has_local &&
           (order = str_cmp(column(x->locals, 0), r.record)) < 0) /* of a record that is gone */
        rc = db_code(&x->store->db, next_local(x));
    if (rc == 0 && x->has_local && order == 0)
        rc = index_set_local(x->store->index, r.record, column(x->locals, 1));
    return rc;
}

static int scan(struct scan *x)
{
    struct store *s = x->store;
    int rc = sqlite3_prepare_v2(
        s->db.sql, "SELECT record,service,type,visible,state FROM record ORDER BY record", -1,
        &x->records, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(
            s->db.sql,
            "SELECT record,local FROM replica WHERE site=?1 AND local IS NOT NULL"
            " ORDER BY record",
            -1, &x->locals, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(x->locals, 1, s->site.p, (int)s->site.n, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = next_local(x);
    int code = db_code(&s->db, rc);
    while (code == 0 && (rc = sqlite3_step(x->records)) == SQLITE_ROW)
        code = load_record(x);
    return code < 0 ? code : db_code(&s->db, rc);
}

static int load_index(struct store *s, struct diag *d)
{
    struct scan x = {.store = s};
    int rc = index_create(&s->index);
    if (rc == 0)
        rc = scan(&x);
    sqlite3_finalize(x.records);
    sqlite3_finalize(x.locals);
    counter_add(&s->stats.records, s->index ? index_count(s->index) : 0);
    return rc < 0 ? diag_set(d, rc, "the records cannot be loaded: %s",
                             rc == ERR_NO_MEMORY ? "no memory" : sqlite3_errmsg(s->db.sql))
                  : 0;
}

/* ---- what the database says of itself */

static int make_meta(struct store *s)
{
    rt_random(&s->incarnation, sizeof s->incarnation);
    int rc = db_begin(&s->db);
    if (rc == 0)
        rc = db_set_text(&s->db, "site", s->site);
    if (rc == 0)
        rc = db_set_number(&s->db, "incarnation", s->incarnation);
    return rc == 0 ? db_commit(&s->db) : rc;
}

static int check_site(const struct store *s, struct str site, struct diag *d)
{
    if (str_eq(site, s->site))
        return 0;
    diag_set(d, ERR_STORE, "the store is of site %.*s, and this is site %.*s",
             STR_ARG(str_sub(site, 0, 64)), STR_ARG(str_sub(s->site, 0, 64)));
    diag_hint(d, "give each site a folder of its own; a site cannot be renamed");
    return ERR_STORE;
}

/* was_closed: nothing was left over. */
static int read_meta(struct store *s, bool *was_closed, struct diag *d)
{
    uint64_t closed = 0;
    struct str site;
    int rc = db_get_text(&s->db, "site", &s->arena, &site);
    if (rc == ERR_NOT_FOUND) {
        rc = make_meta(s);
        site = s->site;
    } else if (rc == 0) {
        rc = db_get_number(&s->db, "incarnation", &s->incarnation);
    }
    if (rc == 0 && (rc = db_get_number(&s->db, "closed", &closed)) == ERR_NOT_FOUND)
        rc = 0;
    *was_closed = closed != 0;
    if (rc < 0)
        return diag_set(d, rc, "the store cannot be read: %s", sqlite3_errmsg(s->db.sql));
    return check_site(s, site, d);
}

/* ---- opening */

static int open_files(struct store *s, const struct store_config *c, struct diag *d)
{
    bool was_closed = false;
    struct str path = arena_printf(&s->arena, "%s/" STORE_DATABASE, c->folder);
    if (!path.p || !s->site.p)
        return diag_set(d, ERR_INVALID, "the path of the store's folder is too long");
    int rc = folder_open(&s->folder, c->folder, d);
    if (rc == 0)
        rc = db_open(&s->db, path.p, d);
    if (rc == 0)
        rc = read_meta(s, &was_closed, d);
    if (rc == 0)
        rc = recover(s, was_closed, d);
    if (rc == 0)
        rc = load_index(s, d);
    if (rc == 0 && db_set_number(&s->db, "closed", 0) < 0)
        rc = diag_set(d, ERR_STORE, "the store cannot be written: %s", sqlite3_errmsg(s->db.sql));
    if (rc == 0 && !folder_take_reserve(&s->folder))
        counter_add(&s->stats.is_full, 1);
    return rc;
}

static int start(struct store *s, struct diag *d)
{
    int rc = blobs_start(&s->blobs, d);
    if (rc == 0)
        rc = rt_thread_start(&s->thread, "store", store_main, s, d);
    s->runs = rc == 0;
    return rc;
}

int store_open(struct store **out, const struct store_config *c, struct diag *d)
{
    pthread_condattr_t monotonic;
    struct store *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s)
        return diag_set(d, ERR_NO_MEMORY, "no memory for the store");
    s->folder = FOLDER_CLOSED;
    arena_init(&s->arena, NULL, 0, ARENA_BYTES);
    s->site = arena_str(&s->arena, c->site);
    s->max_queue = c->queue;
    s->on_event = c->on_event;
    s->event_context = c->context;
    s->last = &s->first;
    blobs_init(&s->blobs, s, c);
    CHECK(pthread_mutex_init(&s->lock, NULL) == 0);
    CHECK(pthread_condattr_init(&monotonic) == 0);
    CHECK(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&s->wake, &monotonic) == 0);
    pthread_condattr_destroy(&monotonic);
    int rc = open_files(s, c, d);
    if (rc == 0)
        rc = start(s, d);
    if (rc < 0)
        store_close(&s);
    *out = s;
    return rc;
}

/* ---- closing */

/* The files' thread first: what it has to say, the other one still writes. */
void store_stop(struct store *s)
{
    blobs_stop(&s->blobs);
    if (!s->runs)
        return;
    CHECK(pthread_mutex_lock(&s->lock) == 0);
    s->is_stopping = true;
    CHECK(pthread_cond_signal(&s->wake) == 0);
    CHECK(pthread_mutex_unlock(&s->lock) == 0);
    CHECK(pthread_join(s->thread, NULL) == 0);
    s->runs = false;
}

static void close_db(struct store *s)
{
    if (!s->db.sql)
        return;
    if (s->is_over && !s->is_untidy && !counter_get(&s->stats.is_failed) &&
        db_set_number(&s->db, "closed", 1) < 0)
        store_report(s, "the store could not be closed: %s", sqlite3_errmsg(s->db.sql));
    db_close(&s->db);
}

void store_close(struct store **sp)
{
    struct store *s = *sp;
    *sp = NULL;
    if (!s)
        return;
    store_stop(s);
    close_db(s);
    folder_close(&s->folder);
    index_destroy(&s->index);
    blobs_fini(&s->blobs);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->wake);
    arena_fini(&s->arena);
    free(s);
}

/* ---- asking */

uint64_t store_incarnation(const struct store *s)
{
    return s->incarnation;
}

const struct store_stats *store_stats(const struct store *s)
{
    return &s->stats;
}
