/* A disk: rows that are synced, and batches that are not yet. */
#include "repl/wire.h"
#include "sim.h"
#include <stdlib.h>
#include "base/check.h"

struct batch {
    struct batch *next;
    size_t n;
    struct repl_row rows[];
};

struct sim_store {
    struct repl_row *rows;
    size_t n, room, n_pending;
    struct batch *first, **last;
};

static struct str copy(struct str s)
{
    if (!s.p)
        return STR_NULL;
    char *p = malloc(s.n + 1);
    CHECK(p);
    memcpy(p, s.p, s.n);
    return (struct str){p, s.n};
}

static void drop(struct str *s)
{
    free((char *)(uintptr_t)s->p);
    *s = STR_NULL;
}

struct sim_store *sim_store_create(void)
{
    struct sim_store *s = calloc(1, sizeof *s);
    CHECK(s);
    s->last = &s->first;
    return s;
}

static void drop_batch(struct sim_store *s)
{
    struct batch *b = s->first;
    s->first = b->next;
    s->n_pending--;
    if (!s->first)
        s->last = &s->first;
    for (size_t i = 0; i < b->n; i++)
        drop(&b->rows[i].value);
    free(b);
}

void sim_store_refuse(struct sim_store *s)
{
    CHECK(s->first);
    drop_batch(s);
}

void sim_store_crash(struct sim_store *s)
{
    while (s->first)
        drop_batch(s);
}

void sim_store_destroy(struct sim_store **at)
{
    struct sim_store *s = *at;
    if (!s)
        return;
    sim_store_crash(s);
    for (size_t i = 0; i < s->n; i++)
        drop(&s->rows[i].value);
    free(s->rows);
    free(s);
    *at = NULL;
}

void sim_store_persist(struct sim_store *s, const struct repl_row *rows, size_t n)
{
    struct batch *b = malloc(sizeof *b + n * sizeof *rows);
    CHECK(b);
    b->next = NULL;
    b->n = n;
    for (size_t i = 0; i < n; i++) {
        b->rows[i] = rows[i];
        b->rows[i].value = copy(rows[i].value);
    }
    *s->last = b;
    s->last = &b->next;
    s->n_pending++;
}

size_t sim_store_pending(const struct sim_store *s)
{
    return s->n_pending;
}

static bool is_same(const struct repl_row *a, const struct repl_row *b)
{
    return a->kind == b->kind && a->id.hi == b->id.hi && a->id.lo == b->id.lo &&
           a->actor == b->actor && a->n == b->n;
}

static void apply(struct sim_store *s, const struct repl_row *row)
{
    bool is_gone = !row->value.p, all = is_gone && row->kind == REPL_ROW_RECORD;
    for (size_t i = 0; i < s->n; i++) {
        struct repl_row *at = &s->rows[i];
        if (!(all ? at->id.hi == row->id.hi && at->id.lo == row->id.lo : is_same(at, row)))
            continue;
        drop(&at->value);
        *at = s->rows[--s->n];
        if (!all)
            break;
        i--;
    }
    if (is_gone)
        return;
    if (s->n == s->room) {
        s->room = s->room ? 2 * s->room : 64;
        s->rows = realloc(s->rows, s->room * sizeof *s->rows);
        CHECK(s->rows);
    }
    s->rows[s->n] = *row;
    s->rows[s->n++].value = copy(row->value);
}

void sim_store_sync(struct sim_store *s, void (*on_row)(void *context, const struct repl_row *row),
                    void *context)
{
    struct batch *b = s->first;
    CHECK(b);
    for (size_t i = 0; i < b->n; i++)
        apply(s, &b->rows[i]);
    for (size_t i = 0; i < b->n; i++)
        if (b->rows[i].value.p)
            on_row(context, &b->rows[i]);
    drop_batch(s);
}

static int compare(const void *a, const void *b)
{
    const struct repl_row *x = a, *y = b;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if (x->actor != y->actor)
        return x->actor < y->actor ? -1 : 1;
    return x->n < y->n ? -1 : x->n > y->n;
}

int sim_store_load(struct sim_store *s, struct repl_node *node)
{
    if (s->n)
        qsort(s->rows, s->n, sizeof *s->rows, compare);
    for (size_t i = 0; i < s->n; i++) {
        int rc = repl_node_load(node, &s->rows[i]);
        if (rc < 0)
            return rc;
    }
    return 0;
}

struct str sim_store_actor(const struct sim_store *s, struct repl_id id, uint32_t actor)
{
    const struct repl_row wanted = {.kind = REPL_ROW_ACTOR, .id = id, .actor = actor};
    for (size_t i = 0; i < s->n; i++)
        if (is_same(&s->rows[i], &wanted)) {
            struct repl_reader in = {.rest = s->rows[i].value};
            return repl_get_str(&in);
        }
    return STR_NULL;
}
