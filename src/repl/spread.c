/* What sites tell each other: operations at once, and now and then what each holds.
 *
 *     DIGEST   a number over all shared resources; equal ones cost this one message
 *     BUCKETS  the same for each of 256 parts, when they are not equal
 *     LIST     of a part that differs: each resource and a number over its vector
 *     VECTOR   of a resource that differs, and whether all of it ran
 *     OPS      what the other one lacks, and what is forgotten in between
 */
#include "repl/spread.h"
#include <stdlib.h>

#define MOST_LISTED 4000 /* of at most 31 bytes, in a message */
#define MOST_GAPS   1000 /* of at most 20 bytes */
#define MOST_OPS    1000

uint64_t repl_mix(uint64_t x)
{
    x = (x ^ (x >> 31)) * UINT64_C(0x9e3779b97f4a7c15);
    return (x ^ (x >> 29)) * UINT64_C(0xbf58476d1ce4e5b9);
}

static uint64_t hash_str(struct str s)
{
    uint64_t h = UINT64_C(1469598103934665603);
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * UINT64_C(1099511628211);
    return h;
}

/* ---- vectors ---- */

uint64_t repl_held(const struct repl_resource *r, uint32_t actor)
{
    return r->log->actors[actor]->count - (actor == r->self && r->logging);
}

/* An operation that runs now will have seen what was held when it began. */
uint64_t repl_stable(const struct repl_resource *r, uint32_t actor)
{
    if (!r->intent.is_set && r->turn < REPL_INTENT_STORING)
        return repl_held(r, actor);
    return actor < r->intent.n_saw ? r->intent.saw[actor] : 0;
}

uint64_t repl_known(const struct repl_resource *r, size_t site, uint32_t actor)
{
    if (r->node->peers[site].agreed >= r->changed)
        return repl_held(r, actor);
    return r->far[site * r->n_far + actor].known;
}

static bool is_joining(const struct repl_resource *r)
{
    for (uint32_t i = 0; i < r->log->n_actors; i++)
        if (*repl_horizon(r, i) > repl_held(r, i))
            return true;
    return false;
}

static bool is_issuing(const struct repl_resource *r)
{
    for (uint32_t i = 0; i < r->log->n_actors; i++)
        if (repl_stable(r, i) != repl_held(r, i))
            return true;
    return false;
}

static uint64_t hash_vector(const struct repl_resource *r)
{
    bool is_apart = is_issuing(r) || r->is_joining; /* equal vectors do not say enough then */
    uint64_t h = is_apart ? repl_mix(r->node->config.self + 1) : 0;
    for (uint32_t i = 0; i < r->log->n_actors; i++)
        if (repl_held(r, i) > 0)
            h += repl_mix(hash_str(r->log->actors[i]->name) ^ repl_mix(repl_held(r, i)));
    return h ? repl_mix(h ^ repl_mix(r->id.hi) ^ r->id.lo) : 0;
}

bool repl_is_shared(const struct repl_resource *r, size_t site)
{
    return r->sites >> site & 1 && r->sites >> r->node->config.self & 1;
}

/* Its part in the digests follows its vector. */
void repl_vector_changed(struct repl_resource *r)
{
    struct repl_node *node = r->node;
    r->is_joining = is_joining(r);
    uint64_t hash = hash_vector(r);
    for (size_t site = 0; site < node->config.n_sites; site++) {
        uint64_t *bucket = &node->peers[site].digests[r->id.lo % REPL_BUCKETS];
        if (r->hashed >> site & 1)
            *bucket ^= r->hash;
        if (repl_is_shared(r, site))
            *bucket ^= hash;
    }
    if (r->hash != hash || r->hashed != r->sites || !r->changed)
        r->changed = ++node->changes;
    r->hash = hash;
    r->hashed = r->sites;
}

/* ---- sending ---- */

struct out repl_begin_message(struct repl_node *node, enum repl_message kind)
{
    struct out o;
    out_init(&o, node->message, REPL_MESSAGE_BYTES);
    repl_put_u64(&o, kind);
    return o;
}

void repl_send(struct repl_node *node, size_t site, const struct out *o)
{
    CHECK(!o->overflowed);
    node->counts.messages++;
    node->counts.bytes += o->n;
    node->effects->send(node->context, site, out_get(o));
}

void repl_put_id(struct out *o, struct repl_id id)
{
    repl_put_u64(o, id.hi);
    repl_put_u64(o, id.lo);
}

static void put_type(struct repl_node *node, struct out *o, uint32_t type)
{
    repl_put_str(o, node->types[type].name);
    repl_put_u64(o, node->types[type].digest);
}

uint64_t repl_digest(const struct repl_peer *peer)
{
    uint64_t all = 0;
    for (size_t i = 0; i < REPL_BUCKETS; i++)
        all ^= repl_mix(peer->digests[i] + i);
    return all;
}

