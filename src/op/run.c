/* What a replica runs next: the five rules of docs/design.md section 5, "Running it", one step at a
 * time.
 *
 * What ran since the base is ordered by the numbers `ran`. Two operations of the list are out of
 * order when they do not commute and the later one ran before the earlier; what is missing runs, in
 * the order of the list, after all that ran. The list is *in order* when no two are out of order.
 */
#include "op/run.h"
#include "base/check.h"
#include "op/internal.h"

/* ---- what is held ---- */

static struct op_dot dot_of(const struct op_operation *op)
{
    return (struct op_dot){op->actor, op->n};
}

static bool is_dot_of(const struct op_dot *dot, const struct op_operation *op)
{
    return dot->n == op->n && dot->actor == op->actor;
}

static const struct op_type *type_of(const struct op_replica *r, const struct op_operation *op)
{
    return &r->log->matrix->types[op->type];
}

static bool ran_on_base(const struct op_replica *r, const struct op_operation *op)
{
    return op->ran > r->row.base_seq;
}

bool op_replica_is_failed(const struct op_replica *r, const struct op_operation *op)
{
    return op->failed > r->row.base_seq && op->failed > op->ran && !op->is_retried;
}

bool op_replica_has_run(const struct op_replica *r, const struct op_operation *op)
{
    return ran_on_base(r, op) || (r->row.has_base && is_dot_of(&r->row.base, op));
}

/* Where it stands among what ran; what is missing runs last. */
static uint64_t position(const struct op_replica *r, const struct op_operation *op)
{
    return ran_on_base(r, op) && !op->is_retried ? op->ran : UINT64_MAX;
}

static struct op_operation *held(const struct op_replica *r, const struct op_dot *dot)
{
    return dot->n ? op_log_find(r->log, dot->actor, dot->n) : NULL;
}

/* ---- the part of the list that needs no second look ---- */

void op_touch(struct op_log *log, const struct list *at)
{
    log->is_checked = false;
    while (at != &log->list && OP_AT((struct list *)(uintptr_t)at)->kept != OP_KEPT_NOT) {
        struct op_operation *last = OP_AT(log->kept);
        log->n_kept -= last->kept == OP_KEPT_RAN;
        last->kept = OP_KEPT_NOT;
        log->kept = log->kept->prev;
    }
}

static void touch_all(struct op_replica *r)
{
    op_touch(r->log, r->log->list.next);
}

static void keep_next(struct op_replica *r, enum op_kept how)
{
    struct op_log *log = r->log;
    log->kept = log->kept->next;
    OP_AT(log->kept)->kept = (uint8_t)how;
    log->n_kept += how == OP_KEPT_RAN;
}

/* What stands before the base has no part in the state. */
static void keep_through_base(struct op_replica *r, const struct op_operation *base)
{
    while (base && base->kept == OP_KEPT_NOT)
        keep_next(r, OP_KEPT);
}

/* Keeps what is run or failed, up to the first that is missing, or is `stop`. Gives the first that
 * is not kept; NULL: all is. */
static struct op_operation *keep_on(struct op_replica *r, const struct op_operation *stop)
{
    struct op_log *log = r->log;
    while (log->kept->next != &log->list) {
        struct op_operation *op = OP_AT(log->kept->next);
        bool is_failed = op_replica_is_failed(r, op);
        if (op == stop || (!is_failed && position(r, op) == UINT64_MAX))
            return op;
        keep_next(r, is_failed ? OP_KEPT : OP_KEPT_RAN);
    }
    return NULL;
}

/* The last operation of the list that replaces the whole state. What is kept has that of the
 * replica. */
static struct op_operation *base_of_list(const struct op_replica *r)
{
    for (struct list *at = r->log->list.prev; at != r->log->kept; at = at->prev)
        if (type_of(r, OP_AT(at))->replaces)
            return OP_AT(at);
    return r->log->kept == &r->log->list ? NULL : held(r, &r->row.base);
}

static bool is_on_base(const struct op_replica *r, const struct op_operation *base)
{
    if (!r->row.has_base)
        return false;
    return base ? is_dot_of(&r->row.base, base) : r->row.base.n == 0;
}

/* ---- what became of something ---- */

static void lose_base(struct op_replica *r)
{
    touch_all(r);
    r->row.has_base = false;
    r->row.base = (struct op_dot){0, 0};
    r->row.base_seq = ++r->row.seq;
    r->has_failures = false;
    r->n_ran = 0;
}

