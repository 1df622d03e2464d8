/* codec/trace.h: the fields of W3C Trace Context, traceparent and tracestate.
 *
 *     struct str parent = trace_take(&head);
 *     if (!parent.p)
 *         begin a trace; what was not valid, and its state, is not passed on
 *
 * Pure; nothing is allocated.
 */
#ifndef CODEC_TRACE_H
#define CODEC_TRACE_H

#include "codec/h1.h"

#define TRACE_MAX_MEMBERS 32 /* of tracestate, section 3.3.1.1 */

/* A valid traceparent (section 3.2): of version 00, or of a later one, which may go on after a
 * dash; with ids that are not all zeros. */
bool trace_is_parent(struct str value);
/* The request's traceparent. Absent when there is none, when it is not valid, or when there are
 * several: then it is marked `drop`, and so is tracestate, which means nothing without it. */
struct str trace_take(struct h1_head *h);

/* How many members tracestate has in the fields that are not marked; empty ones do not count. */
size_t trace_count_members(const struct h1_head *h);
/* Writes at most n of them, from the left, each after a comma, and marks the fields. */
void trace_move_members(struct h1_head *h, size_t n, struct out *o);

#endif
