/* From a frozen scope and a request's class to legs.
 *
 * The location of the binding is walked once, from the outside in: `;`, then `%`, then `;` under
 * `%`, then `&`, then the candidates of one operand. Each level counts its own coordinate of the
 * leg `at`; a site becomes a leg with the coordinates of that moment. Shapes that section 4 gives
 * no meaning were refused by scope_parse, so that no level needs to look for them.
 *
 * One site is not listed twice where only one of its listings could matter (section 3): as an
 * alternative of its own, as a candidate of one operand, and as a candidate where another operand
 * of the same `&` or `%` names it.
 */
#include "plan/internal.h"
#include "base/check.h"

/* Lists that hold a site once. Each is begun anew with its level; inner ones come and go while an
 * outer one grows. */
enum { LIST_ALTERNATIVES = 1, LIST_CHOICES = 2, LIST_CANDIDATES = 4, LIST_NEAREST = 8 };

struct maker {
    const struct plan_in *in;
    struct plan *plan;
    struct diag *diag;
    struct plan_near *near; /* room for every site */
    uint8_t *seen;          /* by site: LIST_… that it is in */
    struct plan_leg at;     /* coordinates of the next leg */
    bool has_replica, has_cross;
};

/* The most legs a location can become: a site is once at most among the single operands of a `;`.
 */
static size_t count_legs(const struct scope_loc *loc, size_t sites)
{
    size_t singles = 0, others = 0;
    if (loc->kind == SCOPE_ALL || loc->kind == SCOPE_AROUND)
        return sites;
    if (!loc->first)
        return 1;
    for (const struct scope_loc *o = loc->first; o; o = o->next)
        *(o->first ? &others : &singles) += count_legs(o, sites);
    if (loc->kind == SCOPE_OTHERWISE && singles > sites)
        singles = sites;
    return singles + others;
}

static void add_leg(struct maker *m, size_t site, enum plan_why why)
{
    struct plan_leg *leg = &m->plan->legs[m->plan->n_legs++];
    *leg = m->at;
    leg->site = (uint16_t)site;
    leg->why = why;
    leg->rtt_us = PLAN_RTT_UNKNOWN;
}

static int find_site(const struct maker *m, const struct scope_loc *loc, size_t *site)
{
    const struct plan_sites *sites = m->in->sites;
    long i = loc->kind == SCOPE_HERE || !loc->name.p ? (long)sites->self
                                                     : plan_site_find(sites, loc->name);
    if (i < 0)
        return diag_at(m->diag, ERR_SCOPE_UNKNOWN_SITE, loc->offset, loc->length,
                       "no site is named '%.*s'", STR_ARG(loc->name));
    *site = (size_t)i;
    return 0;
}

/* Whether another operand of the same `&` or `%` is that site and nothing else. */
static bool is_named_beside(const struct maker *m, const struct scope_loc *chain,
                            const struct scope_loc *operand, size_t site)
{
    if (chain)
        for (const struct scope_loc *o = chain->first; o; o = o->next)
            if (o != operand && o->kind == SCOPE_SITE && str_eq(o->name, m->in->sites->names[site]))
                return true;
    return false;
}

static void begin_list(struct maker *m, uint8_t list)
{
    for (size_t i = 0; i < m->in->sites->n; i++)
        m->seen[i] &= (uint8_t)~list;
}

/* ---- one operand: candidates ---- */

struct operand {
    const struct scope_loc *chain, *loc; /* loc is an operand of chain; NULL: of none */
    uint16_t *counter;                   /* the coordinate that counts its sites */
    uint8_t list;
};

static void add_counted(struct maker *m, const struct operand *op, const struct plan_near *near,
                        const struct scope_loc *loc)
{
    if (m->seen[near->site] & op->list || is_named_beside(m, op->chain, op->loc, near->site))
        return;
    m->seen[near->site] |= op->list;
    bool is_around = loc->kind == SCOPE_AROUND;
    add_leg(m, near->site, is_around ? PLAN_WHY_AROUND : PLAN_WHY_BINDING);
    if (is_around) {
        struct plan_leg *leg = &m->plan->legs[m->plan->n_legs - 1];
        leg->rtt_us = near->rtt_us;
        leg->around = loc->name.p ? loc->name : m->in->sites->names[m->in->sites->self];
    }
    ++*op->counter;
}