static void set_base(struct op_replica *r, const struct op_operation *op)
{
    const struct op_type *type = type_of(r, op);
    touch_all(r);
    r->row.has_base = true;
    r->row.base = dot_of(op);
    r->row.base_seq = op->ran;
    r->row.exists = type->deletes ? OP_EXISTS_NOT : OP_EXISTS;
    if (type->creates)
        r->row.made = dot_of(op);
    r->has_failures = false;
    r->n_ran = 0;
}

void op_replica_did(struct op_replica *r, struct op_operation *op)
{
    bool is_next = r->log->is_checked && r->log->kept->next == &op->place;
    r->n_ran += !ran_on_base(r, op);
    if (!is_next)
        op_touch(r->log, op->is_superseded ? &r->log->list : &op->place);
    op->ran = ++r->row.seq;
    op->is_retried = false;
    if (type_of(r, op)->replaces)
        set_base(r, op);
}

static void set_failed(struct op_replica *r, struct op_operation *op, unsigned status)
{
    if (op->kept != OP_KEPT_NOT)
        op_touch(r->log, &op->place);
    op->failed = ++r->row.seq;
    op->status = (uint16_t)status;
    op->is_retried = false;
    r->has_failures = true;
}

static void clear_mark(struct op_replica *r)
{
    r->row.mark = (struct op_dot){0, 0};
    r->row.mark_kind = OP_STEP_NONE;
    r->row.is_lost = false;
    r->is_unanswered = false;
}

static bool must_be_found(const struct op_type *type)
{
    return type->creates && !type->overwrites;
}

/* What is not there stays as it is, unless it is made. */
static bool changes_nothing(const struct op_replica *r, const struct op_type *type)
{
    return r->row.exists == OP_EXISTS_NOT && !type->makes && !type->deletes;
}

/* It may have run or not. */
static void settle_unanswered(struct op_replica *r, const struct op_operation *op)
{
    const struct op_type *type = type_of(r, op);
    if (r->row.mark_kind == OP_STEP_DELETE) {
        r->row.exists = OP_EXISTS_MAYBE;
        clear_mark(r);
    } else if (changes_nothing(r, type)) {
        clear_mark(r);
    } else if (type->replaces || type->overwrites) {
        enum op_exists then = type->deletes ? OP_EXISTS_NOT : OP_EXISTS;
        if ((type->makes || type->deletes) && r->row.exists != then)
            r->row.exists = OP_EXISTS_MAYBE;
        r->is_unanswered = true;
    } else {
        lose_base(r);
        clear_mark(r);
    }
}

static void settle_done(struct op_replica *r, struct op_operation *op)
{
    if (r->row.mark_kind == OP_STEP_DELETE)
        r->row.exists = OP_EXISTS_NOT;
    else
        op_replica_did(r, op);
    clear_mark(r);
}

static void settle_absent(struct op_replica *r)
{
    r->row.exists = OP_EXISTS_NOT;
    clear_mark(r);
}

static void settle_refused(struct op_replica *r, struct op_operation *op, unsigned status)
{
    if (r->row.mark_kind == OP_STEP_FIND) {
        r->row.is_lost = true;
        return;
    }
    if (r->is_unanswered) /* the first one may have run all the same */
        lose_base(r);
    set_failed(r, op, status);
    clear_mark(r);
}

void op_replica_settle(struct op_replica *r, enum op_outcome outcome, unsigned status)
{
    struct op_operation *op = held(r, &r->row.mark);
    CHECK(r->row.mark.n);
    if (!op) { /* forgotten under way */
        r->row.exists = OP_EXISTS_MAYBE;
        lose_base(r);
        clear_mark(r);
        return;
    }
    switch (outcome) {
    case OP_DONE:
        settle_done(r, op);
        break;
    case OP_REFUSED:
        settle_refused(r, op, status);
        break;
    case OP_UNANSWERED:
        settle_unanswered(r, op);
        break;
    case OP_UNSENT: /* one that was sent before may still have run */
        if (!r->is_unanswered)
            clear_mark(r);
        break;
    case OP_ABSENT:
        settle_absent(r);
        break;
    case OP_LOST:
        r->row.is_lost = true;
        break;
    }
}

/* ---- is the list in order? ---- */

