/* The words of plans, and the look-up of a site. */
#include "plan/plan.h"

struct str plan_form_name(enum plan_form form)
{
    switch (form) {
    case PLAN_LOCAL:
        return STR("local");
    case PLAN_ONE:
        return STR("one");
    case PLAN_OTHERWISE:
        return STR("otherwise");
    case PLAN_REPLICA:
        return STR("replica");
    case PLAN_CROSS:
        return STR("cross");
    case PLAN_FORMS:
        break;
    }
    return STR("");
}

struct str plan_policy_name(enum plan_policy policy)
{
    switch (policy) {
    case PLAN_FORWARD:
        return STR("forward");
    case PLAN_FIRST:
        return STR("first");
    case PLAN_NEAREST:
        return STR("nearest");
    case PLAN_MERGE:
        return STR("merge");
    case PLAN_EVERYWHERE:
        return STR("everywhere");
    }
    return STR("");
}

struct str plan_state_name(enum plan_site_state state)
{
    switch (state) {
    case PLAN_SITE_UNKNOWN:
        return STR("unknown");
    case PLAN_SITE_UP:
        return STR("up");
    case PLAN_SITE_SUSPECT:
        return STR("suspect");
    case PLAN_SITE_DOWN:
        return STR("down");
    }
    return STR("");
}

long plan_site_find(const struct plan_sites *sites, struct str name)
{
    size_t from = 0, to = sites->n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = str_cmp(sites->names[middle], name);
        if (order == 0)
            return (long)middle;
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return -1;
}
