/* app/field.h: comparing field names, and looking into values; for app's own files. Pure. */
#ifndef APP_FIELD_H
#define APP_FIELD_H

#include "base/str.h"

#define APP_SUFFIX     STR("~SCOPE~") /* of a credential; then base64url */
#define APP_SUFFIX_OLD STR("!SCOPE!") /* OpenStackoïd's; then the scope, raw or percent-encoded */

/* Every field of every request is compared with every name of the description: length and first
 * byte tell nearly all of them apart. */
static inline bool app_field_is(struct str name, struct str want)
{
    return name.n == want.n && name.n && (name.p[0] | 0x20) == (want.p[0] | 0x20) &&
           str_eq_nocase(name, want);
}

static inline bool app_field_is_among(struct str name, const struct str *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (app_field_is(name, list[i]))
            return true;
    return false;
}

/* Offset of a short text in s, or -1. What is looked for here begins with a rare character, so that
 * memchr gets over a long credential faster than memmem would. */
static inline ptrdiff_t app_text_find(struct str s, struct str what)
{
    for (struct str rest = s; rest.n >= what.n;) {
        const char *at = memchr(rest.p, what.p[0], rest.n - what.n + 1);
        if (!at)
            return -1;
        rest = str_from(s, (size_t)(at - s.p));
        if (str_starts(rest, what))
            return at - s.p;
        rest = str_from(rest, 1);
    }
    return -1;
}

#endif