/* Adds the sites of a single site or an around(), each with the next value of the counter, those
 * left out that are there already. */
static int add_sites(struct maker *m, const struct operand *op, const struct scope_loc *loc)
{
    size_t site = 0;
    int rc = find_site(m, loc, &site);
    if (rc < 0)
        return rc;
    size_t n = 1;
    m->near[0] = (struct plan_near){0, (uint32_t)site};
    if (loc->kind == SCOPE_AROUND)
        n = plan_near(m->in->sites, loc, site, m->near);
    for (size_t i = 0; i < n; i++)
        add_counted(m, op, &m->near[i], loc);
    return 0;
}

/* An operand that is one site, or of which the first site that is up is taken. */
static int add_candidates(struct maker *m, const struct scope_loc *chain,
                          const struct scope_loc *loc)
{
    struct operand op = {loc->kind == SCOPE_SITE ? NULL : chain, loc, &m->at.candidate,
                         LIST_CANDIDATES};
    size_t before = m->plan->n_legs;
    begin_list(m, LIST_CANDIDATES);
    int rc = 0;
    if (loc->kind == SCOPE_OTHERWISE)
        for (const struct scope_loc *o = loc->first; o && rc == 0; o = o->next)
            rc = add_sites(m, &op, o);
    else
        rc = add_sites(m, &op, loc);
    m->at.candidate = 0;
    if (rc == 0 && m->plan->n_legs == before) {
        rc = diag_at(m->diag, ERR_SCOPE_DUPLICATE_SITE, loc->offset, loc->length,
                     "every site of this operand stands elsewhere under the same '%c'",
                     chain->kind == SCOPE_CROSS ? '%' : '&');
        diag_hint(m->diag, "name a site that is not there yet, or allow a longer round trip");
    }
    return rc;
}

/* ---- `&`, `*`, `%` ---- */

static int add_replicas(struct maker *m, const struct scope_loc *loc)
{
    int rc = 0;
    m->has_replica = true;
    for (const struct scope_loc *o = loc->first; o && rc == 0; o = o->next) {
        rc = add_candidates(m, loc, o);
        m->at.replica++;
    }
    m->at.replica = 0;
    return rc;
}

/* Every known site, itself first, then in name order. */
static void add_all(struct maker *m)
{
    const struct plan_sites *sites = m->in->sites;
    m->has_replica = sites->n > 1;
    add_leg(m, sites->self, PLAN_WHY_ALL);
    for (size_t i = 0; i < sites->n; i++) {
        if (i == sites->self)
            continue;
        m->at.replica++;
        add_leg(m, i, PLAN_WHY_ALL);
    }
    m->at.replica = 0;
}

static bool holds_replica(const struct scope_loc *otherwise)
{
    for (const struct scope_loc *o = otherwise->first; o; o = o->next)
        if (o->kind == SCOPE_REPLICA)
            return true;
    return false;
}

/* A part that is a `;` of which some operand is a `&`: each operand is a choice. */
static int add_choices(struct maker *m, const struct scope_loc *loc)
{
    struct operand op = {NULL, loc, &m->at.choice, LIST_CHOICES};
    int rc = 0;
    begin_list(m, LIST_CHOICES);
    for (const struct scope_loc *o = loc->first; o && rc == 0; o = o->next) {
        if (o->kind == SCOPE_REPLICA) {
            rc = add_replicas(m, o);
            m->at.choice++;
        } else {
            rc = add_sites(m, &op, o);
        }
    }
    m->at.choice = 0;
    return rc;
}

static void mark_prime(struct maker *m, size_t first)
{
    const struct plan_sites *sites = m->in->sites;
    struct plan_leg *legs = m->plan->legs;
    struct str prime = m->in->scope->prime;
    for (size_t i = first; prime.p && i < m->plan->n_legs; i++)
        if (str_eq(sites->names[legs[i].site], prime)) {
            legs[i].is_prime = true;
            return;
        }
    legs[first].is_prime = true;
}

