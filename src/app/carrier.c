#include "app/carrier.h"
#include "base/check.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "codec/uri.h"
#include "scope/scope.h"

#define SUFFIX       STR("~SCOPE~") /* then base64url */
#define SUFFIX_OLD   STR("!SCOPE!") /* OpenStackoïd's: then the scope raw or percent-encoded */
#define PREFIX       STR("/~scope/")
#define TRACE_MEMBER STR("cheops")
#define SCOPE_MEMBER STR("scope")
/* Room for a scope in its longest encoding. A longer text is over the language's limit anyhow. */
#define DECODED_BYTES (SCOPE_MAX_BYTES + 1024)

struct reading {
    const struct app *app;
    struct h1_head *head;
    struct arena *arena;
    struct app_carried *out;
    struct diag *d;
};

static int undecodable(struct reading *r, const char *what)
{
    diag_hint(r->d, "encode the scope as scope-lang.md section 5 says");
    return diag_set(r->d, ERR_SCOPE_SYNTAX, "the scope in %s cannot be decoded", what);
}

/* The first carrier found is the scope: later ones change nothing. */
static void found(struct reading *r, enum app_carrier carrier, struct str text)
{
    if (r->out->carrier != APP_CARRIER_NONE)
        return;
    r->out->carrier = carrier;
    r->out->text = text;
}

static int take_decoded(struct reading *r, enum app_carrier carrier, const struct out *o, int rc,
                        const char *what)
{
    if (rc < 0 || o->overflowed)
        return undecodable(r, what);
    struct str text = arena_str(r->arena, out_get(o));
    if (!text.p)
        return diag_set(r->d, ERR_NO_MEMORY, "no memory for the scope");
    found(r, carrier, text);
    return 0;
}

static int found_percent(struct reading *r, enum app_carrier carrier, struct str encoded,
                         const char *what)
{
    char memory[DECODED_BYTES];
    struct out o;
    out_init(&o, memory, sizeof memory);
    int rc = uri_decode(encoded, &o);
    return take_decoded(r, carrier, &o, rc, what);
}

static bool name_is(struct str name, struct str want)
{
    return name.n == want.n && (name.p[0] | 0x20) == (want.p[0] | 0x20) &&
           str_eq_nocase(name, want);
}

static bool is_among(struct str name, const struct str *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (name_is(name, list[i]))
            return true;
    return false;
}

/* ---- 1 */

static int read_scope_fields(struct reading *r, enum h1_field_id id)
{
    struct h1_head *h = r->head;
    size_t i = h1_find(h, id, 0);
    if (i == h->n_fields)
        return 0;
    if (h1_find(h, id, i + 1) < h->n_fields)
        return diag_set(r->d, ERR_SCOPE_SYNTAX, "the field %.*s stands twice",
                        STR_ARG(h1_name(h, i)));
    h->fields[i].drop = true;
    found(r, APP_CARRIER_FIELD, h1_value(h, i));
    return 0;
}

/* ---- 2 */

static ptrdiff_t find_text(struct str s, struct str what)
{
    const char *at = s.n >= what.n ? memmem(s.p, s.n, what.p, what.n) : NULL;
    return at ? at - s.p : -1;
}

/* Cuts the suffix off a credential. Nothing of the credential in front of it is looked at. */
static int read_credential(struct reading *r, size_t i)
{
    char memory[DECODED_BYTES];
    struct out o;
    struct str value = h1_value(r->head, i);
    ptrdiff_t at = find_text(value, SUFFIX), old = find_text(value, SUFFIX_OLD);
    if (at < 0 && old < 0)
        return 0;
    bool is_old = at < 0 || (old >= 0 && old < at);
    struct str text = str_from(value, (size_t)(is_old ? old : at) + SUFFIX.n);
    h1_cut_value(r->head, i, (size_t)(is_old ? old : at));
    out_init(&o, memory, sizeof memory);
    int rc = is_old ? uri_decode(text, &o) : base64_decode(BASE64_URL, text, &o);
    return take_decoded(r, APP_CARRIER_CREDENTIAL, &o, rc, "the credential's suffix");
}

/* ---- 5 and 7: fields that are lists of members "name=value;…" */

/* Takes a member out of every field with this id; what is left becomes a line. Gives the member's
 * value, the first one. */
