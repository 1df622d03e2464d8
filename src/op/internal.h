/* op/internal.h: between the files of this ring. */
#ifndef OP_INTERNAL_H
#define OP_INTERNAL_H

#include "op/log.h"

/* Merges the actors' own sequences (docs/design.md section 5): of their first operations that saw
 * none of the other first ones, the least in (rank, clock, actor) goes next, again and again.
 * Takes the operations of `from`, where those of one actor are in their own order, and appends them
 * to the log's list. */
void op_merge(struct op_log *log, struct list *from);

/* The list is about to change from `at` on. */
void op_touch(struct op_log *log, const struct list *at);

/* Puts x, which nothing in the list saw, into its place in the list. */
void op_insert(struct op_log *log, struct op_operation *x);

#endif
