/* repl/node.h: replication at one site (docs/design.md section 5), as a deterministic machine.
 *
 * A node has neither clock, socket, file nor thread. What happens comes in by calls; what it wants
 * goes out through one table of effects, none of which may call back into the node. The daemon and
 * the simulator give it different tables and the same calls, so a run is repeated by repeating its
 * inputs. One thread at a time.
 *
 *     repl_node_create(&node, &config, &effects, context);
 *     repl_node_load(node, &row);                     the store's rows, by kind
 *     repl_node_start(node, now);
 *     repl_node_begin(node, now, &request);           a client's change: one answer() follows
 *     repl_node_persisted(node, now, rc);             the oldest batch of persist() is on the disk
 *     repl_node_ran(node, now, id, ticket, &outcome); what came of run()
 *     repl_node_message(node, now, site, bytes);
 *     repl_node_tick(node, now);                      at repl_node_deadline, or more often
 *
 * Order of effects that nothing lost stands on: the mark is stored before a request is run; an
 * operation is stored before it is in the log, and so before any site hears of it; a client is
 * answered after that.
 */
#ifndef REPL_NODE_H
#define REPL_NODE_H

#include "op/run.h"

#define REPL_MAX_SITES     64
#define REPL_PAYLOAD_BYTES 65536        /* of one operation's request; bodies are named by digest */
#define REPL_MESSAGE_BYTES (128 * 1024) /* of one message */
#define REPL_MAX_QUEUE     64           /* clients that wait for a resource's turn */
#define REPL_MAX_WAITING   512          /* operations that came before what they saw, a resource */
#define REPL_LOCAL_BYTES   256          /* of an identifier that an application gives */

struct repl_node;

struct repl_id {
    uint64_t hi, lo;
};

/* wall_ms goes into clocks and may jump; ms only grows, and times retries. */
struct repl_time {
    uint64_t ms, wall_ms;
};

/* A resource type. The matrix is borrowed and must outlive the node. */
struct repl_type {
    struct str name;
    const struct op_matrix *matrix;
    uint64_t digest; /* of all that replication depends on; sites whose digests differ say nothing
                      * of that type to each other */
};

struct repl_config {
    const struct str *sites; /* borrowed; all sites, the own one too */
    size_t n_sites, self;
    uint64_t incarnation; /* random, new when a store is made or restored */
    const struct repl_type *types;
    size_t n_types;
    uint64_t exchange_ms; /* between two exchanges of digests with a peer */
    uint64_t retry_ms;    /* the first retry; doubled up to retry_most_ms */
    uint64_t retry_most_ms;
    size_t log_bytes; /* memory of one resource's log */
    uint64_t seed;    /* of the jitter of retries */
};

/* ---- rows, as they are stored */

enum repl_row_kind {
    REPL_ROW_RECORD,    /* one a resource: type, sites */
    REPL_ROW_ACTOR,     /* by `actor`: its name, what was forgotten of it */
    REPL_ROW_OPERATION, /* by (actor, n) */
    REPL_ROW_OUTCOME,   /* by (actor, n): what it gave here */
    REPL_ROW_REPLICA,   /* one a resource: struct op_replica_row, the local id */
    REPL_ROW_INTENT,    /* one a resource, while a client's operation runs for the first time */
    REPL_ROWS
};

struct repl_row {
    enum repl_row_kind kind;
    struct repl_id id;
    uint32_t actor;
    uint64_t n;
    struct str value; /* absent: the row is removed; with a record, all rows of its resource */
};

/* What rows say that whoever stores them finds resources by. They borrow the value. False: it is no
 * such row. */
struct repl_row_record {
    struct str type, sites[REPL_MAX_SITES];
    size_t n_sites;
    uint64_t clock; /* the highest of all that the log held */
};
bool repl_row_get_record(struct str value, struct repl_row_record *out);
/* Of REPL_ROW_REPLICA: the resource's identifier here; empty: none so far. */
bool repl_row_get_local(struct str value, struct str *out);

/* ---- requests to the application */

enum repl_run_kind {
    REPL_RUN,    /* the operation's request */
    REPL_DELETE, /* delete the resource, to make room for the create that follows */
    REPL_FIND,   /* look for what `op_type`, a create, made; 404: nothing; 501: cannot tell */
    REPL_READ,   /* read the state, as the payload of a snapshot */
};

struct repl_run {
    uint64_t ticket;
    enum repl_run_kind kind;
    struct repl_id id;
    const struct repl_type *type;
    uint32_t op_type;
    struct str local; /* the resource's identifier here; empty: none is known */
    struct str payload;
    uint64_t client; /* of a first run: whose answer it is; else 0 */
};

