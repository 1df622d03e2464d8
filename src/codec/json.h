/* codec/json.h: JSON looked at where it lies (RFC 8259, strict), without building a tree. Pure.
 *
 * Everything works on the beginning of a text, too, and goes on where it stopped when more of it is
 * there: the caller keeps the bytes from the first one on (they may move), positions are offsets.
 * However the bytes come, each is looked at once or twice. Of repeated members the first counts.
 *
 *     struct json_finder f;
 *     json_finder_init(&f, STR("/metadata/name"));
 *     while (json_finder_push(&f, so_far, is_whole) == JSON_MORE) …read on…
 *     json_finder_value(&f, so_far)                      the value's text
 */
#ifndef CODEC_JSON_H
#define CODEC_JSON_H

#include "base/err.h"
#include "base/out.h"

#define JSON_MAX_DEPTH 64 /* arrays and objects within each other */

/* ---- tokens -------------------------------------------------------------------------------- */

enum json_kind {
    JSON_OBJECT, /* its opening bracket; the values' kinds come first */
    JSON_ARRAY,
    JSON_STRING,
    JSON_NUMBER,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
    JSON_NAME, /* of a member, with its quotes */
    JSON_END,  /* a closing bracket */
};

struct json_token {
    enum json_kind kind;
    size_t from, to; /* offsets of its text */
};

enum json_expect {
    JSON_EXPECT_VALUE,
    JSON_EXPECT_VALUE_OR_END,
    JSON_EXPECT_NAME,
    JSON_EXPECT_NAME_OR_END,
    JSON_EXPECT_COLON,
    JSON_EXPECT_COMMA_OR_END,
    JSON_EXPECT_NOTHING,
};

struct json_scan {
    size_t at;   /* bytes looked at; of a text that is not valid, where that shows */
    size_t from; /* of the token that the bytes ended in */
    bool in_token;
    uint8_t expect;   /* enum json_expect */
    uint8_t depth;    /* open brackets */
    uint64_t objects; /* bit n: the bracket at depth n + 1 is an object's */
};

/* A scan begins as {0}. Gives the next token of a text of which `text` is there; is_whole: that is
 * all of it. 0; ERR_MORE: the bytes end before the token does; ERR_CLOSED: the text was valid and
 * is over (only with is_whole); ERR_INVALID: not JSON, or nested deeper than JSON_MAX_DEPTH. */
int json_next(struct json_scan *s, struct str text, bool is_whole, struct json_token *t) MUST_USE;

/* The text now begins n bytes later: what the caller needs no more. It keeps what lies from
 * json_scan_kept on. */
void json_scan_drop(struct json_scan *s, size_t n);
static inline size_t json_scan_kept(const struct json_scan *s)
{
    return s->in_token ? s->from : s->at;
}
/* Whether a name or string (with its quotes) means this text. */
bool json_string_is(struct str string, struct str text);

/* Whether a whole text is JSON. *at (may be NULL) is where it shows that it is not. */
bool json_is_valid(struct str text, size_t *at);

/* ---- pointers (RFC 6901) --------------------------------------------------------------------*/

enum json_found {
    JSON_FOUND,
    JSON_ABSENT,  /* the text is valid as far as it was looked at, and has no such value */
    JSON_MORE,    /* the bytes end before it can be told */
    JSON_INVALID, /* not JSON, or nested deeper than JSON_MAX_DEPTH */
};

/* Looks for one value. What comes after it is not looked at. */
struct json_finder {
    struct json_scan scan;
    struct str pointer; /* what of it has not been followed yet */
    uint64_t index;     /* elements passed of the array that is being looked through */
    uint8_t path_depth; /* brackets that were entered on the way */
    bool is_next;       /* the next value is on the way */
    bool has_begun;     /* the value, or its opening bracket, is there: kind and from are known */
    bool has_inside;    /* and so is something inside its brackets */
    enum json_kind kind;
    size_t from, to; /* to: with JSON_FOUND */
    enum json_found found;
};

/* The pointer is borrowed. One that is not valid is found nowhere. */
void json_finder_init(struct json_finder *f, struct str pointer);
/* Looks at what was added to the text. The answer stays the same once it is not JSON_MORE. */
enum json_found json_finder_push(struct json_finder *f, struct str text, bool is_whole);
/* The value's text; absent when it was not found. */
struct str json_finder_value(const struct json_finder *f, struct str text);

/* Whether there is such a value, even if its end is not there yet. */
bool json_finder_has_begun(const struct json_finder *f);

enum json_empty { JSON_EMPTY_YES, JSON_EMPTY_NO, JSON_EMPTY_MORE, JSON_EMPTY_OTHER };
/* Whether the value is an array without elements; known as early as it can be. OTHER: it is absent,
 * no array, or the text is not valid. */
enum json_empty json_finder_is_empty(const struct json_finder *f);

/* The same in one go, for a text that is not known to be whole. *value is the value's text. */
enum json_found json_find(struct str text, struct str pointer, struct str *value);
enum json_empty json_array_is_empty(struct str text, struct str pointer);

/* A pointer as RFC 6901 has it: empty, or pieces that begin with '/', with only ~0 and ~1. */
bool json_pointer_is_valid(struct str pointer);

/* ---- strings ------------------------------------------------------------------------------- */

/* The content of a JSON string (with its quotes) as UTF-8. ERR_INVALID: not a string, or it has a
 * surrogate without its other half. */
int json_unescape(struct str string, struct out *o) MUST_USE;
/* Offset of the first character in a valid JSON string (with its quotes) that means the ASCII
 * character c, escaped or not; -1: none. */
ptrdiff_t json_string_find(struct str string, char c);

#endif
