#include "ctl/options.h"
#include "base/check.h"
#include "base/diag.h"
#include "base/err.h"
#include "cfg/cfg.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_OPTIONS  16
#define MAX_COMMANDS 32
#define USAGE_WIDTH  90
#define REPORT_BYTES 4096 /* the texts of a diagnostic, and a line with its caret */

/* ---- help */

/* "usage: …", broken before an option that would pass the width. */
static void print_usage(const struct ctl_syntax *s, FILE *to)
{
    int width = fprintf(to, "usage: cheops %s", s->command);
    int indent = width;
    for (size_t i = 0; i < s->n_options; i++) {
        const struct ctl_option *o = &s->options[i];
        char text[80];
        int n = snprintf(text, sizeof text, " [--%s%s%s]%s", o->name, o->value ? " " : "",
                         o->value ? o->value : "", o->kind == CTL_LIST ? "..." : "");
        if (width + n > USAGE_WIDTH)
            width = fprintf(to, "\n%*s", indent, "") - 1;
        width += fprintf(to, "%s", text);
    }
    fprintf(to, "%s%s\n", s->arguments[0] ? " " : "", s->arguments);
}

static void print_help(const struct ctl_syntax *s)
{
    print_usage(s, stdout);
    printf("\n%s", s->text);
    for (size_t i = 0; i < s->n_options; i++) {
        const struct ctl_option *o = &s->options[i];
        char text[80];
        snprintf(text, sizeof text, "--%s%s%s", o->name, o->value ? " " : "",
                 o->value ? o->value : "");
        printf("%s  %-18s %s\n", i ? "" : "\n", text, o->text);
    }
}

/* ---- reading */

static int wrong(const struct ctl_syntax *s)
{
    print_usage(s, stderr);
    return CTL_USAGE;
}

static int unknown_option(const struct ctl_syntax *s, const char *text)
{
    struct str names[MAX_OPTIONS], name = str_of(text);
    while (name.n && name.p[0] == '-')
        name = str_from(name, 1);
    ptrdiff_t equals = str_find(name, '=');
    name = str_sub(name, 0, equals < 0 ? name.n : (size_t)equals);
    for (size_t i = 0; i < s->n_options; i++)
        names[i] = str_of(s->options[i].name);
    struct str near = str_nearest(name, names, s->n_options);
    fprintf(stderr, "cheops: %s has no option '%s'", s->command, text);
    if (near.p)
        fprintf(stderr, "; did you mean '--%.*s'?", STR_ARG(near));
    fputc('\n', stderr);
    return wrong(s);
}

static bool take_number(const struct ctl_option *o, const char *text, unsigned *to)
{
    uint64_t v;
    if (str_digits(str_of(text), o->max, &v) < 0 || v < o->min) {
        fprintf(stderr, "cheops: --%s is a number from %u to %u, not '%s'\n", o->name, o->min,
                o->max, text);
        return false;
    }
    *to = (unsigned)v;
    return true;
}

static bool take(const struct ctl_option *o, const char *value, void *to)
{
    void *member = (char *)to + o->offset;
    struct ctl_list *list = member;
    switch (o->kind) {
    case CTL_FLAG:
        *(bool *)member = true;
        break;
    case CTL_TEXT:
        *(const char **)member = value;
        break;
    case CTL_NUMBER:
        return take_number(o, value, member);
    case CTL_LIST:
        if (list->n == CTL_LIST_MAX) {
            fprintf(stderr, "cheops: --%s may be given %d times\n", o->name, CTL_LIST_MAX);
            return false;
        }
        list->items[list->n++] = value;
        break;
    }
    return true;
}

/* getopt_long's words for the table; `help` is 'h', the others count from 256. */
static void fill(const struct ctl_syntax *s, struct option *options)
{
    CHECK(s->n_options <= MAX_OPTIONS);
    for (size_t i = 0; i < s->n_options; i++)
        options[i] = (struct option){
            s->options[i].name, s->options[i].kind == CTL_FLAG ? no_argument : required_argument,
            NULL, 256 + (int)i};
    options[s->n_options] = (struct option){"help", no_argument, NULL, 'h'};
    options[s->n_options + 1] = (struct option){0};
}

