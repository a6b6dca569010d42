/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/weights.h"

#include <fnmatch.h>

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* "2", "0.25": thousandths; false for any other form. */
static bool parse(struct wm_str text, uint64_t *ret)
{
    uint64_t value = 0;
    size_t digits = 0, decimals = 0;
    bool point = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '.' && !point) {
            point = true;
            continue;
        }
        if (c < '0' || c > '9' || (point && ++decimals > 3) || value > BPE_WEIGHT_MAX)
            return false;
        value = value * 10 + (uint64_t)(c - '0');
        digits++;
    }
    if (!digits || (point && !decimals))
        return false;
    for (; decimals < 3; decimals++)
        value *= 10;
    *ret = value;
    return value <= BPE_WEIGHT_MAX;
}

static int read_rule(const char *item, struct wm_arena *arena, struct bpe_weight_rule *ret,
                     struct wm_error *err)
{
    const char *equals = strrchr(item, '=');
    if (!equals || equals == item || !parse(wm_str_of(equals + 1), &ret->weight)) {
        wm_fail(err, WM_E_CONFIG, "weights: \"%s\" is not GLOB=WEIGHT", item);
        return wm_error_hint(err, "a weight is a number from 0 to 1000 with at most 3 decimals");
    }
    ret->glob = wm_arena_cstr(arena, (struct wm_str){item, (size_t)(equals - item)});
    return ret->glob ? 0 : wm_fail_nomem(err, strlen(item), "weights");
}

int bpe_weights_init(struct bpe_weights *weights, const struct wm_list *list,
                     struct wm_arena *arena, struct wm_error *err)
{
    uint64_t divisor = BPE_WEIGHT_ONE;
    *weights = (struct bpe_weights){.n = list->n};
    if (list->n > BPE_MAX_WEIGHTS)
        return wm_fail(err, WM_E_CONFIG, "%zu weights, want at most %d", list->n, BPE_MAX_WEIGHTS);
    weights->rules = wm_arena_alloc(arena, list->n + 1, sizeof *weights->rules);
    if (!weights->rules)
        return wm_fail_nomem(err, list->n * sizeof *weights->rules, "weights");
    for (size_t i = 0; i < list->n; i++) {
        int status = read_rule(list->items[i], arena, &weights->rules[i], err);
        if (status)
            return status;
        divisor = common_divisor(divisor, weights->rules[i].weight);
    }
    for (size_t i = 0; i < list->n; i++)
        weights->rules[i].weight /= divisor;
    weights->other = weights->unit = BPE_WEIGHT_ONE / divisor;
    return 0;
}

static bool matches(const char *glob, const char *path)
{
    if (fnmatch(glob, path, 0) == 0)
        return true;
    for (const char *at = strchr(path, '/'); at; at = strchr(at + 1, '/'))
        if (fnmatch(glob, at + 1, 0) == 0)
            return true;
    return false;
}

uint64_t bpe_weight_of(const struct bpe_weights *weights, const char *path, size_t *ret_rule)
{
    size_t i = 0;
    while (i < weights->n && !matches(weights->rules[i].glob, path))
        i++;
    if (ret_rule)
        *ret_rule = i;
    return i < weights->n ? weights->rules[i].weight : weights->other;
}

void bpe_weights_round(struct bpe_pieces *pieces, uint64_t unit)
{
    for (size_t i = 0; unit > 1 && i < pieces->n_slots; i++) {
        struct bpe_piece *piece = &pieces->slots[i];
        if (!piece->count)
            continue;
        piece->count = bpe_weight_round(piece->count, unit);
        pieces->n -= !piece->count;
    }
}