/* What is found in the part of the list that is not kept. */
struct scan {
    size_t n_ran;
    struct op_operation *first; /* that one after it, which it does not commute with, ran before */
    bool overwrite;             /* it and all after it may be run again */
    bool has_retried;
};

static bool is_out_of_order(const uint64_t *least, uint64_t present, uint64_t commuting,
                            uint64_t position)
{
    for (uint64_t types = present & ~commuting; types; types &= types - 1)
        if (least[__builtin_ctzll(types)] < position)
            return true;
    return false;
}

static void scan_list(const struct op_replica *r, struct scan *s)
{
    const struct op_matrix *m = r->log->matrix;
    uint64_t least[OP_MAX_TYPES + 1] = {0}; /* of those after: the first of each type to run */
    uint64_t present = 0;
    bool overwrite = true;
    *s = (struct scan){.n_ran = 0};
    for (struct list *at = r->log->list.prev; at != r->log->kept; at = at->prev) {
        struct op_operation *op = OP_AT(at);
        if (op_replica_is_failed(r, op))
            continue;
        uint64_t here = position(r, op);
        s->n_ran += here != UINT64_MAX;
        s->has_retried |= op->is_retried;
        overwrite &= m->types[op->type].overwrites;
        if (is_out_of_order(least, present, m->commuting[op->type], here)) {
            s->first = op;
            s->overwrite = overwrite;
        }
        if (!(present >> op->type & 1) || here < least[op->type])
            least[op->type] = here;
        present |= UINT64_C(1) << op->type;
    }
}

/* Whether something of the list is failed. */
static bool find_failure(struct op_replica *r)
{
    bool has_retried = false;
    if (!r->has_failures)
        return false;
    list_for_each (at, &r->log->list) {
        if (op_replica_is_failed(r, OP_AT(at)))
            return true;
        has_retried |= OP_AT(at)->is_retried;
    }
    r->has_failures = has_retried;
    return false;
}

/* What is tried again is so only where nothing else has to be. */
static void give_up_retries(struct op_replica *r)
{
    list_for_each (at, &r->log->list)
        OP_AT(at)->is_retried = false;
}

/* Whether all that ran since the base is in the list after it. */
static bool is_whole(const struct op_replica *r, const struct scan *s)
{
    return r->log->n_kept + s->n_ran == r->n_ran;
}

/* ---- the rules ---- */

static void run(struct op_step *step, struct op_operation *op)
{
    step->kind = OP_STEP_RUN;
    step->op = op;
}

/* Rule 2: all after `first` again, each once it stands behind the one before it. */
static void run_again(const struct op_replica *r, struct op_operation *first, struct op_step *step)
{
    uint64_t before = 0;
    for (struct list *at = &first->place; at != &r->log->list; at = at->next) {
        struct op_operation *op = OP_AT(at);
        if (op_replica_is_failed(r, op))
            continue;
        uint64_t here = position(r, op);
        if (here == UINT64_MAX || here < before) {
            run(step, op);
            return;
        }
        before = here;
    }
    CHECK(!"an operation ran before the one it is out of order with");
}

static enum op_why run_create(const struct op_replica *r, struct op_operation *op,
                              struct op_step *step)
{
    const struct op_matrix *m = r->log->matrix;
    step->op = op;
    if (op_replica_is_failed(r, op))
        return OP_WHY_BASE_FAILED;
    if (!m->types[op->type].overwrites) {
        if (is_dot_of(&r->row.made, op) && !m->can_remake)
            return OP_WHY_REMAKE;
        if (r->row.exists != OP_EXISTS_NOT && !m->can_delete)
            return OP_WHY_NO_DELETE;
        if (r->row.exists != OP_EXISTS_NOT) {
            step->kind = OP_STEP_DELETE;
            return OP_WHY_NOTHING;
        }
    }
    run(step, op);
    return OP_WHY_NOTHING;
}

static struct op_operation *create_of_list(const struct op_replica *r)
{
    list_for_each (at, &r->log->list)
        if (type_of(r, OP_AT(at))->creates)
            return OP_AT(at);
    return NULL;
}

/* A replace that does not make what is missing needs the list's create before it. Where a delete
 * got no answer both are done again, if they may be. */
