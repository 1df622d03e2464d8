/* The field Cheops-Leg: what is written can be read, and everything else is refused. */
#include "../base/unit.h"

#include "codec/base64.h"
#include "peer/peer.h"
#include "scope/scope.h"

#include <stdio.h>

struct world {
    struct arena arena;
    struct peer_leg leg;
    struct diag d;
    char text[16384];
};

static int begin(void **state)
{
    static struct world w;
    memset(&w, 0, sizeof w);
    arena_init(&w.arena, NULL, 0, 1 << 20);
    *state = &w;
    return 0;
}

static int end(void **state)
{
    arena_fini(&((struct world *)*state)->arena);
    return 0;
}

static int parse(struct world *w, struct str value)
{
    w->d = (struct diag){0};
    return peer_leg_parse(value, &w->arena, &w->leg, &w->d);
}

/* A field with this scope, whatever it is. */
static struct str field_of(struct world *w, const char *before, struct str scope, const char *after)
{
    struct out o;
    out_init(&o, w->text, sizeof w->text);
    out_str(&o, str_of(before));
    OUT(&o, "scope=:");
    base64_encode(BASE64_STANDARD, scope, &o);
    OUT(&o, ":");
    out_str(&o, str_of(after));
    assert_false(o.overflowed);
    return out_get(&o);
}

static struct str with_scope(struct world *w, struct str scope)
{
    return field_of(w, "service=\"image\", txn=\"00c0ffee00c0ffee\", ", scope, ", deadline=1");
}

static void test_the_example(void **state)
{
    struct world *w = *state;
    assert_int_equal(parse(w, STR("service=\"image\", txn=\"00c0ffee00c0ffee\", "
                                  "scope=:e2ltYWdlOiBQYXJpc30=:, deadline=59998")),
                     0);
    assert_str(w->leg.service, "image");
    assert_true(w->leg.transaction == 0x00c0ffee00c0ffeeull);
    assert_str(w->leg.scope, "{image: Paris}");
    assert_int_equal(w->leg.deadline_ms, 59998);
}

static void test_what_is_written_can_be_read(void **state)
{
    static const struct peer_leg legs[] = {
        {{"image", 5}, 0, {"{}", 2}, 1},
        {{"a", 1}, UINT64_MAX, {"{image: Nantes ; Paris, \"prime\": Lyon}", 38}, 3600000},
        {{"compute.api_v2-1", 16},
         1,
         {"{image: around(Nantes, 10ms), *: Paris, timeout: 2s}", 52},
         30000},
    };
    for (size_t i = 0; i < COUNT_OF(legs); i++) {
        struct world *w = *state;
        struct out o;
        out_init(&o, w->text, sizeof w->text);
        peer_leg_write(&legs[i], &o);
        if (parse(w, out_get(&o)) < 0)
            fail_msg("%.*s: %s", STR_ARG(out_get(&o)), w->d.message);
        assert_true(str_eq(w->leg.service, legs[i].service));
        assert_true(str_eq(w->leg.scope, legs[i].scope));
        assert_true(w->leg.transaction == legs[i].transaction);
        assert_true(w->leg.deadline_ms == legs[i].deadline_ms);
    }
}

static void test_members_in_any_order_and_unknown_ones(void **state)
{
    struct world *w = *state;
    assert_int_equal(
        parse(w, STR("deadline=7,part=3 ,scope=:e30=:, x=\"y\", txn=\"ffffffffffffffff\"  , "
                     "flag, service=\"image\"")),
        0);
    assert_str(w->leg.service, "image");
    assert_str(w->leg.scope, "{}");
    assert_int_equal(w->leg.deadline_ms, 7);
}

