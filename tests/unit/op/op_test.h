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

#endif
