/* The field Cheops-Leg, an RFC 8941 dictionary:
 *
 *     service="image", txn="00c0ffee00c0ffee", scope=:e2ltYWdlOiBQYXJpc30=:, deadline=59998
 */
#include "codec/base64.h"
#include "peer/peer.h"

#define SCOPE_BYTES 8192

void peer_leg_write(const struct peer_leg *leg, struct out *o)
{
    OUT(o, "service=\"");
    out_str(o, leg->service); /* a name: nothing in it needs a backslash */
    OUT(o, "\", txn=\"");
    out_str(o, leg->transaction);
    OUT(o, "\", scope=:");
    base64_encode(BASE64_STANDARD, leg->scope, o);
    OUT(o, ":, deadline=");
    out_u64(o, leg->deadline_ms);
}

/* "text" without escapes, which no member of ours needs. */
static int quoted(struct str s, struct str *out)
{
    if (s.n < 2 || s.p[0] != '"' || s.p[s.n - 1] != '"')
        return ERR_BAD_REQUEST;
    *out = str_sub(s, 1, s.n - 2);
    return out->n == 0 || memchr(out->p, '"', out->n) || memchr(out->p, '\\', out->n)
               ? ERR_BAD_REQUEST
               : 0;
}

static int scope_of(struct str s, struct arena *a, struct str *out)
{
    char memory[SCOPE_BYTES];
    struct out o;
    if (s.n < 2 || s.p[0] != ':' || s.p[s.n - 1] != ':')
        return ERR_BAD_REQUEST;
    out_init(&o, memory, sizeof memory);
    if (base64_decode(BASE64_STANDARD, str_sub(s, 1, s.n - 2), &o) < 0 || o.overflowed)
        return ERR_BAD_REQUEST;
    *out = arena_str(a, out_get(&o));
    return out->p ? 0 : ERR_NO_MEMORY;
}

static int take_member(struct str member, struct arena *a, struct peer_leg *out)
{
    ptrdiff_t eq = str_find(member, '=');
    struct str key = str_sub(member, 0, eq < 0 ? 0 : (size_t)eq);
    struct str value = eq < 0 ? STR_NULL : str_from(member, (size_t)eq + 1);
    if (str_eq(key, STR("service")))
        return quoted(value, &out->service);
    if (str_eq(key, STR("txn")))
        return quoted(value, &out->transaction);
    if (str_eq(key, STR("scope")))
        return scope_of(value, a, &out->scope);
    if (str_eq(key, STR("deadline")))
        return str_digits(value, 3600000, &out->deadline_ms) < 0 ? ERR_BAD_REQUEST : 0;
    return 0; /* what a later version says beside it */
}

int peer_leg_parse(struct str value, struct arena *a, struct peer_leg *out, struct diag *d)
{
    struct str member;
    int rc = 0;
    *out = (struct peer_leg){0};
    while (rc == 0 && str_split(&value, ',', &member))
        rc = take_member(str_trim(member), a, out);
    if (rc == 0 && (!out->service.p || !out->transaction.p || !out->scope.p || !out->deadline_ms))
        rc = ERR_BAD_REQUEST;
    if (rc < 0)
        diag_set(d, rc, "the field Cheops-Leg is malformed");
    return rc;
}
