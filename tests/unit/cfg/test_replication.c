/* What a description says of replication, as app has it: which requests are which type of
 * operation, its effects, and the digest, which changes with what replication depends on and with
 * nothing else.
 */
#include "unit.h"
#include "app/classify.h"
#include "cfg/cfg.h"

#include <stdio.h>

static const char shop[] =
    "application: shop\n"
    "secret: [X-Key, X-Other]\n"
    "services:\n"
    "  shop:\n"
    "    references:\n"
    "      - {type: customer, variable: customer_id}\n"
    "    types:\n"
    "      customer: {collection: /customers, item: \"/customers/{customer_id}\"}\n"
    "      order:\n"
    "        collection: /orders\n"
    "        item: /orders/{order_id}\n"
    "        id: /order/id\n"
    "        visible: \"{site}.{id}\"\n"
    "        list: {array: /orders, id: /id}\n"
    "        replicate: true\n"
    "        standard: [create, read, list, update, replace, delete]\n"
    "        operations:\n"
    "          - {name: tag, kind: update, method: PUT, path: \"{item}/tags/{tag}\", commutes: "
    "[tag, stop]}\n"
    "          - {name: untag, kind: update, method: DELETE, path: \"{item}/tags/{tag}\", done: "
    "[404, 410]}\n"
    "          - {name: add, kind: update, method: POST, path: \"{item}/lines\"}\n"
    "          - {name: stop, kind: action, method: POST, path: \"{item}/action\", when: "
    "[{member: /os-stop}], overwrites: true}\n"
    "          - {name: act, kind: action, method: POST, path: \"{item}/action\"}\n"
    "          - {name: patch, kind: update, method: PATCH, path: \"{item}\", when: [{media_type: "
    "application/json-patch+json}]}\n"
    "          - {name: put, kind: update, method: PUT, path: \"{item}/all\", replaces: true, "
    "makes: true}\n"
    "          - {name: warm, kind: action, method: POST, path: \"{item}/warm\", replicated: "
    "false}\n"
    "          - {name: tag, kind: update, method: PUT, path: \"/tags/{tag}/orders/{order_id}\"}\n"
    "          - {name: count, kind: action, method: POST, path: \"{collection}/count\"}\n"
    "        resolution:\n"
    "          - {before: add, after: add, result: any-order}\n"
    "          - {before: put, after: put, result: take-one}\n"
    "        remake: true\n"
    "        marker: [{member: /order/name, query: name}, {member: /order/kind, query: kind}]\n"
    "        transfer: {write: put}\n"
    "        volatile: [/order/updated_at, /order/links]\n"
    "        links: [/order/links/self, /order/links/next]\n"
    "        references: [{type: customer, pointer: /order/customer}, {type: customer, query: "
    "by}]\n";

static const struct app_type *read(const char *text, struct arena *arena)
{
    struct app *app;
    struct diag d = {0};
    FILE *file = fopen("replication.yaml", "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    arena_init(arena, NULL, 0, 16u << 20);
    if (cfg_read_app("replication.yaml", arena, &app, &d) < 0)
        fail_msg("%s:%u:%u: %s", d.file, d.line, d.column, d.message);
    const struct app_type *t = app_type_find(&app->services[0], STR("order"));
    assert_non_null(t);
    return t;
}

/* The text with its one `old` made `new`. */
static const char *changed(const char *old, const char *new)
{
    static char text[2 * sizeof shop];
    const char *at = strstr(shop, old);
    if (!at || strstr(at + 1, old))
        fail_msg("'%s' does not stand once", old);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - shop), shop, new, at + strlen(old));
    return text;
}

static uint64_t digest_of(const char *text)
{
    struct arena arena;
    uint64_t digest = read(text, &arena)->replication.digest;
    arena_fini(&arena);
    return digest;
}

