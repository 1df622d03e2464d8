#include "base/diag.h"
#include "base/err.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>

#define CARET_WIDTH 160 /* characters of a line that are shown */
#define CARET_LEAD  60  /* of them before the place, when the line is shortened */

/* Cut where it does not fit, between two characters. */
__attribute__((format(printf, 3, 0))) static void format_into(char *to, size_t size,
                                                              const char *format, va_list ap)
{
    int n = vsnprintf(to, size, format, ap);
    if (n < 0)
        to[0] = 0;
    else if ((size_t)n >= size)
        to[utf8_whole((struct str){to, size - 1}).n] = 0;
}

/* Whether d takes an error: it holds none yet. */
static bool begin(struct diag *d, int code)
{
    if (!d)
        return false;
    d->is_settled = d->code != 0;
    if (!d->is_settled)
        d->code = code;
    return !d->is_settled;
}

int diag_set(struct diag *d, int code, const char *format, ...)
{
    va_list ap;
    if (begin(d, code)) {
        va_start(ap, format);
        format_into(d->message, sizeof d->message, format, ap);
        va_end(ap);
    }
    return code;
}

int diag_at(struct diag *d, int code, size_t offset, size_t length, const char *format, ...)
{
    va_list ap;
    if (begin(d, code)) {
        va_start(ap, format);
        format_into(d->message, sizeof d->message, format, ap);
        va_end(ap);
        d->offset = offset;
        d->length = length;
    }
    return code;
}

void diag_hint(struct diag *d, const char *format, ...)
{
    va_list ap;
    if (!d || d->is_settled)
        return;
    va_start(ap, format);
    format_into(d->hint, sizeof d->hint, format, ap);
    va_end(ap);
}

/* Bytes of the next character; what is not UTF-8 counts byte by byte. */
static size_t step(struct str s)
{
    size_t n = utf8_length(s);
    return n ? n : 1;
}

static size_t characters(struct str s)
{
    size_t count = 0;
    for (; s.n; count++)
        s = str_from(s, step(s));
    return count;
}

/* Cuts s after at most `limit` characters. */
static struct str first_characters(struct str s, size_t limit)
{
    size_t bytes = 0;
    while (limit-- && bytes < s.n)
        bytes += step(str_from(s, bytes));
    return str_sub(s, 0, bytes);
}

void diag_caret(const struct diag *d, struct str text, struct out *o)
{
    size_t at = d->offset < text.n ? d->offset : text.n, from = at, to = at;
    while (from && text.p[from - 1] != '\n')
        from--;
    while (to < text.n && text.p[to] != '\n')
        to++;
    struct str line = str_sub(text, from, to - from), before = str_sub(text, from, at - from);
    size_t lead = characters(before);
    bool cut = characters(line) > CARET_WIDTH && lead > CARET_LEAD;
    if (cut) {
        struct str gone = first_characters(before, lead - CARET_LEAD);
        line = str_from(line, gone.n);
        before = str_from(before, gone.n);
        lead = CARET_LEAD;
        OUT(o, "…");
    }
    struct str shown = first_characters(line, CARET_WIDTH);
    out_visible(o, line, CARET_WIDTH);
    out_char(o, '\n');
    for (size_t i = 0; i < lead + (cut ? 1 : 0); i++)
        out_char(o, ' ');
    out_char(o, '^');
    struct str marked = str_sub(shown, before.n, d->length);
    for (size_t i = characters(marked); i > 1; i--)
        out_char(o, '~');
}