static struct str take_member(struct reading *r, enum h1_field_id id, struct str member)
{
    struct h1_head *h = r->head;
    struct str value = STR_NULL;
    for (size_t i = h1_find(h, id, 0); i < h->n_fields; i = h1_find(h, id, i + 1)) {
        struct str list = h1_value(h, i), piece, line;
        if (find_text(list, member) < 0)
            continue;
        struct str name = h1_name(h, i);
        size_t room = name.n + list.n + 8;
        char *memory = arena_alloc(r->arena, room);
        struct out o;
        bool first = true, cut = false;
        if (!memory)
            return value;
        out_init(&o, memory, room);
        out_str(&o, name);
        OUT(&o, ": ");
        while (str_split(&list, ',', &piece)) {
            piece = str_trim(piece);
            ptrdiff_t eq = str_find(piece, '=');
            if (eq > 0 && str_eq(str_trim(str_sub(piece, 0, (size_t)eq)), member)) {
                struct str rest = str_from(piece, (size_t)eq + 1), v;
                str_split(&rest, ';', &v);
                if (!value.p)
                    value = str_trim(v);
                cut = true;
                continue;
            }
            if (!first)
                OUT(&o, ",");
            out_str(&o, piece);
            first = false;
        }
        OUT(&o, "\r\n");
        line = out_get(&o);
        if (!cut)
            continue;
        h->fields[i].drop = true;
        if (!first && !o.overflowed && r->out->n_lines < COUNT_OF(r->out->lines))
            r->out->lines[r->out->n_lines++] = line;
    }
    return value;
}

/* ---- 7 */

/* Whether a value has the given form, where {uuid4} stands for 8-4-4-4-12 hexadecimal digits. */
static bool has_form(struct str form, struct str value)
{
    ptrdiff_t at = find_text(form, STR("{uuid4}"));
    if (at < 0)
        return false;
    struct str before = str_sub(form, 0, (size_t)at), after = str_from(form, (size_t)at + 7);
    if (value.n != before.n + 36 + after.n || !str_starts(value, before) ||
        !str_eq(str_from(value, before.n + 36), after))
        return false;
    for (size_t i = 0; i < 36; i++) {
        char c = value.p[before.n + i];
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        bool hex = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
        if (dash ? c != '-' : !hex)
            return false;
    }
    return true;
}

bool app_correlation_is(const struct app *app, struct str value)
{
    return has_form(app->carriers.correlation_form, value);
}

void app_correlation_make(const struct app *app, const unsigned char random[16], struct out *o)
{
    static const char hex[] = "0123456789abcdef";
    struct str form = app->carriers.correlation_form;
    ptrdiff_t at = find_text(form, STR("{uuid4}"));
    if (at < 0)
        return;
    out_str(o, str_sub(form, 0, (size_t)at));
    for (size_t i = 0; i < 16; i++) {
        unsigned char b = random[i];
        if (i == 6)
            b = (unsigned char)((b & 0x0f) | 0x40); /* version 4 (RFC 9562 section 5.4) */
        if (i == 8)
            b = (unsigned char)((b & 0x3f) | 0x80);
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out_char(o, '-');
        out_char(o, hex[b >> 4]);
        out_char(o, hex[b & 15]);
    }
    out_str(o, str_from(form, (size_t)at + 7));
}

/* ---- reading */

/* Fields that only the description names. */
static int read_named_fields(struct reading *r)
{
    const struct app_carriers *c = &r->app->carriers;
    struct h1_head *h = r->head;
    int rc = 0;
    for (size_t i = 0; i < h->n_fields && rc == 0; i++) {
        struct str name = h1_name(h, i);
        if (h->fields[i].id != H1_OTHER)
            continue;
        if (is_among(name, c->credential_fields, c->n_credential_fields))
            rc = read_credential(r, i);
    }
    for (size_t i = 0; i < h->n_fields && rc == 0; i++) {
        struct str name = h1_name(h, i), value = h1_value(h, i);
        if (name.n > 7 && (name.p[0] | 0x20) == 'c' &&
            str_eq_nocase(str_sub(name, 0, 7), STR("cheops-")))
            h->fields[i].drop = true;
        if (h->fields[i].id != H1_OTHER)
            continue;
        if (is_among(name, c->scope_fields, c->n_scope_fields)) {
            h->fields[i].drop = true;
            found(r, APP_CARRIER_NAMED, value);
        } else if (c->correlation_field.p && name_is(name, c->correlation_field) &&
                   app_correlation_is(r->app, value)) {
            r->out->correlation = r->out->memory_ids[1] = value;
        }
    }
    return rc;
}

