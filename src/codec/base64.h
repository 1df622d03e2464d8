/* codec/base64.h: base64 (RFC 4648), strict: no white space, no missing or wrong padding, no bits
 * that are left over. Pure. */
#ifndef CODEC_BASE64_H
#define CODEC_BASE64_H

#include "base/err.h"
#include "base/out.h"

enum base64_form {
    BASE64_STANDARD, /* section 4, with padding: RFC 8941 byte sequences */
    BASE64_URL,      /* section 5, without padding: carriers of a scope */
};

void base64_encode(enum base64_form form, struct str bytes, struct out *o);
/* ERR_INVALID; what was decoded before the fault has been written. */
int base64_decode(enum base64_form form, struct str text, struct out *o) MUST_USE;

#endif
