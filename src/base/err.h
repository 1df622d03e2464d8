/* base/err.h: the one table of errors.
 *
 * A function that can fail returns int: 0, or a negative code of this table. Results are given in
 * out-parameters. Human context goes into a struct diag that the caller passes (base/diag.h).
 *
 *     int rc = thing_open(&t, path, &diag);
 *     if (rc < 0)
 *         return rc;
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err_index {
    ERR_INDEX_OK,
#define ERR(symbol, name, status, retryable, text) ERR_INDEX_##symbol,
#include "base/err.def"
#undef ERR
    ERR_INDEX_COUNT
};

enum err {
    ERR_OK = 0,
#define ERR(symbol, name, status, retryable, text) ERR_##symbol = -ERR_INDEX_##symbol,
#include "base/err.def"
#undef ERR
};

#define MUST_USE __attribute__((warn_unused_result))

/* The stable name of a code ("scope-syntax"); "ok" for 0, "unknown" for what is not in the table.
 */
const char *err_name(int code);
/* One sentence without a full stop. */
const char *err_text(int code);
/* The HTTP status of an answer that reports the code; 500 for codes that have none of their own. */
int err_status(int code);
/* Whether the same request may succeed later unchanged. */
int err_is_retryable(int code);

#endif