/* ---- 4 */

static int read_prefix(struct reading *r)
{
    struct str target = r->head->target;
    if (!str_starts(target, PREFIX))
        return 0;
    struct str encoded = str_from(target, PREFIX.n);
    ptrdiff_t end = str_find(encoded, '/');
    if (end < 0) {
        ptrdiff_t query = str_find(encoded, '?');
        end = query < 0 ? (ptrdiff_t)encoded.n : query;
    }
    struct str rest = str_from(encoded, (size_t)end);
    r->out->prefix = str_sub(target, 0, PREFIX.n + (size_t)end);
    r->out->target = rest.n && rest.p[0] == '/' ? rest
                     : rest.n                   ? arena_printf(r->arena, "/%.*s", STR_ARG(rest))
                                                : STR("/");
    return found_percent(r, APP_CARRIER_PREFIX, str_sub(encoded, 0, (size_t)end),
                         "the path's prefix");
}

int app_carriers_read(const struct app *app, struct h1_head *head, struct arena *arena,
                      struct app_carried *out, struct diag *d)
{
    struct reading r = {app, head, arena, out, d};
    *out = (struct app_carried){.target = head->target};
    int rc = read_scope_fields(&r, H1_SCOPE);
    if (rc == 0)
        rc = read_scope_fields(&r, H1_X_SCOPE);
    if (rc == 0)
        rc = read_named_fields(&r);
    if (rc == 0)
        rc = read_prefix(&r);
    if (rc < 0)
        return rc;
    if (h1_find(head, H1_BAGGAGE, 0) < head->n_fields) {
        struct str member = take_member(&r, H1_BAGGAGE, SCOPE_MEMBER);
        if (member.p)
            rc = found_percent(&r, APP_CARRIER_BAGGAGE, member, "baggage");
    }
    if (h1_find(head, H1_TRACESTATE, 0) < head->n_fields)
        out->memory_ids[0] = take_member(&r, H1_TRACESTATE, TRACE_MEMBER);
    if (rc == 0 && arena_overflowed(arena))
        rc = diag_set(d, ERR_NO_MEMORY, "no memory for the request's carriers");
    return rc;
}

/* ---- 3 and 6: what the class tells */

/* "name@scope" in a path variable: the target without "@scope". */
static int read_path(struct reading *r, const struct app_class *class_, size_t variable)
{
    struct str value = class_->values[variable];
    struct str target = r->out->target;
    ptrdiff_t at = str_find(value, r->app->carriers.path_separator);
    if (at < 0)
        return 0;
    size_t begin = (size_t)(value.p - target.p) + (size_t)at, end = begin + value.n - (size_t)at;
    struct str before = str_sub(target, 0, begin), after = str_from(target, end);
    r->out->target = arena_printf(r->arena, "%.*s%.*s", STR_ARG(before), STR_ARG(after));
    return found_percent(r, APP_CARRIER_PATH, str_from(value, (size_t)at + 1), "the path");
}

static int read_body(struct reading *r, struct str body)
{
    char memory[DECODED_BYTES];
    struct out o;
    struct str value;
    if (json_find(body, r->app->carriers.body_pointer, &value) != JSON_FOUND)
        return 0;
    out_init(&o, memory, sizeof memory);
    int rc = json_unescape(value, &o);
    return take_decoded(r, APP_CARRIER_BODY, &o, rc, "the body");
}

int app_carriers_read_body(const struct app *app, const struct app_class *class_, struct str body,
                           struct arena *arena, struct app_carried *io, struct diag *d)
{
    struct reading r = {app, NULL, arena, io, d};
    const struct app_type *type = class_->type;
    int rc = 0;
    if (!type)
        return 0;
    for (size_t i = 0; i < class_->n_variables && type->path_carrier.p && rc == 0; i++)
        if (str_eq(class_->names[i], type->path_carrier) && app->carriers.path_separator)
            rc = read_path(&r, class_, i);
    if (rc == 0 && type->has_body_carrier && body.p && io->carrier == APP_CARRIER_NONE)
        rc = read_body(&r, body);
    return rc;
}

