/* ctl/table.h: a table for people: columns as wide as their widest cell. Internal to ctl. */
#ifndef CTL_TABLE_H
#define CTL_TABLE_H

#include "base/arena.h"

#include <stdio.h>

#define CTL_COLUMNS    10
#define CTL_CELL_CHARS 100 /* shown of a cell, unless cell_chars says otherwise */
#define CTL_LAST_CHARS 400 /* of one in the last column */

struct ctl_row;

struct ctl_table {
    struct arena *arena; /* borrowed: of the rows */
    size_t n_columns;
    size_t cell_chars; /* at most CTL_LAST_CHARS; may be set after init */
    struct ctl_row *first, *last;
};

/* The titles are the first row. */
void ctl_table_init(struct ctl_table *t, struct arena *arena, const char *const *titles, size_t n);
/* Adds a row of n_columns cells, which are copied. Absent and empty ones are shown as -, control
 * characters (a client's bytes may be in a cell) as ?. */
void ctl_table_add(struct ctl_table *t, const struct str *cells);
void ctl_table_print(const struct ctl_table *t, FILE *to);

/* "17 s", "3 min", "5 h", "12 days", in the arena. */
struct str ctl_print_span(struct arena *a, uint64_t ms);
/* "0.45 ms", "12.3 ms", "1.2 s", in the arena. */
struct str ctl_print_round_trip(struct arena *a, uint64_t us);

#endif
