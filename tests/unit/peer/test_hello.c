/* Hellos and heartbeats as texts: what is written can be read, what is malformed is named. */
#include "support.h"

#include <stdio.h>

static const struct peer_hello example = {.site = "Paris",
                                          .application = "openstack",
                                          .incarnation = 0x00c0ffee00c0ffeeull,
                                          .digest = UINT64_MAX,
                                          .least = 1,
                                          .most = 1};

static void test_what_is_written(void **state)
{
    char text[512];
    struct out o;
    struct peer_hello got;
    struct diag d = {0};
    (void)state;
    out_init(&o, text, sizeof text);
    peer_hello_write(&example, &o);
    assert_str(out_get(&o),
               "{\"site\":\"Paris\",\"incarnation\":\"00c0ffee00c0ffee\",\"protocol\":[1,1],"
               "\"application\":\"openstack\",\"digest\":\"ffffffffffffffff\"}");
    assert_int_equal(peer_hello_read(out_get(&o), &got, &d), 0);
    assert_memory_equal(&got, &example, sizeof got);
}

static void test_members_that_are_not_known(void **state)
{
    struct peer_hello got;
    struct diag d = {0};
    (void)state;
    assert_int_equal(
        peer_hello_read(STR("{\"vectors\":{\"a\":[1]},\"digest\":\"ffffffffffffffff\",\"x\":null,"
                            "\"application\":\"openstack\",\"site\":\"Paris\",\"protocol\":[1,1],"
                            "\"incarnation\":\"00c0ffee00c0ffee\"}"),
                        &got, &d),
        0);
    assert_memory_equal(&got, &example, sizeof got);
}

/* A later version may say everything else in another way. */
static void test_a_version_that_is_not_known(void **state)
{
    struct peer_hello got;
    struct diag d = {0};
    (void)state;
    assert_int_equal(
        peer_hello_read(STR("{\"site\":\"Paris\",\"protocol\":[7,9],\"digest\":1}"), &got, &d), 0);
    assert_int_equal(got.least, 7);
    assert_int_equal(got.most, 9);
    assert_string_equal(got.site, "Paris");
}

#define SITE    "\"site\":\"Paris\","
#define VERSION "\"protocol\":[1,1],"
#define APP     "\"application\":\"openstack\","
#define LIFE    "\"incarnation\":\"00c0ffee00c0ffee\","
#define DIGEST  "\"digest\":\"ffffffffffffffff\""
#define NAME_63 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"

static const struct {
    const char *text, *named;
} malformed[] = {
    {"", "JSON object"},
    {"hello", "JSON object"},
    {"[]", "JSON object"},
    {"null", "JSON object"},
    {"{", "JSON object"},
    {"{} {}", "JSON object"},
    {"{" SITE SITE VERSION APP LIFE DIGEST "}", "JSON object"}, /* a member twice */
    {"{\"site\":\"\xff\"}", "JSON object"},
    {"{\"site\":\"\\u0000\"}", "JSON object"},
    {"{" VERSION APP LIFE DIGEST "}", "site"},
    {"{\"site\":\"\"," VERSION APP LIFE DIGEST "}", "site"},
    {"{\"site\":7," VERSION APP LIFE DIGEST "}", "site"},
    {"{\"site\":[\"Paris\"]," VERSION APP LIFE DIGEST "}", "site"},
    {"{\"site\":\"" NAME_63 "l\"," VERSION APP LIFE DIGEST "}", "site"},
    {"{" SITE APP LIFE DIGEST "}", "protocol"},
    {"{" SITE "\"protocol\":1," APP LIFE DIGEST "}", "protocol"},
    {"{" SITE "\"protocol\":[]," APP LIFE DIGEST "}", "protocol"},
    {"{" SITE "\"protocol\":[1]," APP LIFE DIGEST "}", "protocol"},
    {"{" SITE "\"protocol\":[1,1,1]," APP LIFE DIGEST "}", "protocol"},
    {"{" SITE "\"protocol\":[2,1]," APP LIFE DIGEST "}", "protocol"},
    {"{" SITE "\"protocol\":[0,1]," APP LIFE DIGEST "}", "protocol"},
    {"{" SITE "\"protocol\":[-1,1]," APP LIFE DIGEST "}", "protocol"},
    {"{" SITE "\"protocol\":[1.0,1.0]," APP LIFE DIGEST "}", "protocol"},
    {"{" SITE "\"protocol\":[\"1\",\"1\"]," APP LIFE DIGEST "}", "protocol"},
    {"{" SITE "\"protocol\":[1,4294967297]," APP LIFE DIGEST "}", "protocol"},
    {"{" SITE "\"protocol\":[4294967297,4294967297]," APP LIFE DIGEST "}", "protocol"},
    {"{" SITE "\"protocol\":[1,99999999999999999999]," APP LIFE DIGEST "}", "JSON object"},
    {"{" SITE VERSION LIFE DIGEST "}", "application"},
    {"{" SITE VERSION "\"application\":null," LIFE DIGEST "}", "application"},
    {"{" SITE VERSION APP DIGEST "}", "incarnation"},
    {"{" SITE VERSION APP "\"incarnation\":\"00c0ffee00c0ffe\"," DIGEST "}", "incarnation"},
    {"{" SITE VERSION APP "\"incarnation\":\"00c0ffee00c0ffeg\"," DIGEST "}", "incarnation"},
    {"{" SITE VERSION APP "\"incarnation\":7," DIGEST "}", "incarnation"},
    {"{" SITE VERSION APP LIFE "\"digest\":\"fffffffffffffffff\"}", "digest"},
    {"{" SITE VERSION APP LIFE "\"digest\":null}", "digest"},
};

