/* repl/internal.h: between the files of this ring. */
#ifndef REPL_INTERNAL_H
#define REPL_INTERNAL_H

#include "repl/node.h"
#include "repl/wire.h"

#define REPL_BUCKETS     256  /* of the resources shared with a peer, by identifier */
#define REPL_ROOM        2048 /* rows of one batch, and their bytes */
#define REPL_ACTOR_BYTES 96   /* of an actor's name: the site's and its incarnation */
#define REPL_ROWS_BYTES  (4 * REPL_PAYLOAD_BYTES)

/* An operation as it came and is kept; the owner of struct op_operation. */
struct repl_op {
    struct list place; /* in waiting or incoming; alone once it is in the log */
    uint32_t actor, type, life, n_saw;
    uint64_t n, clock;
    uint64_t hole_to; /* no operation: n up to this are forgotten where it came from; else 0 */
    uint64_t *saw;    /* freed once the log has its copy */
    struct str payload;
    struct op_operation *op;
    uint64_t loaded_ran, loaded_failed; /* what the store says that became of it here */
    unsigned loaded_status;
};

/* A client's operation: it waits for its turn, runs, and then waits for other sites. */
struct repl_client {
    struct list place; /* in queue, or waiters */
    uint64_t client, deadline, n, ran;
    unsigned status; /* of the application */
    enum repl_wait wait;
    uint32_t op_type;
    uint64_t sites; /* of a create */
    struct str payload;
};

/* What is known of another site, by actor. */
struct repl_far {
    uint64_t known;   /* what its later operations will have seen */
    uint64_t offered; /* what was sent and is not acknowledged */
};

/* What the store holds of a resource, until the log is made of it. */
struct repl_loaded {
    struct repl_op **ops;
    size_t n, room;
    bool is_sorted, has_replica;
    struct op_replica_row replica;
};

/* What runs: struct op_replica's step, or the intent of a client. */
enum repl_turn {
    REPL_IDLE,
    REPL_STEP_STORING, /* the mark, or the outcome and the next mark */
    REPL_STEP_RUNNING,
    REPL_INTENT_STORING,
    REPL_INTENT_RUNNING,
    REPL_INTENT_LOGGING, /* accepted; the operation is being stored */
    REPL_SNAPSHOT_RUNNING,
    REPL_SNAPSHOT_LOGGING,
};

struct repl_intent {
    bool is_set, is_maybe; /* is_maybe: a request without answer may have run */
    uint32_t op_type, n_saw;
    uint64_t saw[OP_MAX_ACTORS];
    uint64_t sites;
    struct str payload;         /* owned */
    struct repl_client *client; /* NULL: gone, or answered */
};

struct repl_resource {
    struct repl_resource *next;          /* of its slot */
    struct list active, timed, watching; /* of the node */
    struct repl_node *node;
    struct repl_id id;
    uint32_t type;
    uint64_t sites;        /* bits */
    uint64_t hash, hashed; /* of its vector, as it is in the digests of these sites */
    uint64_t listed;       /* the last round in which a peer listed it */
    char local[REPL_LOCAL_BYTES];
    size_t n_local;
    struct op_log *log;
    struct arena *arena; /* of the log */
    size_t n_forgotten;  /* operations whose memory the arena still has */
    uint64_t clock;      /* the highest of all that it held, forgotten or not */
    struct op_replica replica;
    uint32_t self;           /* the own actor */
    uint32_t actors_stored;  /* rows of actors that the store has, */
    uint32_t actors_written; /* and that the batch has besides */
    struct list waiting, incoming;
    size_t n_waiting;
    uint64_t waiting_until; /* repl_time.ms; then it is dropped */
    struct repl_far *far;   /* [site * n_far + actor] */
    uint32_t n_far;
    uint64_t changed;                    /* repl_node.changes when its vector did so last */
    uint64_t offered_at[REPL_MAX_SITES]; /* when what was offered counts as lost */
    enum repl_turn turn;
    enum op_step_kind step;
    struct op_operation *step_op;
    struct repl_op *logging; /* the own operation that is in the log and not yet stored */
    struct repl_intent intent;
    struct list queue, waiters;
    size_t n_queue;
    uint64_t retry_at;
    unsigned n_retries;
    uint64_t ticket;
    unsigned n_storing; /* batches under way */
    /* The record as it is, as it was written last, and as the store has it. */
    uint64_t record, record_written, record_stored;
    bool is_settled, is_failed, is_diverged, must_snapshot;
    /* It was told what another site has forgotten, and does not hold all yet that this one does
     * (repl_horizon). Until then it takes nothing from clients: what is issued here would not have
     * seen what others count on, and its list may lack what replaced the forgotten. */
    bool is_joining;
    bool has_retried;         /* what had failed, for the client that is next */
    struct repl_loaded *load; /* until the node is started */
    uint64_t owed;            /* sites whose operations came in: they wait for a report */
};

