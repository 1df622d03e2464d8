/* What other sites say (spread.c lists the messages). */
#include "repl/spread.h"

#define PATIENCE 10 /* exchanges, for what an operation saw and has not come */

/* ---- digests ---- */

static void on_digest(struct repl_node *node, size_t site, struct repl_reader *in)
{
    uint64_t theirs = repl_get_u64(in);
    struct repl_peer *peer = &node->peers[site];
    if (in->is_bad)
        return;
    if (theirs == repl_digest(peer)) {
        peer->agreed = node->changes;
        list_for_each_safe (at, &node->watching)
            repl_wake(LIST_ITEM(at, struct repl_resource, watching));
        return;
    }
    struct out o = repl_begin_message(node, REPL_BUCKET_DIGESTS);
    for (size_t i = 0; i < REPL_BUCKETS; i++)
        repl_put_u64(&o, peer->digests[i]);
    repl_send(node, site, &o);
}

static void on_buckets(struct repl_node *node, size_t site, struct repl_reader *in)
{
    for (size_t i = 0; i < REPL_BUCKETS; i++) {
        uint64_t theirs = repl_get_u64(in);
        if (!in->is_bad && theirs != node->peers[site].digests[i])
            repl_send_lists(node, site, i);
    }
}

/* One that is not held here: who has it is asked for all of it. */
static void ask_for_unknown(struct repl_node *node, size_t site, struct repl_id id)
{
    struct out o = repl_begin_message(node, REPL_VECTOR);
    repl_put_id(&o, id);
    repl_put_str(&o, STR_NULL);
    repl_put_u64(&o, 0);
    repl_put_u64(&o, 0);
    repl_put_u64(&o, 0);
    repl_send(node, site, &o);
}

static struct repl_id get_id(struct repl_reader *in)
{
    struct repl_id id = {.hi = repl_get_u64(in)};
    id.lo = repl_get_u64(in);
    return id;
}

/* Equal vectors, and neither of them issues anything. */
static void learn_equal(struct repl_resource *r, size_t site)
{
    for (uint32_t i = 0; i < r->log->n_actors; i++)
        r->far[site * r->n_far + i].known = repl_held(r, i);
    if (!list_is_empty(&r->watching))
        repl_wake(r);
}

static void on_listed(struct repl_node *node, size_t site, struct repl_id id, uint64_t hash)
{
    struct repl_resource *r = repl_find(node, id);
    if (!r) {
        ask_for_unknown(node, site, id);
        return;
    }
    r->listed = node->rounds;
    if (r->hash == hash)
        learn_equal(r, site);
    else /* also when it is none of the resource's sites here: a create that has not come says so */
        repl_send_vector(r, site, REPL_WANTS_REPLY);
}

static void on_list(struct repl_node *node, size_t site, struct repl_reader *in)
{
    size_t bucket = (size_t)repl_get_max(in, REPL_BUCKETS - 1);
    struct repl_id above = get_id(in), to = get_id(in);
    bool is_first = repl_get_bool(in), is_last = repl_get_bool(in);
    node->rounds++;
    while (repl_get_bool(in)) {
        struct repl_id id = get_id(in);
        uint64_t hash = repl_get_u64(in);
        if (in->is_bad)
            return;
        on_listed(node, site, id, hash);
    }
    for (size_t slot = bucket; slot < node->n_slots && !in->is_bad; slot += REPL_BUCKETS)
        for (struct repl_resource *r = node->slots[slot]; r; r = r->next) {
            bool is_here = (is_first || repl_compare_ids(r->id, above) > 0) &&
                           (is_last || repl_compare_ids(r->id, to) <= 0);
            if (is_here && r->listed != node->rounds && repl_is_shared(r, site) && r->hash)
                repl_send_vector(r, site, REPL_WANTS_REPLY);
        }
}

/* ---- vectors ---- */

/* The own type of what a message is about; false: it is none, or its digest is another one. */
static bool get_type(struct repl_node *node, struct repl_reader *in, uint32_t *type)
{
    struct str name = repl_get_str(in);
    uint64_t digest = repl_get_u64(in);
    for (*type = 0; *type < node->config.n_types; ++*type)
        if (str_eq(node->types[*type].name, name) && node->types[*type].digest == digest)
            return true;
    return false;
}

static int find_actor(const struct repl_resource *r, struct str name)
{
    for (uint32_t i = 0; i < r->log->n_actors; i++)
        if (str_eq(r->log->actors[i]->name, name))
            return (int)i;
    return -1;
}

/* What a site says that it holds. */
struct vector {
    uint64_t held[OP_MAX_ACTORS], stable[OP_MAX_ACTORS];
    bool is_covered, is_same; /* by the own one; equal to it */
};

