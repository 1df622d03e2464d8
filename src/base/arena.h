/* base/arena.h: memory that is freed in one call, with a cap.
 *
 * One arena per request, per configuration snapshot, per parse. Allocation cannot fail in the
 * middle of a function: when the cap or the machine's memory is reached the arena is marked, calls
 * return memory that is only good to be written to (up to ARENA_SCRATCH bytes) or NULL for larger
 * ones, and the owner tests arena_overflowed once at the end. One thread at a time.
 *
 *     struct arena a;
 *     arena_init(&a, NULL, 0, 64 * 1024);
 *     struct node *n = arena_new(&a, struct node);
 *     …
 *     arena_fini(&a);
 *
 * Under AddressSanitizer each allocation is a malloc of its own, so that overruns are seen.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include "base/str.h"

#define ARENA_SCRATCH 256

struct arena_chunk;

struct arena {
    char *at, *end;             /* free part of the current chunk */
    struct arena_chunk *chunks; /* what was taken from malloc, newest first */
    size_t used, cap;           /* bytes given out, and their limit */
    size_t next_size;           /* of the next chunk */
    bool overflowed;
};

/* Begins an empty arena of at most `cap` bytes. `first` (may be NULL) is memory of the caller, n
 * bytes, used before anything is taken from malloc; the arena borrows it until arena_fini. */
void arena_init(struct arena *a, void *first, size_t n, size_t cap);
/* Frees everything that was allocated. The arena may be begun again with arena_init. */
void arena_fini(struct arena *a);

/* n bytes, aligned for any type, not cleared; objects of no bytes have addresses of their own. NULL
 * only when the arena has overflowed and n is more than ARENA_SCRATCH: callers of larger sizes test
 * the result. */
void *arena_alloc(struct arena *a, size_t n);
/* The same, cleared. */
void *arena_zalloc(struct arena *a, size_t n);
/* A cleared object of a type that is at most ARENA_SCRATCH bytes; never NULL. */
#define arena_new(a, type)                                                                         \
    ((type *)(__extension__({                                                                      \
        _Static_assert(sizeof(type) <= ARENA_SCRATCH, "use arena_zalloc and test the result");     \
        arena_zalloc(a, sizeof(type));                                                             \
    })))
/* A copy of s that ends in NUL (not counted). Absent stays absent; also absent on overflow. */
struct str arena_str(struct arena *a, struct str s);
/* printf into the arena; absent on overflow. */
struct str arena_printf(struct arena *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static inline bool arena_overflowed(const struct arena *a)
{
    return a->overflowed;
}

#endif