void repl_exchange(struct repl_node *node, size_t site)
{
    struct repl_peer *peer = &node->peers[site];
    struct out o = repl_begin_message(node, REPL_DIGEST);
    peer->next_exchange = node->now.ms + node->config.exchange_ms;
    repl_put_u64(&o, repl_digest(peer));
    repl_send(node, site, &o);
}

void repl_send_vector(struct repl_resource *r, size_t site, unsigned flags)
{
    struct repl_node *node = r->node;
    struct out o = repl_begin_message(node, REPL_VECTOR);
    repl_put_id(&o, r->id);
    put_type(node, &o, r->type);
    flags |= repl_is_settled(r) && !r->is_joining ? REPL_SETTLED : 0;
    flags |= r->is_failed ? REPL_FAILED : 0;
    flags |= r->is_diverged ? REPL_DIVERGED : 0;
    repl_put_u64(&o, flags);
    repl_put_u64(&o, r->log->n_actors);
    for (uint32_t i = 0; i < r->log->n_actors; i++) {
        repl_put_str(&o, r->log->actors[i]->name);
        repl_put_u64(&o, repl_held(r, i));
        repl_put_u64(&o, repl_stable(r, i));
    }
    repl_send(node, site, &o);
}

void repl_report(struct repl_resource *r, uint64_t sites, bool wants_reply)
{
    for (size_t site = 0; site < r->node->config.n_sites; site++)
        if (sites >> site & 1 && site != r->node->config.self && repl_is_shared(r, site))
            repl_send_vector(r, site, wants_reply ? REPL_WANTS_REPLY : 0);
}

/* Which replica is asked to log its state is chance, so that none is asked for ever. */
void repl_ask(struct repl_resource *r)
{
    size_t n = r->node->config.n_sites, from = (size_t)(repl_random(r->node) % n);
    for (size_t i = 0; i < n; i++) {
        size_t site = (from + i) % n;
        if (site != r->node->config.self && repl_is_shared(r, site)) {
            repl_send_vector(r, site, REPL_WANTS_SNAPSHOT | REPL_WANTS_REPLY);
            return;
        }
    }
}

/* ---- lists ---- */

int repl_compare_ids(struct repl_id a, struct repl_id b)
{
    if (a.hi != b.hi)
        return a.hi < b.hi ? -1 : 1;
    return a.lo < b.lo ? -1 : a.lo > b.lo;
}

static int compare_resources(const void *a, const void *b)
{
    return repl_compare_ids((*(struct repl_resource *const *)a)->id,
                            (*(struct repl_resource *const *)b)->id);
}

/* Those of a bucket that a site shares, in the order of their identifiers; NULL: no memory. */
static struct repl_resource **sort_bucket(struct repl_node *node, size_t site, size_t bucket,
                                          size_t *n)
{
    struct repl_resource **all = malloc((node->n_resources + 1) * sizeof(struct repl_resource *));
    *n = 0;
    for (size_t slot = bucket; all && slot < node->n_slots; slot += REPL_BUCKETS)
        for (struct repl_resource *r = node->slots[slot]; r; r = r->next)
            if (repl_is_shared(r, site) && r->hash)
                all[(*n)++] = r;
    if (all && *n > 1)
        qsort(all, *n, sizeof(struct repl_resource *), compare_resources);
    return all;
}

/* Each message says from which identifier to which it tells all. */
void repl_send_lists(struct repl_node *node, size_t site, size_t bucket)
{
    size_t n, at = 0;
    struct repl_resource **all = sort_bucket(node, site, bucket, &n);
    if (!all)
        return; /* the next exchange tries again */
    do {
        size_t end = n - at > MOST_LISTED ? at + MOST_LISTED : n;
        struct out o = repl_begin_message(node, REPL_LIST);
        repl_put_u64(&o, bucket);
        repl_put_id(&o, at > 0 ? all[at - 1]->id : (struct repl_id){0, 0});
        repl_put_id(&o, end > 0 ? all[end - 1]->id : (struct repl_id){0, 0});
        repl_put_u64(&o, at == 0);
        repl_put_u64(&o, end == n);
        for (; at < end; at++) {
            repl_put_u64(&o, 1);
            repl_put_id(&o, all[at]->id);
            repl_put_u64(&o, all[at]->hash);
        }
        repl_put_u64(&o, 0);
        repl_send(node, site, &o);
    } while (at < n);
    free(all);
}

/* ---- operations ---- */

static int compare_ops(const void *a, const void *b)
{
    const struct repl_op *x = *(struct repl_op *const *)a, *y = *(struct repl_op *const *)b;
    if (x->clock != y->clock)
        return x->clock < y->clock ? -1 : 1;
    if (x->actor != y->actor)
        return x->actor < y->actor ? -1 : 1;
    return x->n < y->n ? -1 : x->n > y->n;
}