static void test_what_is_malformed(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(malformed); i++) {
        struct peer_hello got;
        struct diag d = {0};
        if (peer_hello_read(str_of(malformed[i].text), &got, &d) != ERR_BAD_REQUEST)
            fail_msg("taken: %s", malformed[i].text);
        if (!strstr(d.message, malformed[i].named))
            fail_msg("%s: '%s' does not name %s", malformed[i].text, d.message, malformed[i].named);
    }
}

static void test_the_longest_names(void **state)
{
    struct peer_hello got;
    struct diag d = {0};
    (void)state;
    assert_int_equal(peer_hello_read(STR("{\"site\":\"" NAME_63 "\"," VERSION
                                         "\"application\":\"" NAME_63 "\"," LIFE DIGEST "}"),
                                     &got, &d),
                     0);
    assert_string_equal(got.site, NAME_63);
    assert_string_equal(got.application, NAME_63);
}

/* Values nested as deep as a message is long. */
static void test_deep_nesting(void **state)
{
    static char text[PEER_MESSAGE_MAX];
    struct peer_hello got;
    struct diag d = {0};
    (void)state;
    memset(text, '[', sizeof text);
    assert_int_equal(peer_hello_read((struct str){text, sizeof text}, &got, &d), ERR_BAD_REQUEST);
}

/* ---- heartbeats */

static uint32_t row(const struct world *w, size_t from, size_t to)
{
    return peer_sites_rtt_us(peer_sites_of(w->peer), from, to);
}

static void test_a_row_that_is_written(void **state)
{
    struct world *w = *state;
    char text[PEER_MESSAGE_MAX];
    struct out o;
    uint32_t next = 0;
    peer_sites_sample(peer_sites_of(w->peer), PARIS, 4200);
    out_init(&o, text, sizeof text);
    peer_heartbeat_write(&w->cfg, peer_sites_of(w->peer), 7, &next, &o);
    assert_str(out_get(&o), "{\"site\":\"Nantes\",\"incarnation\":\"0000000000000007\","
                            "\"row\":{\"Lyon\":null,\"Nantes\":0,\"Paris\":4200}}");
}

static uint64_t take(struct world *w, const char *text)
{
    return peer_heartbeat_read(&w->cfg, peer_sites_of(w->peer), PARIS, str_of(text));
}

static void test_a_row_that_is_read(void **state)
{
    struct world *w = *state;
    take(w, "{\"row\":{\"Lyon\":900,\"Nantes\":4300,\"Paris\":0}}");
    assert_int_equal(row(w, PARIS, LYON), 900);
    assert_int_equal(row(w, PARIS, NANTES), 4300);
    take(w, "{\"row\":{\"Lyon\":null}}");
    assert_int_equal(row(w, PARIS, LYON), PEER_RTT_UNKNOWN);
    assert_int_equal(row(w, PARIS, NANTES), 4300); /* not told of this time */
    assert_int_equal(row(w, LYON, PARIS), PEER_RTT_UNKNOWN);
}