static int add_parts(struct maker *m, const struct scope_loc *loc)
{
    int rc = 0;
    size_t first = m->plan->n_legs;
    m->has_cross = true;
    for (const struct scope_loc *o = loc->first; o && rc == 0; o = o->next) {
        if (o->kind == SCOPE_REPLICA)
            rc = add_replicas(m, o);
        else if (o->kind == SCOPE_OTHERWISE && holds_replica(o))
            rc = add_choices(m, o);
        else
            rc = add_candidates(m, loc, o);
        m->at.part++;
    }
    m->at.part = 0;
    if (rc == 0)
        mark_prime(m, first);
    return rc;
}

/* ---- `;` on the outside ---- */

static int add_alternative(struct maker *m, const struct scope_loc *loc)
{
    struct operand op = {NULL, loc, &m->at.alternative, LIST_ALTERNATIVES};
    int rc = 0;
    switch (loc->kind) {
    case SCOPE_SITE:
    case SCOPE_HERE:
    case SCOPE_AROUND:
        return add_sites(m, &op, loc);
    case SCOPE_ALL:
        add_all(m);
        break;
    case SCOPE_REPLICA:
        rc = add_replicas(m, loc);
        break;
    case SCOPE_CROSS:
        rc = add_parts(m, loc);
        break;
    case SCOPE_OTHERWISE: /* chains are flat */
        CHECK(false);
    }
    m->at.alternative++;
    return rc;
}

/* Walks the binding's location into legs. */
static int add_location(struct maker *m, const struct scope_loc *loc)
{
    int rc = 0;
    if (loc->kind != SCOPE_OTHERWISE)
        return add_alternative(m, loc);
    for (const struct scope_loc *o = loc->first; o && rc == 0; o = o->next)
        rc = add_alternative(m, o);
    return rc;
}

/* ---- what becomes of the legs ---- */

/* The table of section 4. Opaque requests that may run on several sites are read like meta ones. */
static const enum plan_policy policies[PLAN_FORMS][APP_KINDS] = {
    [PLAN_LOCAL] = {PLAN_FORWARD, PLAN_FORWARD, PLAN_FORWARD, PLAN_FORWARD, PLAN_FORWARD,
                    PLAN_FORWARD, PLAN_FORWARD, PLAN_FORWARD, PLAN_FORWARD},
    [PLAN_ONE] = {PLAN_FORWARD, PLAN_FORWARD, PLAN_FORWARD, PLAN_FORWARD, PLAN_FORWARD,
                  PLAN_FORWARD, PLAN_FORWARD, PLAN_FORWARD, PLAN_FORWARD},
    [PLAN_OTHERWISE] = {PLAN_FIRST, PLAN_FIRST, PLAN_FIRST, PLAN_FIRST, PLAN_FIRST, PLAN_FIRST,
                        PLAN_FIRST, PLAN_FIRST, PLAN_FIRST},
    [PLAN_REPLICA] = {[APP_CREATE] = PLAN_EVERYWHERE,
                      [APP_READ] = PLAN_NEAREST,
                      [APP_LIST] = PLAN_MERGE,
                      [APP_UPDATE] = PLAN_EVERYWHERE,
                      [APP_DELETE] = PLAN_EVERYWHERE,
                      [APP_ACTION] = PLAN_EVERYWHERE,
                      [APP_META] = PLAN_NEAREST,
                      [APP_STREAM] = PLAN_MERGE, /* of one item: as a read */
                      [APP_OPAQUE] = PLAN_NEAREST},
    [PLAN_CROSS] = {[APP_CREATE] = PLAN_EVERYWHERE,
                    [APP_READ] = PLAN_MERGE,
                    [APP_LIST] = PLAN_MERGE,
                    [APP_UPDATE] = PLAN_EVERYWHERE,
                    [APP_DELETE] = PLAN_EVERYWHERE,
                    [APP_ACTION] = PLAN_EVERYWHERE,
                    [APP_META] = PLAN_NEAREST,
                    [APP_STREAM] = PLAN_MERGE,
                    [APP_OPAQUE] = PLAN_NEAREST},
};

