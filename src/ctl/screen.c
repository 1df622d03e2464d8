#include "ctl/screen.h"
#include "ctl/top.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define ENTER   "\033[?1049h\033[?25l" /* the alternate screen, no cursor */
#define LEAVE   "\033[?25h\033[?1049l"
#define HOME    "\033[H"
#define CLEAR   "\033[J"   /* what is below */
#define END     "\033[K\n" /* of a line */
#define COLUMNS 80         /* of a terminal that does not tell */
#define ROWS    24

bool screen_is_there(void)
{
    return isatty(STDOUT_FILENO) == 1;
}

/* What does not get out cannot be told anywhere else. */
static void put(struct str text)
{
    while (text.n) {
        ssize_t n = write(STDOUT_FILENO, text.p, text.n);
        if (n < 0 && errno != EINTR)
            return;
        if (n > 0)
            text = str_from(text, (size_t)n);
    }
}

static void enter(struct screen *s)
{
    struct termios raw = s->saved;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    if (s->has_keys)
        s->has_keys = tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw) == 0;
    put(STR(ENTER));
}

static void leave(const struct screen *s)
{
    put(STR(LEAVE));
    if (s->has_keys)
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &s->saved);
}

int screen_open(struct screen *s, struct diag *d)
{
    static const int held[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH};
    sigset_t mask;
    sigemptyset(&mask);
    for (size_t i = 0; i < sizeof held / sizeof *held; i++)
        sigaddset(&mask, held[i]);
    s->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (s->signals < 0)
        return diag_set(d, ERR_SYSTEM, "no descriptor for signals: %s", strerror(errno));
    (void)sigprocmask(SIG_BLOCK, &mask, &s->old_mask);
    s->has_keys = tcgetattr(STDIN_FILENO, &s->saved) == 0;
    enter(s);
    return 0;
}

void screen_close(struct screen *s)
{
    leave(s);
    close(s->signals);
    (void)sigprocmask(SIG_SETMASK, &s->old_mask, NULL);
}

void screen_paint(const struct screen *s, struct str text)
{
    struct winsize w = {0};
    struct out o;
    (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &w);
    size_t columns = w.ws_col ? w.ws_col : COLUMNS, rows = w.ws_row ? w.ws_row : ROWS;
    size_t size = text.n + rows * sizeof END + sizeof HOME CLEAR END;
    char *memory = malloc(size);
    if (!memory)
        return;
    out_init(&o, memory, size);
    OUT(&o, HOME);
    top_clip(text, columns, rows, STR(END), &o);
    OUT(&o, "\033[K" CLEAR);
    put(out_get(&o));
    free(memory);
}

/* Suspends the program, as the terminal's user wants it, with the terminal as it was. */
static void suspend(struct screen *s)
{
    leave(s);
    (void)raise(SIGSTOP);
    enter(s);
}

static enum screen_event read_signal(struct screen *s)
{
    struct signalfd_siginfo info;
    if (read(s->signals, &info, sizeof info) != (ssize_t)sizeof info)
        return SCREEN_TIME;
    if (info.ssi_signo == SIGTSTP)
        suspend(s);
    return info.ssi_signo == SIGTSTP || info.ssi_signo == SIGWINCH ? SCREEN_RESIZED : SCREEN_QUIT;
}

static enum screen_event read_key(struct screen *s)
{
    char key;
    ssize_t n = read(STDIN_FILENO, &key, 1);
    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
        s->has_keys = false; /* it has hung up, and is not asked any more */
    return n == 1 && (key == 'q' || key == 'Q') ? SCREEN_QUIT : SCREEN_RESIZED;
}

enum screen_event screen_wait(struct screen *s, unsigned ms)
{
    struct pollfd fds[] = {{s->signals, POLLIN, 0}, {s->has_keys ? STDIN_FILENO : -1, POLLIN, 0}};
    if (poll(fds, 2, (int)ms) <= 0)
        return SCREEN_TIME;
    if (fds[0].revents)
        return read_signal(s);
    return read_key(s);
}
