/* cheops top: what a daemon does, looked at again and again. */
#include "base/check.h"
#include "ctl/ask.h"
#include "ctl/options.h"
#include "ctl/screen.h"
#include "ctl/top.h"
#include "rt/sys.h"

#include <poll.h>
#include <stdlib.h>

#define MEMORY_BYTES (64u << 20)
#define VIEW_BYTES   (64u << 20)
#define ASK_MS       2000
#define MAX_S        3600

struct asked {
    const char *admin;
    unsigned interval_s;
    bool once;
};

/* A look with what it borrows. */
struct taken {
    struct top_look look;
    struct ctl_answer metrics;
    json_t *transactions, *sites;
    struct arena arena;
    bool is_there;
};

static void forget(struct taken *t)
{
    if (!t->is_there)
        return;
    ctl_answer_fini(&t->metrics);
    json_decref(t->transactions);
    json_decref(t->sites);
    arena_fini(&t->arena);
    *t = (struct taken){.is_there = false};
}

static int ask_json(const char *socket, const char *path, json_t **out, struct diag *d)
{
    struct ctl_answer answer;
    int rc = ctl_ask_within(socket, path, ASK_MS, &answer, d);
    if (rc < 0)
        return rc;
    *out = answer.status == 200 ? json_loadb(answer.text, answer.n, 0, NULL) : NULL;
    if (!*out)
        rc = diag_set(d, ERR_INVALID, "cheopsd answers %ld to %s, and not with JSON", answer.status,
                      path);
    ctl_answer_fini(&answer);
    return rc;
}

static int ask_metrics(const char *socket, struct taken *t, struct diag *d)
{
    int rc = ctl_ask_within(socket, "/metrics", ASK_MS, &t->metrics, d);
    if (rc < 0)
        return rc;
    t->look.mono_us = rt_mono_us();
    t->look.wall_us = rt_wall_us();
    rc = scrape_parse((struct str){t->metrics.text, t->metrics.n}, &t->arena, &t->look.metrics);
    return rc < 0 ? diag_set(d, rc, "cheopsd answers %ld to /metrics, and not with metrics",
                             t->metrics.status)
                  : 0;
}

static int look(const char *socket, struct taken *t, struct diag *d)
{
    *t = (struct taken){.is_there = true};
    arena_init(&t->arena, NULL, 0, MEMORY_BYTES);
    int rc = ask_metrics(socket, t, d);
    if (rc == 0)
        rc = ask_json(socket, "/v1/transactions", &t->transactions, d);
    if (rc == 0)
        rc = ask_json(socket, "/v1/sites", &t->sites, d);
    t->look.transactions = t->transactions;
    t->look.sites = t->sites;
    if (rc < 0)
        forget(t);
    return rc;
}

/* The view as text, which is the caller's to free; NULL: no memory. */
static char *print_view(const struct taken *before, const struct taken *after, size_t *n)
{
    struct arena arena;
    char *text = NULL;
    FILE *to = open_memstream(&text, n);
    if (!to)
        return NULL;
    arena_init(&arena, NULL, 0, VIEW_BYTES);
    top_print(&before->look, &after->look, &arena, to);
    arena_fini(&arena);
    if (fclose(to) == 0)
        return text;
    free(text);
    return NULL;
}

/* ---- once */

static int print_once(const struct asked *a)
{
    struct diag d = {0};
    struct taken before, after = {.is_there = false};
    char *text = NULL;
    size_t n;
    int rc = look(a->admin, &before, &d);
    if (rc == 0) {
        (void)poll(NULL, 0, (int)a->interval_s * 1000);
        rc = look(a->admin, &after, &d);
    }
    if (rc == 0 && !(text = print_view(&before, &after, &n)))
        rc = diag_set(&d, ERR_NO_MEMORY, "no memory for the view");
    if (rc == 0)
        fwrite(text, 1, n, stdout);
    free(text);
    forget(&before);
    forget(&after);
    return rc == 0 ? CTL_OK : ctl_fail(&d);
}

/* ---- again and again */

struct live {
    const struct asked *asked;
    struct screen screen;
    struct taken before, after;
    char *text; /* as painted last; malloc'ed */
    size_t n;
};

static void keep_text(struct live *l, char *text, size_t n)
{
    free(l->text);
    l->text = text;
    l->n = n;
}

/* A daemon that does not answer is waited for: it may be restarting. */
static void look_again(struct live *l)
{
    struct diag d = {0};
    struct taken next;
    size_t n = 0;
    char *text = NULL;
    if (look(l->asked->admin, &next, &d) < 0) {
        forget(&l->before);
        forget(&l->after);
        int size = asprintf(&text, "%s\n%s", d.message, d.hint);
        keep_text(l, size < 0 ? NULL : text, size < 0 ? 0 : (size_t)size);
        return;
    }
    forget(&l->before);
    l->before = l->after;
    l->after = next;
    text = print_view(l->before.is_there ? &l->before : &l->after, &l->after, &n);
    keep_text(l, text, n);
}

static void run_live(struct live *l)
{
    uint64_t due_ms = rt_mono_us() / 1000;
    enum screen_event event = SCREEN_TIME;
    while (event != SCREEN_QUIT) {
        uint64_t now_ms = rt_mono_us() / 1000;
        if (now_ms >= due_ms) {
            look_again(l);
            due_ms = now_ms + (uint64_t)l->asked->interval_s * 1000;
        }
        screen_paint(&l->screen, (struct str){l->text, l->n});
        now_ms = rt_mono_us() / 1000;
        event = screen_wait(&l->screen, now_ms < due_ms ? (unsigned)(due_ms - now_ms) : 0);
    }
}

/* Where nobody answers from the beginning there is nothing to wait for. */
static int show(const struct asked *a)
{
    struct diag d = {0};
    struct live l = {.asked = a};
    if (look(a->admin, &l.after, &d) < 0 || screen_open(&l.screen, &d) < 0) {
        forget(&l.after);
        return ctl_fail(&d);
    }
    run_live(&l);
    screen_close(&l.screen);
    forget(&l.before);
    forget(&l.after);
    free(l.text);
    return CTL_OK;
}

int ctl_cmd_top(int argc, char **argv)
{
    static const struct ctl_option options[] = {
        {"admin", CTL_TEXT, offsetof(struct asked, admin), "SOCKET",
         "the admin socket of cheopsd (" CTL_SOCKET ")"},
        {"interval", CTL_NUMBER, offsetof(struct asked, interval_s), "N",
         "seconds between two looks (1)", 1, MAX_S},
        {"once", CTL_FLAG, offsetof(struct asked, once), NULL,
         "one view of two looks, as where standard output is no terminal"},
    };
    static const struct ctl_syntax syntax = {
        "top",
        "",
        0,
        0,
        options,
        COUNT_OF(options),
        "Shows what a running cheopsd does, anew at each interval: requests by service and kind\n"
        "of plan, other sites with their states, round trips and legs, connections in pools\n"
        "and requests that wait for one, the requests under way with the oldest first. Rates\n"
        "and percentiles are of the last interval. Ends with q or Ctrl-C.\n"};
    struct asked asked = {.admin = CTL_SOCKET, .interval_s = 1};
    struct ctl_args args;
    if (!ctl_read(&syntax, argc, argv, &asked, &args))
        return args.status;
    return asked.once || !screen_is_there() ? print_once(&asked) : show(&asked);
}
