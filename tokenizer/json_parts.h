/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file json_parts.h
 * The parts of a tokenizer.json other than vocabulary and merges: checked, and boiled down to what
 * they mean. All slices point into the JSON text or into `arena`.
 */
#ifndef WETMILL_TOKENIZER_JSON_PARTS_H
#define WETMILL_TOKENIZER_JSON_PARTS_H

#include "tokenizer/bpe.h"
#include "wetmill/json.h"

struct bpe_json_parts {
    struct wm_str added;  /**< Raw array, or empty. */
    struct wm_str vocab;  /**< Raw object. */
    struct wm_str merges; /**< Raw array. */
    struct wm_str pattern;
    struct wm_str template; /**< Raw TemplateProcessing, or empty. */
    bool ignore_merges, nfc;
};

int bpe_json_parts(struct wm_str json, struct wm_arena *arena, struct bpe_json_parts *ret,
                   struct wm_error *err);

/** One entry of added_tokens. */
struct bpe_json_added {
    uint64_t id;
    struct wm_str content;
    bool special, normalized;
};
/** Read the object at the reader; a flag we do not support is an error. */
int bpe_json_added(struct wm_json *r, struct bpe_json_added *ret, struct wm_error *err);

#endif /* WETMILL_TOKENIZER_JSON_PARTS_H */
