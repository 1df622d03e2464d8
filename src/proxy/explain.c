#include "proxy/explain.h"

/* ---- the table of sites, as a plan asks it */

static enum plan_site_state site_state(const void *context, size_t site)
{
    switch (peer_sites_state(context, site)) {
    case PEER_SITE_UP:
        return PLAN_SITE_UP;
    case PEER_SITE_SUSPECT:
        return PLAN_SITE_SUSPECT;
    case PEER_SITE_DOWN:
        return PLAN_SITE_DOWN;
    case PEER_SITE_UNKNOWN:
        break;
    }
    return PLAN_SITE_UNKNOWN;
}

static uint32_t site_rtt(const void *context, size_t from, size_t to)
{
    uint32_t us = peer_sites_rtt_us(context, from, to);
    return us == PEER_RTT_UNKNOWN ? PLAN_RTT_UNKNOWN : us;
}

struct plan_sites proxy_plan_sites(const struct cfg *cfg, const struct str *names,
                                   const struct peer_sites *sites)
{
    return (struct plan_sites){names, cfg->n_sites, cfg->self, sites, site_state, site_rtt};
}

/* ---- explain */

static const struct app_service *service_at(const void *context, unsigned port)
{
    return cfg_service_at(context, port);
}

static bool suffix_allowed(const void *context, const struct app_service *service)
{
    const struct cfg_instance *instance = cfg_instance_of(context, service);
    return !instance || instance->credential_checks_pass; /* another site's: what is usual */
}

int proxy_explain(const struct cfg *cfg, const struct peer_sites *sites,
                  const struct proxy_explain *e, struct arena *a, struct out *o,
                  struct plan_explain_failure *failure)
{
    struct str *names = arena_alloc(a, cfg->n_sites * sizeof *names);
    if (!names)
        return diag_set(&failure->diag, ERR_NO_MEMORY, "the list of sites is too long");
    for (size_t i = 0; i < cfg->n_sites; i++)
        names[i] = cfg->sites[i].name;
    struct plan_sites plan_sites = proxy_plan_sites(cfg, names, sites);
    struct plan_explain x = {.app = cfg->app,
                             .service = e->service,
                             .sites = &plan_sites,
                             .context = cfg,
                             .service_at = service_at,
                             .suffix_allowed = suffix_allowed,
                             .method = e->method,
                             .target = e->target,
                             .scope = e->scope,
                             .fields = e->fields,
                             .n_fields = e->n_fields,
                             .as_json = e->as_json};
    return plan_explain(&x, a, o, failure);
}
