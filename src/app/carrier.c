/* Reading carriers. One look at each field finds what is there; then the first in the order of the
 * language is decoded. The others are removed without being looked into. */
#include "app/carrier.h"
#include "app/field.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "codec/uri.h"

struct reading {
    const struct app *app;
    struct h1_head *head; /* NULL: only what the class tells */
    struct arena *arena;
    struct app_carried *out;
    struct diag *d;
};

/* What a look at the fields found; of each kind the first. */
struct seen {
    struct str scope, x_scope, named; /* whole values */
    struct str suffix;                /* what follows the mark in a credential */
    bool suffix_is_old;
    struct str credential; /* the name of its field */
    bool has_baggage, has_tracestate;
};

/* ---- decoding */

enum coding { RAW, PERCENT, BASE64 };

static int no_memory(struct reading *r)
{
    return diag_set(r->d, ERR_NO_MEMORY, "no memory for the request's carriers");
}

/* Makes an encoded text the scope, unless a carrier that comes before it was found. `what` and
 * `name` end "the scope in …". */
static int take(struct reading *r, enum app_carrier carrier, enum coding coding, struct str encoded,
                const char *what, struct str name)
{
    struct app_carried *c = r->out;
    struct out o;
    if (c->carrier != APP_CARRIER_NONE && c->carrier <= carrier)
        return 0;
    c->carrier = carrier;
    c->text = encoded;
    if (coding == RAW)
        return 0;
    char *memory = arena_alloc(r->arena, encoded.n + 1);
    if (!memory || arena_overflowed(r->arena))
        return no_memory(r);
    out_init(&o, memory, encoded.n);
    int rc = coding == PERCENT ? uri_decode(encoded, &o) : base64_decode(BASE64_URL, encoded, &o);
    c->text = rc < 0 ? STR_NULL : out_get(&o);
    if (rc == 0)
        return 0;
    diag_set(r->d, ERR_SCOPE_SYNTAX, "the scope in %s%.*s is not %s", what, STR_ARG(name),
             coding == PERCENT ? "percent-encoded" : "base64url without padding");
    diag_hint(r->d, "encode the whole scope, or give it in the field Scope as it is");
    return ERR_SCOPE_SYNTAX;
}

/* OpenStackoïd's suffix is raw or percent-encoded, and '%' is an operator, too: a raw scope has
 * braces, quotes or blanks, or a '%' that is no escape. */
static bool is_percent_encoded(struct str s)
{
    uint64_t v;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '{' || s.p[i] == '"' || s.p[i] == ' ' || s.p[i] == '\t')
            return false;
        if (s.p[i] == '%' && (s.n - i < 3 || str_hex(str_sub(s, i + 1, 2), 255, &v) < 0))
            return false;
    }
    return true;
}

/* ---- the fields */

/* A carrier whose whole value is the scope stands once. It is no list: two fields in one line might
 * happen to be a scope that nobody wrote. */
static int see_whole(struct reading *r, size_t i, struct str *seen)
{
    r->head->fields[i].drop = true;
    if (seen->p) {
        diag_hint(r->d, "give one scope");
        return diag_set(r->d, ERR_SCOPE_SYNTAX, "the field %.*s stands twice",
                        STR_ARG(h1_name(r->head, i)));
    }
    *seen = h1_value(r->head, i);
    return 0;
}

/* Cuts the suffix off a credential. Nothing of the credential in front of it is looked at. */
static void see_credential(struct reading *r, size_t i, struct seen *seen)
{
    struct str value = h1_value(r->head, i);
    ptrdiff_t at = app_text_find(value, APP_SUFFIX), old = app_text_find(value, APP_SUFFIX_OLD);
    if (at < 0 && old < 0)
        return;
    bool is_old = at < 0 || (old >= 0 && old < at);
    size_t cut = (size_t)(is_old ? old : at);
    h1_cut_value(r->head, i, cut);
    if (cut == 0)
        r->head->fields[i].drop = true;
    if (seen->suffix.p)
        return;
    seen->suffix = str_from(value, cut + APP_SUFFIX.n);
    seen->suffix_is_old = is_old;
    seen->credential = h1_name(r->head, i);
}

