/* The view of cheops top. */
#include "base/check.h"
#include "ctl/table.h"
#include "ctl/top.h"
#include "rt/sys.h"

#include <math.h>
#include <stdlib.h>

#define MAX_ROWS    256
#define MAX_BUCKETS 32
#define P50         0.5
#define P99         0.99

struct view {
    const struct top_look *before, *after;
    struct arena *arena;
    FILE *to;
    double seconds; /* between the looks */
};

/* ---- values and their changes */

static bool is_same_sample(const struct scrape_sample *a, const struct scrape_sample *b)
{
    bool is_same = str_eq(a->name, b->name) && a->n_labels == b->n_labels;
    for (size_t i = 0; i < a->n_labels && is_same; i++)
        is_same = str_eq(a->labels[i].name, b->labels[i].name) &&
                  str_eq(a->labels[i].value, b->labels[i].value);
    return is_same;
}

/* What the sample with number i was in the look before; 0: it was not there. Samples keep their
 * order, so it is looked for from its own place on. */
static double value_before(const struct view *v, size_t i)
{
    const struct scrape *before = &v->before->metrics;
    for (size_t k = 0; k < before->n; k++) {
        const struct scrape_sample *s = &before->samples[(i + k) % before->n];
        if (is_same_sample(s, &v->after->metrics.samples[i]))
            return s->value;
    }
    return 0;
}

static double rate_at(const struct view *v, size_t i)
{
    return top_rate(value_before(v, i), v->after->metrics.samples[i].value, v->seconds);
}

/* Summed over all samples with a name. */
static double rate_of(const struct view *v, struct str name)
{
    double sum = 0;
    for (size_t i = 0; i < v->after->metrics.n; i++)
        if (str_eq(v->after->metrics.samples[i].name, name))
            sum += rate_at(v, i);
    return sum;
}

static double value_of(const struct view *v, struct str name)
{
    return scrape_value(&v->after->metrics, name);
}

/* ---- texts */

static struct str print_rate(const struct view *v, double rate)
{
    return arena_printf(v->arena, "%.1f", rate);
}

static struct str print_count(const struct view *v, double n)
{
    return arena_printf(v->arena, "%.0f", n);
}

static struct str print_bytes(const struct view *v, double n)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    while (n >= 1024 && unit + 1 < COUNT_OF(units)) {
        n /= 1024;
        unit++;
    }
    return arena_printf(v->arena, unit ? "%.1f %s" : "%.0f %s", n, units[unit]);
}

static struct str text_of(const json_t *row, const char *member)
{
    const json_t *t = json_object_get(row, member);
    return json_is_string(t) ? (struct str){json_string_value(t), json_string_length(t)} : STR_NULL;
}

static double number_of(const json_t *row, const char *member)
{
    const json_t *n = json_object_get(row, member);
    return json_is_integer(n) ? (double)json_integer_value(n) : -1;
}

static struct str print_age(const struct view *v, double ms)
{
    if (ms < 0)
        return STR_NULL;
    return ms < 10000 ? arena_printf(v->arena, "%.1f s", ms / 1000)
                      : ctl_print_span(v->arena, (uint64_t)ms);
}

/* ---- the head */

static struct str label_of(const struct view *v, struct str name, struct str label)
{
    const struct scrape *m = &v->after->metrics;
    for (size_t i = 0; i < m->n; i++)
        if (str_eq(m->samples[i].name, name))
            return scrape_label(&m->samples[i], label);
    return STR_NULL;
}

static void print_head(const struct view *v)
{
    char memory[40];
    struct out time;
    double up_s = (double)v->after->wall_us / 1e6 - value_of(v, STR("process_start_time_seconds"));
    out_init(&time, memory, sizeof memory);
    rt_print_time(v->after->wall_us, &time);
    fprintf(v->to, "cheops %.*s  site %.*s  up %.*s  %.19sZ  over %.1f s\n",
            STR_ARG(label_of(v, STR("cheops_info"), STR("version"))),
            STR_ARG(label_of(v, STR("cheops_info"), STR("site"))),
            STR_ARG(ctl_print_span(v->arena, up_s > 0 ? (uint64_t)(up_s * 1000) : 0)), memory,
            v->seconds);
    fprintf(v->to, "requests %.1f/s  refused %.1f/s  received %.*s/s  sent %.*s/s\n",
            rate_of(v, STR("cheops_requests_total")), rate_of(v, STR("cheops_refused_total")),
            STR_ARG(print_bytes(v, rate_of(v, STR("cheops_received_bytes_total")))),
            STR_ARG(print_bytes(v, rate_of(v, STR("cheops_sent_bytes_total")))));
    fprintf(v->to,
            "live %.0f  clients %.0f  cpu %.0f %%  memory %.*s  descriptors %.0f of %.0f  "
            "log lines dropped %.0f\n",
            value_of(v, STR("cheops_transactions")), value_of(v, STR("cheops_client_connections")),
            100 * rate_of(v, STR("process_cpu_seconds_total")),
            STR_ARG(print_bytes(v, value_of(v, STR("process_resident_memory_bytes")))),
            value_of(v, STR("process_open_fds")), value_of(v, STR("process_max_fds")),
            value_of(v, STR("cheops_log_dropped_lines_total")));
}

