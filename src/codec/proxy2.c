#include "codec/proxy2.h"

#include <string.h>

#define FIXED_BYTES 16 /* signature, version and command, family and transport, length */

static const char signature[12] = "\r\n\r\n\0\r\nQUIT\n";

enum { COMMAND_LOCAL = 0x20, COMMAND_PROXY = 0x21 }; /* with the version */

/* family and transport: bytes of each address, bytes of all addresses and ports */
static const struct family {
    uint8_t code, address, all;
} families[] = {
    {0x00, 0, 0},   /* not said */
    {0x11, 4, 12},  /* TCP over IPv4 */
    {0x21, 16, 36}, /* TCP over IPv6 */
    {0x31, 0, 216}, /* a Unix stream: there is no address to go by */
};

static const struct family *family_of(uint8_t code)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (families[i].code == code)
            return &families[i];
    return NULL;
}

static bool begins_as(struct str bytes, const char *with, size_t n)
{
    return memcmp(bytes.p, with, bytes.n < n ? bytes.n : n) == 0;
}

static long refuse(const char **why, const char *text)
{
    *why = text;
    return ERR_BAD_REQUEST;
}

long proxy2_parse(struct str bytes, struct proxy2 *out, const char **why)
{
    *out = (struct proxy2){0};
    if (!bytes.n)
        return 0;
    if (begins_as(bytes, "PROXY ", 6))
        return bytes.n < 6 ? 0
                           : refuse(why, "a header of the PROXY protocol version 1 came: version 2 "
                                         "is taken (send-proxy-v2 in HAProxy)");
    if (!begins_as(bytes, signature, sizeof signature))
        return refuse(why, "no header of the PROXY protocol version 2 came");
    if (bytes.n < FIXED_BYTES)
        return 0;
    const uint8_t *b = (const uint8_t *)bytes.p;
    size_t size = FIXED_BYTES + ((size_t)b[14] << 8 | b[15]);
    const struct family *f = family_of(b[13]);
    if (b[12] != COMMAND_LOCAL && b[12] != COMMAND_PROXY)
        return refuse(why, "the header of the PROXY protocol has an unknown version or command");
    if (size > PROXY2_MAX)
        return refuse(why, "the header of the PROXY protocol is longer than 2048 bytes");
    /* Of LOCAL, a check of the proxy's own, nothing else counts. */
    if (b[12] == COMMAND_PROXY && (!f || size < FIXED_BYTES + (size_t)f->all))
        return refuse(why, "the header of the PROXY protocol has an unknown kind of address, or "
                           "not the whole of one");
    if (bytes.n < size)
        return 0;
    if (b[12] == COMMAND_PROXY) {
        out->n_source = f->address;
        memcpy(out->source, b + FIXED_BYTES, f->address);
    }
    return (long)size;
}