/* ---- setting */

static bool has_suffix(const struct app_carriers_in *in, struct str name)
{
    const struct app_propagate *p = &in->app->propagate;
    return in->with_suffix && !in->service->checks_credentials &&
           is_among(name, p->credential_fields, p->n_credential_fields);
}

void app_carriers_set(const struct app_carriers_in *in, struct h1_head *head, struct out *o)
{
    const struct app_propagate *p = &in->app->propagate;
    struct str correlation = in->app->carriers.correlation_field;
    bool with_correlation = p->correlation && correlation.p && in->ids.correlation.p;
    if (p->scope_field) {
        OUT(o, "Scope: ");
        out_str(o, in->scope);
        OUT(o, "\r\n");
    }
    if (p->baggage) {
        OUT(o, "baggage: scope=");
        uri_encode(in->scope, o);
        OUT(o, "\r\n");
    }
    if (in->ids.trace_id.p) {
        OUT(o, "tracestate: cheops=");
        out_str(o, in->ids.trace_id);
        OUT(o, "\r\n");
    }
    for (size_t i = 0; i < head->n_fields; i++) {
        struct str name = h1_name(head, i);
        if (head->fields[i].id != H1_OTHER || head->fields[i].drop)
            continue;
        if (with_correlation && name_is(name, correlation)) {
            head->fields[i].drop = true;
        } else if (has_suffix(in, name)) {
            head->fields[i].drop = true;
            out_str(o, name);
            OUT(o, ": ");
            out_str(o, h1_value(head, i));
            out_str(o, SUFFIX);
            base64_encode(BASE64_URL, in->scope, o);
            OUT(o, "\r\n");
        }
    }
    if (with_correlation) {
        out_str(o, correlation);
        OUT(o, ": ");
        out_str(o, in->ids.correlation);
        OUT(o, "\r\n");
    }
}

size_t app_carriers_names(const struct app_carriers_in *in, struct str *names, size_t max)
{
    const struct app *app = in->app;
    const struct app_propagate *p = &app->propagate;
    size_t n = 0;
    if (p->scope_field && n < max)
        names[n++] = STR("Scope");
    if (p->baggage && n < max)
        names[n++] = STR("baggage");
    if (n < max)
        names[n++] = STR("tracestate");
    for (size_t i = 0; i < p->n_credential_fields && n < max; i++)
        if (has_suffix(in, p->credential_fields[i]))
            names[n++] = p->credential_fields[i];
    if (p->correlation && app->carriers.correlation_field.p && n < max)
        names[n++] = app->carriers.correlation_field;
    return n;
}

/* ---- the prefix, put back */

/* A reference: "/path", or "http(s)://authority/path" to this door. */
static void put_reference(struct str prefix, struct str authority, struct str ref, struct out *o)
{
    size_t skip = str_starts(ref, STR("http://")) ? 7 : str_starts(ref, STR("https://")) ? 8 : 0;
    struct str rest = str_from(ref, skip);
    if (skip && authority.p && str_eq_nocase(str_sub(rest, 0, authority.n), authority))
        skip += authority.n;
    else if (skip)
        skip = ref.n;
    rest = str_from(ref, skip);
    out_str(o, str_sub(ref, 0, skip));
    if (rest.n && rest.p[0] == '/' && !(skip == 0 && rest.n > 1 && rest.p[1] == '/'))
        out_str(o, prefix);
    out_str(o, rest);
}

void app_prefix_put_back(struct str prefix, struct str authority, struct str value, bool is_link,
                         struct out *o)
{
    if (!is_link) {
        put_reference(prefix, authority, value, o);
        return;
    }
    while (value.n) { /* links stand between '<' and '>' (RFC 8288) */
        ptrdiff_t open = str_find(value, '<');
        ptrdiff_t close = open < 0 ? -1 : str_find(str_from(value, (size_t)open), '>');
        if (close < 0) {
            out_str(o, value);
            return;
        }
        out_str(o, str_sub(value, 0, (size_t)open + 1));
        put_reference(prefix, authority, str_sub(value, (size_t)open + 1, (size_t)close - 1), o);
        value = str_from(value, (size_t)(open + close));
    }
}
