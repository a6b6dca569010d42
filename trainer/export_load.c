/* SPDX-License-Identifier: Apache-2.0 */
/* Directory → model. The files are checked against the configuration before anything is allocated. */
#include "trainer/export.h"

int wm_export_load(const char *dir, uint32_t max_batch, uint64_t max_rows, struct wm_team *team,
                   struct wm_model **ret, struct wm_weights_notes *ret_notes, struct wm_error *err)
{
    const struct wm_model_options how = {.max_batch = max_batch, .max_rows = max_rows};
    struct wm_weights weights;
    struct wm_model *model;
    int status = wm_weights_open(dir, &weights, err);
    if (status)
        return status;
    status = wm_model_open(&weights.config.model, &how, team, &model, err);
    if (!status) {
        wm_weights_fill(&weights, model->params);
        *ret_notes = weights.notes;
        *ret = model;
    } else {
        (void)wm_error_where(err, "%s", dir);
    }
    wm_weights_close(&weights);
    return status;
}
