/* The rows of the store: what each value is made of, and how it is read again. */
#include "repl/internal.h"
#include <stdlib.h>

bool repl_rows_reserve(struct repl_node *node, size_t n)
{
    if (n <= node->rows_room)
        return true;
    struct repl_row *rows = realloc(node->rows, n * sizeof *rows);
    if (!rows)
        return false;
    node->rows = rows;
    node->rows_room = n;
    return true;
}

/* A row whose value is what is written until end(). */
static struct repl_row *begin(struct repl_resource *r, enum repl_row_kind kind, uint32_t actor,
                              uint64_t n)
{
    struct repl_node *node = r->node;
    CHECK(node->n_rows < node->rows_room);
    struct repl_row *row = &node->rows[node->n_rows++];
    *row = (struct repl_row){.kind = kind,
                             .id = r->id,
                             .actor = actor,
                             .n = n,
                             .value.p = node->bytes.p + node->bytes.n};
    return row;
}

static void end(struct repl_resource *r, struct repl_row *row)
{
    struct out *o = &r->node->bytes;
    CHECK(!o->overflowed);
    row->value.n = (size_t)(o->p + o->n - row->value.p);
}

void repl_row_gone(struct repl_resource *r, enum repl_row_kind kind, uint32_t actor, uint64_t n)
{
    begin(r, kind, actor, n)->value = STR_NULL;
}

void repl_row_record(struct repl_resource *r)
{
    struct repl_node *node = r->node;
    struct repl_row *row = begin(r, REPL_ROW_RECORD, 0, 0);
    repl_put_str(&node->bytes, node->types[r->type].name);
    repl_put_u64(&node->bytes, (uint64_t)__builtin_popcountll(r->sites));
    for (size_t i = 0; i < node->config.n_sites; i++)
        if (r->sites >> i & 1)
            repl_put_str(&node->bytes, node->config.sites[i]);
    repl_put_u64(&node->bytes, r->clock);
    end(r, row);
    r->record_written = r->record;
}

void repl_row_actor(struct repl_resource *r, uint32_t actor, uint64_t count)
{
    struct out *o = &r->node->bytes;
    list_for_each (at, &r->incoming) { /* an earlier batch has what is forgotten; it stays so */
        const struct repl_op *op = LIST_ITEM(at, struct repl_op, place);
        if (op->actor == actor && op->hole_to > count)
            count = op->hole_to;
    }
    struct repl_row *row = begin(r, REPL_ROW_ACTOR, actor, 0);
    repl_put_str(o, r->log->actors[actor]->name);
    repl_put_u64(o, count);
    repl_put_u64(o, *repl_horizon(r, actor));
    end(r, row);
}

void repl_row_actors(struct repl_resource *r)
{
    if (r->record_stored != r->record && r->record_written != r->record)
        repl_row_record(r);
    if (r->actors_written < r->actors_stored)
        r->actors_written = r->actors_stored;
    for (; r->actors_written < r->log->n_actors; r->actors_written++)
        repl_row_actor(r, r->actors_written, r->log->actors[r->actors_written]->count);
}

static void put_saw(struct out *o, const uint64_t *saw, uint32_t n)
{
    repl_put_u64(o, n);
    for (uint32_t i = 0; i < n; i++)
        repl_put_u64(o, saw[i]);
}

static uint32_t get_saw(struct repl_reader *in, uint64_t *saw)
{
    uint32_t n = (uint32_t)repl_get_max(in, OP_MAX_ACTORS);
    for (uint32_t i = 0; i < n; i++)
        saw[i] = repl_get_u64(in);
    return in->is_bad ? 0 : n;
}

void repl_row_operation(struct repl_resource *r, const struct repl_op *op)
{
    struct out *o = &r->node->bytes;
    struct repl_row *row = begin(r, REPL_ROW_OPERATION, op->actor, op->n);
    repl_put_u64(o, op->type);
    repl_put_u64(o, op->clock);
    repl_put_u64(o, op->life);
    if (op->op) /* it is in the log, which has its copy */
        put_saw(o, op->op->saw, op->op->n_saw);
    else
        put_saw(o, op->saw, op->n_saw);
    repl_put_str(o, op->payload);
    end(r, row);
}

void repl_row_outcome(struct repl_resource *r, const struct op_operation *op)
{
    struct out *o = &r->node->bytes;
    struct repl_row *row = begin(r, REPL_ROW_OUTCOME, op->actor, op->n);
    repl_put_u64(o, op->ran);
    repl_put_u64(o, op->failed);
    repl_put_u64(o, op->status);
    end(r, row);
}

static void put_dot(struct out *o, struct op_dot dot)
{
    repl_put_u64(o, dot.actor);
    repl_put_u64(o, dot.n);
}

