/* cheops op order: the order of a set of operations under a resolution matrix. */
#include "base/check.h"
#include "ctl/options.h"
#include "op/log.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_MEMORY (1024UL * 1024 * 1024)

/* An operation as it is read. */
struct row {
    const char *id;
    const json_t *saw;
    struct op_draft draft;
};

struct ordering {
    struct arena arena;
    json_t *pairs, *operations;
    struct op_type types[OP_MAX_TYPES];
    size_t n_types;
    struct op_matrix matrix;
    struct op_log log;
    struct row *rows;
    size_t n_rows;
    struct diag d;
};

/* Ends a function with what is wrong. */
#define FAIL(o, ...) diag_set(&(o)->d, ERR_INVALID, __VA_ARGS__)

static json_t *load(struct ordering *o, const char *file)
{
    json_error_t e;
    json_t *rows = json_load_file(file, JSON_REJECT_DUPLICATES, &e);
    if (!rows)
        FAIL(o, "%s:%d:%d: %s", file, e.line, e.column, e.text);
    else if (!json_is_array(rows))
        FAIL(o, "%s: not a JSON array", file);
    return rows;
}

/* ---- the matrix ---- */

static struct op_type *type_of(struct ordering *o, struct str name)
{
    for (size_t i = 0; i < o->n_types; i++)
        if (str_eq(o->types[i].name, name))
            return &o->types[i];
    if (o->n_types == OP_MAX_TYPES) {
        diag_set(&o->d, ERR_INVALID, "more than %d types of operation", OP_MAX_TYPES);
        return NULL;
    }
    struct op_type *t = &o->types[o->n_types++];
    *t = (struct op_type){.name = name, .creates = str_eq(name, STR("create"))};
    return t;
}

static int read_pair(struct ordering *o, const json_t *row, struct op_pair *pair)
{
    const char *before, *after, *result;
    json_error_t e;
    if (json_unpack_ex((json_t *)(uintptr_t)row, &e, 0, "{s:s, s:s, s:s !}", "before", &before,
                       "after", &after, "result", &result) < 0)
        return FAIL(o, "the matrix: %s", e.text);
    *pair = (struct op_pair){str_of(before), str_of(after), op_relation_find(str_of(result))};
    if (pair->relation == OP_UNLISTED)
        return FAIL(o,
                    "the matrix: '%s' is no result; it is one of take-one, keep-order, "
                    "reverse-order, any-order, after-wins",
                    result);
    struct op_type *t = type_of(o, pair->before);
    t = t ? type_of(o, pair->after) : NULL;
    if (!t)
        return o->d.code;
    t->deletes |= pair->relation == OP_AFTER_WINS;
    t->replaces |= pair->relation == OP_TAKE_ONE || pair->relation == OP_REVERSE_ORDER;
    return 0;
}

static int read_matrix(struct ordering *o)
{
    size_t n = json_array_size(o->pairs), i;
    json_t *row;
    struct op_pair *pairs = arena_zalloc(&o->arena, (n + 1) * sizeof *pairs);
    json_array_foreach(o->pairs, i,
                       row) if (!pairs || read_pair(o, row, &pairs[i]) < 0) return ERR_INVALID;
    json_array_foreach(o->operations, i, row)
    {
        const char *type = json_string_value(json_object_get(row, "type"));
        if (!type)
            return FAIL(o, "an operation has no type");
        if (!type_of(o, str_of(type)))
            return ERR_INVALID;
    }
    return op_matrix_make(&(struct op_rules){o->types, o->n_types, pairs, n}, &o->arena, &o->matrix,
                          &o->d);
}

/* ---- the operations ---- */

