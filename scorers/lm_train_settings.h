/* SPDX-License-Identifier: Apache-2.0 */
/* The trainer's options as numbers. */
#ifndef SCORERS_LM_TRAIN_SETTINGS_H
#define SCORERS_LM_TRAIN_SETTINGS_H

#include "scorers/lm_train.h"

struct lm_settings {
    unsigned order;
    uint64_t thresholds[WM_LM_ORDER_MAX];
    bool falls_back, skip_symbols;
    double fallback[3];
    uint64_t memory;
};

/* WM_E_CONFIG. */
int lm_settings_read(const struct wm_lm_train_options *options, struct lm_settings *ret,
                     struct wm_error *err);

#endif /* SCORERS_LM_TRAIN_SETTINGS_H */
