/* SPDX-License-Identifier: Apache-2.0 */
/* The working directory of lm train: MODEL.work, which says whose work stands there, and MODEL.lock. */
#ifndef CLI_LM_WORK_H
#define CLI_LM_WORK_H

#include <xxhash.h>

#include "cli/cli.h"
#include "run/position.h"

struct lm_work {
    char target[WM_PATH_MAX]; /* the model; symbolic links resolved */
    char dir[WM_PATH_MAX], arpa[WM_PATH_MAX];
    struct wm_lock *lock;
    bool keeps; /* else it is for files of this process alone */
    bool had_point;
    struct wm_position position;
    struct wm_redone redone;
};

/* Make it, with the lock held. What stands there stays if `keeps`, and it is of the same options and
 * input. WM_E_BUSY; WM_E_CONFIG if something of somebody else's stands there. */
int lm_work_open(struct lm_work *work, struct cli *cli, const char *output, bool keeps,
                 XXH128_hash_t options, XXH128_hash_t input, struct wm_error *err);
/* Remove what stands there, and begin anew. */
int lm_work_clear(struct lm_work *work, struct wm_error *err);
/* Let go, after `status`: what can be gone on with stays if it is not 0. Returns `status`, or why the
 * directory cannot be removed. Safe on a zeroed one. */
int lm_work_close(struct lm_work *work, int status, struct wm_error *err);

#endif /* CLI_LM_WORK_H */