static void get_vector(const struct repl_resource *r, struct repl_reader *in, struct vector *v)
{
    uint64_t n = repl_get_max(in, OP_MAX_ACTORS);
    *v = (struct vector){.is_covered = true, .is_same = true};
    for (uint64_t i = 0; i < n && !in->is_bad; i++) {
        int at = find_actor(r, repl_get_str(in));
        uint64_t theirs = repl_get_u64(in), stable = repl_get_u64(in);
        if (at >= 0) {
            v->held[at] = theirs;
            v->stable[at] = stable;
        } else if (theirs > 0) {
            v->is_covered = false;
        }
    }
    for (uint32_t i = 0; i < r->log->n_actors; i++) {
        v->is_covered &= v->held[i] <= repl_held(r, i);
        v->is_same &= v->held[i] == repl_held(r, i);
    }
    v->is_same &= v->is_covered;
}

static void learn(struct repl_resource *r, size_t site, const struct vector *v, uint64_t flags)
{
    bool has_run = (flags & (REPL_SETTLED | REPL_FAILED | REPL_DIVERGED)) == REPL_SETTLED;
    struct repl_far *far = &r->far[site * r->n_far];
    for (uint32_t i = 0; i < r->log->n_actors && v->is_covered; i++)
        far[i].known = v->stable[i] > far[i].known ? v->stable[i] : far[i].known;
    list_for_each (at, &r->waiters) {
        struct repl_client *c = LIST_ITEM(at, struct repl_client, place);
        if (has_run && v->held[r->self] >= c->n)
            c->ran |= UINT64_C(1) << site;
    }
    repl_check_waiters(r);
}

static void on_vector(struct repl_node *node, size_t site, struct repl_reader *in)
{
    struct repl_id id = get_id(in);
    struct vector v;
    uint32_t type;
    struct repl_resource *r = repl_find(node, id);
    struct repl_reader name = *in;
    bool asks = repl_get_str(&name).n == 0; /* for what it does not hold: it knows no type */
    bool is_known = get_type(node, in, &type);
    uint64_t flags = repl_get_max(in, REPL_ALL_FLAGS);
    if (!r && is_known && flags & REPL_WANTS_REPLY)
        ask_for_unknown(node, site, id);
    if (!r)
        in->rest = STR_NULL;
    if (!r || !repl_is_shared(r, site))
        return;
    get_vector(r, in, &v);
    if (in->is_bad || (!is_known && !asks) || (is_known && type != r->type)) {
        node->counts.foreign++;
        return;
    }
    learn(r, site, &v, flags);
    if (flags & REPL_WANTS_SNAPSHOT && v.is_same)
        r->must_snapshot = true;
    repl_send_lacking(r, site, v.held);
    if (flags & REPL_WANTS_REPLY)
        repl_send_vector(r, site, 0);
    repl_wake(r);
}

/* ---- operations ---- */

static bool is_in(const struct list *list, const struct repl_op *op)
{
    for (struct list *at = list->next; at != list; at = at->next) {
        const struct repl_op *other = LIST_ITEM(at, struct repl_op, place);
        if (other->actor == op->actor && other->n == op->n && other->hole_to == op->hole_to)
            return true;
    }
    return false;
}

/* In the order of clocks, what is forgotten first. What is over the limit, the latest, comes again
 * with an exchange. */
static void keep_waiting(struct repl_resource *r, struct repl_op *op)
{
    struct list *at = r->waiting.prev;
    uint64_t last = op->hole_to ? op->hole_to : op->n;
    if (last <= r->log->actors[op->actor]->count || is_in(&r->waiting, op) ||
        is_in(&r->incoming, op)) {
        repl_op_destroy(&op);
        return;
    }
    while (at != &r->waiting && LIST_ITEM(at, struct repl_op, place)->clock > op->clock)
        at = at->prev;
    list_push(at->next, &op->place);
    if (r->n_waiting == 0)
        r->waiting_until = r->node->now.ms + PATIENCE * r->node->config.exchange_ms;
    repl_time(r);
    if (++r->n_waiting > REPL_MAX_WAITING) {
        struct repl_op *latest = LIST_ITEM(r->waiting.prev, struct repl_op, place);
        r->n_waiting--;
        r->node->counts.overflowed++;
        repl_op_destroy(&latest);
    }
}

/* The resource counts once it holds what the other site does, or is to hold itself. */
static void raise_horizon(struct repl_resource *r, const uint32_t *actors, const uint64_t *to,
                          uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint64_t *horizon = repl_horizon(r, actors[i]);
        if (to[i] > *horizon && to[i] > r->log->actors[actors[i]]->count) {
            *horizon = to[i];
            r->actors_stored = 0; /* with the next batch all are written */
        }
    }
}

static bool keep_hole(struct repl_resource *r, uint32_t actor, uint64_t n, uint64_t to)
{
    struct repl_op *hole = to >= n ? repl_op_create(STR_NULL, NULL, 0) : NULL;
    if (!hole)
        return false;
    hole->actor = actor;
    hole->n = n;
    hole->hole_to = to;
    keep_waiting(r, hole);
    r->record++; /* it has the clock that what was forgotten had */
    return true;
}

