/* codec/uri.h: request targets in origin-form (RFC 3986, RFC 9112 section 3.2.1), and two field
 * values of the same kind. Pure. */
#ifndef CODEC_URI_H
#define CODEC_URI_H

#include "base/err.h"
#include "base/out.h"

/* The part before '?', and the part after it (absent when there is no '?'). */
struct str uri_path(struct str target);
struct str uri_query(struct str target);

/* Takes the next segment off *path ("/v2/images" gives "v2", then "images"; a trailing slash gives
 * an empty last one). False at the end. */
static inline bool uri_segment(struct str *path, struct str *segment)
{
    if (path->n == 0 || path->p[0] != '/')
        return false;
    const char *begin = path->p + 1, *end = path->p + path->n;
    const char *slash = memchr(begin, '/', (size_t)(end - begin));
    if (!slash)
        slash = end;
    *segment = (struct str){begin, (size_t)(slash - begin)};
    *path = (struct str){slash, (size_t)(end - slash)};
    return true;
}
/* Whether a segment may stand for a variable: not empty, not "." or "..", encoded or not, and
 * without an encoded slash. */
bool uri_segment_is_plain(struct str segment);
/* Orders two segments after unreserved characters of both are decoded; what stays encoded is not
 * the character that it encodes (RFC 3986 section 2.2). 0: they are the same segment. */
int uri_segment_cmp(struct str a, struct str b);
static inline bool uri_segment_is(struct str segment, struct str literal)
{
    return uri_segment_cmp(segment, literal) == 0;
}

/* The value of the first parameter with this name, as sent; absent value when it has no '='. Names
 * are compared with everything decoded, '+' as a blank. */
bool uri_query_find(struct str target, struct str name, struct str *value);
/* Whether a parameter's name or value as sent means this text. */
bool uri_parameter_is(struct str sent, struct str text);

/* The target with that parameter set: those of its name are left out, and it is put last, its value
 * encoded; an absent value leaves it out. Everything else stays as it was sent. */
void uri_query_set(struct str target, struct str name, struct str value, struct out *o);
/* Decodes a parameter's value, '+' as a blank. ERR_INVALID as uri_decode. */
int uri_value_decode(struct str value, struct out *o) MUST_USE;

/* Percent-decoding, strict: ERR_INVALID for a '%' without two digits. */
int uri_decode(struct str text, struct out *o) MUST_USE;
/* Encodes all but unreserved characters. */
void uri_encode(struct str text, struct out *o);

#endif
