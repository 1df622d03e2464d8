/* codec/date.h: dates of HTTP (RFC 9110 section 5.6.7), the form that is sent today. Pure. */
#ifndef CODEC_DATE_H
#define CODEC_DATE_H

#include "base/err.h"
#include "base/str.h"

/* "Sun, 06 Nov 1994 08:49:37 GMT" as seconds since 1970; a leap second is the second after it. The
 * day's name is not compared with the day. ERR_INVALID: it has another form, or is of before 1970.
 */
int date_parse(struct str text, int64_t *seconds) MUST_USE;

#endif