/* What is held above `from`, oldest first. */
static size_t collect(struct repl_resource *r, const uint64_t *from, struct repl_op **ops)
{
    size_t n = 0;
    for (uint32_t a = 0; a < r->log->n_actors; a++)
        for (size_t i = r->log->actors[a]->n_held; i-- > 0;) {
            struct op_operation *op = r->log->actors[a]->held[i];
            if (op->n <= from[a])
                break;
            if (op->n <= repl_held(r, a))
                ops[n++] = op->owner;
        }
    if (n > 1)
        qsort(ops, n, sizeof(struct repl_op *), compare_ops);
    return n;
}

/* At most. */
static size_t size_of(const struct repl_op *op)
{
    return op->payload.n + 10 * (op->op->n_saw + 10);
}

static void put_op(struct out *o, const struct repl_op *op)
{
    repl_put_u64(o, 1);
    repl_put_u64(o, op->actor);
    repl_put_u64(o, op->n);
    repl_put_u64(o, op->type);
    repl_put_u64(o, op->clock);
    repl_put_u64(o, op->life);
    repl_put_u64(o, op->op->n_saw);
    for (uint32_t i = 0; i < op->op->n_saw; i++)
        repl_put_u64(o, op->op->saw[i]);
    repl_put_str(o, op->payload);
}

/* The numbers above `from` that are forgotten, as first and last of each gap; 0 ends them. When
 * they are too many the first of them are told: what follows is asked for again. */
static void put_gaps(struct repl_resource *r, struct out *o, uint32_t actor, uint64_t from)
{
    const struct op_actor *a = r->log->actors[actor];
    uint64_t next = from + 1, last = repl_held(r, actor);
    size_t left = 1 + MOST_GAPS / r->log->n_actors;
    for (size_t i = 0; i <= a->n_held && left > 0; i++) {
        uint64_t n = i < a->n_held ? a->held[i]->n : last + 1;
        if (n > next && n <= last + 1) {
            repl_put_u64(o, next);
            repl_put_u64(o, n - 1);
            left--;
        }
        if (n >= next)
            next = n + 1;
    }
    repl_put_u64(o, 0);
}

static void put_head(struct repl_resource *r, struct out *o, const uint64_t *from)
{
    struct repl_node *node = r->node;
    repl_put_id(o, r->id);
    put_type(node, o, r->type);
    repl_put_u64(o, (uint64_t)__builtin_popcountll(r->sites));
    for (size_t i = 0; i < node->config.n_sites; i++)
        if (r->sites >> i & 1)
            repl_put_str(o, node->config.sites[i]);
    repl_put_u64(o, r->clock);
    repl_put_u64(o, r->log->n_actors);
    for (uint32_t i = 0; i < r->log->n_actors; i++) {
        uint64_t horizon = *repl_horizon(r, i);
        repl_put_str(o, r->log->actors[i]->name);
        repl_put_u64(o, horizon > repl_held(r, i) ? horizon : repl_held(r, i));
        put_gaps(r, o, i, from[i]);
    }
}

/* As many as one message takes; what is left follows when the other site says that it lacks it. */
static void send_ops(struct repl_resource *r, size_t site, const uint64_t *from)
{
    struct repl_node *node = r->node;
    size_t room = 0, i = 0;
    for (uint32_t a = 0; a < r->log->n_actors; a++)
        room += r->log->actors[a]->n_held;
    struct repl_op **ops = malloc((room + 1) * sizeof(struct repl_op *));
    if (!ops)
        return; /* the next exchange tries again */
    size_t n = collect(r, from, ops);
    struct out o = repl_begin_message(node, REPL_OPS);
    put_head(r, &o, from);
    for (; i < n && i < MOST_OPS && o.n + size_of(ops[i]) < o.cap; i++) {
        put_op(&o, ops[i]);
        uint64_t *offered = &r->far[site * r->n_far + ops[i]->actor].offered;
        *offered = ops[i]->n > *offered ? ops[i]->n : *offered;
    }
    repl_put_u64(&o, 0);
    free(ops);
    r->offered_at[site] = node->now.ms + node->config.exchange_ms / 2;
    repl_send(node, site, &o);
}

/* The last own operation, to all. */
void repl_push(struct repl_resource *r)
{
    uint64_t from[OP_MAX_ACTORS] = {0};
    for (uint32_t i = 0; i < r->log->n_actors; i++)
        from[i] = repl_held(r, i) - (i == r->self);
    for (size_t site = 0; site < r->node->config.n_sites; site++)
        if (site != r->node->config.self && repl_is_shared(r, site))
            send_ops(r, site, from);
}

void repl_send_lacking(struct repl_resource *r, size_t site, const uint64_t *theirs)
{
    uint64_t from[OP_MAX_ACTORS] = {0};
    bool lacks = false, is_fresh = r->node->now.ms < r->offered_at[site];
    for (uint32_t i = 0; i < r->log->n_actors; i++) {
        uint64_t offered = r->far[site * r->n_far + i].offered;
        from[i] = is_fresh && offered > theirs[i] ? offered : theirs[i];
        lacks |= repl_held(r, i) > from[i];
    }
    if (lacks)
        send_ops(r, site, from);
}
