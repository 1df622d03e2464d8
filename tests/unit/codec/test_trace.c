/* W3C Trace Context: which traceparent is valid, when a trace is begun anew and its state dropped,
 * the members of tracestate. */
#include "codec_test.h"

#include "codec/trace.h"

#define ID     "0af7651916cd43dd8448eb211c80319c"
#define SPAN   "b7ad6b7169203331"
#define PARENT "00-" ID "-" SPAN "-01"
#define ZEROS  "00000000000000000000000000000000"

static struct h1_field fields[32];
static struct h1_head head;

/* Parses a request with these fields. */
static void read(const char *lines)
{
    static char text[4096];
    const char *why = NULL;
    snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", lines);
    assert_int_equal(h1_request_parse(&head, str_of(text), fields, COUNT_OF(fields), &why), 0);
}

/* ---- one value */

static void test_valid(void **state)
{
    static const char *const valid[] = {
        PARENT,
        "00-" ID "-" SPAN "-00",
        "00-" ID "-" SPAN "-ff", /* flags that are not defined are nobody's business */
        "00-00000000000000000000000000000001-" SPAN "-01",
        "00-" ID "-0000000000000001-01",
        /* a later version is read as far as this one goes */
        "01-" ID "-" SPAN "-01",
        "cc-" ID "-" SPAN "-09",
        "fe-" ID "-" SPAN "-01",
        "cc-" ID "-" SPAN "-01-",
        "cc-" ID "-" SPAN "-01-what-the-future-will-be-like",
    };
    for (size_t i = 0; i < COUNT_OF(valid); i++) {
        struct str s = exact(str_of(valid[i]));
        if (!trace_is_parent(s))
            fail_msg("%s is refused", valid[i]);
        exact_free(s);
    }
}

static void test_invalid(void **state)
{
    static const char *const invalid[] = {
        "",
        "-",
        "ff-" ID "-" SPAN "-01", /* the version that is none */
        "ff-" ID "-" SPAN "-01-x",
        "00-" ZEROS "-" SPAN "-01",
        "cc-" ZEROS "-" SPAN "-01",
        "00-" ID "-0000000000000000-01",
        "cc-" ID "-0000000000000000-01-x",
        /* of version 00 nothing follows */
        PARENT "-",
        PARENT "-x",
        PARENT "0",
        PARENT " ",
        /* of a later one, after a dash */
        "cc-" ID "-" SPAN "-01.what",
        "cc-" ID "-" SPAN "-010",
        "00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01",
        "00-" ID "-B7AD6B7169203331-01",
        "CC-" ID "-" SPAN "-01",
        "0-" ID "-" SPAN "-01",
        "000-" ID "-" SPAN "-01",
        "00-" ID "0-" SPAN "-01",
        "00-" ID "-" SPAN "-1",
        "00_" ID "-" SPAN "-01",
        "00-" ID "-" SPAN "," PARENT,
    };
    for (size_t i = 0; i < COUNT_OF(invalid); i++) {
        struct str s = exact(str_of(invalid[i]));
        if (trace_is_parent(s))
            fail_msg("%s is taken", invalid[i]);
        exact_free(s);
    }
}

static void test_a_wrong_byte_anywhere(void **state)
{
    static const char wrong[] = "gG/:`F ";
    for (size_t i = 0; i < sizeof PARENT - 1; i++) {
        char text[] = PARENT;
        struct str shorter = exact((struct str){text, i});
        assert_false(trace_is_parent(shorter));
        exact_free(shorter);
        for (size_t k = 0; k < sizeof wrong - 1; k++) {
            text[i] = wrong[k];
            if (trace_is_parent(str_of(text)))
                fail_msg("%s is taken", text);
        }
        text[i] = '\0';
        assert_false(trace_is_parent((struct str){text, sizeof PARENT - 1}));
    }
}

/* ---- in a request */

static void check_take(const char *lines, const char *taken, const char *passed)
{
    char memory[1024];
    struct out o;
    read(lines);
    struct str parent = trace_take(&head);
    if (taken)
        assert_str(parent, taken);
    else
        assert_null(parent.p);
    out_init(&o, memory, sizeof memory);
    h1_copy_fields(&head, &o);
    assert_str(out_get(&o), passed);
}

