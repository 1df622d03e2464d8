/* tests/sim: replication at N sites in one process, over virtual time (docs/design.md section 9).
 *
 * All that happens comes from one seed: what clients ask for, how long each message, sync and
 * request takes, what is lost, doubled, cut off, and who crashes when. A seed that fails is run
 * again with its trace.
 */
#ifndef SIM_H
#define SIM_H

#include "repl/node.h"

#define SIM_SITES     5
#define SIM_TYPES     4
#define SIM_RESOURCES 64
#define SIM_ITEMS     256
#define APPENDING     3 /* the type whose operations neither commute nor overwrite */

/* ---- model applications */

struct sim_state {
    uint64_t value, fields[4], chain;
};

struct sim_item {
    bool is_used;
    uint32_t type, number; /* its identifier, where the server gives it */
    struct repl_id id;     /* its name, or the marker that its create left */
    struct sim_state state;
};

struct sim_app {
    struct sim_item items[SIM_ITEMS];
    uint32_t numbers;
};

/* What a client sends: the payload of an operation. */
struct sim_payload {
    uint64_t uid, value;
    uint32_t field;
};

void sim_types_init(struct repl_type *types, struct arena *arena);
/* Whether identifiers of that type are given by the server. */
bool sim_type_gives_ids(uint32_t type);
/* Runs a request as the application does; `local` and `state` point into *room. */
struct sim_answer {
    unsigned status;
    char local[32];
    size_t n_local;
    struct sim_state state;
};
void sim_app_run(struct sim_app *app, const struct repl_run *run, uint32_t type,
                 struct sim_answer *answer);
/* The state of a resource; NULL: it is not there. *n: how many of them there are. */
const struct sim_state *sim_app_state(const struct sim_app *app, struct repl_id id, size_t *n);

/* ---- stores */

struct sim_store;
struct sim_store *sim_store_create(void);
void sim_store_destroy(struct sim_store **s);
void sim_store_persist(struct sim_store *s, const struct repl_row *rows, size_t n);
/* The oldest batch is refused. */
void sim_store_refuse(struct sim_store *s);
/* The oldest batch is synced. on_row is told of each row that is not removed. */
void sim_store_sync(struct sim_store *s, void (*on_row)(void *context, const struct repl_row *row),
                    void *context);
size_t sim_store_pending(const struct sim_store *s);
/* What was not synced is lost. */
void sim_store_crash(struct sim_store *s);
int sim_store_load(struct sim_store *s, struct repl_node *node);
/* The name of an actor of a resource, as it is stored. */
struct str sim_store_actor(const struct sim_store *s, struct repl_id id, uint32_t actor);

/* ---- the judge: all operations that were ever stored anywhere */

struct sim_judge;
struct sim_judge *sim_judge_create(const struct repl_type *types);
void sim_judge_destroy(struct sim_judge **j);
/* An operation's row was stored; false: another one with the same dot is known. */
bool sim_judge_stored(struct sim_judge *j, const struct sim_store *s, const struct repl_row *row,
                      uint32_t type);
/* Whether an operation with that uid is known. */
bool sim_judge_knows(const struct sim_judge *j, uint64_t uid);
/* Whether a log's list is that of all operations, by tests/unit/op/reference.c. */
bool sim_judge_list(struct sim_judge *j, struct repl_id id, uint32_t type,
                    const struct op_log *log);
/* What a resource must be: false with a reason when it cannot be told. */
bool sim_judge_state(struct sim_judge *j, struct repl_id id, uint32_t type, bool *exists,
                     struct sim_state *state);
/* The first operation of a resource that the log does not hold; NULL: none. */
const char *sim_judge_lacks(const struct sim_judge *j, struct repl_id id, const struct op_log *log);

/* ---- a run */

struct sim_explored {
    uint64_t events, operations, refused, maybe, messages, lost, doubled, partitions, crashes, torn,
        full, unanswered, cut_after_run, refusals, skews, descriptions, snapshots, forgotten,
        diverged, failed, compared;
};

/* 0, or 1 with why. The trace goes to standard output when asked for. */
int sim_run(uint64_t seed, bool is_traced, struct sim_explored *explored, char *why, size_t n_why);

#endif
