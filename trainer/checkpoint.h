/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file checkpoint.h
 * The state of a training between two steps, as one checksummed file each.
 *
 *     head       "WETMCKPT" · u32 version · u32 0x01020304 · u64 length of the file · identities,
 *                configuration and counts (struct wm_checkpoint_head, in its order) · u64 lengths of
 *                options and state · u64 arrays
 *     options    JSON text: what shapes the result
 *     state      JSON lines: the texts of samples.jsonl (text_samples.h)
 *     history    step × 3 doubles
 *     directory  arrays × {64 bytes tensor's name, 16 bytes slot, u32 dtype, u32 0, u64 numbers,
 *                u64 offset}
 *     arrays     numbers; each begins at a multiple of 64 bytes of the file
 *     16 bytes   XXH3-128 (canonical) of all before
 *
 * dtype: enum wm_weight_type, 0 = float32. Little-endian; texts are padded to 8 bytes with zeros. Slot "weight" is the tensor itself, the
 * others are the optimiser's. Everything is found by name, so a model may know its tensors in
 * another order. Files are all or nothing. Data order, schedule and random numbers are functions of
 * step and seed and need no place here.
 */
#ifndef WETMILL_TRAINER_CHECKPOINT_H
#define WETMILL_TRAINER_CHECKPOINT_H

#include <stdint.h>
#include <xxhash.h>

#include "trainer/metrics.h"
#include "trainer/model.h"
#include "trainer/optimizer.h"
#include "wetmill/error.h"
#include "wetmill/file.h"

enum {
    WM_CHECKPOINT_VERSION = 3,
    WM_CHECKPOINT_OPTIONS = 64 << 10, /**< Longest options text, bytes. */
    WM_CHECKPOINT_STATE = 64 << 20,   /**< Longest state text, bytes. */
};

/** What a checkpoint belongs to and where it stands. */
struct wm_checkpoint_head {
    XXH128_hash_t identity;  /**< Of the job; 0 if it has none. */
    XXH128_hash_t tokenizer; /**< wm_tokenizer_identity */
    XXH128_hash_t shards;    /**< XXH3-128 of shards.json, which holds the shards' digests. */
    struct wm_model_config config;
    uint64_t step;       /**< Steps done. */
    uint64_t sample;     /**< Samples (sequences) read; the next step starts here. */
    uint64_t n_steps;    /**< Of the whole training. */
    uint64_t n_averaged; /**< Steps in the averaged weights. */
};

/** A checkpoint file, mapped and checked. */
struct wm_checkpoint {
    struct wm_checkpoint_head head;
    struct wm_str options, state;
    const unsigned char *history; /**< [step × 3 doubles], little-endian */
    struct wm_str directory;
    uint64_t n_arrays;
    struct wm_str file;
    struct wm_map map;
};

/** What is written and restored. */
struct wm_checkpoint_content {
    struct wm_model *model;
    struct wm_optimizer *optimizer;
    struct wm_history *history;
    struct wm_str options, state;
};

/** Bytes of a checkpoint after `step` steps, with 1 KiB each of options and state. */
uint64_t wm_checkpoint_bytes(const struct wm_params *params,
                             const struct wm_optimizer_config *config, uint64_t step);

/** Write a file; the history holds head->step entries. */
int wm_checkpoint_save(const char *path, const struct wm_checkpoint_head *head,
                       const struct wm_checkpoint_content *content, struct wm_error *err);

/** Map and check a file. WM_E_FORMAT: damaged; WM_E_MISMATCH: of another version. Release with
 *  wm_checkpoint_close. */
int wm_checkpoint_open(const char *path, struct wm_checkpoint *ret, struct wm_error *err);
/** The same from bytes in memory. */
int wm_checkpoint_parse(struct wm_str bytes, struct wm_checkpoint *ret, struct wm_error *err);
void wm_checkpoint_close(struct wm_checkpoint *checkpoint);

/**
 * Does it belong to a training with `head` (config, identities, n_steps if it is not 0; step and
 * sample are not compared) and `options`? WM_E_MISMATCH names what differs, both values.
 */
int wm_checkpoint_match(const struct wm_checkpoint *checkpoint,
                        const struct wm_checkpoint_head *head, struct wm_str options,
                        struct wm_error *err);

/** Copy weights, optimiser state and history into content->model, optimizer and history, which has
 *  room for head.step entries. WM_E_MISMATCH names an array that is missing or of another size. */
int wm_checkpoint_restore(const struct wm_checkpoint *checkpoint,
                          const struct wm_checkpoint_content *content, struct wm_error *err);

/** Steps of the checkpoints in `dir`, rising; caller frees `*ret_steps`. An absent directory has
 *  none. */
int wm_checkpoint_list(const char *dir, uint64_t **ret_steps, size_t *ret_n, struct wm_error *err);
/** "DIR/checkpoint-STEP.ckpt" */
int wm_checkpoint_path(char out[WM_PATH_MAX], const char *dir, uint64_t step, struct wm_error *err);
/** Remove all but the newest `keep`. */
int wm_checkpoint_prune(const char *dir, uint64_t keep, struct wm_error *err);

/* ---- checkpoint_arrays.c ---- */

/** One array on its way to or from a file. */
struct wm_checkpoint_array {
    const char *tensor, *slot;
    enum wm_weight_type dtype; /**< The weight's as the table has it; all else is F32. */
    void *at;                  /**< NULL when only counting. */
    uint64_t n;
};
/** Array `index` of a model with this optimiser, in the order they are written: each tensor's
 *  weight, its slots, its average. Returns false behind the last. `model` and `optimizer` may be
 *  NULL: sizes alone. */
struct wm_checkpoint_cursor {
    size_t tensor;
    unsigned slot;
};
bool wm_checkpoint_next(const struct wm_params *params, const struct wm_optimizer_config *config,
                        const struct wm_checkpoint_content *content,
                        struct wm_checkpoint_cursor *cursor, struct wm_checkpoint_array *ret);
enum { WM_CHECKPOINT_ENTRY = 104, WM_CHECKPOINT_NAME = 64, WM_CHECKPOINT_SLOT = 16 };
/** Bytes of [offset, …) of the arrays behind `at`, and their number. */
uint64_t wm_checkpoint_arrays_end(const struct wm_params *params,
                                  const struct wm_optimizer_config *config, uint64_t at,
                                  uint64_t *ret_n);
/** Are all entries inside the file and named sanely? */
bool wm_checkpoint_directory_sane(const struct wm_checkpoint *checkpoint);
/** The arrays of content from the file. */
int wm_checkpoint_read_arrays(const struct wm_checkpoint *checkpoint,
                              const struct wm_checkpoint_content *content, struct wm_error *err);

#endif /* WETMILL_TRAINER_CHECKPOINT_H */
