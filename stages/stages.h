/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file stages.h
 * The stages by their C names.
 */
#ifndef WETMILL_STAGES_STAGES_H
#define WETMILL_STAGES_STAGES_H

#include "wetmill/stage.h"

#define WM_STAGE(name) extern const struct wm_stage wm_stage_##name;
#include "stages/stages.def"
#undef WM_STAGE

#endif /* WETMILL_STAGES_STAGES_H */
