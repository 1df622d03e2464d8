/* When one alternative of an otherwise counts as success, and what follows when it does not; what
 * becomes of the parts of a list: docs/scope-lang.md section 4, "Success of one alternative" and
 * "Lists over sites". */
#include "plan/gather.h"
#include "plan/plan.h"

/* The alternative failed and nothing of it can have been run, or running it again does no harm. */
static enum plan_verdict try_next(const struct plan_attempt *a)
{
    return a->is_last || a->body_gone ? PLAN_FAIL : PLAN_NEXT;
}

static enum plan_verdict settle_status(const struct plan_attempt *a)
{
    /* Only what a safe method asked for can be empty: a change that was made stands. */
    bool is_empty = a->is_empty_select && a->is_safe && a->status < 400;
    if (a->status < 400 && !is_empty)
        return PLAN_ACCEPT;
    /* The application knows the caller and refuses him: asking elsewhere would be a way around. */
    if (a->status == 401 || a->status == 403)
        return PLAN_ACCEPT;
    /* Once the body flowed the choice stands, whatever came of it. */
    if (a->body_gone)
        return PLAN_ACCEPT;
    return try_next(a);
}

enum plan_verdict plan_settle_otherwise(const struct plan_attempt *a)
{
    switch (a->end) {
    case PLAN_END_STATUS:
        return settle_status(a);
    case PLAN_END_REFUSED:
        return try_next(a);
    case PLAN_END_NO_ANSWER:
        return a->is_safe ? try_next(a) : PLAN_STOP;
    }
    return PLAN_STOP;
}

/* How good an answer is that is no list, the best first. */
static unsigned rank(const struct gather_part *p)
{
    if (p->status == 0)
        return 4;
    if (p->status < 400)
        return 0;
    if (p->status == 401 || p->status == 403)
        return 1;
    return p->status < 500 ? 2 : 3;
}

enum gather_verdict gather_settle(const struct gather_part *parts, size_t n, bool missing_fails,
                                  size_t *which)
{
    bool is_ready = false, is_missing = false;
    *which = 0;
    for (size_t i = 0; i < n; i++) {
        if (parts[i].state == GATHER_PART_OPEN)
            return GATHER_UNDECIDED;
        is_ready |= parts[i].state == GATHER_PART_READY;
        if (parts[i].state != GATHER_PART_MISSING)
            continue;
        if (!is_missing || rank(&parts[i]) < rank(&parts[*which]))
            *which = i;
        is_missing = true;
    }
    if (is_ready)
        return is_missing && missing_fails ? GATHER_FAIL : GATHER_ANSWER;
    return parts[*which].status ? GATHER_PASS : GATHER_FAIL;
}
