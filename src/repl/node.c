/* The node: its resources, its batches, and what comes in. */
#include "repl/internal.h"
#include "repl/spread.h"
#include <stdlib.h>

#define FIRST_SLOTS REPL_BUCKETS /* so that a bucket of digests is whole slots */

/* ---- clocks and chance ---- */

/* A hybrid logical clock: milliseconds with 16 bits that count within one. */
uint64_t repl_clock(struct repl_node *node)
{
    uint64_t wall = node->now.wall_ms << 16;
    node->clock = wall > node->clock ? wall : node->clock + 1;
    return node->clock;
}

uint64_t repl_random(struct repl_node *node)
{
    node->random = node->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    uint64_t x = node->random;
    return (x ^ (x >> 29)) * UINT64_C(0xbf58476d1ce4e5b9) >> 16;
}

/* ---- resources ---- */

static struct repl_resource **slot_of(struct repl_node *node, struct repl_id id)
{
    return &node->slots[id.lo & (node->n_slots - 1)];
}

struct repl_resource *repl_find(struct repl_node *node, struct repl_id id)
{
    for (struct repl_resource *r = *slot_of(node, id); r; r = r->next)
        if (r->id.hi == id.hi && r->id.lo == id.lo)
            return r;
    return NULL;
}

static void grow_slots(struct repl_node *node)
{
    size_t n_old = node->n_slots;
    struct repl_resource **old = node->slots;
    struct repl_resource **slots = calloc(2 * n_old, sizeof(struct repl_resource *));
    if (!slots)
        return; /* chains are longer, nothing more */
    node->slots = slots;
    node->n_slots = 2 * n_old;
    for (size_t i = 0; i < n_old; i++)
        for (struct repl_resource *r = old[i], *next; r; r = next) {
            next = r->next;
            r->next = *slot_of(node, r->id);
            *slot_of(node, r->id) = r;
        }
    free(old);
}

static void init_lists(struct repl_resource *r)
{
    struct list *all[] = {&r->active,   &r->timed, &r->watching, &r->waiting,
                          &r->incoming, &r->queue, &r->waiters};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        list_init(all[i]);
}

static int begin_resource(struct repl_resource *r)
{
    struct repl_node *node = r->node;
    int rc = repl_log_create(r);
    if (rc < 0)
        return rc;
    op_replica_init(&r->replica, r->log);
    if (node->is_started)
        return repl_actor(r, (struct str){node->name, node->n_name}, &r->self);
    r->load = calloc(1, sizeof *r->load);
    return r->load ? 0 : ERR_NO_MEMORY;
}

struct repl_resource *repl_add(struct repl_node *node, struct repl_id id, uint32_t type,
                               uint64_t sites)
{
    struct repl_resource *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    *r = (struct repl_resource){.node = node, .id = id, .type = type, .sites = sites, .record = 1};
    init_lists(r);
    r->next = *slot_of(node, id);
    *slot_of(node, id) = r;
    node->counts.resources = ++node->n_resources;
    if (begin_resource(r) < 0) {
        repl_remove(&r);
        return NULL;
    }
    if (node->n_resources > node->n_slots)
        grow_slots(node);
    return r;
}

static void free_ops(struct list *ops)
{
    list_for_each_safe (at, ops) {
        struct repl_op *op = LIST_ITEM(at, struct repl_op, place);
        repl_op_destroy(&op);
    }
}

static void free_clients(struct list *clients)
{
    list_for_each_safe (at, clients) {
        list_remove(at);
        free(LIST_ITEM(at, struct repl_client, place));
    }
}

static void free_held(struct repl_resource *r)
{
    for (uint32_t a = 0; r->log && a < r->log->n_actors; a++)
        for (size_t i = 0; i < r->log->actors[a]->n_held; i++) {
            struct repl_op *owner = r->log->actors[a]->held[i]->owner;
            if (!r->load) /* else it is among what was loaded */
                repl_op_destroy(&owner);
        }
}

static void free_resource(struct repl_resource *r)
{
    r->node->counts.resources = --r->node->n_resources;
    list_remove(&r->active);
    list_remove(&r->timed);
    list_remove(&r->watching);
    free_held(r);
    repl_load_destroy(r);
    free_ops(&r->waiting);
    free_ops(&r->incoming);
    free_clients(&r->queue);
    free_clients(&r->waiters);
    free(r->intent.client);
    free((char *)(uintptr_t)r->intent.payload.p);
    free(r->far);
    repl_log_destroy(r);
    free(r);
}

