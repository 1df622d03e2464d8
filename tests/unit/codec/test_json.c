/* JSON scanned where it lies: what is valid, pointers, texts that come in pieces, strings. */
#include "codec_test.h"

#include "base/utf8.h"
#include "codec/json.h"

static const char *const valid[] = {
    "0",
    "-0",
    "12",
    "-1.5",
    "1e5",
    "1E+5",
    "0.25e-7",
    "true",
    "false",
    "null",
    "\"\"",
    "\"a\"",
    "[]",
    "{}",
    " [ ] ",
    "\t{\n}\r",
    "[1]",
    "[1,2]",
    "[ 1 , 2 ]",
    "{\"a\":1}",
    "{ \"a\" : [ { } , [ ] ] , \"b\" : null }",
    "{\"a\":1,\"a\":2}",
    "{\"\":0}",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uDE00\"",
    "\"\\ud800\"",
    "\"\x7f\"",
    "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"",
    "[true,false,null,\"x\",-3.0e1]",
};

/* The text, and where it shows that it is not JSON. */
static const struct {
    const char *text;
    size_t at;
} invalid[] = {
    {"", 0},
    {" ", 1},
    {"x", 0},
    {"tru", 0},
    {"truE", 0},
    {"nul", 0},
    {"nulll", 4},
    {"True", 0},
    {"01", 0},
    {"-", 0},
    {"+1", 0},
    {".5", 0},
    {"1.", 0},
    {"1.e5", 0},
    {"1e", 0},
    {"1e+", 0},
    {"0x1", 1},
    {"1 2", 2},
    {"--1", 0},
    {"1-2", 0},
    {"Infinity", 0},
    {"NaN", 0},
    {"[", 1},
    {"]", 0},
    {"[1", 2},
    {"[1,", 3},
    {"[,1]", 1},
    {"[1,]", 3},
    {"[1 2]", 3},
    {"[1}", 2},
    {"[1:2]", 2},
    {"{", 1},
    {"}", 0},
    {"{]", 1},
    {"[}", 1},
    {"{1:2}", 1},
    {"{a:1}", 1},
    {"{'a':1}", 1},
    {"{\"a\"}", 4},
    {"{\"a\" 1}", 5},
    {"{\"a\"::1}", 5},
    {"{\"a\":}", 5},
    {"{\"a\":1,}", 7},
    {"{\"a\":1 \"b\":2}", 7},
    {"{,}", 1},
    {"{\"a\":1}}", 7},
    {"[]]", 2},
    {"[] []", 3},
    {"{\"a\":1]", 6},
    {"\"", 1},
    {"\"a", 2},
    {"\"\\\"", 3},
    {"\"\\x\"", 1},
    {"\"\\u12\"", 1},
    {"\"\\u12g4\"", 1},
    {"\"\\u 123\"", 1},
    {"\"\\", 1},
    {"\"\\u", 1},
    {"\"a\nb\"", 2},
    {"\"\t\"", 1},
    {"\"\x01\"", 1},
    {"\"\x80\"", 1},
    {"\"\xc3\"", 1},
    {"\"\xc0\x80\"", 1},
    {"\"\xed\xa0\x80\"", 1},
    {"\"\xf4\x90\x80\x80\"", 1},
    {"\"\xff\"", 1},
    {"\"\xe2\x82", 1},
    {"\xef\xbb\xbf[]", 0},
    {"[1,\xc2\xa0"
     "2]",
     3},
    {"/**/1", 0},
    {"[\v]", 1},
    {"[\f1]", 1},
};

static void test_valid(void **state)
{
    for (size_t i = 0; i < COUNT_OF(valid); i++) {
        struct str s = exact(str_of(valid[i]));
        size_t at = 0;
        assert_true(json_is_valid(s, &at));
        assert_int_equal(at, s.n);
        exact_free(s);
    }
}

