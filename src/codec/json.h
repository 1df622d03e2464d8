/* codec/json.h: JSON looked at where it lies (RFC 8259, strict), without building a tree. Pure.
 *
 * Works on the beginning of a text too: whatever cannot be told so far is JSON_MORE. Of repeated
 * members the first counts. Linear in the bytes looked at.
 */
#ifndef CODEC_JSON_H
#define CODEC_JSON_H

#include "base/err.h"
#include "base/out.h"

#define JSON_MAX_DEPTH 64

enum json_found {
    JSON_FOUND,
    JSON_ABSENT,  /* the text is valid as far as needed, and has no such member */
    JSON_MORE,    /* the bytes end before it can be told */
    JSON_INVALID, /* not JSON, or nested deeper than JSON_MAX_DEPTH */
};

/* Finds the value at a JSON Pointer (RFC 6901; "" is the whole). *value is its text without white
 * space around it. */
enum json_found json_find(struct str text, struct str pointer, struct str *value);

enum json_empty { JSON_EMPTY_YES, JSON_EMPTY_NO, JSON_EMPTY_MORE, JSON_EMPTY_OTHER };
/* Whether the value at a pointer is an array without elements; decided as early as it can be.
 * OTHER: it is absent, no array, or the text is invalid. */
enum json_empty json_array_is_empty(struct str text, struct str pointer);

/* The content of a JSON string (with its quotes) as UTF-8. ERR_INVALID: not a string, or a lone
 * surrogate. */
int json_unescape(struct str string, struct out *o) MUST_USE;

/* A pointer as RFC 6901 has it: empty, or pieces that begin with '/', with only ~0 and ~1. */
bool json_pointer_is_valid(struct str pointer);

#endif
