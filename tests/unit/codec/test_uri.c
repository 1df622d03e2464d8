/* Request targets: parts, segments, parameters, percent-encoding. */
#include "codec_test.h"

#include "codec/uri.h"

static void test_parts(void **state)
{
    assert_str(uri_path(STR("/a/b?c=d?e")), "/a/b");
    assert_str(uri_query(STR("/a/b?c=d?e")), "c=d?e");
    assert_str(uri_path(STR("/a")), "/a");
    assert_null(uri_query(STR("/a")).p);
    assert_non_null(uri_query(STR("/a?")).p);
    assert_int_equal(uri_query(STR("/a?")).n, 0);
}

static void test_segments(void **state)
{
    static const struct {
        const char *path, *joined;
    } rows[] = {
        {"/v2/images", "v2|images|"},
        {"/v2/", "v2||"},
        {"/", "|"},
        {"//a", "|a|"},
        {"", ""},
        {"*", ""},
        {"a/b", ""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char memory[64];
        struct out o;
        struct str path = str_of(rows[i].path), segment;
        out_init(&o, memory, sizeof memory);
        while (uri_segment(&path, &segment)) {
            out_str(&o, segment);
            OUT(&o, "|");
        }
        assert_str(out_get(&o), rows[i].joined);
    }
}

static void test_plain(void **state)
{
    static const char *const plain[] = {"a", "...", ".a", "%20", "a%2e", "%2e%2e%2e", "~", "a;b"};
    static const char *const odd[] = {"",      ".",    "..",   "%2e",  "%2E.", ".%2e", "%2E%2e",
                                      "a%2Fb", "%2f",  "a%",   "%",    "%1",   "%zz",  "a%4",
                                      "%2",    "a%g0", "%0g%", "%-1x", "%+1"};
    for (size_t i = 0; i < COUNT_OF(plain); i++)
        assert_true(uri_segment_is_plain(str_of(plain[i])));
    for (size_t i = 0; i < COUNT_OF(odd); i++) {
        struct str s = exact(str_of(odd[i]));
        assert_false(uri_segment_is_plain(s));
        exact_free(s);
    }
}

static void test_segment_is(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } rows[] = {
        {"images", "images", true},
        {"%69mages", "images", true},
        {"im%61ges", "%69mages", true},
        {"%7Escope", "~scope", true},
        {"%7escope", "~scope", true},
        {"a%2Fb", "a%2fb", true},
        {"a%3ab", "a%3Ab", true},
        {"", "", true},
        {"Images", "images", false},
        {"image", "images", false},
        {"images", "image", false},
        {"a%3Ab", "a:b", false},
        {"a%2Fb", "a/b", false},
        {"a%20b", "a b", false},
        {"%", "%25", false},
        {"%zz", "%zz", true},
        {"%4", "%4", true},
        {"", "a", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str a = exact(str_of(rows[i].a)), b = exact(str_of(rows[i].b));
        assert_true(uri_segment_is(a, b) == rows[i].same);
        assert_true((uri_segment_cmp(a, b) < 0) == (uri_segment_cmp(b, a) > 0));
        exact_free(a);
        exact_free(b);
    }
}

/* A total order, whatever is encoded: what a matcher's binary search relies on. */
static void test_order(void **state)
{
    static const char *const sorted[] = {"",  "%61",  "a%62", "ab%", "ab%2e", "abc", "b",
                                         "c", "\xff", "%00",  "%2F", "%ff",   "%ffa"};
    for (size_t i = 0; i < COUNT_OF(sorted); i++)
        for (size_t k = 0; k < COUNT_OF(sorted); k++) {
            int c = uri_segment_cmp(str_of(sorted[i]), str_of(sorted[k]));
            assert_int_equal((c > 0) - (c < 0), (i > k) - (i < k));
        }
}

static void test_query(void **state)
{
    static const struct {
        const char *target, *name, *value; /* NULL: not there; "-": without '=' */
    } rows[] = {
        {"/a?name=x", "name", "x"},
        {"/a?b=1&name=x&name=y", "name", "x"},
        {"/a?name", "name", "-"},
        {"/a?name=", "name", ""},
        {"/a?name=a=b", "name", "a=b"},
        {"/a?%6eame=x", "name", "x"},
        {"/a?two+words=x", "two words", "x"},
        {"/a?two%20words=x", "two words", "x"},
        {"/a?a%3Ab=x", "a:b", "x"},
        {"/a?a%2bb=x", "a+b", "x"},
        {"/a?&&name=x", "name", "x"},
        {"/a?Name=x", "name", NULL},
        {"/a?names=x", "name", NULL},
        {"/a?nam=x", "name", NULL},
        {"/a?name%=x", "name", NULL},
        {"/a?x=name", "name", NULL},
        {"/a", "name", NULL},
        {"/a?", "name", NULL},
        {"/name=x", "name", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str target = exact(str_of(rows[i].target)), value = STR("untouched");
        bool there = uri_query_find(target, str_of(rows[i].name), &value);
        assert_true(there == (rows[i].value != NULL));
        if (!there)
            assert_str(value, "untouched");
        else if (rows[i].value[0] == '-')
            assert_null(value.p);
        else
            assert_str(value, rows[i].value);
        exact_free(target);
    }
}

static void test_percent(void **state)
{
    char bytes[256], encoded[1024], back[256];
    struct out o;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)i;
    out_init(&o, encoded, sizeof encoded);
    uri_encode((struct str){bytes, sizeof bytes}, &o);
    assert_false(o.overflowed);
    struct str text = out_get(&o);
    assert_int_equal(text.n, 66 + 3 * (256 - 66)); /* 66 unreserved characters: RFC 3986 2.3 */
    out_init(&o, back, sizeof back);
    assert_int_equal(uri_decode(text, &o), 0);
    assert_int_equal(o.n, sizeof bytes);
    assert_memory_equal(back, bytes, sizeof bytes);
    out_init(&o, encoded, sizeof encoded);
    uri_encode(STR("{image: Paris}"), &o);
    assert_str(out_get(&o), "%7Bimage%3A%20Paris%7D");
}

static void test_percent_strict(void **state)
{
    static const char *const bad[] = {"%", "a%", "%1", "%1g", "%g1", "%%20", "%20%", "% 1", "%-1"};
    char memory[64];
    struct out o;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct str s = exact(str_of(bad[i]));
        out_init(&o, memory, sizeof memory);
        assert_int_equal(uri_decode(s, &o), ERR_INVALID);
        exact_free(s);
    }
    out_init(&o, memory, sizeof memory);
    assert_int_equal(uri_decode(STR("a+b%2b"), &o), 0);
    assert_str(out_get(&o), "a+b+");
}

