/* cheops reload: a running daemon takes its configuration as it is in the files now. */
#include "base/check.h"
#include "ctl/ask.h"
#include "ctl/options.h"

#include <stdio.h>

struct asked {
    const char *admin;
};

int ctl_cmd_reload(int argc, char **argv)
{
    static const struct ctl_option options[] = {{"admin", CTL_TEXT, offsetof(struct asked, admin),
                                                 "SOCKET",
                                                 "the admin socket of cheopsd (" CTL_SOCKET ")"}};
    static const struct ctl_syntax syntax = {
        "reload",
        "",
        0,
        0,
        options,
        COUNT_OF(options),
        "Makes a running cheopsd take its configuration, the application's description and the\n"
        "certificates as they are in the files now, and waits until it has. What is bad is\n"
        "refused whole: then all stays as it was. Nothing under way is dropped.\n"};
    struct asked asked = {.admin = CTL_SOCKET};
    struct ctl_args args;
    struct diag d = {0};
    struct ctl_answer answer;
    if (!ctl_read(&syntax, argc, argv, &asked, &args))
        return args.status;
    if (ctl_tell(asked.admin, "/v1/reload", &answer, &d) < 0)
        return ctl_fail(&d);
    puts("reloaded");
    ctl_answer_fini(&answer);
    return CTL_OK;
}
