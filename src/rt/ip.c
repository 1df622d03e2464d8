#include "rt/ip.h"

#include <arpa/inet.h>

#define MAPPED_BITS 96 /* of ::ffff:0:0/96 */

void rt_ip_set(struct rt_ip *ip, const void *bytes, size_t n)
{
    static const uint8_t mapped[MAPPED_BITS / 8] = {[10] = 0xff, [11] = 0xff};
    *ip = (struct rt_ip){.n_bits = (uint8_t)(n * 8)};
    CHECK(n == 4 || n == 16);
    memcpy(ip->bytes, bytes, n);
    if (n == 16 && memcmp(bytes, mapped, sizeof mapped) == 0)
        rt_ip_set(ip, (const uint8_t *)bytes + sizeof mapped, 4);
}

int rt_ip_parse(struct str text, struct rt_ip *out)
{
    char z[INET6_ADDRSTRLEN];
    uint8_t bytes[16];
    if (!text.n || text.n >= sizeof z || memchr(text.p, '\0', text.n))
        return ERR_INVALID;
    memcpy(z, text.p, text.n);
    z[text.n] = '\0';
    bool is_v6 = str_find(text, ':') >= 0;
    if (inet_pton(is_v6 ? AF_INET6 : AF_INET, z, bytes) != 1)
        return ERR_INVALID;
    rt_ip_set(out, bytes, is_v6 ? 16 : 4);
    return 0;
}

/* Whether the first n bits agree. */
static bool agree(const uint8_t *a, const uint8_t *b, unsigned n)
{
    unsigned rest = n % 8;
    return memcmp(a, b, n / 8) == 0 && (!rest || (a[n / 8] ^ b[n / 8]) >> (8 - rest) == 0);
}

static bool has_bits_behind(const struct rt_ip_range *r)
{
    static const uint8_t none[16];
    struct rt_ip rest = r->ip;
    for (unsigned i = 0; i < r->prefix; i++)
        rest.bytes[i / 8] &= (uint8_t) ~(0x80u >> i % 8);
    return memcmp(rest.bytes, none, sizeof none) != 0;
}

int rt_ip_range_parse(struct str text, struct rt_ip_range *out, const char **why)
{
    struct rt_ip_range r = {0};
    ptrdiff_t slash = str_find(text, '/');
    struct str address = slash < 0 ? text : str_sub(text, 0, (size_t)slash);
    uint64_t prefix;
    *out = r;
    if (str_eq(text, STR("unix:")))
        return 0;
    *why = "write an address, or a range such as 192.0.2.0/24 or 2001:db8::/32, or unix:";
    if (rt_ip_parse(address, &r.ip) < 0)
        return ERR_INVALID;
    prefix = r.ip.n_bits;
    unsigned written = str_find(address, ':') >= 0 ? 128 : 32;
    if (slash >= 0) {
        if (str_digits(str_from(text, (size_t)slash + 1), written, &prefix) < 0)
            return ERR_INVALID;
        if (written > r.ip.n_bits) { /* IPv4 in IPv6's clothes */
            if (prefix < MAPPED_BITS)
                return ERR_INVALID;
            prefix -= MAPPED_BITS;
        }
    }
    r.prefix = (uint8_t)prefix;
    *why = "the address has bits behind the ones that count: write the first address of the range";
    if (has_bits_behind(&r))
        return ERR_INVALID;
    *out = r;
    return 0;
}

void rt_ip_of(const struct rt_address *a, struct rt_ip *out)
{
    *out = (struct rt_ip){0};
    if (a->len && a->sa.sa_family == AF_INET)
        rt_ip_set(out, &a->in.sin_addr, 4);
    else if (a->len && a->sa.sa_family == AF_INET6)
        rt_ip_set(out, &a->in6.sin6_addr, 16);
}

void rt_ip_print(const struct rt_ip *ip, struct out *o)
{
    char text[INET6_ADDRSTRLEN];
    int family = ip->n_bits == 32 ? AF_INET : AF_INET6;
    if (!ip->n_bits)
        OUT(o, "unix:");
    else
        out_str(o, str_of(inet_ntop(family, ip->bytes, text, sizeof text)));
}

bool rt_ip_is_in(const struct rt_ip *ip, const struct rt_ip_range *ranges, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (ranges[i].ip.n_bits == ip->n_bits &&
            agree(ranges[i].ip.bytes, ip->bytes, ranges[i].prefix))
            return true;
    return false;
}
