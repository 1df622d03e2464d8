#include "proxy/memory.h"
#include "base/check.h"

#include <pthread.h>
#include <stdlib.h>

#define SHARDS 64
#define WAYS   8 /* places that a key may take: a bucket */

struct entry {
    uint64_t key;
    struct proxy_text *scope; /* referenced; NULL: free */
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
            proxy_text_unref(&s->entries[k].scope);
        free(s->entries);
        pthread_mutex_destroy(&s->lock);
    }
    free(m);
}

struct proxy_text *proxy_text_create(struct str text)
{
    struct proxy_text *t = malloc(sizeof *t + text.n);
    if (!t)
        return NULL;
    atomic_init(&t->refs, 1);
    t->n = (uint32_t)text.n;
    memcpy(t->p, text.p, text.n);
    return t;
}

void proxy_text_unref(struct proxy_text **tp)
{
    struct proxy_text *t = *tp;
    *tp = NULL;
    if (t && atomic_fetch_sub(&t->refs, 1) == 1)
        free(t);
}

/* Keys are random bits but for a few: their product with an odd number spreads those, too. Who
 * looks for keys of his own choice finds nothing in any bucket. */
static struct entry *bucket(struct proxy_memory *m, uint64_t key, struct shard **s)
{
    uint64_t h = key * 0x9e3779b97f4a7c15ull >> 16;
    *s = &m->shards[h % SHARDS];
    return &(*s)->entries[h / SHARDS % m->n_buckets * WAYS];
}

/* The entry of a key, else a free or the soonest ending one. */
static struct entry *place(struct entry *e, uint64_t key)
{
    struct entry *best = e;
    for (size_t i = 0; i < WAYS; i++) {
        if (e[i].scope && e[i].key == key)
            return &e[i];
        if (best->scope && (!e[i].scope || e[i].until_ms < best->until_ms))
            best = &e[i];
    }
    return best;
}

void proxy_memory_put(struct proxy_memory *m, uint64_t key, struct proxy_text *scope,
                      uint64_t now_ms, uint64_t keep_ms)
{
    struct shard *s;
    struct entry *e = bucket(m, key, &s);
    atomic_fetch_add(&scope->refs, 1);
    pthread_mutex_lock(&s->lock);
    e = place(e, key);
    struct proxy_text *old = e->scope;
    s->used += old ? 0 : 1;
    *e = (struct entry){key, scope, now_ms + keep_ms};
    pthread_mutex_unlock(&s->lock);
    proxy_text_unref(&old);
}

struct str proxy_memory_get(struct proxy_memory *m, uint64_t key, uint64_t now_ms, struct arena *a)
{
    struct shard *s;
    struct str found = STR_NULL;
    struct entry *e = bucket(m, key, &s);
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < WAYS && key; i++)
        if (e[i].scope && e[i].key == key && e[i].until_ms > now_ms)
            found = arena_str(a, (struct str){e[i].scope->p, e[i].scope->n});
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