static struct op_dot get_dot(struct repl_reader *in)
{
    uint32_t actor = (uint32_t)repl_get_max(in, OP_MAX_ACTORS - 1);
    return (struct op_dot){actor, repl_get_u64(in)};
}

void repl_row_replica(struct repl_resource *r)
{
    struct out *o = &r->node->bytes;
    const struct op_replica_row *at = &r->replica.row;
    struct repl_row *row = begin(r, REPL_ROW_REPLICA, 0, 0);
    repl_put_u64(o, at->has_base);
    repl_put_u64(o, at->exists);
    repl_put_u64(o, at->mark_kind);
    repl_put_u64(o, at->is_lost);
    put_dot(o, at->base);
    put_dot(o, at->made);
    put_dot(o, at->mark);
    repl_put_u64(o, at->seq);
    repl_put_u64(o, at->base_seq);
    repl_put_str(o, (struct str){r->local, r->n_local});
    end(r, row);
}

void repl_row_intent(struct repl_resource *r)
{
    struct out *o = &r->node->bytes;
    const struct repl_intent *it = &r->intent;
    struct repl_row *row = begin(r, REPL_ROW_INTENT, 0, 0);
    repl_put_u64(o, it->op_type);
    repl_put_u64(o, it->sites);
    put_saw(o, it->saw, it->n_saw);
    repl_put_str(o, it->payload);
    end(r, row);
}

/* ---- reading ---- */

static void get_record(struct repl_reader *in, struct repl_row_record *out)
{
    out->type = repl_get_str(in);
    out->n_sites = (size_t)repl_get_max(in, REPL_MAX_SITES);
    for (size_t i = 0; i < out->n_sites; i++)
        out->sites[i] = repl_get_str(in);
    out->clock = repl_get_u64(in);
}

bool repl_row_get_record(struct str value, struct repl_row_record *out)
{
    struct repl_reader in = {.rest = value};
    get_record(&in, out);
    return repl_get_end(&in);
}

static int find_site(const struct repl_node *node, struct str name)
{
    for (size_t i = 0; i < node->config.n_sites; i++)
        if (str_eq(node->config.sites[i], name))
            return (int)i;
    return -1;
}

static int load_record(struct repl_node *node, struct repl_id id, struct repl_reader *in)
{
    struct repl_row_record record;
    uint64_t sites = 0;
    get_record(in, &record);
    if (in->is_bad)
        return ERR_INVALID;
    for (size_t i = 0; i < record.n_sites; i++) {
        int site = find_site(node, record.sites[i]);
        if (site >= 0) /* one that was taken out of the configuration needs nothing more */
            sites |= UINT64_C(1) << site;
    }
    for (uint32_t type = 0; type < node->config.n_types; type++) {
        if (!str_eq(node->types[type].name, record.type))
            continue;
        struct repl_resource *r = repl_add(node, id, type, sites);
        if (!r)
            return ERR_NO_MEMORY;
        r->record_stored = r->record;
        r->clock = record.clock;
        return 0;
    }
    return ERR_INVALID;
}

static int load_actor(struct repl_resource *r, uint32_t actor, struct repl_reader *in)
{
    struct str name = repl_get_str(in);
    uint64_t count = repl_get_u64(in), horizon = repl_get_u64(in);
    uint32_t at;
    int rc = in->is_bad ? ERR_INVALID : repl_actor(r, name, &at);
    if (rc < 0 || at != actor)
        return rc < 0 ? rc : ERR_INVALID;
    r->actors_stored = r->log->n_actors;
    op_log_skip(r->log, actor, count);
    *repl_horizon(r, actor) = horizon;
    return 0;
}

static bool keep_loaded(struct repl_loaded *load, struct repl_op *op)
{
    if (load->n == load->room) {
        size_t room = load->room ? 2 * load->room : 16;
        struct repl_op **ops = realloc(load->ops, room * sizeof(struct repl_op *));
        if (!ops)
            return false;
        load->ops = ops;
        load->room = room;
    }
    load->ops[load->n++] = op;
    return true;
}

static int load_operation(struct repl_resource *r, const struct repl_row *row,
                          struct repl_reader *in)
{
    uint64_t saw[OP_MAX_ACTORS];
    uint32_t type = (uint32_t)repl_get_max(in, OP_MAX_TYPES);
    uint64_t clock = repl_get_u64(in);
    uint32_t life = (uint32_t)repl_get_max(in, OP_LIFE_UNKNOWN - 1);
    uint32_t n_saw = get_saw(in, saw);
    struct str payload = repl_get_str(in);
    struct repl_op *op = in->is_bad ? NULL : repl_op_create(payload, saw, n_saw);
    if (!op)
        return in->is_bad ? ERR_INVALID : ERR_NO_MEMORY;
    op->actor = row->actor;
    op->n = row->n;
    op->type = type;
    op->clock = clock;
    op->life = life;
    if (!keep_loaded(r->load, op)) {
        repl_op_destroy(&op);
        return ERR_NO_MEMORY;
    }
    return 0;
}