/* Each with what the message must name. */
static const struct {
    const char *value, *named;
} refused[] = {
    {"", "service"},
    {",", "service"},
    {"nothing", "service"},
    /* a member is missing */
    {"txn=\"00c0ffee00c0ffee\", scope=:e30=:, deadline=1", "service"},
    {"service=\"image\", scope=:e30=:, deadline=1", "txn"},
    {"service=\"image\", txn=\"00c0ffee00c0ffee\", deadline=1", "scope"},
    {"service=\"image\", txn=\"00c0ffee00c0ffee\", scope=:e30=:", "deadline"},
    /* a member stands twice */
    {"service=\"a\", service=\"b\", txn=\"00c0ffee00c0ffee\", scope=:e30=:, deadline=1", "service"},
    {"service=\"a\", txn=\"00c0ffee00c0ffee\", txn=\"00c0ffee00c0ffee\", scope=:e30=:, deadline=1",
     "txn"},
    {"service=\"a\", txn=\"00c0ffee00c0ffee\", scope=:e30=:, scope=:e30=:, deadline=1", "scope"},
    {"service=\"a\", txn=\"00c0ffee00c0ffee\", scope=:e30=:, deadline=1, deadline=1", "deadline"},
    /* the service */
    {"service=image, txn=\"00c0ffee00c0ffee\", scope=:e30=:, deadline=1", "service"},
    {"service=\"\", txn=\"00c0ffee00c0ffee\", scope=:e30=:, deadline=1", "service"},
    {"service=\", txn=\"00c0ffee00c0ffee\", scope=:e30=:, deadline=1", "service"},
    {"service=\"a\\\"b\", txn=\"00c0ffee00c0ffee\", scope=:e30=:, deadline=1", "service"},
    {"service=\"a\"b\", txn=\"00c0ffee00c0ffee\", scope=:e30=:, deadline=1", "service"},
    {"service=\"a\";q=1, txn=\"00c0ffee00c0ffee\", scope=:e30=:, deadline=1", "service"},
    {"service, txn=\"00c0ffee00c0ffee\", scope=:e30=:, deadline=1", "service"},
    {"service=\"a,b\", txn=\"00c0ffee00c0ffee\", scope=:e30=:, deadline=1", "service"},
    {"service= \"a\", txn=\"00c0ffee00c0ffee\", scope=:e30=:, deadline=1", "service"},
    /* the transaction */
    {"service=\"a\", txn=\"0c0ffee00c0ffee\", scope=:e30=:, deadline=1", "txn"},
    {"service=\"a\", txn=\"000c0ffee00c0ffee\", scope=:e30=:, deadline=1", "txn"},
    {"service=\"a\", txn=\"00c0ffee00c0ffeg\", scope=:e30=:, deadline=1", "txn"},
    {"service=\"a\", txn=\"00C0FFEE00C0FFEE\", scope=:e30=:, deadline=1", "txn"},
    {"service=\"a\", txn=\"0x00c0ffee00c0ff\", scope=:e30=:, deadline=1", "txn"},
    {"service=\"a\", txn=00c0ffee00c0ffee, scope=:e30=:, deadline=1", "txn"},
    /* the deadline */
    {"service=\"a\", txn=\"00c0ffee00c0ffee\", scope=:e30=:, deadline=0", "deadline"},
    {"service=\"a\", txn=\"00c0ffee00c0ffee\", scope=:e30=:, deadline=", "deadline"},
    {"service=\"a\", txn=\"00c0ffee00c0ffee\", scope=:e30=:, deadline=-1", "deadline"},
    {"service=\"a\", txn=\"00c0ffee00c0ffee\", scope=:e30=:, deadline=+1", "deadline"},
    {"service=\"a\", txn=\"00c0ffee00c0ffee\", scope=:e30=:, deadline=1.5", "deadline"},
    {"service=\"a\", txn=\"00c0ffee00c0ffee\", scope=:e30=:, deadline=3600001", "deadline"},
    {"service=\"a\", txn=\"00c0ffee00c0ffee\", scope=:e30=:, deadline=18446744073709551617",
     "deadline"},
    /* the scope's base64 */
    {"service=\"a\", txn=\"00c0ffee00c0ffee\", scope=\"{}\", deadline=1", "scope"},
    {"service=\"a\", txn=\"00c0ffee00c0ffee\", scope=:, deadline=1", "scope"},
    {"service=\"a\", txn=\"00c0ffee00c0ffee\", scope=::, deadline=1", "scope"},
    {"service=\"a\", txn=\"00c0ffee00c0ffee\", scope=:e30:, deadline=1", "scope"},
    {"service=\"a\", txn=\"00c0ffee00c0ffee\", scope=:e30=, deadline=1", "scope"},
    {"service=\"a\", txn=\"00c0ffee00c0ffee\", scope=:e3 =:, deadline=1", "scope"},
    {"service=\"a\", txn=\"00c0ffee00c0ffee\", scope=:e3-=:, deadline=1", "scope"},
};

static void test_what_is_refused(void **state)
{
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct world *w = *state;
        if (parse(w, str_of(refused[i].value)) != ERR_BAD_REQUEST)
            fail_msg("taken: %s", refused[i].value);
        assert_int_equal(w->d.code, ERR_BAD_REQUEST);
        if (!strstr(w->d.message, refused[i].named))
            fail_msg("%s: '%s' does not name %s", refused[i].value, w->d.message, refused[i].named);
    }
}

