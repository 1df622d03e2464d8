#include "app/error.h"
#include "base/check.h"
#include "codec/h1.h"
#include "codec/json.h"

#define MESSAGE_BYTES 2048 /* a diagnostic's texts and two lines of 160 characters */

/* The message, the line with the caret where there is a place, and the hint if it is wanted. */
static struct str full_message(const struct diag *d, struct str text, bool with_hint, char *memory)
{
    struct out o;
    out_init(&o, memory, MESSAGE_BYTES);
    out_str(&o, str_of(d->message));
    if (text.p) {
        OUT(&o, "\n");
        diag_caret(d, text, &o);
    }
    if (with_hint && d->hint[0]) {
        OUT(&o, "\n");
        out_str(&o, str_of(d->hint));
    }
    return out_get(&o);
}

static void put_member(struct out *o, struct str name, struct str value)
{
    OUT(o, ",\"");
    out_str(o, name);
    OUT(o, "\":");
    out_json(o, value);
}

/* application/problem+json, RFC 9457. */
static void write_problem(const struct diag *d, struct str text, struct out *o)
{
    char memory[MESSAGE_BYTES];
    OUT(o, "{\"type\":\"urn:cheops:error:");
    out_str(o, str_of(err_name(d->code)));
    OUT(o, "\"");
    put_member(o, STR("title"), str_of(err_text(d->code)));
    OUT(o, ",\"status\":");
    out_u64(o, (uint64_t)err_status(d->code));
    put_member(o, STR("detail"), full_message(d, text, false, memory));
    if (text.p) {
        put_member(o, STR("scope"), text);
        OUT(o, ",\"offset\":");
        out_u64(o, d->offset);
        OUT(o, ",\"length\":");
        out_u64(o, d->length);
    }
    if (d->hint[0])
        put_member(o, STR("hint"), str_of(d->hint));
    OUT(o, "}\n");
}

/* ---- shapes */

enum placeholder { STATUS, REASON, CODE, MESSAGE, HINT, PLACEHOLDERS };

static const struct str placeholders[PLACEHOLDERS] = {
    [STATUS] = {"{status}", 8},   [REASON] = {"{reason}", 8}, [CODE] = {"{code}", 6},
    [MESSAGE] = {"{message}", 9}, [HINT] = {"{hint}", 6},
};

static int placeholder_at(struct str s)
{
    for (int i = 0; i < PLACEHOLDERS; i++)
        if (str_starts(s, placeholders[i]))
            return i;
    return -1;
}

/* A JSON string, or what stands between its quotes. */
static void put_text(struct out *o, struct str text, bool in_string)
{
    size_t begin = o->n;
    out_json(o, text);
    if (!in_string || o->overflowed)
        return;
    memmove(o->p + begin, o->p + begin + 1, o->n - begin - 2);
    o->n -= 2;
}

struct filling {
    const struct diag *d;
    struct str text;
    bool has_hint; /* the shape has a place for it */
    bool in_string;
};

static void put_placeholder(const struct filling *f, enum placeholder which, struct out *o)
{
    char memory[MESSAGE_BYTES];
    unsigned status = (unsigned)err_status(f->d->code);
    switch (which) {
    case STATUS:
        out_u64(o, status);
        break;
    case REASON:
        put_text(o, h1_reason(status), f->in_string);
        break;
    case CODE:
        put_text(o, str_of(err_name(f->d->code)), f->in_string);
        break;
    case MESSAGE:
        put_text(o, full_message(f->d, f->text, !f->has_hint, memory), f->in_string);
        break;
    case HINT:
        put_text(o, str_of(f->d->hint), f->in_string);
        break;
    case PLACEHOLDERS:
        CHECK(false);
    }
}

