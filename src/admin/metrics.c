/* /metrics: the workers' meters summed, and what else the daemon knows, as OpenMetrics text. */
#include "admin/metrics.h"
#include "base/check.h"
#include "rt/sys.h"

enum metric {
#define METRIC(symbol, name, type, unit, labels, help) METRIC_##symbol,
#include "admin/metrics.def"
#undef METRIC
    METRIC_COUNT
};

static const struct metric_row {
    const char *name, *type, *unit, *help;
} rows[METRIC_COUNT] = {
#define METRIC(symbol, name, type, unit, labels, help) [METRIC_##symbol] = {name, type, unit, help},
#include "admin/metrics.def"
#undef METRIC
};

struct printing {
    const struct admin_in *in;
    struct out *o;
    bool is_first; /* label of the sample */
};

/* ---- samples: begin, label…, end */

static void begin_metric(struct printing *p, enum metric m)
{
    const struct metric_row *r = &rows[m];
    out_fmt(p->o, "# TYPE %s %s\n", r->name, r->type);
    if (r->unit[0])
        out_fmt(p->o, "# UNIT %s %s\n", r->name, r->unit);
    out_fmt(p->o, "# HELP %s %s\n", r->name, r->help);
}

static void begin_sample(struct printing *p, enum metric m, const char *suffix)
{
    out_fmt(p->o, "%s%s", rows[m].name, suffix);
    p->is_first = true;
}

/* Quotes, backslashes and line feeds are all that is escaped; names have none of them. */
static void put_label(struct printing *p, const char *name, struct str value)
{
    out_fmt(p->o, "%s%s=\"%.*s\"", p->is_first ? "{" : ",", name, STR_ARG(value));
    p->is_first = false;
}

static void end_labels(struct printing *p)
{
    out_str(p->o, p->is_first ? STR(" ") : STR("} "));
}

static void end_sample(struct printing *p, uint64_t value)
{
    end_labels(p);
    out_u64(p->o, value);
    out_char(p->o, '\n');
}

static void end_sample_us(struct printing *p, uint64_t us)
{
    end_labels(p);
    out_fmt(p->o, "%llu.%06llu\n", (unsigned long long)(us / 1000000),
            (unsigned long long)(us % 1000000));
}

static void put_one(struct printing *p, enum metric m, const char *suffix, uint64_t value)
{
    begin_metric(p, m);
    begin_sample(p, m, suffix);
    end_sample(p, value);
}

/* ---- sums over the workers */

static const struct proxy_meter *meter(const struct printing *p, size_t i)
{
    return p->in->workers[i]->meter;
}

/* The same counter of every worker, by its place in the meter. */
static uint64_t sum(const struct printing *p, size_t offset)
{
    uint64_t n = 0;
    for (size_t i = 0; i < p->in->n_workers; i++)
        n += counter_get((const struct counter *)((const char *)meter(p, i) + offset));
    return n;
}

#define SUM(p, member) sum(p, offsetof(struct proxy_meter, member))

static struct proxy_name_tables *names(const struct printing *p)
{
    return &p->in->workers[0]->shared->names;
}

static bool same_key(const struct proxy_request_key *a, const struct proxy_request_key *b)
{
    return a->service == b->service && a->site == b->site && a->plan == b->plan &&
           a->class_ == b->class_;
}

/* What one worker counted under a key; *found says whether it knows it. */
static uint64_t count_of(const struct proxy_meter *m, const struct proxy_request_key *key,
                         bool *found)
{
    struct proxy_request_key other;
    uint64_t n;
    for (size_t at = 0; proxy_meter_next(m, &at, &other, &n);)
        if (same_key(&other, key)) {
            *found = true;
            return n;
        }
    *found = false;
    return 0;
}

static void put_request(struct printing *p, const struct proxy_request_key *key, uint64_t n)
{
    static const struct str classes[] = {{"aborted", 7}, {"1xx", 3}, {"2xx", 3},
                                         {"3xx", 3},     {"4xx", 3}, {"5xx", 3}};
    begin_sample(p, METRIC_REQUESTS, "_total");
    put_label(p, "service", proxy_name_of(&names(p)->services, key->service));
    put_label(p, "plan", key->plan == PROXY_PLAN_LEG ? STR("leg") : plan_form_name(key->plan));
    put_label(p, "site", proxy_name_of(&names(p)->sites, key->site));
    put_label(p, "status", classes[key->class_ < COUNT_OF(classes) ? key->class_ : 0]);
    end_sample(p, n);
}

/* Each key once: by the first worker that knows it. */
static void put_requests(struct printing *p)
{
    struct proxy_request_key key;
    uint64_t n, more;
    begin_metric(p, METRIC_REQUESTS);
    for (size_t i = 0; i < p->in->n_workers; i++)
        for (size_t at = 0; proxy_meter_next(meter(p, i), &at, &key, &n);) {
            bool found = false;
            for (size_t j = 0; j < i && !found; j++)
                count_of(meter(p, j), &key, &found);
            if (found)
                continue;
            for (size_t j = i + 1; j < p->in->n_workers; j++) {
                more = count_of(meter(p, j), &key, &found);
                n += more;
            }
            put_request(p, &key, n);
        }
}

