/* Errors of Cheops: problem+json, an application's shape, shapes that are refused. */
#include "app_test.h"

#include "codec/json.h"

static const struct diag syntax = {.code = ERR_SCOPE_SYNTAX,
                                   .offset = 8,
                                   .length = 1,
                                   .message = "unexpected '}'",
                                   .hint = "name a \"site\""};
static const struct diag refused = {.code = ERR_SERVICE_UNREACHABLE,
                                    .message = "image does not answer"};

static void check(const struct app_errors *shape, const struct diag *d, struct str text,
                  const char *type, const char *want)
{
    char memory[APP_ERROR_BODY];
    struct out o;
    struct str content_type;
    out_init(&o, memory, sizeof memory);
    app_error_write(shape, d, text, &o, &content_type);
    assert_str(content_type, type);
    assert_str(out_get(&o), want);
    assert_true(json_is_valid(out_get(&o), NULL));
}

static void test_problem(void **state)
{
    static const struct app_errors none = {{0}, {0}};
    check(NULL, &syntax, STR("{image: }"), "application/problem+json",
          "{\"type\":\"urn:cheops:error:scope-syntax\",\"title\":\"the text is not a scope\","
          "\"status\":400,\"detail\":\"unexpected '}'\\n{image: }\\n        ^\","
          "\"scope\":\"{image: }\",\"offset\":8,\"length\":1,\"hint\":\"name a \\\"site\\\"\"}\n");
    check(&none, &refused, STR_NULL, "application/problem+json",
          "{\"type\":\"urn:cheops:error:service-unreachable\","
          "\"title\":\"the service does not take connections\",\"status\":502,"
          "\"detail\":\"image does not answer\"}\n");
}

static void test_shapes(void **state)
{
    static const struct {
        const char *body, *want; /* for `syntax` */
    } rows[] = {
        {"{\"error\":{\"code\":{status},\"title\":{reason},\"message\":{message}}}",
         "{\"error\":{\"code\":400,\"title\":\"Bad Request\",\"message\":"
         "\"unexpected '}'\\n{image: }\\n        ^\\nname a \\\"site\\\"\"}}"},
        {"{\"m\":{message},\"h\":{hint}}",
         "{\"m\":\"unexpected '}'\\n{image: }\\n        ^\",\"h\":\"name a \\\"site\\\"\"}"},
        {"{\"m\":\"Cheops ({code}, {status} {reason}): {hint}\"}",
         "{\"m\":\"Cheops (scope-syntax, 400 Bad Request): name a \\\"site\\\"\"}"},
        {"{\"a\\\"b\":{code},\"\\\\\":\"{code}\"}",
         "{\"a\\\"b\":\"scope-syntax\",\"\\\\\":\"scope-syntax\"}"},
        {"{}", "{}"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct app_errors shape = {STR("application/json"), str_of(rows[i].body)};
        assert_int_equal(app_errors_check(&shape, NULL), 0);
        check(&shape, &syntax, STR("{image: }"), "application/json", rows[i].want);
    }
    struct app_errors shape = {STR("application/json"), STR("{\"m\":{message},\"h\":{hint}}")};
    check(&shape, &refused, STR_NULL, "application/json",
          "{\"m\":\"image does not answer\",\"h\":\"\"}");
}

/* Whatever is in the scope's text, the body is JSON. */
static void test_odd_text(void **state)
{
    static const struct app_errors inside = {{"application/json", 16}, {"[\"{message}\"]", 13}};
    char text[256];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)i;
    for (size_t at = 0; at < sizeof text; at += 5)
        for (int k = 0; k < 2; k++) {
            struct diag d = syntax;
            char memory[APP_ERROR_BODY];
            struct out o;
            struct str type;
            d.offset = at;
            d.length = 3;
            out_init(&o, memory, sizeof memory);
            app_error_write(k ? &inside : NULL, &d, (struct str){text, sizeof text}, &o, &type);
            assert_false(o.overflowed);
            assert_true(json_is_valid(out_get(&o), NULL));
        }
}

