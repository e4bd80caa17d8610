/* SPDX-License-Identifier: Apache-2.0 */
/* libfuzzer.c - a program of libFuzzer for the target FUZZ_TARGET, a function
 * of fuzz.h (build-aux/check-fuzz defines it). */

#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

void
fuzz_must(bool ok, const char *cond, const char *file, int line)
{
    if (!ok) {
        fprintf(stderr, "%s:%d: must be: %s\n", file, line, cond);
        abort();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FUZZ_TARGET(data, size);
    return 0;
}