static bool run_create_first(const struct op_replica *r, struct op_step *step, enum op_why *why)
{
    struct op_operation *create = create_of_list(r);
    *why = create ? run_create(r, create, step) : OP_WHY_NO_CREATE;
    return r->row.exists == OP_EXISTS_NOT || *why == OP_WHY_NOTHING;
}

/* Rule 3. */
static enum op_why run_base(const struct op_replica *r, struct op_operation *base,
                            struct op_step *step)
{
    if (!base)
        return OP_WHY_NO_BASE;
    const struct op_type *type = type_of(r, base);
    if (type->creates)
        return run_create(r, base, step);
    enum op_why why;
    if (r->row.exists != OP_EXISTS && !type->deletes && !type->makes &&
        run_create_first(r, step, &why))
        return why;
    step->op = base;
    if (op_replica_is_failed(r, base))
        return OP_WHY_BASE_FAILED;
    bool is_gone = type->deletes && r->row.exists == OP_EXISTS_NOT;
    step->kind = is_gone ? OP_STEP_SKIP : OP_STEP_RUN;
    return OP_WHY_NOTHING;
}

static struct op_operation *first_missing(const struct op_replica *r)
{
    for (struct list *at = r->log->kept->next; at != &r->log->list; at = at->next)
        if (position(r, OP_AT(at)) == UINT64_MAX && !op_replica_is_failed(r, OP_AT(at)))
            return OP_AT(at);
    return NULL;
}

/* Rules 4 and 5. On the right base what is missing still runs, so that a replica that is out of
 * order at least lacks nothing. */
static void go_on_diverged(struct op_replica *r, bool is_on, bool is_whole, struct op_step *step)
{
    struct op_operation *missing = is_on ? first_missing(r) : NULL;
    const struct op_matrix *m = r->log->matrix;
    bool can_transfer =
        m->can_transfer && (r->row.exists != OP_EXISTS_NOT || m->types[m->n - 1].makes);
    step->is_diverged = true;
    if (missing)
        run(step, missing);
    else if (can_transfer && is_whole && !step->is_failed)
        step->kind = OP_STEP_SNAPSHOT;
    else
        step->kind = can_transfer ? OP_STEP_ASK : OP_STEP_NONE;
}

static void leave_base(struct op_replica *r, struct op_operation *base, bool is_on, bool is_whole,
                       struct op_step *step)
{
    step->why = run_base(r, base, step);
    if (step->why == OP_WHY_NOTHING)
        return;
    if (step->why == OP_WHY_BASE_FAILED) {
        step->is_failed = true;
        return;
    }
    if (is_on)
        step->why = OP_WHY_ORDER;
    go_on_diverged(r, is_on, is_whole, step);
}

/* Rules 1 and 2, and what follows where they do not apply. */
static void stay_on_base(struct op_replica *r, struct op_operation *base, struct op_step *step)
{
    struct scan s = {.n_ran = 0};
    keep_through_base(r, base);
    if (!r->log->is_checked) {
        scan_list(r, &s);
        if (s.has_retried && s.first && !s.overwrite) {
            give_up_retries(r);
            step->is_failed = find_failure(r);
            scan_list(r, &s);
        }
        if (!is_whole(r, &s) || (s.first && !s.overwrite)) {
            leave_base(r, base, true, is_whole(r, &s), step);
            return;
        }
        r->log->is_checked = !s.first;
    }
    struct op_operation *next = keep_on(r, s.first);
    if (next && next == s.first)
        run_again(r, s.first, step);
    else if (next)
        run(step, next);
}

static void settle_mark_first(const struct op_replica *r, struct op_step *step)
{
    struct op_operation *op = held(r, &r->row.mark);
    step->op = op;
    step->kind = must_be_found(type_of(r, op)) ? OP_STEP_FIND : OP_STEP_RUN;
}

void op_replica_next(struct op_replica *r, struct op_step *step)
{
    *step = (struct op_step){.kind = OP_STEP_NONE, .is_failed = find_failure(r)};
    if (r->row.is_lost) {
        step->op = held(r, &r->row.mark);
        step->why = OP_WHY_UNKNOWN;
        step->is_diverged = true;
        return;
    }
    if (r->is_unanswered) {
        settle_mark_first(r, step);
        return;
    }
    struct op_operation *base = base_of_list(r);
    if (is_on_base(r, base))
        stay_on_base(r, base, step);
    else
        leave_base(r, base, false, false, step);
}

