/* cheops: the command. Each row of the table is a command of its own. */
#include "base/check.h"
#include "base/str.h"
#include "ctl/options.h"

#include <stdio.h>

static const struct ctl_command commands[] = {
    {"app", ctl_cmd_app, "check an application description"},
    {"ca", ctl_cmd_ca, "the authority that sites trust: its certificates, and their end"},
    {"check", ctl_cmd_check, "look at everything that a site needs, and say what to do"},
    {"explain", ctl_cmd_explain, "print what a scope means for a request, without running it"},
    {"init", ctl_cmd_init, "write a configuration to begin with"},
    {"op", ctl_cmd_op, "the order of operations under a resolution matrix"},
    {"reload", ctl_cmd_reload, "make a running cheopsd take its configuration anew"},
    {"scope", ctl_cmd_scope, "check a scope and print its canonical form"},
    {"sites", ctl_cmd_sites, "show the sites as a running cheopsd sees them"},
    {"top", ctl_cmd_top, "show what a running cheopsd does, anew each second"},
    {"transactions", ctl_cmd_transactions,
     "show the requests that a running cheopsd has under way"},
};

static int run(int argc, char **argv)
{
    if (argc == 2 && str_eq(str_of(argv[1]), STR("--version"))) {
        puts("cheops " CHEOPS_VERSION);
        return CTL_OK;
    }
    return ctl_dispatch("cheops", commands, COUNT_OF(commands), argc, argv);
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
