/* tests/fuzz/fuzz.h: what each fuzz target defines. It uses CHECK (base/check.h) for what must
 * hold. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Takes one input (size may be 0) and returns 0; ends the process when something is wrong. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
