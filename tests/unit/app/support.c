#include "app_test.h"

struct app_template template_of(struct arena *a, const char *path)
{
    struct app_template t = {.text = str_of(path)};
    struct str rest = str_from(t.text, 1), piece;
    t.segments = arena_zalloc(a, 32 * sizeof *t.segments);
    assert_non_null(t.segments);
    assert_true(path[0] == '/');
    while (str_split(&rest, '/', &piece)) {
        struct app_segment *s = &t.segments[t.n++];
        assert_true(t.n < 32);
        s->is_variable = piece.n > 2 && piece.p[0] == '{';
        s->text = s->is_variable ? str_sub(piece, 1, piece.n - 2) : piece;
        if (s->is_variable && s->text.n > 3 &&
            str_eq(str_from(s->text, s->text.n - 3), STR("..."))) {
            t.is_prefix = true;
            s->text.n -= 3;
        }
    }
    return t;
}

void service_init(struct app_service *s, struct arena *a, const struct rule_text *rules, size_t n,
                  struct app_type *types, size_t n_types)
{
    *s = (struct app_service){.name = STR("test"), .types = types, .n_types = n_types};
    s->rules = arena_zalloc(a, (n + 1) * sizeof *s->rules);
    assert_non_null(s->rules);
    for (size_t i = 0; i < n; i++) {
        struct app_rule *r = &s->rules[s->n_rules++];
        r->operation = str_of(rules[i].operation);
        r->kind = rules[i].kind;
        r->method = str_of(rules[i].method);
        r->template_ = template_of(a, rules[i].path);
        r->template_.line = (unsigned)i + 1;
        r->template_.column = 7;
        r->type = rules[i].type < 0 ? NULL : &types[rules[i].type];
        r->conditions = arena_zalloc(a, 2 * sizeof *r->conditions);
        for (size_t k = 0; k < 2; k++)
            if (rules[i].when[k].name.p || rules[i].when[k].value.p)
                r->conditions[r->n_conditions++] = rules[i].when[k];
    }
    for (size_t i = 0; i < n_types; i++)
        types[i].service = s;
}

void request_init(struct request *r, const char *method, const char *target, const char *lines)
{
    const char *why = "";
    size_t cap = strlen(method) + strlen(target) + strlen(lines) + 32;
    char *text = malloc(cap);
    assert_non_null(text);
    int n = snprintf(text, cap, "%s %s HTTP/1.1\r\nHost: here\r\n%s\r\n", method, target, lines);
    char *bytes = malloc((size_t)n);
    assert_non_null(bytes);
    memcpy(bytes, text, (size_t)n);
    free(text);
    r->bytes = (struct str){bytes, (size_t)n};
    if (h1_request_parse(&r->head, r->bytes, r->fields, COUNT_OF(r->fields), &why) < 0)
        fail_msg("%s: %s", lines, why);
}

void request_fini(struct request *r)
{
    free((char *)(uintptr_t)r->bytes.p);
}
