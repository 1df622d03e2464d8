/* proxy/memory.h: carrier 7: which scope belongs to an identifier that Cheops itself made.
 *
 * Shared by all loops: shards, each with a lock that is held for one look-up or change. Bounded: in
 * a full shard the entry nearest to its end makes room. Entries end by themselves. An entry is the
 * identifier's key (app_correlation_key) and a reference to the scope's text: of the few scopes
 * that a site sees, each is there once.
 *
 *     proxy_memory_put(m, key, text, now_ms, keep_ms);
 *     scope = proxy_memory_get(m, key, now_ms, &arena);
 */
#ifndef PROXY_MEMORY_H
#define PROXY_MEMORY_H

#include "base/arena.h"
#include "base/err.h"

#include <stdatomic.h>

/* A text that many hold; any thread. */
struct proxy_text {
    atomic_uint refs;
    uint32_t n;
    char p[];
};

/* Gives a reference to a copy; NULL: no memory. */
struct proxy_text *proxy_text_create(struct str text);
/* Takes the reference; *t becomes NULL. Harmless on NULL. */
void proxy_text_unref(struct proxy_text **t);

struct proxy_memory;

/* Room for `entries` identifiers. */
int proxy_memory_create(struct proxy_memory **out, size_t entries) MUST_USE;
void proxy_memory_destroy(struct proxy_memory **m);
/* Remembers that `key`, not 0, stands for `scope` (canonical, frozen) until now_ms + keep_ms. Keeps
 * a reference of its own. */
void proxy_memory_put(struct proxy_memory *m, uint64_t key, struct proxy_text *scope,
                      uint64_t now_ms, uint64_t keep_ms);
/* The scope of a key, copied into the arena; absent: unknown or over, or key is 0. */
struct str proxy_memory_get(struct proxy_memory *m, uint64_t key, uint64_t now_ms, struct arena *a);
size_t proxy_memory_count(struct proxy_memory *m);

#endif
