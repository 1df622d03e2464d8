/* Checks of what runs: the daemon, services, other sites, clocks. */
#include "base/check.h"
#include "ctl/check.h"
#include "ctl/table.h"

#define CLOCK_WARN_MS  1000
#define CLOCK_FAULT_MS 60000
#define HEARTBEAT_SLACK_MS                                                                         \
    1500 /* of what a heartbeat's Date tells: its second, and either loop being busy */

static struct str text_of(const json_t *row, const char *member)
{
    const json_t *v = json_object_get(row, member);
    return json_is_string(v) ? (struct str){json_string_value(v), json_string_length(v)} : STR_NULL;
}

const json_t *check_site_of(const struct check *c, size_t site)
{
    json_t *row;
    size_t i;
    json_array_foreach(json_object_get(c->sites, "sites"), i, row)
    {
        if (str_eq(text_of(row, "site"), c->cfg->sites[site].name))
            return row;
    }
    return NULL;
}

/* ---- the daemon */

static bool is_digest(const json_t *digests, const char *name, uint64_t digest)
{
    uint64_t told;
    return str_hex(text_of(digests, name), UINT64_MAX, &told) == 0 && told == digest;
}

/* It runs with something else than the files have now. */
static void look_at_digests(struct check *c, struct str subject)
{
    const json_t *digests = json_object_get(c->configuration, "digests");
    struct str read = text_of(c->configuration, "read");
    const struct {
        const char *name;
        uint64_t digest;
    } files[] = {{"configuration", c->cfg->digest},
                 {"description", c->cfg->app->digest},
                 {"certificates", c->cfg->tls_digest}};
    char memory[100];
    struct out o;
    out_init(&o, memory, sizeof memory);
    for (size_t i = 0; i < COUNT_OF(files); i++)
        if (!is_digest(digests, files[i].name, files[i].digest))
            out_fmt(&o, "%s%s", o.n ? ", " : "", files[i].name);
    if (o.n == 0)
        check_add(c, CHECK_OK, subject, STR_NULL, "it runs with what the files have, read %.*s",
                  STR_ARG(read));
    else
        check_add(c, CHECK_WARNING, subject, STR("`cheops reload`"),
                  "changed since it read %.*s at %.*s: %.*s",
                  STR_ARG(text_of(c->configuration, "file")), STR_ARG(read), STR_ARG(out_get(&o)));
}

void check_daemon(struct check *c)
{
    struct str subject = STR("cheopsd");
    if (!c->cfg->admin_socket.p)
        check_add(c, CHECK_UNKNOWN, subject, STR("set `admin: socket`"),
                  "the configuration has no admin socket to ask it at");
    else if (!c->configuration)
        check_add(c, c->daemon.code == ERR_FORBIDDEN ? CHECK_UNKNOWN : CHECK_FAULT, subject,
                  c->daemon.hint[0] ? str_of(c->daemon.hint)
                                    : STR("look into its log, or restart it"),
                  "%s", c->daemon.message);
    else
        look_at_digests(c, subject);
}

/* ---- limits */

enum check_state check_descriptors(uint64_t allowed, uint64_t used, uint64_t needed)
{
    if (used * 20 >= allowed * 19)
        return CHECK_FAULT;
    return needed > allowed ? CHECK_WARNING : CHECK_OK;
}

void check_limits(struct check *c)
{
    struct str subject = STR("descriptors");
    const json_t *workers = json_object_get(c->configuration, "workers");
    uint64_t allowed = (uint64_t)scrape_value(&c->metrics, STR("process_max_fds"));
    uint64_t used = (uint64_t)scrape_value(&c->metrics, STR("process_open_fds"));
    if (!json_is_integer(workers) || !allowed) {
        check_add(c, CHECK_UNKNOWN, subject, STR_NULL, "cheopsd does not tell what it may have");
        return;
    }
    uint64_t needed = cfg_descriptors(c->cfg, (size_t)json_integer_value(workers));
    enum check_state state = check_descriptors(allowed, used, needed);
    check_add(c, state, subject,
              state == CHECK_OK ? STR_NULL
                                : STR("raise LimitNOFILE of the unit, or lower limits.connections"),
              "%llu allowed, %llu in use, limits.connections may need %llu",
              (unsigned long long)allowed, (unsigned long long)used, (unsigned long long)needed);
}

