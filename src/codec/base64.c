#include "codec/base64.h"

static const char digits[2][65] = {
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
};

void base64_encode(enum base64_form form, struct str bytes, struct out *o)
{
    const unsigned char *p = (const unsigned char *)bytes.p;
    for (size_t i = 0; i < bytes.n; i += 3) {
        size_t n = bytes.n - i < 3 ? bytes.n - i : 3;
        uint32_t v = (uint32_t)p[i] << 16;
        if (n > 1)
            v |= (uint32_t)p[i + 1] << 8;
        if (n > 2)
            v |= p[i + 2];
        for (size_t k = 0; k < n + 1; k++)
            out_char(o, digits[form][(v >> (18 - 6 * k)) & 63]);
        for (size_t k = n + 1; k < 4 && form == BASE64_STANDARD; k++)
            out_char(o, '=');
    }
}

static int value_of(enum base64_form form, char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == digits[form][62] ? 62 : c == digits[form][63] ? 63 : -1;
}

/* Two to four digits: one to three bytes. */
static int decode_group(enum base64_form form, struct str group, struct out *o)
{
    uint32_t v = 0;
    if (group.n < 2)
        return ERR_INVALID;
    for (size_t i = 0; i < 4; i++) {
        int d = i < group.n ? value_of(form, group.p[i]) : 0;
        if (d < 0)
            return ERR_INVALID;
        v = v << 6 | (uint32_t)d;
    }
    size_t n = group.n - 1;
    if (v & (0xffffffu >> (8 * n)))
        return ERR_INVALID; /* bits that no encoder leaves */
    for (size_t i = 0; i < n; i++)
        out_char(o, (char)(v >> (16 - 8 * i)));
    return 0;
}

int base64_decode(enum base64_form form, struct str text, struct out *o)
{
    if (form == BASE64_STANDARD) {
        if (text.n % 4)
            return ERR_INVALID;
        for (int k = 0; k < 2 && text.n && text.p[text.n - 1] == '='; k++)
            text.n--;
    }
    for (size_t i = 0; i < text.n; i += 4) {
        int rc = decode_group(form, str_sub(text, i, 4), o);
        if (rc < 0)
            return rc;
    }
    return 0;
}
