#include "ctl/table.h"
#include "base/check.h"
#include "base/out.h"

struct ctl_row {
    struct ctl_row *next;
    struct str cells[CTL_COLUMNS];
};

/* Columns of a terminal: characters, not bytes. */
static size_t width_of(struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

static struct str visible(struct arena *a, struct str s, size_t chars)
{
    char memory[4 * CTL_LAST_CHARS + 16];
    struct out o;
    if (s.n == 0)
        return STR("-");
    out_init(&o, memory, sizeof memory);
    out_visible(&o, s, chars);
    return arena_str(a, out_get(&o));
}

void ctl_table_init(struct ctl_table *t, struct arena *arena, const char *const *titles, size_t n)
{
    struct str cells[CTL_COLUMNS] = {{0}};
    CHECK(n <= CTL_COLUMNS);
    *t = (struct ctl_table){.arena = arena, .n_columns = n, .cell_chars = CTL_CELL_CHARS};
    for (size_t i = 0; i < n; i++)
        cells[i] = str_of(titles[i]);
    ctl_table_add(t, cells);
}

void ctl_table_add(struct ctl_table *t, const struct str *cells)
{
    struct ctl_row *row = arena_new(t->arena, struct ctl_row);
    for (size_t i = 0; i < t->n_columns; i++)
        row->cells[i] =
            visible(t->arena, cells[i], i + 1 < t->n_columns ? t->cell_chars : CTL_LAST_CHARS);
    if (arena_overflowed(t->arena))
        return; /* what the arena gives then is not kept */
    if (t->last)
        t->last->next = row;
    else
        t->first = row;
    t->last = row;
}

void ctl_table_print(const struct ctl_table *t, FILE *to)
{
    size_t widths[CTL_COLUMNS] = {0};
    for (const struct ctl_row *row = t->first; row; row = row->next)
        for (size_t i = 0; i < t->n_columns; i++) {
            size_t width = width_of(row->cells[i]);
            widths[i] = width > widths[i] ? width : widths[i];
        }
    for (const struct ctl_row *row = t->first; row; row = row->next)
        for (size_t i = 0; i < t->n_columns; i++) {
            bool is_last = i + 1 == t->n_columns;
            int pad = is_last ? 0 : (int)(widths[i] - width_of(row->cells[i]) + 2);
            fprintf(to, "%.*s%*s%s", STR_ARG(row->cells[i]), pad, "", is_last ? "\n" : "");
        }
}

struct str ctl_print_span(struct arena *a, uint64_t ms)
{
    static const struct {
        uint64_t s;
        const char *unit;
    } units[] = {{86400, "day"}, {3600, "h"}, {60, "min"}, {1, "s"}};
    uint64_t s = ms / 1000;
    for (size_t i = 0; i < COUNT_OF(units); i++)
        if (s >= 2 * units[i].s || i + 1 == COUNT_OF(units))
            return arena_printf(a, "%llu %s%s", (unsigned long long)(s / units[i].s), units[i].unit,
                                i == 0 ? "s" : "");
    return STR_NULL;
}

struct str ctl_print_round_trip(struct arena *a, uint64_t us)
{
    if (us < 10000)
        return arena_printf(a, "%.2f ms", (double)us / 1e3);
    return us < 1000000 ? arena_printf(a, "%.1f ms", (double)us / 1e3)
                        : arena_printf(a, "%.1f s", (double)us / 1e6);
}