void repl_remove(struct repl_resource **at)
{
    struct repl_resource *r = *at, **slot = slot_of(r->node, r->id);
    while (*slot != r)
        slot = &(*slot)->next;
    *slot = r->next;
    *at = NULL;
    free_resource(r);
}

void repl_wake(struct repl_resource *r)
{
    list_remove(&r->active);
    list_push(&r->node->active, &r->active);
}

/* It has a time at which something is to be done. */
void repl_time(struct repl_resource *r)
{
    list_remove(&r->timed);
    list_push(&r->node->timed, &r->timed);
}

/* ---- batches ---- */

void repl_flush(struct repl_resource *r, enum repl_waits waits)
{
    struct repl_node *node = r->node;
    if (node->n_pending == node->pending_room) {
        size_t room = 2 * node->pending_room;
        struct repl_pending *ring = malloc(room * sizeof *ring);
        CHECK(ring);
        for (size_t i = 0; i < node->n_pending; i++)
            ring[i] = node->pending[(node->pending_first + i) % node->pending_room];
        free(node->pending);
        node->pending = ring;
        node->pending_first = 0;
        node->pending_room = room;
    }
    size_t last = (node->pending_first + node->n_pending++) % node->pending_room;
    node->pending[last] = (struct repl_pending){r, waits, r->record_written, r->actors_written};
    r->record_written = 0; /* until it is stored each batch has it */
    r->actors_written = 0;
    r->n_storing++;
    node->effects->persist(node->context, node->rows, node->n_rows);
    node->n_rows = 0;
    node->bytes.n = 0;
}

/* Does what calls have made necessary. A resource that waits for something is not active. */
void repl_work(struct repl_node *node)
{
    while (!list_is_empty(&node->active) && !node->is_failed) {
        struct repl_resource *r = LIST_ITEM(node->active.next, struct repl_resource, active);
        list_remove(&r->active);
        repl_advance(r);
    }
}

void repl_node_persisted(struct repl_node *node, struct repl_time now, int rc)
{
    node->now = now;
    CHECK(node->n_pending > 0);
    struct repl_pending p = node->pending[node->pending_first];
    node->pending_first = (node->pending_first + 1) % node->pending_room;
    node->n_pending--;
    p.r->n_storing--;
    if (rc == 0 && p.record)
        p.r->record_stored = p.record;
    if (rc == 0 && p.n_actors > p.r->actors_stored)
        p.r->actors_stored = p.n_actors;
    if (p.waits == REPL_INCOMING)
        repl_admitted(p.r, rc);
    else if (p.waits == REPL_TURN)
        repl_stored(p.r, rc);
    else if (rc < 0)
        node->is_failed = true; /* what is in memory is no longer what is stored */
    repl_wake(p.r);
    repl_work(node);
}

void repl_node_ran(struct repl_node *node, struct repl_time now, struct repl_id id, uint64_t ticket,
                   const struct repl_outcome *outcome)
{
    struct repl_resource *r = repl_find(node, id);
    node->now = now;
    if (!r || r->ticket != ticket || outcome->local.n > sizeof r->local)
        return;
    repl_ran(r, outcome);
    repl_work(node);
}

/* ---- clients ---- */

void repl_answer(struct repl_resource *r, struct repl_client *client, int rc, unsigned status)
{
    struct repl_answer answer = {
        .rc = rc, .status = status, .sites = r->sites, .pending = r->sites & ~client->ran};
    r->node->effects->answer(r->node->context, client->client, &answer);
    list_remove(&client->place);
    free(client);
}

static int check_request(struct repl_node *node, const struct repl_request *q,
                         const struct repl_resource *r)
{
    uint64_t self = UINT64_C(1) << node->config.self;
    uint32_t type = r ? r->type : q->type;
    if (node->is_failed)
        return ERR_CLOSED;
    if (type >= node->config.n_types || q->op_type + 1 >= node->types[type].matrix->n ||
        q->payload.n > REPL_PAYLOAD_BYTES || !q->client)
        return ERR_INVALID;
    bool creates = node->types[type].matrix->types[q->op_type].creates;
    if (creates && (!(q->sites & self) || q->sites >> (node->config.n_sites - 1) > 1))
        return ERR_INVALID;
    if (!creates && !r)
        return ERR_NOT_FOUND;
    return r && r->n_queue == REPL_MAX_QUEUE ? ERR_OVERLOADED : 0;
}

