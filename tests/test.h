/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test.h
 * The few words a unit test needs. A test program calls CHECK… and ends with
 * `return test_summary();`: 0 passed, 1 failed. SKIP(why) ends it with 77, or 1 after a failure.
 */
#ifndef WETMILL_TEST_H
#define WETMILL_TEST_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wetmill/error.h"
#include "wetmill/str.h"

static int test_checks, test_failures;

#define CHECK_(ok, ...)                                           \
    do {                                                          \
        test_checks++;                                            \
        if (!(ok)) {                                              \
            test_failures++;                                      \
            (void)fprintf(stderr, "%s:%d: ", __FILE__, __LINE__); \
            (void)fprintf(stderr, __VA_ARGS__);                   \
            (void)fputc('\n', stderr);                            \
        }                                                         \
    } while (0)

#define CHECK(cond) CHECK_((cond), "failed: %s", #cond)

#define CHECK_U64(got, want)                                                          \
    do {                                                                              \
        uint64_t got_ = (uint64_t)(got), want_ = (uint64_t)(want);                    \
        CHECK_(got_ == want_, "%s is %" PRIu64 ", want %" PRIu64, #got, got_, want_); \
    } while (0)

#define CHECK_STR(got, want)                                                                 \
    do {                                                                                     \
        struct wm_str got_ = (got), want_ = (want);                                          \
        CHECK_(wm_str_eq(got_, want_), "%s is \"%.*s\", want \"%.*s\"", #got, (int)got_.len, \
               got_.len ? got_.ptr : "", (int)want_.len, want_.len ? want_.ptr : "");        \
    } while (0)

/** The call must return 0. */
#define CHECK_OK(call, err)                                                                  \
    do {                                                                                     \
        int status_ = (call);                                                                \
        CHECK_(status_ == 0, "%s gave %d: %s: %s", #call, status_, (err).where, (err).what); \
    } while (0)

/** The call must fail with `status`, and the message must contain `words`. */
#define CHECK_FAILS(call, status, err, words)                                                  \
    do {                                                                                       \
        int status_ = (call);                                                                  \
        CHECK_(status_ == (status), "%s gave %d, want %d", #call, status_, (status));          \
        CHECK_(strstr((err).what, (words)) != NULL, "message \"%s\" lacks \"%s\"", (err).what, \
               (words));                                                                       \
    } while (0)

#define SKIP(...)                     \
    do {                              \
        (void)printf("skipped: ");    \
        (void)printf(__VA_ARGS__);    \
        (void)putchar('\n');          \
        exit(test_failures ? 1 : 77); \
    } while (0)

static inline int test_summary(void)
{
    (void)printf("%d checks, %d failed\n", test_checks, test_failures);
    return test_failures || !test_checks ? 1 : 0;
}

/** Where the shared conformance vectors are: $WETMILL_VECTORS or SOURCE/../shared/vectors. */
static inline const char *test_vectors(void)
{
    const char *dir = getenv("WETMILL_VECTORS");
    return dir && *dir ? dir : WM_SOURCE_DIR "/../shared/vectors";
}

/** Where shared test data is: $WETMILL_DATA or SOURCE/../shared/data. */
static inline const char *test_data(void)
{
    const char *dir = getenv("WETMILL_DATA");
    return dir && *dir ? dir : WM_SOURCE_DIR "/../shared/data";
}

#endif /* WETMILL_TEST_H */
