/* Checks of what is in files: the configuration, keys, certificates, carriers. */
#include "base/check.h"
#include "ctl/check.h"

#include <errno.h>
#include <sys/stat.h>

#define DAY_S      86400
#define URI_PREFIX "cheops://site/"
#define URI_BYTES  128

void check_configuration(struct check *c)
{
    struct str file = str_of(c->file);
    const struct diag *d = &c->config;
    struct str todo =
        d->hint[0] ? str_of(d->hint) : STR("correct it, or name another with --config");
    if (!c->cfg && d->line)
        check_add(c, CHECK_FAULT, file, todo, "%s:%u:%u: %s", d->file, d->line, d->column,
                  d->message);
    else if (!c->cfg)
        check_add(c, CHECK_FAULT, file, todo, "%s", d->message);
    else if (c->cfg->n_warnings)
        check_add(c, CHECK_WARNING, file,
                  arena_printf(c->arena, "read them: cheopsd --check-config %s", c->file),
                  "it loads, with %zu warning%s", c->cfg->n_warnings,
                  c->cfg->n_warnings == 1 ? "" : "s");
    else
        check_add(c, CHECK_OK, file, STR_NULL, "site %.*s, application %.*s (%.*s)",
                  STR_ARG(c->cfg->site), STR_ARG(c->cfg->app->name), STR_ARG(c->cfg->app_file));
}

/* ---- the ends of TLS */

struct tls_end {
    struct str what; /* "listener 192.0.2.1:443" */
    const struct cfg_tls *files;
    const struct rt_tls *tls;
    bool is_link; /* between sites */
};

/* Calls `look` for each end that has TLS. Returns how many. */
static size_t each_end(struct check *c, void (*look)(struct check *c, const struct tls_end *end))
{
    const struct cfg *cfg = c->cfg;
    struct tls_end end = {.is_link = false};
    size_t n = 0;
    for (size_t i = 0; i < cfg->n_listeners; i++) {
        const struct cfg_listener *l = &cfg->listeners[i];
        end = (struct tls_end){.files = &l->files, .tls = l->tls};
        end.what = arena_printf(c->arena, "listener %.*s", STR_ARG(l->text));
        if (l->tls && ++n)
            look(c, &end);
        for (size_t k = 0; k < l->n_certificates; k++) {
            end.files = &l->certificates[k].files;
            end.tls = l->certificates[k].tls;
            look(c, &end);
        }
    }
    for (size_t i = 0; i < cfg->app->n_services; i++) {
        const struct cfg_instance *s = &cfg->instances[i];
        end = (struct tls_end){.files = &s->files, .tls = s->tls};
        end.what = arena_printf(c->arena, "service %.*s", STR_ARG(cfg->app->services[i].name));
        if (s->tls && ++n)
            look(c, &end);
    }
    end = (struct tls_end){STR("links"), &cfg->peers.files, cfg->peers.server, true};
    if (end.tls && ++n)
        look(c, &end);
    return n;
}

/* ---- keys */

static void look_at_key(struct check *c, const struct tls_end *end)
{
    struct str path = end->files->key;
    struct stat st;
    if (!path.p)
        return;
    if (stat(path.p, &st) < 0)
        check_add(c, CHECK_UNKNOWN, end->what, STR_NULL, "%.*s: %s", STR_ARG(path),
                  strerror(errno));
    else if (st.st_mode & 077)
        check_add(
            c, CHECK_WARNING, end->what, arena_printf(c->arena, "chmod 600 %.*s", STR_ARG(path)),
            "%.*s can be read by others (mode %04o)", STR_ARG(path), (unsigned)st.st_mode & 07777);
    else
        check_add(c, CHECK_OK, end->what, STR_NULL, "%.*s is its owner's alone", STR_ARG(path));
}

void check_keys(struct check *c)
{
    each_end(c, look_at_key);
}

/* ---- certificates */

enum check_state check_validity(int64_t begin, int64_t end, int64_t now)
{
    if (now < begin || now >= end)
        return CHECK_FAULT;
    return end - now < (int64_t)CHECK_WARN_DAYS * DAY_S ? CHECK_WARNING : CHECK_OK;
}

static struct str print_day(const struct check *c, int64_t s)
{
    char memory[40];
    struct out o;
    out_init(&o, memory, sizeof memory);
    rt_print_time((uint64_t)s * 1000000, &o);
    return arena_str(c->arena, str_sub(out_get(&o), 0, 10));
}

static void add_validity(struct check *c, struct str what, struct str path, int64_t begin,
                         int64_t end, struct str todo)
{
    int64_t now = (int64_t)c->now_s;
    enum check_state state = check_validity(begin, end, now);
    if (now < begin)
        check_add(c, state, what, STR("set the clock, or wait"), "%.*s is not valid before %.*s",
                  STR_ARG(path), STR_ARG(print_day(c, begin)));
    else if (now >= end)
        check_add(c, state, what, todo, "%.*s has ended on %.*s", STR_ARG(path),
                  STR_ARG(print_day(c, end)));
    else
        check_add(c, state, what, state == CHECK_OK ? STR_NULL : todo,
                  "%.*s ends on %.*s (%lld days)", STR_ARG(path), STR_ARG(print_day(c, end)),
                  (long long)((end - now) / DAY_S));
}

