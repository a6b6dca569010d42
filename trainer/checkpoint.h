/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file checkpoint.h
 * The state of a training between two steps, as one checksummed file each.
 *
 *     8 bytes "WETMCKPT" · u32 version · u32 0x01020304 · u64 length of the file
 *     state: identities and counts (struct wm_checkpoint_head, in its order) · options (JSON text)
 *     history: n_steps × 3 doubles · parameters, m, v: n_params floats each
 *     16 bytes XXH3-128 (canonical) of all before
 *
 * Little-endian. Files are all or nothing; of a set, the newest keep_checkpoints stay. Everything a
 * training needs to go on bit for bit is in it: data order, schedule and random numbers are
 * functions of step and seed. The order of tensors in the flat buffers is that of the model's
 * parameter table.
 */
#ifndef WETMILL_TRAINER_CHECKPOINT_H
#define WETMILL_TRAINER_CHECKPOINT_H

#include <stdint.h>
#include <xxhash.h>

#include "trainer/metrics.h"
#include "trainer/model.h"
#include "wetmill/error.h"
#include "wetmill/file.h"

enum {
    WM_CHECKPOINT_VERSION = 1,
    WM_CHECKPOINT_OPTIONS = 64 << 10, /**< Longest options text, bytes. */
};

/** What a checkpoint belongs to and where it stands. */
struct wm_checkpoint_head {
    XXH128_hash_t identity;  /**< Of the job; 0 if it has none. */
    XXH128_hash_t tokenizer; /**< wm_tokenizer_identity */
    XXH128_hash_t shards;    /**< XXH3-128 of shards.json, which holds the shards' digests. */
    struct wm_model_config config;
    uint64_t step;    /**< Steps done. */
    uint64_t sample;  /**< Samples (sequences) read; the next step starts here. */
    uint64_t n_steps; /**< Of the whole training. */
    uint64_t n_params;
};

/** A checkpoint file, mapped and checked. */
struct wm_checkpoint {
    struct wm_checkpoint_head head;
    struct wm_str options;               /**< Result-shaping options as JSON. */
    const unsigned char *history;        /**< [step × 3 doubles], little-endian */
    const unsigned char *params, *m, *v; /**< [n_params floats] each, little-endian */
    struct wm_map map;
};

/** Bytes of a checkpoint after `step` steps. */
uint64_t wm_checkpoint_bytes(uint64_t n_params, uint64_t step, size_t options_len);

/** Write DIR/checkpoint-STEP.ckpt; `history` holds head->step entries. */
int wm_checkpoint_save(const char *dir, const struct wm_checkpoint_head *head,
                       struct wm_str options, const struct wm_history *history,
                       const struct wm_model *model, struct wm_error *err);

/** Map and check a file. WM_E_FORMAT: damaged; WM_E_MISMATCH: of a newer version. Release with
 *  wm_checkpoint_close. */
int wm_checkpoint_open(const char *path, struct wm_checkpoint *ret, struct wm_error *err);
/** The same from bytes in memory. */
int wm_checkpoint_parse(struct wm_str bytes, struct wm_checkpoint *ret, struct wm_error *err);
void wm_checkpoint_close(struct wm_checkpoint *checkpoint);

/**
 * Does it belong to a training with `head` (config, identities, n_steps; step and sample are not
 * compared) and `options`? WM_E_MISMATCH names what differs, both values.
 */
int wm_checkpoint_match(const struct wm_checkpoint *checkpoint,
                        const struct wm_checkpoint_head *head, struct wm_str options,
                        struct wm_error *err);

/** Copy parameters, moments and history into a model of the same config and a history with room
 *  for head.step entries. */
void wm_checkpoint_restore(const struct wm_checkpoint *checkpoint, struct wm_model *model,
                           struct wm_history *history);

/** Steps of the checkpoints in `dir`, rising; caller frees `*ret_steps`. An absent directory has
 *  none. */
int wm_checkpoint_list(const char *dir, uint64_t **ret_steps, size_t *ret_n, struct wm_error *err);
/** "DIR/checkpoint-STEP.ckpt" */
int wm_checkpoint_path(char out[WM_PATH_MAX], const char *dir, uint64_t step, struct wm_error *err);
/** Remove all but the newest `keep`. */
int wm_checkpoint_prune(const char *dir, uint64_t keep, struct wm_error *err);

#endif /* WETMILL_TRAINER_CHECKPOINT_H */
