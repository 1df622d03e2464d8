/* ctl/options.h: commands and their options as tables, which are read with and make the help.
 *
 *     struct asked { bool json; const char *dir; unsigned days; } asked = {.days = 365};
 *     static const struct ctl_option options[] = {
 *         {"dir", CTL_TEXT, offsetof(struct asked, dir), "DIR", "the authority's folder"},
 *         …
 *     };
 *     static const struct ctl_syntax syntax = {"ca issue", "SITE", 1, 1, options, …};
 *     if (!ctl_read(&syntax, argc, argv, &asked, &args))
 *         return args.status;
 */
#ifndef CTL_OPTIONS_H
#define CTL_OPTIONS_H

#include "ctl/ctl.h"

#include <stdbool.h>
#include <stddef.h>

#define CTL_LIST_MAX 32

/* What an option's member is: bool, const char *, unsigned, struct ctl_list. */
enum ctl_option_kind { CTL_FLAG, CTL_TEXT, CTL_NUMBER, CTL_LIST };

/* Of an option that may be given several times. */
struct ctl_list {
    const char *items[CTL_LIST_MAX];
    size_t n;
};

struct ctl_option {
    const char *name; /* without the dashes */
    enum ctl_option_kind kind;
    size_t offset;     /* of its member */
    const char *value; /* what the help calls its value; NULL for a flag */
    const char *text;  /* what it does: a line */
    unsigned min, max; /* of a number */
};

struct ctl_syntax {
    const char *command;   /* "ca issue" */
    const char *arguments; /* as the usage shows them: "SITE" */
    int min, max;          /* how many there may be */
    const struct ctl_option *options;
    size_t n_options;
    const char *text; /* what it does: lines, each with its line feed */
};

/* What is left of a command line. */
struct ctl_args {
    char **rest; /* arguments, which are in argv */
    int n;
    int status; /* of the exit, when there is nothing more to do */
};

/* Reads the command line into the members of `to`; argv[0] is the command's own name. False: all
 * was said (help, or what is wrong), args->status is the exit status. argv is put in another order.
 */
bool ctl_read(const struct ctl_syntax *s, int argc, char **argv, void *to, struct ctl_args *args);

/* Prints what diag says, for people, after "cheops: ". Returns CTL_FAILED. */
struct diag;
int ctl_fail(const struct diag *d);

struct ctl_command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
};

/* Runs the one of n commands that argv[1] names, with its own name as argv[0]; or prints what
 * `help`, --help or no name asks for. `prefix` is what stands before a command: "cheops ca". */
int ctl_dispatch(const char *prefix, const struct ctl_command *commands, size_t n, int argc,
                 char **argv);

#endif
