/* op/log.h: the operations of one resource, and the list that they amount to (docs/design.md
 * section 5, Order).
 *
 * A log is a set of operations that grows. Its list is a pure function of the set: whoever holds
 * the same operations has the same list, in whatever order they came. An addition costs what is
 * concurrent with it, not the log. One thread at a time; all memory is the caller's arena, which
 * must live as long as the log.
 *
 *     struct op_log log;
 *     op_log_init(&log, &matrix, &arena);
 *     op_log_actor(&log, STR("Nantes"), &nantes);
 *     rc = op_log_add(&log, &(struct op_draft){.actor = nantes, .n = 1, .clock = 7}, &op, &d);
 *     list_for_each(at, &log.list)
 *         use(OP_AT(at));
 *
 * An actor is a site with the incarnation of its store: whoever gives operations their numbers,
 * without gaps. Concurrent operations with equal clocks are ordered by the actors' names.
 */
#ifndef OP_LOG_H
#define OP_LOG_H

#include "base/list.h"
#include "op/matrix.h"

#define OP_MAX_ACTORS   256 /* of one resource */
#define OP_LIFE_UNKNOWN UINT32_MAX

struct op_operation {
    uint32_t actor, type;
    uint64_t n;         /* the actor's counter on this resource, from 1 */
    uint64_t clock;     /* hybrid logical clock; above those of all that it saw */
    uint32_t life;      /* of the resource */
    uint32_t n_saw;     /* entries of saw; those after it count as 0 */
    uint64_t *saw;      /* by actor: the last operation that it saw; its own actor's: n - 1 */
    void *owner;        /* the caller's; kept, never read */
    struct list place;  /* in op_log.list; alone when it is superseded */
    uint32_t next_life; /* of what follows after what its actor did up to here */
    bool is_superseded;
    bool yields; /* a snapshot that was not seen by something that replaces the whole state */
    /* What became of it at this site; op/run.h. */
    uint8_t kept;         /* enum op_kept */
    bool is_retried;      /* it failed and is tried again */
    uint16_t status;      /* that the application refused it with */
    uint64_t ran, failed; /* numbers that order all that ran or failed here; 0: never */
};

/* Whether an operation stands in the part of the list that the replica keeps; and it ran. */
enum op_kept { OP_KEPT_NOT, OP_KEPT, OP_KEPT_RAN };

#define OP_AT(at) LIST_ITEM(at, struct op_operation, place)

/* Those of one actor, by number. */
struct op_actor {
    struct str name;
    struct op_operation **held; /* what is not forgotten, by number */
    size_t n_held, room;        /* entries of held, and what it has memory for */
    uint64_t count;             /* the log holds, or has held, the numbers 1 to count */
    uint64_t base_n;            /* the last that was forgotten; 0: none, or not known */
    uint64_t base_clock;        /* of that */
    uint32_t base_life;         /* next_life of that */
    struct list queue;          /* scratch of merging */
};

struct op_log {
    const struct op_matrix *matrix;
    struct arena *arena;
    struct op_actor *actors[OP_MAX_ACTORS];
    uint32_t n_actors;
    bool has_begun;   /* an operation has been added */
    struct list list; /* what is to be run, in order; `place` of struct op_operation */
    size_t n_listed;
    uint32_t life;              /* the last one; 0 also while the log is empty */
    bool is_deleted;            /* the last life holds a delete, the list is that alone */
    struct op_operation *front; /* the last delete of the life before; first in the list, or NULL */
    /* Of op/run.h. Up to `kept` the list is run, and nothing that follows ran before what it does
     * not commute with in there; n_kept of that ran on the base. */
    struct list *kept;
    size_t n_kept;
    bool is_checked; /* nor is anything after it out of order */
};

/* What a new operation is made of. */
struct op_draft {
    uint32_t actor, type;
    uint64_t n, clock;
    uint32_t life;       /* OP_LIFE_UNKNOWN: what its vector says */
    const uint64_t *saw; /* borrowed; by actor; its own entry is not looked at */
    uint32_t n_saw;
    void *owner;
};

/* An empty log. Keeps the matrix and the arena. */
void op_log_init(struct op_log *log, const struct op_matrix *matrix, struct arena *arena);

/* The number of the actor with that name, added when it is new. ERR_LIMIT over OP_MAX_ACTORS,
 * ERR_NO_MEMORY when the arena is full. */
int op_log_actor(struct op_log *log, struct str name, uint32_t *actor) MUST_USE;

/* Adds an operation. 0 with *out: the operation, or the one that was held already (NULL: it is
 * forgotten). ERR_AGAIN: the log has not held all that the operation names, or its actor's previous
 * one; keep it and try again after the next addition. ERR_INVALID: type, actor or number is none,
 * or its clock is not above that of all it saw, or its life is not what its vector says.
 * ERR_NO_MEMORY: the arena is full; the log is as it was. */
int op_log_add(struct op_log *log, const struct op_draft *draft, struct op_operation **out,
               struct diag *d) MUST_USE;

/* Says that the numbers up to n of an actor were held; those that are not are forgotten. */
void op_log_skip(struct op_log *log, uint32_t actor, uint64_t n);

/* Puts back what a log held before it was closed: after op_log_skip, the operations of an actor by
 * their numbers, each with its life; then op_log_loaded makes the list. In between only these are
 * called. ERR_INVALID: they do not go together. ERR_NO_MEMORY as op_log_add. */
int op_log_load(struct op_log *log, const struct op_draft *draft, struct op_operation **out,
                struct diag *d) MUST_USE;
int op_log_loaded(struct op_log *log, struct diag *d) MUST_USE;

/* The operation with that number; NULL: not held. */
struct op_operation *op_log_find(const struct op_log *log, uint32_t actor, uint64_t n);

/* Makes the list anew from the set alone. The list is the same before and after: this is the
 * definition, op_log_add the fast way to it. */
void op_log_rebuild(struct op_log *log);

/* Forgets the superseded operations within `stable` (by actor, n entries; those after it are 0):
 * the least of all the sites' vectors, when every operation above it saw all of it. Calls on_forget
 * (may be NULL) for each, with its owner. Their memory stays in the arena until that ends. */
void op_log_forget(struct op_log *log, const uint64_t *stable, uint32_t n,
                   void (*on_forget)(void *context, const struct op_operation *op), void *context);

/* Whether x saw y: whoever issued x knew y. */
static inline bool op_saw(const struct op_operation *x, const struct op_operation *y)
{
    return y->actor < x->n_saw && x->saw[y->actor] >= y->n;
}

/* The order of two operations by (clock, actor's name, number): below 0 when a is earlier. */
int op_compare(const struct op_log *log, const struct op_operation *a,
               const struct op_operation *b);

#endif
