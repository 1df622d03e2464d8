/* The filter of system calls, made by libseccomp from calls.def and the rules below. */
#include "base/check.h"
#include "rt/confine.h"

#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static const int allowed[] = {
#define CALL(name) SCMP_SYS(name),
#define NEVER(name)
#include "rt/calls.def"
#undef CALL
#undef NEVER
};

static const int never[] = {
#define CALL(name)
#define NEVER(name) SCMP_SYS(name),
#include "rt/calls.def"
#undef CALL
#undef NEVER
};

/* The kernel loads modules for other families and protocols at the asking of anybody. */
static const struct {
    int family, type, protocol;
} sockets[] = {
    {AF_INET, SOCK_STREAM, 0},  {AF_INET, SOCK_STREAM, IPPROTO_TCP},
    {AF_INET, SOCK_DGRAM, 0},   {AF_INET, SOCK_DGRAM, IPPROTO_UDP},
    {AF_INET6, SOCK_STREAM, 0}, {AF_INET6, SOCK_STREAM, IPPROTO_TCP},
    {AF_INET6, SOCK_DGRAM, 0},  {AF_INET6, SOCK_DGRAM, IPPROTO_UDP},
    {AF_UNIX, SOCK_STREAM, 0},  {AF_UNIX, SOCK_DGRAM, 0},
};
#define TYPE_BITS 0xfu /* of socket(2)'s type; the others are flags */

/* A thread, and nothing that is a process or has a namespace of its own. The arguments of clone3
 * are in memory, where a filter cannot look: the C library takes clone when that fails. */
#define CLONE_BITS                                                                                 \
    (CLONE_THREAD | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |  \
     CLONE_NEWPID | CLONE_NEWNET)

struct rule {
    int call;
    unsigned n; /* of tests, which hold together */
    struct scmp_arg_cmp tests[3];
};

static int add_rules(scmp_filter_ctx f, const struct rule *rules, size_t n)
{
    int e = 0;
    for (size_t i = 0; i < n && !e; i++)
        e = seccomp_rule_add_array(f, SCMP_ACT_ALLOW, rules[i].call, rules[i].n, rules[i].tests);
    return e;
}

static int add_calls(scmp_filter_ctx f)
{
    int e = 0;
    for (size_t i = 0; i < COUNT_OF(allowed) && !e; i++)
        e = seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed[i], 0);
    for (size_t i = 0; i < COUNT_OF(never) && !e; i++)
        e = seccomp_rule_add(f, SCMP_ACT_TRAP, never[i], 0);
    return e;
}

static int add_sockets(scmp_filter_ctx f)
{
    int e = 0;
    for (size_t i = 0; i < COUNT_OF(sockets) && !e; i++) {
        const struct rule rule = {
            SCMP_SYS(socket),
            3,
            {SCMP_A0(SCMP_CMP_EQ, (unsigned)sockets[i].family),
             SCMP_A1(SCMP_CMP_MASKED_EQ, TYPE_BITS, (unsigned)sockets[i].type),
             SCMP_A2(SCMP_CMP_EQ, (unsigned)sockets[i].protocol)},
        };
        e = add_rules(f, &rule, 1);
    }
    return e;
}

static int add_with_arguments(scmp_filter_ctx f)
{
    const struct rule rules[] = {
        {SCMP_SYS(mmap), 1, {SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)}},
        {SCMP_SYS(mprotect), 1, {SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)}},
        {SCMP_SYS(clone), 1, {SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_BITS, CLONE_THREAD)}},
        {SCMP_SYS(tgkill), 1, {SCMP_A0(SCMP_CMP_EQ, (unsigned)getpid())}},
        {SCMP_SYS(prctl), 1, {SCMP_A0(SCMP_CMP_EQ, PR_GET_NAME)}},
        {SCMP_SYS(prctl), 1, {SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME)}},
        {SCMP_SYS(ioctl), 1, {SCMP_A1(SCMP_CMP_EQ, FIONREAD)}}, /* the C library's resolver */
        /* getrlimit, and not setrlimit */
        {SCMP_SYS(prlimit64), 2, {SCMP_A0(SCMP_CMP_EQ, 0), SCMP_A2(SCMP_CMP_EQ, 0)}},
    };
    return add_rules(f, rules, COUNT_OF(rules));
}

static int add_all(scmp_filter_ctx f)
{
    int e = add_calls(f);
    if (!e)
        e = add_sockets(f);
    return e ? e : add_with_arguments(f);
}

/* Of the optional ones, LOG has the kernel log what is refused, and SSB spares this process a
 * costly guard against code of others that runs in it: there is none. */
static int set_up(scmp_filter_ctx f)
{
    (void)seccomp_attr_set(f, SCMP_FLTATR_CTL_LOG, 1);
    (void)seccomp_attr_set(f, SCMP_FLTATR_CTL_SSB, 1);
    (void)seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree instead of a list */
    (void)seccomp_attr_set(f, SCMP_FLTATR_API_SYSRAWRC, 1);
    int e = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    return e ? e : seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
}

int rt_confine_calls(struct diag *d)
{
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    if (!f)
        return diag_set(d, ERR_NO_MEMORY, "no memory for a filter of system calls");
    int rc = 0, e = add_all(f);
    if (e)
        rc = diag_set(d, ERR_SYSTEM, "no filter of system calls can be made: %s",
                      strerrordesc_np(-e));
    else if ((e = set_up(f)) || (e = seccomp_load(f)))
        rc = diag_set(d, ERR_UNSUPPORTED, "the kernel takes no filter of system calls: %s",
                      strerrordesc_np(-e));
    seccomp_release(f);
    return rc;
}