struct repl_outcome {
    unsigned status;  /* 0: no answer */
    bool is_unsent;   /* with status 0: no byte reached the application */
    struct str local; /* of a create, or FIND: the identifier that it has here */
    struct str state; /* of REPL_READ */
};

/* ---- clients */

enum repl_wait { REPL_WAIT_ONE, REPL_WAIT_MAJORITY, REPL_WAIT_ALL };

struct repl_request {
    struct repl_id id; /* of a create: new and random, or made of the name */
    uint32_t type;     /* of config.types; of a create only */
    uint32_t op_type;  /* of the type's matrix */
    uint64_t sites;    /* bits of config.sites; of a create only, the own one among them */
    struct str payload;
    uint64_t client; /* the caller's; not 0 */
    enum repl_wait wait;
    uint64_t timeout_ms;
};

struct repl_answer {
    int rc;           /* 0: accepted and durable; else why not, of err.def */
    unsigned status;  /* of the application; 0: it gave none */
    uint64_t sites;   /* of the resource */
    uint64_t pending; /* those of them that are not known to have run it */
};

struct repl_effects {
    /* Stores all rows or none; batches in their order. Rows are borrowed for the call. */
    void (*persist)(void *context, const struct repl_row *rows, size_t n);
    /* May be lost, doubled or overtaken. */
    void (*send)(void *context, size_t site, struct str message);
    void (*run)(void *context, const struct repl_run *run);
    void (*answer)(void *context, uint64_t client, const struct repl_answer *answer);
};

/* ---- the node */

/* Keeps the effects' table; copies the configuration but for what it borrows. ERR_INVALID,
 * ERR_NO_MEMORY. */
int repl_node_create(struct repl_node **out, const struct repl_config *config,
                     const struct repl_effects *effects, void *context) MUST_USE;
/* Says nothing to anybody: as a crash does. */
void repl_node_destroy(struct repl_node **node);

/* A row that the store holds; those of one resource in the order of enum repl_row_kind, actors by
 * their numbers. ERR_INVALID: it is none of this format. */
int repl_node_load(struct repl_node *node, const struct repl_row *row) MUST_USE;
/* After the last row. ERR_INVALID: the rows do not go together. */
int repl_node_start(struct repl_node *node, struct repl_time now) MUST_USE;

/* 0: answer() is called for request->client once, in a later call. Else it is refused at once:
 * ERR_NOT_FOUND, ERR_INVALID, ERR_OVERLOADED (the queue is full), ERR_NO_MEMORY, ERR_CLOSED (the
 * store failed). */
int repl_node_begin(struct repl_node *node, struct repl_time now,
                    const struct repl_request *request) MUST_USE;
/* The oldest batch is stored (0), or was refused as a whole. */
void repl_node_persisted(struct repl_node *node, struct repl_time now, int rc);
/* What is in memory is no longer what is stored: it does nothing more, and is to be made anew from
 * the store. So it is when a batch was refused that is not a client's new work. */
bool repl_node_is_failed(const struct repl_node *node);
void repl_node_ran(struct repl_node *node, struct repl_time now, struct repl_id id, uint64_t ticket,
                   const struct repl_outcome *outcome);
/* What is malformed, or of a type whose digests differ, is dropped and counted. */
void repl_node_message(struct repl_node *node, struct repl_time now, size_t site, struct str bytes);
/* A peer came within reach: what it lacks is found out at once. */
void repl_node_peer_up(struct repl_node *node, struct repl_time now, size_t site);
/* Another digest: a description was changed. */
void repl_node_describe(struct repl_node *node, struct repl_time now, uint32_t type,
                        uint64_t digest);
void repl_node_tick(struct repl_node *node, struct repl_time now);
/* repl_time.ms of what comes next. */
uint64_t repl_node_deadline(const struct repl_node *node);

/* ---- what the admin API, metrics and tests ask */

struct repl_counts {
    uint64_t resources, messages, bytes, bad, foreign, refused, overflowed, forgotten, snapshots,
        retries, unknown;
};
const struct repl_counts *repl_node_counts(const struct repl_node *node);

struct repl_view {
    const struct op_log *log;
    struct op_replica *replica;
    struct str local;
    uint64_t sites;
    bool is_joining;  /* it lacks what another site held when it was heard of */
    bool is_settled;  /* nothing runs, waits or is to be run */
    bool is_failed;   /* an operation of the list was refused here */
    bool is_diverged; /* and shown as such */
    size_t n_waiting;
};
/* False: there is no such resource here. */
bool repl_node_view(struct repl_node *node, struct repl_id id, struct repl_view *out);

/* Whether a client may be answered: `ran` are the sites known to have run it, of `sites`. Pure. */
bool repl_settle(enum repl_wait wait, uint64_t sites, uint64_t ran);

#endif
