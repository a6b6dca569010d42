/* SPDX-License-Identifier: Apache-2.0 */
/* The arrays of a checkpoint: which there are, and finding them by name. */
#include <string.h>

#include "trainer/checkpoint.h"
#include "trainer/floats.h"

static const char weight_slot[] = "weight", average_slot[] = "average";

bool wm_checkpoint_next(const struct wm_params *params, const struct wm_optimizer_config *config,
                        const struct wm_checkpoint_content *content,
                        struct wm_checkpoint_cursor *cursor, struct wm_checkpoint_array *ret)
{
    if (cursor->tensor == params->n)
        return false;
    const size_t i = cursor->tensor;
    const unsigned at = cursor->slot++;
    const struct wm_param *p = &params->table[i];
    const enum wm_optimizer_method method = wm_optimizer_method_of(config, p);
    const unsigned n_slots = wm_optimizer_n_slots(method);
    const struct wm_optimizer *o = content ? content->optimizer : NULL;
    *ret = (struct wm_checkpoint_array){.tensor = p->name, .dtype = WM_WEIGHT_F32, .n = p->n};
    if (at == 0) {
        ret->slot = weight_slot;
        ret->dtype = p->dtype;
        ret->at = content ? content->model->params + p->offset : NULL;
    } else if (at <= n_slots) {
        ret->slot = wm_optimizer_slot_name(method, at - 1);
        ret->at = o ? wm_optimizer_slot(o, i, at - 1) : NULL;
    } else {
        ret->slot = average_slot;
        ret->at = o ? o->average + p->offset : NULL;
    }
    if (at == n_slots + (config->average ? 1 : 0))
        *cursor = (struct wm_checkpoint_cursor){i + 1, 0};
    return true;
}

uint64_t wm_checkpoint_arrays_end(const struct wm_params *params,
                                  const struct wm_optimizer_config *config, uint64_t at,
                                  uint64_t *ret_n)
{
    struct wm_checkpoint_cursor cursor = {0};
    struct wm_checkpoint_array array;
    *ret_n = 0;
    while (wm_checkpoint_next(params, config, NULL, &cursor, &array)) {
        at = (at + 63) / 64 * 64 + wm_weight_bytes(array.dtype, array.n);
        ++*ret_n;
    }
    return at;
}

struct entry {
    struct wm_str tensor, slot;
    uint32_t dtype;
    uint64_t n, offset;
};

static struct entry entry_at(const struct wm_checkpoint *c, uint64_t index)
{
    const char *at = c->directory.ptr + index * WM_CHECKPOINT_ENTRY;
    struct entry e = {.tensor = {at, strnlen(at, WM_CHECKPOINT_NAME)}};
    e.slot.ptr = at + WM_CHECKPOINT_NAME;
    e.slot.len = strnlen(e.slot.ptr, WM_CHECKPOINT_SLOT);
    at += WM_CHECKPOINT_NAME + WM_CHECKPOINT_SLOT;
    wm_copy_le(&e.dtype, at, 1, 4);
    wm_copy_le(&e.n, at + 8, 1, 8);
    wm_copy_le(&e.offset, at + 16, 1, 8);
    return e;
}

bool wm_checkpoint_directory_sane(const struct wm_checkpoint *c)
{
    for (uint64_t i = 0; i < c->n_arrays; i++) {
        const struct entry e = entry_at(c, i);
        if (e.tensor.len == WM_CHECKPOINT_NAME || e.slot.len == WM_CHECKPOINT_SLOT ||
            e.dtype > WM_WEIGHT_BF16 || e.offset > c->file.len ||
            e.n > (c->file.len - e.offset) / wm_weight_bytes((enum wm_weight_type)e.dtype, 1))
            return false;
    }
    return true;
}

/* Usually the entry behind the last one found. */
static bool find(const struct wm_checkpoint *c, const struct wm_checkpoint_array *want,
                 uint64_t *hint, struct entry *ret)
{
    for (uint64_t tried = 0; tried < c->n_arrays; tried++) {
        const uint64_t i = (*hint + tried) % c->n_arrays;
        *ret = entry_at(c, i);
        if (wm_str_eq(ret->tensor, wm_str_of(want->tensor)) &&
            wm_str_eq(ret->slot, wm_str_of(want->slot))) {
            *hint = i + 1;
            return true;
        }
    }
    return false;
}

int wm_checkpoint_read_arrays(const struct wm_checkpoint *c,
                              const struct wm_checkpoint_content *content, struct wm_error *err)
{
    const struct wm_params *params = &content->model->layout;
    struct wm_checkpoint_cursor cursor = {0};
    struct wm_checkpoint_array array;
    struct entry e;
    uint64_t hint = 0;
    while (wm_checkpoint_next(params, &content->optimizer->config, content, &cursor, &array)) {
        if (!find(c, &array, &hint, &e))
            return wm_fail(err, WM_E_MISMATCH, "the checkpoint lacks the %s of %s", array.slot,
                           array.tensor);
        if (e.dtype != array.dtype)
            return wm_fail(err, WM_E_MISMATCH, "the checkpoint's %s of %s is %s, the model's is %s",
                           array.slot, array.tensor, wm_weight_type_names[e.dtype],
                           wm_weight_type_names[array.dtype]);
        if (e.n != array.n)
            return wm_fail(err, WM_E_MISMATCH,
                           "the checkpoint's %s of %s has %llu numbers, the model's has %llu",
                           array.slot, array.tensor, (unsigned long long)e.n,
                           (unsigned long long)array.n);
        wm_copy_le(array.at, c->file.ptr + e.offset, (size_t)e.n,
                   (size_t)wm_weight_bytes(array.dtype, 1));
    }
    return 0;
}
