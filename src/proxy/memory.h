/* proxy/memory.h: carrier 7: which scope belongs to an identifier that Cheops itself made.
 *
 * Shared by all loops: shards, each with a lock that is held for one look-up or change. Bounded: in
 * a full shard the entry nearest to its end makes room. Entries end by themselves.
 */
#ifndef PROXY_MEMORY_H
#define PROXY_MEMORY_H

#include "base/arena.h"
#include "base/err.h"

struct proxy_memory;

/* Room for `entries` identifiers. */
int proxy_memory_create(struct proxy_memory **out, size_t entries) MUST_USE;
void proxy_memory_destroy(struct proxy_memory **m);
/* Remembers that `id` stands for `scope` (canonical, frozen) until now_ms + keep_ms. Identifiers
 * over 63 bytes and scopes that no memory can be had for are not kept. */
void proxy_memory_put(struct proxy_memory *m, struct str id, struct str scope, uint64_t now_ms,
                      uint64_t keep_ms);
/* The scope of an identifier, copied into the arena; absent: unknown or over. */
struct str proxy_memory_get(struct proxy_memory *m, struct str id, uint64_t now_ms,
                            struct arena *a);
size_t proxy_memory_count(struct proxy_memory *m);

#endif