/* Who waits for a batch. */
enum repl_waits { REPL_NOBODY, REPL_TURN, REPL_INCOMING };

struct repl_pending {
    struct repl_resource *r;
    enum repl_waits waits;
    uint64_t record; /* that the batch has; 0: none */
    uint32_t n_actors;
};

struct repl_peer {
    uint64_t digests[REPL_BUCKETS];
    uint64_t next_exchange;
    uint64_t agreed; /* repl_node.changes when the digests were equal last */
};

struct repl_node {
    struct repl_config config;
    struct repl_type *types;
    const struct repl_effects *effects;
    void *context;
    struct repl_time now;
    uint64_t clock, tickets, random, rounds, changes;
    char name[REPL_ACTOR_BYTES]; /* the own actor's */
    size_t n_name;
    struct repl_resource **slots;
    size_t n_slots, n_resources;
    struct list active, timed;
    struct list watching; /* have something to forget once other sites hold the same */
    struct repl_peer peers[REPL_MAX_SITES];
    struct repl_pending *pending; /* a ring, oldest first */
    size_t pending_first, n_pending, pending_room;
    struct repl_row *rows;
    size_t n_rows, rows_room;
    struct out bytes; /* of the rows */
    char *message;    /* REPL_MESSAGE_BYTES */
    bool is_failed, is_started;
    struct repl_counts counts;
};

/* node.c */
struct repl_resource *repl_find(struct repl_node *node, struct repl_id id);
/* NULL: no memory. */
struct repl_resource *repl_add(struct repl_node *node, struct repl_id id, uint32_t type,
                               uint64_t sites);
void repl_remove(struct repl_resource **r);
void repl_wake(struct repl_resource *r);
void repl_time(struct repl_resource *r);
/* Does what calls have made necessary. */
void repl_work(struct repl_node *node);
bool repl_is_settled(const struct repl_resource *r);
/* Hands the batch's rows over. */
void repl_flush(struct repl_resource *r, enum repl_waits waits);
uint64_t repl_clock(struct repl_node *node);
uint64_t repl_random(struct repl_node *node);
void repl_answer(struct repl_resource *r, struct repl_client *client, int rc, unsigned status);

/* rows.c */
/* Whether a batch may have so many rows. */
bool repl_rows_reserve(struct repl_node *node, size_t n);
void repl_row_record(struct repl_resource *r);
void repl_row_actors(struct repl_resource *r);
/* An actor of whom the numbers up to `count` are held or forgotten. */
void repl_row_actor(struct repl_resource *r, uint32_t actor, uint64_t count);
void repl_row_operation(struct repl_resource *r, const struct repl_op *op);
void repl_row_outcome(struct repl_resource *r, const struct op_operation *op);
void repl_row_replica(struct repl_resource *r);
void repl_row_intent(struct repl_resource *r);
void repl_row_gone(struct repl_resource *r, enum repl_row_kind kind, uint32_t actor, uint64_t n);
/* By actor and number. */
void repl_load_sort(struct repl_loaded *load);
int repl_row_load(struct repl_node *node, const struct repl_row *row);

/* resource.c, forget.c */
struct repl_op *repl_op_create(struct str payload, const uint64_t *saw, uint32_t n_saw);
void repl_op_destroy(struct repl_op **op);
/* The number of an actor, with room for what is known of it. As op_log_actor. */
int repl_actor(struct repl_resource *r, struct str name, uint32_t *actor) MUST_USE;
/* An empty log; ERR_NO_MEMORY. */
int repl_log_create(struct repl_resource *r) MUST_USE;
void repl_log_destroy(struct repl_resource *r);
void repl_load_destroy(struct repl_resource *r);
/* What is to be held of an actor before the resource counts here as that of other sites. */
uint64_t *repl_horizon(const struct repl_resource *r, uint32_t actor);
/* Puts it into the log. */
int repl_enter(struct repl_resource *r, struct repl_op *op);
/* Takes what waits and can enter, and stores it. */
void repl_admit(struct repl_resource *r);
void repl_admitted(struct repl_resource *r, int rc);
int repl_restore(struct repl_resource *r);
void repl_vector_changed(struct repl_resource *r);
/* Forgets what all sites have and nothing needs; makes the log anew when most of its memory is of
 * what it has forgotten. */
void repl_prune(struct repl_resource *r);
/* What waits is dropped: nobody may have what it waits for; who has that sends both again. */
void repl_drop_waiting(struct repl_resource *r);

/* runner.c */
void repl_advance(struct repl_resource *r);
void repl_stored(struct repl_resource *r, int rc);
void repl_ran(struct repl_resource *r, const struct repl_outcome *outcome);
void repl_check_waiters(struct repl_resource *r);

#endif