/* A field that only the description may name. */
static int see_other(struct reading *r, size_t i, struct seen *seen)
{
    const struct app_carriers *c = &r->app->carriers;
    struct str name = h1_name(r->head, i), value = h1_value(r->head, i);
    if (app_field_is_among(name, c->credential_fields, c->n_credential_fields))
        see_credential(r, i, seen);
    else if (app_field_is_among(name, c->scope_fields, c->n_scope_fields))
        return see_whole(r, i, &seen->named);
    else if (app_field_is(name, c->correlation_field) && app_correlation_is(r->app, value))
        r->out->correlation = r->out->memory_ids[1] = value;
    else if (r->head->fields[i].id == H1_OTHER_CHEOPS)
        r->head->fields[i].drop = true;
    return 0;
}

static int see(struct reading *r, size_t i, struct seen *seen)
{
    switch (r->head->fields[i].id) {
    case H1_OTHER:
    case H1_OTHER_CHEOPS:
    case H1_OTHER_X_FORWARDED:
        return see_other(r, i, seen);
    case H1_SCOPE:
        return see_whole(r, i, &seen->scope);
    case H1_X_SCOPE:
        return see_whole(r, i, &seen->x_scope);
    case H1_BAGGAGE:
        seen->has_baggage = true;
        return 0;
    case H1_TRACESTATE:
        seen->has_tracestate = true;
        return 0;
    case H1_CHEOPS_LEG:
    case H1_CHEOPS_SITE:
    case H1_CHEOPS_ERROR:
        r->head->fields[i].drop = true;
        return 0;
    default:
        return 0;
    }
}

/* ---- lists of members "name=value;…": baggage, tracestate */

/* Whether a list member has this name; its value without properties. */
static bool member_is(struct str piece, struct str name, struct str *value)
{
    ptrdiff_t eq = str_find(piece, '=');
    if (eq < 0 || !str_eq(str_trim(str_sub(piece, 0, (size_t)eq)), name))
        return false;
    struct str rest = str_from(piece, (size_t)eq + 1);
    str_split(&rest, ';', value);
    *value = str_trim(*value);
    return true;
}

/* The first member with this name in the fields with this id; absent: there is none. */
static struct str find_member(const struct h1_head *h, enum h1_field_id id, struct str name)
{
    struct str piece, value;
    for (size_t i = h1_find(h, id, 0); i < h->n_fields; i = h1_find(h, id, i + 1))
        for (struct str list = h1_value(h, i); str_split(&list, ',', &piece);)
            if (member_is(piece, name, &value))
                return value;
    return STR_NULL;
}

/* Writes the members of a list, each after a comma, but those with this name. */
static void copy_members(struct str list, struct str name, struct out *o)
{
    struct str piece, value;
    while (str_split(&list, ',', &piece)) {
        if (member_is(piece, name, &value))
            continue;
        OUT(o, ",");
        out_str(o, str_trim(piece));
    }
}

/* Takes a member out of the fields with this id, and gives its value; absent: it was not there, and
 * nothing is changed. What is left becomes one line, in its order (RFC 9110 section 5.3). */
static struct str take_member(struct reading *r, enum h1_field_id id, struct str name)
{
    struct h1_head *h = r->head;
    struct str value = find_member(h, id, name), field = h1_name(h, h1_find(h, id, 0));
    size_t room = 0;
    struct out list, line;
    if (!value.p)
        return value;
    for (size_t i = h1_find(h, id, 0); i < h->n_fields; i = h1_find(h, id, i + 1))
        room += h1_value(h, i).n + 2;
    char *memory = arena_alloc(r->arena, room);
    out_init(&list, memory, memory && !arena_overflowed(r->arena) ? room : 0);
    for (size_t i = h1_find(h, id, 0); i < h->n_fields; i = h1_find(h, id, i + 1)) {
        if (!h->fields[i].drop)
            copy_members(h1_value(h, i), name, &list);
        h->fields[i].drop = true;
    }
    if (list.n == 0)
        return value;
    room = field.n + list.n + 4;
    memory = arena_alloc(r->arena, room);
    out_init(&line, memory, memory && !arena_overflowed(r->arena) ? room : 0);
    out_str(&line, field);
    OUT(&line, ": ");
    out_str(&line, str_from(out_get(&list), 1)); /* without the first comma */
    OUT(&line, "\r\n");
    r->out->lines[r->out->n_lines++] = out_get(&line);
    return value;
}

