#include "proxy/forwarded.h"

#define HOST_MAX   255
#define PREFIX_MAX 255

/* The last elements of a list that may stand in several fields. */
struct elements {
    struct str text[PROXY_FORWARDED_MAX];
    size_t n;
};

static void push(struct elements *e, struct str text)
{
    text = str_trim(text);
    if (!text.n)
        return;
    if (e->n == PROXY_FORWARDED_MAX) {
        e->n--;
        memmove(e->text, e->text + 1, e->n * sizeof *e->text);
    }
    e->text[e->n++] = text;
}

/* Takes what stands before the next separator that is not within quotes. False at the end. */
static bool split_quoted(struct str *rest, char separator, struct str *piece)
{
    bool in_quotes = false;
    if (!rest->p)
        return false;
    for (size_t i = 0; i < rest->n; i++) {
        if (rest->p[i] == '"')
            in_quotes = !in_quotes;
        else if (rest->p[i] == '\\' && in_quotes)
            i++;
        else if (rest->p[i] == separator && !in_quotes) {
            *piece = str_sub(*rest, 0, i);
            *rest = str_from(*rest, i + 1);
            return true;
        }
    }
    *piece = *rest;
    *rest = STR_NULL;
    return true;
}

static void collect(const struct h1_head *h, enum h1_field_id id, struct elements *e)
{
    for (size_t i = h1_find(h, id, 0); i < h->n_fields; i = h1_find(h, id, i + 1)) {
        struct str rest = h1_value(h, i), piece;
        while (split_quoted(&rest, ',', &piece))
            push(e, piece);
    }
}

/* The value of a parameter of an element of Forwarded, without quotes; absent: not there, or with
 * an escape, which no address and no host needs. */
static struct str parameter(struct str element, struct str name)
{
    struct str pair;
    while (split_quoted(&element, ';', &pair)) {
        ptrdiff_t equals = str_find(pair, '=');
        if (equals < 0 || !str_eq_nocase(str_trim(str_sub(pair, 0, (size_t)equals)), name))
            continue;
        struct str value = str_trim(str_from(pair, (size_t)equals + 1));
        bool is_quoted = value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"';
        if (is_quoted)
            value = str_sub(value, 1, value.n - 2);
        return str_find(value, '\\') < 0 && str_find(value, '"') < 0 ? value : STR_NULL;
    }
    return STR_NULL;
}

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80". */
static int read_node(struct str text, struct rt_ip *out)
{
    uint64_t port;
    struct str rest = STR_NULL;
    ptrdiff_t colon = str_find(text, ':');
    if (str_starts(text, STR("["))) {
        ptrdiff_t end = str_find(text, ']');
        if (end < 0)
            return ERR_INVALID;
        rest = str_from(text, (size_t)end + 1);
        text = str_sub(text, 1, (size_t)end - 1);
        if (str_find(text, ':') < 0)
            return ERR_INVALID;
    } else if (colon >= 0 && str_find(str_from(text, (size_t)colon + 1), ':') < 0) {
        rest = str_from(text, (size_t)colon);
        text = str_sub(text, 0, (size_t)colon);
    }
    if (rest.n && (rest.p[0] != ':' || str_digits(str_from(rest, 1), 65535, &port) < 0))
        return ERR_INVALID;
    return rt_ip_parse(text, out);
}

/* ---- how the client reached the proxy: a single value of the expected form, or none */

static struct str valid_proto(struct str s)
{
    return str_eq_nocase(s, STR("https"))  ? STR("https")
           : str_eq_nocase(s, STR("http")) ? STR("http")
                                           : STR_NULL;
}

static bool is_made_of(struct str s, const char *more, size_t max)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool is_plain = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        if (!is_plain && (!c || !strchr(more, c)))
            return false;
    }
    return s.n > 0 && s.n <= max;
}

static struct str valid_host(struct str s)
{
    return is_made_of(s, "-._:[]", HOST_MAX) ? s : STR_NULL;
}

static struct str valid_prefix(struct str s)
{
    bool is_path = s.p && s.n && s.p[0] == '/';
    return is_path && is_made_of(s, "-._~/%+@!$&'()*=:", PREFIX_MAX) ? s : STR_NULL;
}

static struct str single(const struct h1_head *h, enum h1_field_id id)
{
    size_t i = h1_find(h, id, 0);
    return i < h->n_fields && h1_find(h, id, i + 1) == h->n_fields ? h1_value(h, i) : STR_NULL;
}

static void read_door(const struct h1_head *h, bool is_forwarded, struct str client,
                      struct proxy_forwarded *out)
{
    out->prefix = valid_prefix(single(h, H1_X_FORWARDED_PREFIX));
    if (is_forwarded) {
        out->proto = valid_proto(parameter(client, STR("proto")));
        out->host = valid_host(parameter(client, STR("host")));
    } else {
        out->proto = valid_proto(single(h, H1_X_FORWARDED_PROTO));
        out->host = valid_host(single(h, H1_X_FORWARDED_HOST));
    }
}

void proxy_forwarded_read(const struct h1_head *h, const struct proxy_forwarded_by *by,
                          struct proxy_forwarded *out)
{
    struct elements e = {.n = 0};
    struct rt_ip back[PROXY_FORWARDED_MAX] = {by->peer}; /* the last one first */
    struct str client = STR_NULL;                        /* the element that names the client */
    size_t n = 1;
    collect(h, by->is_forwarded ? H1_FORWARDED : H1_X_FORWARDED_FOR, &e);
    /* Whoever named the next one is trusted, or the loop has ended. */
    while (e.n && n < PROXY_FORWARDED_MAX &&
           rt_ip_is_in(&back[n - 1], by->proxies, by->n_proxies)) {
        struct str element = e.text[--e.n];
        struct str node = by->is_forwarded ? parameter(element, STR("for")) : element;
        if (read_node(node, &back[n]) < 0)
            break; /* not an address, such as "unknown": no further word can be placed */
        client = element;
        n++;
    }
    *out = (struct proxy_forwarded){.n = n};
    for (size_t i = 0; i < n; i++)
        out->chain[i] = back[n - 1 - i];
    read_door(h, by->is_forwarded, client, out);
}

void proxy_forwarded_drop(struct h1_head *h, bool only_own)
{
    h1_drop(h, H1_FORWARDED);
    h1_drop(h, H1_X_FORWARDED_FOR);
    h1_drop(h, H1_X_FORWARDED_PROTO);
    h1_drop(h, H1_X_FORWARDED_HOST);
    h1_drop(h, H1_X_FORWARDED_PREFIX);
    if (!only_own)
        h1_drop(h, H1_OTHER_X_FORWARDED);
}
