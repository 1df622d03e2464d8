/* Registers, counters, documents, collections, and what is worse. */
#include "model.h"
#include "base/check.h"

#include <string.h>

/* ---- what operations do */

static void fill(struct model_state *s, const struct model_body *b)
{
    for (int i = 0; i < MODEL_CELLS; i++)
        s->cells[i] = 0;
    s->cells[b->cell] = b->value;
}

static void put_cell(struct model_state *s, const struct model_body *b)
{
    s->cells[b->cell] = b->value;
}

static void put_first(struct model_state *s, const struct model_body *b)
{
    s->cells[0] = b->value;
}

static void add(struct model_state *s, const struct model_body *b)
{
    s->cells[b->cell % 2] += b->value;
}

static void multiply(struct model_state *s, const struct model_body *b)
{
    (void)b;
    s->cells[0] = (int)((unsigned)s->cells[0] * 3u + 1u);
}

static void set_bit(struct model_state *s, const struct model_body *b)
{
    s->cells[7] |= 1 << b->cell;
}

static void clear_bit(struct model_state *s, const struct model_body *b)
{
    s->cells[7] &= ~(1 << b->cell);
}

/* At the end of a list; the oldest falls out. */
static void append(struct model_state *s, const struct model_body *b)
{
    memmove(s->cells, s->cells + 1, (MODEL_CELLS - 1) * sizeof s->cells[0]);
    s->cells[MODEL_CELLS - 1] = b->value;
}

/* JSON merge patch of two members, each absent, a number or an object with two members of its own:
 * three cells hold its kind and these. */
static void merge(struct model_state *s, const struct model_body *b)
{
    enum { ABSENT, NUMBER, OBJECT };
    int *member = s->cells + (b->cell & 1) * 3;
    int what = b->value % 4;
    if (what == 0) { /* null */
        member[0] = ABSENT;
        member[1] = member[2] = 0;
    } else if (what == 1) { /* a number */
        member[0] = NUMBER;
        member[1] = b->value;
        member[2] = 0;
    } else { /* an object with one member, a number or null */
        if (member[0] != OBJECT)
            member[1] = member[2] = 0;
        member[0] = OBJECT;
        member[1 + (b->cell >> 1 & 1)] = what == 2 ? b->value : 0;
    }
}

/* ---- and what is declared of them */

#define CREATE                                                                                     \
    {                                                                                              \
        {.name = STR("create"), .creates = true}, fill, false                                      \
    }
#define REPLACE                                                                                    \
    {                                                                                              \
        {.name = STR("replace"), .replaces = true, .overwrites = true}, fill, false                \
    }
#define DELETE                                                                                     \
    {                                                                                              \
        {.name = STR("delete"), .deletes = true, .overwrites = true}, NULL, false                  \
    }
#define OVERWRITE(n, f)                                                                            \
    {                                                                                              \
        {.name = STR(n), .overwrites = true}, f, false                                             \
    }
#define CHANGE(n, f)                                                                               \
    {                                                                                              \
        {.name = STR(n)}, f, false                                                                 \
    }

#define PAIR(a, b, r)                                                                              \
    {                                                                                              \
        STR(a), STR(b), r                                                                          \
    }
#define CREATES                                                                                    \
    PAIR("create", "create", OP_TAKE_ONE), PAIR("create", "delete", OP_AFTER_WINS),                \
        PAIR("delete", "delete", OP_TAKE_ONE)
#define REPLACES                                                                                   \
    PAIR("replace", "replace", OP_TAKE_ONE), PAIR("create", "replace", OP_KEEP_ORDER),             \
        PAIR("replace", "create", OP_REVERSE_ORDER), PAIR("replace", "delete", OP_AFTER_WINS)
#define UPDATES(n)                                                                                 \
    PAIR("create", n, OP_KEEP_ORDER), PAIR(n, "create", OP_REVERSE_ORDER),                         \
        PAIR(n, "delete", OP_AFTER_WINS)
