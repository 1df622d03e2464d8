/* A transaction lets its configuration go, and who asks for names of it is answered all the same.
 */
#include "proxy/outlive.h"

const struct cfg_timeouts *txn_timeouts(const struct txn *t)
{
    return t->own ? &t->own->timeouts : &txn_cfg(t)->timeouts;
}

struct str txn_service_name(const struct txn *t)
{
    return t->own ? t->own->service : t->service ? t->service->name : STR_NULL;
}

struct str txn_type_name(const struct txn *t)
{
    return t->own ? t->own->type : t->class_.type ? t->class_.type->name : STR_NULL;
}

struct str txn_from_name(const struct txn *t)
{
    if (t->own || !t->is_leg)
        return t->own ? t->own->from : STR_NULL;
    return txn_cfg(t)->sites[t->from_site].name;
}

struct str txn_leg_name(const struct txn *t, size_t leg)
{
    return t->own ? t->own->legs[leg].site : txn_cfg(t)->sites[t->legs[leg].site].name;
}

uint16_t txn_leg_number(const struct txn *t, size_t leg)
{
    return t->own ? t->own->legs[leg].site_number : t->conf->site_numbers[t->legs[leg].site];
}

uint16_t txn_service_number(const struct txn *t)
{
    if (t->own)
        return t->own->service_number;
    return t->service ? t->conf->service_numbers[t->service->index] : PROXY_NAME_OTHER;
}

/* NULL: no memory. */
static struct txn_own *copy(struct txn *t)
{
    struct arena *a = &t->x->arena;
    struct txn_own *own = arena_zalloc(a, sizeof *own);
    struct txn_own_leg *legs = arena_zalloc(a, t->n_legs * sizeof *legs);
    if (!own || !legs)
        return NULL;
    own->timeouts = *txn_timeouts(t);
    own->service = arena_str(a, txn_service_name(t));
    own->type = arena_str(a, txn_type_name(t));
    own->from = arena_str(a, txn_from_name(t));
    own->service_number = txn_service_number(t);
    own->legs = legs;
    for (size_t i = 0; i < t->n_legs; i++) {
        legs[i].site = arena_str(a, txn_leg_name(t, i));
        legs[i].site_number = txn_leg_number(t, i);
    }
    return arena_overflowed(a) ? NULL : own;
}

/* No request comes after it on a listener that is gone, which then needs no configuration. */
static void end_with_listener(struct txn *t)
{
    const struct proxy_listener *l = t->x->conn->server->context;
    if (l->is_retired)
        t->x->closes = true;
}

void txn_outlive(struct txn *t)
{
    bool flows = t->state == TXN_ANSWER || t->state == TXN_TUNNEL;
    if (t->conf == t->worker->conf || !flows)
        return;
    end_with_listener(t);
    if (t->own || t->gather || !(t->request_done || t->up_broken))
        return;
    struct txn_own *own = copy(t);
    if (!own)
        return;
    txn_drop_held(t);
    rt_waiter_leave(&t->waiter);
    http_pool_move(t->up, &t->worker->outlived);
    t->own = own;
    t->service = NULL;
    t->class_.type = NULL;
    t->listener = NULL;
    proxy_conf_unref(&t->conf);
}
