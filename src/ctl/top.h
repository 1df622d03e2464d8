/* ctl/top.h: `cheops top`: two looks at a daemon, and the view that their difference makes.
 * Internal to ctl.
 *
 *     struct top_look before, after;
 *     … an interval lies between them
 *     top_print(&before, &after, &arena, file);
 *
 * What computes and prints is pure: the same looks give the same text.
 */
#ifndef CTL_TOP_H
#define CTL_TOP_H

#include "base/arena.h"
#include "base/out.h"
#include "ctl/scrape.h"

#include <jansson.h>
#include <stdio.h>

/* What a daemon said at one moment. Borrows. */
struct top_look {
    struct scrape metrics;
    const json_t *transactions, *sites; /* answers of /v1/transactions and /v1/sites */
    uint64_t mono_us, wall_us;
};

/* Writes the view of what happened between two looks, whole. Texts of the looks are shown without
 * control characters. `a` is for what is put together on the way; when it overflows, rows are
 * missing. */
void top_print(const struct top_look *before, const struct top_look *after, struct arena *a,
               FILE *to);

/* The first `rows` lines of a text, each with at most `columns` characters, with `end` between
 * them. */
void top_clip(struct str text, size_t columns, size_t rows, struct str end, struct out *o);

/* ---- mathematics */

/* Of a counter, a second; one that is lower than it was began anew. */
double top_rate(double before, double after, double seconds);

/* A bucket of a histogram: how many were at most that long, those of all buckets before it
 * among them. */
struct top_bucket {
    double most; /* INFINITY: the last */
    double count;
};

/* The value below which the part q (0 to 1) of a histogram lies, within its bucket as if they lay
 * evenly. Negative: nothing was counted. In the last bucket, which has no end, its beginning, and
 * *is_beyond. */
double top_quantile(const struct top_bucket *buckets, size_t n, double q, bool *is_beyond);

#endif
