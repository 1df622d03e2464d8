#include "site.h"
#include <stdlib.h>
#include "base/check.h"

static const struct str names[] = {{"Nantes", 6}, {"Paris", 5}, {"Lyon", 4}};
static const struct op_type op_types[SITE_TYPES] = {
    {.name = {"create", 6}, .creates = true},
    {.name = {"set", 3}, .replaces = true, .overwrites = true},
    {.name = {"add", 3}},
    {.name = {"delete", 6}, .deletes = true, .overwrites = true}};

static const struct op_matrix *matrix(void)
{
    static char memory[8192];
    static struct arena arena;
    static struct op_matrix m;
    const struct op_pair pairs[] = {{STR("set"), STR("set"), OP_TAKE_ONE},
                                    {STR("create"), STR("set"), OP_KEEP_ORDER},
                                    {STR("set"), STR("add"), OP_KEEP_ORDER},
                                    {STR("add"), STR("set"), OP_REVERSE_ORDER},
                                    {STR("add"), STR("add"), OP_ANY_ORDER}};
    if (!m.types) {
        arena_init(&arena, memory, sizeof memory, sizeof memory);
        CHECK(op_matrix_make(&(struct op_rules){op_types, SITE_TYPES, pairs, COUNT_OF(pairs),
                                                .can_remake = true},
                             &arena, &m, NULL) == 0);
    }
    return &m;
}

static struct str copy(struct str s)
{
    char *p = s.p ? malloc(s.n + 1) : NULL;
    CHECK(p || !s.p);
    if (s.n)
        memcpy(p, s.p, s.n);
    return (struct str){p, s.n};
}

static void drop(struct str s)
{
    free((char *)(uintptr_t)s.p);
}

static bool is_of(const struct repl_row *a, const struct repl_row *b)
{
    return a->id.hi == b->id.hi && a->id.lo == b->id.lo;
}

static void store(struct site *s, const struct repl_row *row)
{
    bool all = row->kind == REPL_ROW_RECORD && !row->value.p;
    for (size_t i = s->n_rows; i-- > 0;) {
        struct repl_row *at = &s->rows[i];
        if (!is_of(at, row) ||
            (!all && (at->kind != row->kind || at->actor != row->actor || at->n != row->n)))
            continue;
        drop(at->value);
        *at = s->rows[--s->n_rows];
    }
    if (!row->value.p)
        return;
    if (s->n_rows == s->rows_room) {
        s->rows_room = s->rows_room ? 2 * s->rows_room : 64;
        s->rows = realloc(s->rows, s->rows_room * sizeof *s->rows);
        CHECK(s->rows);
    }
    s->rows[s->n_rows] = *row;
    s->rows[s->n_rows++].value = copy(row->value);
}

static void on_persist(void *context, const struct repl_row *rows, size_t n)
{
    struct site *s = context;
    for (size_t i = 0; i < n && !s->is_forgetful; i++)
        store(s, &rows[i]);
    s->n_batches++;
}

static void on_send(void *context, size_t to, struct str message)
{
    struct site *s = context;
    struct site_message *m = malloc(sizeof *m);
    CHECK(m && message.n <= REPL_MESSAGE_BYTES);
    *m = (struct site_message){.to = to, .bytes = copy(message)};
    *s->last = m;
    s->last = &m->next;
}

static void on_run(void *context, const struct repl_run *run)
{
    struct site *s = context;
    CHECK(s->n_runs < COUNT_OF(s->runs));
    s->runs[s->n_runs++] = *run;
}

static void on_answer(void *context, uint64_t client, const struct repl_answer *answer)
{
    struct site *s = context;
    s->answer = *answer;
    s->n_answers++;
}

static const struct repl_effects effects = {on_persist, on_send, on_run, on_answer};

static int compare(const void *a, const void *b)
{
    const struct repl_row *x = a, *y = b;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if (x->actor != y->actor)
        return x->actor < y->actor ? -1 : 1;
    return x->n < y->n ? -1 : x->n > y->n;
}

static void open_node(struct site *s, size_t log_bytes)
{
    const struct repl_type type = {.name = STR("thing"), .matrix = matrix(), .digest = 5};
    const struct repl_config config = {.sites = names,
                                       .n_sites = COUNT_OF(names),
                                       .self = s->number,
                                       .incarnation = 1 + s->number,
                                       .types = &type,
                                       .n_types = 1,
                                       .exchange_ms = 1000,
                                       .retry_ms = 10,
                                       .retry_most_ms = 100,
                                       .log_bytes = log_bytes};
    CHECK(repl_node_create(&s->node, &config, &effects, s) == 0);
    if (s->n_rows > 0)
        qsort(s->rows, s->n_rows, sizeof *s->rows, compare);
    for (size_t i = 0; i < s->n_rows; i++)
        CHECK(repl_node_load(s->node, &s->rows[i]) == 0);
    CHECK(repl_node_start(s->node, s->now) == 0);
}

void site_start(struct site *s, size_t number, size_t log_bytes)
{
    *s = (struct site){.number = number, .now = {1000, 1000000}, .status = 200};
    s->last = &s->first;
    open_node(s, log_bytes);
}

void site_lose(struct site *s)
{
    for (struct site_message *m; (m = s->first);) {
        s->first = m->next;
        drop(m->bytes);
        free(m);
    }
    s->last = &s->first;
}

void site_restart(struct site *s, size_t log_bytes)
{
    repl_node_destroy(&s->node);
    site_lose(s);
    s->n_runs = s->n_ran = s->n_batches = 0;
    open_node(s, log_bytes);
}

void site_fini(struct site *s)
{
    repl_node_destroy(&s->node);
    site_lose(s);
    for (size_t i = 0; i < s->n_rows; i++)
        drop(s->rows[i].value);
    free(s->rows);
}

void site_settle(struct site *s)
{
    while (s->n_batches || s->n_runs) {
        if (s->n_batches) {
            s->n_batches--;
            repl_node_persisted(s->node, s->now, 0);
        } else {
            struct repl_run run = s->runs[--s->n_runs];
            struct repl_outcome o = {.status = s->status};
            if (run.op_type == CREATE && run.kind == REPL_RUN)
                o.local = STR("7");
            s->n_ran++;
            repl_node_ran(s->node, s->now, run.id, run.ticket, &o);
        }
    }
}

size_t site_deliver(struct site *from, struct site *to, unsigned kind)
{
    size_t n = 0;
    for (struct site_message *m = from->first; m; m = m->next) {
        if (m->to != to->number)
            continue;
        n += m->bytes.p[0] == (char)kind;
        repl_node_message(to->node, to->now, from->number, m->bytes);
        site_settle(to);
    }
    site_lose(from);
    return n;
}

int site_begin(struct site *s, uint64_t id, unsigned op_type, uint64_t sites)
{
    return repl_node_begin(s->node, s->now,
                           &(struct repl_request){.id = {1, id},
                                                  .op_type = op_type,
                                                  .sites = sites,
                                                  .payload = STR("what it is"),
                                                  .client = 9,
                                                  .timeout_ms = 5000});
}

void site_meet(struct site *a, struct site *b)
{
    for (unsigned i = 0; i < 3; i++) {
        a->now.ms += 1000;
        b->now.ms += 1000;
        repl_node_tick(a->node, a->now);
        repl_node_tick(b->node, b->now);
        while (a->first || b->first) {
            site_deliver(a, b, 0);
            site_settle(b);
            site_deliver(b, a, 0);
            site_settle(a);
        }
    }
}