static void put_refused(struct printing *p)
{
    begin_metric(p, METRIC_REFUSED);
    for (int i = 1; i < ERR_INDEX_COUNT; i++) {
        uint64_t n =
            sum(p, offsetof(struct proxy_meter, refused) + (size_t)i * sizeof(struct counter));
        if (n == 0)
            continue;
        begin_sample(p, METRIC_REFUSED, "_total");
        put_label(p, "reason", str_of(err_name(-i)));
        end_sample(p, n);
    }
}

/* ---- legs */

static bool sum_legs(const struct printing *p, unsigned site, uint64_t *buckets, uint64_t *us)
{
    bool any = false;
    memset(buckets, 0, PROXY_BUCKETS * sizeof *buckets);
    *us = 0;
    for (size_t i = 0; i < p->in->n_workers; i++) {
        const struct proxy_histogram *h =
            atomic_load_explicit(&meter(p, i)->legs[site], memory_order_acquire);
        for (size_t b = 0; h && b < PROXY_BUCKETS; b++)
            buckets[b] += counter_get(&h->buckets[b]);
        *us += h ? counter_get(&h->sum_us) : 0;
        any |= h != NULL;
    }
    return any;
}

static void put_bucket(struct printing *p, struct str site, size_t b, uint64_t n)
{
    char le[32];
    struct out o;
    out_init(&o, le, sizeof le);
    if (b < PROXY_BUCKETS - 1)
        out_fmt(&o, "%u.%04u", proxy_bucket_us[b] / 1000000, proxy_bucket_us[b] % 1000000 / 100);
    else
        OUT(&o, "+Inf");
    begin_sample(p, METRIC_LEGS, "_bucket");
    put_label(p, "site", site);
    put_label(p, "le", out_get(&o));
    end_sample(p, n);
}

static void put_legs(struct printing *p)
{
    uint64_t buckets[PROXY_BUCKETS], us, n;
    begin_metric(p, METRIC_LEGS);
    for (unsigned i = 0; i < PROXY_NAMES_MAX; i++) {
        struct str site = proxy_name_of(&names(p)->sites, i);
        if (!sum_legs(p, i, buckets, &us))
            continue;
        n = 0;
        for (size_t b = 0; b < PROXY_BUCKETS; b++) {
            n += buckets[b];
            put_bucket(p, site, b, n);
        }
        begin_sample(p, METRIC_LEGS, "_count");
        put_label(p, "site", site);
        end_sample(p, n);
        begin_sample(p, METRIC_LEGS, "_sum");
        put_label(p, "site", site);
        end_sample_us(p, us);
    }
}

/* ---- pools */

struct pools {
    struct str name;
    const char *kind;
    uint64_t open, idle, waiting, connects, reuses, refused;
};

static bool sum_pools(const struct printing *p, bool is_site, unsigned number, struct pools *sums)
{
    bool any = false;
    *sums = (struct pools){
        .name = proxy_name_of(is_site ? &names(p)->sites : &names(p)->services, number),
        .kind = is_site ? "site" : "service"};
    for (size_t i = 0; i < p->in->n_workers; i++) {
        const struct proxy_meter *m = meter(p, i);
        const struct http_gauge *g = atomic_load_explicit(
            is_site ? &m->sites[number] : &m->services[number], memory_order_acquire);
        if (!g)
            continue;
        any = true;
        sums->open += counter_get(&g->open);
        sums->idle += counter_get(&g->idle);
        sums->waiting += counter_get(&g->waiting);
        sums->connects += counter_get(&g->connects);
        sums->reuses += counter_get(&g->reuses);
        sums->refused += counter_get(&g->refused);
    }
    return any;
}

static void begin_pool_sample(struct printing *p, enum metric m, const char *suffix,
                              const struct pools *s)
{
    begin_sample(p, m, suffix);
    put_label(p, "kind", str_of(s->kind));
    put_label(p, "name", s->name);
}

static void put_pool(struct printing *p, enum metric m, const struct pools *s)
{
    switch (m) {
    case METRIC_POOL:
        begin_pool_sample(p, m, "", s);
        put_label(p, "state", STR("busy"));
        /* Read while they change: never shown as less than none. */
        end_sample(p, s->open > s->idle ? s->open - s->idle : 0);
        begin_pool_sample(p, m, "", s);
        put_label(p, "state", STR("idle"));
        end_sample(p, s->idle);
        break;
    case METRIC_WAITING:
        begin_pool_sample(p, m, "", s);
        end_sample(p, s->waiting);
        break;
    case METRIC_POOL_REFUSED:
        begin_pool_sample(p, m, "_total", s);
        end_sample(p, s->refused);
        break;
    default:
        begin_pool_sample(p, m, "_total", s);
        end_sample(p, m == METRIC_CONNECTS ? s->connects : s->reuses);
    }
}