/* The actors of a message as the log numbers them, and what is forgotten of each. */
static uint32_t get_actors(struct repl_resource *r, struct repl_reader *in, uint32_t *actors,
                           bool is_new)
{
    uint64_t horizon[OP_MAX_ACTORS];
    uint32_t n = (uint32_t)repl_get_max(in, OP_MAX_ACTORS);
    bool has_holes = false;
    for (uint32_t i = 0; i < n; i++) {
        struct str name = repl_get_str(in);
        horizon[i] = repl_get_u64(in);
        bool is_good = !in->is_bad && name.n && name.n <= REPL_ACTOR_BYTES &&
                       repl_actor(r, name, &actors[i]) == 0;
        for (uint64_t from; is_good && (from = repl_get_u64(in));) {
            uint64_t to = repl_get_u64(in);
            has_holes |= to > r->log->actors[actors[i]]->count;
            is_good = keep_hole(r, actors[i], from, to);
        }
        in->is_bad |= !is_good;
        if (in->is_bad)
            return 0;
    }
    if (is_new || has_holes)
        raise_horizon(r, actors, horizon, n);
    return n;
}

static void get_op(struct repl_resource *r, struct repl_reader *in, const uint32_t *actors,
                   uint32_t n_actors)
{
    uint64_t saw[OP_MAX_ACTORS] = {0};
    uint64_t at = repl_get_max(in, n_actors - 1), n = repl_get_u64(in);
    uint32_t type = (uint32_t)repl_get_max(in, r->log->matrix->n - 1);
    uint64_t clock = repl_get_u64(in), life = repl_get_max(in, OP_LIFE_UNKNOWN - 1);
    uint64_t n_saw = repl_get_max(in, n_actors);
    for (uint64_t i = 0; i < n_saw; i++)
        saw[actors[i]] = repl_get_u64(in);
    struct str payload = repl_get_str(in);
    in->is_bad |= payload.n > REPL_PAYLOAD_BYTES || n == 0;
    struct repl_op *op = in->is_bad ? NULL : repl_op_create(payload, saw, r->log->n_actors);
    if (!op)
        return; /* without memory it comes again */
    op->actor = actors[at];
    op->n = n;
    op->type = type;
    op->clock = clock;
    op->life = (uint32_t)life;
    keep_waiting(r, op);
}

static uint64_t get_sites(struct repl_node *node, struct repl_reader *in)
{
    uint64_t sites = 0, n = repl_get_max(in, REPL_MAX_SITES);
    for (uint64_t i = 0; i < n; i++) {
        struct str name = repl_get_str(in);
        for (size_t s = 0; s < node->config.n_sites; s++)
            if (str_eq(node->config.sites[s], name))
                sites |= UINT64_C(1) << s;
    }
    return sites;
}

static void on_ops(struct repl_node *node, size_t site, struct repl_reader *in)
{
    uint32_t type, actors[OP_MAX_ACTORS];
    struct repl_id id = get_id(in);
    bool is_known = get_type(node, in, &type);
    uint64_t sites = get_sites(node, in), both = UINT64_C(1) << site;
    both |= UINT64_C(1) << node->config.self;
    struct repl_resource *r = repl_find(node, id);
    if (in->is_bad || !is_known || (sites & both) != both || (r && r->type != type)) {
        node->counts.foreign += !in->is_bad;
        return;
    }
    bool is_new = !r;
    if (is_new)
        r = repl_add(node, id, type, sites);
    if (!r)
        return;
    if (sites & ~r->sites) {
        r->sites |= sites;
        r->record++; /* written with what comes in */
    }
    uint64_t clock = repl_get_u64(in);
    r->clock = clock > r->clock ? clock : r->clock;
    node->clock = clock > node->clock ? clock : node->clock;
    uint32_t n = get_actors(r, in, actors, is_new);
    while (n > 0 && repl_get_bool(in) && !in->is_bad)
        get_op(r, in, actors, n);
    r->owed |= UINT64_C(1) << site;
    repl_vector_changed(r);
    repl_admit(r);
    repl_wake(r);
}

void repl_node_message(struct repl_node *node, struct repl_time now, size_t site, struct str bytes)
{
    struct repl_reader in = {.rest = bytes};
    node->now = now;
    if (node->is_failed || site >= node->config.n_sites || site == node->config.self)
        return;
    switch (repl_get_max(&in, REPL_OPS)) {
    case REPL_DIGEST:
        on_digest(node, site, &in);
        break;
    case REPL_BUCKET_DIGESTS:
        on_buckets(node, site, &in);
        break;
    case REPL_LIST:
        on_list(node, site, &in);
        break;
    case REPL_VECTOR:
        on_vector(node, site, &in);
        break;
    case REPL_OPS:
        on_ops(node, site, &in);
        break;
    }
    node->counts.bad += in.is_bad;
    repl_work(node);
}
