/* around(L, d): the sites within a measured round trip, nearest first. */
#include "plan/internal.h"

static bool is_before(const struct plan_near *a, const struct plan_near *b)
{
    return a->rtt_us != b->rtt_us ? a->rtt_us < b->rtt_us : a->site < b->site;
}

/* Lets list[i] sink to its place in the heap of n, the farthest on top. */
static void sink(struct plan_near *list, size_t i, size_t n)
{
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && is_before(&list[child], &list[child + 1]))
            child++;
        if (!is_before(&list[i], &list[child]))
            return;
        struct plan_near t = list[i];
        list[i] = list[child];
        list[child] = t;
    }
}

/* Heap sort: no memory, and no number of sites makes it slow. qsort may allocate. */
void plan_near_sort(struct plan_near *list, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        sink(list, i, n);
    for (size_t end = n; end > 1; end--) {
        struct plan_near t = list[0];
        list[0] = list[end - 1];
        list[end - 1] = t;
        sink(list, 0, end - 1);
    }
}

size_t plan_near(const struct plan_sites *sites, const struct scope_loc *around, size_t centre,
                 struct plan_near *to)
{
    size_t n = 0;
    to[n++] = (struct plan_near){0, (uint32_t)centre};
    for (size_t i = 0; i < sites->n; i++) {
        if (i == centre)
            continue;
        uint32_t rtt = sites->rtt_us(sites->context, centre, i);
        if (rtt != PLAN_RTT_UNKNOWN && rtt <= around->duration.us)
            to[n++] = (struct plan_near){rtt, (uint32_t)i};
    }
    plan_near_sort(to + 1, n - 1);
    return n;
}
