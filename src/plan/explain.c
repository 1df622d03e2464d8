/* The steps of a request that is not run: head, carriers, service, class, scope, plan, print. */
#include "plan/explain.h"
#include "app/carrier.h"
#include "base/check.h"
#include "codec/h1.h"
#include "codec/uri.h"

#define MAX_HEAD     32768
#define MAX_CARRIERS 16
#define MAX_NAMES    64 /* that are looked at for "did you mean" */

struct explaining {
    const struct plan_explain *e;
    struct arena *arena;
    struct diag *diag;
    struct h1_head head;
    struct app_carried carried;
    const struct app_service *service;
    struct app_class class_;
    struct str note;
};

static int no_memory(const struct explaining *x)
{
    return diag_set(x->diag, ERR_NO_MEMORY, "the request is too large to be explained");
}

/* Writes the request as a client would send it, so that the parser of requests judges it. */
static int write_head(const struct explaining *x, struct out *o)
{
    const struct plan_explain *e = x->e;
    bool has_host = false;
    if (!h1_is_token(e->method) || !h1_is_field_value(e->target) || str_find(e->target, ' ') >= 0)
        return diag_set(x->diag, ERR_BAD_REQUEST,
                        "the method or the URL holds a character that a "
                        "request line cannot have");
    out_str(o, e->method);
    out_char(o, ' ');
    out_str(o, e->target);
    OUT(o, " HTTP/1.1\r\n");
    for (size_t i = 0; i < e->n_fields; i++) {
        if (!h1_is_field_value(e->fields[i]))
            return diag_set(x->diag, ERR_BAD_REQUEST,
                            "a header holds characters that no field may have");
        has_host = has_host || str_eq_nocase(str_sub(e->fields[i], 0, 5), STR("Host:"));
        out_str(o, e->fields[i]);
        OUT(o, "\r\n");
    }
    out_str(o, has_host ? STR("\r\n") : STR("Host: localhost\r\n\r\n"));
    return 0;
}

static int read_head(struct explaining *x)
{
    const char *why = NULL;
    char *memory = arena_alloc(x->arena, MAX_HEAD);
    struct h1_field *fields = arena_alloc(x->arena, H1_MAX_FIELDS * sizeof *fields);
    struct out o;
    if (!memory || !fields)
        return no_memory(x);
    out_init(&o, memory, MAX_HEAD);
    int rc = write_head(x, &o);
    if (rc < 0)
        return rc;
    if (o.overflowed)
        return diag_set(x->diag, ERR_HEAD_TOO_LARGE, "the request has more than %d bytes",
                        MAX_HEAD);
    size_t scan = 0;
    long end = h1_head_end(out_get(&o), &scan, o.n);
    if (end >= 0 && (size_t)end != o.n) /* an empty line where a field was expected */
        end = ERR_BAD_REQUEST;
    if (end < 0)
        return diag_set(x->diag, (int)end, "the request's lines are not well formed");
    rc = h1_request_parse(&x->head, out_get(&o), fields, H1_MAX_FIELDS, &why);
    return rc < 0 ? diag_set(x->diag, rc, "%s", why ? why : err_text(rc)) : 0;
}

/* The port of the request's authority; 0: none. */
static unsigned find_port(const struct h1_head *h)
{
    uint64_t port;
    size_t colon = h->authority.n;
    while (colon > 0 && h->authority.p[colon - 1] != ':')
        colon--;
    return colon && str_digits(str_from(h->authority, colon), 65535, &port) == 0 ? (unsigned)port
                                                                                 : 0;
}

static const struct app_service *find_by_usual_port(const struct app *app, unsigned port)
{
    for (size_t i = 0; port && i < app->n_services; i++)
        if (app->services[i].usual_port == port)
            return &app->services[i];
    return NULL;
}

static int find_named(struct explaining *x)
{
    const struct app *app = x->e->app;
    struct str names[MAX_NAMES];
    size_t n = app->n_services < MAX_NAMES ? app->n_services : MAX_NAMES;
    x->service = app_service_find(app, x->e->service);
    if (x->service)
        return 0;
    for (size_t i = 0; i < n; i++)
        names[i] = app->services[i].name;
    struct str near = str_nearest(x->e->service, names, n);
    int rc = diag_set(x->diag, ERR_UNKNOWN_SERVICE, "no service of '%.*s' is named '%.*s'",
                      STR_ARG(app->name), STR_ARG(str_sub(x->e->service, 0, 100)));
    if (near.p)
        diag_hint(x->diag, "did you mean '%.*s'?", STR_ARG(near));
    return rc;
}

/* The most exact match (design.md section 4): a listener tied to a service, host and path; at last
 * the port that the service usually has. */
static int find_service(struct explaining *x)
{
    const struct plan_explain *e = x->e;
    struct str path = uri_path(x->carried.target);
    unsigned port = find_port(&x->head);
    if (e->service.p)
        return find_named(x);
    if (port && e->service_at)
        x->service = e->service_at(e->context, port);
    if (!x->service)
        x->service = app_recognise(e->app, x->head.authority, path);
    if (!x->service)
        x->service = find_by_usual_port(e->app, port);
    if (x->service)
        return 0;
    diag_hint(x->diag,
              "name the service, or give a URL with its listener's port, its host or prefix");
    return diag_set(x->diag, ERR_UNKNOWN_SERVICE, "no service of '%.*s' takes '%.*s'",
                    STR_ARG(e->app->name), STR_ARG(str_sub(path, 0, 100)));
}

