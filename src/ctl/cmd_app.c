/* cheops app check: whether an application description is valid, what it knows, what can come of
 * replication, and what becomes of scopes on credentials at a site that uses it. */
#include "app/app.h"
#include "cfg/cfg.h"
#include "ctl/app_replication.h"
#include "ctl/options.h"

#include <jansson.h>
#include <stdio.h>

#define DESCRIPTION_BYTES (16u << 20)
#define TEXT_BYTES        (512u << 10)

struct asked {
    const char *config;
    bool json;
};

/* ---- a site's credential checks */

enum suffix { SUFFIX_CUT, SUFFIX_SET, SUFFIX_OFF, SUFFIX_ABSENT };

static const struct {
    const char *name, *text;
} suffixes[] = {
    [SUFFIX_CUT] = {"cut", "checks credentials itself: suffixes are cut before it"},
    [SUFFIX_SET] = {"set", "checks pass this site's Cheops: credentials get the suffix"},
    [SUFFIX_OFF] = {"off", "checks do not all pass this site's Cheops: no suffix"},
    [SUFFIX_ABSENT] = {"absent", "no instance at this site"},
};

static enum suffix suffix_of(const struct cfg *c, const struct app_service *s)
{
    const struct cfg_instance *i = cfg_instance_of(c, s);
    if (!i)
        return SUFFIX_ABSENT;
    if (s->checks_credentials)
        return SUFFIX_CUT;
    return i->credential_checks_pass && c->app->propagate.n_credential_fields ? SUFFIX_SET
                                                                              : SUFFIX_OFF;
}

/* ---- for people */

static void put_list(struct out *o, const char *lead, const struct str *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out_fmt(o, "%s%.*s", i ? ", " : lead, STR_ARG(items[i]));
}

static size_t operations_of(const struct app_service *s, const struct app_type *type)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n_rules; i++)
        n += s->rules[i].type == type;
    return n;
}

static void put_type(struct out *o, const struct app_service *s, const struct app_type *t)
{
    size_t n = operations_of(s, t);
    out_fmt(o, "  %-24.*s %3zu operation%s  %.*s", STR_ARG(t->name), n, n == 1 ? " " : "s",
            STR_ARG(t->item.n ? t->item.text : t->collection.text));
    put_list(o, "  selects by ", t->list.selects, t->list.n_selects);
    out_fmt(o, "%s%s\n", t->can_replicate ? "  &" : "", t->can_cross ? "  %" : "");
    ctl_put_replication(o, t);
}

static void put_service(struct out *o, const struct app_service *s)
{
    size_t own = operations_of(s, NULL);
    out_fmt(o, "\nservice %.*s", STR_ARG(s->name));
    put_list(o, ", also ", s->aliases, s->n_aliases);
    if (s->usual_port)
        out_fmt(o, ", port %u", s->usual_port);
    if (s->host.p)
        out_fmt(o, ", host %.*s", STR_ARG(s->host));
    if (s->prefix.p)
        out_fmt(o, ", prefix %.*s", STR_ARG(s->prefix));
    out_fmt(o, "%s\n", s->checks_credentials ? ", checks credentials" : "");
    out_fmt(o, "  errors: %.*s\n",
            STR_ARG(s->errors.content_type.p ? s->errors.content_type
                                             : STR("application/problem+json")));
    out_fmt(o, "  %-24s %3zu operation%s\n", "(the service itself)", own, own == 1 ? "" : "s");
    for (size_t i = 0; i < s->n_types; i++)
        put_type(o, s, &s->types[i]);
}

static void put_carriers(struct out *o, const struct app_carriers *c)
{
    OUT(o, "carriers: Scope, X-Scope, /~scope/, baggage");
    put_list(o, ", suffix of ", c->credential_fields, c->n_credential_fields);
    put_list(o, ", ", c->scope_fields, c->n_scope_fields);
    if (c->path_separator)
        out_fmt(o, ", paths with '%c'", c->path_separator);
    if (c->body_pointer.p)
        out_fmt(o, ", bodies at %.*s", STR_ARG(c->body_pointer));
    if (c->correlation_field.p)
        out_fmt(o, ", memory by %.*s", STR_ARG(c->correlation_field));
    out_char(o, '\n');
}

