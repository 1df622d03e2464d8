/* ctl/ask.h: one question to a running cheopsd, over its admin socket. Internal to ctl. */
#ifndef CTL_ASK_H
#define CTL_ASK_H

#include "base/diag.h"
#include "base/err.h"

#include <stdbool.h>

#define CTL_CONFIG     "/etc/cheops/cheops.yaml"
#define CTL_SOCKET     "/run/cheops/admin.sock"
#define CTL_ASK_MS     10000      /* for the whole answer */
#define CTL_ANSWER_MAX (16 << 20) /* bytes */

struct ctl_answer {
    long status;
    bool is_json;
    char *text; /* malloc'ed, ends in NUL: ctl_answer_fini */
    size_t n;
};

/* GET of a path with its query, at most CTL_ASK_MS. Errors are said for people: ERR_FORBIDDEN (the
 * socket may not be opened), ERR_SYSTEM; one of the admin API itself ({"error": …}) is such an
 * error, ERR_INVALID, another status than 200 is an answer. */
int ctl_ask(const char *socket, const char *path, struct ctl_answer *out, struct diag *d) MUST_USE;
/* The same, at most `ms`. */
int ctl_ask_within(const char *socket, const char *path, unsigned ms, struct ctl_answer *out,
                   struct diag *d) MUST_USE;
/* The same as ctl_ask with POST and no body: asks for a change. */
int ctl_tell(const char *socket, const char *path, struct ctl_answer *out, struct diag *d) MUST_USE;
void ctl_answer_fini(struct ctl_answer *a);

#endif
