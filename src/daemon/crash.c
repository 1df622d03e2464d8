#include "daemon/crash.h"

#include "daemon/internal.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOBODY SIZE_MAX

static const struct {
    int number;
    const char *name;
    bool is_sanitizers; /* they handle it themselves */
} fatal[] = {
    {SIGABRT, "SIGABRT", false}, {SIGSEGV, "SIGSEGV", true}, {SIGBUS, "SIGBUS", true},
    {SIGILL, "SIGILL", true},    {SIGFPE, "SIGFPE", true},   {SIGSYS, "SIGSYS", false},
};

static const struct daemon *watched;
static _Thread_local size_t own_worker = NOBODY;
static atomic_int reporter; /* the thread that reports; 0: none */

/* ---- the report */

static void say(struct str text)
{
    while (text.n) {
        ssize_t n = write(STDERR_FILENO, text.p, text.n);
        if (n <= 0)
            return; /* nobody hears it */
        text = str_from(text, (size_t)n);
    }
}

static struct str name_of(int signal)
{
    for (size_t i = 0; i < COUNT_OF(fatal); i++)
        if (fatal[i].number == signal)
            return str_of(fatal[i].name);
    return STR("a signal");
}

/* Sent by a process, also by this one's abort(), and not by a fault. */
static bool is_sent(const siginfo_t *info)
{
    return info->si_code <= 0;
}

static void say_head(const siginfo_t *info)
{
    char memory[256], thread[17] = "";
    struct out o;
    prctl(PR_GET_NAME, thread);
    out_init(&o, memory, sizeof memory);
    OUT(&o, "cheopsd " CHEOPS_VERSION " ends by ");
    out_str(&o, name_of(info->si_signo));
    OUT(&o, " in the thread ");
    out_str(&o, str_of(thread));
    if (info->si_signo == SIGSYS && !is_sent(info)) {
        OUT(&o, ", which made the system call ");
        out_u64(&o, (uint64_t)info->si_syscall);
        OUT(&o, " that it never makes");
    } else if (!is_sent(info)) {
        OUT(&o, ", at the address 0x");
        out_hex(&o, (uintptr_t)info->si_addr);
    } else if (info->si_pid != getpid()) {
        OUT(&o, ", sent by the process ");
        out_u64(&o, (uint64_t)info->si_pid);
    }
    OUT(&o, "\n");
    say(out_get(&o));
}

static void say_worker(size_t i)
{
    const struct worker_thread *t = &watched->threads[i];
    const struct proxy_worker *w = t->worker;
    char memory[80];
    struct out o;
    out_init(&o, memory, sizeof memory);
    OUT(&o, "requests of worker-");
    out_u64(&o, i);
    if (t->owes_beat && watched->beat_is_late)
        OUT(&o, ", which does not answer");
    OUT(&o, ":\n");
    say(out_get(&o));
    if (w)
        proxy_worker_report(w, say);
    else
        say(STR("  none: it has ended\n"));
}

static void say_workers(const siginfo_t *info)
{
    if (!watched || !watched->threads)
        return;
    if (own_worker != NOBODY && (!is_sent(info) || info->si_pid == getpid())) {
        say_worker(own_worker);
        return;
    }
    for (size_t i = 0; i < watched->n_threads; i++)
        say_worker(i);
}

static void end(int signal)
{
    struct sigaction usual = {.sa_handler = SIG_DFL};
    sigset_t set;
    sigaction(signal, &usual, NULL);
    sigemptyset(&set);
    sigaddset(&set, signal);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    syscall(SYS_tgkill, getpid(), (int)syscall(SYS_gettid), signal);
    _exit(128 + signal);
}

static void on_fatal(int signal, siginfo_t *info, void *context)
{
    int self = (int)syscall(SYS_gettid), none = 0;
    (void)context;
    if (atomic_compare_exchange_strong(&reporter, &none, self)) {
        say_head(info);
        say_workers(info);
        say(STR("end of the report\n"));
    } else if (none == self) {
        say(STR("  the report ends here: what it reads is broken, too\n"));
    } else {
        for (;;)
            pause(); /* another thread ends the process */
    }
    end(signal);
}

/* ---- set up */

static void set_stack(char *stack)
{
    const stack_t s = {.ss_sp = stack, .ss_size = CRASH_STACK_BYTES};
    if (!HAS_SANITIZER) /* which have one, and would free this one as theirs */
        CHECK(sigaltstack(&s, NULL) == 0);
}

void crash_start(void)
{
    static char stack[CRASH_STACK_BYTES];
    /* A fault within the report comes to the handler again. */
    struct sigaction action = {.sa_sigaction = on_fatal,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    sigemptyset(&action.sa_mask);
    set_stack(stack);
    for (size_t i = 0; i < COUNT_OF(fatal); i++)
        if (!HAS_SANITIZER || !fatal[i].is_sanitizers)
            CHECK(sigaction(fatal[i].number, &action, NULL) == 0);
}

void crash_watch(const struct daemon *x)
{
    watched = x;
}

void crash_enter(size_t worker, char *stack)
{
    own_worker = worker;
    set_stack(stack);
}
