/* What apps/openstack.yaml says of the requests that Keystone and Glance have, in
 * tests/golden/cfg/openstack.txt: a line each, the request and what it is for.
 *
 * CHEOPS_GOLDEN_WRITE=1 writes the second half of the lines anew.
 */
#include "unit.h"
#include "app/classify.h"
#include "cfg/cfg.h"

#include <stdio.h>
#include <stdlib.h>

#define GOLDEN   GOLDEN_DIR "/cfg/openstack.txt"
#define MAX_TEXT (256 * 1024)

/* "service METHOD target  => …" */
static void put_line(const struct app *app, struct str line, struct out *o)
{
    struct str rest = line, name, method, target;
    struct app_class c;
    str_split(&rest, ' ', &name);
    str_split(&rest, ' ', &method);
    str_split(&rest, ' ', &target);
    const struct app_service *s = app_service_find(app, name);
    if (!s)
        fail_msg("no service: %.*s", STR_ARG(line));
    struct app_request r = {.method = method, .target = target, .body_is_whole = true};
    app_classify(s, &r, &c);
    out_fmt(o, "%.*s %.*s %.*s  =>", STR_ARG(name), STR_ARG(method), STR_ARG(target));
    if (c.type)
        out_fmt(o, " %.*s", STR_ARG(c.type->name));
    if (c.rule)
        out_fmt(o, " %.*s", STR_ARG(c.rule->operation));
    struct str kind = app_kind_name(c.kind);
    if (!c.rule || !str_eq(c.rule->operation, kind))
        out_fmt(o, " (%.*s)", STR_ARG(kind));
    if (c.id.p)
        out_fmt(o, " id=%.*s", STR_ARG(c.id));
    out_char(o, '\n');
}

static void put_all(const struct app *app, struct str text, struct out *o)
{
    struct str line;
    size_t n = 0;
    while (str_split(&text, '\n', &line) && (text.p || line.n)) {
        if (line.n == 0 || line.p[0] == '#') {
            out_fmt(o, "%.*s\n", STR_ARG(line));
            continue;
        }
        put_line(app, line, o);
        n++;
    }
    assert_true(n > 250);
}

static void test_requests(void **state)
{
    struct arena arena;
    struct app *app;
    struct diag d = {0};
    char *got = malloc(MAX_TEXT), *want = malloc(MAX_TEXT);
    struct out o;
    arena_init(&arena, NULL, 0, 16u << 20);
    if (cfg_read_app(SOURCE_DIR "/apps/openstack.yaml", &arena, &app, &d) < 0)
        fail_msg("%s:%u:%u: %s", d.file, d.line, d.column, d.message);
    FILE *file = fopen(GOLDEN, "r");
    assert_true(got && want && file);
    want[fread(want, 1, MAX_TEXT - 1, file)] = 0;
    fclose(file);
    out_init(&o, got, MAX_TEXT - 1);
    put_all(app, str_of(want), &o);
    assert_false(o.overflowed);
    got[o.n] = 0;
    if (getenv("CHEOPS_GOLDEN_WRITE")) {
        file = fopen(GOLDEN, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(got, 1, o.n, file), o.n);
        fclose(file);
    } else {
        assert_string_equal(got, want);
    }
    free(got);
    free(want);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_requests)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