static enum plan_form form_of(const struct maker *m)
{
    const struct plan *p = m->plan;
    if (p->legs[p->n_legs - 1].alternative > 0)
        return PLAN_OTHERWISE;
    if (m->has_cross)
        return PLAN_CROSS;
    return m->has_replica ? PLAN_REPLICA : PLAN_ONE;
}

/* ---- scope-not-replicable ---- */

static bool is_type_allowed(const struct maker *m, const struct app_type *t)
{
    return (!m->has_replica || t->can_replicate) && (!m->has_cross || t->can_cross);
}

/* Meta and opaque requests have no resource: they may go where any type of the service may. */
static bool is_allowed(const struct maker *m)
{
    const struct app_class *c = m->in->class_;
    if (c->type && c->kind != APP_META && c->kind != APP_OPAQUE)
        return is_type_allowed(m, c->type);
    for (size_t i = 0; i < m->in->service->n_types; i++)
        if (is_type_allowed(m, &m->in->service->types[i]))
            return true;
    return false;
}

static int check_allowed(const struct maker *m)
{
    const struct app_class *c = m->in->class_;
    const struct scope_binding *b = m->plan->binding;
    if (!m->has_replica && !m->has_cross)
        return 0;
    if (!is_allowed(m)) {
        const char *what = m->has_cross ? "crossed ('%')" : "replicated ('&', '*')";
        bool is_of_type = c->type && c->kind != APP_META && c->kind != APP_OPAQUE;
        return diag_at(m->diag, ERR_SCOPE_NOT_REPLICABLE, b->loc_offset, b->loc_length,
                       "the application's description does not allow '%.*s' to be %s",
                       STR_ARG(is_of_type ? c->type->name : m->in->service->name), what);
    }
    bool is_read = str_eq(m->in->method, STR("GET")) || str_eq(m->in->method, STR("HEAD"));
    if (c->kind != APP_OPAQUE || is_read)
        return 0;
    int rc = diag_at(m->diag, ERR_SCOPE_NOT_REPLICABLE, b->loc_offset, b->loc_length,
                     "the application's description does not know this path, so that '%.*s' on it "
                     "cannot be run at several sites",
                     STR_ARG(m->in->method));
    diag_hint(m->diag, "name one site, or describe the path");
    return rc;
}

/* ---- what this version does not run ---- */

/* The array is the answer, or a member of it: what is around it is written anew. */
static struct str why_not_merged(const struct maker *m)
{
    const struct app_class *c = m->in->class_;
    struct str array = c->type ? c->type->list.array : STR_NULL;
    if (c->kind == APP_STREAM)
        return STR("this version does not merge streams");
    if (!array.p)
        return STR("the application's description does not say where the array of this list is");
    if (array.n && str_find(str_from(array, 1), '/') >= 0)
        return STR("the array of this list lies too deep in its answer to be merged");
    if (!str_eq(m->in->method, STR("GET")) && !str_eq(m->in->method, STR("HEAD")))
        return STR("this version merges lists that are asked for with GET or HEAD");
    return STR_NULL;
}

static struct str why_unsupported(const struct maker *m)
{
    if (m->in->scope->consistency == SCOPE_STRONG)
        return STR("this version does not keep replicas strongly consistent");
    if (m->plan->policy == PLAN_FIRST && (m->has_replica || m->has_cross))
        return STR("this version does not run a choice (';') of replications or crosses");
    if (m->plan->policy == PLAN_EVERYWHERE && m->has_replica && !m->has_cross)
        return STR("this version does not run changes at several sites ('&', '*')");
    if (m->plan->policy == PLAN_EVERYWHERE || (m->plan->policy == PLAN_MERGE && m->has_cross))
        return STR("this version does not run a cross ('%')");
    return m->plan->policy == PLAN_MERGE ? why_not_merged(m) : STR_NULL;
}

/* ---- plan_make ---- */

