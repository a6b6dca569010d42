/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/reading.h"

const struct wm_reading wm_reading_inputs = {
    .open = wm_reader_open,
    .fill = wm_reader_fill,
    .tally = wm_reader_tally,
    .damage = wm_reader_damage,
    .hashes = wm_reader_hashes,
    .position = wm_reader_position,
    .close = wm_reader_close,
    .passed = wm_reader_passed,
    .allow = wm_reader_allow,
    .save = wm_reader_save,
    .load = wm_reader_load,
};

int wm_job_run(const struct wm_job *job, struct wm_job_result *ret, struct wm_error *err)
{
    return wm_job_run_with(job, &wm_reading_inputs, ret, err);
}
