/* A node whose disk, application and network answer when they are told to. */
#ifndef SITE_H
#define SITE_H

#include "repl/node.h"

enum { CREATE, SET, ADD, DELETE, SITE_TYPES }; /* of operations */

struct site_message {
    struct site_message *next;
    size_t to;
    struct str bytes;
};

struct site {
    struct repl_node *node;
    struct repl_time now;
    size_t number;
    struct repl_row *rows; /* that are stored */
    size_t n_rows, rows_room, n_batches;
    struct repl_run runs[16]; /* without what they point to */
    size_t n_runs, n_ran;
    struct site_message *first, **last;
    unsigned status;   /* that the application answers with */
    bool is_forgetful; /* its disk keeps nothing, and is fast */
    struct repl_answer answer;
    size_t n_answers;
};

/* Of three sites; log_bytes of memory for each log. */
void site_start(struct site *s, size_t number, size_t log_bytes);
void site_fini(struct site *s);
/* The process ends, and begins again with what is stored. */
void site_restart(struct site *s, size_t log_bytes);
/* Until nothing is under way: batches are stored, requests answered. */
void site_settle(struct site *s);
/* `to` settles what `from` has sent it, message by message; what it has sent to others is dropped.
 * Returns how many of them were of that kind. */
size_t site_deliver(struct site *from, struct site *to, unsigned kind);
/* What it has sent is lost. */
void site_lose(struct site *s);
/* A client's operation on a resource of the sites `sites`. */
int site_begin(struct site *s, uint64_t id, unsigned op_type, uint64_t sites);
/* Both know what the other one holds, and have come to rest. */
void site_meet(struct site *a, struct site *b);

#endif
