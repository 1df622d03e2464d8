/* The view of `cheops top`, in tests/golden/top.txt, and its mathematics.
 *
 * CHEOPS_GOLDEN_WRITE=1 writes the file anew; read the difference before it is committed.
 */
#include "ctl/top.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define GOLDEN GOLDEN_DIR "/top.txt"

static struct arena arena;

/* ---- mathematics */

static void test_rates(void **state)
{
    assert_true(top_rate(10, 30, 2) == 10);
    assert_true(top_rate(10, 10, 2) == 0);
    assert_true(top_rate(100, 4, 2) == 2); /* the daemon was restarted */
    assert_true(top_rate(10, 30, 0) == 0);
}

static bool is_near(double a, double b)
{
    return fabs(a - b) < 1e-9;
}

static void test_quantiles(void **state)
{
    const struct top_bucket some[] = {{0.001, 0}, {0.01, 50}, {0.1, 100}, {INFINITY, 100}};
    const struct top_bucket slow[] = {{0.001, 1}, {0.01, 1}, {0.1, 1}, {INFINITY, 10}};
    const struct top_bucket none[] = {{0.001, 0}, {INFINITY, 0}};
    bool is_beyond;
    assert_true(is_near(top_quantile(some, 4, 0.25, &is_beyond), 0.0055));
    assert_true(is_near(top_quantile(some, 4, 0.5, &is_beyond), 0.01));
    assert_true(is_near(top_quantile(some, 4, 0.75, &is_beyond), 0.055));
    assert_true(is_near(top_quantile(some, 4, 1, &is_beyond), 0.1));
    assert_true(is_near(top_quantile(some, 4, 0, &is_beyond), 0.001));
    assert_false(is_beyond);
    assert_true(is_near(top_quantile(slow, 4, 0.1, &is_beyond), 0.001));
    assert_false(is_beyond);
    assert_true(is_near(top_quantile(slow, 4, 0.5, &is_beyond), 0.1));
    assert_true(is_beyond);
    assert_true(top_quantile(none, 2, 0.5, &is_beyond) < 0);
    assert_true(top_quantile(NULL, 0, 0.5, &is_beyond) < 0);
}

static void clips(const char *text, size_t columns, size_t rows, const char *want)
{
    char memory[100];
    struct out o;
    out_init(&o, memory, sizeof memory);
    top_clip(str_of(text), columns, rows, STR("|"), &o);
    assert_false(o.overflowed);
    assert_int_equal(o.n, strlen(want));
    assert_memory_equal(o.p, want, o.n);
}

static void test_what_fits(void **state)
{
    clips("abc\ndef\n", 80, 24, "abc|def|");
    clips("abc\ndef\nghi", 2, 2, "ab|de");
    clips("a\xc2\xb1z\n", 2, 1, "a\xc2\xb1"); /* characters, not bytes */
    clips("a\xc2\xb1z\n", 1, 1, "a");
    clips("abc", 0, 1, "");
    clips("abc", 80, 0, "");
    clips("", 80, 24, "");
}

/* ---- the view */

#define COMMON                                                                                     \
    "cheops_info{site=\"Nantes\",version=\"1.2.3\"} 1\n"                                           \
    "process_start_time_seconds 1795549000.000000\n"                                               \
    "process_resident_memory_bytes 32505856\nprocess_open_fds 45\nprocess_max_fds 1048576\n"       \
    "cheops_transactions 3\ncheops_client_connections 64\ncheops_log_dropped_lines_total 0\n"

static const char before_text[] =
    COMMON "cheops_requests_total{service=\"image\",plan=\"one\",site=\"Paris\",status=\"2xx\"} 0\n"
           "cheops_requests_total{service=\"image\",plan=\"local\",site=\"Nantes\",status=\"2xx\"} "
           "1000\n"
           "cheops_refused_total{reason=\"site-down\"} 5\n"
           "cheops_leg_duration_seconds_bucket{site=\"Nantes\",le=\"0.0010\"} 10\n"
           "cheops_leg_duration_seconds_bucket{site=\"Nantes\",le=\"0.0100\"} 1000\n"
           "cheops_leg_duration_seconds_bucket{site=\"Nantes\",le=\"+Inf\"} 1000\n"
           "cheops_received_bytes_total 0\ncheops_sent_bytes_total 1000000\n"
           "cheops_pool_connections{kind=\"service\",name=\"image\",state=\"busy\"} 1\n"
           "cheops_pool_connections{kind=\"service\",name=\"image\",state=\"idle\"} 0\n"
           "cheops_pool_connects_total{kind=\"service\",name=\"image\"} 1\n"
           "cheops_pool_reuses_total{kind=\"service\",name=\"image\"} 999\n"
           "process_cpu_seconds_total 1.000000\n# EOF\n";

