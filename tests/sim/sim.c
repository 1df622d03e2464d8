/* One run: the sites, the network between them, what goes wrong, and what must hold. */
#include "sim.h"
#include "base/check.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define FAULTY_MS 40000  /* of faults, and of clients */
#define MOST_MS   900000 /* by then all must be quiet */
#define CLIENTS   120
#define LATE_MS   50 /* after its deadline a client may be answered */

enum event_kind { SYNCED, RAN, MESSAGE, TICK, CLIENT, FAULT, START, CRASH };

struct event {
    uint64_t at, number;
    enum event_kind kind;
    size_t site, from;
    uint64_t epoch, ticket;
    struct repl_id id;
    struct repl_outcome outcome;
    struct sim_answer answer;
    char *bytes;
    size_t n;
};

struct site {
    struct sim *sim;
    size_t number;
    struct repl_node *node;
    struct sim_store *store;
    struct sim_app app;
    uint64_t epoch; /* of the process: what was meant for an older one is void */
    int64_t skew_ms;
    uint64_t app_down_until, synced_at, next_tick;
    uint64_t digest;
};

/* What a client asked for, and whether it was answered. */
struct client {
    uint64_t uid, epoch, deadline, sites;
    size_t site, resource;
    bool is_begun, is_answered;
};

struct sim {
    uint64_t now, random, numbers, uids;
    bool is_traced, is_calm;
    struct event **heap;
    size_t n_heap, room;
    struct site sites[SIM_SITES];
    struct str names[SIM_SITES];
    size_t n_sites;
    bool is_cut[SIM_SITES][SIM_SITES];
    struct arena arena;
    struct repl_type types[SIM_TYPES];
    struct sim_judge *judge;
    struct {
        struct repl_id id;
        uint32_t type;
        uint64_t sites, refused_at;
        bool is_made; /* a client asked for it */
    } resources[SIM_RESOURCES];
    size_t n_resources;
    struct client clients[CLIENTS + 1];
    struct sim_explored *x;
    char *why;
    size_t n_why;
    bool is_failed;
};

/* ---- chance, time, trace ---- */

