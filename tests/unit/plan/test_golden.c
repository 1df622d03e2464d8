/* Printed plans, in tests/golden/plans/: one file a subject, each block a request and what
 * `cheops explain` says of it.
 *
 * CHEOPS_GOLDEN_WRITE=1 writes the files anew; read the difference before it is committed.
 */
#include "plan_test.h"
#include <jansson.h>

#define MAX_GOLDEN (256 * 1024)

struct asked {
    const char *scope, *method, *target; /* scope NULL: none but what the request carries */
    const char *fields[3];
};

struct subject {
    const char *file;
    bool as_json;
    struct asked asked[24];
};

static const struct subject subjects[] = {
    {"sharing.txt",
     false,
     {
         {NULL, "GET", "/compute/servers/42"},
         {"{}", "GET", "/compute/servers/42"},
         {"{compute: Paris, image: Lyon}", "GET", "/compute/servers/42"},
         {"{compute: Paris, image: Lyon}", "GET", "/image/images?name=debian"},
         {"{compute: Paris, image: Lyon}", "POST", "/identity/users"},
         {"Paris", "POST", "/compute/servers"},
         {"{compute: Paris, *: here}", "GET", "/image/images"},
         {"{nova: Paris}", "DELETE", "/compute/servers/42"},
         {"{compute: Paris, nova.server: Lyon}", "GET", "/compute/servers/42"},
         {"{compute: Paris, nova.server: Lyon}", "GET", "/compute/flavors/m1"},
         {"{compute: Paris, server: Rennes, compute.server: Lyon}", "PUT", "/compute/servers/42"},
         {"{compute: Paris, server: Rennes}", "PATCH", "/compute/servers/42"},
         {"{compute: Paris, server: Rennes}", "GET", "/compute/flavors/m1"},
         {"{image: Paris, compute: Rennes}", "GET", "/compute/images/7"},
         {"{compute: Paris, timeout: 2s, missing: fail}", "GET", "/compute"},
         {"{compute: Paris}", "POST", "/compute/servers/42/action"},
         {"{compute: Brest}", "REPORT", "/compute/odd/path?secret=1"},
     }},
    {"otherwise.txt",
     false,
     {
         {"Nantes ; Paris", "GET", "/compute/servers/42"},
         {"{compute: Lyon ; here ; Brest}", "POST", "/compute/servers"},
         {"{compute: Paris ; Nantes ; Paris}", "GET", "/compute/servers"},
         {"{compute: Paris ; Paris}", "GET", "/compute/servers"},
     }},
    {"around.txt",
     false,
     {
         {"around(here, 10ms)", "GET", "/compute/servers/42"},
         {"{around: Paris, 5ms}", "GET", "/compute/servers/42"},
         {"around(Paris, 4300us)", "GET", "/compute/servers/42"},
         {"around(Paris, 4299us)", "GET", "/compute/servers/42"},
         {"around(Brest, 1s)", "GET", "/compute/servers/42"},
         {"around(Nantes, 5ms) ; around(Paris, 5ms) ; Brest", "GET", "/compute/servers/42"},
     }},
    {"replication.txt",
     false,
     {
         {"{compute: Nantes & Paris}", "POST", "/compute/servers"},
         {"{compute: Nantes & Paris, wait: majority}", "PUT", "/compute/servers/42"},
         {"{compute: Nantes & Paris}", "GET", "/compute/servers/42"},
         {"{compute: Nantes & Paris}", "GET", "/compute/servers"},
         {"{compute: Nantes & Paris}", "GET", "/compute"},
         {"{compute: Nantes & Paris}", "GET", "/compute/servers?watch=1"},
         {"{compute: Nantes & Paris}", "GET", "/compute/logs/1?follow=1"},
         {"{compute: Nantes & Paris}", "HEAD", "/compute/odd"},
         {"{compute: *}", "POST", "/compute/servers"},
         {"{compute: (Lyon ; Rennes) & around(Paris, 5ms) & Nantes}", "POST", "/compute/servers"},
         {"{compute: Nantes ; Paris & Rennes}", "POST", "/compute/servers"},
         {"{compute: Lyon & Paris & Rennes}", "GET", "/compute/servers/42"},
         {"{compute: Lyon & Paris}", "GET", "/compute/flavors"},
         {"{compute: Nantes & Paris}", "GET", "/compute/servers/42/console"},
         {"{compute: Nantes, consistency: strong}", "GET", "/compute/servers"},
     }},
    {"cross.txt",
     false,
     {
         {"{compute: Nantes % Paris, prime: Paris}", "POST", "/compute/servers"},
         {"{compute: Nantes % Paris}", "GET", "/compute/servers/42"},
         {"{compute: Nantes % Paris}", "POST", "/compute/servers/42/action"},
         {"{compute: Nantes % Paris}", "OPTIONS", "/compute/servers"},
         {"{compute: (Nantes & Paris) % Lyon}", "GET", "/compute/servers"},
         {"{compute: (Nantes & Paris ; Brest) % (Lyon ; Rennes)}", "POST", "/compute/servers"},
         {"{compute: Nantes % Paris ; Lyon % Rennes, prime: Rennes}", "POST", "/compute/servers"},
     }},
    {"carriers.txt",
     false,
     {
         {NULL, "GET", "/compute/servers", {"Scope: {compute: Paris}"}},
         {NULL, "GET", "/compute/servers", {"X-Auth-Token: abc~SCOPE~e2NvbXB1dGU6IFBhcmlzfQ"}},
         {NULL, "GET", "/~scope/%7Bcompute%3A%20Paris%7D/compute/servers"},
         {NULL, "GET", "/compute/servers", {"baggage: scope=%7Bcompute%3A%20Paris%7D"}},
         {NULL, "GET", "/compute/servers", {"X-Only-Scope: {compute: Paris}"}},
         {"Lyon", "GET", "/compute/servers", {"Scope: {compute: Paris}"}},
         {"Lyon", "GET", "http://controller:9292/v2/images/1"},
         {"Lyon", "GET", "http://here:4/image/images"},
         {"Lyon", "GET", "/image/images", {"Host: here:4"}},
         {"Lyon", "GET", "/identity/users/1"},
     }},
    {"errors.txt",
     false,
     {
         {"{compute: Pariss}", "GET", "/compute/servers"},
         {"{compte: Paris}", "GET", "/compute/servers"},
         {"{compute: Paris, image: around(Nantess, 1s)}", "GET", "/compute/servers"},
         {"{compute: Paris, Lyon}", "GET", "/compute/servers"},
         {"{compute: Paris, nova: Lyon}", "GET", "/compute/servers"},
         {"{nova: Paris, Lyon}", "GET", "/compute/servers"},
         {"{compute.server: Paris, nova.server: Lyon}", "GET", "/compute/servers"},
         {"{nova.servr: Lyon}", "GET", "/compute/servers"},
         {"{glance.server: Lyon}", "GET", "/compute/servers"},
         {"{compute: here & Nantes}", "GET", "/compute/servers"},
         {"{compute: around(Lyon, 1s) & Lyon}", "GET", "/compute/servers"},
         {"{compute: Nantes % Paris}", "GET", "/compute/flavors/1"},
         {"{identity: Nantes & Paris}", "GET", "/identity/users"},
         {"{compute: Nantes & Paris}", "POST", "/compute/odd"},
         {"{compute: Paris", "GET", "/compute/servers"},
         {NULL, "GET", "/nowhere"},
         {NULL, "GE T", "/compute"},
         {NULL, "GET", "/a b"},
         {NULL, "GET", "/compute", {"No colon"}},
         {NULL, "GET", "/compute", {"X-Auth-Token: abc~SCOPE~%%%"}},
         {"{image: *}", "GET", "/compute/servers", {"Host: a", "Host: b"}},
     }},
    {"json.txt",
     true,
     {
         {NULL, "GET", "/compute/servers/42"},
         {"{compute: around(here, 10ms) ; Brest, timeout: 2s}", "GET", "/compute/servers/42"},
         {"{compute: (Nantes & Paris) % Lyon, prime: Paris, wait: all}", "POST",
          "/compute/servers"},
         {"{compute: Paris}", "POST", "/compute/servers/42/action", {"X-Auth-Token: secret"}},
         {"{compute: Pariss}", "GET", "/compute/servers"},
     }},
};

