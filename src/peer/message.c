#include "peer/message.h"

#include <jansson.h>

#define VERSION_MAX 1000000

/* ---- hello */

void peer_hello_write(const struct peer_hello *h, struct out *o)
{
    OUT(o, "{\"site\":");
    out_json(o, str_of(h->site));
    out_fmt(o, ",\"incarnation\":\"%016llx\",\"protocol\":[%u,%u],\"application\":",
            (unsigned long long)h->incarnation, h->least, h->most);
    out_json(o, str_of(h->application));
    out_fmt(o, ",\"digest\":\"%016llx\"}", (unsigned long long)h->digest);
}

static int refuse(struct diag *d, const char *member, const char *form)
{
    return diag_set(d, ERR_BAD_REQUEST, "the hello's member '%s' is not %s", member, form);
}

static int read_name(const json_t *hello, const char *member, char *to, struct diag *d)
{
    struct str text = str_of(json_string_value(json_object_get(hello, member)));
    if (text.n == 0 || text.n >= PEER_NAME_BYTES)
        return refuse(d, member, "a name of 1 to 63 bytes");
    memcpy(to, text.p, text.n);
    to[text.n] = 0;
    return 0;
}

static int read_id(const json_t *hello, const char *member, uint64_t *to, struct diag *d)
{
    struct str text = str_of(json_string_value(json_object_get(hello, member)));
    if (text.n != PEER_ID_DIGITS || str_hex(text, UINT64_MAX, to) < 0)
        return refuse(d, member, "of 16 hexadecimal digits");
    return 0;
}

static int read_version(const json_t *v, unsigned *to)
{
    json_int_t n = json_is_integer(v) ? json_integer_value(v) : 0;
    *to = n > 0 && n <= VERSION_MAX ? (unsigned)n : 0;
    return *to ? 0 : ERR_BAD_REQUEST;
}

static int read_versions(const json_t *hello, struct peer_hello *out, struct diag *d)
{
    const json_t *range = json_object_get(hello, "protocol");
    if (json_array_size(range) != 2 || read_version(json_array_get(range, 0), &out->least) < 0 ||
        read_version(json_array_get(range, 1), &out->most) < 0 || out->least > out->most)
        return refuse(d, "protocol", "two version numbers, the least and the most");
    return 0;
}

int peer_hello_read(struct str text, struct peer_hello *out, struct diag *d)
{
    json_t *hello = json_loadb(text.n ? text.p : "", text.n, JSON_REJECT_DUPLICATES, NULL);
    *out = (struct peer_hello){0};
    int rc =
        json_is_object(hello) ? 0 : diag_set(d, ERR_BAD_REQUEST, "the hello is not a JSON object");
    if (rc == 0)
        rc = read_name(hello, "site", out->site, d);
    if (rc == 0)
        rc = read_versions(hello, out, d);
    if (rc == 0 && out->least <= PEER_PROTOCOL_MAX && out->most >= PEER_PROTOCOL_MIN) {
        rc = read_name(hello, "application", out->application, d);
        if (rc == 0)
            rc = read_id(hello, "incarnation", &out->incarnation, d);
        if (rc == 0)
            rc = read_id(hello, "digest", &out->digest, d);
    }
    json_decref(hello);
    return rc;
}

/* ---- heartbeats */

static void write_round_trip(struct str name, uint32_t us, struct out *o)
{
    out_json(o, name);
    out_char(o, ':');
    if (us == PEER_RTT_UNKNOWN)
        OUT(o, "null");
    else
        out_u64(o, us);
}

void peer_heartbeat_write(const struct cfg *cfg, const struct peer_sites *sites,
                          uint64_t incarnation, uint32_t *next, struct out *o)
{
    size_t first = *next < cfg->n_sites ? *next : 0, i = first;
    OUT(o, "{\"site\":");
    out_json(o, cfg->site);
    out_fmt(o, ",\"incarnation\":\"%016llx\"", (unsigned long long)incarnation);
    if (cfg->peers.revoked && rt_revoked_number(cfg->peers.revoked))
        out_fmt(o, ",\"crl\":%llu", (unsigned long long)rt_revoked_number(cfg->peers.revoked));
    OUT(o, ",\"row\":{");
    for (; i < cfg->n_sites && i - first < PEER_ROW_SITES; i++) {
        if (i > first)
            out_char(o, ',');
        write_round_trip(cfg->sites[i].name, peer_sites_rtt_us(sites, cfg->self, i), o);
    }
    OUT(o, "}}");
    *next = (uint32_t)i;
}

uint64_t peer_heartbeat_read(const struct cfg *cfg, struct peer_sites *sites, size_t from,
                             struct str text)
{
    const char *name;
    json_t *us, *message = json_loadb(text.n ? text.p : "", text.n, JSON_REJECT_DUPLICATES, NULL);
    json_t *row = json_object_get(message, "row");
    json_object_foreach(row, name, us)
    {
        long to = cfg_site_find(cfg, str_of(name));
        json_int_t v = json_is_null(us) ? PEER_RTT_UNKNOWN : json_integer_value(us);
        bool is_valid = json_is_null(us) || (json_is_integer(us) && v >= 0 && v < PEER_RTT_UNKNOWN);
        if (to >= 0 && is_valid)
            peer_sites_published(sites, from, (size_t)to, (uint32_t)v);
    }
    json_int_t crl = json_integer_value(json_object_get(message, "crl"));
    json_decref(message);
    return crl > 0 ? (uint64_t)crl : 0;
}