static void test_invalid(void **state)
{
    for (size_t i = 0; i < COUNT_OF(invalid); i++) {
        struct str s = exact(str_of(invalid[i].text));
        size_t at = 99;
        if (json_is_valid(s, &at) || at != invalid[i].at)
            fail_msg("%s: at %zu, not %zu", invalid[i].text, at, invalid[i].at);
        exact_free(s);
    }
    assert_false(json_is_valid((struct str){"[\0]", 3}, NULL));
    assert_false(json_is_valid((struct str){"\"\\\0\"", 4}, NULL));
    assert_false(json_is_valid((struct str){"\"\0\"", 3}, NULL));
}

static struct str nested(char *memory, size_t cap, unsigned depth, const char *inside)
{
    struct out o;
    out_init(&o, memory, cap);
    for (unsigned i = 0; i < depth; i++)
        out_str(&o, i % 2 ? STR("{\"a\":") : STR("["));
    out_str(&o, str_of(inside));
    for (unsigned i = depth; i-- > 0;)
        out_str(&o, i % 2 ? STR("}") : STR("]"));
    assert_false(o.overflowed);
    return out_get(&o);
}

static void test_depth(void **state)
{
    char memory[1024];
    size_t at;
    assert_true(json_is_valid(nested(memory, sizeof memory, JSON_MAX_DEPTH, "1"), NULL));
    assert_false(json_is_valid(nested(memory, sizeof memory, JSON_MAX_DEPTH + 1, "1"), &at));
    assert_int_equal(at, (1 + 5) * JSON_MAX_DEPTH / 2);
    assert_false(json_is_valid(nested(memory, sizeof memory, 100, "1"), NULL));
}

/* ---- pointers */

static const char doc[] = "{ \"a\": 1, \"b\": {\"c\": [10, {\"d\": \"x\"}, []], \"\": true},"
                          "  \"m~n\": 2, \"s/t\": 3, \"\\u00e9\": \"\\u0041\", \"a\": 9,"
                          "  \"b\": {\"late\": 1}, \"e\": [], \"n\": null, \"f\": -1.5e3,"
                          "  \"o\": { }, \"\\uD83D\\uDE00\": 4, \"half\\ud800\": 5 }";

static const struct {
    const char *pointer, *value; /* NULL: absent */
} pointers[] = {
    {"", doc},
    {"/a", "1"}, /* of repeated members the first */
    {"/b", "{\"c\": [10, {\"d\": \"x\"}, []], \"\": true}"},
    {"/b/c", "[10, {\"d\": \"x\"}, []]"},
    {"/b/c/0", "10"},
    {"/b/c/1", "{\"d\": \"x\"}"},
    {"/b/c/1/d", "\"x\""},
    {"/b/c/2", "[]"},
    {"/b/", "true"},
    {"/m~0n", "2"},
    {"/s~1t", "3"},
    {"/\xc3\xa9", "\"\\u0041\""},
    {"/\xf0\x9f\x98\x80", "4"},
    {"/e", "[]"},
    {"/n", "null"},
    {"/f", "-1.5e3"},
    {"/o", "{ }"},
    {"/b/late", NULL}, /* the second b does not count */
    {"/b/c/3", NULL},
    {"/b/c/00", NULL},
    {"/b/c/01", NULL},
    {"/b/c/-", NULL},
    {"/b/c/-1", NULL},
    {"/b/c/", NULL},
    {"/b/c/4294967296", NULL},
    {"/b/c/18446744073709551616", NULL},
    {"/b/c/0/x", NULL},
    {"/b/c/1/d/x", NULL},
    {"/a/b", NULL},
    {"/e/0", NULL},
    {"/n/a", NULL},
    {"/o/a", NULL},
    {"/A", NULL},
    {"/aa", NULL},
    {"/", NULL},
    {"/c", NULL},
    {"/d", NULL},
    {"/m~1n", NULL},
    {"/half", NULL},
    {"/half\xed\xa0\x80", NULL},
    {"a", NULL}, /* no pointers */
    {"/a~", NULL},
    {"/a~2", NULL},
};

static void test_pointers(void **state)
{
    struct str text = exact(str_of(doc));
    for (size_t i = 0; i < COUNT_OF(pointers); i++) {
        struct str value = STR("untouched");
        enum json_found want = pointers[i].value ? JSON_FOUND : JSON_ABSENT;
        if (json_find(text, str_of(pointers[i].pointer), &value) != want)
            fail_msg("%s", pointers[i].pointer);
        if (pointers[i].value)
            assert_str(value, pointers[i].value);
        else
            assert_null(value.p);
    }
    exact_free(text);
}

