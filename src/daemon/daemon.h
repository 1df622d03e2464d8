/* daemon/daemon.h: one site's Cheops as a process: threads, signals, start and stop.
 *
 *   control thread (main)   signals, admin API, heartbeats
 *   worker threads          listeners, connections, transactions; one loop each
 *   log thread, resolver    rt's own
 *
 * SIGTERM and SIGINT drain: listeners close, idle connections close, requests under way end within
 * `timeouts: drain`; a second signal ends at once. SIGUSR1 opens the access log anew. SIGHUP does
 * so, too, and reads the configuration, the description and the certificates anew; bad ones are
 * refused whole.
 *
 * A service manager (systemd's protocol) is told of start, reloads and the end, and fed its
 * watchdog while every loop answers; listening sockets that it opened are taken instead of opened.
 */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include "cfg/cfg.h"

/* Runs until told to stop. Takes the configuration. 0, or why it could not start. */
int daemon_run(struct cfg *cfg, struct diag *d) MUST_USE;

#endif