int repl_node_begin(struct repl_node *node, struct repl_time now, const struct repl_request *q)
{
    node->now = now;
    struct repl_resource *r = repl_find(node, q->id);
    int rc = check_request(node, q, r);
    if (rc < 0)
        return rc;
    struct repl_client *client = malloc(sizeof *client + q->payload.n + 1);
    if (!client)
        return ERR_NO_MEMORY;
    if (!r)
        r = repl_add(node, q->id, q->type, q->sites);
    if (!r) {
        free(client);
        return ERR_NO_MEMORY;
    }
    *client = (struct repl_client){.client = q->client,
                                   .deadline = now.ms + q->timeout_ms,
                                   .wait = q->wait,
                                   .op_type = q->op_type,
                                   .sites = q->sites,
                                   .payload = {(char *)(client + 1), q->payload.n}};
    if (q->payload.n)
        memcpy(client + 1, q->payload.p, q->payload.n);
    list_push(&r->queue, &client->place);
    r->n_queue++;
    repl_time(r);
    repl_wake(r);
    repl_work(node);
    return 0;
}

/* ---- time ---- */

static uint64_t first_deadline(const struct repl_resource *r)
{
    uint64_t at = r->retry_at ? r->retry_at : UINT64_MAX;
    list_for_each (it, &r->queue) {
        uint64_t deadline = LIST_ITEM(it, struct repl_client, place)->deadline;
        at = deadline < at ? deadline : at;
    }
    list_for_each (it, &r->waiters) {
        uint64_t deadline = LIST_ITEM(it, struct repl_client, place)->deadline;
        at = deadline < at ? deadline : at;
    }
    if (r->intent.client && r->intent.client->deadline < at)
        at = r->intent.client->deadline;
    if (r->n_waiting > 0 && r->waiting_until < at)
        at = r->waiting_until;
    return at;
}

static void end_clients(struct repl_resource *r)
{
    uint64_t now = r->node->now.ms;
    list_for_each_safe (it, &r->queue) {
        struct repl_client *c = LIST_ITEM(it, struct repl_client, place);
        if (c->deadline <= now) {
            r->n_queue--;
            r->has_retried = false;
            repl_answer(r, c, ERR_SERVICE_TIMEOUT, 0);
        }
    }
    list_for_each_safe (it, &r->waiters) {
        struct repl_client *c = LIST_ITEM(it, struct repl_client, place);
        if (c->deadline <= now)
            repl_answer(r, c, 0, c->status); /* as the first site said; who is pending is named */
    }
    if (r->intent.client && r->intent.client->deadline <= now && r->turn != REPL_INTENT_LOGGING) {
        repl_answer(r, r->intent.client,
                    r->intent.is_maybe || r->turn == REPL_INTENT_RUNNING ? ERR_MAYBE_RUN
                                                                         : ERR_SERVICE_TIMEOUT,
                    0);
        r->intent.client = NULL;
    }
}

void repl_node_tick(struct repl_node *node, struct repl_time now)
{
    node->now = now;
    list_for_each_safe (at, &node->timed) {
        struct repl_resource *r = LIST_ITEM(at, struct repl_resource, timed);
        uint64_t at_ms = first_deadline(r);
        if (at_ms == UINT64_MAX)
            list_remove(at);
        if (at_ms > now.ms)
            continue;
        end_clients(r);
        if (r->n_waiting > 0 && r->waiting_until <= now.ms)
            repl_drop_waiting(r);
        if (r->retry_at && r->retry_at <= now.ms)
            r->retry_at = 0;
        if (first_deadline(r) == UINT64_MAX)
            list_remove(&r->timed);
        repl_wake(r);
    }
    for (size_t site = 0; site < node->config.n_sites; site++)
        if (site != node->config.self && node->peers[site].next_exchange <= now.ms)
            repl_exchange(node, site);
    repl_work(node);
}

uint64_t repl_node_deadline(const struct repl_node *node)
{
    uint64_t least = UINT64_MAX;
    for (size_t site = 0; site < node->config.n_sites; site++)
        if (site != node->config.self && node->peers[site].next_exchange < least)
            least = node->peers[site].next_exchange;
    for (struct list *at = node->timed.next; at != &node->timed; at = at->next) {
        uint64_t one = first_deadline(LIST_ITEM(at, struct repl_resource, timed));
        least = one < least ? one : least;
    }
    return least;
}

void repl_node_peer_up(struct repl_node *node, struct repl_time now, size_t site)
{
    node->now = now;
    repl_exchange(node, site);
    repl_work(node);
}

static void for_each_resource(struct repl_node *node, void (*call)(struct repl_resource *r))
{
    for (size_t i = 0; i < node->n_slots; i++)
        for (struct repl_resource *r = node->slots[i], *next; r; r = next) {
            next = r->next;
            call(r);
        }
}

