/* SPDX-License-Identifier: Apache-2.0 */
/* ARPA text, plain or gzip: what is read can be used. */
#include <stdint.h>

#include "wetmill/ngram.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wm_error err;
    struct wm_ngram *model = NULL;
    struct wm_ngram_score score;
    uint32_t words[40];
    unsigned char matched[41];
    struct wm_str text = {(const char *)data, size};
    if (wm_ngram_parse(text, &model, &err))
        return 0;
    for (uint32_t i = 0; i < 40; i++)
        words[i] = i * i % (wm_ngram_words(model) + 1);
    wm_ngram_score(model, words, 40, &score, NULL, matched);
    for (size_t i = 0; i < 41; i++)
        if (matched[i] < 1 || matched[i] > wm_ngram_order(model))
            __builtin_trap();
    if (wm_ngram_word(model, WM_STR("</s>")) != wm_ngram_end(model))
        __builtin_trap();
    wm_ngram_free(model);
    return 0;
}