/* The scope goes into fields of the request to the service: nothing but a scope may be in it, and
 * only as the site where the request entered has frozen it. */
static void test_scopes_that_are_none(void **state)
{
    static const struct str scopes[] = {
        {"", 0},
        {"{a: Paris}\r\nX-Auth-Token: stolen", 32},
        {"{a: Paris}\r\n\r\nGET /admin HTTP/1.1\r\n", 35},
        {"{a: Paris}\n", 11},
        {"{a: Paris}\0", 11},
        {"{a: Par\x01is}", 11},
        {"{a: Paris", 9},
        {"{a: Nantes & Nantes}", 20},
        /* not canonical */
        {"{a:Paris}", 9},
        {"a: Paris", 8},
        {"{\"a\": Paris}", 12},
        {"{a: Nantes | Paris}", 19},
        /* not frozen */
        {"{Paris}", 7},
        {"{a: here}", 9},
        {"{a: around(here, 10ms)}", 23},
        {"{a: Nantes ; here}", 18},
    };
    for (size_t i = 0; i < COUNT_OF(scopes); i++) {
        struct world *w = *state;
        if (parse(w, with_scope(w, scopes[i])) != ERR_BAD_REQUEST)
            fail_msg("taken: %.*s", STR_ARG(scopes[i]));
        assert_non_null(strstr(w->d.message, "scope"));
    }
}

/* The longest scope that a site can freeze passes; one byte more does not. */
static void test_the_longest_scope(void **state)
{
    struct world *w = *state;
    static char scope[SCOPE_MAX_BYTES + 2];
    size_t n = 0;
    scope[n++] = '{';
    for (unsigned i = 0; n + 70 < SCOPE_MAX_BYTES; i++)
        n += (size_t)snprintf(scope + n, sizeof scope - n, "%s%060u: P", i ? ", " : "", i);
    n += (size_t)snprintf(scope + n, sizeof scope - n, ", k: ");
    while (n < SCOPE_MAX_BYTES - 1 && n < sizeof scope - 2)
        scope[n++] = 'P';
    scope[n++] = '}';
    if (parse(w, with_scope(w, (struct str){scope, n})) < 0)
        fail_msg("%s", w->d.message);
    assert_int_equal(w->leg.scope.n, SCOPE_MAX_BYTES);
    scope[n - 1] = 'P';
    scope[n++] = '}';
    assert_int_equal(parse(w, with_scope(w, (struct str){scope, n})), ERR_BAD_REQUEST);
}

static void test_every_byte_changed(void **state)
{
    struct world *w = *state;
    char text[256];
    struct str whole = with_scope(w, STR("{image: Nantes ; Paris}"));
    memcpy(text, whole.p, whole.n);
    for (size_t at = 0; at < whole.n; at++)
        for (unsigned byte = 0; byte < 256; byte += 3) {
            struct str value = {w->text, whole.n};
            memcpy(w->text, text, whole.n);
            w->text[at] = (char)byte;
            arena_fini(&w->arena);
            arena_init(&w->arena, NULL, 0, 1 << 20);
            if (parse(w, value) < 0) {
                assert_int_equal(w->d.code, ERR_BAD_REQUEST);
                continue;
            }
            for (size_t i = 0; i < w->leg.scope.n; i++)
                assert_true((unsigned char)w->leg.scope.p[i] >= ' ');
            assert_true(w->leg.service.n > 0 && w->leg.deadline_ms > 0);
        }
}

static void test_without_memory(void **state)
{
    struct world *w = *state;
    struct arena small;
    struct peer_leg leg;
    struct str value = with_scope(w, STR("{image: Paris}"));
    for (size_t cap = 0; cap < 4096; cap += 16) {
        struct diag d = {0};
        arena_init(&small, NULL, 0, cap);
        int rc = peer_leg_parse(value, &small, &leg, &d);
        assert_true(rc == 0 || rc == ERR_NO_MEMORY);
        assert_int_equal(d.code, rc);
        arena_fini(&small);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(test_the_example),
        TEST(test_what_is_written_can_be_read),
        TEST(test_members_in_any_order_and_unknown_ones),
        TEST(test_what_is_refused),
        TEST(test_scopes_that_are_none),
        TEST(test_the_longest_scope),
        TEST(test_every_byte_changed),
        TEST(test_without_memory),
    };
    return cmocka_run_group_tests_name("peer_leg", tests, NULL, NULL);
}