/* ---- services */

static void look_at_service(struct check *c, const struct cfg_instance *i)
{
    const struct probe_result *r = &c->probes.services[i->index];
    struct str where = rt_name_text(i->name);
    struct str subject = i->service->name;
    if (c->probing.code)
        check_add(c, CHECK_UNKNOWN, subject, STR_NULL, "%s", c->probing.message);
    else if (r->rc == ERR_TLS)
        check_add(c, CHECK_FAULT, subject,
                  STR("its certificate must be signed by `tls: ca` and bear `server_name`"), "%s",
                  r->why);
    else if (r->rc < 0)
        check_add(c, CHECK_FAULT, subject, STR("start it, or correct its `url`"), "%.*s: %s",
                  STR_ARG(where), r->why);
    else if (r->status >= 500)
        check_add(c, CHECK_WARNING, subject, STR("look into its log"), "%.*s answers %u to GET /",
                  STR_ARG(where), r->status);
    else
        check_add(c, CHECK_OK, subject, STR_NULL, "%.*s answers %u in %.*s%s", STR_ARG(where),
                  r->status, STR_ARG(ctl_print_round_trip(c->arena, r->took_us)),
                  i->tls ? ", over TLS" : "");
}

void check_services(struct check *c)
{
    for (size_t i = 0; i < c->cfg->app->n_services; i++)
        if (c->cfg->instances[i].service)
            look_at_service(c, &c->cfg->instances[i]);
}

/* ---- other sites */

static void look_at_told_site(struct check *c, struct str name, const json_t *row)
{
    struct str state = text_of(row, "state"), error = text_of(row, "error");
    struct str list = text_of(row, "crl_error");
    const json_t *rtt = json_object_get(row, "rtt_us");
    struct str trip = json_is_integer(rtt)
                          ? ctl_print_round_trip(c->arena, (uint64_t)json_integer_value(rtt))
                          : STR("not measured");
    struct str todo = STR("is cheopsd running there, and does its `address` lead to it?");
    if (str_eq(state, STR("up")))
        check_add(c, CHECK_OK, name, STR_NULL, "up, round trip %.*s", STR_ARG(trip));
    else
        check_add(c,
                  str_eq(state, STR("down"))      ? CHECK_FAULT
                  : str_eq(state, STR("suspect")) ? CHECK_WARNING
                                                  : CHECK_UNKNOWN,
                  name, todo, "%.*s%s%.*s", STR_ARG(state), error.n ? ": " : "", STR_ARG(error));
    if (list.n)
        check_add(c, CHECK_WARNING, name, STR("`cheops ca revoke` writes the list, `peers: crl`"),
                  "its list of revoked certificates: %.*s", STR_ARG(list));
}

static void look_at_probed_site(struct check *c, size_t site)
{
    const struct probe_result *r = &c->probes.sites[site];
    struct str name = c->cfg->sites[site].name;
    if (c->probing.code || !r->is_asked)
        check_add(c, CHECK_UNKNOWN, name, STR_NULL, "it was not asked");
    else if (r->rc < 0)
        check_add(c, CHECK_FAULT, name,
                  STR("is cheopsd running there, and does its `address` lead to it?"), "%s",
                  r->why);
    else
        check_add(c, CHECK_OK, name, STR_NULL, "answers a hello in %.*s",
                  STR_ARG(ctl_print_round_trip(c->arena, r->took_us)));
}