static void put_propagated(struct out *o, const struct app *app)
{
    const struct app_propagate *p = &app->propagate;
    const char *lead = " ";
    OUT(o, "propagated:");
    if (p->n_credential_fields) {
        put_list(o, " suffix of ", p->credential_fields, p->n_credential_fields);
        lead = ", ";
    }
    const struct {
        bool is_set;
        struct str name;
    } others[] = {{p->scope_field, STR("Scope")},
                  {p->baggage, STR("baggage")},
                  {p->correlation, app->carriers.correlation_field}};
    for (size_t i = 0; i < COUNT_OF(others); i++)
        if (others[i].is_set) {
            out_fmt(o, "%s%.*s", lead, STR_ARG(others[i].name));
            lead = ", ";
        }
    out_str(o, lead[0] == ' ' ? STR(" nothing\n") : STR("\n"));
}

static void put_text(struct out *o, const char *path, const struct app *app, const struct cfg *c)
{
    out_fmt(o, "%s: application %.*s: valid\n", path, STR_ARG(app->name));
    put_carriers(o, &app->carriers);
    put_propagated(o, app);
    for (size_t i = 0; i < app->n_services; i++)
        put_service(o, &app->services[i]);
    if (!c)
        return;
    out_fmt(o, "\nsite %.*s\n", STR_ARG(c->site));
    for (size_t i = 0; i < app->n_services; i++)
        out_fmt(o, "  %-24.*s %s\n", STR_ARG(app->services[i].name),
                suffixes[suffix_of(c, &app->services[i])].text);
}

/* ---- for programs */

static json_t *json_text(struct str s)
{
    return s.p ? json_stringn(s.p, s.n) : json_null();
}

static json_t *json_texts(const struct str *items, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, json_text(items[i]));
    return a;
}

static json_t *json_operations(const struct app_service *s, const struct app_type *type)
{
    json_t *a = json_array();
    for (size_t i = 0; i < s->n_rules; i++) {
        const struct app_rule *r = &s->rules[i];
        if (r->type == type)
            json_array_append_new(a, json_pack("{so so so so}", "name", json_text(r->operation),
                                               "kind", json_text(app_kind_name(r->kind)), "method",
                                               json_text(r->method), "path",
                                               json_text(r->template_.text)));
    }
    return a;
}

static json_t *json_types(const struct app_service *s)
{
    json_t *a = json_array();
    for (size_t i = 0; i < s->n_types; i++) {
        const struct app_type *t = &s->types[i];
        json_array_append_new(
            a, json_pack("{so so so so sb sb so so}", "name", json_text(t->name), "collection",
                         json_text(t->collection.text), "item", json_text(t->item.text), "selects",
                         json_texts(t->list.selects, t->list.n_selects), "replicate",
                         t->can_replicate, "cross", t->can_cross, "operations",
                         json_operations(s, t), "replication", ctl_json_replication(t)));
    }
    return a;
}

static json_t *json_services(const struct app *app)
{
    json_t *a = json_array();
    for (size_t i = 0; i < app->n_services; i++) {
        const struct app_service *s = &app->services[i];
        json_array_append_new(
            a, json_pack("{so so sI so so sb so so so}", "name", json_text(s->name), "aliases",
                         json_texts(s->aliases, s->n_aliases), "port", (json_int_t)s->usual_port,
                         "prefix", json_text(s->prefix), "host", json_text(s->host),
                         "checks_credentials", s->checks_credentials, "errors",
                         json_text(s->errors.content_type), "operations", json_operations(s, NULL),
                         "types", json_types(s)));
    }
    return a;
}

static json_t *json_of_carriers(const struct app_carriers *c)
{
    return json_pack("{so so so so}", "credentials",
                     json_texts(c->credential_fields, c->n_credential_fields), "fields",
                     json_texts(c->scope_fields, c->n_scope_fields), "body",
                     json_text(c->body_pointer), "correlation", json_text(c->correlation_field));
}

static json_t *json_of_propagate(const struct app_propagate *p)
{
    return json_pack("{sb sb sb so}", "scope", p->scope_field, "baggage", p->baggage, "correlation",
                     p->correlation, "credentials",
                     json_texts(p->credential_fields, p->n_credential_fields));
}

static json_t *json_site(const struct cfg *c)
{
    json_t *a = json_array();
    for (size_t i = 0; i < c->app->n_services; i++) {
        const struct app_service *s = &c->app->services[i];
        json_array_append_new(a, json_pack("{so ss}", "service", json_text(s->name), "suffix",
                                           suffixes[suffix_of(c, s)].name));
    }
    return json_pack("{so so so}", "name", json_text(c->site), "credentials", a, "warnings",
                     json_texts(c->warnings, c->n_warnings));
}

