/* A plan for people: what the request is, which binding decided, each site with its coordinates
 * (counted from 1), its state and why it takes part, and which sites an around() left out. */
#include "plan/internal.h"
#include "base/check.h"

#define LABEL_WIDTH 12
#define STATE_WIDTH 17
#define SHOWN_CHARS 200

/* Milliseconds to the microsecond, so that what an around() left out by a hair can be seen. */
static void put_ms(struct out *o, uint64_t us)
{
    static const unsigned tenths[] = {100, 10, 1};
    unsigned rest = (unsigned)(us % 1000);
    out_u64(o, us / 1000);
    if (rest)
        out_char(o, '.');
    for (size_t i = 0; rest; i++) {
        out_char(o, (char)('0' + rest / tenths[i]));
        rest %= tenths[i];
    }
    OUT(o, " ms");
}

static void put_label(struct out *o, const char *label)
{
    out_fmt(o, "%-*s", LABEL_WIDTH, label);
}

static void put_row(struct out *o, const char *label, struct str value)
{
    put_label(o, label);
    out_visible(o, value.n ? value : STR("-"), SHOWN_CHARS);
    out_char(o, '\n');
}

/* Pads with blanks from `from` to `width`, by at least one. */
static void pad(struct out *o, size_t from, size_t width)
{
    do
        out_char(o, ' ');
    while (!o->overflowed && o->n - from < width);
}

static const char *form_text(const struct plan *p)
{
    switch (p->form) {
    case PLAN_LOCAL:
        return "local: where the request is";
    case PLAN_ONE:
        return "one site";
    case PLAN_OTHERWISE:
        return "otherwise: in this order, until one succeeds";
    case PLAN_REPLICA:
        return "replication";
    case PLAN_CROSS:
        return "cross";
    case PLAN_FORMS:
        break;
    }
    return "";
}

static const char *policy_text(enum plan_policy policy)
{
    switch (policy) {
    case PLAN_FORWARD:
    case PLAN_FIRST:
        return "";
    case PLAN_NEAREST:
        return ": one answers, the nearest that has it, in this order";
    case PLAN_MERGE:
        return ": all are asked, their answers are merged";
    case PLAN_EVERYWHERE:
        return ": logged, and run at each";
    }
    return "";
}

static void put_coordinate(struct out *o, bool is_shown, const char *word, unsigned value)
{
    if (is_shown)
        out_fmt(o, " %s %u", word, value + 1);
}

static void put_coordinates(struct out *o, const struct plan *p, const struct plan_leg *leg)
{
    struct plan_shown s = plan_shown_of(p, leg);
    size_t from = o->n;
    out_char(o, ' ');
    put_coordinate(o, s.alternative, "alternative", leg->alternative);
    put_coordinate(o, s.part, "part", leg->part);
    put_coordinate(o, s.choice, "choice", leg->choice);
    put_coordinate(o, s.replica, "replica", leg->replica);
    put_coordinate(o, s.candidate, "candidate", leg->candidate);
    if (o->n == from + 1)
        OUT(o, " site");
}

/* Widths of the columns of legs, without the blank behind them. */
struct columns {
    size_t coordinates, site;
};

static struct columns measure(const struct plan_print_in *p)
{
    struct columns c = {LABEL_WIDTH - 1, 0};
    for (size_t i = 0; i < p->plan->n_legs; i++) {
        const struct plan_leg *leg = &p->plan->legs[i];
        char text[100]; /* five words of at most 12 bytes, each with a number of at most five */
        struct out o;
        out_init(&o, text, sizeof text);
        put_coordinates(&o, p->plan, leg);
        size_t site = p->in->sites->names[leg->site].n;
        c.coordinates = o.n > c.coordinates ? o.n : c.coordinates;
        c.site = site > c.site ? site : c.site;
    }
    return c;
}

static void put_why(struct out *o, const struct plan_print_in *p, const struct plan_leg *leg)
{
    switch (leg->why) {
    case PLAN_WHY_DEFAULT:
        out_str(o, p->in->scope ? STR("the scope does not bind this service")
                                : STR("the request has no scope"));
        break;
    case PLAN_WHY_BINDING:
        OUT(o, "named by the binding");
        break;
    case PLAN_WHY_ALL:
        OUT(o, "every known site");
        break;
    case PLAN_WHY_AROUND:
        OUT(o, "around ");
        out_str(o, leg->around);
        if (str_eq(leg->around, p->in->sites->names[leg->site])) {
            OUT(o, ": that site itself");
        } else {
            OUT(o, ": ");
            put_ms(o, leg->rtt_us);
            OUT(o, " measured from there");
        }
        break;
    }
    if (leg->is_prime)
        OUT(o, ", prime");
}

