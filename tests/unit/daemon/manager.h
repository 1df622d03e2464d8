/* A service manager's end of the protocol, and what the daemon writes to standard error meanwhile.
 */
#ifndef TESTS_DAEMON_MANAGER_H
#define TESTS_DAEMON_MANAGER_H

#include "../base/unit.h"

/* Listens at an address of the abstract namespace; its name as NOTIFY_SOCKET says it. */
const char *manager_open(void);
void manager_close(void);
/* The next message that is there now; "" when there is none. Good until the next call. */
const char *manager_heard(void);

/* From here to the end, what is written to standard error is kept instead of shown. */
void stderr_begin(void);
/* What it was, good until the next call. */
const char *stderr_end(void);

#endif