static void test_digest_is_not_of_what_it_looks_like(void **state)
{
    static const char *const same[][2] = {
        {"application: shop\n", "# a comment\napplication: 'shop'\n\n"},
        {"        id: /order/id\n        visible: \"{site}.{id}\"\n",
         "        visible: '{site}.{id}'\n        id:   /order/id  # there\n"},
        {"{before: add, after: add, result: any-order}",
         "{result: any-order, before: add, after: add}"},
        {"          - {before: add, after: add, result: any-order}\n"
         "          - {before: put, after: put, result: take-one}\n",
         "          - {before: put, after: put, result: take-one}\n"
         "          - {before: add, after: add, result: any-order}\n"},
        {"commutes: [tag, stop]", "commutes: [stop, tag]"},
        {"[create, read, list, update, replace, delete]",
         "[delete, replace, update, list, read, create]"},
        {"        standard: [create, read, list, update, replace, delete]\n", ""},
        {"[/order/updated_at, /order/links]", "[/order/links, /order/updated_at]"},
        {"[/order/links/self, /order/links/next]", "[/order/links/next, /order/links/self]"},
        {"[{member: /order/name, query: name}, {member: /order/kind, query: kind}]",
         "[{member: /order/kind, query: kind}, {member: /order/name, query: name}]"},
        {"[{type: customer, pointer: /order/customer}, {type: customer, query: by}]",
         "[{type: shop.customer, query: by}, {pointer: /order/customer, type: customer}]"},
        {"secret: [X-Key, X-Other]", "secret: [X-Other, X-Key]"},
        /* what it says is the default already, and what replication does not depend on */
        {"method: POST, path: \"{item}/lines\"",
         "method: POST, path: \"{item}/lines\", makes: false"},
        {"list: {array: /orders, id: /id}", "list: {array: /orders, id: /id, selects: [name]}"},
        {"    types:\n", "    port: 80\n    types:\n"},
    };
    uint64_t digest = digest_of(shop);
    assert_int_not_equal(digest, 0);
    for (size_t i = 0; i < COUNT_OF(same); i++)
        if (digest_of(changed(same[i][0], same[i][1])) != digest)
            fail_msg("changes: %s", same[i][1]);
}

static void test_digest_is_of_each_key(void **state)
{
    static const char *const other[][2] = {
        {"application: shop", "application: store"},
        {"secret: [X-Key, X-Other]\n", ""},
        {"  shop:\n", "  shop2:\n"},
        {"variable: customer_id}", "variable: order_id}"},
        {"collection: /orders", "collection: /all_orders"},
        {"item: /orders/{order_id}", "item: /v1/orders/{order_id}"},
        {"id: /order/id", "id: /id"},
        {"        id: /order/id\n        visible: \"{site}.{id}\"\n",
         "        id: /order/id\n        client_id: /order/id\n"},
        {"        visible: \"{site}.{id}\"\n", "        ids: unique\n"},
        {"{site}.{id}", "{site}-{id}"},
        {"array: /orders", "array: /list"},
        {"id: /id", "id: /name"},
        {"        replicate: true\n", ""},
        {"update, replace, delete]", "update, delete]"},
        {"commutes: [tag, stop]", "commutes: [tag]"},
        {"method: POST, path: \"{item}/lines\"", "method: PUT, path: \"{item}/lines\""},
        {"path: \"{item}/lines\"", "path: \"{item}/rows\""},
        {", done: [404, 410]", ""},
        {"[404, 410]", "[404]"},
        {"[{member: /os-stop}], overwrites: true", "[{member: /os-stop}]"},
        {"{member: /os-stop}", "{member: /stop}"},
        {"replaces: true, makes: true", "replaces: true"},
        {"application/json-patch+json", "application/merge-patch+json"},
        {", replicated: false", ""},
        {"result: any-order", "result: keep-order"},
        {"          - {before: add, after: add, result: any-order}\n", ""},
        {"        remake: true\n", ""},
        {"query: name}", "query: title}"},
        {"member: /order/kind", "member: /order/type"},
        {"        transfer: {write: put}\n", ""},
        {"transfer: {write: put}", "transfer: {write: replace}"},
        {"[/order/updated_at, /order/links]", "[/order/updated_at]"},
        {", /order/links/next]", "]"},
        {"pointer: /order/customer", "item: /order/customer"},
        {"query: by}", "query: customer}"},
    };
    uint64_t digests[COUNT_OF(other) + 1] = {digest_of(shop)};
    for (size_t i = 0; i < COUNT_OF(other); i++) {
        digests[i + 1] = digest_of(changed(other[i][0], other[i][1]));
        for (size_t k = 0; k <= i; k++)
            if (digests[k] == digests[i + 1])
                fail_msg("no difference: %s", other[i][1]);
    }
}