void check_sites(struct check *c)
{
    for (size_t i = 0; i < c->cfg->n_sites; i++) {
        const json_t *row = check_site_of(c, i);
        if (i == c->cfg->self)
            continue;
        if (row)
            look_at_told_site(c, c->cfg->sites[i].name, row);
        else
            look_at_probed_site(c, i);
    }
}

/* ---- descriptions */

void check_descriptions(struct check *c)
{
    for (size_t i = 0; i < c->cfg->n_sites; i++) {
        const struct probe_result *r = &c->probes.sites[i];
        struct str told = text_of(check_site_of(c, i), "description");
        struct str name = c->cfg->sites[i].name;
        enum peer_description d = PEER_DESCRIPTION_UNKNOWN;
        if (i == c->cfg->self)
            continue;
        if (told.p)
            d = str_eq(told, STR("same")) ? PEER_DESCRIPTION_SAME : PEER_DESCRIPTION_DIFFERS;
        else if (!c->probing.code && r->is_asked && r->rc == 0)
            d = r->description;
        if (d == PEER_DESCRIPTION_DIFFERS)
            check_add(c, CHECK_WARNING, name, STR("give both sites the same file, and reload"),
                      "its description of the application is not the one here");
        else
            check_add(c, d == PEER_DESCRIPTION_SAME ? CHECK_OK : CHECK_UNKNOWN, name, STR_NULL,
                      d == PEER_DESCRIPTION_SAME ? "the same as here" : "it has not told");
    }
}

/* ---- clocks */

enum check_state check_clock(int64_t ahead_ms, uint64_t slack_ms)
{
    uint64_t off_ms = ahead_ms < 0 ? 0 - (uint64_t)ahead_ms : (uint64_t)ahead_ms;
    uint64_t sure_ms = off_ms > slack_ms ? off_ms - slack_ms : 0;
    return sure_ms >= CLOCK_FAULT_MS  ? CHECK_FAULT
           : sure_ms >= CLOCK_WARN_MS ? CHECK_WARNING
                                      : CHECK_OK;
}

static void add_clock(struct check *c, struct str who, int64_t ahead_ms, uint64_t slack_ms)
{
    enum check_state state = check_clock(ahead_ms, slack_ms);
    if (state == CHECK_OK)
        check_add(c, state, who, STR_NULL, "within %llu ms of the clock here",
                  (unsigned long long)slack_ms + CLOCK_WARN_MS);
    else
        check_add(c, state, who, STR("let both take their time from the same source (NTP)"),
                  "%lld ms %s the clock here, to %llu ms",
                  (long long)(ahead_ms < 0 ? -ahead_ms : ahead_ms),
                  ahead_ms < 0 ? "behind" : "ahead of", (unsigned long long)slack_ms);
}

static void look_at_clock(struct check *c, struct str who, const struct probe_result *r)
{
    if (c->probing.code || !r->is_asked || r->rc < 0)
        check_add(c, CHECK_UNKNOWN, who, STR_NULL, "it has not answered");
    else if (!r->has_clock)
        check_add(c, CHECK_UNKNOWN, who, STR_NULL, "its answers have no Date");
    else
        add_clock(c, who, r->ahead_ms, r->slack_ms);
}

void check_clocks(struct check *c)
{
    const struct cfg *cfg = c->cfg;
    for (size_t i = 0; i < cfg->app->n_services; i++)
        if (cfg->instances[i].service)
            look_at_clock(c, cfg->app->services[i].name, &c->probes.services[i]);
    for (size_t i = 0; i < cfg->n_sites; i++) {
        const json_t *row = check_site_of(c, i), *told = json_object_get(row, "clock_ms");
        bool is_fresh = json_is_integer(told) && !str_eq(text_of(row, "state"), STR("down"));
        if (i == cfg->self)
            continue;
        if (is_fresh)
            add_clock(c, cfg->sites[i].name, (int64_t)json_integer_value(told), HEARTBEAT_SLACK_MS);
        else
            look_at_clock(c, cfg->sites[i].name, &c->probes.sites[i]);
    }
}
