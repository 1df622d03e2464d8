/* Applications of four kinds. */
#include "base/check.h"
#include "base/out.h"
#include "sim.h"

#define STANDARD                                                                                   \
    {STR("create"), STR("create"), OP_TAKE_ONE}, {STR("create"), STR("delete"), OP_AFTER_WINS},    \
    {                                                                                              \
        STR("delete"), STR("delete"), OP_TAKE_ONE                                                  \
    }
#define REPLACES                                                                                   \
    {STR("replace"), STR("replace"), OP_TAKE_ONE}, {STR("create"), STR("replace"), OP_KEEP_ORDER}, \
        {STR("replace"), STR("create"), OP_REVERSE_ORDER},                                         \
    {                                                                                              \
        STR("replace"), STR("delete"), OP_AFTER_WINS                                               \
    }

static const struct op_type types[SIM_TYPES][4] = {
    {{.name = {"create", 6}, .creates = true},
     {.name = {"replace", 7}, .replaces = true, .overwrites = true},
     {.name = {"delete", 6}, .deletes = true, .overwrites = true}},
    {{.name = {"create", 6}, .creates = true},
     {.name = {"add", 3}},
     {.name = {"delete", 6}, .deletes = true, .overwrites = true}},
    {{.name = {"create", 6}, .creates = true},
     {.name = {"patch", 5}, .overwrites = true},
     {.name = {"delete", 6}, .deletes = true, .overwrites = true},
     {.name = {"replace", 7}, .replaces = true, .overwrites = true}},
    {{.name = {"create", 6}, .creates = true},
     {.name = {"append", 6}},
     {.name = {"delete", 6}, .deletes = true, .overwrites = true}},
};

bool sim_type_gives_ids(uint32_t type)
{
    return type == 1 || type == 3;
}

static struct str names[SIM_TYPES] = {
    {"register", 8}, {"counter", 7}, {"document", 8}, {"collection", 10}};

void sim_types_init(struct repl_type *out, struct arena *arena)
{
    const struct op_pair registers[] = {STANDARD, REPLACES};
    const struct op_pair counters[] = {STANDARD,
                                       {STR("add"), STR("add"), OP_ANY_ORDER},
                                       {STR("add"), STR("delete"), OP_AFTER_WINS}};
    const struct op_pair documents[] = {STANDARD,
                                        REPLACES,
                                        {STR("replace"), STR("patch"), OP_KEEP_ORDER},
                                        {STR("patch"), STR("replace"), OP_REVERSE_ORDER},
                                        {STR("patch"), STR("delete"), OP_AFTER_WINS}};
    const struct op_pair collections[] = {STANDARD, {STR("append"), STR("delete"), OP_AFTER_WINS}};
    const struct op_rules rules[SIM_TYPES] = {
        {types[0], 3, registers, COUNT_OF(registers), .can_remake = true},
        {types[1], 3, counters, COUNT_OF(counters), .can_remake = true},
        {types[2], 4, documents, COUNT_OF(documents), .can_remake = true},
        {types[3], 3, collections, COUNT_OF(collections), .can_transfer = true}};
    for (uint32_t i = 0; i < SIM_TYPES; i++) {
        struct op_matrix *m = arena_new(arena, struct op_matrix);
        struct diag d = {0};
        CHECK(op_matrix_make(&rules[i], arena, m, &d) == 0);
        out[i] = (struct repl_type){.name = names[i], .matrix = m, .digest = 1};
    }
}

const struct sim_state *sim_app_state(const struct sim_app *app, struct repl_id id, size_t *n)
{
    const struct sim_item *found = NULL;
    *n = 0;
    for (size_t i = 0; i < SIM_ITEMS; i++) {
        const struct sim_item *it = &app->items[i];
        if (it->is_used && it->id.hi == id.hi && it->id.lo == id.lo) {
            found = it;
            ++*n;
        }
    }
    return found ? &found->state : NULL;
}

static struct sim_item *find(struct sim_app *app, const struct repl_run *run, uint32_t type)
{
    uint64_t number = 0;
    bool by_number = sim_type_gives_ids(type) && run->kind != REPL_FIND;
    if (by_number && str_digits(run->local, UINT32_MAX, &number) < 0)
        return NULL;
    for (size_t i = 0; i < SIM_ITEMS; i++) {
        struct sim_item *it = &app->items[i];
        if (!it->is_used || it->type != type)
            continue;
        if (by_number ? it->number == number : it->id.hi == run->id.hi && it->id.lo == run->id.lo)
            return it;
    }
    return NULL;
}

static struct sim_item *make(struct sim_app *app, const struct repl_run *run, uint32_t type)
{
    for (size_t i = 0; i < SIM_ITEMS; i++) {
        struct sim_item *it = &app->items[i];
        if (it->is_used)
            continue;
        *it = (struct sim_item){
            .is_used = true, .type = type, .number = ++app->numbers, .id = run->id};
        return it;
    }
    CHECK(!"the application is full");
    return NULL;
}

static void change(struct sim_state *s, struct str name, const struct repl_run *run)
{
    struct sim_payload p = {0};
    if (str_eq(name, STR("snapshot"))) {
        CHECK(run->payload.n == sizeof *s);
        memcpy(s, run->payload.p, sizeof *s);
        return;
    }
    CHECK(run->payload.n == sizeof p);
    memcpy(&p, run->payload.p, sizeof p);
    if (str_eq(name, STR("create")) || str_eq(name, STR("replace")))
        *s = (struct sim_state){.value = p.value, .chain = p.value};
    else if (str_eq(name, STR("add")))
        s->value += p.value;
    else if (str_eq(name, STR("patch")))
        s->fields[p.field % 4] = p.value;
    else
        s->chain = (s->chain ^ p.value) * UINT64_C(1099511628211);
}

static void give_local(const struct sim_item *it, struct sim_answer *answer)
{
    struct out o;
    out_init(&o, answer->local, sizeof answer->local);
    out_u64(&o, it->number);
    answer->n_local = o.n;
}

void sim_app_run(struct sim_app *app, const struct repl_run *run, uint32_t type,
                 struct sim_answer *answer)
{
    const struct op_type *op = &run->type->matrix->types[run->op_type];
    struct sim_item *it = find(app, run, type);
    *answer = (struct sim_answer){.status = 200};
    bool makes = run->kind == REPL_RUN && op->creates;
    if (makes && it && !sim_type_gives_ids(type)) {
        answer->status = 409;
        return;
    }
    if (makes)
        it = make(app, run, type);
    if (!it) {
        answer->status = 404;
        return;
    }
    if (makes || run->kind == REPL_FIND)
        give_local(it, answer);
    if (run->kind == REPL_READ)
        answer->state = it->state;
    else if (run->kind == REPL_DELETE || (run->kind == REPL_RUN && op->deletes))
        it->is_used = false;
    else if (run->kind == REPL_RUN)
        change(&it->state, op->name, run);
}
