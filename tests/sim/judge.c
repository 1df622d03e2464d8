/* All operations that were ever stored, and what they amount to. It looks at no node's log. */
#include "base/check.h"
#include "reference.h"
#include "repl/wire.h"
#include "sim.h"
#include <stdlib.h>

#define MOST_STORED 4096

struct truth {
    struct repl_id id;
    uint32_t actor, type, n_saw;
    uint64_t n, clock, saw[MOST_ACTORS];
    struct str payload;
};

struct sim_judge {
    const struct repl_type *types;
    struct truth *ops;
    size_t n;
    struct str actors[MOST_ACTORS]; /* of all resources */
    size_t n_actors;
    char text[200];
};

struct sim_judge *sim_judge_create(const struct repl_type *types)
{
    struct sim_judge *j = calloc(1, sizeof *j);
    CHECK(j);
    j->types = types;
    j->ops = calloc(MOST_STORED, sizeof *j->ops);
    CHECK(j->ops);
    return j;
}

void sim_judge_destroy(struct sim_judge **at)
{
    struct sim_judge *j = *at;
    for (size_t i = 0; i < j->n; i++)
        free((char *)(uintptr_t)j->ops[i].payload.p);
    for (size_t i = 0; i < j->n_actors; i++)
        free((char *)(uintptr_t)j->actors[i].p);
    free(j->ops);
    free(j);
    *at = NULL;
}

static struct str copy(struct str s)
{
    char *p = malloc(s.n + 1);
    CHECK(p);
    if (s.n)
        memcpy(p, s.p, s.n);
    return (struct str){p, s.n};
}

static uint32_t actor_of(struct sim_judge *j, struct str name)
{
    for (uint32_t i = 0; i < j->n_actors; i++)
        if (str_eq(j->actors[i], name))
            return i;
    CHECK(j->n_actors < MOST_ACTORS);
    j->actors[j->n_actors] = copy(name);
    return (uint32_t)j->n_actors++;
}

static bool is_same(const struct truth *a, const struct truth *b)
{
    return a->type == b->type && a->clock == b->clock && str_eq(a->payload, b->payload) &&
           memcmp(a->saw, b->saw, sizeof a->saw) == 0;
}

bool sim_judge_stored(struct sim_judge *j, const struct sim_store *s, const struct repl_row *row,
                      uint32_t type)
{
    struct repl_reader in = {.rest = row->value};
    struct truth t = {.id = row->id, .n = row->n};
    t.actor = actor_of(j, sim_store_actor(s, row->id, row->actor));
    t.type = (uint32_t)repl_get_u64(&in);
    t.clock = repl_get_u64(&in);
    repl_get_u64(&in);
    uint64_t n_saw = repl_get_u64(&in);
    for (uint32_t i = 0; i < n_saw; i++) {
        uint64_t n = repl_get_u64(&in);
        if (n > 0)
            t.saw[actor_of(j, sim_store_actor(s, row->id, i))] = n;
    }
    t.saw[t.actor] = t.n - 1;
    t.payload = repl_get_str(&in);
    CHECK(repl_get_end(&in) && type < SIM_TYPES);
    for (size_t i = 0; i < j->n; i++) {
        const struct truth *o = &j->ops[i];
        if (o->id.hi == t.id.hi && o->id.lo == t.id.lo && o->actor == t.actor && o->n == t.n)
            return is_same(o, &t);
    }
    CHECK(j->n < MOST_STORED);
    t.payload = copy(t.payload);
    j->ops[j->n++] = t;
    return true;
}

bool sim_judge_knows(const struct sim_judge *j, uint64_t uid)
{
    struct sim_payload p;
    for (size_t i = 0; i < j->n; i++)
        if (j->ops[i].payload.n == sizeof p) {
            memcpy(&p, j->ops[i].payload.p, sizeof p);
            if (p.uid == uid)
                return true;
        }
    return false;
}

static int by_clock(const void *a, const void *b)
{
    const struct truth *x = *(struct truth *const *)a, *y = *(struct truth *const *)b;
    if (x->clock != y->clock)
        return x->clock < y->clock ? -1 : 1;
    return x->n < y->n ? -1 : x->n > y->n;
}