/* One option that getopt_long found, or did not. Returns whether reading goes on. */
static bool take_found(const struct ctl_syntax *s, int found, char **argv, void *to, int *status)
{
    if (found == 'h') {
        print_help(s);
        *status = CTL_OK;
        return false;
    }
    *status = CTL_USAGE;
    if (found >= 256)
        return take(&s->options[found - 256], optarg, to);
    const char *text = argv[optind - 1];
    if (found == ':') {
        fprintf(stderr, "cheops: %s needs a value\n", text);
        *status = wrong(s);
    } else if (optopt >= 256) {
        fprintf(stderr, "cheops: --%s takes no value\n", s->options[optopt - 256].name);
        *status = wrong(s);
    } else {
        *status = unknown_option(s, text);
    }
    return false;
}

bool ctl_read(const struct ctl_syntax *s, int argc, char **argv, void *to, struct ctl_args *args)
{
    struct option options[MAX_OPTIONS + 2];
    fill(s, options);
    opterr = 0;
    optind = 0; /* anew, also after another command's */
    for (int found; (found = getopt_long(argc, argv, ":h", options, NULL)) != -1;)
        if (!take_found(s, found, argv, to, &args->status))
            return false;
    int n = argc - optind;
    args->rest = argv + optind;
    args->n = n;
    if (n >= s->min && n <= s->max)
        return true;
    fprintf(stderr, "cheops: %s takes %s, and %d argument%s given\n", s->command,
            s->arguments[0] ? s->arguments : "no argument", n, n == 1 ? " is" : "s are");
    args->status = wrong(s);
    return false;
}

int ctl_fail(const struct diag *d)
{
    char memory[REPORT_BYTES];
    struct out o;
    out_init(&o, memory, sizeof memory);
    cfg_report(d, &o);
    fprintf(stderr, "cheops: %.*s", STR_ARG(out_get(&o)));
    return CTL_FAILED;
}

/* ---- commands */

static void print_commands(const char *prefix, const struct ctl_command *commands, size_t n,
                           FILE *to)
{
    fprintf(to, "usage: %s COMMAND [ARGUMENT]...\n\n", prefix);
    for (size_t i = 0; i < n; i++)
        fprintf(to, "  %-12s %s\n", commands[i].name, commands[i].summary);
    fprintf(to, "\n%s COMMAND --help says more.\n", prefix);
}

static const struct ctl_command *find(const char *prefix, const struct ctl_command *commands,
                                      size_t n, const char *name)
{
    struct str names[MAX_COMMANDS];
    CHECK(n <= MAX_COMMANDS);
    for (size_t i = 0; i < n; i++) {
        names[i] = str_of(commands[i].name);
        if (str_eq(names[i], str_of(name)))
            return &commands[i];
    }
    struct str near = str_nearest(str_of(name), names, n);
    fprintf(stderr, "%s: there is no command '%s'", prefix, name);
    if (near.p)
        fprintf(stderr, "; did you mean '%.*s'?", STR_ARG(near));
    fprintf(stderr, "\n%s help lists the commands\n", prefix);
    return NULL;
}

int ctl_dispatch(const char *prefix, const struct ctl_command *commands, size_t n, int argc,
                 char **argv)
{
    static char option[] = "--help";
    if (argc < 2) {
        print_commands(prefix, commands, n, stderr);
        return CTL_USAGE;
    }
    struct str first = str_of(argv[1]);
    bool is_help = str_eq(first, STR("help"));
    if (str_eq(first, STR("--help")) || str_eq(first, STR("-h")) || (is_help && argc < 3)) {
        print_commands(prefix, commands, n, stdout);
        return CTL_OK;
    }
    const struct ctl_command *c = find(prefix, commands, n, argv[is_help ? 2 : 1]);
    if (!c)
        return CTL_USAGE;
    char *help[] = {argv[is_help ? 2 : 1], option, NULL};
    return is_help ? c->run(2, help) : c->run(argc - 1, argv + 1);
}
