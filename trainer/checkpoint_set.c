/* SPDX-License-Identifier: Apache-2.0 */
/* The checkpoints of a work directory, and whether one belongs to a training. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "trainer/checkpoint.h"
#include "wetmill/json.h"
#include "wetmill/number.h"

#define PREFIX "checkpoint-"
#define SUFFIX ".ckpt"

enum { NAMES = 64 << 20, /* bytes of file names in the directory */ OPTION_MEMORY = 1 << 20 };

int wm_checkpoint_path(char out[WM_PATH_MAX], const char *dir, uint64_t step, struct wm_error *err)
{
    char name[64];
    (void)snprintf(name, sizeof name, PREFIX "%08" PRIu64 SUFFIX, step);
    return wm_path_join(out, dir, name, err);
}

static bool step_of(const char *name, uint64_t *ret_step)
{
    struct wm_str s = wm_str_of(name);
    if (!wm_str_starts(s, WM_STR(PREFIX)) || !wm_str_ends(s, WM_STR(SUFFIX)) ||
        s.len < sizeof PREFIX + sizeof SUFFIX - 1)
        return false;
    s.ptr += sizeof PREFIX - 1;
    s.len -= sizeof PREFIX - 1 + sizeof SUFFIX - 1;
    return wm_parse_u64(s, ret_step);
}

static int by_number(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

int wm_checkpoint_list(const char *dir, uint64_t **ret_steps, size_t *ret_n, struct wm_error *err)
{
    *ret_steps = NULL;
    *ret_n = 0;
    if (!wm_exists(dir))
        return 0;
    struct wm_arena arena;
    const char **names;
    size_t n_names, n = 0;
    wm_arena_init(&arena, NAMES);
    int status = wm_list_dir(dir, &arena, &names, &n_names, err);
    uint64_t *steps = status ? NULL : malloc((n_names + 1) * sizeof *steps);
    if (!status && !steps)
        status = wm_fail_nomem(err, n_names * sizeof *steps, "list of checkpoints");
    for (size_t i = 0; !status && i < n_names; i++)
        n += step_of(names[i], &steps[n]);
    wm_arena_done(&arena);
    if (status)
        return status;
    if (n)
        qsort(steps, n, sizeof *steps, by_number);
    *ret_steps = steps;
    *ret_n = n;
    return 0;
}

int wm_checkpoint_prune(const char *dir, uint64_t keep, struct wm_error *err)
{
    uint64_t *steps;
    size_t n;
    int status = wm_checkpoint_list(dir, &steps, &n, err);
    for (size_t i = 0; !status && i + keep < n; i++) {
        char path[WM_PATH_MAX];
        status = wm_checkpoint_path(path, dir, steps[i], err);
        if (!status)
            status = wm_remove(path, err);
    }
    free(steps);
    return status;
}

/* ---- does it belong? ---- */

static int differ_u64(const char *what, uint64_t had, uint64_t has, struct wm_error *err)
{
    if (had == has)
        return 0;
    return wm_fail(err, WM_E_MISMATCH,
                   "the checkpoint is of a training with %s %" PRIu64 ", this one has %" PRIu64,
                   what, had, has);
}

static int differ_hash(const char *what, XXH128_hash_t had, XXH128_hash_t has, struct wm_error *err)
{
    if (XXH128_isEqual(had, has))
        return 0;
    char old[WM_HEX128], new[WM_HEX128];
    wm_hex128(had, old);
    wm_hex128(has, new);
    return wm_fail(err, WM_E_MISMATCH,
                   "the checkpoint is of a training with %s %s, this one has %s", what, old, new);
}

/* Cut the next `"name":value` pair off an options text; false at its end. */
static bool next_option(struct wm_json *r, struct wm_str *name, struct wm_str *value)
{
    struct wm_error ignored;
    return wm_json_key(r, name, &ignored) > 0 && wm_json_skip(r, value, &ignored) == 0;
}

static int clipped(struct wm_str s)
{
    return s.len < 60 ? (int)s.len : 60;
}

/* Both texts come from the same function; where their pairs first differ is what changed. */
static int differ_options(struct wm_str had, struct wm_str has, struct wm_error *err)
{
    if (wm_str_eq(had, has))
        return 0;
    struct wm_error ignored;
    struct wm_arena arena;
    struct wm_json old, new;
    struct wm_str old_name, new_name, old_value, new_value;
    wm_arena_init(&arena, OPTION_MEMORY);
    wm_json_open(&old, had, &arena);
    wm_json_open(&new, has, &arena);
    int status = wm_fail(err, WM_E_MISMATCH, "the checkpoint is of a training with other options");
    bool more = !wm_json_object(&old, &ignored) && !wm_json_object(&new, &ignored);
    while (more && next_option(&old, &old_name, &old_value) &&
           next_option(&new, &new_name, &new_value) && wm_str_eq(old_name, new_name)) {
        if (wm_str_eq(old_value, new_value))
            continue;
        more = false;
        status = wm_fail(err, WM_E_MISMATCH,
                         "the checkpoint is of a training with %.*s %.*s, this one has %.*s",
                         clipped(new_name), new_name.ptr, clipped(old_value), old_value.ptr,
                         clipped(new_value), new_value.ptr);
    }
    wm_arena_done(&arena);
    return status;
}

static int differ_config(const struct wm_model_config *had, const struct wm_model_config *has,
                         struct wm_error *err)
{
    const struct {
        const char *what;
        uint64_t had, has;
    } fields[] = {
        {"architecture", had->architecture, has->architecture},
        {"layers", had->n_layer, has->n_layer},
        {"width", had->n_embd, has->n_embd},
        {"heads", had->n_head, has->n_head},
        {"key/value heads", had->n_kv_head, has->n_kv_head},
        {"head size", had->head_dim, has->head_dim},
        {"hidden width", had->n_hidden, has->n_hidden},
        {"context", had->n_ctx, has->n_ctx},
        {"vocabulary", had->vocabulary, has->vocabulary},
        {"tied head", had->tied, has->tied},
    };
    int status = 0;
    for (size_t i = 0; i < sizeof fields / sizeof *fields && !status; i++)
        status = differ_u64(fields[i].what, fields[i].had, fields[i].has, err);
    if (!status && (had->norm_epsilon != has->norm_epsilon || had->rope_theta != has->rope_theta))
        status = wm_fail(err, WM_E_MISMATCH,
                         "the checkpoint is of a training with epsilon %g and theta %g, this one "
                         "has %g and %g",
                         (double)had->norm_epsilon, (double)had->rope_theta,
                         (double)has->norm_epsilon, (double)has->rope_theta);
    return status;
}

int wm_checkpoint_match(const struct wm_checkpoint *checkpoint,
                        const struct wm_checkpoint_head *head, struct wm_str options,
                        struct wm_error *err)
{
    int status = differ_config(&checkpoint->head.config, &head->config, err);
    if (!status)
        status = differ_hash("tokenizer", checkpoint->head.tokenizer, head->tokenizer, err);
    if (!status)
        status = differ_options(checkpoint->options, options, err);
    if (!status)
        status = differ_hash("shards", checkpoint->head.shards, head->shards, err);
    if (!status && head->n_steps)
        status = differ_u64("steps", checkpoint->head.n_steps, head->n_steps, err);
    return status;
}
