/* What the tests of this ring share. */
#ifndef OP_TEST_H
#define OP_TEST_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/check.h"
#include "op/log.h"

#define MATRIX_MEMORY (64 * 1024)

/* The next number below a bound, of a sequence that the seed, not 0, fixes (xorshift). */
static inline unsigned op_draw(uint64_t *seed, unsigned below)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return (unsigned)((*seed >> 11) % below);
}

#endif
