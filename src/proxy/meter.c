/* Counting, without a lock and without waiting. */
#include "proxy/meter.h"
#include "base/check.h"

#include <stdlib.h>

const uint32_t proxy_bucket_us[PROXY_BUCKETS - 1] = {
    500,    1000,   2500,    5000,    10000,   25000,    50000,    100000,
    250000, 500000, 1000000, 2500000, 5000000, 10000000, 60000000,
};

/* ---- names */

static void names_init(struct proxy_names *names)
{
    pthread_mutex_init(&names->lock, NULL);
    atomic_store(&names->n, 1);
}

static void names_fini(struct proxy_names *names)
{
    for (unsigned i = 1; i < atomic_load(&names->n); i++)
        free((char *)(uintptr_t)names->name[i].p);
    pthread_mutex_destroy(&names->lock);
}

void proxy_names_init(struct proxy_name_tables *t)
{
    *t = (struct proxy_name_tables){.services.n = 1};
    names_init(&t->services);
    names_init(&t->sites);
}

void proxy_names_fini(struct proxy_name_tables *t)
{
    names_fini(&t->services);
    names_fini(&t->sites);
}

/* Under the lock. A name is written before it is counted, so that readers see it whole. */
static unsigned add_name(struct proxy_names *names, struct str name)
{
    unsigned n = atomic_load_explicit(&names->n, memory_order_relaxed);
    char *copy = n < PROXY_NAMES_MAX ? malloc(name.n + 1) : NULL;
    if (!copy)
        return PROXY_NAME_OTHER;
    memcpy(copy, name.p, name.n);
    names->name[n] = (struct str){copy, name.n};
    atomic_store_explicit(&names->n, n + 1, memory_order_release);
    return n;
}

unsigned proxy_name_number(struct proxy_names *names, struct str name)
{
    unsigned number = PROXY_NAME_OTHER;
    pthread_mutex_lock(&names->lock);
    unsigned n = atomic_load_explicit(&names->n, memory_order_relaxed);
    for (unsigned i = 1; i < n && number == PROXY_NAME_OTHER; i++)
        if (str_eq(names->name[i], name))
            number = i;
    if (number == PROXY_NAME_OTHER)
        number = add_name(names, name);
    pthread_mutex_unlock(&names->lock);
    return number;
}

struct str proxy_name_of(struct proxy_names *names, unsigned number)
{
    if (number == PROXY_NAME_OTHER ||
        number >= atomic_load_explicit(&names->n, memory_order_acquire))
        return STR("");
    return names->name[number];
}

/* ---- counting */

int proxy_meter_create(struct proxy_meter **out)
{
    *out = calloc(1, sizeof **out);
    return *out ? 0 : ERR_NO_MEMORY;
}

void proxy_meter_destroy(struct proxy_meter **mp)
{
    struct proxy_meter *m = *mp;
    *mp = NULL;
    for (unsigned i = 0; m && i < PROXY_NAMES_MAX; i++) {
        free(atomic_load(&m->legs[i]));
        free(atomic_load(&m->services[i]));
        free(atomic_load(&m->sites[i]));
    }
    free(m);
}

/* Never 0: a cell with key 0 is unused. */
static uint64_t pack(const struct proxy_request_key *key)
{
    return (uint64_t)1 << 48 | (uint64_t)key->service << 32 | (uint64_t)key->site << 16 |
           (uint64_t)key->plan << 8 | key->class_;
}

void proxy_meter_request(struct proxy_meter *m, const struct proxy_request_key *key)
{
    uint64_t packed = pack(key);
    size_t at = (size_t)(packed * 0x9e3779b97f4a7c15ull >> 40) % PROXY_METER_CELLS;
    for (size_t tries = 0; tries < PROXY_METER_CELLS; tries++) {
        struct proxy_meter_cell *cell = &m->cells[(at + tries) % PROXY_METER_CELLS];
        uint64_t there = atomic_load_explicit(&cell->key, memory_order_relaxed);
        if (there == 0)
            atomic_store_explicit(&cell->key, packed, memory_order_release);
        if (there == 0 || there == packed) {
            counter_add(&cell->n, 1);
            return;
        }
    }
    counter_add(&m->uncounted, 1);
}

bool proxy_meter_next(const struct proxy_meter *m, size_t *at, struct proxy_request_key *key,
                      uint64_t *n)
{
    while (*at < PROXY_METER_CELLS) {
        const struct proxy_meter_cell *cell = &m->cells[(*at)++];
        uint64_t packed = atomic_load_explicit(&cell->key, memory_order_acquire);
        if (!packed)
            continue;
        *key = (struct proxy_request_key){(uint16_t)(packed >> 32), (uint16_t)(packed >> 16),
                                          (uint8_t)(packed >> 8), (uint8_t)packed};
        *n = counter_get(&cell->n);
        return true;
    }
    return false;
}

void proxy_meter_leg(struct proxy_meter *m, unsigned site, uint64_t us)
{
    struct proxy_histogram *h = atomic_load_explicit(&m->legs[site], memory_order_relaxed);
    unsigned bucket = 0;
    if (!h) {
        h = calloc(1, sizeof *h);
        if (!h)
            return;
        atomic_store_explicit(&m->legs[site], h, memory_order_release);
    }
    while (bucket < PROXY_BUCKETS - 1 && us > proxy_bucket_us[bucket])
        bucket++;
    counter_add(&h->buckets[bucket], 1);
    counter_add(&h->sum_us, us);
}

static struct http_gauge *gauge_of(struct http_gauge *_Atomic *place)
{
    struct http_gauge *g = atomic_load_explicit(place, memory_order_relaxed);
    if (!g) {
        g = calloc(1, sizeof *g);
        atomic_store_explicit(place, g, memory_order_release);
    }
    return g;
}

struct http_gauge *proxy_meter_service(struct proxy_meter *m, unsigned number)
{
    return gauge_of(&m->services[number]);
}

struct http_gauge *proxy_meter_site(struct proxy_meter *m, unsigned number)
{
    return gauge_of(&m->sites[number]);
}
