/* base64, both forms. */
#include "codec_test.h"

#include "codec/base64.h"

static const struct {
    const char *bytes, *standard, *url;
} pairs[] = {
    /* RFC 4648 section 10 */
    {"", "", ""},
    {"f", "Zg==", "Zg"},
    {"fo", "Zm8=", "Zm8"},
    {"foo", "Zm9v", "Zm9v"},
    {"foob", "Zm9vYg==", "Zm9vYg"},
    {"fooba", "Zm9vYmE=", "Zm9vYmE"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
    /* the two digits in which the forms differ */
    {"\xfb\xff\xbf", "+/+/", "-_-_"},
    {"{image: Paris}", "e2ltYWdlOiBQYXJpc30=", "e2ltYWdlOiBQYXJpc30"},
};

static void check_pair(enum base64_form form, struct str bytes, struct str text)
{
    char memory[64];
    struct out o;
    out_init(&o, memory, sizeof memory);
    base64_encode(form, bytes, &o);
    assert_true(str_eq(out_get(&o), text));
    out_init(&o, memory, sizeof memory);
    assert_int_equal(base64_decode(form, text, &o), 0);
    assert_true(str_eq(out_get(&o), bytes));
}

static void test_pairs(void **state)
{
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        check_pair(BASE64_STANDARD, str_of(pairs[i].bytes), str_of(pairs[i].standard));
        check_pair(BASE64_URL, str_of(pairs[i].bytes), str_of(pairs[i].url));
    }
}

static void test_every_byte_and_length(void **state)
{
    char bytes[256], text[400];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)i;
    for (size_t n = 0; n <= sizeof bytes; n++)
        for (int form = BASE64_STANDARD; form <= BASE64_URL; form++) {
            char back[256];
            struct out o;
            out_init(&o, text, sizeof text);
            base64_encode((enum base64_form)form, (struct str){bytes, n}, &o);
            struct str encoded = exact(out_get(&o));
            out_init(&o, back, sizeof back);
            assert_int_equal(base64_decode((enum base64_form)form, encoded, &o), 0);
            assert_int_equal(o.n, n);
            assert_memory_equal(back, bytes, n);
            exact_free(encoded);
        }
}

static int decode(enum base64_form form, struct str text)
{
    char memory[64];
    struct out o;
    out_init(&o, memory, sizeof memory);
    return base64_decode(form, text, &o);
}

static void test_strict(void **state)
{
    static const char *const standard[] = {"Z",     "Zg",     "Zg=",      "Zg===", "=",    "==",
                                           "====",  "Z===",   "Zh==",     "Zm9=",  "Zm-v", "Zm_v",
                                           "Zm 9v", "Zm9v\n", "Zg==Zg==", "Z=g=",  "Zm9v="};
    static const char *const url[] = {
        "Z", "Zm9vY", "Zh", "Zm9", "Zg==", "Zm8=", "Zm+v", "Zm/v", "Zm 9v", "Zm9v\r", "Zg~~", "~"};
    for (size_t i = 0; i < COUNT_OF(standard); i++)
        assert_int_equal(decode(BASE64_STANDARD, str_of(standard[i])), ERR_INVALID);
    for (size_t i = 0; i < COUNT_OF(url); i++)
        assert_int_equal(decode(BASE64_URL, str_of(url[i])), ERR_INVALID);
}

/* Every byte at every position of a group: only the 64 digits are taken. */
static void test_every_byte_at_every_position(void **state)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (int c = 0; c < 256; c++)
        for (size_t at = 0; at < 4; at++) {
            char text[4] = {'A', 'A', 'A', 'A'};
            text[at] = (char)c;
            int want = c && strchr(digits, c) ? 0 : ERR_INVALID;
            assert_int_equal(decode(BASE64_URL, (struct str){text, 4}), want);
        }
}

static void test_small_output(void **state)
{
    char memory[2];
    struct out o;
    out_init(&o, memory, sizeof memory);
    assert_int_equal(base64_decode(BASE64_URL, STR("Zm9v"), &o), 0);
    assert_true(o.overflowed);
    assert_int_equal(o.n, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),        cmocka_unit_test(test_every_byte_and_length),
        cmocka_unit_test(test_strict),       cmocka_unit_test(test_every_byte_at_every_position),
        cmocka_unit_test(test_small_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
