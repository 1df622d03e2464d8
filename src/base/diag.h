/* base/diag.h: what a failing function tells a human, beside its code.
 *
 * The caller owns it and passes its address; the first error that is set stays. Text is cut, never
 * overrun. diag_caret draws the line with a mark under the place.
 *
 *     struct diag d = {0};
 *     if (scope_parse(text, &arena, &scope, &d) < 0)
 *         fprintf(stderr, "%s\n", d.message);
 */
#ifndef BASE_DIAG_H
#define BASE_DIAG_H

#include "base/out.h"

struct diag {
    int code;              /* of err.def; 0: nothing set */
    size_t offset, length; /* bytes in the text that was read; length may be 0 (at the end) */
    unsigned line, column; /* from 1, in files; 0: does not apply */
    char file[200];        /* of files; "" else */
    char message[400];     /* what happened, to what: one sentence without a full stop */
    char hint[256];        /* what to do; "" when there is nothing to say */
    bool is_settled;       /* the last error was not the first, so its hint is not taken either */
};

/* Nothing is set: the same as {0}, but the texts are empty instead of all zeros. */
static inline void diag_init(struct diag *d)
{
    d->code = 0;
    d->offset = d->length = 0;
    d->line = d->column = 0;
    d->file[0] = d->message[0] = d->hint[0] = 0;
    d->is_settled = false;
}
/* Sets code and message if nothing is set yet; returns the code, so that
 * `return diag_set(d, ERR_INVALID, "…")` ends a function. d may be NULL. */
int diag_set(struct diag *d, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with a place in the text. */
int diag_at(struct diag *d, int code, size_t offset, size_t length, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* Adds what to do to the error just set; nothing when that one was not taken. */
void diag_hint(struct diag *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes the line of `text` that holds the place, and a second one with a caret under its start and
 * tildes under the rest (a character, not a byte, is a column). Lines over 160 characters are
 * shortened around the place; control characters are shown as '?'. Ends without a line feed. */
void diag_caret(const struct diag *d, struct str text, struct out *o);

#endif