void op_replica_begin(struct op_replica *r, const struct op_step *step)
{
    CHECK(step->kind != OP_STEP_NONE && step->op);
    r->row.mark = dot_of(step->op);
    r->row.mark_kind = (uint8_t)step->kind;
    if (step->kind == OP_STEP_DELETE)
        lose_base(r);
}

/* ---- from outside ---- */

void op_replica_init(struct op_replica *r, struct op_log *log)
{
    *r = (struct op_replica){.log = log, .row = {.has_base = true}};
}

void op_replica_restore(struct op_replica *r, struct op_log *log, const struct op_replica_row *row)
{
    *r = (struct op_replica){.log = log, .row = *row};
    touch_all(r);
    if (r->row.mark.n && !r->row.is_lost)
        op_replica_settle(r, OP_UNANSWERED, 0);
}

void op_replica_restore_operation(struct op_replica *r, struct op_operation *op, uint64_t ran,
                                  uint64_t failed, unsigned status)
{
    op->ran = ran;
    op->failed = failed;
    op->status = (uint16_t)status;
    r->n_ran += ran_on_base(r, op);
    r->has_failures |= op_replica_is_failed(r, op);
}

void op_replica_lose_base(struct op_replica *r)
{
    if (r->row.exists != OP_EXISTS_NOT)
        lose_base(r);
}

/* Tries again what failed and `newer` saw; NULL: all. */
static void retry(struct op_replica *r, const struct op_operation *newer)
{
    if (!r->has_failures)
        return;
    list_for_each (at, &r->log->list) {
        struct op_operation *op = OP_AT(at);
        if (op_replica_is_failed(r, op) && (!newer || op_saw(newer, op))) {
            op_touch(r->log, at);
            op->is_retried = true;
        }
    }
}

void op_replica_added(struct op_replica *r, const struct op_operation *op)
{
    retry(r, op);
}

void op_replica_retry(struct op_replica *r)
{
    retry(r, NULL);
}

bool op_replica_repair(struct op_replica *r)
{
    struct op_replica before = *r;
    struct op_step step;
    if (r->row.mark.n || !base_of_list(r))
        return false;
    lose_base(r);
    op_replica_next(r, &step);
    if (step.kind != OP_STEP_NONE)
        return true;
    *r = before;
    return false;
}

void op_replica_forget(struct op_replica *r, const struct op_operation *op)
{
    if (r->is_unanswered && is_dot_of(&r->row.mark, op)) {
        lose_base(r);
        clear_mark(r);
    } else if (op_replica_has_run(r, op)) {
        lose_base(r);
    }
}

bool op_replica_admits(struct op_replica *r, unsigned type)
{
    struct op_step step;
    op_replica_next(r, &step);
    if (r->row.mark.n || step.kind == OP_STEP_RUN || step.kind == OP_STEP_SKIP ||
        step.kind == OP_STEP_DELETE)
        return false;
    const struct op_operation *base = base_of_list(r);
    if (is_on_base(r, base))
        return true;
    const struct op_type *t = &r->log->matrix->types[type];
    bool is_over = base && type_of(r, base)->deletes;
    return t->replaces && !must_be_found(t) && (!is_over || t->makes || t->deletes);
}

bool op_replica_can_snapshot(struct op_replica *r)
{
    struct op_step step;
    op_replica_next(r, &step);
    return r->log->matrix->can_transfer && step.kind == OP_STEP_NONE && !step.is_diverged &&
           !step.is_failed && r->row.exists == OP_EXISTS && !list_is_empty(&r->log->list);
}

struct str op_why_text(enum op_why why)
{
    static const struct str texts[] = {
        [OP_WHY_NOTHING] = STR(""),
        [OP_WHY_ORDER] = STR("operations that do not commute ran here in another order, and cannot "
                             "be run again"),
        [OP_WHY_REMAKE] = STR("its create ran here already, and may not be run a second time"),
        [OP_WHY_NO_DELETE] = STR("another resource is in its place, and the type has no delete"),
        [OP_WHY_NO_CREATE] = STR("the resource is missing here, and no operation creates it"),
        [OP_WHY_NO_BASE] = STR("its state here is not known, and no operation replaces it"),
        [OP_WHY_BASE_FAILED] = STR("the application refused the operation that the others need"),
        [OP_WHY_UNKNOWN] = STR("a create got no answer, and what it made cannot be found"),
    };
    return texts[why];
}