static int read_row(struct ordering *o, const json_t *json, struct row *row)
{
    const char *site, *type;
    json_int_t n, clock, life = -1;
    json_t *saw;
    json_error_t e;
    if (json_unpack_ex((json_t *)(uintptr_t)json, &e, 0, "{s:s, s:s, s:I, s:I, s:o, s:s, s?I !}",
                       "id", &row->id, "site", &site, "n", &n, "clock", &clock, "saw", &saw, "type",
                       &type, "life", &life) < 0)
        return FAIL(o, "an operation: %s", e.text);
    if (n < 1 || clock < 0 || life < -1 || life >= OP_LIFE_UNKNOWN || !json_is_object(saw))
        return FAIL(o, "operation '%s': n is at least 1, clock and life at least 0, saw an object",
                    row->id);
    row->saw = saw;
    row->draft = (struct op_draft){.n = (uint64_t)n,
                                   .clock = (uint64_t)clock,
                                   .life = life < 0 ? OP_LIFE_UNKNOWN : (uint32_t)life,
                                   .type = (uint32_t)op_type_find(&o->matrix, str_of(type)),
                                   .owner = row};
    if (op_log_actor(&o->log, str_of(site), &row->draft.actor) < 0)
        return FAIL(o, "operation '%s': too many sites", row->id);
    return 0;
}

static int read_saw(struct ordering *o, struct row *row)
{
    const char *site;
    json_t *n;
    uint64_t *saw = arena_zalloc(&o->arena, o->log.n_actors * sizeof *saw);
    json_object_foreach((json_t *)(uintptr_t)row->saw, site, n)
    {
        uint32_t actor;
        uint32_t known = o->log.n_actors;
        if (!saw || !json_is_integer(n) || json_integer_value(n) < 0)
            return FAIL(o, "operation '%s': saw holds numbers from 0", row->id);
        if (json_integer_value(n) == 0)
            continue;
        if (op_log_actor(&o->log, str_of(site), &actor) < 0 || actor >= known)
            return FAIL(o, "operation '%s' saw a site that has no operation", row->id);
        saw[actor] = (uint64_t)json_integer_value(n);
    }
    row->draft.saw = saw;
    row->draft.n_saw = o->log.n_actors;
    return 0;
}

/* An operation's clock is above those of all that it saw, so none comes before what it needs. */
static int by_clock(const void *a, const void *b)
{
    const struct op_draft *x = &((const struct row *)a)->draft,
                          *y = &((const struct row *)b)->draft;
    if (x->clock != y->clock)
        return x->clock < y->clock ? -1 : 1;
    return x->n < y->n ? -1 : x->n > y->n;
}

static int add_rows(struct ordering *o)
{
    qsort(o->rows, o->n_rows, sizeof *o->rows, by_clock);
    for (size_t i = 0; i < o->n_rows; i++) {
        struct row *row = &o->rows[i];
        struct op_operation *op;
        struct diag d = {0};
        row->draft.owner = row;
        if (op_log_find(&o->log, row->draft.actor, row->draft.n))
            return FAIL(o, "operation '%s' has the site and number of another one", row->id);
        if (op_log_add(&o->log, &row->draft, &op, &d) < 0)
            return diag_set(&o->d, ERR_INVALID, "operation '%s': %s", row->id, d.message);
    }
    return 0;
}

static int read_operations(struct ordering *o)
{
    size_t i;
    json_t *row;
    o->n_rows = json_array_size(o->operations);
    o->rows = arena_zalloc(&o->arena, (o->n_rows + 1) * sizeof *o->rows);
    if (!o->rows)
        return FAIL(o, "the operations need more memory than 1 GiB");
    op_log_init(&o->log, &o->matrix, &o->arena);
    json_array_foreach(o->operations, i,
                       row) if (read_row(o, row, &o->rows[i]) < 0) return ERR_INVALID;
    for (i = 0; i < o->n_rows; i++)
        if (read_saw(o, &o->rows[i]) < 0)
            return ERR_INVALID;
    return add_rows(o);
}

/* ---- the answer ---- */

static const char *id_of(const struct op_operation *op)
{
    return ((const struct row *)op->owner)->id;
}

