/* plan_settle_otherwise against the paragraph "Success of one alternative" (docs/scope-lang.md
 * section 4), sentence by sentence, over everything that an attempt can be. */
#include "plan_test.h"

static const unsigned statuses[] = {101, 200, 201, 204, 206, 301, 304, 307, 399,
                                    400, 401, 402, 403, 404, 405, 409, 410, 413,
                                    429, 499, 500, 501, 502, 503, 504, 599};

/* The sentences, in the order in which they bind. */
static enum plan_verdict by_the_text(const struct plan_attempt *a)
{
    unsigned status = a->status;
    bool can_go_on = !a->is_last && !a->body_gone;
    if (a->end == PLAN_END_REFUSED) /* "when no byte of it was sent", for any method */
        return can_go_on ? PLAN_NEXT : PLAN_FAIL;
    if (a->end == PLAN_END_NO_ANSWER && !a->is_safe) /* "stops the chain with 504" */
        return PLAN_STOP;
    if (a->end == PLAN_END_NO_ANSWER) /* "after anything else a safe method moves on" */
        return can_go_on ? PLAN_NEXT : PLAN_FAIL;
    if (a->is_safe && a->is_empty_select && status < 400) /* "counts as 404" */
        status = 404;
    if (status < 400) /* "a final answer with a status below 400" */
        return PLAN_ACCEPT;
    if (status == 401 || status == 403) /* "except after the application's own 401 or 403" */
        return PLAN_ACCEPT;
    if (a->body_gone) /* "once it flows the choice stands" */
        return PLAN_ACCEPT;
    return a->is_last ? PLAN_FAIL : PLAN_NEXT; /* "every alternative failed" */
}

static void check(const struct plan_attempt *a)
{
    enum plan_verdict got = plan_settle_otherwise(a), want = by_the_text(a);
    if (got != want)
        fail_msg("end %d status %u safe %d empty %d last %d gone %d: %d, not %d", (int)a->end,
                 a->status, a->is_safe, a->is_empty_select, a->is_last, a->body_gone, (int)got,
                 (int)want);
}

static void test_every_attempt(void **state)
{
    for (unsigned bits = 0; bits < 16; bits++) {
        struct plan_attempt a = {.is_safe = bits & 1,
                                 .is_empty_select = bits & 2,
                                 .is_last = bits & 4,
                                 .body_gone = bits & 8};
        for (unsigned i = 0; i < COUNT_OF(statuses); i++) {
            a.end = PLAN_END_STATUS;
            a.status = statuses[i];
            check(&a);
        }
        a.status = 0;
        a.end = PLAN_END_REFUSED;
        check(&a);
        a.end = PLAN_END_NO_ANSWER;
        check(&a);
    }
}

/* The same table, its rows written out by hand: what a reader of the page expects. */
static void test_rows(void **state)
{
    static const struct {
        struct plan_attempt attempt;
        enum plan_verdict verdict;
    } rows[] = {
        {{PLAN_END_STATUS, 200, .is_safe = true}, PLAN_ACCEPT},
        {{PLAN_END_STATUS, 302, .is_safe = true}, PLAN_ACCEPT},
        {{PLAN_END_STATUS, 404, .is_safe = true}, PLAN_NEXT},
        {{PLAN_END_STATUS, 401, .is_safe = true}, PLAN_ACCEPT},
        {{PLAN_END_STATUS, 403, .is_safe = false}, PLAN_ACCEPT},
        {{PLAN_END_STATUS, 404, .is_safe = true, .is_last = true}, PLAN_FAIL},
        {{PLAN_END_STATUS, 403, .is_safe = true, .is_last = true}, PLAN_ACCEPT},
        {{PLAN_END_STATUS, 200, .is_safe = true, .is_empty_select = true}, PLAN_NEXT},
        {{PLAN_END_STATUS, 200, .is_safe = true, .is_empty_select = true, .is_last = true},
         PLAN_FAIL},
        /* A change that was made is never made again elsewhere. */
        {{PLAN_END_STATUS, 201, .is_safe = false, .is_empty_select = true}, PLAN_ACCEPT},
        {{PLAN_END_STATUS, 500, .is_safe = false}, PLAN_NEXT},
        {{PLAN_END_STATUS, 500, .is_safe = false, .body_gone = true}, PLAN_ACCEPT},
        {{PLAN_END_REFUSED, 0, .is_safe = false}, PLAN_NEXT},
        {{PLAN_END_REFUSED, 0, .is_safe = false, .is_last = true}, PLAN_FAIL},
        {{PLAN_END_REFUSED, 0, .is_safe = false, .body_gone = true}, PLAN_FAIL},
        {{PLAN_END_NO_ANSWER, 0, .is_safe = true}, PLAN_NEXT},
        {{PLAN_END_NO_ANSWER, 0, .is_safe = true, .is_last = true}, PLAN_FAIL},
        {{PLAN_END_NO_ANSWER, 0, .is_safe = false}, PLAN_STOP},
        {{PLAN_END_NO_ANSWER, 0, .is_safe = false, .is_last = true}, PLAN_STOP},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (plan_settle_otherwise(&rows[i].attempt) != rows[i].verdict)
            fail_msg("row %zu", i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_attempt),
                                       cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
