/* The correlation field of an application: an identifier in a form with one {uuid4}. */
#include "app/carrier.h"
#include "app/field.h"

#define UUID       STR("{uuid4}")
#define UUID_BYTES 36

/* 8-4-4-4-12 hexadecimal digits (RFC 9562 section 4), of any version: services take them all. */
static bool is_uuid(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        bool hex = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
        if (dash ? c != '-' : !hex)
            return false;
    }
    return s.n == UUID_BYTES;
}

bool app_correlation_is(const struct app *app, struct str value)
{
    struct str form = app->carriers.correlation_form;
    ptrdiff_t at = app_text_find(form, UUID);
    if (at < 0)
        return false;
    struct str before = str_sub(form, 0, (size_t)at), after = str_from(form, (size_t)at + UUID.n);
    return value.n == before.n + UUID_BYTES + after.n && str_starts(value, before) &&
           str_eq(str_from(value, before.n + UUID_BYTES), after) &&
           is_uuid(str_sub(value, before.n, UUID_BYTES));
}

void app_correlation_make(const struct app *app, const unsigned char random[16], struct out *o)
{
    static const char hex[] = "0123456789abcdef";
    char uuid[UUID_BYTES], *p = uuid;
    struct str form = app->carriers.correlation_form;
    ptrdiff_t at = app_text_find(form, UUID);
    if (at < 0)
        return;
    out_str(o, str_sub(form, 0, (size_t)at));
    for (size_t i = 0; i < 16; i++) {
        unsigned char b = random[i];
        if (i == 6)
            b = (unsigned char)((b & 0x0f) | 0x40); /* version 4 (RFC 9562 section 5.4) */
        if (i == 8)
            b = (unsigned char)((b & 0x3f) | 0x80);
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = hex[b >> 4];
        *p++ = hex[b & 15];
    }
    out_str(o, (struct str){uuid, sizeof uuid});
    out_str(o, str_from(form, (size_t)at + UUID.n));
}