static void test_operations_of_requests(void **state)
{
    static const struct {
        const char *method, *target, *media_type, *body, *operation, *id;
    } rows[] = {
        {"POST", "/orders", NULL, "", "create", NULL},
        {"GET", "/orders", NULL, "", NULL, NULL},
        {"GET", "/orders/7", NULL, "", NULL, "7"},
        {"PUT", "/orders/7?x=1", NULL, "", "replace", "7"},
        {"PATCH", "/orders/7", "application/merge-patch+json", "", "update", "7"},
        {"PATCH", "/orders/7", "application/json-patch+json; a=b", "", "patch", "7"},
        {"DELETE", "/orders/7", NULL, "", "delete", "7"},
        {"PUT", "/orders/7/tags/red", NULL, "", "tag", "7"},
        {"PUT", "/tags/red/orders/7", NULL, "", "tag", "7"},
        {"DELETE", "/orders/7/tags/red", NULL, "", "untag", "7"},
        {"POST", "/orders/7/action", NULL, "{\"os-stop\":null}", "stop", "7"},
        {"POST", "/orders/7/action", NULL, "{\"os-start\": {\"os-stop\":null}}", "act", "7"},
        {"POST", "/orders/7/action", NULL, "not JSON", "act", "7"},
        {"POST", "/orders/7/warm", NULL, "", NULL, "7"},
        {"POST", "/orders/count", NULL, "", NULL, NULL},
        {"POST", "/nothing", NULL, "", NULL, NULL},
        {"OPTIONS", "/orders/7", NULL, "", NULL, "7"},
    };
    struct arena arena;
    const struct app_type *t = read(shop, &arena);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct app_request r = {str_of(rows[i].method), str_of(rows[i].target),
                                str_of(rows[i].media_type), str_of(rows[i].body), true};
        struct app_class c;
        app_classify(t->service, &r, &c);
        int operation = app_operation_of(&c);
        assert_true((operation >= 0) == (rows[i].operation != NULL));
        if (operation >= 0)
            assert_true(
                str_eq(t->replication.matrix.types[operation].name, str_of(rows[i].operation)));
        assert_true(str_eq(c.id, str_of(rows[i].id)));
    }
    struct app_request r = {STR("POST"), STR("/orders/7/action"), STR_NULL, STR("{\"os-"), false};
    struct app_class c;
    app_classify(t->service, &r, &c);
    assert_true(c.needs_body);
    arena_fini(&arena);
}