static int no_memory(struct diag *d)
{
    return diag_set(d, ERR_NO_MEMORY, "the plan needs more memory than a request may have");
}

/* Each site once, in the order in which it is asked: here, then the nearest. */
static int sort_by_nearness(struct maker *m, struct arena *arena)
{
    const struct plan_sites *sites = m->in->sites;
    struct plan *p = m->plan;
    struct plan_leg *sorted = arena_alloc(arena, p->n_legs * sizeof *sorted);
    size_t n = 0;
    if (arena_overflowed(arena))
        return no_memory(m->diag);
    begin_list(m, LIST_NEAREST);
    for (size_t i = 0; i < p->n_legs; i++) {
        size_t site = p->legs[i].site;
        uint32_t rtt = plan_rtt_from_here(sites, site);
        if (m->seen[site] & LIST_NEAREST)
            continue;
        m->seen[site] |= LIST_NEAREST;
        m->near[n++] = (struct plan_near){site == sites->self ? 0 : rtt + (rtt == 0), (uint32_t)i};
    }
    plan_near_sort(m->near, n);
    for (size_t i = 0; i < n; i++)
        sorted[i] = p->legs[m->near[i].site];
    p->legs = sorted;
    p->n_legs = n;
    return 0;
}

static int check_names(const struct plan_in *in, struct diag *d)
{
    struct scope_names names = {.services = in->app->keys,
                                .n_services = in->app->n_keys,
                                .sites = in->sites->names,
                                .n_sites = in->sites->n};
    return scope_check_names(in->scope, &names, d);
}

static void copy_options(const struct scope *s, struct plan *p)
{
    p->timeout_us = s->timeout.us;
    p->missing_fails = s->missing == SCOPE_MISSING_FAIL;
    p->wait = s->wait;
    p->consistency = s->consistency;
}

static int make_local(struct maker *m, struct arena *arena)
{
    m->plan->legs = arena_new(arena, struct plan_leg);
    if (arena_overflowed(arena))
        return no_memory(m->diag);
    add_leg(m, m->in->sites->self, PLAN_WHY_DEFAULT);
    return 0;
}

static int make_bound(struct maker *m, struct arena *arena)
{
    const struct scope_loc *loc = m->plan->binding->loc;
    size_t sites = m->in->sites->n;
    m->plan->legs = arena_alloc(arena, count_legs(loc, sites) * sizeof(struct plan_leg));
    m->near = arena_alloc(arena, sites * sizeof *m->near);
    m->seen = arena_zalloc(arena, sites);
    if (arena_overflowed(arena))
        return no_memory(m->diag);
    int rc = add_location(m, loc);
    if (rc < 0)
        return rc;
    m->plan->form = form_of(m);
    return check_allowed(m);
}

int plan_make(const struct plan_in *in, struct arena *arena, struct plan **out, struct diag *d)
{
    struct maker m = {.in = in, .plan = arena_new(arena, struct plan), .diag = d};
    int rc = 0;
    CHECK(in->sites->n <= UINT16_MAX && in->sites->self < in->sites->n);
    if (arena_overflowed(arena))
        return no_memory(d);
    if (in->scope) {
        copy_options(in->scope, m.plan);
        if ((rc = check_names(in, d)) < 0 || (rc = plan_find_binding(in, &m.plan->binding, d)) < 0)
            return rc;
    }
    rc = m.plan->binding ? make_bound(&m, arena) : make_local(&m, arena);
    if (rc < 0)
        return rc;
    m.plan->policy = policies[m.plan->form][in->class_->kind];
    if (m.plan->form == PLAN_REPLICA && in->class_->kind == APP_STREAM && in->class_->id.p)
        m.plan->policy = PLAN_NEAREST;
    if (m.near && m.plan->policy == PLAN_NEAREST && (rc = sort_by_nearness(&m, arena)) < 0)
        return rc;
    if (in->scope)
        m.plan->unsupported_why = why_unsupported(&m);
    if (m.plan->unsupported_why.p)
        m.plan->unsupported = ERR_SCOPE_UNSUPPORTED;
    *out = m.plan;
    return 0;
}