static void put_sites(const struct world *w, struct out *o)
{
    OUT(o, "# seen from Nantes\n");
    for (size_t i = 0; i < WORLD_SITES; i++) {
        out_fmt(o, "# %.*s is %.*s", STR_ARG(world_names[i]),
                STR_ARG(plan_state_name(w->states[i])));
        for (size_t k = 0; k < WORLD_SITES; k++)
            if (i != k && w->rtt[i][k] != PLAN_RTT_UNKNOWN)
                out_fmt(o, ", %u us to %.*s", w->rtt[i][k], STR_ARG(world_names[k]));
        out_char(o, '\n');
    }
}

static void check_json(struct str text)
{
    json_error_t error;
    json_t *value = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &error);
    if (!value)
        fail_msg("not JSON: %s: %.*s", error.text, STR_ARG(text));
    json_decref(value);
}

static const struct app_service *service_at(const void *context, unsigned port)
{
    return port == 4 ? app_service_find(context, STR("identity")) : NULL;
}

static bool suffix_allowed(const void *context, const struct app_service *service)
{
    return !str_eq(service->name, STR("image"));
}

static void put_case(const struct world *w, const struct asked *a, bool as_json, struct out *o)
{
    struct str fields[COUNT_OF(a->fields)];
    struct plan_explain e = {.app = w->app,
                             .sites = &w->sites,
                             .context = w->app,
                             .service_at = service_at,
                             .suffix_allowed = suffix_allowed,
                             .note = as_json ? STR("asked by a \"test\"") : STR_NULL,
                             .method = str_of(a->method),
                             .target = str_of(a->target),
                             .scope = str_of(a->scope),
                             .fields = fields,
                             .as_json = as_json};
    out_fmt(o, "\n> %s %s  %s\n", a->method, a->target, a->scope ? a->scope : "");
    while (e.n_fields < COUNT_OF(fields) && a->fields[e.n_fields]) {
        out_fmt(o, "> %s\n", a->fields[e.n_fields]);
        fields[e.n_fields] = str_of(a->fields[e.n_fields]);
        e.n_fields++;
    }
    struct plan_explain_failure failure = {0};
    struct arena arena;
    size_t from = o->n;
    arena_init(&arena, NULL, 0, 1 << 20);
    int rc = plan_explain(&e, &arena, o, &failure);
    assert_int_equal(rc, failure.diag.code);
    if (rc < 0) {
        assert_int_equal(o->n, from);
        plan_explain_error(&failure, as_json, o);
    }
    arena_fini(&arena);
    if (as_json) {
        check_json((struct str){o->p + from, o->n - from});
        out_char(o, '\n');
    }
}