static void test_effects(void **state)
{
    static const struct {
        const char *name;
        bool creates, deletes, replaces, overwrites, makes;
    } want[] = {
        {"act"},
        {"add"},
        {"create", .creates = true, .replaces = true, .makes = true},
        {"delete", .deletes = true, .replaces = true, .overwrites = true},
        {"patch"},
        {"put", .replaces = true, .overwrites = true, .makes = true},
        {"replace", .replaces = true, .overwrites = true},
        {"stop", .overwrites = true},
        {"tag", .overwrites = true},
        {"untag", .overwrites = true},
        {"update", .overwrites = true},
        {"snapshot", .replaces = true, .overwrites = true, .makes = true},
    };
    struct arena arena;
    const struct app_replication *x = &read(shop, &arena)->replication;
    const struct op_matrix *m = &x->matrix;
    assert_int_equal(m->n, COUNT_OF(want));
    for (size_t i = 0; i < m->n; i++) {
        const struct op_type *t = &m->types[i];
        if (!str_eq(t->name, str_of(want[i].name)) || t->creates != want[i].creates ||
            t->deletes != want[i].deletes || t->replaces != want[i].replaces ||
            t->overwrites != want[i].overwrites || t->makes != want[i].makes)
            fail_msg("%s", want[i].name);
        if (!t->is_snapshot)
            assert_true(str_eq(x->operations[i].rule->operation, t->name));
    }
    assert_true(m->can_remake && m->can_transfer);
    assert_true(op_commutes(m, 7, 8) && op_commutes(m, 8, 7) && op_commutes(m, 8, 8) &&
                op_commutes(m, 1, 1));
    assert_false(op_commutes(m, 7, 7) || op_commutes(m, 8, 9));
    assert_int_equal(op_relation(m, 6, 9), OP_KEEP_ORDER);
    assert_int_equal(x->operations[9].n_done, 2);
    assert_int_equal(x->operations[9].done[1], 410);
    arena_fini(&arena);
}

static void test_the_rest(void **state)
{
    struct arena arena;
    const struct app_type *t = read(shop, &arena);
    const struct app_replication *x = &t->replication;
    assert_true(str_eq(x->visible, STR("{site}.{id}")));
    assert_true(str_eq(x->transfer_read->operation, STR("read")));
    assert_true(str_eq(x->transfer_write->operation, STR("put")));
    assert_int_equal(x->n_markers, 2);
    assert_true(str_eq(x->markers[0].query, STR("kind")));
    assert_int_equal(x->n_ignored, 2);
    assert_int_equal(x->n_links, 2);
    assert_int_equal(x->n_references, 3);
    assert_int_equal(x->references[0].place, APP_IN_PATH);
    assert_true(x->references[0].type == app_type_find(t->service, STR("customer")));
    assert_true(str_eq(x->references[2].name, STR("/order/customer")));
    const struct app_replication *other = &x->references[0].type->replication;
    assert_int_equal(other->n_references, 1);
    assert_true(str_eq(other->visible, STR("{site}-{id}")));
    assert_null(other->transfer_write);
    arena_fini(&arena);
}

static void test_too_many_types(void **state)
{
    static char text[16 * 1024];
    struct out o;
    out_init(&o, text, sizeof text - 1);
    OUT(&o, "application: a\nservices:\n  s:\n    types:\n      order:\n        item: \"/o/{id}\"\n"
            "        only_operations: true\n        operations:\n");
    for (unsigned i = 0; i < OP_MAX_TYPES; i++)
        out_fmt(&o, "          - {name: o%u, kind: action, method: POST, path: \"{item}/o%u\"}\n",
                i, i);
    text[o.n] = 0;
    struct arena arena;
    assert_int_equal(read(text, &arena)->replication.matrix.n, OP_MAX_TYPES + 1);
    arena_fini(&arena);
    OUT(&o, "          - {name: more, kind: action, method: POST, path: \"{item}/more\"}\n");
    assert_false(o.overflowed);
    text[o.n] = 0;
    FILE *file = fopen("replication.yaml", "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    struct diag d = {0};
    struct app *app;
    arena_init(&arena, NULL, 0, 16u << 20);
    assert_int_equal(cfg_read_app("replication.yaml", &arena, &app, &d), ERR_CONFIG);
    assert_string_equal(d.message, "64 types of operation, at most 63 are allowed");
    assert_int_equal(d.line, 5);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_digest_is_not_of_what_it_looks_like),
                                       cmocka_unit_test(test_digest_is_of_each_key),
                                       cmocka_unit_test(test_operations_of_requests),
                                       cmocka_unit_test(test_effects),
                                       cmocka_unit_test(test_the_rest),
                                       cmocka_unit_test(test_too_many_types)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
