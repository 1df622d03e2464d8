/* codec/h1_scan.h: character classes of HTTP/1.1 and the one fast loop over a head. Internal to
 * codec. */
#ifndef CODEC_H1_SCAN_H
#define CODEC_H1_SCAN_H

#include "base/str.h"

/* One bit a class: of a token (RFC 9110 section 5.6.2), of a host (RFC 3986 section 3.2.2). */
enum { H1_TCHAR = 1, H1_HOST_CHAR = 2 };
extern const unsigned char h1_classes[256];

/* Here and not in the .c: it runs once a byte of every field name. */
static inline bool h1_is_tchar(unsigned char c)
{
    return h1_classes[c] & H1_TCHAR;
}

/* The first byte from p on (before end) that may not stand in a field value: a control character
 * other than tab, or DEL; `end` when there is none. Most bytes of every head pass here, so this is
 * the place where speed is bought: 16 bytes at a time where the machine has SSE2. */
const char *h1_scan_value(const char *p, const char *end);

/* Whether s is a host with an optional port (RFC 9110 section 7.2), without user information. */
bool h1_is_authority(struct str s);

#endif
