/* app/error.h: Cheops' own errors in the shape that the application's clients understand
 * (scope-lang.md section 2). Pure.
 *
 * A shape is a JSON text with {status}, {reason}, {code}, {message} and {hint} in it. Within a JSON
 * string a placeholder stands for text, escaped; elsewhere for a string with its quotes, or,
 * status, for a number:
 *
 *     {"error":{"code":{status},"title":{reason},"message":"Cheops: {message}"}}
 */
#ifndef APP_ERROR_H
#define APP_ERROR_H

#include "app/app.h"
#include "base/diag.h"
#include "base/err.h"

#define APP_ERROR_MAX_TEMPLATE 2048
#define APP_ERROR_BODY         8192 /* room in which every error fits, whatever the scope */

/* Writes the body of an error answer and gives its content type. `shape` is the service's, or the
 * application's, or NULL (application/problem+json, RFC 9457). `text` is what d->offset points into
 * (the scope), absent when there is none. The message has the line with the caret then, and the
 * hint where the shape has no place of its own for it. What does not fit with the scope is written
 * without. */
void app_error_write(const struct app_errors *shape, const struct diag *d, struct str text,
                     struct out *body, struct str *content_type);

/* Whether a shape will do: a JSON media type, known placeholders, and JSON when they are filled in.
 * 0 or ERR_CONFIG; d->offset and length are in the shape's body. */
int app_errors_check(const struct app_errors *shape, struct diag *d) MUST_USE;

#endif
