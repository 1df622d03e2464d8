/* rt/ip.h: IP addresses without ports, and ranges of them: who a client is, and who is believed.
 *
 * Pure: no look-up, no socket. An IPv4 address in IPv6's clothes (::ffff:192.0.2.1) is IPv4. The
 * other end of a Unix socket has no address; it is told apart by its length of 0 bits, and the
 * range "unix:" has it alone.
 *
 *     struct rt_ip_range r;
 *     rt_ip_range_parse(STR("10.0.0.0/8"), &r, &why);
 *     rt_ip_is_in(&ip, ranges, n);
 */
#ifndef RT_IP_H
#define RT_IP_H

#include "rt/stream.h"

struct rt_ip {
    uint8_t n_bits; /* 32, 128; 0: none, of a Unix socket */
    uint8_t bytes[16];
};

struct rt_ip_range {
    struct rt_ip ip;
    uint8_t prefix; /* of its bits, those that count */
};

/* "192.0.2.1", "2001:db8::1"; no brackets, no port, no zone. ERR_INVALID. */
int rt_ip_parse(struct str text, struct rt_ip *out) MUST_USE;
/* An address, an address and the bits of it that count ("192.0.2.0/24"), or "unix:". ERR_INVALID,
 * also when bits are set that do not count; *why gets a sentence (static). */
int rt_ip_range_parse(struct str text, struct rt_ip_range *out, const char **why) MUST_USE;
/* Of 4 bytes (IPv4) or 16. */
void rt_ip_set(struct rt_ip *ip, const void *bytes, size_t n);
void rt_ip_of(const struct rt_address *a, struct rt_ip *out);
/* As text, without brackets; "unix:" for none. */
void rt_ip_print(const struct rt_ip *ip, struct out *o);
/* Whether it is in one of n ranges. */
bool rt_ip_is_in(const struct rt_ip *ip, const struct rt_ip_range *ranges, size_t n);

#endif
