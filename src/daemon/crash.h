/* daemon/crash.h: what is said when the daemon ends by a programming error: a fatal signal, or a
 * CHECK that failed (which aborts).
 *
 * The report goes to standard error: version, signal, thread, and the live transactions of the
 * thread's loop; of all loops, when the signal came from another process or the thread has none.
 * Then the signal has its usual end, with a core where the system keeps them. A second fault within
 * the report ends it. Nothing in it takes a lock or memory.
 */
#ifndef DAEMON_CRASH_H
#define DAEMON_CRASH_H

#include <stddef.h>

struct daemon;

#define CRASH_STACK_BYTES (64 * 1024)

/* Sets the handlers for the process. In a build with sanitizers for SIGABRT only: the other signals
 * are theirs. */
void crash_start(void);
/* Whose transactions are reported; NULL: nobody's. Before its workers run, and after. */
void crash_watch(const struct daemon *x);
/* This thread runs the worker of that number from now on, and handlers run on `stack`, of
 * CRASH_STACK_BYTES, which stays until the thread has ended. */
void crash_enter(size_t worker, char *stack);

#endif