static uint64_t chance(struct sim *s)
{
    s->random += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = s->random;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t below(struct sim *s, uint64_t n)
{
    return chance(s) % n;
}

static bool one_in(struct sim *s, uint64_t n)
{
    return !s->is_calm && below(s, n) == 0;
}

__attribute__((format(printf, 2, 3))) static void trace(struct sim *s, const char *format, ...)
{
    va_list args;
    if (!s->is_traced)
        return;
    printf("%8llu ", (unsigned long long)s->now);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

__attribute__((format(printf, 2, 3))) static void fail(struct sim *s, const char *format, ...)
{
    va_list args;
    if (s->is_failed)
        return;
    s->is_failed = true;
    va_start(args, format);
    vsnprintf(s->why, s->n_why, format, args);
    va_end(args);
    trace(s, "FAILED: %s", s->why);
}

static struct repl_time time_at(const struct site *site)
{
    return (struct repl_time){.ms = site->sim->now,
                              .wall_ms =
                                  (uint64_t)((int64_t)(site->sim->now + 10000000) + site->skew_ms)};
}

/* ---- events ---- */

static bool is_sooner(const struct event *a, const struct event *b)
{
    return a->at != b->at ? a->at < b->at : a->number < b->number;
}

static void push(struct sim *s, struct event e)
{
    struct event *copy = malloc(sizeof *copy);
    CHECK(copy);
    e.number = ++s->numbers;
    *copy = e;
    if (s->n_heap == s->room) {
        s->room = s->room ? 2 * s->room : 256;
        s->heap = realloc(s->heap, s->room * sizeof(struct event *));
        CHECK(s->heap);
    }
    size_t i = s->n_heap++;
    for (; i > 0 && is_sooner(copy, s->heap[(i - 1) / 2]); i = (i - 1) / 2)
        s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = copy;
}

static struct event *pop(struct sim *s)
{
    struct event *top = s->heap[0], *last = s->heap[--s->n_heap];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < s->n_heap; i = child) {
        if (child + 1 < s->n_heap && is_sooner(s->heap[child + 1], s->heap[child]))
            child++;
        if (!is_sooner(s->heap[child], last))
            break;
        s->heap[i] = s->heap[child];
    }
    s->heap[i] = last;
    return top;
}

static void drop(struct event *e)
{
    free(e->bytes);
    free(e);
}

/* ---- the effects ---- */

static void on_persist(void *context, const struct repl_row *rows, size_t n)
{
    struct site *site = context;
    struct sim *s = site->sim;
    uint64_t at = s->now + 1 + below(s, 8);
    site->synced_at = at = at > site->synced_at ? at : site->synced_at; /* in their order */
    sim_store_persist(site->store, rows, n);
    if (one_in(s, 200))
        push(s, (struct event){.at = s->now + below(s, 9),
                               .kind = CRASH,
                               .site = site->number,
                               .epoch = site->epoch});
    push(s, (struct event){.at = at, .kind = SYNCED, .site = site->number, .epoch = site->epoch});
}

static void on_send(void *context, size_t to, struct str message)
{
    struct site *site = context;
    struct sim *s = site->sim;
    unsigned copies = one_in(s, 12) ? 2 : 1;
    s->x->messages++;
    s->x->doubled += copies - 1;
    if (s->is_cut[site->number][to] || one_in(s, 12)) {
        s->x->lost++;
        return;
    }
    for (; copies > 0; copies--) {
        char *bytes = malloc(message.n + 1);
        CHECK(bytes);
        memcpy(bytes, message.p, message.n);
        push(s, (struct event){.at = s->now + 1 + below(s, one_in(s, 10) ? 3000 : 60),
                               .kind = MESSAGE,
                               .site = to,
                               .from = site->number,
                               .bytes = bytes,
                               .n = message.n});
    }
}

static uint32_t type_of(const struct sim *s, const struct repl_type *type)
{
    for (uint32_t i = 0; i < SIM_TYPES; i++)
        if (str_eq(s->types[i].name, type->name))
            return i;
    CHECK(!"a type of the simulation");
    return 0;
}

/* An application that refuses this one at this site, whenever it is asked. */
static bool is_refused(const struct site *site, const struct repl_run *run)
{
    struct sim_payload p;
    if (run->kind != REPL_RUN || run->payload.n != sizeof p)
        return false;
    memcpy(&p, run->payload.p, sizeof p);
    return (p.uid * 31 + site->number * 17 + p.value) % 61 == 0;
}

static void on_run(void *context, const struct repl_run *run)
{
    struct site *site = context;
    struct sim *s = site->sim;
    struct event e = {.at = s->now + 1 + below(s, 40),
                      .kind = RAN,
                      .site = site->number,
                      .epoch = site->epoch,
                      .ticket = run->ticket,
                      .id = run->id};
    uint32_t type = type_of(s, run->type);
    trace(s, "site %zu runs %d %.*s on %llx", site->number, (int)run->kind,
          STR_ARG(run->type->matrix->types[run->op_type].name), (unsigned long long)run->id.lo);
    if (site->app_down_until > s->now && !s->is_calm) {
        e.outcome.is_unsent = true;
    } else if (one_in(s, 25)) { /* no answer, and it did not run */
        s->x->unanswered++;
        e.at += 500;
    } else if (is_refused(site, run)) {
        s->x->refusals++;
        for (size_t i = 0; i < s->n_resources; i++)
            if (s->resources[i].id.lo == run->id.lo)
                s->resources[i].refused_at |= UINT64_C(1) << site->number;
        e.outcome.status = 422;
    } else {
        sim_app_run(&site->app, run, type, &e.answer);
        e.outcome.status = e.answer.status;
        if (one_in(s, 25)) { /* it ran, and the answer is lost */
            s->x->cut_after_run++;
            e.outcome.status = 0;
        } else if (e.answer.status == 200) {
            e.outcome.local.n = e.answer.n_local;
            e.outcome.state.n = run->kind == REPL_READ ? sizeof e.answer.state : 0;
        }
    }
    push(s, e);
}

static void on_answer(void *context, uint64_t client, const struct repl_answer *answer)
{
    struct site *site = context;
    struct sim *s = site->sim;
    trace(s, "site %zu answers client %llu: %s %u", site->number, (unsigned long long)client,
          err_name(answer->rc), answer->status);
    struct client *c = &s->clients[client];
    if (!c->is_begun || c->is_answered || c->site != site->number || c->epoch != site->epoch)
        fail(s, "client %llu is answered, and does not wait", (unsigned long long)client);
    if (s->now > c->deadline + LATE_MS)
        fail(s, "client %llu is answered late", (unsigned long long)client);
    c->is_answered = true;
    if (answer->rc == 0 && answer->status < 300) {
        s->x->operations++;
        if (!sim_judge_knows(s->judge, c->uid))
            fail(s, "client %llu was answered before its operation was stored",
                 (unsigned long long)client);
    } else if (answer->rc == 0) {
        s->x->refused++;
    } else {
        s->x->maybe++;
    }
}

static const struct repl_effects effects = {on_persist, on_send, on_run, on_answer};

/* ---- processes ---- */

static void tick_later(struct site *site)
{
    struct sim *s = site->sim;
    uint64_t at = repl_node_deadline(site->node);
    if (at == UINT64_MAX)
        fail(s, "site %zu waits for ever", site->number);
    at = at > s->now ? at : s->now + 1;
    if (site->next_tick > s->now && site->next_tick <= at)
        return;
    site->next_tick = at;
    push(s, (struct event){.at = at, .kind = TICK, .site = site->number, .epoch = site->epoch});
}

static void start(struct site *site)
{
    struct sim *s = site->sim;
    struct repl_config c = {.sites = s->names,
                            .n_sites = s->n_sites,
                            .self = site->number,
                            .incarnation = 100 + site->number,
                            .types = s->types,
                            .n_types = SIM_TYPES,
                            .exchange_ms = 2000,
                            .retry_ms = 50,
                            .retry_most_ms = 2000,
                            .log_bytes = 16 << 20,
                            .seed = chance(s)};
    struct repl_type types[SIM_TYPES];
    memcpy(types, s->types, sizeof types);
    types[0].digest = site->digest;
    c.types = types;
    CHECK(repl_node_create(&site->node, &c, &effects, site) == 0);
    int rc = sim_store_load(site->store, site->node);
    if (rc == 0)
        rc = repl_node_start(site->node, time_at(site));
    if (rc < 0)
        fail(s, "site %zu does not start: %s", site->number, err_name(rc));
    trace(s, "site %zu starts", site->number);
    site->next_tick = 0;
}

static void on_row(void *context, const struct repl_row *row)
{
    struct site *site = context;
    struct sim *s = site->sim;
    if (row->kind != REPL_ROW_OPERATION)
        return;
    for (size_t i = 0; i < s->n_resources; i++)
        if (s->resources[i].id.lo == row->id.lo && s->resources[i].id.hi == row->id.hi) {
            if (!sim_judge_stored(s->judge, site->store, row, s->resources[i].type))
                fail(s, "site %zu stores another operation under a dot that is taken",
                     site->number);
            return;
        }
    fail(s, "site %zu stores an operation of a resource that nobody made", site->number);
}

static void crash(struct site *site)
{
    struct sim *s = site->sim;
    for (size_t i = 0; i <= CLIENTS; i++) /* who waited is told nothing */
        s->clients[i].is_answered |= s->clients[i].site == site->number;
    size_t pending = sim_store_pending(site->store);
    size_t kept = pending ? (size_t)below(s, pending + 1) : 0;
    trace(s, "site %zu crashes with %zu batches under way, %zu of them kept", site->number, pending,
          kept);
    s->x->crashes++;
    s->x->torn += kept < pending;
    for (; kept > 0; kept--)
        sim_store_sync(site->store, on_row, site);
    sim_store_crash(site->store);
    repl_node_destroy(&site->node);
    site->epoch++;
    push(s, (struct event){.at = s->now + 10 + below(s, 4000),
                           .kind = START,
                           .site = site->number,
                           .epoch = site->epoch});
}

/* The oldest batch is stored, or finds the disk full. */
static void synced(struct site *site)
{
    struct sim *s = site->sim;
    if (!one_in(s, 1000)) {
        sim_store_sync(site->store, on_row, site);
        repl_node_persisted(site->node, time_at(site), 0);
        return;
    }
    trace(s, "site %zu has no room", site->number);
    s->x->full++;
    sim_store_refuse(site->store);
    repl_node_persisted(site->node, time_at(site), ERR_DISK_FULL);
    if (repl_node_is_failed(site->node)) {
        sim_store_crash(site->store);
        crash(site);
    }
}

/* ---- faults ---- */

static void cut(struct sim *s)
{
    uint64_t side = chance(s);
    bool is_one_way = one_in(s, 3);
    s->x->partitions++;
    trace(s, "the network is cut: %llx", (unsigned long long)(side & 31));
    for (size_t a = 0; a < s->n_sites; a++)
        for (size_t b = 0; b < s->n_sites; b++)
            s->is_cut[a][b] =
                (side >> a & 1) != (side >> b & 1) && (!is_one_way || (side >> a & 1));
}

static void heal(struct sim *s)
{
    trace(s, "the network heals");
    memset(s->is_cut, 0, sizeof s->is_cut);
}

static void describe(struct sim *s, struct site *site, uint64_t digest)
{
    site->digest = digest;
    if (site->node)
        repl_node_describe(site->node, time_at(site), 0, digest);
}

static void fault(struct sim *s)
{
    struct site *site = &s->sites[below(s, s->n_sites)];
    if (s->is_calm)
        return;
    switch (below(s, 6)) {
    case 0:
        cut(s);
        break;
    case 1:
        heal(s);
        break;
    case 2:
        if (site->node)
            crash(site);
        break;
    case 3:
        site->skew_ms = (int64_t)below(s, 600000) - 300000;
        s->x->skews++;
        break;
    case 4:
        site->app_down_until = s->now + below(s, 5000);
        break;
    case 5:
        s->x->descriptions++;
        describe(s, site, 1 + below(s, 2));
        break;
    }
    if (s->now < FAULTY_MS)
        push(s, (struct event){.at = s->now + 100 + below(s, 2500), .kind = FAULT});
}

static void calm_down(struct sim *s)
{
    s->is_calm = true;
    heal(s);
    for (size_t i = 0; i < s->n_sites; i++)
        describe(s, &s->sites[i], 1);
}

/* ---- clients ---- */

static size_t new_resource(struct sim *s)
{
    size_t i = s->n_resources++;
    s->resources[i].id = (struct repl_id){.hi = 7, .lo = chance(s)};
    s->resources[i].type = (uint32_t)below(s, SIM_TYPES);
    /* At least one site is in the scope of every create: through it those elsewhere meet. */
    s->resources[i].sites =
        (chance(s) & ((UINT64_C(1) << s->n_sites) - 1)) | UINT64_C(1) << below(s, s->n_sites);
    return i;
}

static void client(struct sim *s, uint64_t number)
{
    size_t limit = s->n_sites + 4;
    size_t i = s->n_resources < limit && below(s, 3) == 0 ? new_resource(s)
               : s->n_resources                           ? (size_t)below(s, s->n_resources)
                                                          : new_resource(s);
    struct site *site = &s->sites[below(s, s->n_sites)];
    const struct op_matrix *m = s->types[s->resources[i].type].matrix;
    struct repl_view view;
    struct repl_request q = {.id = s->resources[i].id,
                             .type = s->resources[i].type,
                             .client = number,
                             .timeout_ms = 1000 + below(s, 5000),
                             .wait = (enum repl_wait)below(s, 3)};
    if (!site->node)
        return;
    bool is_there =
        repl_node_view(site->node, q.id, &view) && view.log->has_begun && !view.log->is_deleted;
    q.op_type = is_there ? (below(s, 12) == 0 ? 2 : m->n > 4 && below(s, 4) == 0 ? 3 : 1) : 0;
    if (q.op_type == 0 && sim_type_gives_ids(q.type) && s->resources[i].is_made)
        return;
    if (q.op_type == 0)
        q.sites = s->resources[i].sites | UINT64_C(1) << site->number;
    s->resources[i].is_made |= q.op_type == 0;
    struct sim_payload p = {0};
    p.uid = ++s->uids;
    p.value = 1 + below(s, 1000);
    p.field = (uint32_t)below(s, 4);
    q.payload = (struct str){(const char *)&p, sizeof p};
    trace(s, "client %llu at site %zu: %.*s %llx", (unsigned long long)number, site->number,
          STR_ARG(m->types[q.op_type].name), (unsigned long long)q.id.lo);
    struct client *c = &s->clients[number];
    *c = (struct client){.uid = p.uid,
                         .epoch = site->epoch,
                         .deadline = s->now + q.timeout_ms,
                         .sites = q.sites,
                         .site = site->number,
                         .resource = i,
                         .is_begun = true};
    if (repl_node_begin(site->node, time_at(site), &q) < 0) {
        s->x->refused++;
        c->is_answered = true;
    }
}

/* ---- what must hold ---- */

static uint64_t count_of(const struct op_log *log, struct str name)
{
    for (uint32_t i = 0; i < log->n_actors; i++)
        if (str_eq(log->actors[i]->name, name))
            return log->actors[i]->count;
    return 0;
}

static bool covers(const struct op_log *a, const struct op_log *b)
{
    for (uint32_t i = 0; i < b->n_actors; i++)
        if (count_of(a, b->actors[i]->name) < b->actors[i]->count)
            return false;
    return true;
}

static void compare_lists(struct sim *s, const struct op_log *a, const struct op_log *b)
{
    const struct list *x = a->list.next, *y = b->list.next;
    for (; x != &a->list && y != &b->list; x = x->next, y = y->next) {
        const struct op_operation *p =
            LIST_ITEM((struct list *)(uintptr_t)x, struct op_operation, place);
        const struct op_operation *q =
            LIST_ITEM((struct list *)(uintptr_t)y, struct op_operation, place);
        if (p->n != q->n || !str_eq(a->actors[p->actor]->name, b->actors[q->actor]->name))
            break;
    }
    if (x != &a->list || y != &b->list)
        fail(s, "the same operations make two lists");
}

static bool is_equal(const struct sim_state *a, const struct sim_state *b)
{
    return !a || !b ? a == b : memcmp(a, b, sizeof *a) == 0;
}

/* Two sites that hold the same, have run it all and show nothing: their applications are equal. */
static void compare_sites(struct sim *s, size_t i, size_t x, size_t y)
{
    struct repl_view a, b;
    size_t n;
    struct repl_id id = s->resources[i].id;
    if (!s->sites[x].node || !s->sites[y].node || !repl_node_view(s->sites[x].node, id, &a) ||
        !repl_node_view(s->sites[y].node, id, &b) || a.is_joining || b.is_joining ||
        !covers(a.log, b.log) || !covers(b.log, a.log))
        return;
    s->x->compared++;
    compare_lists(s, a.log, b.log);
    if (!a.is_settled || !b.is_settled || a.is_failed || b.is_failed || a.is_diverged ||
        b.is_diverged)
        return;
    if (!is_equal(sim_app_state(&s->sites[x].app, id, &n), sim_app_state(&s->sites[y].app, id, &n)))
        fail(s, "resource %llx differs at sites %zu and %zu, and nothing shows it",
             (unsigned long long)id.lo, x, y);
}

static void check_touched(struct sim *s, size_t site)
{
    for (size_t i = 0; i < s->n_resources && !s->is_failed; i++)
        for (size_t other = 0; other < s->n_sites; other++)
            if (other != site)
                compare_sites(s, i, site, other);
}

/* ---- the end ---- */

/* The sites of all creates that were accepted. */
static uint64_t holders(const struct sim *s, size_t resource)
{
    uint64_t sites = 0;
    for (size_t i = 1; i <= CLIENTS; i++)
        if (s->clients[i].resource == resource && s->clients[i].sites &&
            sim_judge_knows(s->judge, s->clients[i].uid))
            sites |= s->clients[i].sites;
    return sites;
}

static bool is_quiet(struct sim *s)
{
    for (size_t i = 1; i <= CLIENTS; i++)
        if (s->clients[i].is_begun && !s->clients[i].is_answered)
            return false;
    for (size_t i = 0; i < s->n_resources; i++)
        for (size_t x = 0; x < s->n_sites; x++) {
            struct repl_view v;
            if (!s->sites[x].node)
                return false;
            if (!repl_node_view(s->sites[x].node, s->resources[i].id, &v)) {
                if (holders(s, i) >> x & 1)
                    return false;
                continue;
            }
            if (v.is_joining || v.n_waiting || sim_judge_lacks(s->judge, s->resources[i].id, v.log))
                return false;
            if (!v.is_settled || sim_store_pending(s->sites[x].store))
                return false;
        }
    return true;
}

static void judge_site(struct sim *s, size_t i, size_t x, bool exists, const struct sim_state *must)
{
    struct repl_view v;
    size_t n;
    struct repl_id id = s->resources[i].id;
    const struct sim_state *is = sim_app_state(&s->sites[x].app, id, &n);
    if (!repl_node_view(s->sites[x].node, id, &v))
        v = (struct repl_view){.is_settled = true};
    s->x->failed += v.is_failed;
    s->x->diverged += v.is_diverged;
    if (v.log && !sim_judge_list(s->judge, id, s->resources[i].type, v.log))
        fail(s, "the list of %llx at site %zu is not that of its operations",
             (unsigned long long)id.lo, x);
    bool is_excused = s->resources[i].refused_at >> x & 1 || s->resources[i].type == APPENDING;
    if ((v.is_failed || v.is_diverged) && !is_excused)
        fail(s, "resource %llx at site %zu is shown as %s without reason",
             (unsigned long long)id.lo, x, v.is_failed ? "failed" : "diverged");
    if (v.is_failed || v.is_diverged)
        return;
    if (n > 1)
        fail(s, "resource %llx was made %zu times at site %zu", (unsigned long long)id.lo, n, x);
    if (v.log && !is_equal(is, exists ? must : NULL))
        fail(s, "resource %llx at site %zu is not what its operations amount to",
             (unsigned long long)id.lo, x);
}

static void judge_all(struct sim *s)
{
    for (size_t i = 0; i < s->n_resources; i++) {
        bool exists;
        struct sim_state must;
        bool is_told =
            sim_judge_state(s->judge, s->resources[i].id, s->resources[i].type, &exists, &must);
        for (size_t x = 0; x < s->n_sites && is_told; x++)
            judge_site(s, i, x, exists, &must);
    }
}

static void explain_noise(struct sim *s)
{
    for (size_t i = 0; i < s->n_resources; i++)
        for (size_t x = 0; x < s->n_sites; x++) {
            struct repl_view v;
            if (!s->sites[x].node || !repl_node_view(s->sites[x].node, s->resources[i].id, &v))
                continue;
            const char *lacks = sim_judge_lacks(s->judge, s->resources[i].id, v.log);
            if (lacks || !v.is_settled || v.n_waiting)
                trace(s, "site %zu, %llx: settled %d, waiting %zu, lacks of %.20s", x,
                      (unsigned long long)s->resources[i].id.lo, v.is_settled, v.n_waiting,
                      lacks ? lacks : "nothing");
        }
}

/* ---- the run ---- */

static void handle(struct sim *s, struct event *e)
{
    struct site *site = &s->sites[e->site];
    bool is_alive = site->node && e->epoch == site->epoch;
    switch (e->kind) {
    case SYNCED:
        if (!is_alive)
            break;
        synced(site);
        break;
    case RAN:
        e->outcome.local.p = e->answer.local;
        e->outcome.state.p = (const char *)&e->answer.state;
        if (is_alive)
            repl_node_ran(site->node, time_at(site), e->id, e->ticket, &e->outcome);
        break;
    case MESSAGE:
        if (site->node)
            repl_node_message(site->node, time_at(site), e->from, (struct str){e->bytes, e->n});
        break;
    case TICK:
        if (!is_alive)
            break;
        repl_node_tick(site->node, time_at(site));
        break;
    case CLIENT:
        client(s, e->ticket);
        break;
    case FAULT:
        fault(s);
        break;
    case CRASH:
        if (is_alive)
            crash(site);
        break;
    case START:
        if (!site->node && e->epoch == site->epoch)
            start(site);
        break;
    }
    for (size_t i = 0; i < s->n_sites; i++)
        if (s->sites[i].node)
            tick_later(&s->sites[i]);
    if (e->kind != CLIENT && e->kind != FAULT && e->kind != TICK && site->node)
        check_touched(s, e->site);
}

static void set_up(struct sim *s)
{
    static const struct str names[SIM_SITES] = {
        {"Nantes", 6}, {"Paris", 5}, {"Lyon", 4}, {"Brest", 5}, {"Nice", 4}};
    arena_init(&s->arena, NULL, 0, 1 << 20);
    sim_types_init(s->types, &s->arena);
    s->judge = sim_judge_create(s->types);
    s->n_sites = 2 + (size_t)below(s, SIM_SITES - 1);
    for (size_t i = 0; i < s->n_sites; i++) {
        s->names[i] = names[i];
        s->sites[i] =
            (struct site){.sim = s, .number = i, .store = sim_store_create(), .digest = 1};
        start(&s->sites[i]);
    }
    for (uint64_t i = 1; i <= CLIENTS; i++)
        push(s, (struct event){.at = below(s, FAULTY_MS), .kind = CLIENT, .ticket = i});
    push(s, (struct event){.at = 1000, .kind = FAULT});
}

static void tear_down(struct sim *s)
{
    for (size_t i = 0; i < s->n_sites; i++) {
        if (s->sites[i].node) {
            s->x->snapshots += repl_node_counts(s->sites[i].node)->snapshots;
            s->x->forgotten += repl_node_counts(s->sites[i].node)->forgotten;
        }
        repl_node_destroy(&s->sites[i].node);
        sim_store_destroy(&s->sites[i].store);
    }
    while (s->n_heap > 0)
        drop(pop(s));
    free(s->heap);
    sim_judge_destroy(&s->judge);
    arena_fini(&s->arena);
}

int sim_run(uint64_t seed, bool is_traced, struct sim_explored *explored, char *why, size_t n_why)
{
    struct sim *s = calloc(1, sizeof *s);
    bool is_quiet_now = false;
    CHECK(s);
    *s = (struct sim){
        .random = seed, .is_traced = is_traced, .x = explored, .why = why, .n_why = n_why};
    set_up(s);
    while (!s->is_failed && !is_quiet_now && s->now < MOST_MS) {
        struct event *e = pop(s);
        s->now = e->at;
        s->x->events++;
        if (!s->is_calm && s->now > FAULTY_MS)
            calm_down(s);
        handle(s, e);
        is_quiet_now = e->kind == TICK && s->now > FAULTY_MS + 10000 && is_quiet(s);
        drop(e);
    }
    if (!s->is_failed && !is_quiet_now) {
        explain_noise(s);
        fail(s, "the sites do not come to rest");
    }
    if (!s->is_failed)
        judge_all(s);
    bool is_failed = s->is_failed;
    tear_down(s);
    free(s);
    return is_failed;
}