/* All of a resource's operations, none forgotten, for the reference. */
static const struct history *make_history(struct sim_judge *j, struct repl_id id, uint32_t type)
{
    static struct history h; /* large */
    struct truth *all[MOST_OPERATIONS];
    size_t n = 0;
    memset(&h, 0, sizeof h);
    h.matrix = j->types[type].matrix;
    h.n_actors = j->n_actors;
    CHECK(j->n_actors <= MOST_ACTORS);
    for (size_t i = 0; i < j->n_actors; i++)
        h.names[i] = j->actors[i];
    for (size_t i = 0; i < j->n; i++)
        if (j->ops[i].id.hi == id.hi && j->ops[i].id.lo == id.lo) {
            CHECK(n < MOST_OPERATIONS);
            all[n++] = &j->ops[i];
        }
    if (n > 1)
        qsort(all, n, sizeof(struct truth *), by_clock);
    for (; h.n < n; h.n++) {
        struct truth *t = all[h.n];
        memcpy(h.saw[h.n], t->saw, sizeof h.saw[h.n]);
        h.drafts[h.n] = (struct op_draft){.actor = t->actor,
                                          .type = t->type,
                                          .n = t->n,
                                          .clock = t->clock,
                                          .saw = h.saw[h.n],
                                          .n_saw = (uint32_t)j->n_actors,
                                          .owner = t};
    }
    reference_lives(&h);
    return &h;
}

static size_t make_list(struct sim_judge *j, struct repl_id id, uint32_t type,
                        const struct truth **list)
{
    const struct history *h = make_history(j, id, type);
    bool has[MOST_OPERATIONS];
    size_t order[MOST_OPERATIONS], n;
    memset(has, true, sizeof has);
    n = reference_order(h, has, order);
    for (size_t i = 0; i < n; i++)
        list[i] = h->drafts[order[i]].owner;
    return n;
}

bool sim_judge_list(struct sim_judge *j, struct repl_id id, uint32_t type, const struct op_log *log)
{
    const struct truth *list[MOST_OPERATIONS];
    size_t n = make_list(j, id, type, list), i = 0;
    list_for_each (at, &log->list) {
        const struct op_operation *op = OP_AT(at);
        if (i == n || list[i]->n != op->n ||
            !str_eq(j->actors[list[i]->actor], log->actors[op->actor]->name))
            return false;
        i++;
    }
    return i == n;
}

bool sim_judge_state(struct sim_judge *j, struct repl_id id, uint32_t type, bool *exists,
                     struct sim_state *state)
{
    struct sim_app *app = calloc(1, sizeof *app);
    const struct truth *list[MOST_OPERATIONS];
    struct sim_answer answer = {.n_local = 0};
    char local[32] = "";
    size_t n_local = 0, n_items, n = make_list(j, id, type, list);
    bool is_told = true;
    CHECK(app);
    for (size_t i = 0; i < n; i++) {
        const struct truth *t = list[i];
        struct repl_run run = {.kind = REPL_RUN,
                               .id = id,
                               .type = &j->types[type],
                               .op_type = t->type,
                               .local = {local, n_local},
                               .payload = t->payload};
        sim_app_run(app, &run, type, &answer);
        if (answer.n_local)
            memcpy(local, answer.local, n_local = answer.n_local);
        is_told &= answer.status == 200 || j->types[type].matrix->types[t->type].deletes;
    }
    const struct sim_state *found = sim_app_state(app, id, &n_items);
    *exists = found != NULL;
    if (found)
        *state = *found;
    free(app);
    return is_told;
}

const char *sim_judge_lacks(const struct sim_judge *j, struct repl_id id, const struct op_log *log)
{
    for (size_t i = 0; i < j->n; i++) {
        const struct truth *t = &j->ops[i];
        bool is_held = false;
        if (t->id.hi != id.hi || t->id.lo != id.lo)
            continue;
        for (uint32_t a = 0; a < log->n_actors; a++)
            is_held |=
                str_eq(log->actors[a]->name, j->actors[t->actor]) && log->actors[a]->count >= t->n;
        if (!is_held)
            return j->actors[t->actor].p;
    }
    return NULL;
}
