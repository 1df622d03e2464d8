#include "peer/sites.h"
#include "base/check.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

struct site {
    _Atomic uint32_t state, jitter_us;
    _Atomic uint64_t since_ms, heard_ms, changes;
    /* the control loop's */
    unsigned signs; /* in a row */
    uint64_t sign_ms;
    bool measures_anew;
};

struct peer_sites {
    size_t n, self;
    uint32_t suspect_ms, down_ms;
    struct site *sites;
    _Atomic uint32_t *rtt; /* n × n, row by row */
};

static struct site *site_at(const struct peer_sites *s, size_t site)
{
    CHECK(site < s->n);
    return &s->sites[site];
}

int peer_sites_create(struct peer_sites **out, size_t n, size_t self, uint32_t suspect_ms,
                      uint32_t down_ms, uint64_t now_ms)
{
    struct peer_sites *s = calloc(1, sizeof *s);
    if (!s)
        return ERR_NO_MEMORY;
    s->n = n;
    s->self = self;
    s->suspect_ms = suspect_ms;
    s->down_ms = down_ms;
    s->sites = calloc(n, sizeof *s->sites);
    s->rtt = calloc(n * n, sizeof *s->rtt);
    if (!s->sites || !s->rtt) {
        peer_sites_destroy(&s);
        return ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < n * n; i++)
        atomic_init(&s->rtt[i], i % (n + 1) == 0 ? 0 : PEER_RTT_UNKNOWN);
    for (size_t i = 0; i < n; i++) {
        atomic_init(&s->sites[i].state, i == self ? PEER_SITE_UP : PEER_SITE_UNKNOWN);
        atomic_init(&s->sites[i].since_ms, now_ms);
    }
    *out = s;
    return 0;
}

void peer_sites_destroy(struct peer_sites **sp)
{
    struct peer_sites *s = *sp;
    *sp = NULL;
    if (!s)
        return;
    free(s->sites);
    free(s->rtt);
    free(s);
}

void peer_sites_copy(struct peer_sites *to, size_t site, const struct peer_sites *from, size_t was)
{
    struct site *x = site_at(to, site);
    const struct site *y = site_at(from, was);
    atomic_init(&x->state, atomic_load_explicit(&y->state, memory_order_relaxed));
    atomic_init(&x->jitter_us, atomic_load_explicit(&y->jitter_us, memory_order_relaxed));
    atomic_init(&x->since_ms, atomic_load_explicit(&y->since_ms, memory_order_relaxed));
    atomic_init(&x->heard_ms, atomic_load_explicit(&y->heard_ms, memory_order_relaxed));
    atomic_init(&x->changes, atomic_load_explicit(&y->changes, memory_order_relaxed));
    x->signs = y->signs;
    x->sign_ms = y->sign_ms;
    x->measures_anew = y->measures_anew;
}

void peer_sites_copy_rtt(struct peer_sites *to, size_t a, size_t b, const struct peer_sites *from,
                         size_t was_a, size_t was_b)
{
    CHECK(a < to->n && b < to->n);
    atomic_init(&to->rtt[a * to->n + b], peer_sites_rtt_us(from, was_a, was_b));
}

enum peer_site_state peer_sites_state(const struct peer_sites *s, size_t site)
{
    return (enum peer_site_state)atomic_load_explicit(&site_at(s, site)->state,
                                                      memory_order_relaxed);
}

uint32_t peer_sites_rtt_us(const struct peer_sites *s, size_t from, size_t to)
{
    CHECK(from < s->n && to < s->n);
    return atomic_load_explicit(&s->rtt[from * s->n + to], memory_order_relaxed);
}

uint32_t peer_sites_jitter_us(const struct peer_sites *s, size_t to)
{
    return atomic_load_explicit(&site_at(s, to)->jitter_us, memory_order_relaxed);
}

uint64_t peer_sites_since_ms(const struct peer_sites *s, size_t site)
{
    return atomic_load_explicit(&site_at(s, site)->since_ms, memory_order_relaxed);
}

uint64_t peer_sites_heard_ms(const struct peer_sites *s, size_t site)
{
    return atomic_load_explicit(&site_at(s, site)->heard_ms, memory_order_relaxed);
}

uint64_t peer_sites_changes(const struct peer_sites *s, size_t site)
{
    return atomic_load_explicit(&site_at(s, site)->changes, memory_order_relaxed);
}

struct str peer_state_name(enum peer_site_state state)
{
    static const struct str names[] = {
        [PEER_SITE_UNKNOWN] = {"unknown", 7},
        [PEER_SITE_UP] = {"up", 2},
        [PEER_SITE_SUSPECT] = {"suspect", 7},
        [PEER_SITE_DOWN] = {"down", 4},
    };
    return names[state];
}