static void fill(struct str shape, const struct diag *d, struct str text, struct out *o)
{
    struct filling f = {d, text, memmem(shape.p, shape.n, "{hint}", 6) != NULL, false};
    while (shape.n) {
        int which = shape.p[0] == '{' ? placeholder_at(shape) : -1;
        size_t n = which >= 0 ? placeholders[which].n : f.in_string && shape.p[0] == '\\' ? 2 : 1;
        if (which >= 0)
            put_placeholder(&f, (enum placeholder)which, o);
        else
            out_str(o, str_sub(shape, 0, n));
        f.in_string ^= shape.p[0] == '"';
        shape = str_from(shape, n);
    }
}

static void write_shape(const struct app_errors *shape, const struct diag *d, struct str text,
                        struct out *body)
{
    if (shape)
        fill(shape->body, d, text, body);
    else
        write_problem(d, text, body);
}

void app_error_write(const struct app_errors *shape, const struct diag *d, struct str text,
                     struct out *body, struct str *content_type)
{
    size_t begin = body->n;
    if (shape && !shape->content_type.p)
        shape = NULL;
    *content_type = shape ? shape->content_type : STR("application/problem+json");
    write_shape(shape, d, text, body);
    if (!body->overflowed || !text.p)
        return;
    body->n = begin;
    body->overflowed = false;
    write_shape(shape, d, STR_NULL, body);
}

/* ---- checking a shape */

/* A word in braces at the start of s: what looks like a placeholder. Its length with the braces. */
static size_t word_in_braces(struct str s)
{
    size_t i = 1;
    while (i < s.n && ((s.p[i] >= 'a' && s.p[i] <= 'z') || s.p[i] == '_'))
        i++;
    return i > 1 && i < s.n && s.p[0] == '{' && s.p[i] == '}' ? i + 1 : 0;
}

static int check_placeholders(struct str shape, struct diag *d)
{
    for (size_t i = 0; i < shape.n; i++) {
        struct str here = str_from(shape, i), word = str_sub(here, 0, word_in_braces(here));
        if (word.n == 0 || placeholder_at(here) >= 0)
            continue;
        struct str near = str_nearest(word, placeholders, PLACEHOLDERS);
        diag_at(d, ERR_CONFIG, i, word.n, "%.*s is no placeholder of an error's body",
                STR_ARG(word));
        if (near.p)
            diag_hint(d, "did you mean %.*s?", STR_ARG(near));
        else
            diag_hint(d, "there are {status}, {reason}, {code}, {message} and {hint}");
        return ERR_CONFIG;
    }
    return 0;
}

int app_errors_check(const struct app_errors *shape, struct diag *d)
{
    static const struct diag sample = {
        .code = ERR_SCOPE_SYNTAX, .message = "\"\\", .hint = "\"\\\n"};
    struct str media = shape->content_type, type;
    char memory[APP_ERROR_MAX_TEMPLATE * 4];
    struct out o;
    size_t at;
    str_split(&media, ';', &type);
    type = str_trim(type);
    if (!h1_is_field_value(shape->content_type) || type.n < 5 ||
        !str_eq_nocase(str_from(type, type.n - 4), STR("json")))
        return diag_set(d, ERR_CONFIG, "the content type of errors, '%.*s', is not JSON",
                        STR_ARG(str_sub(shape->content_type, 0, 80)));
    if (shape->body.n > APP_ERROR_MAX_TEMPLATE)
        return diag_set(d, ERR_CONFIG, "the body of errors has more than %d bytes",
                        APP_ERROR_MAX_TEMPLATE);
    int rc = check_placeholders(shape->body, d);
    if (rc < 0)
        return rc;
    out_init(&o, memory, sizeof memory);
    fill(shape->body, &sample, STR_NULL, &o);
    if (!o.overflowed && json_is_valid(out_get(&o), &at))
        return 0;
    return diag_set(d, ERR_CONFIG, "the body of errors is not JSON when it is filled in: %.*s",
                    STR_ARG(str_sub(out_get(&o), 0, 200)));
}