static int compare_loaded(const void *a, const void *b)
{
    const struct repl_op *x = *(struct repl_op *const *)a, *y = *(struct repl_op *const *)b;
    if (x->actor != y->actor)
        return x->actor < y->actor ? -1 : 1;
    return x->n < y->n ? -1 : x->n > y->n;
}

void repl_load_sort(struct repl_loaded *load)
{
    if (!load->is_sorted && load->n > 0)
        qsort(load->ops, load->n, sizeof(struct repl_op *), compare_loaded);
    load->is_sorted = true;
}

/* Kept with the operation until the log is made of what was loaded. */
static int load_outcome(struct repl_resource *r, const struct repl_row *row, struct repl_reader *in)
{
    struct repl_op wanted = {.actor = row->actor, .n = row->n}, *key = &wanted;
    repl_load_sort(r->load);
    struct repl_op **found = r->load->n ? bsearch(&key, r->load->ops, r->load->n,
                                                  sizeof(struct repl_op *), compare_loaded)
                                        : NULL;
    if (!found)
        return ERR_INVALID;
    (*found)->loaded_ran = repl_get_u64(in);
    (*found)->loaded_failed = repl_get_u64(in);
    (*found)->loaded_status = (unsigned)repl_get_max(in, 999);
    return in->is_bad ? ERR_INVALID : 0;
}

static struct str get_replica(struct repl_reader *in, struct op_replica_row *at)
{
    at->has_base = repl_get_bool(in);
    at->exists = (uint8_t)repl_get_max(in, OP_EXISTS_MAYBE);
    at->mark_kind = (uint8_t)repl_get_max(in, OP_STEP_ASK);
    at->is_lost = repl_get_bool(in);
    at->base = get_dot(in);
    at->made = get_dot(in);
    at->mark = get_dot(in);
    at->seq = repl_get_u64(in);
    at->base_seq = repl_get_u64(in);
    return repl_get_str(in);
}

bool repl_row_get_local(struct str value, struct str *out)
{
    struct repl_reader in = {.rest = value};
    struct op_replica_row row;
    *out = get_replica(&in, &row);
    return repl_get_end(&in);
}

static int load_replica(struct repl_resource *r, struct repl_reader *in)
{
    struct str local = get_replica(in, &r->load->replica);
    if (in->is_bad || local.n > sizeof r->local)
        return ERR_INVALID;
    if (local.n)
        memcpy(r->local, local.p, local.n);
    r->n_local = local.n;
    r->load->has_replica = true;
    return 0;
}

static int load_intent(struct repl_resource *r, struct repl_reader *in)
{
    struct repl_intent *it = &r->intent;
    it->op_type = (uint32_t)repl_get_max(in, OP_MAX_TYPES);
    it->sites = repl_get_u64(in);
    it->n_saw = get_saw(in, it->saw);
    struct str payload = repl_get_str(in);
    char *copy = in->is_bad ? NULL : malloc(payload.n + 1);
    if (!copy)
        return in->is_bad ? ERR_INVALID : ERR_NO_MEMORY;
    if (payload.n)
        memcpy(copy, payload.p, payload.n);
    it->payload = (struct str){copy, payload.n};
    it->is_set = it->is_maybe = true;
    return 0;
}

int repl_row_load(struct repl_node *node, const struct repl_row *row)
{
    struct repl_reader in = {.rest = row->value};
    struct repl_resource *r = repl_find(node, row->id);
    if ((row->kind == REPL_ROW_RECORD) != (r == NULL))
        return ERR_INVALID;
    int rc = ERR_INVALID;
    switch (row->kind) {
    case REPL_ROW_RECORD:
        rc = load_record(node, row->id, &in);
        break;
    case REPL_ROW_ACTOR:
        rc = load_actor(r, row->actor, &in);
        break;
    case REPL_ROW_OPERATION:
        rc = load_operation(r, row, &in);
        break;
    case REPL_ROW_OUTCOME:
        rc = load_outcome(r, row, &in);
        break;
    case REPL_ROW_REPLICA:
        rc = load_replica(r, &in);
        break;
    case REPL_ROW_INTENT:
        rc = load_intent(r, &in);
        break;
    case REPL_ROWS:
        break;
    }
    return rc == 0 && !repl_get_end(&in) ? ERR_INVALID : rc;
}
