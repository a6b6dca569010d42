/* SPDX-License-Identifier: Apache-2.0 */
/* covers: scorers/ngram_file.c scorers/ngram_table.c */
/* wetmill's own n-gram models, with checksums made right so that what they guard is reached. The
 * places are those of docs/formats.md. */
#include <xxhash.h>

#include "file_fuzz.h"
#include "scorers/ngram.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { N_WORDS = 28, N_SLOTS = 40, N_BYTES = 48, SECTIONS = 184, HASH = 360, CHECKED = 4 };

static uint64_t u64(const uint8_t *at)
{
    uint64_t v;
    memcpy(&v, at, sizeof v);
    return v;
}

static void seal(uint8_t *copy, size_t size)
{
    uint32_t n_words;
    memcpy(&n_words, copy + N_WORDS, sizeof n_words);
    const uint64_t file_bytes = size;
    const uint64_t bytes[CHECKED] = {8 * u64(copy + N_SLOTS), 4 * ((uint64_t)n_words + 1),
                                     u64(copy + N_BYTES), 8 * (uint64_t)n_words};
    memcpy(copy + 16, &file_bytes, sizeof file_bytes);
    for (unsigned i = 0; i < CHECKED; i++) {
        uint64_t offset = u64(copy + SECTIONS + 16 * i);
        if (offset > size || bytes[i] > size - offset)
            continue;
        uint64_t hash = XXH3_64bits(copy + offset, (size_t)bytes[i]);
        memcpy(copy + SECTIONS + 16 * i + 8, &hash, sizeof hash);
    }
    uint64_t hash = XXH3_64bits(copy, HASH);
    memcpy(copy + HASH, &hash, sizeof hash);
}

/* A model that is taken can be written, and is taken again. */
static void write_again(const struct wm_ngram *model)
{
    static char path[64];
    struct wm_error err;
    struct wm_ngram *again = NULL;
    if (!path[0])
        (void)snprintf(path, sizeof path, "fuzz-ngram.%ld", (long)getpid());
    fuzz_check(wm_ngram_own_write(model, path, &err) == 0);
    fuzz_check(wm_ngram_open(path, &again, &err) == 0);
    fuzz_check(wm_ngram_words(again) == wm_ngram_words(model) &&
               wm_ngram_order(again) == wm_ngram_order(model));
    wm_ngram_free(again);
    (void)unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wm_error err;
    struct wm_ngram *model = NULL;
    struct wm_ngram_score score;
    uint32_t words[150];
    unsigned char matched[151];
    if (size < HASH + 8 || memcmp(data, "wmngram", 8) != 0)
        return 0;
    uint8_t *copy = malloc(size);
    if (!copy)
        return 0;
    memcpy(copy, data, size);
    seal(copy, size);
    if (wm_ngram_parse((struct wm_str){(const char *)copy, size}, &model, &err) == 0) {
        for (uint32_t i = 0; i < 150; i++)
            words[i] = (i * i + data[size - 1 - i]) % (wm_ngram_words(model) + 2);
        wm_ngram_score(model, words, 150, &score, NULL, matched);
        for (size_t i = 0; i < 151; i++)
            if (matched[i] < 1 || matched[i] > wm_ngram_order(model))
                __builtin_trap();
        if (wm_ngram_word(model, WM_STR("cat")) >= wm_ngram_words(model))
            __builtin_trap();
        if (wm_ngram_verify(model, &err) == 0)
            write_again(model);
    }
    wm_ngram_free(model);
    free(copy);
    return 0;
}
