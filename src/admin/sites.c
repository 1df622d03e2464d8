/* GET /v1/sites: the table of sites, as this one sees it. Every row has the same members; what is
 * not known is null. */
#include "admin/request.h"

#define SITE_BYTES 3072 /* a row with the longest names, addresses and reasons */
#define DAY_S      86400

static void put_number(struct out *o, const char *name, bool is_known, uint64_t value)
{
    out_fmt(o, ",\"%s\":", name);
    if (is_known)
        out_u64(o, value);
    else
        OUT(o, "null");
}

static void put_text(struct out *o, const char *name, struct str value)
{
    out_fmt(o, ",\"%s\":", name);
    if (value.n)
        out_json(o, value);
    else
        OUT(o, "null");
}

/* {"not_after": "2027-11-24T07:51:04Z", "days_left": 364}; days are negative when it has ended. */
static void put_certificate(struct out *o, int64_t end)
{
    char memory[40];
    struct out time;
    OUT(o, ",\"certificate\":");
    if (!end) {
        OUT(o, "null");
        return;
    }
    int64_t left = end - (int64_t)(rt_wall_us() / 1000000);
    out_init(&time, memory, sizeof memory);
    rt_print_time((uint64_t)end * 1000000, &time);
    out_fmt(o, "{\"not_after\":\"%.19sZ\",\"days_left\":%lld}", memory,
            (long long)(left >= 0 ? left / DAY_S : (left - DAY_S + 1) / DAY_S));
}

static void put_clock(struct out *o, int64_t ahead_ms)
{
    if (ahead_ms == PEER_CLOCK_UNKNOWN)
        OUT(o, ",\"clock_ms\":null");
    else
        out_fmt(o, ",\"clock_ms\":%lld", (long long)ahead_ms);
}

static struct str description(const struct admin_in *in, size_t site)
{
    if (site == in->cfg->self)
        return STR("same");
    switch (peer_description_of(in->peer, site)) {
    case PEER_DESCRIPTION_SAME:
        return STR("same");
    case PEER_DESCRIPTION_DIFFERS:
        return STR("differs");
    case PEER_DESCRIPTION_UNKNOWN:
        break;
    }
    return STR_NULL;
}

static void put_site(const struct admin_in *in, size_t i, struct out *o)
{
    const struct cfg *cfg = in->cfg;
    struct peer_sites *sites = peer_sites_of(in->peer);
    uint64_t now = rt_mono_us() / 1000, heard = peer_sites_heard_ms(sites, i);
    uint32_t rtt = peer_sites_rtt_us(sites, cfg->self, i);
    bool is_self = i == cfg->self, is_measured = !is_self && rtt != PEER_RTT_UNKNOWN;
    OUT(o, "{\"site\":");
    out_json(o, cfg->sites[i].name);
    out_str(o, is_self ? STR(",\"self\":true") : STR(",\"self\":false"));
    put_text(o, "state", peer_state_name(peer_sites_state(sites, i)));
    put_number(o, "since_ms", true, now - peer_sites_since_ms(sites, i));
    put_text(o, "address", is_self ? STR_NULL : rt_name_text(cfg->sites[i].address));
    put_number(o, "heard_ms", heard != 0, now - heard);
    put_number(o, "rtt_us", is_measured, rtt);
    put_number(o, "jitter_us", is_measured, peer_sites_jitter_us(sites, i));
    put_clock(o, is_self ? PEER_CLOCK_UNKNOWN : peer_clock_ms(in->peer, i));
    put_number(o, "connections", !is_self, is_self ? 0 : peer_connections_of(in->peer, i));
    put_number(o, "legs", !is_self, is_self ? 0 : peer_legs_of(in->peer, i));
    put_certificate(o, peer_not_after(in->peer, i));
    put_text(o, "description", description(in, i));
    put_number(o, "crl", peer_list_number(in->peer, i) != 0, peer_list_number(in->peer, i));
    put_text(o, "crl_error",
             in->control ? str_of(peer_control_list_error(in->control, i)) : STR_NULL);
    put_text(o, "error",
             is_self || !in->control ? STR_NULL : str_of(peer_control_error(in->control, i)));
    out_char(o, '}');
}

void admin_get_sites(struct admin_request *r)
{
    const struct admin_in *in = &r->admin->in;
    if (!admin_body(r, 64 + in->cfg->n_sites * SITE_BYTES))
        return;
    OUT(&r->body, "{\"sites\":[");
    for (size_t i = 0; i < in->cfg->n_sites; i++) {
        if (i)
            out_char(&r->body, ',');
        put_site(in, i, &r->body);
    }
    OUT(&r->body, "]}\n");
}
