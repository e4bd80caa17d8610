/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check.h - what the unit tests share.  A test is a function run by RUN();
 * CHECK() notes a failure and goes on; SKIP() ends a test that cannot be done
 * here and says why.  main() ends with `return summary();', which prints "N
 * passed, N failed, N skipped".
 */

#ifndef AGL_CHECK_H
#define AGL_CHECK_H 1

#include <stdio.h>
#include <stdlib.h>

static int n_passed, n_failed, n_skipped, n_checks_failed;
static const char *skipped;     /* Why the test that runs is skipped. */

#define CHECK(COND)                                                     \
    do {                                                                \
        if (!(COND)) {                                                  \
            printf("%s:%d: %s\n", __FILE__, __LINE__, #COND);           \
            n_checks_failed++;                                          \
        }                                                               \
    } while (0)

#define SKIP(REASON)                                                    \
    do {                                                                \
        skipped = (REASON);                                             \
        return;                                                         \
    } while (0)

#define RUN(TEST) run(#TEST, TEST)

static inline void
run(const char *name, void (*test)(void))
{
    n_checks_failed = 0;
    skipped = NULL;
    test();
    if (n_checks_failed) {
        n_failed++;
        printf("not ok %s\n", name);
    } else if (skipped) {
        n_skipped++;
        printf("skip %s: %s\n", name, skipped);
    } else {
        n_passed++;
        printf("ok %s\n", name);
    }
}

static inline int
summary(void)
{
    printf("%d passed, %d failed, %d skipped\n", n_passed, n_failed,
           n_skipped);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif /* check.h */