/* A long scope is left out rather than cut, and every code has an answer that fits. */
static void test_room(void **state)
{
    static char scope[16384];
    memset(scope, '\x01', sizeof scope);
    for (int index = 1; index < ERR_INDEX_COUNT; index++) {
        struct diag d = {.code = -index, .offset = 9000, .length = 1};
        char memory[APP_ERROR_BODY];
        struct out o;
        struct str type, value;
        memset(d.message, '\x02', sizeof d.message - 1);
        memset(d.hint, '\x03', sizeof d.hint - 1);
        out_init(&o, memory, sizeof memory);
        app_error_write(NULL, &d, (struct str){scope, sizeof scope}, &o, &type);
        assert_false(o.overflowed);
        assert_true(json_is_valid(out_get(&o), NULL));
        assert_int_equal(json_find(out_get(&o), STR("/scope"), &value), JSON_ABSENT);
        assert_int_equal(json_find(out_get(&o), STR("/hint"), &value), JSON_FOUND);
    }
    for (size_t cap = 0; cap < 400; cap++) {
        char *memory = malloc(cap + !cap);
        struct out o;
        struct str type;
        assert_non_null(memory);
        out_init(&o, memory, cap);
        app_error_write(NULL, &syntax, STR("{image: }"), &o, &type);
        assert_true(o.overflowed || json_is_valid(out_get(&o), NULL));
        free(memory);
    }
}

static void test_check(void **state)
{
    static const struct {
        const char *type, *body, *message, *hint;
    } rows[] = {
        {"text/html", "{}", "the content type of errors, 'text/html', is not JSON", ""},
        {"json", "{}", "the content type of errors, 'json', is not JSON", ""},
        {"", "{}", "the content type of errors, '', is not JSON", ""},
        {"application/json\r\nX: y", "{}",
         "the content type of errors, 'application/json\r\nX: y', is not JSON", ""},
        {"application/json", "{\"a\":{mesage}}", "{mesage} is no placeholder of an error's body",
         "did you mean {message}?"},
        {"application/json", "{\"a\":\"{title_of_it}\"}",
         "{title_of_it} is no placeholder of an error's body",
         "there are {status}, {reason}, {code}, {message} and {hint}"},
        {"application/json", "", "the body of errors is not JSON when it is filled in: ", ""},
        {"application/json", "{message}}",
         "the body of errors is not JSON when it is filled in: \"\\\"\\\\\\n\\\"\\\\\\n\"}", ""},
        {"application/json", "{\"a\":{status}{code}}",
         "the body of errors is not JSON when it is filled in: {\"a\":400\"scope-syntax\"}", ""},
        {"application/json", "{\"a\":\"{code}}",
         "the body of errors is not JSON when it is filled in: {\"a\":\"scope-syntax}", ""},
        {"application/json", "{'a':{code}}",
         "the body of errors is not JSON when it is filled in: {'a':\"scope-syntax\"}", ""},
    };
    static const char *const good[] = {"application/json", "application/problem+json",
                                       "Application/JSON; charset=utf-8", "text/json ;x=y"};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct app_errors shape = {str_of(rows[i].type), str_of(rows[i].body)};
        struct diag d = {0};
        assert_int_equal(app_errors_check(&shape, &d), ERR_CONFIG);
        assert_string_equal(d.message, rows[i].message);
        assert_string_equal(d.hint, rows[i].hint);
    }
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct app_errors shape = {str_of(good[i]), STR("{\"a\":{message}}")};
        assert_int_equal(app_errors_check(&shape, NULL), 0);
    }
}

static void test_check_limits(void **state)
{
    static char body[APP_ERROR_MAX_TEMPLATE + 1];
    struct app_errors shape = {STR("application/json"), {body, sizeof body}};
    struct diag d = {0};
    memset(body, ' ', sizeof body);
    body[0] = '{';
    body[1] = '}';
    assert_int_equal(app_errors_check(&shape, &d), ERR_CONFIG);
    assert_string_equal(d.message, "the body of errors has more than 2048 bytes");
    shape.body.n--;
    assert_int_equal(app_errors_check(&shape, &d), 0);
    /* so many placeholders that an answer would not fit */
    for (size_t i = 0; i + 8 < sizeof body; i += 9)
        memcpy(body + i, "{reason},", 9);
    assert_int_equal(app_errors_check(&shape, &d), ERR_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_problem),  cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_odd_text), cmocka_unit_test(test_room),
        cmocka_unit_test(test_check),    cmocka_unit_test(test_check_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