static int by_id(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The superseded ones, by id: their order says nothing. */
static json_t *superseded_ids(struct ordering *o)
{
    const char **ids = arena_alloc(&o->arena, (o->n_rows + 1) * sizeof(char *));
    json_t *json = json_array();
    size_t n = 0;
    for (size_t i = 0; ids && i < o->n_rows; i++) {
        const struct op_draft *draft = &o->rows[i].draft;
        const struct op_operation *op = op_log_find(&o->log, draft->actor, draft->n);
        if (op && op->is_superseded)
            ids[n++] = id_of(op);
    }
    if (ids)
        qsort(ids, n, sizeof *ids, by_id);
    for (size_t i = 0; i < n; i++)
        json_array_append_new(json, json_string(ids[i]));
    return json;
}

static void print_ids(const char *title, const json_t *ids)
{
    size_t i;
    json_t *id;
    printf("%s", title);
    json_array_foreach(ids, i, id) printf(" %s", json_string_value(id));
    putchar('\n');
}

static void print_order(struct ordering *o, bool is_json)
{
    json_t *list = json_array(), *superseded = superseded_ids(o);
    list_for_each (at, &o->log.list)
        json_array_append_new(list, json_string(id_of(OP_AT(at))));
    if (is_json) {
        json_t *both = json_pack("{s:O, s:O}", "list", list, "superseded", superseded);
        json_dumpf(both, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(both);
    } else {
        print_ids("list:", list);
        print_ids("superseded:", superseded);
    }
    json_decref(list);
    json_decref(superseded);
}

static int order(const char *matrix, const char *operations, bool is_json)
{
    struct ordering o = {.n_types = 0};
    arena_init(&o.arena, NULL, 0, MAX_MEMORY);
    o.pairs = load(&o, matrix);
    o.operations = o.d.code ? NULL : load(&o, operations);
    int rc = o.d.code;
    if (rc == 0)
        rc = read_matrix(&o);
    if (rc == 0)
        rc = read_operations(&o);
    if (rc == 0)
        print_order(&o, is_json);
    else
        ctl_fail(&o.d);
    json_decref(o.pairs);
    json_decref(o.operations);
    arena_fini(&o.arena);
    return rc == 0 ? CTL_OK : CTL_FAILED;
}

struct asked {
    const char *matrix, *operations;
    bool json;
};

static int run_order(int argc, char **argv)
{
    static const struct ctl_option options[] = {
        {"matrix", CTL_TEXT, offsetof(struct asked, matrix), "FILE",
         "[{\"before\": TYPE, \"after\": TYPE, \"result\": RELATION}, ...]"},
        {"ops", CTL_TEXT, offsetof(struct asked, operations), "FILE",
         "[{\"id\": ID, \"site\": SITE, \"n\": N, \"clock\": N, \"saw\": {SITE: N}, \"type\": "
         "TYPE}, "
         "...]"},
        {"json", CTL_FLAG, offsetof(struct asked, json), NULL,
         "the answer as JSON: {\"list\": [ID, ...], \"superseded\": [ID, ...]}"},
    };
    static const struct ctl_syntax syntax = {
        "op order",
        "",
        0,
        0,
        options,
        COUNT_OF(options),
        "Prints what a set of operations on one resource amounts to: those that are run, in "
        "order,\n"
        "and those that are superseded. Every order of the input gives the same. Both files are\n"
        "JSON. A RELATION is take-one, keep-order, reverse-order, any-order or after-wins. A type\n"
        "deletes that stands after after-wins; replaces the whole state that stands after that,\n"
        "take-one or reverse-order; creates that is called create. An operation may bear the\n"
        "\"life\" of the resource that it belongs to; it is found from what it saw else.\n"};
    struct asked asked = {.json = false};
    struct ctl_args args;
    if (!ctl_read(&syntax, argc, argv, &asked, &args))
        return args.status;
    if (!asked.matrix || !asked.operations) {
        fputs("cheops: op order needs --matrix FILE and --ops FILE\n", stderr);
        return CTL_USAGE;
    }
    return order(asked.matrix, asked.operations, asked.json);
}

int ctl_cmd_op(int argc, char **argv)
{
    static const struct ctl_command commands[] = {
        {"order", run_order, "what a set of operations amounts to"},
    };
    return ctl_dispatch("cheops op", commands, COUNT_OF(commands), argc, argv);
}
