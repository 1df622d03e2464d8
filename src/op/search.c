/* Short histories at two sites, tried one after the other. */
#include "op/search.h"
#include "base/check.h"

#include <string.h>

#define SITES       2
#define MOST_ISSUED (OP_SEARCH_OPERATIONS + 1) /* with the create that both sites hold */
#define MOST_RUN    64                         /* of one application between two bases */
#define MOST_STEPS  64                         /* of one replica until it is quiet */
#define LOG_MEMORY  (8 * 1024)

/* The application of a site: what its state shows. */
struct application {
    bool existed; /* before the first operation */
    bool exists;
    const void *base;
    const struct op_operation *ran[MOST_RUN];
    const void *what[MOST_RUN]; /* of `ran`, the same at both sites */
    size_t n;
};

struct issued {
    struct op_draft draft;
    uint64_t saw[SITES];
};

struct site {
    struct arena arena;
    struct op_log log;
    struct op_replica replica;
    struct application app;
    char memory[LOG_MEMORY];
};

struct search {
    const struct op_matrix *m;
    struct op_finding *f;
    unsigned types[OP_MAX_TYPES]; /* one of each that behaves alike */
    size_t n_types;
    size_t n_tried;
    struct site sites[SITES];
    struct issued issued[MOST_ISSUED];
    size_t n_issued;
    bool has_snapshot; /* a replica would take or ask for one */
};

/* ---- the application ---- */

static void run(const struct op_matrix *m, struct application *a, const struct op_operation *op)
{
    const struct op_type *type = &m->types[op->type];
    if (type->replaces) {
        a->exists = !type->deletes;
        a->base = op->owner;
        a->n = 0;
        return;
    }
    for (size_t i = 0; type->overwrites && i < a->n; i++)
        if (a->what[i] == op->owner) {
            memmove(a->what + i, a->what + i + 1, (a->n - i - 1) * sizeof a->what[0]);
            memmove(a->ran + i, a->ran + i + 1, (a->n - i - 1) * sizeof a->ran[0]);
            a->n--;
        }
    CHECK(a->n < MOST_RUN);
    a->ran[a->n] = op;
    a->what[a->n++] = op->owner;
}

static bool is_after(const struct application *a, const void *what, const void *than)
{
    for (size_t i = 0; i < a->n; i++)
        if (a->what[i] == what || a->what[i] == than)
            return a->what[i] == than;
    return false;
}

/* Whether the state shows the list, and nothing else. */
static bool shows_list(const struct op_log *log, const struct application *a)
{
    struct application said = {.exists = a->existed};
    list_for_each (at, &log->list)
        run(log->matrix, &said, OP_AT(at));
    if (said.exists != a->exists || said.base != a->base || said.n != a->n)
        return false;
    for (size_t i = 0; i < said.n; i++)
        for (size_t k = i + 1; k < said.n; k++)
            if (!op_commutes(log->matrix, said.ran[i]->type, said.ran[k]->type) &&
                !is_after(a, said.what[k], said.what[i]))
                return false;
    for (size_t i = 0; i < said.n; i++)
        if (!is_after(a, NULL, said.what[i]))
            return false;
    return true;
}

/* ---- sites ---- */

static void begin(struct search *s, bool exists)
{
    static const struct str names[SITES] = {{"A", 1}, {"B", 1}};
    s->n_issued = 0;
    s->has_snapshot = false;
    for (unsigned i = 0; i < SITES; i++) {
        struct site *site = &s->sites[i];
        arena_init(&site->arena, site->memory, sizeof site->memory, 8 * LOG_MEMORY);
        op_log_init(&site->log, s->m, &site->arena);
        op_replica_init(&site->replica, &site->log);
        site->app = (struct application){.existed = exists, .exists = exists};
        site->replica.row.exists = exists ? OP_EXISTS : OP_EXISTS_NOT;
        for (unsigned k = 0; k < SITES; k++) {
            uint32_t actor;
            int rc = op_log_actor(&site->log, names[k], &actor);
            CHECK(rc == 0);
        }
    }
}

