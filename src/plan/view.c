/* What both printed forms of a plan show of sites and options. */
#include "plan/internal.h"

uint32_t plan_rtt_from_here(const struct plan_sites *sites, size_t site)
{
    return site == sites->self ? PLAN_RTT_UNKNOWN
                               : sites->rtt_us(sites->context, sites->self, site);
}

enum plan_site_state plan_state_of(const struct plan_sites *sites, size_t site)
{
    return site == sites->self ? PLAN_SITE_UP : sites->state(sites->context, site);
}

struct str plan_wait_name(enum scope_wait wait)
{
    switch (wait) {
    case SCOPE_WAIT_UNSET:
        return STR_NULL;
    case SCOPE_WAIT_ONE:
        return STR("one");
    case SCOPE_WAIT_MAJORITY:
        return STR("majority");
    case SCOPE_WAIT_ALL:
        return STR("all");
    }
    return STR_NULL;
}

struct str plan_consistency_name(enum scope_consistency consistency)
{
    if (consistency == SCOPE_CONSISTENCY_UNSET)
        return STR_NULL;
    return consistency == SCOPE_STRONG ? STR("strong") : STR("eventual");
}

struct plan_shown plan_shown_of(const struct plan *p, const struct plan_leg *leg)
{
    struct plan_shown s = {0};
    for (size_t i = 0; i < p->n_legs; i++) {
        const struct plan_leg *other = &p->legs[i];
        if (other->alternative != leg->alternative)
            s.alternative = true;
        else if (other->part != leg->part)
            s.part = true;
        else if (other->choice != leg->choice)
            s.choice = true;
        else if (other->replica != leg->replica)
            s.replica = true;
        else if (other->candidate != leg->candidate)
            s.candidate = true;
    }
    return s;
}

/* Recursion is as deep as a scope may be. */
static bool is_fixed(const struct scope_loc *loc)
{
    if (loc->kind == SCOPE_AROUND || loc->kind == SCOPE_ALL)
        return false;
    for (const struct scope_loc *o = loc->first; o; o = o->next)
        if (!is_fixed(o))
            return false;
    return true;
}

bool plan_is_fixed(const struct plan *p)
{
    return p->policy != PLAN_NEAREST && (!p->binding || is_fixed(p->binding->loc));
}

bool plan_is_left_out(const struct plan_sites *sites, const struct scope_loc *around, size_t site,
                      uint32_t *rtt)
{
    long centre = around->name.p ? plan_site_find(sites, around->name) : (long)sites->self;
    if (centre < 0 || (size_t)centre == site)
        return false;
    *rtt = sites->rtt_us(sites->context, (size_t)centre, site);
    return *rtt == PLAN_RTT_UNKNOWN || *rtt > around->duration.us;
}
