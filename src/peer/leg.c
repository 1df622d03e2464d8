/* The field Cheops-Leg, an RFC 8941 dictionary:
 *
 *     service="image", txn="00c0ffee00c0ffee", scope=:e2ltYWdlOiBQYXJpc30=:, deadline=59998
 *
 * Members of later versions are passed over. Those of this one are read strictly: the scope goes
 * into fields of a request to a service, so that nothing but a scope may be in it.
 */
#include "codec/base64.h"
#include "peer/peer.h"
#include "scope/scope.h"

#define TRANSACTION_DIGITS 16

void peer_leg_write(const struct peer_leg *leg, struct out *o)
{
    OUT(o, "service=\"");
    out_str(o, leg->service); /* a name: nothing in it needs a backslash */
    OUT(o, "\", txn=\"");
    out_hex64(o, leg->transaction);
    OUT(o, "\", scope=:");
    base64_encode(BASE64_STANDARD, leg->scope, o);
    OUT(o, ":, deadline=");
    out_u64(o, leg->deadline_ms);
}

/* "text" without escapes, which no member of ours needs. */
static int quoted(struct str s, struct str *out)
{
    if (s.n < 3 || s.p[0] != '"' || s.p[s.n - 1] != '"')
        return ERR_BAD_REQUEST;
    struct str text = str_sub(s, 1, s.n - 2);
    if (memchr(text.p, '"', text.n) || memchr(text.p, '\\', text.n))
        return ERR_BAD_REQUEST;
    *out = text;
    return 0;
}

static int take_service(struct str value, struct arena *a, struct peer_leg *out)
{
    (void)a;
    return quoted(value, &out->service);
}

static int take_transaction(struct str value, struct arena *a, struct peer_leg *out)
{
    struct str digits;
    (void)a;
    if (quoted(value, &digits) < 0 || digits.n != TRANSACTION_DIGITS)
        return ERR_BAD_REQUEST;
    for (size_t i = 0; i < digits.n; i++)
        if (digits.p[i] >= 'A' && digits.p[i] <= 'F')
            return ERR_BAD_REQUEST;
    return str_hex(digits, UINT64_MAX, &out->transaction) < 0 ? ERR_BAD_REQUEST : 0;
}

/* As a site prints what it has frozen: canonical, no `here`, no bare location. Freezing it once
 * more changes nothing then. */
static int check_scope(struct str text, struct arena *a)
{
    struct scope *parsed, *frozen = NULL;
    char memory[SCOPE_MAX_BYTES];
    struct out o;
    int rc = scope_parse(text, a, &parsed, NULL);
    if (rc == 0)
        rc = scope_freeze(parsed, STR("-"), STR("-"), a, &frozen, NULL);
    if (rc < 0)
        return rc == ERR_NO_MEMORY ? rc : ERR_BAD_REQUEST;
    out_init(&o, memory, sizeof memory);
    scope_print(frozen, &o);
    return o.overflowed || !str_eq(out_get(&o), text) ? ERR_BAD_REQUEST : 0;
}

static int take_scope(struct str value, struct arena *a, struct peer_leg *out)
{
    char memory[SCOPE_MAX_BYTES];
    struct out o;
    if (value.n < 2 || value.p[0] != ':' || value.p[value.n - 1] != ':')
        return ERR_BAD_REQUEST;
    out_init(&o, memory, sizeof memory);
    if (base64_decode(BASE64_STANDARD, str_sub(value, 1, value.n - 2), &o) < 0 || o.overflowed)
        return ERR_BAD_REQUEST;
    int rc = check_scope(out_get(&o), a);
    if (rc == 0)
        out->scope = arena_str(a, out_get(&o));
    return rc == 0 && !out->scope.p ? ERR_NO_MEMORY : rc;
}

static int take_deadline(struct str value, struct arena *a, struct peer_leg *out)
{
    uint64_t ms;
    (void)a;
    if (str_digits(value, PEER_LEG_DEADLINE_MAX_MS, &ms) < 0 || ms == 0)
        return ERR_BAD_REQUEST;
    out->deadline_ms = ms;
    return 0;
}

static const struct member {
    struct str key;
    int (*take)(struct str value, struct arena *a, struct peer_leg *out);
    const char *what;
} members[] = {
    {{"service", 7}, take_service, "a quoted name"},
    {{"txn", 3}, take_transaction, "16 hexadecimal digits in quotes"},
    {{"scope", 5}, take_scope, "a frozen scope in base64 between colons"},
    {{"deadline", 8}, take_deadline, "milliseconds, from 1 to an hour"},
};

static int refuse(struct diag *d, const struct member *m, const char *how)
{
    return diag_set(d, ERR_BAD_REQUEST, "Cheops-Leg: %.*s %s: %s", STR_ARG(m->key), how, m->what);
}

static int take_member(struct str member, unsigned *seen, struct arena *a, struct peer_leg *out,
                       struct diag *d)
{
    ptrdiff_t equals = str_find(member, '=');
    struct str key = str_sub(member, 0, equals < 0 ? member.n : (size_t)equals);
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        const struct member *m = &members[i];
        if (!str_eq(key, m->key))
            continue;
        if (*seen & (1u << i))
            return refuse(d, m, "stands twice");
        *seen |= 1u << i;
        int rc = m->take(str_from(member, key.n + 1), a, out);
        return rc == ERR_BAD_REQUEST ? refuse(d, m, "is malformed") : rc;
    }
    return 0; /* what a later version says beside it */
}

int peer_leg_parse(struct str value, struct arena *a, struct peer_leg *out, struct diag *d)
{
    struct str member;
    unsigned seen = 0;
    int rc = 0;
    *out = (struct peer_leg){0};
    while (rc == 0 && str_split(&value, ',', &member))
        rc = take_member(str_trim(member), &seen, a, out, d);
    for (size_t i = 0; i < COUNT_OF(members) && rc == 0; i++)
        if (!(seen & (1u << i)))
            rc = refuse(d, &members[i], "is missing");
    return rc == ERR_NO_MEMORY ? diag_set(d, rc, "no memory for what Cheops-Leg says") : rc;
}
