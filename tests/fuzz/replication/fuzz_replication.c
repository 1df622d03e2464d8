/* Any bytes as messages of another site: two bytes of length, the message, and so on.
 *
 * The node has a resource with a few operations. Whatever comes, its batches can be read again: a
 * node that is made of what was stored starts, and holds the same operations.
 */
#include "fuzz.h"

#include <stdlib.h>
#include "base/check.h"
#include "repl/node.h"

#define MOST_ROWS 4096

struct fixture {
    struct repl_node *node;
    struct repl_row rows[MOST_ROWS];
    size_t n_rows, n_batches;
    struct repl_run runs[64];
    size_t n_runs;
};

static void put(struct fixture *f, const struct repl_row *row)
{
    bool all = row->kind == REPL_ROW_RECORD && !row->value.p;
    for (size_t i = f->n_rows; i-- > 0;) {
        struct repl_row *at = &f->rows[i];
        if (at->id.hi != row->id.hi || at->id.lo != row->id.lo ||
            (!all && (at->kind != row->kind || at->actor != row->actor || at->n != row->n)))
            continue;
        free((char *)(uintptr_t)at->value.p);
        *at = f->rows[--f->n_rows];
    }
    if (!row->value.p)
        return;
    char *copy = malloc(row->value.n + 1);
    CHECK(copy && f->n_rows < MOST_ROWS);
    if (row->value.n)
        memcpy(copy, row->value.p, row->value.n);
    f->rows[f->n_rows] = *row;
    f->rows[f->n_rows++].value = (struct str){copy, row->value.n};
}

static void on_persist(void *context, const struct repl_row *rows, size_t n)
{
    struct fixture *f = context;
    for (size_t i = 0; i < n; i++)
        put(f, &rows[i]);
    f->n_batches++;
}

static void on_send(void *context, size_t site, struct str message)
{
    CHECK(site == 1 && message.n <= REPL_MESSAGE_BYTES);
}

static void on_run(void *context, const struct repl_run *run)
{
    struct fixture *f = context;
    CHECK(f->n_runs < COUNT_OF(f->runs));
    f->runs[f->n_runs++] = *run;
}

static void on_answer(void *context, uint64_t client, const struct repl_answer *answer)
{
}

static const struct repl_effects effects = {on_persist, on_send, on_run, on_answer};
static const struct repl_time now = {1000, 1000};

static const struct op_matrix *matrix(void)
{
    static const struct op_type types[] = {
        {.name = {"create", 6}, .creates = true},
        {.name = {"set", 3}, .replaces = true, .overwrites = true},
        {.name = {"add", 3}},
        {.name = {"delete", 6}, .deletes = true, .overwrites = true}};
    static char memory[8192];
    static struct arena arena;
    static struct op_matrix m;
    if (!m.types) {
        arena_init(&arena, memory, sizeof memory, sizeof memory);
        CHECK(
            op_matrix_make(&(struct op_rules){types, COUNT_OF(types), NULL, 0, .can_remake = true},
                           &arena, &m, NULL) == 0);
    }
    return &m;
}

static struct repl_node *create(struct fixture *f)
{
    static const struct str sites[] = {{"Nantes", 6}, {"Paris", 5}};
    const struct repl_type type = {.name = STR("thing"), .matrix = matrix(), .digest = 5};
    struct repl_node *node;
    CHECK(repl_node_create(&node,
                           &(struct repl_config){.sites = sites,
                                                 .n_sites = 2,
                                                 .incarnation = 1,
                                                 .types = &type,
                                                 .n_types = 1,
                                                 .exchange_ms = 1000,
                                                 .retry_ms = 10,
                                                 .retry_most_ms = 100,
                                                 .log_bytes = 1 << 20},
                           &effects, f) == 0);
    return node;
}

static void settle(struct fixture *f)
{
    while (f->n_batches || f->n_runs) {
        if (f->n_batches) {
            f->n_batches--;
            repl_node_persisted(f->node, now, 0);
            continue;
        }
        struct repl_run run = f->runs[--f->n_runs];
        struct repl_outcome o = {.status = 200, .local = STR("7")};
        repl_node_ran(f->node, now, run.id, run.ticket, &o);
    }
}

static int compare(const void *a, const void *b)
{
    const struct repl_row *x = a, *y = b;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    return x->actor != y->actor ? (x->actor < y->actor ? -1 : 1) : 0;
}

static void read_again(struct fixture *f)
{
    struct repl_node *again = create(f);
    qsort(f->rows, f->n_rows, sizeof f->rows[0], compare);
    for (size_t i = 0; i < f->n_rows; i++)
        CHECK(repl_node_load(again, &f->rows[i]) == 0);
    struct repl_view was, is;
    bool is_there = repl_node_view(f->node, (struct repl_id){1, 4}, &was);
    CHECK(repl_node_start(again, now) == 0 && is_there);
    CHECK(repl_node_view(again, (struct repl_id){1, 4}, &is));
    CHECK(is.log->n_listed == was.log->n_listed && is.log->life == was.log->life);
    repl_node_destroy(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fixture f; /* large */
    static const unsigned kinds[] = {0, 2, 1, 2};
    f.n_rows = f.n_batches = f.n_runs = 0;
    f.node = create(&f);
    CHECK(repl_node_start(f.node, now) == 0);
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        CHECK(repl_node_begin(f.node, now,
                              &(struct repl_request){.id = {1, 4},
                                                     .op_type = kinds[i],
                                                     .sites = 3,
                                                     .client = 1,
                                                     .timeout_ms = 1000}) == 0);
        settle(&f);
    }
    for (size_t at = 0; at + 2 < size && f.n_rows < MOST_ROWS / 2;) {
        size_t n = data[at] << 8 | data[at + 1];
        at += 2;
        n = n < size - at ? n : size - at;
        repl_node_message(f.node, now, 1, (struct str){(const char *)data + at, n});
        settle(&f);
        at += n;
    }
    read_again(&f);
    repl_node_destroy(&f.node);
    for (size_t i = 0; i < f.n_rows; i++)
        free((char *)(uintptr_t)f.rows[i].value.p);
    return 0;
}
