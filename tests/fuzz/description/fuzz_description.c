/* An application description: refused with a place, or good for classifying and for errors. */
#include "fuzz.h"
#include "file_input.h"
#include "app/classify.h"
#include "app/error.h"

#define MEMORY (16u << 20)

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
        write_error(s);
    }
    arena_fini(&arena);
    return 0;
}