/* Samples have come, and so have moved. */
static const char after_text[] =
    COMMON "cheops_requests_total{service=\"image\",plan=\"one\",site=\"Paris\",status=\"2xx\"} 3\n"
           "cheops_requests_total{service=\"image\",plan=\"one\",site=\"Paris\",status=\"5xx\"} 1\n"
           "cheops_requests_total{service=\"image\",plan=\"one\",site=\"Lyon\",status=\"aborted\"} "
           "2\n"
           "cheops_requests_total{service=\"image\",plan=\"local\",site=\"Nantes\",status=\"2xx\"} "
           "3000\n"
           "cheops_requests_total{service=\"identity\",plan=\"local\",site=\"Nantes\",status="
           "\"4xx\"} 6\n"
           "cheops_refused_total{reason=\"site-down\"} 6\n"
           "cheops_leg_duration_seconds_bucket{site=\"Nantes\",le=\"0.0010\"} 1010\n"
           "cheops_leg_duration_seconds_bucket{site=\"Nantes\",le=\"0.0100\"} 3000\n"
           "cheops_leg_duration_seconds_bucket{site=\"Nantes\",le=\"+Inf\"} 3000\n"
           "cheops_leg_duration_seconds_bucket{site=\"Paris\",le=\"0.0010\"} 0\n"
           "cheops_leg_duration_seconds_bucket{site=\"Paris\",le=\"0.0100\"} 1\n"
           "cheops_leg_duration_seconds_bucket{site=\"Paris\",le=\"+Inf\"} 4\n"
           "cheops_received_bytes_total 100\ncheops_sent_bytes_total 9388608\n"
           "cheops_pool_connections{kind=\"service\",name=\"image\",state=\"busy\"} 8\n"
           "cheops_pool_connections{kind=\"service\",name=\"image\",state=\"idle\"} 24\n"
           "cheops_pool_connections{kind=\"site\",name=\"Paris\",state=\"busy\"} 1\n"
           "cheops_pool_connections{kind=\"site\",name=\"Paris\",state=\"idle\"} 0\n"
           "cheops_pool_waiting_requests{kind=\"service\",name=\"image\"} 2\n"
           "cheops_pool_waiting_requests{kind=\"site\",name=\"Paris\"} 0\n"
           "cheops_pool_connects_total{kind=\"service\",name=\"image\"} 32\n"
           "cheops_pool_connects_total{kind=\"site\",name=\"Paris\"} 1\n"
           "cheops_pool_reuses_total{kind=\"service\",name=\"image\"} 2999\n"
           "cheops_pool_reuses_total{kind=\"site\",name=\"Paris\"} 3\n"
           "process_cpu_seconds_total 1.840000\n# EOF\n";

static const char transactions_text[] =
    "{\"transactions\":[{\"age_ms\":120,\"state\":\"relay\",\"deadline_ms\":60000,\"client\":"
    "\"192.0.2.1\",\"service\":\"image\",\"site\":\"Paris\",\"method\":\"GET\",\"path\":"
    "\"/v2/\\u001b[2J\\u009b31m\\nimages\",\"scope\":\"{image: Paris}\"},"
    "{\"age_ms\":73000,\"state\":\"tunnel\",\"deadline_ms\":null,\"client\":\"192.0.2.2\","
    "\"service\":\"image\",\"site\":null,\"method\":\"GET\",\"path\":\"/watch\",\"scope\":null},"
    "{\"age_ms\":9400,\"state\":\"leg\",\"deadline_ms\":500,\"client\":\"192.0.2.3\",\"service\":"
    "\"identity\",\"site\":\"Nantes\",\"method\":\"POST\",\"path\":\"/v3/auth/tokens\",\"scope\":"
    "null}],\"live\":3,\"silent_workers\":0}";

static const char sites_text[] =
    "{\"sites\":[{\"site\":\"Lyon\",\"self\":false,\"state\":\"down\",\"rtt_us\":null},"
    "{\"site\":\"Nantes\",\"self\":true,\"state\":\"up\",\"rtt_us\":null},"
    "{\"site\":\"Paris\",\"self\":false,\"state\":\"up\",\"rtt_us\":4200}]}";

static char *print_view(const struct top_look *before, const struct top_look *after)
{
    char *text = NULL;
    size_t n;
    FILE *to = open_memstream(&text, &n);
    assert_non_null(to);
    top_print(before, after, &arena, to);
    assert_int_equal(fclose(to), 0);
    assert_false(arena_overflowed(&arena));
    return text;
}

static void check_golden(const char *text)
{
    static char want[16384];
    FILE *f = fopen(GOLDEN, getenv("CHEOPS_GOLDEN_WRITE") ? "w+" : "r");
    assert_non_null(f);
    if (getenv("CHEOPS_GOLDEN_WRITE"))
        assert_true(fputs(text, f) >= 0);
    rewind(f);
    want[fread(want, 1, sizeof want - 1, f)] = 0;
    fclose(f);
    assert_string_equal(text, want);
}

static void test_view(void **state)
{
    json_t *transactions = json_loads(transactions_text, 0, NULL);
    json_t *sites = json_loads(sites_text, 0, NULL);
    struct top_look before = {.mono_us = 1000000, .wall_us = 1795550000000000};
    struct top_look after = {.transactions = transactions,
                             .sites = sites,
                             .mono_us = 3000000,
                             .wall_us = 1795550002000000};
    assert_non_null(transactions);
    assert_non_null(sites);
    assert_int_equal(scrape_parse(str_of(before_text), &arena, &before.metrics), 0);
    assert_int_equal(scrape_parse(str_of(after_text), &arena, &after.metrics), 0);
    char *text = print_view(&before, &after);
    check_golden(text);
    free(text);
    json_decref(transactions);
    json_decref(sites);
}

/* Looks that say nothing, as of another version, make a view without rows. */
static void test_view_of_nothing(void **state)
{
    struct top_look nothing = {.mono_us = 5};
    char *text = print_view(&nothing, &nothing);
    assert_non_null(strstr(text, "\nrequests 0.0/s "));
    assert_non_null(strstr(text, "\nAGE "));
    free(text);
}

static int begin(void **state)
{
    arena_init(&arena, NULL, 0, 1 << 20);
    return 0;
}

static int end(void **state)
{
    arena_fini(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_quantiles),
        cmocka_unit_test(test_what_fits),
        cmocka_unit_test_setup_teardown(test_view, begin, end),
        cmocka_unit_test_setup_teardown(test_view_of_nothing, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