static void test_query_set(void **state)
{
    static const struct {
        const char *target, *value, *want;
    } rows[] = {
        {"/a", "x y", "/a?m=x%20y"},
        {"/a?", "x", "/a?&m=x"},
        {"/a?b=1&m=2&c", "x", "/a?b=1&c&m=x"},
        {"/a?m=1&m&%6d=2", "x", "/a?m=x"},
        {"/a?m=1", NULL, "/a"},
        {"/a?mm=1&m=2", NULL, "/a?mm=1"},
        {"/a?b=%26&b=+", "", "/a?b=%26&b=+&m="},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char memory[64];
        struct out o;
        out_init(&o, memory, sizeof memory);
        uri_query_set(str_of(rows[i].target), STR("m"), str_of(rows[i].value), &o);
        assert_str(out_get(&o), rows[i].want);
    }
}

static void test_value_decode(void **state)
{
    char memory[64];
    struct out o;
    out_init(&o, memory, sizeof memory);
    assert_int_equal(uri_value_decode(STR("a+b%2Bc%20+"), &o), 0);
    assert_str(out_get(&o), "a b+c  ");
    assert_int_equal(uri_value_decode(STR("a+%2"), &o), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),     cmocka_unit_test(test_segments),
        cmocka_unit_test(test_plain),     cmocka_unit_test(test_segment_is),
        cmocka_unit_test(test_order),     cmocka_unit_test(test_query),
        cmocka_unit_test(test_percent),   cmocka_unit_test(test_percent_strict),
        cmocka_unit_test(test_query_set), cmocka_unit_test(test_value_decode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