static void put_pools(struct printing *p)
{
    static const enum metric of_pools[] = {METRIC_POOL, METRIC_WAITING, METRIC_POOL_REFUSED,
                                           METRIC_CONNECTS, METRIC_REUSES};
    struct pools sums;
    for (size_t m = 0; m < COUNT_OF(of_pools); m++) {
        begin_metric(p, of_pools[m]);
        for (unsigned i = 0; i < 2 * PROXY_NAMES_MAX; i++)
            if (sum_pools(p, i >= PROXY_NAMES_MAX, i % PROXY_NAMES_MAX, &sums))
                put_pool(p, of_pools[m], &sums);
    }
}

/* ---- sites */

static void put_site_states(struct printing *p)
{
    const struct cfg *cfg = p->in->cfg;
    const struct peer_sites *sites = peer_sites_of(p->in->peer);
    begin_metric(p, METRIC_PEER_STATE);
    for (size_t i = 0; i < cfg->n_sites; i++)
        for (int state = 0; i != cfg->self && state < PEER_SITE_STATES; state++) {
            begin_sample(p, METRIC_PEER_STATE, "");
            put_label(p, "site", cfg->sites[i].name);
            put_label(p, "state", peer_state_name((enum peer_site_state)state));
            end_sample(p, peer_sites_state(sites, i) == (enum peer_site_state)state);
        }
}

static void put_round_trips(struct printing *p)
{
    const struct cfg *cfg = p->in->cfg;
    begin_metric(p, METRIC_PEER_RTT);
    for (size_t i = 0; i < cfg->n_sites; i++) {
        uint32_t us = peer_sites_rtt_us(peer_sites_of(p->in->peer), cfg->self, i);
        if (i == cfg->self || us == PEER_RTT_UNKNOWN)
            continue;
        begin_sample(p, METRIC_PEER_RTT, "");
        put_label(p, "site", cfg->sites[i].name);
        end_sample_us(p, us);
    }
}

static void put_lists(struct printing *p)
{
    const struct cfg *cfg = p->in->cfg;
    begin_metric(p, METRIC_PEER_CRL);
    for (size_t i = 0; i < cfg->n_sites; i++) {
        if (!peer_list_number(p->in->peer, i))
            continue;
        begin_sample(p, METRIC_PEER_CRL, "");
        put_label(p, "site", cfg->sites[i].name);
        end_sample(p, peer_list_number(p->in->peer, i));
    }
}

/* ---- reloads */

static void put_reloads(struct printing *p)
{
    const struct reload_counts *r = p->in->reloads;
    begin_metric(p, METRIC_RELOADS);
    begin_sample(p, METRIC_RELOADS, "_total");
    put_label(p, "result", STR("done"));
    end_sample(p, r->done);
    begin_sample(p, METRIC_RELOADS, "_total");
    put_label(p, "result", STR("refused"));
    end_sample(p, r->refused);
}

/* ---- the process */

static void put_process(struct printing *p)
{
    struct rt_usage u;
    rt_usage(&u);
    put_one(p, METRIC_MEMORY, "", u.resident_bytes);
    put_one(p, METRIC_FDS, "", u.open_fds);
    put_one(p, METRIC_MAX_FDS, "", u.max_fds);
    begin_metric(p, METRIC_CPU);
    begin_sample(p, METRIC_CPU, "_total");
    end_sample_us(p, u.cpu_us);
    begin_metric(p, METRIC_START);
    begin_sample(p, METRIC_START, "");
    end_sample_us(p, p->in->started_us);
}

static void put_info(struct printing *p)
{
    begin_metric(p, METRIC_INFO);
    begin_sample(p, METRIC_INFO, "_info");
    put_label(p, "site", p->in->cfg->site);
    put_label(p, "version", STR(CHEOPS_VERSION));
    end_sample(p, 1);
}

void metrics_print(const struct admin_in *in, struct out *o)
{
    struct printing p = {.in = in, .o = o};
    struct rt_log *log = in->workers[0]->shared->access_log;
    put_info(&p);
    put_requests(&p);
    put_one(&p, METRIC_UNCOUNTED, "_total", SUM(&p, uncounted));
    put_refused(&p);
    put_legs(&p);
    put_one(&p, METRIC_RECEIVED, "_total", SUM(&p, received_bytes));
    put_one(&p, METRIC_SENT, "_total", SUM(&p, sent_bytes));
    put_one(&p, METRIC_TRANSACTIONS, "", SUM(&p, transactions));
    put_one(&p, METRIC_CONNECTIONS, "", SUM(&p, connections));
    put_one(&p, METRIC_REFUSED_CONNECTIONS, "_total", SUM(&p, refused_connections));
    put_one(&p, METRIC_PAUSES, "_total", SUM(&p, accept_pauses));
    put_pools(&p);
    put_site_states(&p);
    put_round_trips(&p);
    put_lists(&p);
    put_reloads(&p);
    put_one(&p, METRIC_SNAPSHOTS, "", counter_get(&in->reloads->snapshots));
    put_one(&p, METRIC_LOG_DROPPED, "_total", log ? rt_log_dropped(log) : 0);
    put_process(&p);
    OUT(o, "# EOF\n");
}