/* A certificate of a link must bear this site's name, and be what the other sites take. */
static void look_at_link(struct check *c, const struct tls_end *end, struct str todo)
{
    char memory[URI_BYTES];
    struct str path = end->files->certificate;
    struct str uri = rt_tls_own_uri(end->tls, STR(URI_PREFIX), memory, sizeof memory);
    struct str name = str_from(uri, sizeof URI_PREFIX - 1);
    const char *why = rt_tls_refusal(c->cfg->peers.client, c->cfg->peers.server);
    if (!why[0])
        why = rt_tls_refusal(c->cfg->peers.server, c->cfg->peers.client);
    if (!uri.p)
        check_add(c, CHECK_FAULT, end->what, todo, "%.*s bears no site's name (" URI_PREFIX "NAME)",
                  STR_ARG(path));
    else if (!str_eq(name, c->cfg->site))
        check_add(c, CHECK_FAULT, end->what, todo, "%.*s is the certificate of %.*s, this is %.*s",
                  STR_ARG(path), STR_ARG(name), STR_ARG(c->cfg->site));
    if (why[0])
        check_add(c, CHECK_FAULT, end->what, todo, "%.*s is not what other sites take: %s",
                  STR_ARG(path), why);
}

static void look_at_certificate(struct check *c, const struct tls_end *end)
{
    const struct cfg_tls *f = end->files;
    struct str todo =
        end->is_link
            ? arena_printf(c->arena, "`cheops ca issue %.*s`, copy it here, `cheops reload`",
                           STR_ARG(c->cfg->site))
            : STR("renew it, then `cheops reload`");
    if (f->certificate.p)
        add_validity(c, end->what, f->certificate, rt_tls_not_before(end->tls),
                     rt_tls_not_after(end->tls), todo);
    if (end->is_link)
        look_at_link(c, end, todo);
    int64_t ca_end = rt_tls_ca_not_after(end->tls);
    if (f->ca.p && ca_end)
        add_validity(c, end->what, f->ca, 0, ca_end,
                     STR("everything that it has signed ends with it: make a new authority"));
}

/* A site whose certificate the daemon or a probe has seen. */
static void look_at_other_site(struct check *c, size_t site)
{
    const struct probe_result *probe = &c->probes.sites[site];
    const json_t *told = json_object_get(check_site_of(c, site), "certificate");
    const json_t *days = json_object_get(told, "days_left");
    struct str name = c->cfg->sites[site].name;
    int64_t left = 0;
    if (json_is_integer(days))
        left = (int64_t)json_integer_value(days);
    else if (!c->probing.code && probe->is_asked && probe->rc == 0 && probe->not_after)
        left = (probe->not_after - (int64_t)c->now_s) / DAY_S;
    else
        return;
    int64_t end = (int64_t)c->now_s + left * DAY_S;
    enum check_state state = left < 0 ? CHECK_FAULT : check_validity(0, end, (int64_t)c->now_s);
    check_add(c, state, name,
              state == CHECK_OK
                  ? STR_NULL
                  : arena_printf(c->arena, "`cheops ca issue %.*s`, copy it there", STR_ARG(name)),
              left < 0 ? "its certificate has ended (%lld days)"
                       : "its certificate ends in %lld days",
              (long long)left);
}

void check_certificates(struct check *c)
{
    size_t n = each_end(c, look_at_certificate);
    for (size_t i = 0; i < c->cfg->n_sites; i++)
        if (i != c->cfg->self)
            look_at_other_site(c, i);
    if (n == 0)
        check_add(c, CHECK_OK, STR_NULL, STR_NULL, "nothing speaks TLS");
}

/* ---- carriers */

static void put_carrier(struct out *o, const char *lead, struct str name)
{
    out_fmt(o, "%s%s%.*s", o->n ? ", " : "", lead, STR_ARG(name));
}

/* What is set on the way to a service, and so may be on its own requests. */
static void put_carriers(const struct app *app, bool has_suffix, struct out *o)
{
    const struct app_propagate *p = &app->propagate;
    for (size_t i = 0; has_suffix && i < p->n_credential_fields; i++)
        put_carrier(o, "suffix of ", p->credential_fields[i]);
    if (p->scope_field)
        put_carrier(o, "", STR("Scope"));
    if (p->baggage)
        put_carrier(o, "", STR("baggage"));
    if (p->correlation && app->carriers.correlation_field.p)
        put_carrier(o, "memory by ", app->carriers.correlation_field);
}

static void look_at_carriers(struct check *c, const struct cfg_instance *i)
{
    char memory[400];
    struct out o;
    const struct app *app = c->cfg->app;
    struct str name = i->service->name;
    bool wants_suffix = app->propagate.n_credential_fields && !i->service->checks_credentials;
    out_init(&o, memory, sizeof memory);
    put_carriers(app, wants_suffix && i->credential_checks_pass, &o);
    if (o.n == 0)
        check_add(c, CHECK_WARNING, name,
                  STR("let credential checks pass a listener here, or `propagate` another carrier"),
                  "nothing carries a scope to it: its own requests stay at this site");
    else if (wants_suffix && !i->credential_checks_pass)
        check_add(c, CHECK_WARNING, name,
                  STR("give a listener to the service that checks credentials, and name this site "
                      "where the service looks for it"),
                  "%.*s; no suffix of credentials: not all checks pass here", STR_ARG(out_get(&o)));
    else
        check_add(c, CHECK_OK, name, STR_NULL, "%.*s%s", STR_ARG(out_get(&o)),
                  wants_suffix                     ? "; credential checks pass here"
                  : i->service->checks_credentials ? "; checks credentials, without suffix"
                                                   : "");
}

void check_carriers(struct check *c)
{
    for (size_t i = 0; i < c->cfg->app->n_services; i++)
        if (c->cfg->instances[i].service)
            look_at_carriers(c, &c->cfg->instances[i]);
}
