/* app/error.h: Cheops' own errors in the shape that the application's clients understand
 * (scope-lang.md section 2). Pure. */
#ifndef APP_ERROR_H
#define APP_ERROR_H

#include "app/app.h"
#include "base/diag.h"

/* Writes the body of an error answer and gives its content type. `shape` is the service's, or the
 * application's, or NULL (application/problem+json, RFC 9457). `text` is what d->offset points into
 * (the scope), absent when there is none; the caret lines are then part of the message. */
void app_error_write(const struct app_errors *shape, const struct diag *d, struct str text,
                     struct out *body, struct str *content_type);

#endif
