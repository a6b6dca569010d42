/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file sanitized.h
 * SANITIZED: 1 in builds whose memory is not the program's own (address and thread sanitizer), else 0.
 */
#ifndef WETMILL_TEST_SANITIZED_H
#define WETMILL_TEST_SANITIZED_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#    define SANITIZED 1
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#        define SANITIZED 1
#    endif
#endif
#ifndef SANITIZED
#    define SANITIZED 0
#endif

#endif /* WETMILL_TEST_SANITIZED_H */
