/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file sanitized.h
 * SANITIZED: 1 in builds whose memory is not the program's own (address and thread sanitizer), else 0.
 * THREADS_SANITIZED: 1 in those of the thread sanitizer, which need not repeat what one thread does.
 */
#ifndef WETMILL_TEST_SANITIZED_H
#define WETMILL_TEST_SANITIZED_H

#if defined(__SANITIZE_THREAD__)
#    define THREADS_SANITIZED 1
#elif defined(__has_feature)
#    if __has_feature(thread_sanitizer)
#        define THREADS_SANITIZED 1
#    endif
#endif
#ifndef THREADS_SANITIZED
#    define THREADS_SANITIZED 0
#endif

#if defined(__SANITIZE_ADDRESS__) || THREADS_SANITIZED
#    define SANITIZED 1
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer)
#        define SANITIZED 1
#    endif
#endif
#ifndef SANITIZED
#    define SANITIZED 0
#endif

#endif /* WETMILL_TEST_SANITIZED_H */
