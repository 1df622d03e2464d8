/* The set of operations, and what each addition does to the list. */
#include "op/log.h"
#include "base/check.h"
#include "op/internal.h"

#define FIRST_ROOM 8

void op_log_init(struct op_log *log, const struct op_matrix *matrix, struct arena *arena)
{
    *log = (struct op_log){.matrix = matrix, .arena = arena};
    list_init(&log->list);
    log->kept = &log->list;
}

static int no_memory(struct diag *d)
{
    return diag_set(d, ERR_NO_MEMORY, "the log of the resource needs more memory than it may have");
}

int op_log_actor(struct op_log *log, struct str name, uint32_t *actor)
{
    for (uint32_t i = 0; i < log->n_actors; i++)
        if (str_eq(log->actors[i]->name, name)) {
            *actor = i;
            return 0;
        }
    if (log->n_actors == OP_MAX_ACTORS)
        return ERR_LIMIT;
    struct op_actor *a = arena_new(log->arena, struct op_actor);
    a->name = arena_str(log->arena, name);
    list_init(&a->queue);
    if (arena_overflowed(log->arena))
        return ERR_NO_MEMORY;
    *actor = log->n_actors;
    log->actors[log->n_actors++] = a;
    return 0;
}

/* How many of what is held have the number n or a lower one. */
static size_t held_up_to(const struct op_actor *a, uint64_t n)
{
    size_t low = 0, high = a->n_held;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (a->held[middle]->n <= n)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct op_operation *op_log_find(const struct op_log *log, uint32_t actor, uint64_t n)
{
    if (actor >= log->n_actors)
        return NULL;
    const struct op_actor *a = log->actors[actor];
    size_t i = held_up_to(a, n);
    return i > 0 && a->held[i - 1]->n == n ? a->held[i - 1] : NULL;
}

int op_compare(const struct op_log *log, const struct op_operation *a, const struct op_operation *b)
{
    if (a->clock != b->clock)
        return a->clock < b->clock ? -1 : 1;
    if (a->actor != b->actor)
        return str_cmp(log->actors[a->actor]->name, log->actors[b->actor]->name);
    return a->n < b->n ? -1 : a->n > b->n;
}

/* ---- what an addition must fulfil ---- */

/* What an actor had done when its operation number n was issued: the clock of that, and the life
 * that what follows is in. Of what is forgotten only the last is known. */
static void look_back(const struct op_actor *a, uint64_t n, uint64_t *clock, uint32_t *next_life)
{
    size_t i = held_up_to(a, n);
    *clock = n >= a->base_n ? a->base_clock : 0;
    *next_life = n >= a->base_n ? a->base_life : 0;
    if (i > 0 && a->held[i - 1]->clock > *clock)
        *clock = a->held[i - 1]->clock;
    if (i > 0 && a->held[i - 1]->next_life > *next_life)
        *next_life = a->held[i - 1]->next_life;
}

static uint64_t seen_of(const struct op_draft *draft, uint32_t actor)
{
    if (actor == draft->actor)
        return draft->n - 1;
    return actor < draft->n_saw ? draft->saw[actor] : 0;
}

/* Whether all that the draft names has been held. */
static int check_complete(const struct op_log *log, const struct op_draft *draft, struct diag *d)
{
    for (uint32_t i = 0; i < draft->n_saw || i <= draft->actor; i++) {
        uint64_t seen = seen_of(draft, i);
        if (i >= log->n_actors && seen > 0)
            return diag_set(d, ERR_INVALID, "an operation names an actor that is not known");
        if (i < log->n_actors && seen > log->actors[i]->count)
            return diag_set(d, ERR_AGAIN, "operation %llu of '%.*s' comes first",
                            (unsigned long long)log->actors[i]->count + 1,
                            STR_ARG(log->actors[i]->name));
    }
    return 0;
}

/* The life of the draft. */
static int check_draft(const struct op_log *log, const struct op_draft *draft, uint32_t *life,
                       struct diag *d)
{
    int rc = check_complete(log, draft, d);
    if (rc < 0)
        return rc;
    *life = 0;
    for (uint32_t i = 0; i < log->n_actors; i++) {
        uint64_t clock;
        uint32_t next_life;
        uint64_t seen = seen_of(draft, i);
        if (seen == 0)
            continue;
        look_back(log->actors[i], seen, &clock, &next_life);
        if (next_life > *life)
            *life = next_life;
        if (clock >= draft->clock)
            return diag_set(d, ERR_INVALID,
                            "the clock of operation %llu of '%.*s' is not above that of what it "
                            "saw of '%.*s'",
                            (unsigned long long)draft->n, STR_ARG(log->actors[draft->actor]->name),
                            STR_ARG(log->actors[i]->name));
    }
    /* Deletes that are forgotten are not counted, so it may be in a later life than is found. */
    if (draft->life != OP_LIFE_UNKNOWN && draft->life < *life)
        return diag_set(d, ERR_INVALID, "operation %llu of '%.*s' saw the end of its own life",
                        (unsigned long long)draft->n, STR_ARG(log->actors[draft->actor]->name));
    if (draft->life != OP_LIFE_UNKNOWN)
        *life = draft->life;
    return 0;
}

/* ---- keeping ---- */

static bool make_room(struct op_log *log, struct op_actor *a)
{
    size_t n = a->n_held;
    if (n < a->room)
        return true;
    size_t room = a->room ? 2 * a->room : FIRST_ROOM;
    struct op_operation **held = arena_alloc(log->arena, room * sizeof(struct op_operation *));
    if (arena_overflowed(log->arena))
        return false;
    if (n)
        memcpy(held, a->held, n * sizeof(struct op_operation *));
    a->held = held;
    a->room = room;
    return true;
}

static struct op_operation *keep(struct op_log *log, const struct op_draft *draft, uint32_t life)
{
    struct op_actor *a = log->actors[draft->actor];
    uint32_t n_saw = draft->n_saw > draft->actor ? draft->n_saw : draft->actor + 1;
    struct op_operation *op = arena_new(log->arena, struct op_operation);
    uint64_t *saw = arena_zalloc(log->arena, n_saw * sizeof *saw);
    if (arena_overflowed(log->arena) || !make_room(log, a))
        return NULL;
    for (uint32_t i = 0; i < n_saw; i++)
        saw[i] = seen_of(draft, i);
    uint64_t clock;
    look_back(a, a->count, &clock, &op->next_life);
    if (op->next_life < life) /* it saw the end of the one before, which may be forgotten */
        op->next_life = life;
    if (log->matrix->types[draft->type].deletes && op->next_life < life + 1)
        op->next_life = life + 1;
    op->actor = draft->actor;
    op->type = draft->type;
    op->n = draft->n;
    op->clock = draft->clock;
    op->life = life;
    op->saw = saw;
    op->n_saw = n_saw;
    op->owner = draft->owner;
    list_init(&op->place);
    return op;
}

/* ---- lives ---- */

static void supersede(struct op_log *log, struct op_operation *op)
{
    op->is_superseded = true;
    if (!list_is_empty(&op->place)) {
        op_touch(log, &op->place);
        list_remove(&op->place);
        log->n_listed--;
    }
}

static void supersede_all(struct op_log *log)
{
    list_for_each_safe (at, &log->list)
        supersede(log, OP_AT(at));
    log->front = NULL;
}

static void put_in_front(struct op_log *log, struct op_operation *op)
{
    op->is_superseded = false;
    op_touch(log, log->list.next);
    list_push_front(&log->list, &op->place);
    log->n_listed++;
    log->front = op;
}

/* x begins a life: of what there was, only the delete that ended the last one counts. */
static void begin_life(struct op_log *log, struct op_operation *x)
{
    struct op_operation *end =
        log->is_deleted && log->life + 1 == x->life ? OP_AT(log->list.next) : NULL;
    supersede_all(log);
    log->has_begun = true;
    log->life = x->life;
    log->is_deleted = log->matrix->types[x->type].deletes;
    if (end && !log->is_deleted)
        put_in_front(log, end);
    op_insert(log, x);
}

/* x deletes the resource in its present life. */
static void end_life(struct op_log *log, struct op_operation *x)
{
    if (log->is_deleted && op_compare(log, x, OP_AT(log->list.next)) < 0) {
        x->is_superseded = true;
        return;
    }
    supersede_all(log);
    log->is_deleted = true;
    op_insert(log, x);
}

/* x belongs to a life that is over. It counts only as the last delete of the life before. */
static void add_to_past(struct op_log *log, struct op_operation *x)
{
    x->is_superseded = true;
    if (!log->matrix->types[x->type].deletes || x->life + 1 != log->life || log->is_deleted)
        return;
    if (log->front && op_compare(log, x, log->front) < 0)
        return;
    if (log->front)
        supersede(log, log->front);
    put_in_front(log, x);
}

/* ---- within a life ---- */

/* What an addition takes out of the list. */
struct removal {
    size_t n;
    uint64_t low[OP_MAX_ACTORS]; /* by actor: what all that is taken out saw */
};

static void remove_later(const struct op_log *log, struct removal *r, struct op_operation *y)
{
    if (y->is_superseded)
        return;
    y->is_superseded = true; /* still in the list: its place is needed */
    for (uint32_t i = 0; i < log->n_actors; i++) {
        uint64_t seen = i < y->n_saw ? y->saw[i] : 0;
        if (r->n == 0 || seen < r->low[i])
            r->low[i] = seen;
    }
    r->n++;
}

/* Takes out what was marked. What stood behind one of them may stand elsewhere without it, but not
 * before the last that all of them saw: from there on the list is merged anew. */
static void remove_now(struct op_log *log, const struct removal *r)
{
    struct list tail, *at = log->list.prev;
    size_t left = r->n;
    list_init(&tail);
    while (at != &log->list && OP_AT(at) != log->front) {
        struct op_operation *y = OP_AT(at);
        if (left == 0 && y->n <= r->low[y->actor])
            break;
        at = at->prev;
        if (y->is_superseded) {
            left--;
            supersede(log, y);
        } else {
            op_touch(log, &y->place);
            list_remove(&y->place);
            list_push_front(&tail, &y->place);
        }
    }
    op_merge(log, &tail);
}

static bool yields_to(const struct op_log *log, const struct op_operation *snapshot,
                      const struct op_operation *other)
{
    const struct op_type *t = &log->matrix->types[other->type];
    return t->is_snapshot ? op_compare(log, snapshot, other) < 0 : t->replaces;
}

/* What x and y, which are concurrent, do to each other. Returns true when y is a snapshot that
 * yields only now: what it superseded may count again. */
static bool meet(struct op_log *log, struct op_operation *x, struct op_operation *y,
                 struct removal *r)
{
    const struct op_type *types = log->matrix->types;
    bool is_new = false;
    if (types[x->type].is_snapshot && yields_to(log, x, y))
        x->yields = x->is_superseded = true;
    if (types[y->type].is_snapshot && !y->yields && yields_to(log, y, x)) {
        y->yields = is_new = true;
        remove_later(log, r, y);
    }
    struct op_operation *later = op_compare(log, x, y) > 0 ? x : y;
    struct op_operation *earlier = later == x ? y : x;
    if (op_supersedes(log->matrix, later->type, earlier->type, false)) {
        if (earlier == x)
            x->is_superseded = true;
        else
            remove_later(log, r, y);
    }
    return is_new;
}

/* Meets all that is concurrent with x: of each actor, what came after the last that x saw. */
static bool meet_concurrent(struct op_log *log, struct op_operation *x, struct removal *r)
{
    bool must_rebuild = false;
    for (uint32_t i = 0; i < log->n_actors; i++) {
        const struct op_actor *a = log->actors[i];
        for (size_t at = held_up_to(a, i < x->n_saw ? x->saw[i] : 0); at < a->n_held; at++) {
            struct op_operation *y = a->held[at];
            if (y != x && y->life == x->life && meet(log, x, y, r))
                must_rebuild = true;
        }
    }
    return must_rebuild;
}

/* Returns true when the list must be made anew. */
static bool add_to_life(struct op_log *log, struct op_operation *x)
{
    struct removal r = {.n = 0};
    x->is_superseded = x->yields;
    if (meet_concurrent(log, x, &r))
        return true;
    if (log->matrix->types[x->type].replaces && !x->yields)
        list_for_each (at, &log->list) {
            struct op_operation *y = OP_AT(at);
            if (y != log->front && op_saw(x, y) &&
                op_supersedes(log->matrix, x->type, y->type, true))
                remove_later(log, &r, y);
        }
    if (r.n > 0)
        remove_now(log, &r);
    if (!x->is_superseded)
        op_insert(log, x);
    return false;
}

/* What x, the last of its actor, does to the list. Returns as add_to_life. */
static bool take_effect(struct op_log *log, struct op_operation *x)
{
    if (!log->has_begun || x->life > log->life)
        begin_life(log, x);
    else if (x->life < log->life)
        add_to_past(log, x);
    else if (log->matrix->types[x->type].deletes)
        end_life(log, x);
    else if (log->is_deleted)
        x->is_superseded = true;
    else
        return add_to_life(log, x);
    return false;
}

/* ---- the public face ---- */

int op_log_add(struct op_log *log, const struct op_draft *draft, struct op_operation **out,
               struct diag *d)
{
    uint32_t life;
    if (draft->actor >= log->n_actors || draft->type >= log->matrix->n || draft->n == 0)
        return diag_set(d, ERR_INVALID, "an operation has no known actor, type or number");
    struct op_actor *a = log->actors[draft->actor];
    if (draft->n <= a->count) {
        *out = op_log_find(log, draft->actor, draft->n);
        return 0;
    }
    int rc = check_draft(log, draft, &life, d);
    if (rc < 0)
        return rc;
    struct op_operation *op = keep(log, draft, life);
    if (!op)
        return no_memory(d);
    a->held[a->n_held++] = op;
    a->count = op->n;
    if (take_effect(log, op))
        op_log_rebuild(log);
    *out = op;
    return 0;
}

/* The earliest operation that follows the n_held of its actor, of those that the actors hold up to
 * totals[]; NULL: none is left. */
static struct op_operation *earliest(const struct op_log *log, const size_t *totals)
{
    struct op_operation *first = NULL;
    for (uint32_t i = 0; i < log->n_actors; i++) {
        const struct op_actor *a = log->actors[i];
        if (a->n_held == totals[i])
            continue;
        struct op_operation *op = a->held[a->n_held];
        if (!first || op_compare(log, op, first) < 0)
            first = op;
    }
    return first;
}

/* The last delete of a life by (clock, actor); NULL: none. */
static struct op_operation *last_delete(const struct op_log *log, uint32_t life)
{
    struct op_operation *last = NULL;
    for (uint32_t i = 0; i < log->n_actors; i++) {
        const struct op_actor *a = log->actors[i];
        for (size_t at = 0; at < a->n_held; at++) {
            struct op_operation *op = a->held[at];
            if (op->life == life && log->matrix->types[op->type].deletes &&
                (!last || op_compare(log, op, last) > 0))
                last = op;
        }
    }
    return last;
}

/* Empties the list; finds the last life. */
static void start_over(struct op_log *log)
{
    supersede_all(log);
    list_init(&log->list); /* as it is: the analyzer cannot know */
    log->life = 0;
    for (uint32_t i = 0; i < log->n_actors; i++) {
        const struct op_actor *a = log->actors[i];
        for (size_t at = 0; at < a->n_held; at++) {
            a->held[at]->is_superseded = true;
            if (a->held[at]->life > log->life)
                log->life = a->held[at]->life;
        }
    }
}

/* Adds the operations of the last life again, as they could have come: a clock is above those of
 * all that was seen. False: a snapshot yields from now on, and what it superseded counts again.
 * That is so only of what was loaded: every two that were added met when the second was. */
static bool replay(struct op_log *log)
{
    size_t totals[OP_MAX_ACTORS] = {0};
    bool is_settled = true;
    for (uint32_t i = 0; i < log->n_actors; i++) {
        totals[i] = log->actors[i]->n_held;
        log->actors[i]->n_held = 0;
    }
    for (struct op_operation *op; is_settled && (op = earliest(log, totals));) {
        log->actors[op->actor]->n_held++;
        if (op->life == log->life)
            is_settled = !add_to_life(log, op);
    }
    for (uint32_t i = 0; i < log->n_actors; i++)
        log->actors[i]->n_held = totals[i];
    return is_settled;
}

void op_log_rebuild(struct op_log *log)
{
    bool is_settled = true;
    do {
        start_over(log);
        struct op_operation *end = last_delete(log, log->life);
        struct op_operation *front = log->life > 0 ? last_delete(log, log->life - 1) : NULL;
        log->is_deleted = end != NULL;
        if (end || front)
            put_in_front(log, end ? end : front);
        if (end)
            log->front = NULL;
        else
            is_settled = replay(log);
    } while (!is_settled);
}

/* ---- what is put back ---- */

void op_log_skip(struct op_log *log, uint32_t actor, uint64_t n)
{
    if (n > log->actors[actor]->count)
        log->actors[actor]->count = n;
}

int op_log_load(struct op_log *log, const struct op_draft *draft, struct op_operation **out,
                struct diag *d)
{
    bool is_known = draft->actor < log->n_actors && draft->type < log->matrix->n && draft->n > 0 &&
                    draft->life != OP_LIFE_UNKNOWN;
    struct op_actor *a = is_known ? log->actors[draft->actor] : NULL;
    if (!a || draft->n > a->count || (a->n_held && a->held[a->n_held - 1]->n >= draft->n))
        return diag_set(d, ERR_INVALID, "an operation that was kept has no place in its log");
    struct op_operation *op = keep(log, draft, draft->life);
    if (!op)
        return no_memory(d);
    a->held[a->n_held++] = op;
    log->has_begun = true;
    *out = op;
    return 0;
}

int op_log_loaded(struct op_log *log, struct diag *d)
{
    for (uint32_t i = 0; i < log->n_actors; i++)
        for (size_t at = 0; at < log->actors[i]->n_held; at++) {
            const struct op_operation *op = log->actors[i]->held[at];
            const struct op_draft draft = {.actor = i,
                                           .type = op->type,
                                           .n = op->n,
                                           .clock = op->clock,
                                           .life = op->life,
                                           .saw = op->saw,
                                           .n_saw = op->n_saw};
            uint32_t life;
            int rc = check_draft(log, &draft, &life, d);
            if (rc < 0)
                return rc == ERR_AGAIN ? ERR_INVALID : rc;
        }
    op_log_rebuild(log);
    return 0;
}

/* ---- forgetting ---- */

static void set_base(struct op_actor *a, const struct op_operation *op)
{
    if (op->n < a->base_n)
        return;
    a->base_n = op->n;
    a->base_clock = op->clock;
    a->base_life = op->next_life;
}

void op_log_forget(struct op_log *log, const uint64_t *stable, uint32_t n,
                   void (*on_forget)(void *context, const struct op_operation *op), void *context)
{
    for (uint32_t i = 0; i < log->n_actors && i < n; i++) {
        struct op_actor *a = log->actors[i];
        size_t kept = 0;
        for (size_t at = 0; at < a->n_held; at++) {
            struct op_operation *op = a->held[at];
            if (op->n > stable[i] || !op->is_superseded) {
                a->held[kept++] = op;
                continue;
            }
            set_base(a, op);
            if (on_forget)
                on_forget(context, op);
        }
        a->n_held = kept;
    }
}
