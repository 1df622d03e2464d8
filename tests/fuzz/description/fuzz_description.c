/* An application description: refused with a place, or good for classifying and for errors. */
#include "fuzz.h"
#include "file_input.h"
#include "app/classify.h"
#include "app/error.h"
#include "op/search.h"

#define MEMORY        (16u << 20)
#define MOST_SEARCHED 6 /* types of operation of a matrix; more take too long */

/* Each rule's own path, as a request: whatever it is found to be, it is of this service. */
static void classify_all(const struct app_service *s)
{
    for (size_t i = 0; i < s->n_rules; i++) {
        struct app_class c;
        struct app_request r = {.method = s->rules[i].method.p ? s->rules[i].method : STR("GET"),
                                .target = s->rules[i].template_.text,
                                .body_is_whole = true};
        app_classify(s, &r, &c);
        CHECK(c.kind < APP_KINDS);
        CHECK(!c.type || c.type->service == s);
        CHECK(c.n_variables <= APP_MAX_VARIABLES);
    }
}

/* What replication is told hangs together; and whatever is promised, nothing differs silently. */
static void check_replication(const struct app_type *t)
{
    const struct app_replication *r = &t->replication;
    const struct app_service *s = t->service;
    struct op_finding f;
    CHECK(r->matrix.n > 0 && (r->transfer_read == NULL) == (r->transfer_write == NULL));
    for (size_t i = 0; i < s->n_rules; i++)
        if (s->rules[i].type == t && s->rules[i].operation_number >= 0)
            CHECK(app_operation_find(t, s->rules[i].operation) == s->rules[i].operation_number);
    for (size_t i = 0; i + 1 < r->matrix.n; i++)
        CHECK(str_eq(r->operations[i].rule->operation, r->matrix.types[i].name));
    for (size_t i = 0; i < r->n_references; i++)
        CHECK(r->references[i].type && r->references[i].name.p);
    if (r->matrix.n > MOST_SEARCHED)
        return;
    op_search(&r->matrix, &f);
    CHECK(f.found != OP_FOUND_SILENT);
}

static void write_error(const struct app_service *s)
{
    static char memory[APP_ERROR_BODY];
    struct diag d = {0};
    struct out o;
    struct str type;
    diag_at(&d, ERR_SCOPE_SYNTAX, 1, 1, "a \"message\"");
    out_init(&o, memory, sizeof memory);
    app_error_write(&s->errors, &d, STR("{image: Paris"), &o, &type);
    CHECK(!o.overflowed && type.n > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct file_input file = {.fd = -1};
    struct arena arena;
    struct app *app;
    struct diag d = {0};
    if (file.fd < 0)
        file_input_open(&file);
    file_input_set(&file, data, size);
    arena_init(&arena, NULL, 0, MEMORY);
    int rc = cfg_read_app(file.path, &arena, &app, &d);
    file_input_check(&file, rc, &d, size);
    CHECK((rc == 0) == (app != NULL));
    for (size_t i = 0; rc == 0 && i < app->n_services; i++) {
        const struct app_service *s = &app->services[i];
        CHECK(app_service_find(app, s->name) == s);
        CHECK(s->index == i);
        classify_all(s);
        for (size_t k = 0; k < s->n_types; k++)
            check_replication(&s->types[k]);
        write_error(s);
    }
    arena_fini(&arena);
    return 0;
}
