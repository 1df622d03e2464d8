/* POST /v1/reload: the daemon reads its configuration anew; the answer says what came of it. */
#include "admin/request.h"

#include <stdio.h>

#define ANSWER_BYTES 4096

/* {"error": "cheops.yaml:3:1: there is no key 'sight'", "hint": "did you mean 'site'?"} */
static void refuse(struct admin_request *r, const struct diag *d)
{
    char where[300] = "", text[sizeof where + sizeof d->message];
    struct out o;
    if (d->file[0])
        snprintf(where, sizeof where, "%s:%u:%u: ", d->file, d->line, d->column);
    out_init(&o, text, sizeof text);
    out_fmt(&o, "%s%s", where, d->message);
    r->status = 409;
    OUT(&r->body, "{\"error\":");
    out_json(&r->body, out_get(&o));
    OUT(&r->body, ",\"hint\":");
    out_json(&r->body, str_of(d->hint));
    OUT(&r->body, "}\n");
}

static void on_done(const struct admin_wish *wish, int rc, const struct diag *d)
{
    struct admin *a = wish->context;
    struct admin_request *r = a->reloading;
    a->reloading = NULL;
    if (!r)
        return; /* it waits no longer */
    r->is_reloading = false;
    if (rc == 0)
        OUT(&r->body, "{\"reloaded\":true}\n");
    else
        refuse(r, d);
    rt_wake(a->in.env->loop, &r->task);
}

void admin_reload(struct admin_request *r)
{
    struct admin *a = r->admin;
    if (a->reloading) {
        admin_refuse(r, 409, "another reload is under way");
        return;
    }
    if (!admin_body(r, ANSWER_BYTES))
        return;
    struct diag d = {0};
    if (a->in.reload(a->in.context, &(struct admin_wish){on_done, a}, &d) < 0) {
        refuse(r, &d);
        return;
    }
    r->is_reloading = true;
    a->reloading = r;
}

void admin_end_reload(struct admin_request *r)
{
    r->is_reloading = false;
    r->admin->reloading = NULL;
    admin_refuse(r, 504, "the configuration is good, but a worker has not taken it so far");
}