#define HOST  "Host: a\r\n"
#define STATE "tracestate: a=1\r\ntracestate: b=2\r\n"

static void test_a_trace_is_taken_up(void **state)
{
    check_take("traceparent: " PARENT "\r\n", PARENT, HOST "traceparent: " PARENT "\r\n");
    check_take("TraceParent:  " PARENT " \r\n" STATE, PARENT,
               HOST "TraceParent:  " PARENT " \r\n" STATE);
    check_take(STATE "traceparent: cc-" ID "-" SPAN "-01-x\r\n", "cc-" ID "-" SPAN "-01-x",
               HOST STATE "traceparent: cc-" ID "-" SPAN "-01-x\r\n");
}

/* State means nothing without the trace that it belongs to. */
static void test_what_is_not_valid_goes_with_its_state(void **state)
{
    check_take("", NULL, HOST);
    check_take(STATE "Accept: x\r\n", NULL, HOST "Accept: x\r\n");
    check_take("traceparent:\r\n" STATE, NULL, HOST);
    check_take("traceparent: nonsense\r\n" STATE, NULL, HOST);
    check_take("traceparent: 00-" ZEROS "-" SPAN "-01\r\n" STATE, NULL, HOST);
}

static void test_several_are_none(void **state)
{
    static const char other[] = "traceparent: 00-" ID "-00f067aa0ba902b7-01\r\n";
    char lines[400];
    snprintf(lines, sizeof lines, "traceparent: %s\r\n%s%s", PARENT, STATE, other);
    check_take(lines, NULL, HOST);
    check_take("traceparent: " PARENT "\r\ntraceparent: " PARENT "\r\n", NULL, HOST);
    check_take("traceparent: " PARENT "\r\ntraceparent: nonsense\r\n", NULL, HOST);
    check_take("traceparent: nonsense\r\ntraceparent: " PARENT "\r\n", NULL, HOST);
    check_take("traceparent: " PARENT "," PARENT "\r\n", NULL, HOST);
}

/* ---- members */

static void check_move(const char *lines, size_t count, size_t n, const char *moved)
{
    char memory[1024];
    struct out o;
    read(lines);
    assert_int_equal(trace_count_members(&head), count);
    out_init(&o, memory, sizeof memory);
    trace_move_members(&head, n, &o);
    assert_str(out_get(&o), moved);
    assert_int_equal(trace_count_members(&head), 0);
    o.n = 0;
    h1_copy_fields(&head, &o);
    assert_str(out_get(&o), HOST);
}

static void test_members(void **state)
{
    check_move("", 0, 9, "");
    check_move("tracestate:\r\n", 0, 9, "");
    check_move("tracestate: , ,\t,\r\n", 0, 9, "");
    check_move("tracestate: a=1\r\n", 1, 9, ",a=1");
    check_move("tracestate: a=1,b=2, c@d=3 \r\n", 3, 9, ",a=1,b=2,c@d=3");
    check_move("tracestate: a=1,,b=2,\r\ntracestate:\r\ntracestate: c=3\r\n", 3, 9, ",a=1,b=2,c=3");
    check_move("tracestate: a=1,b=2\r\ntracestate: c=3,d=4\r\n", 4, 3, ",a=1,b=2,c=3");
    check_move("tracestate: a=1,b=2\r\ntracestate: c=3\r\n", 3, 2, ",a=1,b=2");
    check_move("tracestate: a=1,b=2\r\n", 2, 0, "");
}

static void test_marked_fields_have_none(void **state)
{
    char memory[100];
    struct out o;
    read("tracestate: a=1,b=2\r\ntracestate: c=3\r\n");
    head.fields[h1_find(&head, H1_TRACESTATE, 0)].drop = true;
    assert_int_equal(trace_count_members(&head), 1);
    out_init(&o, memory, sizeof memory);
    trace_move_members(&head, TRACE_MAX_MEMBERS, &o);
    assert_str(out_get(&o), ",c=3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_invalid),
        cmocka_unit_test(test_a_wrong_byte_anywhere),
        cmocka_unit_test(test_a_trace_is_taken_up),
        cmocka_unit_test(test_what_is_not_valid_goes_with_its_state),
        cmocka_unit_test(test_several_are_none),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_marked_fields_have_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