static void become(struct site *x, enum peer_site_state state, uint64_t now_ms)
{
    if (atomic_load_explicit(&x->state, memory_order_relaxed) == state)
        return;
    atomic_store_explicit(&x->state, state, memory_order_relaxed);
    atomic_store_explicit(&x->since_ms, now_ms, memory_order_relaxed);
    atomic_fetch_add_explicit(&x->changes, 1, memory_order_relaxed);
}

void peer_sites_touch(struct peer_sites *s, size_t site, uint64_t now_ms)
{
    atomic_store_explicit(&site_at(s, site)->heard_ms, now_ms, memory_order_relaxed);
}

static void go_down(struct site *x, uint64_t now_ms)
{
    x->signs = 0;
    x->measures_anew = true;
    become(x, PEER_SITE_DOWN, now_ms);
}

void peer_sites_heard(struct peer_sites *s, size_t site, uint64_t now_ms)
{
    struct site *x = site_at(s, site);
    if (site == s->self)
        return;
    bool is_first = atomic_exchange_explicit(&x->heard_ms, now_ms, memory_order_relaxed) == 0;
    x->signs = x->signs && now_ms - x->sign_ms <= s->suspect_ms ? x->signs + 1 : 1;
    x->sign_ms = now_ms;
    if (peer_sites_state(s, site) != PEER_SITE_DOWN || x->signs >= PEER_SIGNS_UP || is_first)
        become(x, PEER_SITE_UP, now_ms);
}

void peer_sites_sample(struct peer_sites *s, size_t site, uint32_t us)
{
    struct site *x = site_at(s, site);
    _Atomic uint32_t *cell = &s->rtt[s->self * s->n + site];
    uint32_t old = atomic_load_explicit(cell, memory_order_relaxed);
    uint32_t jitter = us / 2, smooth = us;
    if (us >= PEER_RTT_UNKNOWN || site == s->self)
        return;
    if (old != PEER_RTT_UNKNOWN && !x->measures_anew) {
        uint32_t off = us > old ? us - old : old - us;
        jitter = atomic_load_explicit(&x->jitter_us, memory_order_relaxed);
        jitter = (uint32_t)(((uint64_t)jitter * 3 + off) / 4);
        smooth = (uint32_t)(((uint64_t)old * 7 + us) / 8);
    }
    x->measures_anew = false;
    atomic_store_explicit(&x->jitter_us, jitter, memory_order_relaxed);
    atomic_store_explicit(cell, smooth, memory_order_relaxed);
}

/* A site that was not up, and was not down either, is when anything came since. */
static enum peer_site_state take_touch(struct site *x, uint64_t now_ms)
{
    enum peer_site_state state =
        (enum peer_site_state)atomic_load_explicit(&x->state, memory_order_relaxed);
    bool is_between = state == PEER_SITE_UNKNOWN || state == PEER_SITE_SUSPECT;
    if (!is_between || atomic_load_explicit(&x->heard_ms, memory_order_relaxed) <=
                           atomic_load_explicit(&x->since_ms, memory_order_relaxed))
        return state;
    become(x, PEER_SITE_UP, now_ms);
    return PEER_SITE_UP;
}

void peer_sites_failed(struct peer_sites *s, size_t site, uint64_t now_ms)
{
    struct site *x = site_at(s, site);
    if (site == s->self)
        return;
    x->signs = 0;
    if (take_touch(x, now_ms) == PEER_SITE_UP)
        become(x, PEER_SITE_SUSPECT, now_ms);
    else
        go_down(x, now_ms);
}

void peer_sites_published(struct peer_sites *s, size_t from, size_t to, uint32_t us)
{
    CHECK(from < s->n && to < s->n);
    if (from != s->self && from != to)
        atomic_store_explicit(&s->rtt[from * s->n + to], us, memory_order_relaxed);
}

/* What silence makes of one site, and when it may make more of it. */
static uint64_t tick_one(struct peer_sites *s, size_t site, uint64_t now_ms)
{
    struct site *x = &s->sites[site];
    uint64_t heard = peer_sites_heard_ms(s, site);
    uint64_t last = heard ? heard : peer_sites_since_ms(s, site);
    enum peer_site_state state = take_touch(x, now_ms);
    if (site == s->self || state == PEER_SITE_DOWN)
        return UINT64_MAX;
    if (now_ms >= last + s->down_ms) {
        go_down(x, now_ms);
        return UINT64_MAX;
    }
    if (state == PEER_SITE_UP && now_ms < last + s->suspect_ms)
        return last + s->suspect_ms;
    if (state == PEER_SITE_UP)
        become(x, PEER_SITE_SUSPECT, now_ms);
    return last + s->down_ms;
}

uint64_t peer_sites_tick(struct peer_sites *s, uint64_t now_ms)
{
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; i < s->n; i++) {
        uint64_t due = tick_one(s, i, now_ms);
        if (due < next)
            next = due;
    }
    return next;
}