static int print_json(json_t *answer)
{
    if (!answer || json_dumpf(answer, stdout, JSON_COMPACT) < 0) {
        fputs("cheops: no memory for the answer\n", stderr);
        json_decref(answer);
        return CTL_FAILED;
    }
    json_decref(answer);
    putchar('\n');
    return CTL_OK;
}

static int print_app_json(const struct app *app, const struct cfg *c)
{
    return print_json(json_pack("{sb so so so so so}", "ok", 1, "application", json_text(app->name),
                                "carriers", json_of_carriers(&app->carriers), "propagate",
                                json_of_propagate(&app->propagate), "services", json_services(app),
                                "site", c ? json_site(c) : json_null()));
}

static int print_error_json(const struct diag *d)
{
    (void)print_json(json_pack("{sb ss ss sI sI ss ss}", "ok", 0, "code", err_name(d->code), "file",
                               d->file, "line", (json_int_t)d->line, "column",
                               (json_int_t)d->column, "message", d->message, "hint", d->hint));
    return CTL_FAILED;
}

/* ---- the command */

static int print_app(const struct asked *a, const char *path, const struct app *app,
                     const struct cfg *c)
{
    static char memory[TEXT_BYTES];
    struct out o;
    if (a->json)
        return print_app_json(app, c);
    out_init(&o, memory, sizeof memory);
    put_text(&o, path, app, c);
    fwrite(o.p, 1, o.n, stdout);
    for (size_t i = 0; c && i < c->n_warnings; i++)
        fprintf(stderr, "warning: %.*s\n", STR_ARG(c->warnings[i]));
    if (o.overflowed)
        fputs("cheops: the description is too long to be printed whole; --json prints it\n",
              stderr);
    return o.overflowed ? CTL_FAILED : CTL_OK;
}

static int check(const struct asked *a, const char *path)
{
    struct diag d = {0};
    struct arena arena;
    struct app *app = NULL;
    struct cfg *c = NULL;
    arena_init(&arena, NULL, 0, DESCRIPTION_BYTES);
    int rc =
        a->config ? cfg_read_with(a->config, path, &c, &d) : cfg_read_app(path, &arena, &app, &d);
    int status;
    if (rc == 0 && c)
        app = c->app;
    CHECK(rc < 0 || app);
    if (rc < 0)
        status = a->json ? print_error_json(&d) : ctl_fail(&d);
    else
        status = print_app(a, path, app, c);
    cfg_unref(&c);
    arena_fini(&arena);
    return status;
}

static int run_check(int argc, char **argv)
{
    static const struct ctl_option options[] = {
        {"config", CTL_TEXT, offsetof(struct asked, config), "FILE",
         "a site's configuration: say what becomes of scopes on credentials there"},
        {"json", CTL_FLAG, offsetof(struct asked, json), NULL, "the answer as one line of JSON"},
    };
    static const struct ctl_syntax syntax = {
        "app check",
        "FILE",
        1,
        1,
        options,
        COUNT_OF(options),
        "Reads an application description and says what it knows: carriers, services, types,\n"
        "operations. Of each type it says which operations are logged when it is replicated, and\n"
        "what they do; which pairs only clocks order; which operations leave replicas diverged\n"
        "for good; and it looks for a history of up to three operations at two sites after which\n"
        "replicas differ, in at most 200000, and prints the shortest. No program replicates so\n"
        "far. With a site's configuration it is read with FILE in place of the\n"
        "description that it names, and each service's credential checks are told: they pass\n"
        "this site's Cheops, or credentials get no suffix.\n"
        "Exit status: 0 valid, 1 not, 2 the command line is wrong.\n"};
    struct asked asked = {.config = NULL};
    struct ctl_args args;
    if (!ctl_read(&syntax, argc, argv, &asked, &args))
        return args.status;
    return check(&asked, args.rest[0]);
}

int ctl_cmd_app(int argc, char **argv)
{
    static const struct ctl_command commands[] = {
        {"check", run_check, "check an application description and say what it knows"},
    };
    return ctl_dispatch("cheops app", commands, COUNT_OF(commands), argc, argv);
}
