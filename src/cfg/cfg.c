/* The life of a snapshot, and what is looked up in it. */
#include "cfg/cfg.h"

#include <stdatomic.h>
#include <stdlib.h>

#define DESCRIPTORS_BESIDE 256 /* listeners, logs, loops, links to other sites, the admin API */

struct cfg *cfg_ref(struct cfg *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

static void destroy(struct cfg *c)
{
    for (size_t i = 0; i < c->n_listeners; i++)
        rt_tls_unref(&c->listeners[i].tls);
    for (size_t i = 0; c->instances && i < c->app->n_services; i++) {
        rt_name_unref(&c->instances[i].name);
        rt_tls_unref(&c->instances[i].tls);
    }
    for (size_t i = 0; i < c->n_sites; i++)
        rt_name_unref(&c->sites[i].address);
    rt_tls_unref(&c->peers.server);
    rt_tls_unref(&c->peers.client);
    rt_revoked_unref(&c->peers.revoked);
    arena_fini(&c->arena);
    if (c->live)
        counter_give(c->live);
    free(c);
}

void cfg_unref(struct cfg **cp)
{
    struct cfg *c = *cp;
    *cp = NULL;
    if (c && atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1)
        destroy(c);
}

void cfg_count(struct cfg *c, struct counter *live)
{
    c->live = live;
    counter_take(live, UINT64_MAX);
}

const struct cfg_instance *cfg_instance_of(const struct cfg *c, const struct app_service *service)
{
    const struct cfg_instance *i = &c->instances[service->index];
    return i->service ? i : NULL;
}

const struct app_service *cfg_service_at(const struct cfg *c, unsigned port)
{
    for (size_t i = 0; i < c->n_listeners; i++) {
        const struct rt_address *a = &c->listeners[i].address;
        bool is_tcp = a->sa.sa_family == AF_INET || a->sa.sa_family == AF_INET6;
        /* Port and family are at the same place for both. */
        if (is_tcp && ntohs(a->in.sin_port) == port && c->listeners[i].service)
            return c->listeners[i].service;
    }
    return NULL;
}

uint64_t cfg_descriptors(const struct cfg *c, size_t workers)
{
    return 2 * c->limits.connections * workers + DESCRIPTORS_BESIDE;
}

long cfg_site_find(const struct cfg *c, struct str name)
{
    for (size_t i = 0; i < c->n_sites; i++)
        if (str_eq(c->sites[i].name, name))
            return (long)i;
    return -1;
}
