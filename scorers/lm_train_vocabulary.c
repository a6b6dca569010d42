/* SPDX-License-Identifier: Apache-2.0 */
/* Words to ids: a hash table with open addressing over the words' bytes. */
#include <stdlib.h>
#include <xxhash.h>

#include "scorers/lm_train.h"

enum { FIRST_SLOTS = 1 << 12 };

static uint32_t hash_of(struct wm_str word)
{
    return (uint32_t)(XXH3_64bits(word.ptr, word.len) >> 32);
}

static size_t slot_of(const struct lm_vocabulary *v, uint32_t hash)
{
    return hash & (v->n_slots - 1);
}

/* The word's slot, or the free one where it belongs. */
static uint64_t *look_up(const struct lm_vocabulary *v, struct wm_str word, uint32_t hash)
{
    size_t slot = slot_of(v, hash);
    for (; v->slots[slot]; slot = (slot + 1) & (v->n_slots - 1)) {
        uint64_t entry = v->slots[slot];
        if ((uint32_t)(entry >> 32) == hash && wm_str_eq(v->words[(uint32_t)entry - 1], word))
            break;
    }
    return &v->slots[slot];
}

static int grow_slots(struct lm_vocabulary *v, struct wm_error *err)
{
    size_t n_before = v->n_slots;
    uint64_t *before = v->slots;
    size_t n = n_before ? 2 * n_before : FIRST_SLOTS;
    uint64_t *slots = calloc(n, sizeof *slots);
    if (!slots)
        return wm_fail_nomem(err, n * sizeof *slots, "vocabulary");
    v->slots = slots;
    v->n_slots = n;
    for (size_t i = 0; i < n_before; i++) {
        if (!before[i])
            continue;
        size_t slot = slot_of(v, (uint32_t)(before[i] >> 32));
        while (slots[slot])
            slot = (slot + 1) & (n - 1);
        slots[slot] = before[i];
    }
    free(before);
    return 0;
}

static int grow_words(struct lm_vocabulary *v, struct wm_error *err)
{
    size_t cap = v->cap ? v->cap + v->cap / 2 : FIRST_SLOTS / 2;
    struct wm_str *grown = realloc(v->words, cap * sizeof *grown);
    if (!grown)
        return wm_fail_nomem(err, cap * sizeof *grown, "vocabulary");
    v->words = grown;
    v->cap = cap;
    return 0;
}

static int add(struct lm_vocabulary *v, struct wm_str word, uint32_t hash, uint32_t *ret,
               struct wm_error *err)
{
    if (v->n >= WM_LM_WORDS_MAX)
        return wm_fail(err, WM_E_LIMIT, "there are more than %lu different words",
                       (unsigned long)WM_LM_WORDS_MAX);
    if (word.len > WM_LM_TOKEN_MAX)
        return wm_fail(err, WM_E_LIMIT, "a word of %zu bytes; the most is %d", word.len,
                       WM_LM_TOKEN_MAX);
    int status = v->n == v->cap ? grow_words(v, err) : 0;
    if (!status && v->n >= v->n_slots / 4 * 3)
        status = grow_slots(v, err);
    if (status)
        return status;
    v->words[v->n] = wm_arena_str(&v->text, word);
    if (!v->words[v->n].ptr)
        return wm_fail_nomem(err, word.len, "vocabulary");
    *ret = (uint32_t)v->n++;
    *look_up(v, word, hash) = (uint64_t)hash << 32 | (uint64_t)v->n;
    return 0;
}

int lm_vocabulary_init(struct lm_vocabulary *vocabulary, struct wm_error *err)
{
    static const char *const first[] = {"<unk>", "<s>", "</s>"};
    *vocabulary = (struct lm_vocabulary){0};
    wm_arena_init(&vocabulary->text, SIZE_MAX / 2);
    int status = grow_slots(vocabulary, err);
    for (size_t i = 0; !status && i < LM_FIRST_WORD; i++) {
        uint32_t id;
        status = lm_vocabulary_id(vocabulary, wm_str_of(first[i]), &id, err);
    }
    return status;
}

void lm_vocabulary_done(struct lm_vocabulary *vocabulary)
{
    wm_arena_done(&vocabulary->text);
    free(vocabulary->words);
    free(vocabulary->slots);
    *vocabulary = (struct lm_vocabulary){0};
}

int lm_vocabulary_id(struct lm_vocabulary *vocabulary, struct wm_str word, uint32_t *ret,
                     struct wm_error *err)
{
    uint32_t hash = hash_of(word);
    uint64_t entry = *look_up(vocabulary, word, hash);
    if (!entry)
        return add(vocabulary, word, hash, ret, err);
    *ret = (uint32_t)entry - 1;
    return 0;
}

bool lm_vocabulary_find(const struct lm_vocabulary *vocabulary, struct wm_str word, uint32_t *ret)
{
    uint64_t entry = *look_up(vocabulary, word, hash_of(word));
    if (entry)
        *ret = (uint32_t)entry - 1;
    return entry != 0;
}

uint64_t lm_vocabulary_bytes(const struct lm_vocabulary *v)
{
    return v->text.held + v->cap * sizeof *v->words + v->n_slots * sizeof *v->slots;
}
