/* ctl/screen.h: a terminal that is painted over again and again, and is as it was at the end.
 * Internal to ctl.
 *
 *     rc = screen_open(&screen, &d);
 *     do {
 *         screen_paint(&screen, text);
 *     } while (screen_wait(&screen, 1000) != SCREEN_QUIT);
 *     screen_close(&screen);
 *
 * Plain ANSI sequences, on the alternate screen. While it is open, the signals that end or suspend
 * the program, and SIGWINCH, are held until screen_wait, which restores the terminal before the
 * program is suspended. One at a time.
 */
#ifndef CTL_SCREEN_H
#define CTL_SCREEN_H

#include "base/diag.h"
#include "base/err.h"

#include <signal.h>
#include <termios.h>

struct screen {
    struct termios saved;
    bool has_keys; /* standard input is a terminal, whose settings are saved */
    int signals;   /* signalfd */
    sigset_t old_mask;
};

enum screen_event {
    SCREEN_TIME,    /* the time has passed */
    SCREEN_RESIZED, /* it should be painted anew */
    SCREEN_QUIT,    /* a signal, or the key q */
};

/* Whether standard output is a terminal. */
bool screen_is_there(void);
/* ERR_SYSTEM: the terminal is as it was. */
int screen_open(struct screen *s, struct diag *d) MUST_USE;
void screen_close(struct screen *s);
/* What fits of the text, in place of what was there. */
void screen_paint(const struct screen *s, struct str text);
enum screen_event screen_wait(struct screen *s, unsigned ms);

#endif
