/* ctl/scrape.h: what /metrics of a daemon says, as data. Internal to ctl.
 *
 *     struct scrape s;
 *     rc = scrape_parse(text, &arena, &s);
 *     for (i = 0; i < s.n; i++) s.samples[i].name, scrape_label(&s.samples[i], STR("site"))
 *
 * Reads the part of OpenMetrics that cheopsd writes: a sample a line, values in digits. Pure but
 * for the arena, which holds the samples; their texts borrow what was parsed.
 */
#ifndef CTL_SCRAPE_H
#define CTL_SCRAPE_H

#include "base/arena.h"
#include "base/err.h"

#define SCRAPE_LABELS 4 /* of a sample; further ones are passed over */

struct scrape_label {
    struct str name, value;
};

struct scrape_sample {
    struct str name;
    struct scrape_label labels[SCRAPE_LABELS];
    size_t n_labels;
    double value;
};

struct scrape {
    struct scrape_sample *samples; /* in the order written */
    size_t n;
};

/* ERR_INVALID: a line is no sample, or the end is missing; ERR_NO_MEMORY. */
int scrape_parse(struct str text, struct arena *a, struct scrape *out) MUST_USE;
/* Digits, and maybe a point and digits. ERR_INVALID: *to is 0. */
int scrape_number(struct str text, double *to) MUST_USE;
/* Absent: the sample has no such label. */
struct str scrape_label(const struct scrape_sample *s, struct str name);
/* The value of the first sample with a name; 0: there is none. */
double scrape_value(const struct scrape *s, struct str name);

#endif