void repl_node_describe(struct repl_node *node, struct repl_time now, uint32_t type,
                        uint64_t digest)
{
    node->now = now;
    node->types[type].digest = digest;
    for (size_t site = 0; site < node->config.n_sites; site++)
        if (site != node->config.self)
            repl_exchange(node, site);
    repl_work(node);
}

/* ---- the node's own life ---- */

int repl_node_create(struct repl_node **out, const struct repl_config *config,
                     const struct repl_effects *effects, void *context)
{
    if (config->n_sites == 0 || config->n_sites > REPL_MAX_SITES ||
        config->self >= config->n_sites || config->n_types == 0)
        return ERR_INVALID;
    struct repl_node *node = calloc(1, sizeof *node);
    if (!node)
        return ERR_NO_MEMORY;
    node->config = *config;
    node->effects = effects;
    node->context = context;
    node->random = config->seed;
    list_init(&node->active);
    list_init(&node->timed);
    list_init(&node->watching);
    node->rows_room = REPL_ROOM;
    node->rows = malloc(REPL_ROOM * sizeof *node->rows);
    node->n_slots = FIRST_SLOTS;
    node->pending_room = 16;
    node->slots = calloc(node->n_slots, sizeof(struct repl_resource *));
    node->types = malloc(config->n_types * sizeof *node->types);
    node->pending = malloc(node->pending_room * sizeof *node->pending);
    node->message = malloc(REPL_MESSAGE_BYTES);
    char *bytes = malloc(REPL_ROWS_BYTES);
    out_init(&node->bytes, bytes, REPL_ROWS_BYTES);
    struct out name;
    out_init(&name, node->name, sizeof node->name);
    out_str(&name, config->sites[config->self]);
    out_char(&name, '#');
    out_hex64(&name, config->incarnation);
    node->n_name = name.n;
    int rc = name.overflowed ? ERR_INVALID : 0;
    if (!node->slots || !node->types || !node->pending || !node->message || !node->rows || !bytes)
        rc = ERR_NO_MEMORY;
    if (rc == 0)
        memcpy(node->types, config->types, config->n_types * sizeof *node->types);
    *out = node;
    if (rc < 0)
        repl_node_destroy(out);
    return rc;
}

void repl_node_destroy(struct repl_node **at)
{
    struct repl_node *node = *at;
    if (!node)
        return;
    for (size_t i = 0; node->slots && i < node->n_slots; i++)
        for (struct repl_resource *r = node->slots[i], *next; r; r = next) {
            next = r->next;
            free_resource(r);
        }
    free(node->slots);
    free(node->types);
    free(node->pending);
    free(node->message);
    free(node->rows);
    free(node->bytes.p);
    free(node);
    *at = NULL;
}

int repl_node_load(struct repl_node *node, const struct repl_row *row)
{
    return repl_row_load(node, row);
}

static void start_resource(struct repl_resource *r)
{
    repl_vector_changed(r);
    repl_wake(r);
}

int repl_node_start(struct repl_node *node, struct repl_time now)
{
    node->now = now;
    node->is_started = true;
    for (size_t i = 0; i < node->n_slots; i++)
        for (struct repl_resource *r = node->slots[i]; r; r = r->next) {
            int rc = repl_restore(r);
            if (rc == 0)
                rc = repl_actor(r, (struct str){node->name, node->n_name}, &r->self);
            if (rc < 0)
                return rc;
            repl_load_destroy(r);
        }
    for_each_resource(node, start_resource);
    for (size_t site = 0; site < node->config.n_sites; site++)
        if (site != node->config.self)
            repl_exchange(node, site);
    repl_work(node);
    return 0;
}

bool repl_node_is_failed(const struct repl_node *node)
{
    return node->is_failed;
}

const struct repl_counts *repl_node_counts(const struct repl_node *node)
{
    return &node->counts;
}

/* What is_settled says is true until something is begun. */
bool repl_is_settled(const struct repl_resource *r)
{
    return r->is_settled && r->turn == REPL_IDLE && !r->intent.is_set &&
           list_is_empty(&r->incoming);
}

bool repl_node_view(struct repl_node *node, struct repl_id id, struct repl_view *out)
{
    struct repl_resource *r = repl_find(node, id);
    if (!r)
        return false;
    *out = (struct repl_view){.log = r->log,
                              .replica = &r->replica,
                              .local = {r->local, r->n_local},
                              .sites = r->sites,
                              .is_joining = r->is_joining,
                              .is_settled = repl_is_settled(r),
                              .is_failed = r->is_failed,
                              .is_diverged = r->is_diverged,
                              .n_waiting = r->n_waiting};
    return true;
}
