#include "plan_test.h"

const struct str world_names[WORLD_SITES] = {
    {"Brest", 5}, {"Lyon", 4}, {"Nantes", 6}, {"Paris", 5}, {"Rennes", 6}};

static enum plan_site_state get_state(const void *context, size_t site)
{
    return ((const struct world *)context)->states[site];
}

static uint32_t get_rtt(const void *context, size_t from, size_t to)
{
    return ((const struct world *)context)->rtt[from][to];
}

void world_init(struct world *w)
{
    static const enum plan_site_state states[] = {
        [BREST] = PLAN_SITE_UNKNOWN, [LYON] = PLAN_SITE_DOWN,      [NANTES] = PLAN_SITE_UP,
        [PARIS] = PLAN_SITE_UP,      [RENNES] = PLAN_SITE_SUSPECT,
    };
    struct diag d = {0};
    arena_init(&w->arena, NULL, 0, 1 << 20);
    if (cfg_read_app(GOLDEN_DIR "/plans/app.yaml", &w->arena, &w->app, &d) < 0)
        fail_msg("%s:%u: %s", d.file, d.line, d.message);
    memcpy(w->states, states, sizeof states);
    for (size_t i = 0; i < WORLD_SITES; i++)
        for (size_t k = 0; k < WORLD_SITES; k++)
            w->rtt[i][k] = i == k ? 0 : PLAN_RTT_UNKNOWN;
    w->rtt[NANTES][PARIS] = 4200;
    w->rtt[NANTES][RENNES] = 1000;
    w->rtt[NANTES][LYON] = 12345;
    w->rtt[PARIS][NANTES] = 4300;
    w->rtt[PARIS][LYON] = 4300;
    w->rtt[PARIS][RENNES] = 999;
    w->rtt[PARIS][BREST] = 30000;
    w->sites = (struct plan_sites){world_names, WORLD_SITES, NANTES, w, get_state, get_rtt};
}

void world_fini(struct world *w)
{
    arena_fini(&w->arena);
}

void plan_of(struct planned *p, const struct world *w, const char *method, const char *target,
             const char *scope)
{
    const struct app_service *service = app_recognise(w->app, STR("localhost"), str_of(target));
    struct scope *parsed = NULL, *frozen = NULL;
    memset(p, 0, sizeof *p);
    arena_init(&p->arena, NULL, 0, 1 << 20);
    assert_non_null(service);
    struct app_request r = {
        .method = str_of(method), .target = str_of(target), .body_is_whole = true};
    app_classify(service, &r, &p->class_);
    if (scope)
        p->rc = scope_parse(str_of(scope), &p->arena, &parsed, &p->diag);
    if (scope && p->rc == 0)
        p->rc = scope_freeze(parsed, world_names[w->sites.self], service->name, &p->arena, &frozen,
                             &p->diag);
    p->in = (struct plan_in){w->app, service, &p->class_, str_of(method), frozen, &w->sites};
    if (p->rc == 0)
        p->rc = plan_make(&p->in, &p->arena, &p->plan, &p->diag);
}

void planned_fini(struct planned *p)
{
    arena_fini(&p->arena);
}

void assert_legs(const struct planned *p, const char *want)
{
    char text[1024];
    struct out o;
    if (p->rc < 0)
        fail_msg("%s: %s", err_name(p->rc), p->diag.message);
    out_init(&o, text, sizeof text - 1);
    for (size_t i = 0; i < p->plan->n_legs; i++) {
        const struct plan_leg *l = &p->plan->legs[i];
        if (i)
            out_char(&o, ' ');
        if (l->part || l->choice || l->replica || l->candidate || p->plan->form == PLAN_CROSS ||
            p->plan->form == PLAN_REPLICA)
            out_fmt(&o, "%u.%u.%u.%u.%u ", l->alternative, l->part, l->choice, l->replica,
                    l->candidate);
        else
            assert_int_equal(l->alternative, i);
        out_str(&o, p->in.sites->names[l->site]);
        if (l->is_prime)
            OUT(&o, "!");
    }
    assert_false(o.overflowed);
    text[o.n] = 0;
    assert_string_equal(text, want);
}
