#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define ALIGN      (sizeof(max_align_t) > 16 ? 16 : sizeof(max_align_t))
#define FIRST_SIZE 2048
#define MAX_SIZE   (64 * 1024)

#if defined(__SANITIZE_ADDRESS__)
#define ONE_MALLOC_EACH 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ONE_MALLOC_EACH 1
#endif
#endif
#ifndef ONE_MALLOC_EACH
#define ONE_MALLOC_EACH 0
#endif

struct arena_chunk {
    struct arena_chunk *next;
    _Alignas(16) char data[];
};

/* Where writes go after an overflow. It is shared, and per thread so that nothing races; what is
 * written there is never read for a decision. */
static _Thread_local _Alignas(16) char scratch[ARENA_SCRATCH];

void arena_init(struct arena *a, void *first, size_t n, size_t cap)
{
    uintptr_t skip = first ? -(uintptr_t)first % ALIGN : 0;
    memset(a, 0, sizeof *a);
    a->cap = cap < SIZE_MAX / 2 ? cap : SIZE_MAX / 2; /* sums of sizes cannot wrap */
    a->next_size = FIRST_SIZE;
    if (first && n > skip && !ONE_MALLOC_EACH) {
        a->at = (char *)first + skip;
        a->end = (char *)first + n;
    }
}

void arena_fini(struct arena *a)
{
    struct arena_chunk *c = a->chunks;
    while (c) {
        struct arena_chunk *next = c->next;
        free(c);
        c = next;
    }
    a->chunks = NULL;
    a->at = a->end = NULL;
}

static struct arena_chunk *add_chunk(struct arena *a, size_t n)
{
    struct arena_chunk *c = malloc(sizeof *c + n);
    if (!c)
        return NULL;
    c->next = a->chunks;
    a->chunks = c;
    return c;
}

static void *overflow(struct arena *a, size_t n)
{
    a->overflowed = true;
    return n <= ARENA_SCRATCH ? scratch : NULL;
}

void *arena_alloc(struct arena *a, size_t n)
{
    if (n > a->cap)
        return overflow(a, n);
    size_t want = n ? (n + ALIGN - 1) & ~(size_t)(ALIGN - 1) : ALIGN;
    if (a->overflowed || want > a->cap - a->used)
        return overflow(a, n);
    if (want > (size_t)(a->end - a->at)) {
        size_t size = want;
        if (!ONE_MALLOC_EACH && want < a->next_size) {
            size = a->next_size;
            if (a->next_size < MAX_SIZE)
                a->next_size *= 2;
        }
        struct arena_chunk *c = add_chunk(a, size);
        if (!c)
            return overflow(a, n);
        a->used += want;
        if (size == want) /* a chunk of its own: the current one stays in use */
            return c->data;
        a->at = c->data + want;
        a->end = c->data + size;
        return c->data;
    }
    void *p = a->at;
    a->at += want;
    a->used += want;
    return p;
}

void *arena_zalloc(struct arena *a, size_t n)
{
    void *p = arena_alloc(a, n);
    if (p)
        memset(p, 0, n);
    return p;
}

struct str arena_str(struct arena *a, struct str s)
{
    if (!s.p)
        return STR_NULL;
    char *p = arena_alloc(a, s.n + 1);
    if (!p || a->overflowed)
        return STR_NULL;
    if (s.n)
        memcpy(p, s.p, s.n);
    p[s.n] = 0;
    return (struct str){p, s.n};
}

struct str arena_printf(struct arena *a, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(NULL, 0, format, ap);
    va_end(ap);
    if (n < 0)
        return STR_NULL;
    char *p = arena_alloc(a, (size_t)n + 1);
    if (!p || a->overflowed)
        return STR_NULL;
    va_start(ap, format);
    vsnprintf(p, (size_t)n + 1, format, ap);
    va_end(ap);
    return (struct str){p, (size_t)n};
}