/* ---- the prefix */

/* "/~scope/<scope>/…": target and prefix of what is read; the encoded scope, absent: none. */
static struct str take_prefix(struct reading *r)
{
    struct str target = r->head->target, first, encoded;
    if (target.n < 2 || (target.p[1] != '~' && target.p[1] != '%'))
        return STR_NULL;
    struct str rest = uri_path(target);
    if (!uri_segment(&rest, &first) || !uri_segment_is(first, STR("~scope")) ||
        !uri_segment(&rest, &encoded))
        return STR_NULL;
    size_t end = (size_t)(encoded.p - target.p) + encoded.n;
    struct str after = str_from(target, end);
    r->out->prefix = str_sub(target, 0, end);
    r->out->target = rest.n    ? after
                     : after.n ? arena_printf(r->arena, "/%.*s", STR_ARG(after))
                               : STR("/");
    return encoded;
}

/* ---- all of them */

/* The first in the order of the language. */
static int choose(struct reading *r, const struct seen *seen, struct str prefix, struct str baggage)
{
    enum coding old = is_percent_encoded(seen->suffix) ? PERCENT : RAW;
    if (seen->scope.p || seen->x_scope.p)
        return take(r, APP_CARRIER_FIELD, RAW, seen->scope.p ? seen->scope : seen->x_scope, "",
                    STR_NULL);
    if (seen->suffix.p)
        return take(r, APP_CARRIER_CREDENTIAL, seen->suffix_is_old ? old : BASE64, seen->suffix,
                    "the suffix of ", seen->credential);
    if (seen->named.p)
        return take(r, APP_CARRIER_NAMED, RAW, seen->named, "", STR_NULL);
    if (prefix.p)
        return take(r, APP_CARRIER_PREFIX, PERCENT, prefix, "the path's prefix", STR_NULL);
    if (baggage.p)
        return take(r, APP_CARRIER_BAGGAGE, PERCENT, baggage, "baggage", STR_NULL);
    return 0;
}

int app_carriers_read(const struct app *app, struct h1_head *head, struct arena *arena,
                      struct app_carried *out, struct diag *d)
{
    struct reading r = {app, head, arena, out, d};
    struct seen seen = {0};
    struct str prefix, baggage = STR_NULL;
    int rc = 0;
    *out = (struct app_carried){.target = head->target};
    for (size_t i = 0; i < head->n_fields && rc == 0; i++)
        rc = see(&r, i, &seen);
    prefix = take_prefix(&r);
    if (seen.has_baggage)
        baggage = take_member(&r, H1_BAGGAGE, STR("scope"));
    if (seen.has_tracestate)
        out->memory_ids[0] = take_member(&r, H1_TRACESTATE, STR("cheops"));
    if (rc < 0)
        return rc;
    if (arena_overflowed(arena))
        return no_memory(&r);
    return choose(&r, &seen, prefix, baggage);
}

/* ---- 3 and 6: what the class tells */

/* Where the separator stands in a path variable, as it is or percent-encoded, and the bytes that it
 * takes; -1: nowhere, or there is nothing before it. */
static ptrdiff_t find_separator(const struct app *app, struct str value, size_t *took)
{
    uint64_t v;
    for (size_t i = 1; i < value.n && app->carriers.path_separator; i++) {
        bool is_escape = value.p[i] == '%' && value.n - i >= 3 &&
                         str_hex(str_sub(value, i + 1, 2), 255, &v) == 0;
        if (!is_escape)
            v = (unsigned char)value.p[i];
        *took = is_escape ? 3 : 1;
        if (v == (unsigned char)app->carriers.path_separator)
            return (ptrdiff_t)i;
    }
    return -1;
}

