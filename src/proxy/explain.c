#include "proxy/explain.h"

#include "app/carrier.h"
#include "codec/uri.h"

int proxy_explain(const struct proxy_conf *c, const struct proxy_explain *e, struct arena *a,
                  struct out *o, struct diag *d)
{
    const struct app *app = c->cfg->app;
    struct app_class class_;
    struct scope *scope = NULL;
    struct plan *plan;
    struct str names[16];
    int rc = 0;
    const struct app_service *service = e->service.p
                                            ? app_service_find(app, e->service)
                                            : app_recognise(app, STR_NULL, uri_path(e->target));
    if (!service)
        return diag_set(d, ERR_UNKNOWN_SERVICE, "say which service: service=NAME");
    struct app_request r = {.method = e->method, .target = e->target, .body_is_whole = true};
    app_classify(service, &r, &class_);
    if (e->scope.p) {
        rc = scope_parse(e->scope, a, &scope, d);
        if (rc == 0)
            rc = scope_freeze(scope, c->cfg->site, service->name, a, &scope, d);
    }
    struct plan_in in = {app, service, &class_, e->method, scope, &c->plan_sites};
    if (rc == 0)
        rc = plan_make(&in, a, &plan, d);
    if (rc < 0)
        return rc;
    const struct cfg_instance *instance = cfg_instance_of(c->cfg, service);
    struct app_carriers_in set = {.app = app,
                                  .service = service,
                                  .with_suffix = instance && instance->credential_checks_pass};
    struct plan_print_in p = {.in = &in,
                              .plan = plan,
                              .target = e->target,
                              .carriers = names,
                              .n_carriers = scope ? app_carriers_names(&set, names, 16) : 0};
    plan_print_json(&p, o);
    return 0;
}
