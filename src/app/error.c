#include "app/error.h"
#include "base/err.h"
#include "codec/h1.h"

#define MESSAGE_BYTES 1500

/* The message, and the line with the caret where there is a place. */
static struct str full_message(const struct diag *d, struct str text, char *memory)
{
    struct out o;
    out_init(&o, memory, MESSAGE_BYTES);
    out_str(&o, str_of(d->message));
    if (text.p) {
        OUT(&o, "\n");
        diag_caret(d, text, &o);
    }
    if (d->hint[0]) {
        OUT(&o, "\n");
        out_str(&o, str_of(d->hint));
    }
    return out_get(&o);
}

static void put_member(struct out *o, struct str name, struct str value)
{
    OUT(o, ",\"");
    out_str(o, name);
    OUT(o, "\":");
    out_json(o, value);
}

/* application/problem+json, RFC 9457. */
static void write_problem(const struct diag *d, struct str text, struct out *o)
{
    char memory[MESSAGE_BYTES];
    OUT(o, "{\"type\":\"urn:cheops:error:");
    out_str(o, str_of(err_name(d->code)));
    OUT(o, "\"");
    put_member(o, STR("title"), str_of(err_text(d->code)));
    OUT(o, ",\"status\":");
    out_u64(o, (uint64_t)err_status(d->code));
    put_member(o, STR("detail"), full_message(d, text, memory));
    if (text.p) {
        put_member(o, STR("scope"), text);
        OUT(o, ",\"offset\":");
        out_u64(o, d->offset);
        OUT(o, ",\"length\":");
        out_u64(o, d->length);
    }
    if (d->hint[0])
        put_member(o, STR("hint"), str_of(d->hint));
    OUT(o, "}\n");
}

/* ---- templates */

enum placeholder { STATUS, REASON, CODE, MESSAGE, HINT, PLACEHOLDERS };

static const struct str placeholders[PLACEHOLDERS] = {
    [STATUS] = {"{status}", 8},   [REASON] = {"{reason}", 8}, [CODE] = {"{code}", 6},
    [MESSAGE] = {"{message}", 9}, [HINT] = {"{hint}", 6},
};

static int placeholder_at(struct str s)
{
    for (int i = 0; i < PLACEHOLDERS; i++)
        if (str_starts(s, placeholders[i]))
            return i;
    return -1;
}

static void put_placeholder(int which, const struct diag *d, struct str text, struct out *o)
{
    char memory[MESSAGE_BYTES];
    unsigned status = (unsigned)err_status(d->code);
    switch (which) {
    case STATUS:
        out_u64(o, status);
        break;
    case REASON:
        out_json(o, h1_reason(status));
        break;
    case CODE:
        out_json(o, str_of(err_name(d->code)));
        break;
    case MESSAGE:
        out_json(o, full_message(d, text, memory));
        break;
    case HINT:
        out_json(o, str_of(d->hint));
        break;
    }
}

void app_error_write(const struct app_errors *shape, const struct diag *d, struct str text,
                     struct out *body, struct str *content_type)
{
    if (!shape || !shape->content_type.p) {
        *content_type = STR("application/problem+json");
        write_problem(d, text, body);
        return;
    }
    *content_type = shape->content_type;
    for (struct str s = shape->body; s.n;) {
        int which = s.p[0] == '{' ? placeholder_at(s) : -1;
        if (which < 0) {
            out_char(body, s.p[0]);
            s = str_from(s, 1);
        } else {
            put_placeholder(which, d, text, body);
            s = str_from(s, placeholders[which].n);
        }
    }
}
