/* plan_make: legs and their coordinates, the table of section 4, limits of memory and time. */
#include "plan_test.h"

static struct world w;

static int setup(void **state)
{
    world_init(&w);
    return 0;
}

static int teardown(void **state)
{
    world_fini(&w);
    return 0;
}

/* ---- coordinates */

static void test_coordinates(void **state)
{
    static const struct {
        const char *scope;
        enum plan_form form;
        const char *legs; /* alternative.part.choice.replica.candidate; ! is the prime */
    } rows[] = {
        {NULL, PLAN_LOCAL, "Nantes"},
        {"{}", PLAN_LOCAL, "Nantes"},
        {"{image: Paris}", PLAN_LOCAL, "Nantes"},
        {"Paris", PLAN_ONE, "Paris"},
        {"here", PLAN_ONE, "Nantes"},
        {"{*: Lyon}", PLAN_ONE, "Lyon"},
        {"Paris ; here ; Lyon", PLAN_OTHERWISE, "Paris Nantes Lyon"},
        {"Paris ; Paris", PLAN_ONE, "Paris"},
        {"Paris ; here ; Nantes ; Paris ; Lyon", PLAN_OTHERWISE, "Paris Nantes Lyon"},
        {"around(here, 1ms)", PLAN_OTHERWISE, "Nantes Rennes"},
        {"around(here, 999us)", PLAN_ONE, "Nantes"},
        {"around(here, 4200us)", PLAN_OTHERWISE, "Nantes Rennes Paris"},
        {"around(here, 1s)", PLAN_OTHERWISE, "Nantes Rennes Paris Lyon"},
        /* Lyon and Nantes are equally far from Paris. */
        {"around(Paris, 1s)", PLAN_OTHERWISE, "Paris Rennes Lyon Nantes Brest"},
        {"Lyon ; around(Paris, 5ms)", PLAN_OTHERWISE, "Lyon Paris Rennes Nantes"},
        {"Nantes & Paris", PLAN_REPLICA, "0.0.0.0.0 Nantes 0.0.0.1.0 Paris"},
        {"*", PLAN_REPLICA,
         "0.0.0.0.0 Nantes 0.0.0.1.0 Brest 0.0.0.2.0 Lyon 0.0.0.3.0 Paris 0.0.0.4.0 Rennes"},
        {"(Nantes ; Lyon) & Paris", PLAN_REPLICA,
         "0.0.0.0.0 Nantes 0.0.0.0.1 Lyon 0.0.0.1.0 Paris"},
        {"(Nantes ; Lyon ; Nantes) & Paris", PLAN_REPLICA,
         "0.0.0.0.0 Nantes 0.0.0.0.1 Lyon 0.0.0.1.0 Paris"},
        /* What another operand names is no candidate. */
        {"(Nantes ; Paris) & Paris", PLAN_REPLICA, "0.0.0.0.0 Nantes 0.0.0.1.0 Paris"},
        {"around(here, 5ms) & Paris", PLAN_REPLICA,
         "0.0.0.0.0 Nantes 0.0.0.0.1 Rennes 0.0.0.1.0 Paris"},
        {"around(here, 5ms) & around(Paris, 1ms)", PLAN_REPLICA,
         "0.0.0.0.0 Nantes 0.0.0.0.1 Rennes 0.0.0.0.2 Paris 0.0.0.1.0 Paris 0.0.0.1.1 Rennes"},
        {"Nantes ; Paris & Lyon", PLAN_OTHERWISE, "Nantes Paris 1.0.0.1.0 Lyon"},
        {"Nantes % Paris", PLAN_CROSS, "0.0.0.0.0 Nantes! 0.1.0.0.0 Paris"},
        {"{compute: Nantes % Paris, prime: Paris}", PLAN_CROSS,
         "0.0.0.0.0 Nantes 0.1.0.0.0 Paris!"},
        {"(Lyon & Paris) % Nantes", PLAN_CROSS, "0.0.0.0.0 Lyon! 0.0.0.1.0 Paris 0.1.0.0.0 Nantes"},
        {"(Lyon ; Brest) % Nantes", PLAN_CROSS, "0.0.0.0.0 Lyon! 0.0.0.0.1 Brest 0.1.0.0.0 Nantes"},
        {"(Lyon ; Nantes) % Nantes", PLAN_CROSS, "0.0.0.0.0 Lyon! 0.1.0.0.0 Nantes"},
        {"(Lyon & Paris ; Brest ; Brest) % (Rennes ; Nantes)", PLAN_CROSS,
         "0.0.0.0.0 Lyon! 0.0.0.1.0 Paris 0.0.1.0.0 Brest 0.1.0.0.0 Rennes 0.1.0.0.1 Nantes"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct planned p;
        plan_of(&p, &w, "POST", "/compute/servers", rows[i].scope);
        if (p.rc < 0 || p.plan->form != rows[i].form)
            fail_msg("%s: %s, form %d", rows[i].scope, p.diag.message, p.rc ? 0 : p.plan->form);
        assert_legs(&p, rows[i].legs);
        planned_fini(&p);
    }
}

/* A read asks each site once, here and then the nearest first; what was not measured comes last, in
 * the order of the scope. */
static void test_nearness(void **state)
{
    static const struct {
        const char *scope, *legs;
    } rows[] = {
        {"Lyon & Paris", "0.0.0.1.0 Paris 0.0.0.0.0 Lyon"},
        {"Lyon & Paris & Nantes & Brest & Rennes",
         "0.0.0.2.0 Nantes 0.0.0.4.0 Rennes 0.0.0.1.0 Paris 0.0.0.0.0 Lyon 0.0.0.3.0 Brest"},
        {"(Lyon ; Nantes) & around(Paris, 1s)",
         "0.0.0.0.1 Nantes 0.0.0.1.1 Rennes 0.0.0.1.0 Paris 0.0.0.0.0 Lyon 0.0.0.1.4 Brest"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct planned p;
        plan_of(&p, &w, "GET", "/compute/servers/1", rows[i].scope);
        assert_int_equal(p.rc, 0);
        assert_int_equal(p.plan->policy, PLAN_NEAREST);
        assert_legs(&p, rows[i].legs);
        planned_fini(&p);
    }
}

static void test_otherwise_of_crosses(void **state)
{
    struct planned p;
    plan_of(&p, &w, "POST", "/compute/servers",
            "{compute: Nantes % Paris ; Lyon % Rennes, prime: Rennes}");
    assert_int_equal(p.rc, 0);
    assert_int_equal(p.plan->form, PLAN_OTHERWISE);
    assert_int_equal(p.plan->policy, PLAN_FIRST);
    assert_int_equal(p.plan->unsupported, ERR_SCOPE_UNSUPPORTED);
    assert_int_equal(p.plan->n_legs, 4);
    static const bool primes[] = {true, false, false, true};
    static const unsigned alternatives[] = {0, 0, 1, 1}, parts[] = {0, 1, 0, 1};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(p.plan->legs[i].is_prime, primes[i]);
        assert_int_equal(p.plan->legs[i].alternative, alternatives[i]);
        assert_int_equal(p.plan->legs[i].part, parts[i]);
    }
    planned_fini(&p);
}

static void test_reasons(void **state)
{
    struct planned p;
    plan_of(&p, &w, "GET", "/compute/servers/1", "Brest ; around(Paris, 1ms)");
    assert_legs(&p, "Brest Paris Rennes");
    const struct plan_leg *l = p.plan->legs;
    assert_int_equal(l[0].why, PLAN_WHY_BINDING);
    assert_int_equal(l[0].rtt_us, PLAN_RTT_UNKNOWN);
    assert_null(l[0].around.p);
    assert_int_equal(l[1].why, PLAN_WHY_AROUND);
    assert_int_equal(l[1].rtt_us, 0);
    assert_int_equal(l[2].rtt_us, 999);
    assert_true(str_eq(l[2].around, STR("Paris")));
    planned_fini(&p);
    plan_of(&p, &w, "GET", "/compute/servers/1", NULL);
    assert_int_equal(p.plan->legs[0].why, PLAN_WHY_DEFAULT);
    assert_null(p.plan->binding);
    planned_fini(&p);
    plan_of(&p, &w, "GET", "/compute/servers/1", "*");
    assert_int_equal(p.plan->legs[4].why, PLAN_WHY_ALL);
    planned_fini(&p);
}

/* Alone, a site is every site: nothing is replicated, nothing is refused. */
static void test_all_of_one(void **state)
{
    struct world lonely = w;
    struct planned p;
    lonely.sites.names = &world_names[NANTES];
    lonely.sites.n = 1;
    lonely.sites.self = 0;
    plan_of(&p, &lonely, "POST", "/compute/images", "*");
    assert_int_equal(p.rc, 0);
    assert_int_equal(p.plan->form, PLAN_ONE);
    assert_int_equal(p.plan->unsupported, 0);
    assert_int_equal(p.plan->n_legs, 1);
    planned_fini(&p);
}

static void test_options(void **state)
{
    struct planned p;
    plan_of(
        &p, &w, "GET", "/compute/servers",
        "{compute: Paris, wait: majority, consistency: eventual, timeout: 1500ms, missing: fail}");
    assert_int_equal(p.rc, 0);
    assert_int_equal(p.plan->timeout_us, 1500000);
    assert_int_equal(p.plan->wait, SCOPE_WAIT_MAJORITY);
    assert_int_equal(p.plan->consistency, SCOPE_EVENTUAL);
    assert_true(p.plan->missing_fails);
    assert_int_equal(p.plan->unsupported, 0);
    planned_fini(&p);
    plan_of(&p, &w, "GET", "/compute/servers", "{compute: Paris, consistency: strong}");
    assert_int_equal(p.rc, 0);
    assert_int_equal(p.plan->unsupported, ERR_SCOPE_UNSUPPORTED);
    assert_int_equal(p.plan->timeout_us, 0);
    planned_fini(&p);
}

/* ---- the table of section 4 */

static void test_table(void **state)
{
    static const struct {
        const char *method, *target;
        enum app_kind kind;
        enum plan_policy replica, cross;
        bool replica_runs, cross_runs;
    } rows[] = {
        {"POST", "/compute/servers", APP_CREATE, PLAN_EVERYWHERE, PLAN_EVERYWHERE},
        {"GET", "/compute/servers/1", APP_READ, PLAN_NEAREST, PLAN_MERGE, true},
        {"HEAD", "/compute/servers/1", APP_READ, PLAN_NEAREST, PLAN_MERGE, true},
        {"GET", "/compute/servers", APP_LIST, PLAN_MERGE, PLAN_MERGE, true},
        {"HEAD", "/compute/servers", APP_LIST, PLAN_MERGE, PLAN_MERGE, true},
        {"PUT", "/compute/servers/1", APP_UPDATE, PLAN_EVERYWHERE, PLAN_EVERYWHERE},
        {"DELETE", "/compute/servers/1", APP_DELETE, PLAN_EVERYWHERE, PLAN_EVERYWHERE},
        {"POST", "/compute/servers/1/action", APP_ACTION, PLAN_EVERYWHERE, PLAN_EVERYWHERE},
        {"GET", "/compute", APP_META, PLAN_NEAREST, PLAN_NEAREST, true, true},
        {"OPTIONS", "/compute/servers/1", APP_META, PLAN_NEAREST, PLAN_NEAREST, true, true},
        {"GET", "/compute/servers?watch=1", APP_STREAM, PLAN_MERGE, PLAN_MERGE},
        {"GET", "/compute/servers/1/console", APP_STREAM, PLAN_NEAREST, PLAN_MERGE, true},
        {"GET", "/compute/odd", APP_OPAQUE, PLAN_NEAREST, PLAN_NEAREST, true, true},
        {"HEAD", "/compute/odd", APP_OPAQUE, PLAN_NEAREST, PLAN_NEAREST, true, true},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        static const char *const scopes[] = {"Paris", "Paris ; Lyon", "Nantes & Paris",
                                             "Nantes % Paris"};
        const enum plan_policy want[] = {PLAN_FORWARD, PLAN_FIRST, rows[i].replica, rows[i].cross};
        for (size_t k = 0; k < COUNT_OF(scopes); k++) {
            struct planned p;
            plan_of(&p, &w, rows[i].method, rows[i].target, scopes[k]);
            assert_int_equal(p.rc, 0);
            assert_int_equal(p.class_.kind, rows[i].kind);
            assert_int_equal(p.plan->policy, want[k]);
            const bool runs[] = {true, true, rows[i].replica_runs, rows[i].cross_runs};
            assert_int_equal(p.plan->unsupported, runs[k] ? 0 : ERR_SCOPE_UNSUPPORTED);
            assert_int_equal(p.plan->unsupported_why.p != NULL, !runs[k]);
            planned_fini(&p);
        }
    }
}

static void test_refusals(void **state)
{
    static const struct {
        const char *method, *target, *scope;
        int code;
    } rows[] = {
        {"GET", "/compute/flavors", "Nantes & Paris", 0},
        {"GET", "/compute/flavors", "Nantes % Paris", ERR_SCOPE_NOT_REPLICABLE},
        {"GET", "/compute/flavors", "Nantes % (Paris & Lyon)", ERR_SCOPE_NOT_REPLICABLE},
        {"GET", "/compute/flavors", "Nantes ; Paris & Lyon", 0},
        {"GET", "/compute/images", "Nantes & Paris", ERR_SCOPE_NOT_REPLICABLE},
        {"GET", "/compute/images", "*", ERR_SCOPE_NOT_REPLICABLE},
        {"GET", "/compute/images", "Nantes ; Paris", 0},
        {"OPTIONS", "/compute/images", "Nantes & Paris", 0},
        {"OPTIONS", "/image/images", "Nantes & Paris", 0},
        {"OPTIONS", "/image/images", "Nantes % Paris", ERR_SCOPE_NOT_REPLICABLE},
        {"OPTIONS", "/identity/users", "Nantes & Paris", ERR_SCOPE_NOT_REPLICABLE},
        {"GET", "/identity/users", "*", ERR_SCOPE_NOT_REPLICABLE},
        {"POST", "/compute/odd", "Nantes & Paris", ERR_SCOPE_NOT_REPLICABLE},
        {"POST", "/compute/odd", "Nantes ; Paris & Lyon", ERR_SCOPE_NOT_REPLICABLE},
        {"POST", "/compute/odd", "Nantes ; Paris", 0},
        {"DELETE", "/compute/odd", "Nantes % Paris", ERR_SCOPE_NOT_REPLICABLE},
        {"GET", "/compute/servers", "{compute: Pariss}", ERR_SCOPE_UNKNOWN_SITE},
        {"GET", "/compute/servers", "{image: Pariss}", ERR_SCOPE_UNKNOWN_SITE},
        {"GET", "/compute/servers", "{imge: Paris}", ERR_SCOPE_UNKNOWN_SERVICE},
        {"GET", "/compute/servers", "{compute: Paris, nova: Paris}", ERR_SCOPE_DUPLICATE_KEY},
        {"GET", "/compute/servers", "{compute: Paris, compute.server: Lyon}", 0},
        {"GET", "/compute/servers", "{around(Lyon, 1s) & Lyon}", ERR_SCOPE_DUPLICATE_SITE},
        {"GET", "/compute/servers", "{around(Lyon, 1s) % Lyon}", ERR_SCOPE_DUPLICATE_SITE},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct planned p;
        plan_of(&p, &w, rows[i].method, rows[i].target, rows[i].scope);
        if (p.rc != rows[i].code)
            fail_msg("%s %s %s: %s", rows[i].method, rows[i].target, rows[i].scope, err_name(p.rc));
        assert_int_equal(p.diag.code, p.rc);
        assert_int_equal(p.plan != NULL, p.rc == 0);
        planned_fini(&p);
    }
}

/* ---- which binding */

static void test_bindings(void **state)
{
    static const struct {
        const char *target, *scope, *site;
    } rows[] = {
        {"/compute/servers", "{compute.server: Lyon, server: Paris, compute: Rennes, *: Brest}",
         "Lyon"},
        {"/compute/servers", "{nova.server: Lyon, server: Paris, nova: Rennes}", "Lyon"},
        {"/compute/servers", "{server: Paris, compute: Rennes, *: Brest}", "Paris"},
        {"/compute/servers", "{compute: Rennes, *: Brest}", "Rennes"},
        {"/compute/servers", "{nova: Rennes, *: Brest}", "Rennes"},
        {"/compute/servers", "{*: Brest}", "Brest"},
        {"/compute/servers", "{flavor: Lyon, nova: Paris}", "Paris"},
        {"/compute/servers", "{Paris, flavor: Lyon}", "Paris"},
        /* "image" is a service: a type of another service is bound by its full name only. */
        {"/compute/images/1", "{image: Lyon, compute: Paris}", "Paris"},
        {"/compute/images/1", "{compute.image: Lyon, compute: Paris}", "Lyon"},
        {"/image/images/1", "{image: Lyon, compute: Paris}", "Lyon"},
        {"/image/images/1", "{image.image: Brest, image: Lyon}", "Brest"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct planned p;
        plan_of(&p, &w, "GET", rows[i].target, rows[i].scope);
        assert_legs(&p, rows[i].site);
        planned_fini(&p);
    }
}

/* What nothing measured went into is the same plan the next time. */
static void test_fixed(void **state)
{
    static const struct {
        const char *scope;
        bool is_fixed;
    } rows[] = {
        {"Paris", true},
        {"Brest ; here", true},
        {"{image: Brest}", true},
        {"around(here, 1s)", false},
        {"Brest ; around(here, 0ms)", false},
        {"*", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct planned p;
        plan_of(&p, &w, "GET", "/compute/servers", rows[i].scope);
        assert_int_equal(p.rc, 0);
        assert_int_equal(plan_is_fixed(p.plan), rows[i].is_fixed);
        planned_fini(&p);
    }
}

/* ---- limits */

/* Whatever the cap, the result is a whole plan or no-memory. */
static void test_every_cap(void **state)
{
    struct planned p;
    size_t refused = 0;
    for (size_t cap = 0;; cap += 16) {
        struct plan *plan = NULL;
        struct arena arena;
        plan_of(&p, &w, "GET", "/compute/servers", "around(here, 1s) ; Brest");
        arena_init(&arena, NULL, 0, cap);
        int rc = plan_make(&p.in, &arena, &plan, &p.diag);
        size_t n = rc == 0 ? plan->n_legs : 0;
        arena_fini(&arena);
        planned_fini(&p);
        if (rc == 0) {
            assert_int_equal(n, 5);
            break;
        }
        assert_int_equal(rc, ERR_NO_MEMORY);
        assert_null(plan);
        refused++;
    }
    assert_true(refused > 10);
    for (size_t cap = 0; cap < 1024; cap += 16) {
        struct plan *plan = NULL;
        struct arena arena;
        plan_of(&p, &w, "GET", "/compute/servers", NULL);
        arena_init(&arena, NULL, 0, cap);
        int rc = plan_make(&p.in, &arena, &plan, NULL);
        assert_true(rc == ERR_NO_MEMORY ? plan == NULL : rc == 0 && plan->n_legs == 1);
        arena_fini(&arena);
        planned_fini(&p);
    }
}

#define MANY 1000

struct many {
    size_t asked; /* of the table of round trips */
};

static enum plan_site_state many_state(const void *context, size_t site)
{
    return PLAN_SITE_UP;
}

/* A permutation of the distances, so that nothing is in order. */
static uint32_t many_rtt(const void *context, size_t from, size_t to)
{
    ++*(size_t *)(uintptr_t)context;
    return (uint32_t)((to * 7919 + from) % MANY) + 1;
}

static void test_many_sites(void **state)
{
    static char text[MANY][8];
    static struct str names[MANY];
    size_t asked = 0;
    struct world large = w;
    for (size_t i = 0; i < MANY; i++)
        names[i] = (struct str){text[i], (size_t)snprintf(text[i], sizeof text[i], "s%04zu", i)};
    large.sites = (struct plan_sites){names, MANY, 500, &asked, many_state, many_rtt};
    /* As many locations as a scope may have, each as wide as can be. */
    char scope[SCOPE_MAX_BYTES];
    struct out o;
    out_init(&o, scope, sizeof scope - 1);
    for (size_t i = 0; i < SCOPE_MAX_LOCATIONS; i++)
        out_fmt(&o, "%saround(s%04zu, 1s)", i ? ";" : "", i * 3);
    assert_false(o.overflowed);
    scope[o.n] = 0;
    const struct app_service *service = app_service_find(w.app, STR("compute"));
    struct app_request r = {.method = STR("GET"), .target = STR("/compute/servers")};
    struct app_class class_;
    struct arena arena;
    struct scope *s, *frozen;
    struct plan *plan;
    app_classify(service, &r, &class_);
    arena_init(&arena, NULL, 0, 256 * 1024); /* the default of request_memory */
    assert_int_equal(scope_parse(str_of(scope), &arena, &s, NULL), 0);
    assert_int_equal(scope_freeze(s, names[500], service->name, &arena, &frozen, NULL), 0);
    struct plan_in in = {w.app, service, &class_, STR("GET"), frozen, &large.sites};
    assert_int_equal(plan_make(&in, &arena, &plan, NULL), 0);
    assert_int_equal(plan->n_legs, MANY);
    assert_true(asked <= MANY * SCOPE_MAX_LOCATIONS);
    static bool seen[MANY];
    for (size_t i = 0; i < plan->n_legs; i++) {
        assert_false(seen[plan->legs[i].site]);
        seen[plan->legs[i].site] = true;
        assert_int_equal(plan->legs[i].alternative, i);
        if (i > 1)
            assert_true(plan->legs[i].rtt_us >= plan->legs[i - 1].rtt_us);
    }
    assert_int_equal(plan->legs[0].site, 0);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_coordinates),
        cmocka_unit_test(test_nearness),
        cmocka_unit_test(test_otherwise_of_crosses),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_all_of_one),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_bindings),
        cmocka_unit_test(test_fixed),
        cmocka_unit_test(test_every_cap),
        cmocka_unit_test(test_many_sites),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