/* ---- requests by service and plan */

struct request_row {
    struct str service, plan;
    double all, failed; /* a second */
};

/* The most first. */
static int compare_requests(const void *x, const void *y)
{
    const struct request_row *a = x, *b = y;
    if (a->all != b->all)
        return a->all < b->all ? 1 : -1;
    int order = str_cmp(a->service, b->service);
    return order ? order : str_cmp(a->plan, b->plan);
}

static struct request_row *find_request(struct request_row *rows, size_t *n, struct str service,
                                        struct str plan)
{
    for (size_t i = 0; i < *n; i++)
        if (str_eq(rows[i].service, service) && str_eq(rows[i].plan, plan))
            return &rows[i];
    if (*n == MAX_ROWS)
        return NULL;
    rows[*n] = (struct request_row){.service = service, .plan = plan};
    return &rows[(*n)++];
}

static void print_requests(const struct view *v)
{
    static const char *const titles[] = {"SERVICE", "PLAN", "REQUESTS/S", "5XX OR ABORTED/S"};
    struct request_row rows[MAX_ROWS];
    struct ctl_table t;
    size_t n = 0;
    for (size_t i = 0; i < v->after->metrics.n; i++) {
        const struct scrape_sample *s = &v->after->metrics.samples[i];
        if (!str_eq(s->name, STR("cheops_requests_total")))
            continue;
        struct str status = scrape_label(s, STR("status"));
        struct request_row *row =
            find_request(rows, &n, scrape_label(s, STR("service")), scrape_label(s, STR("plan")));
        double rate = rate_at(v, i);
        if (!row)
            continue;
        row->all += rate;
        if (str_eq(status, STR("5xx")) || str_eq(status, STR("aborted")))
            row->failed += rate;
    }
    qsort(rows, n, sizeof *rows, compare_requests);
    ctl_table_init(&t, v->arena, titles, COUNT_OF(titles));
    for (size_t i = 0; i < n; i++) {
        struct str cells[] = {rows[i].service, rows[i].plan, print_rate(v, rows[i].all),
                              print_rate(v, rows[i].failed)};
        ctl_table_add(&t, cells);
    }
    fputc('\n', v->to);
    ctl_table_print(&t, v->to);
}

/* ---- sites: states, round trips, legs */

/* Of a bucket; the last has none. */
static double bound_of(struct str le)
{
    double bound;
    return scrape_number(le, &bound) == 0 ? bound : INFINITY;
}

/* The buckets of the interval. */
static size_t read_buckets(const struct view *v, struct str site, struct top_bucket *buckets)
{
    size_t n = 0;
    for (size_t i = 0; i < v->after->metrics.n && n < MAX_BUCKETS; i++) {
        const struct scrape_sample *s = &v->after->metrics.samples[i];
        if (!str_eq(s->name, STR("cheops_leg_duration_seconds_bucket")) ||
            !str_eq(scrape_label(s, STR("site")), site))
            continue;
        buckets[n++] =
            (struct top_bucket){bound_of(scrape_label(s, STR("le"))), v->seconds * rate_at(v, i)};
    }
    return n;
}

static struct str print_quantile(const struct view *v, const struct top_bucket *buckets, size_t n,
                                 double q)
{
    bool is_beyond;
    double s = top_quantile(buckets, n, q, &is_beyond);
    if (s < 0)
        return STR_NULL;
    return arena_printf(v->arena, "%s%.*s", is_beyond ? "> " : "",
                        STR_ARG(ctl_print_round_trip(v->arena, (uint64_t)(s * 1e6))));
}

static void print_sites(const struct view *v)
{
    static const char *const titles[] = {"SITE", "STATE", "ROUND TRIP", "LEGS/S", "P50", "P99"};
    struct ctl_table t;
    json_t *row;
    size_t i;
    ctl_table_init(&t, v->arena, titles, COUNT_OF(titles));
    json_array_foreach(json_object_get(v->after->sites, "sites"), i, row)
    {
        struct top_bucket buckets[MAX_BUCKETS];
        struct str site = text_of(row, "site");
        size_t n = read_buckets(v, site, buckets);
        double rtt = number_of(row, "rtt_us");
        bool is_self = json_is_true(json_object_get(row, "self"));
        struct str cells[] = {
            site,
            is_self ? STR("here") : text_of(row, "state"),
            rtt < 0 ? STR_NULL : ctl_print_round_trip(v->arena, (uint64_t)rtt),
            print_rate(v, n && v->seconds > 0 ? buckets[n - 1].count / v->seconds : 0),
            print_quantile(v, buckets, n, P50),
            print_quantile(v, buckets, n, P99),
        };
        ctl_table_add(&t, cells);
    }
    fputc('\n', v->to);
    ctl_table_print(&t, v->to);
}

