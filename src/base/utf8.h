/* base/utf8.h: UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing over U+10FFFF.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/str.h"

/* Bytes (1 to 4) of the character that s begins with; 0 when s is empty or does not begin with a
 * valid character. */
size_t utf8_length(struct str s);
/* Writes the character with that code point (not a surrogate, at most U+10FFFF) to `to`, which has
 * room for four bytes; returns its number of bytes. */
size_t utf8_encode(uint32_t code, char *to);
/* s without a character that its end cuts off; what is not UTF-8 for another reason stays. */
struct str utf8_whole(struct str s);
/* Whether the whole of s is valid. */
bool utf8_is_valid(struct str s);

#endif