static void end(struct search *s)
{
    for (unsigned i = 0; i < SITES; i++)
        arena_fini(&s->sites[i].arena);
}

static struct op_operation *add(struct site *site, const struct issued *op)
{
    struct op_operation *added;
    int rc = op_log_add(&site->log, &op->draft, &added, NULL);
    CHECK(rc == 0);
    return added;
}

/* Runs what there is to run; gives the step at which nothing is. */
static struct op_step run_out(struct search *s, struct site *site)
{
    struct op_step step;
    for (unsigned n = 0; n < MOST_STEPS; n++) {
        op_replica_next(&site->replica, &step);
        if (step.kind == OP_STEP_SNAPSHOT || step.kind == OP_STEP_ASK)
            s->has_snapshot = true;
        if (step.kind != OP_STEP_RUN && step.kind != OP_STEP_DELETE && step.kind != OP_STEP_SKIP)
            break;
        op_replica_begin(&site->replica, &step);
        if (step.kind == OP_STEP_RUN)
            run(s->m, &site->app, step.op);
        else
            site->app.exists = false;
        if (step.kind == OP_STEP_SKIP)
            run(s->m, &site->app, step.op);
        op_replica_settle(&site->replica, OP_DONE, 0);
    }
    return step;
}

static void tell_all(struct search *s)
{
    for (size_t i = 0; i < s->n_issued; i++)
        for (unsigned k = 0; k < SITES; k++) {
            const struct issued *op = &s->issued[i];
            if (s->sites[k].log.actors[op->draft.actor]->count < op->draft.n)
                op_replica_added(&s->sites[k].replica, add(&s->sites[k], op));
        }
    for (unsigned k = 0; k < SITES; k++)
        run_out(s, &s->sites[k]);
}

/* A client asks; false: the site, or the application, would refuse. */
static bool issue(struct search *s, const struct op_event *e)
{
    struct site *site = &s->sites[e->site];
    const struct op_type *type = &s->m->types[e->type];
    if (e->has_heard)
        tell_all(s);
    run_out(s, site);
    bool makes = type->makes && (type->overwrites || !site->app.exists);
    if (!op_replica_admits(&site->replica, e->type) || (!makes && !site->app.exists) ||
        (type->creates && !makes))
        return false;
    struct issued *op = &s->issued[s->n_issued++];
    for (unsigned k = 0; k < SITES; k++)
        op->saw[k] = site->log.actors[k]->count;
    op->draft = (struct op_draft){.actor = e->site,
                                  .type = e->type,
                                  .n = op->saw[e->site] + 1,
                                  .clock = s->n_issued,
                                  .life = OP_LIFE_UNKNOWN,
                                  .saw = op->saw,
                                  .n_saw = SITES,
                                  .owner = op};
    struct op_operation *added = add(site, op);
    run(s->m, &site->app, added);
    op_replica_did(&site->replica, added);
    return true;
}

/* ---- histories ---- */

static void judge(struct search *s)
{
    struct op_finding *f = s->f;
    tell_all(s);
    for (unsigned k = 0; k < SITES && f->found != OP_FOUND_SILENT; k++) {
        struct op_step step = run_out(s, &s->sites[k]);
        bool says_so = step.is_diverged || step.is_failed || s->has_snapshot;
        enum op_found found = OP_FOUND_NOTHING;
        if (!says_so && !shows_list(&s->sites[k].log, &s->sites[k].app))
            found = OP_FOUND_SILENT;
        else if (step.is_diverged && !s->has_snapshot)
            found = OP_FOUND_DIVERGED;
        if (found > f->found) {
            f->found = found;
            f->site = k;
            f->why = step.why;
        }
    }
}

static int create_of(const struct op_matrix *m)
{
    for (unsigned i = 0; i + 1 < m->n; i++)
        if (m->types[i].creates)
            return (int)i;
    return -1;
}

