/* Errors in configuration files as people see them. */
#include "cfg/file.h"

/* The line with its caret; nothing when the file cannot be read any more. */
static void put_line(const struct diag *d, struct out *o)
{
    static const struct str mark = {"\xef\xbb\xbf", 3}; /* no column of its own */
    struct arena arena;
    struct str text;
    struct diag place = *d;
    arena_init(&arena, NULL, 0, 2 * CFG_FILE_MAX);
    if (cfg_file_read(d->file, &arena, &text, NULL) == 0 && text.n) {
        if (str_starts(text, mark) && place.offset >= mark.n) {
            text = str_from(text, mark.n);
            place.offset -= mark.n;
        }
        diag_caret(&place, text, o);
        out_char(o, '\n');
    }
    arena_fini(&arena);
}

void cfg_report(const struct diag *d, struct out *o)
{
    if (d->line)
        out_fmt(o, "%s:%u:%u: ", d->file, d->line, d->column);
    out_fmt(o, "%s\n", d->message[0] ? d->message : err_text(d->code));
    if (d->line)
        put_line(d, o);
    if (d->hint[0])
        out_fmt(o, "hint: %s\n", d->hint);
}
