/* Names of an application, and which service a request is for. */
#include "app_test.h"

static struct str image_aliases[] = {{"glance", 6}, {"pictures", 8}};
static struct app_type image_types[] = {{.name = {"image", 5}}, {.name = {"task", 4}}};

static struct app_service services[] = {
    {.name = {"identity", 8}, .prefix = {"/identity", 9}},
    {.name = {"image", 5},
     .prefix = {"/image", 6},
     .aliases = image_aliases,
     .n_aliases = 2,
     .types = image_types,
     .n_types = 2},
    {.name = {"deep", 4}, .prefix = {"/image/deep", 11}},
    {.name = {"named", 5}, .host = {"objects.example.org", 19}},
    {.name = {"named-prefix", 12}, .host = {"objects.example.org", 19}, .prefix = {"/v1", 3}},
    {.name = {"pattern", 7}, .host = {"*.example.org", 13}},
    {.name = {"longer", 6}, .host = {"*.paris.example.org", 19}},
    {.name = {"six", 3}, .host = {"[fd00::1]", 9}},
    {.name = {"nowhere", 7}, .usual_port = 80},
};
static const struct app app = {.services = services, .n_services = COUNT_OF(services)};

static void test_recognise(void **state)
{
    static const struct {
        const char *host, *path, *name; /* name NULL: none */
    } rows[] = {
        {"x", "/identity/v3", "identity"},
        {"x", "/identity", "identity"},
        {"x", "/identity/", "identity"},
        {"x", "/identit%79/v3", "identity"},
        {"x", "/identity2", NULL},
        {"x", "/Identity", NULL},
        {"x", "/", NULL},
        {"x", "*", NULL},
        {"x", "/v3/identity", NULL},
        {"x", "/image/v2", "image"},
        {"x", "/image/deep", "deep"},
        {"x", "/image/deep/er", "deep"},
        {"x", "/image/deeper", "image"},
        {NULL, "/image", "image"},
        /* the host counts before the prefix, a name before a pattern */
        {"objects.example.org", "/", "named"},
        {"objects.example.org", "/image/v2", "named"},
        {"objects.example.org", "/v1/x", "named-prefix"},
        {"OBJECTS.example.ORG:8080", "/v1", "named-prefix"},
        {"other.example.org", "/image", "pattern"},
        {"a.b.example.org:1", "/", "pattern"},
        {"a.paris.example.org", "/", "longer"},
        {"paris.example.org", "/", "pattern"},
        {"example.org", "/image", "image"},
        {".example.org", "/image", "image"},
        {"badexample.org", "/image", "image"},
        {"objects.example.org.", "/image", "image"},
        {"[fd00::1]", "/", "six"},
        {"[FD00::1]:8080", "/", "six"},
        {"[fd00::2]:8080", "/", NULL},
        {"[fd00::1", "/", NULL},
        {"fd00::1", "/", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct app_service *s =
            app_recognise(&app, str_of(rows[i].host), str_of(rows[i].path));
        if (!str_eq(s ? s->name : STR_NULL, str_of(rows[i].name)))
            fail_msg("%s %s: %.*s", rows[i].host, rows[i].path, STR_ARG(s ? s->name : STR("none")));
    }
}

static void test_find(void **state)
{
    assert_ptr_equal(app_service_find(&app, STR("image")), &services[1]);
    assert_ptr_equal(app_service_find(&app, STR("glance")), &services[1]);
    assert_ptr_equal(app_service_find(&app, STR("pictures")), &services[1]);
    assert_null(app_service_find(&app, STR("Image")));
    assert_null(app_service_find(&app, STR("task")));
    assert_null(app_service_find(&app, STR("")));
    assert_ptr_equal(app_type_find(&services[1], STR("task")), &image_types[1]);
    assert_null(app_type_find(&services[1], STR("glance")));
    assert_null(app_type_find(&services[0], STR("task")));
}

static void test_kinds(void **state)
{
    static const char *const names[] = {"create", "read", "list",   "update", "delete",
                                        "action", "meta", "stream", "opaque"};
    assert_int_equal(COUNT_OF(names), APP_KINDS);
    for (size_t i = 0; i < APP_KINDS; i++)
        assert_str(app_kind_name((enum app_kind)i), names[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recognise),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