static void put_leg(struct out *o, const struct plan_print_in *p, const struct columns *c,
                    const struct plan_leg *leg)
{
    const struct plan_sites *sites = p->in->sites;
    size_t from = o->n;
    put_coordinates(o, p->plan, leg);
    pad(o, from, c->coordinates + 1);
    from = o->n;
    out_str(o, sites->names[leg->site]);
    pad(o, from, c->site + 2);
    from = o->n;
    if (leg->site == sites->self) {
        OUT(o, "here");
    } else {
        uint32_t rtt = plan_rtt_from_here(sites, leg->site);
        out_str(o, plan_state_name(plan_state_of(sites, leg->site)));
        if (rtt != PLAN_RTT_UNKNOWN) {
            OUT(o, ", ");
            put_ms(o, rtt);
        }
    }
    pad(o, from, STATE_WIDTH);
    put_why(o, p, leg);
    out_char(o, '\n');
}

static void put_left_out(struct out *o, const struct plan_sites *sites,
                         const struct scope_loc *around)
{
    bool is_first = true;
    uint32_t rtt;
    for (size_t i = 0; i < sites->n; i++) {
        if (!plan_is_left_out(sites, around, i, &rtt))
            continue;
        if (is_first) {
            put_label(o, "left out");
            scope_print_loc(around, o);
        }
        out_str(o, is_first ? STR(": ") : STR(", "));
        out_str(o, sites->names[i]);
        OUT(o, " (");
        if (rtt == PLAN_RTT_UNKNOWN)
            OUT(o, "not measured");
        else
            put_ms(o, rtt);
        OUT(o, ")");
        is_first = false;
    }
    if (!is_first)
        out_char(o, '\n');
}

static void put_all_left_out(struct out *o, const struct plan_sites *sites,
                             const struct scope_loc *loc)
{
    if (loc->kind == SCOPE_AROUND)
        put_left_out(o, sites, loc);
    for (const struct scope_loc *op = loc->first; op; op = op->next)
        put_all_left_out(o, sites, op);
}

static void put_binding(struct out *o, const struct scope_binding *b)
{
    put_label(o, "binding");
    if (b && b->is_any)
        OUT(o, "*: ");
    else if (b && b->key.p) {
        out_visible(o, b->key, SHOWN_CHARS);
        OUT(o, ": ");
    }
    if (b)
        scope_print_loc(b->loc, o);
    else
        OUT(o, "-");
    out_char(o, '\n');
}

static void put_request(struct out *o, const struct plan_print_in *p)
{
    const struct app_class *c = p->in->class_;
    put_label(o, "request");
    out_visible(o, p->in->method, SHOWN_CHARS);
    out_char(o, ' ');
    out_visible(o, p->target, SHOWN_CHARS);
    out_char(o, '\n');
    put_label(o, "scope");
    if (p->in->scope)
        scope_print(p->in->scope, o);
    else
        OUT(o, "-");
    if (p->carrier.n) {
        OUT(o, "  (from ");
        out_visible(o, p->carrier, SHOWN_CHARS);
        OUT(o, ")");
    }
    out_char(o, '\n');
    put_row(o, "service", p->in->service->name);
    put_row(o, "type", c->type ? c->type->name : STR_NULL);
    put_label(o, "operation");
    struct str kind = app_kind_name(c->kind);
    if (!c->rule)
        OUT(o, "not described, ");
    else if (!str_eq(c->rule->operation, kind)) {
        out_str(o, c->rule->operation);
        OUT(o, ", of kind ");
    }
    out_str(o, kind);
    out_char(o, '\n');
    put_row(o, "identifier", c->id);
    put_binding(o, p->plan->binding);
}

static void put_options(struct out *o, const struct plan *p)
{
    if (p->timeout_us) {
        put_label(o, "timeout");
        put_ms(o, p->timeout_us);
        out_char(o, '\n');
    }
    if (p->missing_fails)
        put_row(o, "missing", STR("fail"));
    if (p->wait != SCOPE_WAIT_UNSET)
        put_row(o, "wait", plan_wait_name(p->wait));
    if (p->consistency != SCOPE_CONSISTENCY_UNSET)
        put_row(o, "consistency", plan_consistency_name(p->consistency));
}

void plan_print_text(const struct plan_print_in *p, struct out *o)
{
    const struct plan *plan = p->plan;
    struct columns columns = measure(p);
    put_request(o, p);
    put_label(o, "plan");
    out_fmt(o, "%s%s\n", form_text(plan), policy_text(plan->policy));
    for (size_t i = 0; i < plan->n_legs; i++)
        put_leg(o, p, &columns, &plan->legs[i]);
    if (plan->binding)
        put_all_left_out(o, p->in->sites, plan->binding->loc);
    put_options(o, plan);
    put_label(o, "sets");
    for (size_t i = 0; i < p->n_carriers; i++) {
        out_str(o, i ? STR(", ") : STR(""));
        out_str(o, p->carriers[i]);
    }
    out_str(o, p->n_carriers ? STR("\n") : STR("-\n"));
    if (plan->unsupported) {
        put_label(o, "not run");
        out_fmt(o, "%s: ", err_name(plan->unsupported));
        out_str(o, plan->unsupported_why);
        out_char(o, '\n');
    }
    for (size_t i = 0; i < COUNT_OF(p->notes); i++)
        if (p->notes[i].n)
            put_row(o, "note", p->notes[i]);
}
