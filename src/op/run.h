/* op/run.h: what a replica does next, so that all of them end in the same state (docs/design.md
 * section 5, Running it).
 *
 * A replica is one site's copy of a resource in an application. Its state there is what its base
 * left (the last operation that it ran and that replaces the whole state) and what ran since, in
 * order. op_replica_next compares that with the list and names one step; the caller stores what
 * op_replica_begin changed, does the step, tells the outcome and asks again. It is a pure function
 * of what is held, so nothing but that is to be stored, and a step that never ended is found again.
 *
 *     struct op_replica r;
 *     op_replica_init(&r, &log);
 *     op_replica_next(&r, &step);
 *     op_replica_begin(&r, &step);              store the mark; then send step.op
 *     op_replica_settle(&r, OP_DONE, 200);      store the outcome
 *
 * What is stored: of the replica struct op_replica_row; of an operation `ran`, `failed` and
 * `status`. A call changes the row and at most the operation that it is about. One thread at a
 * time; borrows the log and allocates nothing. Asking costs what changed since the last time, or
 * what of the list stands after the first thing that is missing or out of order.
 */
#ifndef OP_RUN_H
#define OP_RUN_H

#include "op/log.h"

/* Whether the application of this site holds the resource. */
enum op_exists { OP_EXISTS_NOT, OP_EXISTS, OP_EXISTS_MAYBE };

enum op_step_kind {
    OP_STEP_NONE,     /* nothing is missing that can be run: settled, failed or diverged */
    OP_STEP_RUN,      /* send the operation */
    OP_STEP_SKIP,     /* it has nothing to do here: settle it as done without a request */
    OP_STEP_DELETE,   /* delete the resource, to make room for the create `op` */
    OP_STEP_FIND,     /* the create got no answer: look for what it made, by name or marker */
    OP_STEP_SNAPSHOT, /* read the state and log it as a snapshot that saw all of the log */
    OP_STEP_ASK, /* ask a replica that op_replica_can_snapshot and has the same vector for one */
};

/* Why a replica is not, or cannot be made, what the list says. */
enum op_why {
    OP_WHY_NOTHING,
    OP_WHY_ORDER,       /* what does not commute ran in another order, and cannot be run again */
    OP_WHY_REMAKE,      /* its create ran here already and may not be run a second time */
    OP_WHY_NO_DELETE,   /* a resource is in the way, and the type has no delete */
    OP_WHY_NO_CREATE,   /* the resource is missing, and no create is in the list */
    OP_WHY_NO_BASE,     /* what state it is in is not known, and nothing in the list replaces it */
    OP_WHY_BASE_FAILED, /* the application refused what the rest stands on */
    OP_WHY_UNKNOWN,     /* whether a create made something is not known, and it cannot be found */
    OP_WHYS
};

struct op_step {
    enum op_step_kind kind;
    struct op_operation *op; /* of RUN, SKIP, DELETE and FIND; of NONE the one that is waited for */
    enum op_why why;         /* of ASK and NONE; of any while is_diverged */
    bool is_diverged; /* the replica's state is not what the list says and will not become so */
    bool is_failed;   /* an operation of the list was refused here */
};

enum op_outcome {
    OP_DONE,       /* the application accepted it (of a delete also: 404), or FIND found it */
    OP_REFUSED,    /* 4xx: it has not run */
    OP_UNANSWERED, /* no answer, 5xx other than 503, or the process ended: it may have run */
    OP_UNSENT,     /* this request has certainly not run: no connection, 503 */
    OP_ABSENT,     /* FIND found nothing */
    OP_LOST,       /* FIND cannot tell */
};

struct op_dot {
    uint32_t actor;
    uint64_t n; /* 0: none */
};

/* What is stored of a replica. All zero but has_base: one that has run nothing yet. */
struct op_replica_row {
    bool has_base;          /* its state is that of base and what ran since */
    uint8_t exists;         /* enum op_exists */
    uint8_t mark_kind;      /* enum op_step_kind: what was begun; NONE: nothing is under way */
    bool is_lost;           /* the create at `mark` may have made something that cannot be found */
    struct op_dot base;     /* none: the state before the list */
    struct op_dot made;     /* the last create that ran here */
    struct op_dot mark;     /* what was begun and has no outcome */
    uint64_t seq, base_seq; /* the last number given to a run or failure; that of the base */
};

struct op_replica {
    struct op_log *log;
    struct op_replica_row row;
    bool is_unanswered; /* the mark has to be settled before anything else */
    bool has_failures;  /* some may be failed: else none is */
    size_t n_ran;       /* operations that ran since the base */
};

/* A replica that has run nothing, of a resource that the application does not hold (`exists` may be
 * set to adopt one as it is). The log has this one replica. */
void op_replica_init(struct op_replica *r, struct op_log *log);

/* The same from what was stored, after the log's operations were added. A mark in it counts as
 * OP_UNANSWERED. op_replica_restore_operation follows for each operation that has an outcome. */
void op_replica_restore(struct op_replica *r, struct op_log *log, const struct op_replica_row *row);
void op_replica_restore_operation(struct op_replica *r, struct op_operation *op, uint64_t ran,
                                  uint64_t failed, unsigned status);

/* What to do next. The same answer until the log or the replica changes. */
void op_replica_next(struct op_replica *r, struct op_step *step);

/* The step, of kind RUN, SKIP, DELETE or FIND, begins: the row is to be stored before the first
 * byte is sent. From here on a replica whose resource is deleted to make room has no base. */
void op_replica_begin(struct op_replica *r, const struct op_step *step);

/* What came of what was begun. `status` of OP_REFUSED is kept with the operation. After OP_LOST
 * nothing runs until somebody has looked: OP_DONE when it is found, OP_ABSENT when nothing is left
 * of it. */
void op_replica_settle(struct op_replica *r, enum op_outcome outcome, unsigned status);

/* An operation that ran here before it was logged: one of this site's own clients, or a snapshot
 * that was read here. */
void op_replica_did(struct op_replica *r, struct op_operation *op);

/* A request that was never logged may have run, and does not overwrite or replace (else: send it
 * again, log it, op_replica_did): what the state is, is not known, unless nothing is there. */
void op_replica_lose_base(struct op_replica *r);

/* After op_log_add has added `op`, which did not run here: what was refused and `op` saw is tried
 * again. */
void op_replica_added(struct op_replica *r, const struct op_operation *op);

/* On command, by the repair loop, and before a client's request to a replica whose base failed:
 * what was refused is tried again, in so far as that needs nothing else to be run again. */
void op_replica_retry(struct op_replica *r);

/* The state here is said to differ from that of other replicas, or is to be made anew: the base is
 * run again, or a snapshot asked for. False when neither can be done; nothing changes then. */
bool op_replica_repair(struct op_replica *r);

/* To be called by op_log_forget's on_forget. */
void op_replica_forget(struct op_replica *r, const struct op_operation *op);

/* Whether a client's operation of that type may run now, when op_replica_next has nothing to run:
 * on a replica whose base is not the list's only what replaces the whole state of what is there. */
bool op_replica_admits(struct op_replica *r, unsigned type);

/* Whether its state is what the list says, without a failure, and can be read for others. */
bool op_replica_can_snapshot(struct op_replica *r);

/* Whether the operation was refused here, and nothing changed that since. */
bool op_replica_is_failed(const struct op_replica *r, const struct op_operation *op);
/* Whether it ran here, on the base or as the base. */
bool op_replica_has_run(const struct op_replica *r, const struct op_operation *op);

/* One clause for people, without a full stop. */
struct str op_why_text(enum op_why why);

#endif
