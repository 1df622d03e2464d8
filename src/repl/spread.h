/* repl/spread.h: what sites say to each other; spread.c writes it, receive.c reads it. */
#ifndef REPL_SPREAD_H
#define REPL_SPREAD_H

#include "repl/internal.h"

enum repl_message { REPL_DIGEST, REPL_BUCKET_DIGESTS, REPL_LIST, REPL_VECTOR, REPL_OPS };

/* Of REPL_VECTOR. */
enum repl_flag {
    REPL_SETTLED = 1,
    REPL_FAILED = 2,
    REPL_DIVERGED = 4,
    REPL_WANTS_REPLY = 8,
    REPL_WANTS_SNAPSHOT = 16,
    REPL_ALL_FLAGS = 31
};

/* What is held and stored, of an actor. */
uint64_t repl_held(const struct repl_resource *r, uint32_t actor);
/* What later operations of a site will all have seen, of an actor. */
uint64_t repl_known(const struct repl_resource *r, size_t site, uint32_t actor);
/* The same of this site. */
uint64_t repl_stable(const struct repl_resource *r, uint32_t actor);
void repl_push(struct repl_resource *r);
void repl_report(struct repl_resource *r, uint64_t sites, bool wants_reply);
void repl_ask(struct repl_resource *r);
void repl_exchange(struct repl_node *node, size_t site);
bool repl_is_shared(const struct repl_resource *r, size_t site);
void repl_send_vector(struct repl_resource *r, size_t site, unsigned flags);
/* Sends what the other site lacks, as it says what it holds, by actor. */
void repl_send_lacking(struct repl_resource *r, size_t site, const uint64_t *theirs);
struct out repl_begin_message(struct repl_node *node, enum repl_message kind);
uint64_t repl_digest(const struct repl_peer *peer);
/* All resources of a bucket, in as many messages as that takes. */
void repl_send_lists(struct repl_node *node, size_t site, size_t bucket);
int repl_compare_ids(struct repl_id a, struct repl_id b);
void repl_put_id(struct out *o, struct repl_id id);
void repl_send(struct repl_node *node, size_t site, const struct out *o);
uint64_t repl_mix(uint64_t x);

#endif
