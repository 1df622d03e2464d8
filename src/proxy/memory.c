#include "proxy/memory.h"
#include "base/check.h"

#include <pthread.h>
#include <stdlib.h>

#define SHARDS 64
#define ID_MAX 63
#define WAYS   8 /* places that an identifier may take: a bucket */

struct entry {
    char id[ID_MAX + 1];
    char *scope; /* owned; NULL: free */
    size_t scope_n;
    uint64_t until_ms;
};

struct shard {
    pthread_mutex_t lock;
    struct entry *entries; /* n_buckets * WAYS */
    size_t used;
};

struct proxy_memory {
    size_t n_buckets; /* of one shard */
    struct shard shards[SHARDS];
};

int proxy_memory_create(struct proxy_memory **out, size_t entries)
{
    struct proxy_memory *m = calloc(1, sizeof *m);
    if (!m)
        return ERR_NO_MEMORY;
    m->n_buckets = entries / (SHARDS * WAYS) + 1;
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_init(&m->shards[i].lock, NULL);
        m->shards[i].entries = calloc(m->n_buckets * WAYS, sizeof(struct entry));
        if (!m->shards[i].entries) {
            proxy_memory_destroy(&m);
            return ERR_NO_MEMORY;
        }
    }
    *out = m;
    return 0;
}

void proxy_memory_destroy(struct proxy_memory **mp)
{
    struct proxy_memory *m = *mp;
    *mp = NULL;
    if (!m)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *s = &m->shards[i];
        for (size_t k = 0; s->entries && k < m->n_buckets * WAYS; k++)
            free(s->entries[k].scope);
        free(s->entries);
        pthread_mutex_destroy(&s->lock);
    }
    free(m);
}

/* FNV-1a; identifiers are random, made here, so nobody can choose them to collide. */
static uint64_t hash(struct str id)
{
    uint64_t h = 1469598103934665603ull;
    for (size_t i = 0; i < id.n; i++)
        h = (h ^ (unsigned char)id.p[i]) * 1099511628211ull;
    return h;
}

static struct entry *bucket(struct proxy_memory *m, struct str id, struct shard **s)
{
    uint64_t h = hash(id);
    *s = &m->shards[h % SHARDS];
    return &(*s)->entries[h / SHARDS % m->n_buckets * WAYS];
}

/* The entry of an identifier, else a free or the soonest ending one. */
static struct entry *place(struct entry *e, struct str id)
{
    struct entry *best = e;
    for (size_t i = 0; i < WAYS; i++) {
        if (e[i].scope && str_eq(str_of(e[i].id), id))
            return &e[i];
        if (best->scope && (!e[i].scope || e[i].until_ms < best->until_ms))
            best = &e[i];
    }
    return best;
}

void proxy_memory_put(struct proxy_memory *m, struct str id, struct str scope, uint64_t now_ms,
                      uint64_t keep_ms)
{
    struct shard *s;
    if (id.n == 0 || id.n > ID_MAX)
        return;
    struct entry *e = bucket(m, id, &s);
    char *copy = malloc(scope.n + 1);
    if (!copy)
        return;
    memcpy(copy, scope.p, scope.n);
    copy[scope.n] = 0;
    pthread_mutex_lock(&s->lock);
    e = place(e, id);
    char *old = e->scope;
    s->used += old ? 0 : 1;
    memcpy(e->id, id.p, id.n);
    e->id[id.n] = 0;
    e->scope = copy;
    e->scope_n = scope.n;
    e->until_ms = now_ms + keep_ms;
    pthread_mutex_unlock(&s->lock);
    free(old);
}

struct str proxy_memory_get(struct proxy_memory *m, struct str id, uint64_t now_ms, struct arena *a)
{
    struct shard *s;
    struct str found = STR_NULL;
    if (id.n == 0 || id.n > ID_MAX)
        return found;
    struct entry *e = bucket(m, id, &s);
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < WAYS; i++)
        if (e[i].scope && e[i].until_ms > now_ms && str_eq(str_of(e[i].id), id))
            found = arena_str(a, (struct str){e[i].scope, e[i].scope_n});
    pthread_mutex_unlock(&s->lock);
    return found;
}

size_t proxy_memory_count(struct proxy_memory *m)
{
    size_t n = 0;
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_lock(&m->shards[i].lock);
        n += m->shards[i].used;
        pthread_mutex_unlock(&m->shards[i].lock);
    }
    return n;
}
