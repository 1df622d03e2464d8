#include "proxy/clients.h"
#include "base/check.h"
#include "rt/sys.h"

#include <pthread.h>
#include <stdlib.h>

#define SHARDS  64
#define BUCKETS 64 /* of one shard */

struct client {
    struct client *next;
    uint64_t key;
    uint8_t n_bits; /* tells IPv4 from IPv6 */
    struct counter n;
};

struct shard {
    pthread_mutex_t lock;
    struct client *buckets[BUCKETS];
};

struct proxy_clients {
    uint64_t secret; /* so that nobody can choose addresses of one bucket */
    struct shard shards[SHARDS];
};

int proxy_clients_create(struct proxy_clients **out)
{
    struct proxy_clients *c = calloc(1, sizeof *c);
    if (!c)
        return ERR_NO_MEMORY;
    rt_random(&c->secret, sizeof c->secret);
    for (size_t i = 0; i < SHARDS; i++)
        CHECK(pthread_mutex_init(&c->shards[i].lock, NULL) == 0);
    *out = c;
    return 0;
}

void proxy_clients_destroy(struct proxy_clients **cp)
{
    struct proxy_clients *c = *cp;
    *cp = NULL;
    for (size_t i = 0; c && i < SHARDS * BUCKETS; i++) {
        struct client **at = &c->shards[i / BUCKETS].buckets[i % BUCKETS];
        while (*at) {
            struct client *one = *at;
            *at = one->next;
            free(one);
        }
    }
    for (size_t i = 0; c && i < SHARDS; i++)
        pthread_mutex_destroy(&c->shards[i].lock);
    free(c);
}

/* The whole IPv4 address, or the network of an IPv6 one. */
static uint64_t key_of(const struct rt_ip *ip)
{
    uint64_t key = 0;
    for (size_t i = 0; i < (ip->n_bits == 128 ? 8 : ip->n_bits / 8u); i++)
        key = key << 8 | ip->bytes[i];
    return key;
}

static uint64_t hash(uint64_t key, uint64_t secret)
{
    uint64_t z = key ^ secret;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = ((z ^ (z >> 27)) + secret) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

/* The address's entry; else one of the bucket that is nobody's, or *free NULL. */
static struct client *find(struct client *bucket, uint64_t key, uint8_t n_bits,
                           struct client **free)
{
    *free = NULL;
    for (struct client *one = bucket; one; one = one->next) {
        if (one->key == key && one->n_bits == n_bits)
            return one;
        if (counter_get(&one->n) == 0)
            *free = one;
    }
    return NULL;
}

/* Under the lock. NULL: no memory. */
static struct client *find_or_make(struct client **bucket, uint64_t key, uint8_t n_bits)
{
    struct client *reused, *one = find(*bucket, key, n_bits, &reused);
    if (one)
        return one;
    if (!reused) {
        reused = calloc(1, sizeof *reused);
        if (!reused)
            return NULL;
        reused->next = *bucket;
        *bucket = reused;
    }
    reused->key = key;
    reused->n_bits = n_bits;
    return reused;
}

int proxy_clients_take(struct proxy_clients *c, const struct rt_ip *ip, uint64_t limit,
                       struct counter **place)
{
    uint64_t key = key_of(ip), h = hash(key, c->secret);
    struct shard *s = &c->shards[h % SHARDS];
    int rc = ERR_NO_MEMORY;
    CHECK(pthread_mutex_lock(&s->lock) == 0);
    struct client *one = find_or_make(&s->buckets[h / SHARDS % BUCKETS], key, ip->n_bits);
    if (one)
        rc = counter_take(&one->n, limit) ? 0 : ERR_LIMIT;
    if (rc == 0)
        *place = &one->n;
    CHECK(pthread_mutex_unlock(&s->lock) == 0);
    return rc;
}

uint64_t proxy_clients_of(struct proxy_clients *c, const struct rt_ip *ip)
{
    uint64_t key = key_of(ip), h = hash(key, c->secret);
    struct shard *s = &c->shards[h % SHARDS];
    struct client *unused;
    CHECK(pthread_mutex_lock(&s->lock) == 0);
    struct client *one = find(s->buckets[h / SHARDS % BUCKETS], key, ip->n_bits, &unused);
    uint64_t n = one ? counter_get(&one->n) : 0;
    CHECK(pthread_mutex_unlock(&s->lock) == 0);
    return n;
}