static void test_the_number_of_a_list(void **state)
{
    static const struct {
        const char *text;
        uint64_t number;
    } rows[] = {
        {"{\"crl\":3,\"row\":{}}", 3},
        {"{\"crl\":9223372036854775807}", INT64_MAX},
        {"{\"crl\":9223372036854775808}", 0},
        {"{\"crl\":-3}", 0},
        {"{\"crl\":\"3\"}", 0},
        {"{\"crl\":3.5}", 0},
        {"{\"crl\":3,\"crl\":4}", 0},
        {"{\"row\":{}}", 0},
        {"", 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (take(*state, rows[i].text) != rows[i].number)
            fail_msg("%s", rows[i].text);
}

static void test_what_of_a_row_is_left_out(void **state)
{
    static const char *const texts[] = {
        "",
        "x",
        "[]",
        "{}",
        "{\"row\":7}",
        "{\"row\":[900]}",
        "{\"row\":{\"Lyon\":-1}}",
        "{\"row\":{\"Lyon\":4294967295}}",
        "{\"row\":{\"Lyon\":4294968196}}",
        "{\"row\":{\"Lyon\":900.5}}",
        "{\"row\":{\"Lyon\":\"900\"}}",
        "{\"row\":{\"Lyon\":true}}",
        "{\"row\":{\"Rouen\":900}}",
        "{\"row\":{\"Paris\":900}}",                  /* itself */
        "{\"row\":{\"Lyon\":900,\"Lyon\":900}}",      /* twice */
        "{\"row\":{\"Lyon\":900}",                    /* cut off */
        "{\"site\":\"Nantes\",\"row\":{\"lyon\":9}}", /* another name */
    };
    struct world *w = *state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        take(w, texts[i]);
        for (size_t to = 0; to < SITES; to++)
            if (row(w, PARIS, to) != (to == PARIS ? 0 : PEER_RTT_UNKNOWN))
                fail_msg("taken: %s", texts[i]);
    }
}

/* With many sites a row goes out in parts, none of which is too long, and none is left out. */
static void test_rows_of_many_sites(void **state)
{
    enum { MANY = 1000 };
    static struct cfg_site sites[MANY];
    static char names[MANY][PEER_NAME_BYTES];
    struct peer_sites *from, *to;
    struct cfg cfg = {.sites = sites, .n_sites = MANY, .self = 500};
    uint32_t next = 0;
    (void)state;
    assert_int_equal(peer_sites_create(&from, MANY, cfg.self, 1, 2, 1), 0);
    assert_int_equal(peer_sites_create(&to, MANY, 3, 1, 2, 1), 0);
    for (size_t i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "%063zu", i);
        sites[i].name = str_of(names[i]);
        peer_sites_sample(from, i, UINT32_MAX - 1 - (uint32_t)i);
    }
    cfg.site = sites[cfg.self].name;
    for (size_t beats = 0; beats < MANY / PEER_ROW_SITES + 1; beats++) {
        char text[PEER_MESSAGE_MAX];
        struct out o;
        out_init(&o, text, sizeof text);
        peer_heartbeat_write(&cfg, from, 1, &next, &o);
        assert_false(o.overflowed);
        peer_heartbeat_read(&cfg, to, cfg.self, out_get(&o));
    }
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(peer_sites_rtt_us(to, cfg.self, i),
                         i == cfg.self ? 0 : UINT32_MAX - 1 - (uint32_t)i);
    peer_sites_destroy(&from);
    peer_sites_destroy(&to);
}

static int begin(void **state)
{
    static struct world w;
    world_init(&w);
    *state = &w;
    return 0;
}

static int end(void **state)
{
    world_fini(*state);
    return 0;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written),
        cmocka_unit_test(test_members_that_are_not_known),
        cmocka_unit_test(test_a_version_that_is_not_known),
        cmocka_unit_test(test_what_is_malformed),
        cmocka_unit_test(test_the_longest_names),
        cmocka_unit_test(test_deep_nesting),
        cmocka_unit_test(test_rows_of_many_sites),
        TEST(test_a_row_that_is_written),
        TEST(test_a_row_that_is_read),
        TEST(test_the_number_of_a_list),
        TEST(test_what_of_a_row_is_left_out),
    };
    return cmocka_run_group_tests_name("peer_hello", tests, NULL, NULL);
}