/* The variable of the class that has a scope; n_variables: none. */
static size_t find_path_carrier(const struct app *app, const struct app_class *class_)
{
    size_t i = 0, took;
    if (!class_->type || !class_->type->path_carrier.p)
        return class_->n_variables;
    while (i < class_->n_variables && (!str_eq(class_->names[i], class_->type->path_carrier) ||
                                       find_separator(app, class_->values[i], &took) < 0))
        i++;
    return i;
}

static bool can_create(const struct app_class *class_)
{
    return class_->type && class_->type->has_body_carrier &&
           (class_->kind == APP_CREATE || class_->kind == APP_UPDATE);
}

bool app_carriers_want_body(const struct app *app, const struct app_class *class_,
                            const struct app_carried *carried)
{
    if (app->carriers.body_pointer.p && carried->carrier == APP_CARRIER_NONE && can_create(class_))
        return true;
    return app->carriers.path_body_pointer.p &&
           find_path_carrier(app, class_) < class_->n_variables;
}

/* The body's member that repeats the variable says the same without the scope. */
static void cut_body(struct reading *r, struct str body)
{
    struct str value;
    if (json_find(body, r->app->carriers.path_body_pointer, &value) != JSON_FOUND ||
        value.p[0] != '"')
        return;
    ptrdiff_t at = json_string_find(value, r->app->carriers.path_separator);
    if (at < 0)
        return;
    r->out->body_cut_from = (size_t)(value.p - body.p) + (size_t)at;
    r->out->body_cut_to = (size_t)(value.p - body.p) + value.n - 1;
}

/* "name@scope" in a path variable: the target without "@scope". */
static int take_path(struct reading *r, struct str value, struct str body)
{
    size_t took = 0;
    ptrdiff_t at = find_separator(r->app, value, &took);
    struct str target = r->out->target;
    struct str before = str_sub(target, 0, (size_t)(value.p - target.p) + (size_t)at);
    struct str after = str_from(target, (size_t)(value.p - target.p) + value.n);
    r->out->target = arena_printf(r->arena, "%.*s%.*s", STR_ARG(before), STR_ARG(after));
    if (!r->out->target.p) {
        r->out->target = target;
        return no_memory(r);
    }
    if (body.p && r->app->carriers.path_body_pointer.p)
        cut_body(r, body);
    return take(r, APP_CARRIER_PATH, PERCENT, str_from(value, (size_t)at + took), "the path",
                STR_NULL);
}

static int take_body(struct reading *r, struct str body)
{
    struct str value;
    struct out o;
    if (json_find(body, r->app->carriers.body_pointer, &value) != JSON_FOUND)
        return 0;
    char *memory = arena_alloc(r->arena, value.n);
    if (!memory || arena_overflowed(r->arena))
        return no_memory(r);
    out_init(&o, memory, value.n);
    if (json_unescape(value, &o) < 0) {
        diag_hint(r->d, "give it as text, in quotes");
        return diag_set(r->d, ERR_SCOPE_SYNTAX, "the scope in the body, at %.*s, is not text",
                        STR_ARG(r->app->carriers.body_pointer));
    }
    return take(r, APP_CARRIER_BODY, RAW, out_get(&o), "the body", STR_NULL);
}

int app_carriers_read_body(const struct app *app, const struct app_class *class_, struct str body,
                           struct arena *arena, struct app_carried *io, struct diag *d)
{
    struct reading r = {app, NULL, arena, io, d};
    size_t variable = find_path_carrier(app, class_);
    int rc = 0;
    if (variable < class_->n_variables)
        rc = take_path(&r, class_->values[variable], body);
    if (rc == 0 && body.p && io->carrier == APP_CARRIER_NONE && can_create(class_) &&
        app->carriers.body_pointer.p)
        rc = take_body(&r, body);
    return rc;
}
