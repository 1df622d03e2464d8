/* GET /v1/explain: the plan of a request that is not run. */
#include "admin/request.h"
#include "codec/uri.h"
#include "proxy/explain.h"

#define MAX_FIELDS      32
#define PARAMETER_BYTES 16384
#define PLAN_BYTES      65536 /* and more for each site */
#define LINE_BYTES      512

/* Takes "name=value", decoded, off the query. False at its end. ERR_… in *rc. */
static bool next_parameter(struct admin_request *r, struct str *query, struct str *name,
                           struct str *value, int *rc)
{
    char memory[PARAMETER_BYTES];
    struct str raw;
    struct out o;
    if (!str_split(query, '&', &raw))
        return false;
    ptrdiff_t equals = str_find(raw, '=');
    *name = str_sub(raw, 0, equals < 0 ? raw.n : (size_t)equals);
    out_init(&o, memory, sizeof memory);
    *rc = uri_decode(str_from(raw, equals < 0 ? raw.n : (size_t)equals + 1), &o);
    if (*rc == 0 && o.overflowed)
        *rc = ERR_LIMIT;
    *value = arena_str(&r->x->arena, out_get(&o));
    if (*rc == 0 && !value->p)
        *rc = ERR_NO_MEMORY;
    return *rc == 0;
}

static int read_question(struct admin_request *r, struct proxy_explain *e, struct str *fields,
                         struct diag *d)
{
    struct str query = uri_query(r->x->head.target), name, value;
    int rc = 0;
    e->as_json = true;
    e->fields = fields;
    while (next_parameter(r, &query, &name, &value, &rc)) {
        if (str_eq(name, STR("scope")))
            e->scope = value;
        else if (str_eq(name, STR("method")))
            e->method = value;
        else if (str_eq(name, STR("target")))
            e->target = value;
        else if (str_eq(name, STR("service")))
            e->service = value;
        else if (str_eq(name, STR("format")))
            e->as_json = !str_eq(value, STR("text"));
        else if (str_eq(name, STR("field")) && e->n_fields < MAX_FIELDS)
            fields[e->n_fields++] = value;
        else
            return diag_set(d, ERR_INVALID, "there is no parameter '%.*s'%s",
                            STR_ARG(str_sub(name, 0, 100)),
                            e->n_fields < MAX_FIELDS ? "" : ", or too many of it");
    }
    return rc < 0 ? diag_set(d, rc, "a parameter cannot be decoded, or is too long") : 0;
}

void admin_get_explain(struct admin_request *r)
{
    struct str fields[MAX_FIELDS];
    struct proxy_explain e = {.method = STR("GET"), .target = STR("/")};
    struct plan_explain_failure failure = {.scope = STR_NULL};
    const struct admin_in *in = &r->admin->in;
    if (!admin_body(r, PLAN_BYTES + in->cfg->n_sites * LINE_BYTES))
        return;
    int rc = read_question(r, &e, fields, &failure.diag);
    if (rc == 0)
        rc = proxy_explain(in->cfg, peer_sites_of(in->peer), &e, &r->x->arena, &r->body, &failure);
    if (rc < 0) {
        r->status = (unsigned)err_status(rc);
        plan_explain_error(&failure, e.as_json, &r->body);
    }
    if (e.as_json)
        out_char(&r->body, '\n');
    r->type = e.as_json ? ADMIN_JSON : ADMIN_TEXT;
}
