/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file thread.h
 * Threads with a stack of known size: stacks count as memory.
 */
#ifndef WETMILL_PIPELINE_THREAD_H
#define WETMILL_PIPELINE_THREAD_H

#include <pthread.h>

#include "wetmill/error.h"

int wm_thread_start(pthread_t *ret, void *(*body)(void *), void *arg, struct wm_error *err);

#endif /* WETMILL_PIPELINE_THREAD_H */