static void check_subject(const struct world *w, const struct subject *s)
{
    char path[512];
    char *got = malloc(MAX_GOLDEN), *want = malloc(MAX_GOLDEN);
    struct out o;
    assert_true(got && want);
    out_init(&o, got, MAX_GOLDEN - 1);
    put_sites(w, &o);
    for (size_t i = 0; i < COUNT_OF(s->asked) && s->asked[i].method; i++)
        put_case(w, &s->asked[i], s->as_json, &o);
    assert_false(o.overflowed);
    got[o.n] = 0;
    snprintf(path, sizeof path, "%s/plans/%s", GOLDEN_DIR, s->file);
    const char *mode = getenv("CHEOPS_GOLDEN_WRITE") ? "w+" : "r";
    FILE *file = fopen(path, mode);
    assert_non_null(file);
    if (mode[0] == 'w') {
        assert_int_equal(fwrite(got, 1, o.n, file), o.n);
        rewind(file);
    }
    want[fread(want, 1, MAX_GOLDEN - 1, file)] = 0;
    fclose(file);
    assert_string_equal(got, want);
    free(got);
    free(want);
}

static void test_golden(void **state)
{
    struct world w;
    world_init(&w);
    for (size_t i = 0; i < COUNT_OF(subjects); i++)
        check_subject(&w, &subjects[i]);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
