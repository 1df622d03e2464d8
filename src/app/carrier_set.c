/* Carriers on the way to a service, and what an answer gets back. */
#include "app/carrier.h"
#include "app/field.h"
#include "codec/base64.h"
#include "codec/trace.h"
#include "codec/uri.h"

int app_scope_encode(struct app_scope_text *s, struct str text, struct arena *arena)
{
    struct out base64, percent;
    char *memory = arena_alloc(arena, 2 * text.n + 4); /* 4 for each 3 bytes begun */
    char *more = arena_alloc(arena, 3 * text.n);
    if (!memory || !more || arena_overflowed(arena))
        return ERR_NO_MEMORY;
    out_init(&base64, memory, 2 * text.n + 4);
    out_init(&percent, more, 3 * text.n);
    base64_encode(BASE64_URL, text, &base64);
    uri_encode(text, &percent);
    *s = (struct app_scope_text){text, out_get(&base64), out_get(&percent)};
    return 0;
}

static bool sets_suffix(const struct app_carriers_in *in, struct str name)
{
    const struct app_propagate *p = &in->app->propagate;
    return in->with_suffix && !in->service->checks_credentials &&
           app_field_is_among(name, p->credential_fields, p->n_credential_fields);
}

static void put_field(struct out *o, struct str name, struct str value)
{
    out_str(o, name);
    OUT(o, ": ");
    out_str(o, value);
    OUT(o, "\r\n");
}

static void put_with_suffix(const struct app_carriers_in *in, struct str name, struct str value,
                            struct out *o)
{
    out_str(o, name);
    OUT(o, ": ");
    out_str(o, value);
    out_str(o, APP_SUFFIX);
    out_str(o, in->scope.base64);
    OUT(o, "\r\n");
}

void app_carriers_set(const struct app_carriers_in *in, struct h1_head *head, struct out *o)
{
    const struct app_propagate *p = &in->app->propagate;
    struct str correlation = in->app->carriers.correlation_field;
    bool with_correlation = p->correlation && correlation.p && in->ids.correlation.p;
    if (p->scope_field) {
        OUT(o, "Scope: ");
        out_str(o, in->scope.text);
        OUT(o, "\r\n");
    }
    if (p->baggage) {
        OUT(o, "baggage: scope=");
        out_str(o, in->scope.percent);
        OUT(o, "\r\n");
    }
    if (in->ids.trace_id.p) {
        OUT(o, "tracestate: cheops=");
        out_str(o, in->ids.trace_id);
        if (trace_count_members(head) >= TRACE_MAX_MEMBERS) /* the oldest go */
            trace_move_members(head, TRACE_MAX_MEMBERS - 1, o);
        OUT(o, "\r\n");
    }
    for (size_t i = 0; i < head->n_fields; i++) {
        if (h1_is_known(head->fields[i].id) || head->fields[i].drop)
            continue;
        struct str name = h1_name(head, i), value = h1_value(head, i);
        if (with_correlation && app_field_is(name, correlation)) {
            head->fields[i].drop = true;
        } else if (value.n && sets_suffix(in, name)) {
            head->fields[i].drop = true;
            put_with_suffix(in, name, value, o);
        }
    }
    if (with_correlation)
        put_field(o, correlation, in->ids.correlation);
}

/* Whether the request has a credential in that field which app_carriers_set would give a suffix. */
static bool carries(const struct h1_head *head, struct str credential)
{
    for (size_t i = 0; i < head->n_fields; i++)
        if (!h1_is_known(head->fields[i].id) && !head->fields[i].drop && h1_value(head, i).n &&
            app_field_is(h1_name(head, i), credential))
            return true;
    return false;
}

size_t app_carriers_names(const struct app_carriers_in *in, const struct h1_head *head,
                          struct str *names, size_t max)
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
        if (sets_suffix(in, p->credential_fields[i]) && carries(head, p->credential_fields[i]))
            names[n++] = p->credential_fields[i];
    if (p->correlation && app->carriers.correlation_field.p && n < max)
        names[n++] = app->carriers.correlation_field;
    return n;
}

/* ---- the prefix, put back */

/* What of a reference stands before its path: nothing, or "http(s)://authority" of this door. -1:
 * it leads elsewhere, or is relative to the client's own URL, which has the prefix. */
static ptrdiff_t path_begins(struct str ref, struct str authority)
{
    static const struct str schemes[] = {{"http://", 7}, {"https://", 8}};
    for (size_t i = 0; i < 2; i++) {
        if (!str_eq_nocase(str_sub(ref, 0, schemes[i].n), schemes[i]))
            continue;
        struct str rest = str_from(ref, schemes[i].n);
        if (!authority.p || !str_eq_nocase(str_sub(rest, 0, authority.n), authority))
            return -1;
        rest = str_from(rest, authority.n);
        bool ends = rest.n == 0 || rest.p[0] == '/' || rest.p[0] == '?' || rest.p[0] == '#';
        return ends ? (ptrdiff_t)(schemes[i].n + authority.n) : -1;
    }
    return str_starts(ref, STR("/")) && !str_starts(ref, STR("//")) ? 0 : -1;
}

static void put_reference(struct str prefix, struct str authority, struct str ref, struct out *o)
{
    ptrdiff_t at = path_begins(ref, authority);
    struct str path = str_from(ref, at < 0 ? 0 : (size_t)at), segment;
    if (at < 0 || (uri_segment(&path, &segment) && uri_segment_is(segment, STR("~scope")))) {
        out_str(o, ref);
        return;
    }
    out_str(o, str_sub(ref, 0, (size_t)at));
    out_str(o, prefix);
    out_str(o, str_from(ref, (size_t)at));
}

/* Where the next link of a Link field begins, a '<' that is not in a quoted parameter; -1: none. */
static ptrdiff_t next_link(struct str value)
{
    bool quoted = false;
    for (size_t i = 0; i < value.n; i++) {
        if (quoted && value.p[i] == '\\')
            i++;
        else if (value.p[i] == '"')
            quoted = !quoted;
        else if (value.p[i] == '<' && !quoted)
            return (ptrdiff_t)i;
    }
    return -1;
}

void app_prefix_put_back(struct str prefix, struct str authority, struct str value, bool is_link,
                         struct out *o)
{
    if (!is_link) {
        put_reference(prefix, authority, value, o);
        return;
    }
    while (value.n) { /* links stand between '<' and '>' (RFC 8288) */
        ptrdiff_t open = next_link(value);
        ptrdiff_t length = open < 0 ? -1 : str_find(str_from(value, (size_t)open + 1), '>');
        if (length < 0) {
            out_str(o, value);
            return;
        }
        out_str(o, str_sub(value, 0, (size_t)open + 1));
        put_reference(prefix, authority, str_sub(value, (size_t)open + 1, (size_t)length), o);
        value = str_from(value, (size_t)(open + 1 + length));
    }
}
