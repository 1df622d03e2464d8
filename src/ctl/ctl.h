/* ctl/ctl.h: the commands of `cheops`, one function each.
 *
 * main.c has the table; a command gets its own name as argv[0], prints its usage for --help, and
 * returns the exit status: 0, 1 (what was asked for failed, or the answer is no) or 2 (the command
 * line is wrong). Answers go to standard output, everything else to standard error.
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

enum ctl_exit { CTL_OK = 0, CTL_FAILED = 1, CTL_USAGE = 2 };

int ctl_cmd_app(int argc, char **argv);
int ctl_cmd_ca(int argc, char **argv);
int ctl_cmd_check(int argc, char **argv);
int ctl_cmd_explain(int argc, char **argv);
int ctl_cmd_init(int argc, char **argv);
int ctl_cmd_op(int argc, char **argv);
int ctl_cmd_reload(int argc, char **argv);
int ctl_cmd_scope(int argc, char **argv);
int ctl_cmd_sites(int argc, char **argv);
int ctl_cmd_top(int argc, char **argv);
int ctl_cmd_transactions(int argc, char **argv);

#endif
