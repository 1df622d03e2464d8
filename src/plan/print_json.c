/* A plan for programs: the same as print_text.c says, as one JSON object. */
#include "plan/internal.h"
#include "base/check.h"

/* ,"key": behind the first member. */
static void json_key(struct out *o, const char *key)
{
    if (o->n && o->p[o->n - 1] != '{')
        out_char(o, ',');
    out_fmt(o, "\"%s\":", key);
}

static void json_value(struct out *o, struct str s)
{
    if (s.p)
        out_json(o, s);
    else
        OUT(o, "null");
}

static void json_member(struct out *o, const char *key, struct str value)
{
    json_key(o, key);
    json_value(o, value);
}

static void json_bool(struct out *o, const char *key, bool value)
{
    json_key(o, key);
    out_str(o, value ? STR("true") : STR("false"));
}

static void json_rtt(struct out *o, uint32_t rtt)
{
    json_key(o, "rtt_us");
    if (rtt == PLAN_RTT_UNKNOWN)
        OUT(o, "null");
    else
        out_u64(o, rtt);
}

/* A scope, or a location, in canonical form as a JSON string. */
static void json_scope(struct out *o, const struct scope *s, const struct scope_loc *loc)
{
    char text[2 * SCOPE_MAX_BYTES];
    struct out t;
    out_init(&t, text, sizeof text);
    if (s)
        scope_print(s, &t);
    else
        scope_print_loc(loc, &t);
    o->overflowed = o->overflowed || t.overflowed;
    out_json(o, out_get(&t));
}

static void json_coordinate(struct out *o, bool is_shown, const char *key, unsigned value)
{
    if (!is_shown)
        return;
    json_key(o, key);
    out_u64(o, value + 1);
}

static struct str why_name(enum plan_why why)
{
    switch (why) {
    case PLAN_WHY_DEFAULT:
        return STR("default");
    case PLAN_WHY_BINDING:
        return STR("binding");
    case PLAN_WHY_AROUND:
        return STR("around");
    case PLAN_WHY_ALL:
        return STR("all");
    }
    return STR_NULL;
}

static void json_leg(struct out *o, const struct plan_sites *sites, const struct plan *plan,
                     const struct plan_leg *leg)
{
    struct plan_shown s = plan_shown_of(plan, leg);
    out_char(o, '{');
    json_coordinate(o, s.alternative, "alternative", leg->alternative);
    json_coordinate(o, s.part, "part", leg->part);
    json_coordinate(o, s.choice, "choice", leg->choice);
    json_coordinate(o, s.replica, "replica", leg->replica);
    json_coordinate(o, s.candidate, "candidate", leg->candidate);
    json_member(o, "site", sites->names[leg->site]);
    json_bool(o, "here", leg->site == sites->self);
    json_member(o, "state", plan_state_name(plan_state_of(sites, leg->site)));
    json_rtt(o, plan_rtt_from_here(sites, leg->site));
    json_member(o, "why", why_name(leg->why));
    if (leg->why == PLAN_WHY_AROUND) {
        json_key(o, "around");
        out_char(o, '{');
        json_member(o, "site", leg->around);
        json_rtt(o, leg->rtt_us);
        out_char(o, '}');
    }
    if (leg->is_prime)
        json_bool(o, "prime", true);
    out_char(o, '}');
}

static void json_around(struct out *o, const struct plan_sites *sites,
                        const struct scope_loc *around)
{
    bool is_first = true;
    uint32_t rtt;
    out_char(o, '{');
    json_key(o, "around");
    json_scope(o, NULL, around);
    json_key(o, "sites");
    out_char(o, '[');
    for (size_t i = 0; i < sites->n; i++) {
        if (!plan_is_left_out(sites, around, i, &rtt))
            continue;
        out_str(o, is_first ? STR("{") : STR(",{"));
        json_member(o, "site", sites->names[i]);
        json_rtt(o, rtt);
        out_char(o, '}');
        is_first = false;
    }
    OUT(o, "]}");
}

static void json_arounds(struct out *o, const struct plan_sites *sites, const struct scope_loc *loc)
{
    if (loc->kind == SCOPE_AROUND) {
        if (o->n && o->p[o->n - 1] != '[')
            out_char(o, ',');
        json_around(o, sites, loc);
    }
    for (const struct scope_loc *op = loc->first; op; op = op->next)
        json_arounds(o, sites, op);
}

static void json_request(struct out *o, const struct plan_print_in *p)
{
    const struct app_class *c = p->in->class_;
    const struct scope_binding *b = p->plan->binding;
    json_member(o, "method", p->in->method);
    json_member(o, "target", p->target);
    json_key(o, "scope");
    if (p->in->scope)
        json_scope(o, p->in->scope, NULL);
    else
        OUT(o, "null");
    json_member(o, "carrier", p->carrier);
    json_member(o, "service", p->in->service->name);
    json_member(o, "type", c->type ? c->type->name : STR_NULL);
    json_member(o, "operation", c->rule ? c->rule->operation : STR_NULL);
    json_member(o, "kind", app_kind_name(c->kind));
    json_member(o, "id", c->id);
    json_key(o, "binding");
    if (!b) {
        OUT(o, "null");
        return;
    }
    out_char(o, '{');
    json_member(o, "key", b->is_any ? STR("*") : b->key);
    json_key(o, "location");
    json_scope(o, NULL, b->loc);
    out_char(o, '}');
}

static void json_options(struct out *o, const struct plan *plan)
{
    json_key(o, "timeout_us");
    if (plan->timeout_us)
        out_u64(o, plan->timeout_us);
    else
        OUT(o, "null");
    json_member(o, "missing", plan->missing_fails ? STR("fail") : STR("partial"));
    json_member(o, "wait", plan_wait_name(plan->wait));
    json_member(o, "consistency", plan_consistency_name(plan->consistency));
}

void plan_print_json(const struct plan_print_in *p, struct out *o)
{
    const struct plan *plan = p->plan;
    out_char(o, '{');
    json_request(o, p);
    json_member(o, "form", plan_form_name(plan->form));
    json_member(o, "policy", plan_policy_name(plan->policy));
    json_key(o, "legs");
    out_char(o, '[');
    for (size_t i = 0; i < plan->n_legs; i++) {
        if (i)
            out_char(o, ',');
        json_leg(o, p->in->sites, plan, &plan->legs[i]);
    }
    out_char(o, ']');
    json_key(o, "left_out");
    out_char(o, '[');
    if (plan->binding)
        json_arounds(o, p->in->sites, plan->binding->loc);
    out_char(o, ']');
    json_options(o, plan);
    json_key(o, "sets");
    out_char(o, '[');
    for (size_t i = 0; i < p->n_carriers; i++) {
        out_str(o, i ? STR(",") : STR(""));
        out_json(o, p->carriers[i]);
    }
    out_char(o, ']');
    json_key(o, "unsupported");
    if (plan->unsupported) {
        out_char(o, '{');
        json_member(o, "code", str_of(err_name(plan->unsupported)));
        json_key(o, "status");
        out_u64(o, (uint64_t)err_status(plan->unsupported));
        json_member(o, "why", plan->unsupported_why);
        out_char(o, '}');
    } else {
        OUT(o, "null");
    }
    json_key(o, "notes");
    out_char(o, '[');
    for (size_t i = 0, n = 0; i < COUNT_OF(p->notes); i++) {
        if (!p->notes[i].n)
            continue;
        out_str(o, n++ ? STR(",") : STR(""));
        out_json(o, p->notes[i]);
    }
    out_char(o, ']');
    out_char(o, '}');
}