static void try_history(struct search *s, const struct op_event *events, size_t n, bool is_created)
{
    int create = create_of(s->m);
    bool is_good = true;
    s->n_tried++;
    begin(s, is_created && create < 0);
    if (is_created && create >= 0) {
        is_good = issue(s, &(struct op_event){.type = (unsigned)create});
        tell_all(s);
    }
    for (size_t i = 0; i < n && is_good; i++)
        is_good = issue(s, &events[i]);
    enum op_found before = s->f->found;
    if (is_good)
        judge(s);
    if (s->f->found > before) {
        memcpy(s->f->events, events, n * sizeof *events);
        s->f->n = n;
        s->f->is_created = is_created;
    }
    end(s);
}

/* All histories of n operations, the choices for each being a digit of a number. The first
 * operation is at A. */
static void try_all(struct search *s, size_t n, bool is_created)
{
    struct op_event events[OP_SEARCH_OPERATIONS];
    size_t base = s->n_types * SITES * 2, count = s->n_types;
    for (size_t i = 1; i < n; i++)
        count *= base;
    for (size_t at = 0; at < count && s->f->found == OP_FOUND_NOTHING; at++) {
        if (s->n_tried == OP_SEARCH_HISTORIES) {
            s->f->is_cut = true;
            return;
        }
        size_t rest = at / s->n_types;
        events[0] = (struct op_event){.type = s->types[at % s->n_types]};
        for (size_t i = 1; i < n; i++, rest /= base)
            events[i] = (struct op_event){.has_heard = rest % base & 1,
                                          .site = rest % base >> 1 & 1,
                                          .type = s->types[(rest % base) / (SITES * 2)]};
        try_history(s, events, n, is_created);
    }
}

/* ---- types ---- */

static bool has_same_effects(const struct op_type *a, const struct op_type *b)
{
    return a->creates == b->creates && a->deletes == b->deletes && a->replaces == b->replaces &&
           a->overwrites == b->overwrites && a->makes == b->makes;
}

/* Two types of which one may stand for the other in any history. */
static bool behave_alike(const struct op_matrix *m, unsigned a, unsigned b)
{
    enum op_relation own = op_relation(m, a, a);
    if (!has_same_effects(&m->types[a], &m->types[b]) || op_relation(m, b, b) != own ||
        op_relation(m, a, b) != own || op_relation(m, b, a) != own)
        return false;
    for (unsigned k = 0; k + 1 < m->n; k++)
        if (k != a && k != b &&
            (op_relation(m, a, k) != op_relation(m, b, k) ||
             op_relation(m, k, a) != op_relation(m, k, b)))
            return false;
    return true;
}

static void choose_types(struct search *s)
{
    for (unsigned i = 0; i + 1 < s->m->n; i++) {
        bool is_known = false;
        for (size_t k = 0; k < s->n_types; k++)
            is_known |= behave_alike(s->m, s->types[k], i);
        if (!is_known)
            s->types[s->n_types++] = i;
    }
}

void op_search(const struct op_matrix *m, struct op_finding *f)
{
    struct search s = {.m = m, .f = f};
    *f = (struct op_finding){.found = OP_FOUND_NOTHING};
    choose_types(&s);
    for (size_t n = 1; n <= OP_SEARCH_OPERATIONS && f->found == OP_FOUND_NOTHING; n++) {
        try_all(&s, n, true);
        if (create_of(m) >= 0)
            try_all(&s, n, false);
    }
}

bool op_only_diverges(const struct op_matrix *m, unsigned type)
{
    const struct op_type *t = &m->types[type];
    if (t->replaces || t->overwrites || op_commutes(m, type, type) || m->can_transfer)
        return false;
    for (unsigned i = 0; i + 1 < m->n; i++) {
        const struct op_type *other = &m->types[i];
        if (other->replaces && !other->deletes && (!other->creates || other->overwrites))
            return false;
    }
    return create_of(m) < 0 || !m->can_remake || !m->can_delete;
}

bool op_is_left_to_clocks(const struct op_matrix *m, unsigned a, unsigned b)
{
    const struct op_type *x = &m->types[a], *y = &m->types[b];
    if (x->creates || y->creates || x->deletes || y->deletes || x->rank != y->rank)
        return false;
    return op_relation(m, a, b) == OP_UNLISTED || op_relation(m, b, a) == OP_UNLISTED;
}