/* The text cut off at every place: what is found does not change once it is told, nothing is told
 * that more bytes change, and going on from a cut gives what a new look gives. */
static void test_every_cut(void **state)
{
    for (size_t i = 0; i < COUNT_OF(pointers); i++) {
        struct json_finder f;
        struct str pointer = str_of(pointers[i].pointer), value;
        enum json_found last = JSON_MORE, all = json_find(str_of(doc), pointer, &value);
        json_finder_init(&f, pointer);
        for (size_t n = 0; n < sizeof doc; n++) {
            struct str cut = exact((struct str){doc, n});
            enum json_found now = json_finder_push(&f, cut, false);
            assert_int_equal(now, json_find(cut, pointer, &value));
            assert_true(now == all || now == JSON_MORE);
            assert_true(last == JSON_MORE || now == last);
            if (now == JSON_FOUND)
                assert_true(str_eq(json_finder_value(&f, cut), value));
            last = now;
            exact_free(cut);
        }
        assert_int_equal(last, all);
    }
}

/* Invalid texts cut off and pushed byte by byte: as invalid as in one piece, and never valid. */
static void test_invalid_in_pieces(void **state)
{
    for (size_t i = 0; i < COUNT_OF(invalid); i++) {
        struct str whole = str_of(invalid[i].text);
        struct json_scan s = {0};
        struct json_token t;
        int rc = ERR_MORE;
        for (size_t n = 0; n <= whole.n && rc == ERR_MORE; n++) {
            struct str cut = exact(str_sub(whole, 0, n));
            while ((rc = json_next(&s, cut, n == whole.n, &t)) == 0)
                ;
            exact_free(cut);
        }
        assert_int_equal(rc, ERR_INVALID);
        assert_int_equal(s.at, invalid[i].at);
    }
}

static void test_tokens(void **state)
{
    static const struct {
        enum json_kind kind;
        const char *text;
    } want[] = {
        {JSON_OBJECT, "{"},   {JSON_NAME, "\"a\""},  {JSON_ARRAY, "["},    {JSON_NUMBER, "1"},
        {JSON_TRUE, "true"},  {JSON_END, "]"},       {JSON_NAME, "\"b\""}, {JSON_STRING, "\"x\""},
        {JSON_NAME, "\"c\""}, {JSON_FALSE, "false"}, {JSON_NAME, "\"d\""}, {JSON_NULL, "null"},
        {JSON_END, "}"},
    };
    struct str text = STR("{\"a\":[1,true],\"b\":\"x\",\"c\":false,\"d\":null}");
    struct json_scan s = {0};
    struct json_token t;
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        assert_int_equal(json_next(&s, text, true, &t), 0);
        assert_int_equal(t.kind, want[i].kind);
        assert_str(str_sub(text, t.from, t.to - t.from), want[i].text);
    }
    assert_int_equal(json_next(&s, text, true, &t), ERR_CLOSED);
    assert_int_equal(json_next(&s, text, true, &t), ERR_CLOSED);
}

/* A number alone ends where the text does, and only there. */
static void test_number_alone(void **state)
{
    struct json_finder f;
    json_finder_init(&f, STR(""));
    assert_int_equal(json_finder_push(&f, STR("12"), false), JSON_MORE);
    assert_int_equal(json_finder_push(&f, STR("123"), true), JSON_FOUND);
    assert_str(json_finder_value(&f, STR("123")), "123");
    assert_int_equal(f.kind, JSON_NUMBER);
}