#define OVER(n) PAIR("replace", n, OP_KEEP_ORDER), PAIR(n, "replace", OP_REVERSE_ORDER)

const struct model models[] = {
    {.name = "register, made again",
     .types = {CREATE, REPLACE, DELETE},
     .n_types = 3,
     .pairs = {CREATES, REPLACES},
     .n_pairs = 7,
     .can_remake = true,
     .converges = true},
    {.name = "register whose replace makes it",
     .types = {CREATE,
               {{.name = STR("replace"), .replaces = true, .overwrites = true, .makes = true},
                fill,
                false},
               DELETE},
     .n_types = 3,
     .pairs = {CREATES, REPLACES},
     .n_pairs = 7,
     .can_remake = true,
     .converges = true},
    {.name = "register made by PUT",
     .types = {{{.name = STR("create"), .creates = true, .overwrites = true}, fill, false}, DELETE},
     .n_types = 2,
     .pairs = {CREATES},
     .n_pairs = 3,
     .converges = true},
    {.name = "fields, standard matrix",
     .types = {CREATE, REPLACE, OVERWRITE("update", put_cell), DELETE},
     .n_types = 4,
     .pairs = {CREATES, REPLACES, UPDATES("update"), OVER("update")},
     .n_pairs = 12,
     .can_remake = true,
     .converges = true},
    {.name = "fields, never made again",
     .types = {CREATE, REPLACE, OVERWRITE("update", put_cell), DELETE},
     .n_types = 4,
     .pairs = {CREATES, REPLACES, UPDATES("update"), OVER("update")},
     .n_pairs = 12,
     .cannot_find = true},
    {.name = "fields without a replace",
     .types = {CREATE, OVERWRITE("update", put_cell), DELETE},
     .n_types = 3,
     .pairs = {CREATES, UPDATES("update")},
     .n_pairs = 6},
    {.name = "fields without any matrix",
     .types = {CREATE, REPLACE, OVERWRITE("update", put_cell), DELETE},
     .n_types = 4,
     .can_remake = true,
     .converges = true},
    {.name = "counter that commutes",
     .types = {CREATE, CHANGE("add", add), DELETE},
     .n_types = 3,
     .pairs = {CREATES, UPDATES("add"), PAIR("add", "add", OP_ANY_ORDER)},
     .n_pairs = 7,
     .can_remake = true,
     .converges = true},
    {.name = "counter that can be set",
     .types = {CREATE, REPLACE, CHANGE("add", add), DELETE},
     .n_types = 4,
     .pairs = {CREATES, REPLACES, UPDATES("add"), OVER("add"), PAIR("add", "add", OP_ANY_ORDER)},
     .n_pairs = 13},
    {.name = "counter with transfer",
     .types = {CREATE, CHANGE("add", add), CHANGE("multiply", multiply), DELETE},
     .n_types = 4,
     .pairs = {CREATES, UPDATES("add"), UPDATES("multiply"), PAIR("add", "add", OP_ANY_ORDER)},
     .n_pairs = 10,
     .can_transfer = true,
     .transfer_makes = true},
    {.name = "counter in an order of types",
     .types = {CREATE, CHANGE("add", add), CHANGE("multiply", multiply), DELETE},
     .n_types = 4,
     .pairs = {CREATES, UPDATES("add"), UPDATES("multiply"), PAIR("add", "add", OP_ANY_ORDER),
               PAIR("multiply", "multiply", OP_ANY_ORDER), PAIR("add", "multiply", OP_KEEP_ORDER)},
     .n_pairs = 12,
     .can_remake = true,
     .converges = true},
    {.name = "counter that only diverges",
     .types = {CREATE, CHANGE("add", add), CHANGE("multiply", multiply)},
     .n_types = 3,
     .pairs = {PAIR("create", "create", OP_TAKE_ONE)},
     .n_pairs = 1},
    {.name = "document under merge patch",
     .types = {CREATE, REPLACE, OVERWRITE("update", merge), DELETE},
     .n_types = 4,
     .pairs = {CREATES, REPLACES, UPDATES("update"), OVER("update")},
     .n_pairs = 12,
     .can_remake = true,
     .converges = true},
    {.name = "document with transfer",
     .types = {CREATE, REPLACE, OVERWRITE("update", merge), CHANGE("change", append), DELETE},
     .n_types = 5,
     .pairs = {CREATES, REPLACES, UPDATES("update"), OVER("update"), UPDATES("change")},
     .n_pairs = 15,
     .can_transfer = true},
    {.name = "collection of members",
     .types = {CREATE, OVERWRITE("put", set_bit), OVERWRITE("drop", clear_bit), DELETE},
     .n_types = 4,
     .pairs = {CREATES, UPDATES("put"), UPDATES("drop"), PAIR("put", "put", OP_ANY_ORDER),
               PAIR("drop", "drop", OP_ANY_ORDER)},
     .n_pairs = 11,
     .can_remake = true,
     .converges = true},
    {.name = "list that grows, made again",
     .types = {CREATE, CHANGE("append", append), DELETE},
     .n_types = 3,
     .pairs = {CREATES, UPDATES("append")},
     .n_pairs = 6,
     .can_remake = true},
    {.name = "list that grows, with transfer",
     .types = {CREATE, REPLACE, CHANGE("append", append), DELETE},
     .n_types = 4,
     .pairs = {CREATES, REPLACES, UPDATES("append"), OVER("append")},
     .n_pairs = 12,
     .can_remake = true,
     .can_transfer = true},
    {.name = "list that grows, never made again",
     .types = {CREATE, CHANGE("append", append), DELETE},
     .n_types = 3,
     .pairs = {CREATES, UPDATES("append")},
     .n_pairs = 6},
    {.name = "image: data once, fields, tags",
     .types = {CREATE,
               {{.name = STR("upload")}, put_first, true},
               OVERWRITE("update", put_cell),
               OVERWRITE("tag", set_bit),
               DELETE},
     .n_types = 5,
     .pairs = {CREATES, UPDATES("upload"), UPDATES("update"), UPDATES("tag"),
               PAIR("tag", "tag", OP_ANY_ORDER), PAIR("upload", "tag", OP_ANY_ORDER),
               PAIR("tag", "upload", OP_ANY_ORDER)},
     .n_pairs = 15,
     .can_remake = true},
};
const size_t n_models = COUNT_OF(models);

