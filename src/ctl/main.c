/* cheops: the command. Each row of the table is a command of its own. */
#include "base/check.h"
#include "base/str.h"
#include "ctl/ctl.h"

#include <errno.h>
#include <stdio.h>

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    {"scope", ctl_cmd_scope, "check a scope and print its canonical form"},
};

static void print_usage(FILE *to)
{
    fputs("usage: cheops COMMAND [ARGUMENT]...\n\n", to);
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fputs("\ncheops help COMMAND says more; cheops --version prints the version.\n", to);
}

static const struct command *find_command(const char *name)
{
    struct str names[COUNT_OF(commands)];
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        names[i] = str_of(commands[i].name);
        if (str_eq(names[i], str_of(name)))
            return &commands[i];
    }
    struct str near = str_nearest(str_of(name), names, COUNT_OF(commands));
    fprintf(stderr, "cheops: there is no command '%s'", name);
    if (near.p)
        fprintf(stderr, "; did you mean '%.*s'?", STR_ARG(near));
    fputs("\ncheops help lists the commands\n", stderr);
    return NULL;
}

/* cheops help [COMMAND] */
static int run_help(int argc, char **argv)
{
    static char option[] = "--help";
    if (argc < 2) {
        print_usage(stdout);
        return CTL_OK;
    }
    const struct command *c = find_command(argv[1]);
    char *help[] = {argv[1], option, NULL};
    return c ? c->run(2, help) : CTL_USAGE;
}

static int run(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return CTL_USAGE;
    }
    struct str first = str_of(argv[1]);
    if (str_eq(first, STR("--version"))) {
        puts("cheops " CHEOPS_VERSION);
        return CTL_OK;
    }
    if (str_eq(first, STR("help")) || str_eq(first, STR("--help")) || str_eq(first, STR("-h")))
        return run_help(argc - 1, argv + 1);
    const struct command *c = find_command(argv[1]);
    return c ? c->run(argc - 1, argv + 1) : CTL_USAGE;
}

int main(int argc, char **argv)
{
    int status = run(argc, argv);
    if (fflush(stdout) != 0 || ferror(stdout)) { /* an answer that did not get out is no answer */
        perror("cheops: cannot write to standard output");
        return CTL_FAILED;
    }
    return status;
}