static void test_has_begun(void **state)
{
    static const struct {
        const char *text;
        bool begun;
    } rows[] = {
        {"{\"a\"", false},    {"{\"a\":", false},      {"{\"a\": ", false},
        {"{\"a\":\"", true},  {"{\"a\":\"xyz", true},  {"{\"a\":1", true},
        {"{\"a\":n", true},   {"{\"a\":{", true},      {"{\"a\":[1,", true},
        {"{\"a\":{}}", true}, {"{\"b\":\"xyz", false}, {"{\"b\":{\"a\":\"x", false},
        {"{\"b\":1}", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct json_finder f;
        json_finder_init(&f, STR("/a"));
        json_finder_push(&f, str_of(rows[i].text), false);
        assert_true(json_finder_has_begun(&f) == rows[i].begun);
    }
}

static void test_array_is_empty(void **state)
{
    static const struct {
        const char *text;
        enum json_empty want;
    } rows[] = {
        {"{\"images\": []", JSON_EMPTY_YES},
        {"{\"images\": [ \n]", JSON_EMPTY_YES},
        {"{\"images\": [1", JSON_EMPTY_NO},
        {"{\"images\": [\"", JSON_EMPTY_NO},
        {"{\"images\": [t", JSON_EMPTY_NO},
        {"{\"images\": [{", JSON_EMPTY_NO},
        {"{\"images\": [[]", JSON_EMPTY_NO},
        {"{\"images\": [[]]}", JSON_EMPTY_NO},
        {"{\"first\": [1], \"images\": []}", JSON_EMPTY_YES},
        {"", JSON_EMPTY_MORE},
        {"{", JSON_EMPTY_MORE},
        {"{\"images\"", JSON_EMPTY_MORE},
        {"{\"images\": ", JSON_EMPTY_MORE},
        {"{\"images\": [", JSON_EMPTY_MORE},
        {"{\"images\": [ ", JSON_EMPTY_MORE},
        {"{\"images\": {", JSON_EMPTY_OTHER},
        {"{\"images\": null", JSON_EMPTY_OTHER},
        {"{\"images\": [x", JSON_EMPTY_OTHER},
        {"{\"images\": [}", JSON_EMPTY_OTHER},
        {"{\"x\": []}", JSON_EMPTY_OTHER},
        {"{\"a\": {\"images\": []}}", JSON_EMPTY_OTHER},
        {"[]", JSON_EMPTY_OTHER},
        {"<html>", JSON_EMPTY_OTHER},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str text = exact(str_of(rows[i].text));
        if (json_array_is_empty(text, STR("/images")) != rows[i].want)
            fail_msg("%s", rows[i].text);
        exact_free(text);
    }
    assert_int_equal(json_array_is_empty(STR("[]"), STR("")), JSON_EMPTY_YES);
}

/* A long text byte by byte takes as many steps as bytes, not their square: the position never goes
 * back by more than one token that is short. */
static void test_linear(void **state)
{
    enum { SIZE = 200000 };
    char *text = malloc(SIZE);
    assert_non_null(text);
    memset(text, '7', SIZE);
    memcpy(text, "[\"", 2);
    memcpy(text + SIZE / 2, "\",", 2);
    struct json_scan s = {0};
    struct json_token t;
    size_t at = 0;
    for (size_t n = 1; n <= SIZE; n++) {
        int rc = json_next(&s, (struct str){text, n}, false, &t);
        assert_true(rc == 0 || rc == ERR_MORE);
        assert_true(s.at >= at && n - s.at <= 1);
        at = s.at;
    }
    free(text);
}

/* ---- strings */

static void test_unescape(void **state)
{
    static const struct {
        const char *string, *content; /* NULL: refused */
    } rows[] = {
        {"\"\"", ""},
        {"\"abc\"", "abc"},
        {"\"\\\"\\\\\\/\"", "\"\\/"},
        {"\"\\b\\f\\n\\r\\t\"", "\b\f\n\r\t"},
        {"\"\\u0041\\u00e9\\u20AC\"", "A\xc3\xa9\xe2\x82\xac"},
        {"\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80"},
        {"\"\xc3\xa9\"", "\xc3\xa9"},
        {"\"{image: \\\"Paris\\\"}\"", "{image: \"Paris\"}"},
        {"\"\\ud83d\"", NULL},
        {"\"\\ude00\"", NULL},
        {"\"\\ud83dx\"", NULL},
        {"\"\\ud83d\\u0041\"", NULL},
        {"\"\\ud83d\\ud83d\"", NULL},
        {"\"\\ud83d\\n\"", NULL},
        {"", NULL},
        {"\"", NULL},
        {"\"a", NULL},
        {"a\"", NULL},
        {"\"a\"b", NULL},
        {"\"a\" ", NULL},
        {" \"a\"", NULL},
        {"\"a\"\"b\"", NULL},
        {"1", NULL},
        {"[]", NULL},
        {"null", NULL},
        {"\"\\", NULL},
        {"\"\\u004", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char memory[64];
        struct out o;
        struct str s = exact(str_of(rows[i].string));
        out_init(&o, memory, sizeof memory);
        assert_int_equal(json_unescape(s, &o), rows[i].content ? 0 : ERR_INVALID);
        if (rows[i].content)
            assert_str(out_get(&o), rows[i].content);
        exact_free(s);
    }
}

/* What out_json writes is a JSON string that means the same. */
static void test_round_trip(void **state)
{
    char bytes[128 + 8], text[1024], back[256];
    struct out o;
    for (size_t i = 0; i < 128; i++)
        bytes[i] = (char)i;
    memcpy(bytes + 128, "\xc3\xa9\xf0\x9f\x98\x80", 6);
    struct str in = {bytes, 134};
    out_init(&o, text, sizeof text);
    out_json(&o, in);
    struct str string = out_get(&o);
    out_init(&o, back, sizeof back);
    assert_int_equal(json_unescape(string, &o), 0);
    assert_true(str_eq(out_get(&o), in));
}

static void test_string_find(void **state)
{
    assert_int_equal(json_string_find(STR("\"ns@scope\""), '@'), 3);
    assert_int_equal(json_string_find(STR("\"ns\\u0040scope\""), '@'), 3);
    assert_int_equal(json_string_find(STR("\"\\u00e9\\\"@\""), '@'), 9);
    assert_int_equal(json_string_find(STR("\"\\ud800@\""), '@'), 7);
    assert_int_equal(json_string_find(STR("\"ns\""), '@'), -1);
    assert_int_equal(json_string_find(STR("\"\""), '"'), -1);
}

static void test_string_is(void **state)
{
    assert_true(json_string_is(STR("\"images\""), STR("images")));
    assert_true(json_string_is(STR("\"im\\u0061ges\""), STR("images")));
    assert_true(json_string_is(STR("\"\""), STR("")));
    assert_false(json_string_is(STR("\"image\""), STR("images")));
    assert_false(json_string_is(STR("\"images\""), STR("image")));
    assert_false(json_string_is(STR("\"\\ud800\""), STR("")));
}

/* Bytes are forgotten after every token, also in the middle of one. */
static void test_drop(void **state)
{
    static const char text[] = "{\"a\": [12, \"long \\n text\"], \"b\":-0.5e1 }";
    for (size_t piece = 1; piece < sizeof text; piece++) {
        struct json_scan s = {0};
        struct json_token t;
        size_t from = 0, to = 0, tokens = 0;
        int rc;
        while ((rc = json_next(&s, str_sub(str_of(text), from, to - from), to == sizeof text - 1,
                               &t)) != ERR_CLOSED) {
            assert_true(rc == 0 || rc == ERR_MORE);
            tokens += rc == 0;
            if (rc == ERR_MORE)
                to = to + piece < sizeof text - 1 ? to + piece : sizeof text - 1;
            size_t n = json_scan_kept(&s);
            json_scan_drop(&s, n);
            from += n;
        }
        assert_int_equal(tokens, 9);
        assert_int_equal(from, sizeof text - 1);
    }
}

static void test_pointer_is_valid(void **state)
{
    static const char *const good[] = {"", "/", "/a", "/a/b", "//", "/~0", "/~1~0", "/a b"};
    static const char *const bad[] = {"a", "a/b", "/~", "/~2", "/a~", "~0", "/~a", " /a"};
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(json_pointer_is_valid(str_of(good[i])));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(json_pointer_is_valid(str_of(bad[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_invalid),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_pointers),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_invalid_in_pieces),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_number_alone),
        cmocka_unit_test(test_has_begun),
        cmocka_unit_test(test_array_is_empty),
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_unescape),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_string_find),
        cmocka_unit_test(test_string_is),
        cmocka_unit_test(test_drop),
        cmocka_unit_test(test_pointer_is_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