static void classify(struct explaining *x)
{
    size_t type = h1_find(&x->head, H1_CONTENT_TYPE, 0);
    struct app_request r = {
        .method = x->head.method_text,
        .target = x->carried.target,
        .media_type = type < x->head.n_fields ? h1_value(&x->head, type) : STR_NULL,
    };
    app_classify(x->service, &r, &x->class_);
    if (!x->class_.needs_body)
        return;
    x->note = STR("the body decides on the operation; this is the plan of an empty one");
    r.body = STR("");
    r.body_is_whole = true;
    app_classify(x->service, &r, &x->class_);
}

/* Carriers, service and class, in the order of a request (scope-lang.md section 5). */
static int read_request(struct explaining *x)
{
    const struct app *app = x->e->app;
    int rc = read_head(x);
    if (rc == 0)
        rc = app_carriers_read(app, &x->head, x->arena, &x->carried, x->diag);
    if (rc == 0)
        rc = find_service(x);
    if (rc < 0)
        return rc;
    classify(x);
    return app_carriers_read_body(app, &x->class_, STR_NULL, x->arena, &x->carried, x->diag);
}

static struct str carrier_name(enum app_carrier carrier)
{
    static const char *const names[] = {
        [APP_CARRIER_NONE] = NULL,
        [APP_CARRIER_FIELD] = "the field Scope",
        [APP_CARRIER_CREDENTIAL] = "a credential",
        [APP_CARRIER_NAMED] = "a field of the description",
        [APP_CARRIER_PATH] = "the path",
        [APP_CARRIER_PREFIX] = "the prefix /~scope/",
        [APP_CARRIER_BAGGAGE] = "baggage",
        [APP_CARRIER_BODY] = "the body",
        [APP_CARRIER_MEMORY] = "memory",
    };
    return str_of(names[carrier]);
}

static int read_scope(struct explaining *x, struct str text, struct scope **out)
{
    const struct plan_sites *sites = x->e->sites;
    struct scope *parsed;
    *out = NULL;
    if (!text.p)
        return 0;
    int rc = scope_parse(text, x->arena, &parsed, x->diag);
    if (rc == 0)
        rc = scope_freeze(parsed, sites->names[sites->self], x->service->name, x->arena, out,
                          x->diag);
    return rc;
}

static void print(const struct explaining *x, const struct plan_in *in, const struct plan *plan,
                  struct out *o)
{
    const struct plan_explain *e = x->e;
    struct str names[MAX_CARRIERS];
    struct app_carriers_in set = {
        .app = e->app,
        .service = x->service,
        .with_suffix = e->suffix_allowed && e->suffix_allowed(e->context, x->service),
    };
    struct plan_print_in p = {
        .in = in,
        .plan = plan,
        .target = x->carried.target,
        .carrier = e->scope.p ? STR_NULL : carrier_name(x->carried.carrier),
        .notes = {e->note, x->note},
        .carriers = names,
        .n_carriers = in->scope ? app_carriers_names(&set, &x->head, names, MAX_CARRIERS) : 0,
    };
    if (e->as_json)
        plan_print_json(&p, o);
    else
        plan_print_text(&p, o);
}

int plan_explain(const struct plan_explain *e, struct arena *arena, struct out *o,
                 struct plan_explain_failure *failure)
{
    struct explaining x = {.e = e, .arena = arena, .diag = &failure->diag};
    struct scope *scope;
    struct plan *plan;
    int rc = read_request(&x);
    failure->scope = e->scope.p ? e->scope : x.carried.text;
    if (rc < 0)
        return rc;
    rc = read_scope(&x, failure->scope, &scope);
    if (rc < 0)
        return rc;
    struct plan_in in = {.app = e->app,
                         .service = x.service,
                         .class_ = &x.class_,
                         .method = x.head.method_text,
                         .scope = scope,
                         .sites = e->sites};
    rc = plan_make(&in, arena, &plan, &failure->diag);
    if (rc == 0)
        print(&x, &in, plan, o);
    return rc;
}

void plan_explain_error(const struct plan_explain_failure *failure, bool as_json, struct out *o)
{
    const struct diag *d = &failure->diag;
    if (as_json) {
        OUT(o, "{\"ok\":false,\"code\":");
        out_json(o, str_of(err_name(d->code)));
        out_fmt(o, ",\"status\":%d,\"offset\":%zu,\"length\":%zu,\"message\":", err_status(d->code),
                d->offset, d->length);
        out_json(o, str_of(d->message));
        OUT(o, ",\"hint\":");
        out_json(o, str_of(d->hint));
        OUT(o, "}");
        return;
    }
    out_fmt(o, "%s: %s\n", err_name(d->code), d->message);
    if (d->length || d->offset) {
        diag_caret(d, failure->scope, o);
        out_char(o, '\n');
    }
    if (d->hint[0])
        out_fmt(o, "hint: %s\n", d->hint);
}
