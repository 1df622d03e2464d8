/* Batches: what is put into one is copied by the tables of rows, verbs and questions. */
#include "base/check.h"
#include "store/db.h"

#include <stdlib.h>

/* ---- the tables */

#define ROW(row) static const struct store_field row##_fields[] = {
#define FIELD(row, kind, member)                                                                   \
    {#member, STORE_FIELD_##kind, offsetof(struct store_##row, member)},
#define END(row)                                                                                   \
    }                                                                                              \
    ;
#include "store/rows.def"
#undef ROW
#undef FIELD
#undef END

#define ROW(row)                                                                                   \
    static const struct store_shape row##_shape = {row##_fields, COUNT_OF(row##_fields),           \
                                                   sizeof(struct store_##row)};
#define FIELD(row, kind, member)
#define END(row)
#include "store/rows.def"
#undef ROW
#undef FIELD
#undef END

const struct store_verb_row store_verb_rows[STORE_VERBS] = {
#define VERB(verb, row, sql) {#verb, sql, &row##_shape},
#include "store/verbs.def"
#undef VERB
};

const struct store_query_row store_query_rows[STORE_QUERIES] = {
#define QUERY(query, in, out, sql) {#query, sql, &in##_shape, &out##_shape},
#include "store/queries.def"
#undef QUERY
};

/* ---- making */

struct store_batch *store_batch_create(size_t bytes)
{
    struct store_batch *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    arena_init(&b->arena, NULL, 0, bytes ? bytes : STORE_BATCH_BYTES);
    b->last = &b->first;
    return b;
}

void store_batch_destroy(struct store_batch **bp)
{
    struct store_batch *b = *bp;
    *bp = NULL;
    if (!b)
        return;
    arena_fini(&b->arena);
    free(b);
}

static void destroy_orphan(struct store_batch *b)
{
    store_batch_destroy(&b);
}

void store_batch_orphan(struct store_batch **bp)
{
    struct store_batch *b = *bp;
    *bp = NULL;
    if (b)
        b->on_done = destroy_orphan; /* looked at by this thread only, when the message comes */
}

/* A copy of a row with its texts; absent on overflow, which store_submit finds. */
static void *copy_row(struct arena *a, const struct store_shape *shape, const void *what)
{
    char *row = arena_alloc(a, shape->size);
    if (!row || arena_overflowed(a))
        return NULL;
    memcpy(row, what, shape->size);
    for (size_t i = 0; i < shape->n; i++) {
        struct str *s = (struct str *)(void *)(row + shape->fields[i].offset);
        if (shape->fields[i].kind != STORE_FIELD_NUMBER)
            *s = arena_str(a, *s);
    }
    return row;
}

static void add_change(struct store_batch *b, enum store_verb verb, const void *what)
{
    struct store_change *c = arena_new(&b->arena, struct store_change);
    c->verb = verb;
    c->what = copy_row(&b->arena, store_verb_rows[verb].shape, what);
    if (arena_overflowed(&b->arena))
        return;
    *b->last = c;
    b->last = &c->next;
    b->n_changes++;
}

static void add_ask(struct store_batch *b, enum store_query query, const void *in, size_t limit)
{
    CHECK(b->n_asks < STORE_BATCH_ASKS && limit > 0);
    struct store_ask *q = &b->asks[b->n_asks++];
    q->query = query;
    q->in = copy_row(&b->arena, store_query_rows[query].in, in);
    q->limit = limit;
}

#define VERB(verb, row, sql)                                                                       \
    void store_##verb(struct store_batch *b, const struct store_##row *what)                       \
    {                                                                                              \
        add_change(b, STORE_VERB_##verb, what);                                                    \
    }
#include "store/verbs.def"
#undef VERB

#define QUERY(query, in_row, out, sql)                                                             \
    void store_ask_##query(struct store_batch *b, const struct store_##in_row *in, size_t limit)   \
    {                                                                                              \
        add_ask(b, STORE_QUERY_##query, in, limit);                                                \
    }
#include "store/queries.def"
#undef QUERY
