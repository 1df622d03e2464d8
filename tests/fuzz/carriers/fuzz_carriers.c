/* Fields with carriers of a scope. What is read is removed, whatever else is there; what is set is
 * found again as the same scope; memory grows with the request and not faster.
 *
 *   byte 0     bits 0 to 3: what the description propagates
 *   byte 1     length of the scope, which comes next
 *   the rest   target, a line feed, field lines
 */
#include "fuzz.h"

#include "app/carrier.h"
#include "base/check.h"

#define MAX_BYTES 4096
#define TRACE_ID  "00f067aa0ba902b7"

static struct str credentials[] = {{"X-Auth-Token", 12}, {"X-Subject-Token", 15}};
static struct str named[] = {{"OpenStack-Scope", 15}};

struct head {
    struct h1_head head;
    struct h1_field fields[H1_MAX_FIELDS];
    char bytes[8 * MAX_BYTES];
};

static void app_of(struct app *app, uint8_t flags)
{
    *app = (struct app){.name = STR("fuzz")};
    app->carriers = (struct app_carriers){.credential_fields = credentials,
                                          .n_credential_fields = COUNT_OF(credentials),
                                          .scope_fields = named,
                                          .n_scope_fields = COUNT_OF(named),
                                          .correlation_field = STR("X-Request-Id"),
                                          .correlation_form = STR("req-{uuid4}")};
    app->propagate = (struct app_propagate){.scope_field = flags & 1,
                                            .baggage = flags & 2,
                                            .credential_fields = credentials,
                                            .n_credential_fields = flags & 4 ? 1 : 0,
                                            .correlation = flags & 8};
}

/* Parses a request with these lines; false when it is none. */
static bool parse(struct head *h, struct str target, struct str lines, struct str more)
{
    struct out o;
    const char *why;
    out_init(&o, h->bytes, sizeof h->bytes);
    OUT(&o, "GET ");
    out_str(&o, target);
    OUT(&o, " HTTP/1.1\r\nHost: a\r\n");
    out_str(&o, lines);
    out_str(&o, more);
    OUT(&o, "\r\n");
    CHECK(!o.overflowed);
    /* What begins with its query gets a path before anything is read of it (http/server.c). */
    return h1_request_parse(&h->head, out_get(&o), h->fields, COUNT_OF(h->fields), &why) == 0 &&
           h->head.target.p[0] != '?';
}

static bool is_among(struct str name, const struct str *names, size_t n)
{
    while (n > 0 && !str_eq_nocase(name, names[n - 1]))
        n--;
    return n > 0;
}

/* Nothing of what may carry a scope is left in the fields that will be forwarded. */
static void check_removed(const struct h1_head *h)
{
    for (size_t i = 0; i < h->n_fields; i++) {
        struct str name = h1_name(h, i), value = h1_value(h, i);
        if (h->fields[i].drop)
            continue;
        CHECK(h->fields[i].id != H1_SCOPE && h->fields[i].id != H1_X_SCOPE);
        CHECK(!is_among(name, named, COUNT_OF(named)));
        CHECK(!str_eq_nocase(str_sub(name, 0, 7), STR("cheops-")) || name.n == 7);
        if (is_among(name, credentials, COUNT_OF(credentials)))
            CHECK(!memmem(value.p, value.n, "~SCOPE~", 7) &&
                  !memmem(value.p, value.n, "!SCOPE!", 7));
    }
}

static bool is_scope_text(struct str s)
{
    return s.n > 0 && h1_is_field_value(s) && str_eq(str_trim(s), s);
}

/* The request as it is forwarded, read again. */
static void check_set(const struct app *app, struct h1_head *h, struct str lines[2],
                      struct str scope)
{
    static struct head again;
    static char copied[8 * MAX_BYTES];
    const struct app_propagate *p = &app->propagate;
    struct app_service service = {.name = STR("fuzz")};
    struct app_carriers_in in = {.app = app, .service = &service, .with_suffix = true};
    struct app_carried found;
    struct arena arena;
    struct out o;
    struct str names[8];
    arena_init(&arena, NULL, 0, 1 << 20);
    CHECK(app_scope_encode(&in.scope, scope, &arena) == 0);
    in.ids.trace_id = STR(TRACE_ID);
    in.ids.correlation = STR("req-0123abcd-0000-4000-8000-000000000000");
    size_t n = app_carriers_names(&in, h, names, COUNT_OF(names));
    out_init(&o, copied, sizeof copied);
    app_carriers_set(&in, h, &o);
    struct str set = out_get(&o);
    size_t n_lines = 0;
    for (size_t i = 0; i < set.n; i++)
        n_lines += set.p[i] == '\n';
    CHECK(n <= n_lines);
    h1_copy_fields(h, &o);
    for (size_t i = 0; i < 2; i++)
        out_str(&o, lines[i]);
    CHECK(!o.overflowed);
    if (!parse(&again, STR("/"), out_get(&o), STR("")))
        goto end; /* more fields than there may be: what is set counts, too */
    CHECK(app_carriers_read(app, &again.head, &arena, &found, NULL) == 0);
    enum app_carrier first = p->scope_field ? APP_CARRIER_FIELD : APP_CARRIER_NONE;
    if (first == APP_CARRIER_NONE && is_among(credentials[0], names, n))
        first = APP_CARRIER_CREDENTIAL;
    if (first == APP_CARRIER_NONE && p->baggage)
        first = APP_CARRIER_BAGGAGE;
    CHECK(found.carrier == first);
    CHECK(first == APP_CARRIER_NONE || str_eq(found.text, scope));
    CHECK(str_eq(found.memory_ids[0], STR(TRACE_ID)));
    if (p->correlation)
        CHECK(str_eq(found.memory_ids[1], in.ids.correlation));
end:
    arena_fini(&arena);
}

static void check(const struct app *app, struct str target, struct str fields, struct str scope)
{
    static struct head head;
    struct app_carried carried;
    struct arena arena;
    struct diag d = {0};
    if (!parse(&head, target, fields, STR_NULL))
        return;
    /* Of a field, and of the target, there is at most one copy, and some lists twice. */
    arena_init(&arena, NULL, 0, 4 * (target.n + fields.n) + 1024);
    int rc = app_carriers_read(app, &head.head, &arena, &carried, &d);
    CHECK(rc == 0 || rc == ERR_SCOPE_SYNTAX);
    CHECK(d.code == rc && (rc == 0 || d.message[0]));
    CHECK(carried.target.n > 0 && carried.target.p[0] == (target.p[0] == '*' ? '*' : '/'));
    CHECK(!carried.text.p || rc == 0);
    if (rc == 0) {
        check_removed(&head.head);
        CHECK((carried.carrier == APP_CARRIER_NONE) == !carried.text.p);
        if (is_scope_text(scope))
            check_set(app, &head.head, carried.lines, scope);
    }
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct app app;
    if (size < 2 || size > MAX_BYTES)
        return 0;
    struct str all = {(const char *)data + 2, size - 2};
    struct str scope = str_sub(all, 0, data[1]), rest = str_from(all, data[1]);
    ptrdiff_t end = str_find(rest, '\n');
    if (end < 0)
        return 0;
    app_of(&app, data[0]);
    check(&app, str_sub(rest, 0, (size_t)end), str_from(rest, (size_t)end + 1), scope);
    return 0;
}