enum model_result model_run(const struct model *m, struct model_state *s, unsigned type,
                            const struct model_body *b)
{
    if (type == m->n_types) { /* a snapshot */
        if (!s->exists && !m->transfer_makes)
            return MODEL_MISSING;
        *s = b->state;
        return MODEL_OK;
    }
    const struct model_type *t = &m->types[type];
    if (t->effects.creates && s->exists && !t->effects.overwrites)
        return MODEL_CONFLICT;
    if (!t->effects.creates && !t->effects.makes && !s->exists)
        return t->effects.deletes ? MODEL_OK : MODEL_MISSING;
    if (t->is_once && s->cells[0] != 0)
        return MODEL_CONFLICT;
    s->exists = !t->effects.deletes;
    if (t->effects.deletes)
        memset(s->cells, 0, sizeof s->cells);
    else
        t->run(s, b);
    return MODEL_OK;
}

int model_make_matrix(const struct model *m, struct arena *arena, struct op_matrix *out,
                      struct diag *d)
{
    struct op_type types[MODEL_TYPES];
    for (size_t i = 0; i < m->n_types; i++)
        types[i] = m->types[i].effects;
    struct op_rules rules = {.types = types,
                             .n_types = m->n_types,
                             .pairs = m->pairs,
                             .n_pairs = m->n_pairs,
                             .can_remake = m->can_remake,
                             .can_transfer = m->can_transfer,
                             .transfer_makes = m->transfer_makes};
    return op_matrix_make(&rules, arena, out, d);
}
