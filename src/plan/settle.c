/* When one alternative of an otherwise counts as success, and what follows when it does not:
 * docs/scope-lang.md section 4, "Success of one alternative". */
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