/* ---- pools */

struct pool_row {
    struct str kind, name;
    double busy, idle, waiting, connects, reuses;
};

static void take_pool(const struct view *v, size_t i, struct pool_row *row)
{
    const struct scrape_sample *s = &v->after->metrics.samples[i];
    if (str_eq(s->name, STR("cheops_pool_connections")))
        *(str_eq(scrape_label(s, STR("state")), STR("busy")) ? &row->busy : &row->idle) = s->value;
    else if (str_eq(s->name, STR("cheops_pool_waiting_requests")))
        row->waiting = s->value;
    else if (str_eq(s->name, STR("cheops_pool_connects_total")))
        row->connects = rate_at(v, i);
    else
        row->reuses = rate_at(v, i);
}

static struct pool_row *find_pool(struct pool_row *rows, size_t *n, struct str kind,
                                  struct str name)
{
    for (size_t i = 0; i < *n; i++)
        if (str_eq(rows[i].kind, kind) && str_eq(rows[i].name, name))
            return &rows[i];
    if (*n == MAX_ROWS)
        return NULL;
    rows[*n] = (struct pool_row){.kind = kind, .name = name};
    return &rows[(*n)++];
}

static void print_pools(const struct view *v)
{
    static const char *const titles[] = {"POOL",    "OF",         "BUSY",    "IDLE",
                                         "WAITING", "CONNECTS/S", "REUSES/S"};
    struct pool_row rows[MAX_ROWS];
    struct ctl_table t;
    size_t n = 0;
    for (size_t i = 0; i < v->after->metrics.n; i++) {
        const struct scrape_sample *s = &v->after->metrics.samples[i];
        if (!str_starts(s->name, STR("cheops_pool_")))
            continue;
        struct pool_row *row =
            find_pool(rows, &n, scrape_label(s, STR("kind")), scrape_label(s, STR("name")));
        if (row)
            take_pool(v, i, row);
    }
    ctl_table_init(&t, v->arena, titles, COUNT_OF(titles));
    for (size_t i = 0; i < n; i++) {
        struct str cells[] = {
            rows[i].kind,
            rows[i].name,
            print_count(v, rows[i].busy),
            print_count(v, rows[i].idle),
            print_count(v, rows[i].waiting),
            print_rate(v, rows[i].connects),
            print_rate(v, rows[i].reuses),
        };
        ctl_table_add(&t, cells);
    }
    fputc('\n', v->to);
    ctl_table_print(&t, v->to);
}

/* ---- transactions */

/* The oldest first. */
static int compare_ages(const void *x, const void *y)
{
    const json_t *const *a = x, *const *b = y;
    double left = number_of(*a, "age_ms"), right = number_of(*b, "age_ms");
    return left < right ? 1 : left > right ? -1 : 0;
}

static void print_transactions(const struct view *v)
{
    static const char *const titles[] = {"AGE",  "STATE",  "LEFT", "CLIENT", "SERVICE",
                                         "SITE", "METHOD", "PATH", "SCOPE"};
    const json_t *all = json_object_get(v->after->transactions, "transactions");
    size_t n = json_array_size(all);
    const json_t **rows = arena_alloc(v->arena, (n + 1) * sizeof *rows);
    struct ctl_table t;
    if (!rows)
        return;
    for (size_t i = 0; i < n; i++)
        rows[i] = json_array_get(all, i);
    qsort(rows, n, sizeof *rows, compare_ages);
    ctl_table_init(&t, v->arena, titles, COUNT_OF(titles));
    for (size_t i = 0; i < n; i++) {
        struct str cells[] = {
            print_age(v, number_of(rows[i], "age_ms")),
            text_of(rows[i], "state"),
            print_age(v, number_of(rows[i], "deadline_ms")),
            text_of(rows[i], "client"),
            text_of(rows[i], "service"),
            text_of(rows[i], "site"),
            text_of(rows[i], "method"),
            text_of(rows[i], "path"),
            text_of(rows[i], "scope"),
        };
        ctl_table_add(&t, cells);
    }
    fputc('\n', v->to);
    ctl_table_print(&t, v->to);
}

void top_print(const struct top_look *before, const struct top_look *after, struct arena *a,
               FILE *to)
{
    struct view v = {before, after, a, to, (double)(after->mono_us - before->mono_us) / 1e6};
    print_head(&v);
    print_requests(&v);
    print_sites(&v);
    print_pools(&v);
    print_transactions(&v);
}
