/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/thread.h"

#include <string.h>

#include "pipeline/plan.h"

int wm_thread_start(pthread_t *ret, void *(*body)(void *), void *arg, struct wm_error *err)
{
    pthread_attr_t attr;
    int number = pthread_attr_init(&attr);
    if (number)
        return wm_fail(err, WM_E_NOMEM, "cannot start a thread: %s", strerror(number));
    (void)pthread_attr_setstacksize(&attr, WM_STACK_BYTES); /* else the system's usual size */
    number = pthread_create(ret, &attr, body, arg);
    (void)pthread_attr_destroy(&attr);
    if (!number)
        return 0;
    (void)wm_fail(err, WM_E_NOMEM, "cannot start a thread: %s", strerror(number));
    return wm_error_hint(err, "fewer threads (-j) may do");
}
