/* The correlation field of an application: an identifier in a form with one {uuid4}. */
#include "app/carrier.h"
#include "app/field.h"
#include "base/check.h"

#define UUID       STR("{uuid4}")
#define UUID_BYTES 36

/* The number that 8 bytes are, the first the highest. Not a loop: so it is one load. */
static uint64_t load64(const unsigned char *p)
{
    return (uint64_t)p[0] << 56 | (uint64_t)p[1] << 48 | (uint64_t)p[2] << 40 |
           (uint64_t)p[3] << 32 | (uint64_t)p[4] << 24 | (uint64_t)p[5] << 16 |
           (uint64_t)p[6] << 8 | (uint64_t)p[7];
}

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

/* The UUID in a value of the form; absent: it has another one. */
static struct str uuid_of(const struct app *app, struct str value)
{
    struct str form = app->carriers.correlation_form;
    ptrdiff_t at = app_text_find(form, UUID);
    if (at < 0)
        return STR_NULL;
    struct str before = str_sub(form, 0, (size_t)at), after = str_from(form, (size_t)at + UUID.n);
    bool fits = value.n == before.n + UUID_BYTES + after.n && str_starts(value, before) &&
                str_eq(str_from(value, before.n + UUID_BYTES), after);
    struct str uuid = str_sub(value, before.n, UUID_BYTES);
    return fits && is_uuid(uuid) ? uuid : STR_NULL;
}

bool app_correlation_is(const struct app *app, struct str value)
{
    return uuid_of(app, value).p != NULL;
}

uint64_t app_correlation_key(const struct app *app, struct str id)
{
    uint64_t key = 0;
    if (id.n == 16)
        return str_hex(id, UINT64_MAX, &key) == 0 ? key : 0;
    struct str uuid = uuid_of(app, id);
    char digits[16];
    struct out o;
    if (!uuid.p)
        return 0;
    out_init(&o, digits, sizeof digits); /* 8-4-4 */
    out_str(&o, str_sub(uuid, 0, 8));
    out_str(&o, str_sub(uuid, 9, 4));
    out_str(&o, str_sub(uuid, 14, 4));
    return str_hex(out_get(&o), UINT64_MAX, &key) == 0 ? key : 0;
}

void app_correlation_make(const struct app *app, const unsigned char random[16], struct out *o)
{
    struct str form = app->carriers.correlation_form;
    ptrdiff_t at = app_text_find(form, UUID);
    char digits[32], uuid[UUID_BYTES];
    struct out hex;
    uint64_t high, low;
    if (at < 0)
        return;
    out_init(&hex, digits, sizeof digits); /* 8-4-4-4-12 of them between dashes */
    high = load64(random);
    low = load64(random + 8);
    out_hex64(&hex, (high & ~0xf000ull) | 0x4000); /* version 4 (RFC 9562 section 5.4) */
    out_hex64(&hex, (low & ~(3ull << 62)) | 1ull << 63);
    out_str(o, str_sub(form, 0, (size_t)at));
    memcpy(uuid, digits, 8);
    memcpy(uuid + 9, digits + 8, 4);
    memcpy(uuid + 14, digits + 12, 4);
    memcpy(uuid + 19, digits + 16, 4);
    memcpy(uuid + 24, digits + 20, 12);
    uuid[8] = uuid[13] = uuid[18] = uuid[23] = '-';
    out_str(o, (struct str){uuid, sizeof uuid});
    out_str(o, str_from(form, (size_t)at + UUID.n));
}
