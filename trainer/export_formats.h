/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file export_formats.h
 * The writers behind wm_export, one file each. All opens and checks are done before the first byte
 * is written.
 */
#ifndef WETMILL_TRAINER_EXPORT_FORMATS_H
#define WETMILL_TRAINER_EXPORT_FORMATS_H

#include "trainer/tensor_stream.h"
#include "wetmill/export.h"
#include "wetmill/tokenizer.h"

struct wm_export {
    const struct wm_export_job *job;
    struct wm_weights weights;
    struct wm_tokenizer *tokenizer; /**< NULL: the directory has none that we read. */
    struct wm_team *team;
    struct wm_export_result result;
};

int wm_export_write_gguf(struct wm_export *export, struct wm_error *err);        /* export_gguf.c */
int wm_export_write_safetensors(struct wm_export *export, struct wm_error *err); /* export_hf.c */
int wm_export_write_llama2c(struct wm_export *export, struct wm_error *err); /* export_llama2c.c */

#endif /* WETMILL_TRAINER_EXPORT_FORMATS_H */
