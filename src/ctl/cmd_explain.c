/* cheops explain: the plan of a request, from a configuration or from a running daemon. Both print
 * with src/plan/explain.c, so that they say the same. */
#include "cfg/cfg.h"
#include "codec/uri.h"
#include "ctl/ask.h"
#include "ctl/options.h"
#include "plan/explain.h"

#include <stdio.h>
#include <stdlib.h>

#define MEMORY_BYTES (4u << 20)
#define PLAN_BYTES   (512u << 10) /* over 1000 sites, each with a line */
#define PATH_BYTES   (64u << 10)

struct asked {
    const char *scope, *config, *admin, *service;
    struct ctl_list headers;
    bool json;
    const char *method, *url;
};

/* Errors go where answers go when a program asked, for a person to where errors go. */
static int print_answer(const struct asked *a, bool is_error, struct str text)
{
    FILE *to = is_error && !a->json ? stderr : stdout;
    if (is_error && !a->json)
        fputs("cheops: ", to);
    fwrite(text.p, 1, text.n, to);
    if (text.n && text.p[text.n - 1] != '\n')
        fputc('\n', to);
    return is_error ? CTL_FAILED : CTL_OK;
}

/* ---- from a configuration: nothing is known of the other sites */

static enum plan_site_state unknown_state(const void *context, size_t site)
{
    return site == ((const struct cfg *)context)->self ? PLAN_SITE_UP : PLAN_SITE_UNKNOWN;
}

static uint32_t unknown_rtt(const void *context, size_t from, size_t to)
{
    (void)context;
    return from == to ? 0 : PLAN_RTT_UNKNOWN;
}

static const struct app_service *service_at(const void *context, unsigned port)
{
    return cfg_service_at(context, port);
}

static bool suffix_allowed(const void *context, const struct app_service *service)
{
    const struct cfg_instance *instance = cfg_instance_of(context, service);
    return !instance || instance->credential_checks_pass; /* another site's: what is usual */
}

static int explain(const struct asked *a, const struct cfg *cfg, struct arena *arena)
{
    struct str fields[CTL_LIST_MAX], *names = arena_alloc(arena, cfg->n_sites * sizeof *names);
    char *text = arena_alloc(arena, PLAN_BYTES);
    struct plan_explain_failure failure = {.scope = STR_NULL};
    struct out o;
    if (!names || !text) {
        fputs("cheops: no memory for a plan\n", stderr);
        return CTL_FAILED;
    }
    for (size_t i = 0; i < cfg->n_sites; i++)
        names[i] = cfg->sites[i].name;
    for (size_t i = 0; i < a->headers.n; i++)
        fields[i] = str_of(a->headers.items[i]);
    struct plan_sites sites = {names, cfg->n_sites, cfg->self, cfg, unknown_state, unknown_rtt};
    struct plan_explain e = {.app = cfg->app,
                             .service = str_of(a->service),
                             .sites = &sites,
                             .context = cfg,
                             .service_at = service_at,
                             .suffix_allowed = suffix_allowed,
                             .method = str_of(a->method),
                             .target = str_of(a->url),
                             .scope = str_of(a->scope),
                             .fields = fields,
                             .n_fields = a->headers.n,
                             .as_json = a->json};
    out_init(&o, text, PLAN_BYTES);
    int rc = plan_explain(&e, arena, &o, &failure);
    if (rc < 0)
        plan_explain_error(&failure, a->json, &o);
    return print_answer(a, rc < 0, out_get(&o));
}

static int explain_offline(const struct asked *a)
{
    struct diag d = {0};
    struct cfg *cfg;
    struct arena arena;
    if (cfg_read(a->config, &cfg, &d) < 0)
        return ctl_fail(&d);
    arena_init(&arena, NULL, 0, MEMORY_BYTES);
    int status = explain(a, cfg, &arena);
    arena_fini(&arena);
    cfg_unref(&cfg);
    return status;
}

/* ---- from a daemon */

static void put_parameter(struct out *o, const char *name, const char *value)
{
    if (!value)
        return;
    out_fmt(o, "&%s=", name);
    uri_encode(str_of(value), o);
}

static int explain_live(const struct asked *a)
{
    struct diag d = {0};
    struct ctl_answer answer = {0};
    struct out o;
    char *path = malloc(PATH_BYTES);
    if (!path) {
        fputs("cheops: no memory for the question\n", stderr);
        return CTL_FAILED;
    }
    out_init(&o, path, PATH_BYTES - 1);
    out_fmt(&o, "/v1/explain?format=%s", a->json ? "json" : "text");
    put_parameter(&o, "method", a->method);
    put_parameter(&o, "target", a->url);
    put_parameter(&o, "scope", a->scope);
    put_parameter(&o, "service", a->service);
    for (size_t i = 0; i < a->headers.n; i++)
        put_parameter(&o, "field", a->headers.items[i]);
    path[o.n] = 0;
    int rc = o.overflowed ? diag_set(&d, ERR_LIMIT, "the request is too long to be asked")
                          : ctl_ask(a->admin, path, &answer, &d);
    free(path);
    if (rc < 0)
        return ctl_fail(&d);
    int status = print_answer(a, answer.status != 200, (struct str){answer.text, answer.n});
    ctl_answer_fini(&answer);
    return status;
}

int ctl_cmd_explain(int argc, char **argv)
{
    static const struct ctl_option options[] = {
        {"scope", CTL_TEXT, offsetof(struct asked, scope), "SCOPE",
         "the scope; left out: what the request carries"},
        {"config", CTL_TEXT, offsetof(struct asked, config), "FILE",
         "the site's configuration (" CTL_CONFIG ")"},
        {"admin", CTL_TEXT, offsetof(struct asked, admin), "SOCKET",
         "ask the cheopsd with that admin socket instead"},
        {"service", CTL_TEXT, offsetof(struct asked, service), "NAME",
         "the service that the request is for; left out: by the URL"},
        {"header", CTL_LIST, offsetof(struct asked, headers), "FIELD",
         "a field of the request, 'Name: value'"},
        {"json", CTL_FLAG, offsetof(struct asked, json), NULL, "the plan as one line of JSON"},
    };
    static const struct ctl_syntax syntax = {
        "explain",
        "METHOD URL",
        2,
        2,
        options,
        COUNT_OF(options),
        "Prints what a scope means for a request, without running it: the service, the kind of\n"
        "operation, each site that takes part and why, and the carriers that will be set. From a\n"
        "configuration nothing is known of the other sites' states and distances; a running\n"
        "cheopsd (--admin) knows them.\n"};
    struct asked asked = {.config = CTL_CONFIG};
    struct ctl_args args;
    if (!ctl_read(&syntax, argc, argv, &asked, &args))
        return args.status;
    asked.method = args.rest[0];
    asked.url = args.rest[1];
    return asked.admin ? explain_live(&asked) : explain_offline(&asked);
}
