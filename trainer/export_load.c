/* SPDX-License-Identifier: Apache-2.0 */
/* Directory → model. The files are checked against the configuration before anything is allocated. */
#include "trainer/export.h"

int wm_export_load(const char *dir, uint32_t max_batch, struct wm_team *team,
                   struct wm_model **ret, struct wm_export_facts *ret_facts, struct wm_error *err)
{
    struct wm_weights weights;
    struct wm_model *model;
    int status = wm_weights_open(dir, &weights, err);
    if (status)
        return status;
    status = wm_model_new(&weights.config.model, max_batch, false, team, &model, err);
    if (!status) {
        wm_weights_fill(&weights, model->params);
        *ret_facts = (struct wm_export_facts){weights.has_tokenizer, weights.tokenizer};
        *ret = model;
    } else {
        (void)wm_error_where(err, "%s", dir);
    }
    wm_weights_close(&weights);
    return status;
}
