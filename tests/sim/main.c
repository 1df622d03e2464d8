/* sim [SEEDS [FIRST]]: runs that many seeds; prints what they explored. A seed that fails is run
 * again with its trace, and the exit status is 1. SIM_TRACE=SEED traces one seed. */
#include "sim.h"
#include <stdio.h>
#include <stdlib.h>

static uint64_t number(const char *text, uint64_t otherwise)
{
    uint64_t n;
    return text && str_digits(str_of(text), UINT64_MAX, &n) == 0 ? n : otherwise;
}

static void print(const struct sim_explored *x, uint64_t seeds)
{
    const struct {
        const char *what;
        uint64_t n;
    } rows[] = {{"histories", seeds},
                {"events", x->events},
                {"operations acknowledged", x->operations},
                {"refused", x->refused},
                {"clients not told", x->maybe},
                {"messages", x->messages},
                {"messages lost", x->lost},
                {"messages doubled", x->doubled},
                {"partitions", x->partitions},
                {"crashes", x->crashes},
                {"crashes that lost writes", x->torn},
                {"batches refused", x->full},
                {"requests without answer", x->unanswered},
                {"answers lost after it ran", x->cut_after_run},
                {"refusals at one site", x->refusals},
                {"clocks set", x->skews},
                {"descriptions changed", x->descriptions},
                {"snapshots", x->snapshots},
                {"operations forgotten", x->forgotten},
                {"replicas shown failed", x->failed},
                {"replicas shown diverged", x->diverged},
                {"comparisons", x->compared}};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        printf("%-26s %12llu\n", rows[i].what, (unsigned long long)rows[i].n);
}

int main(int argc, char **argv)
{
    struct sim_explored x = {0};
    char why[300] = "";
    uint64_t seeds = number(argc > 1 ? argv[1] : NULL, 1000);
    uint64_t first = number(argc > 2 ? argv[2] : NULL, 1);
    for (uint64_t seed = first; seed < first + seeds; seed++)
        if (sim_run(seed, false, &x, why, sizeof why) != 0) {
            sim_run(seed, true, &x, why, sizeof why);
            printf("seed %llu: %s\n", (unsigned long long)seed, why);
            return 1;
        }
    print(&x, seeds);
    return 0;
}
