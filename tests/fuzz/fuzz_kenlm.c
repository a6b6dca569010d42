/* SPDX-License-Identifier: Apache-2.0 */
/* covers: scorers/ngram_kenlm.c scorers/ngram_probing.c scorers/ngram_trie.c
 * scorers/ngram_trie_open.c */
/* A KenLM file's sizes and pointers never lead outside it, nor into an endless search. */
#include <stdint.h>

#include "wetmill/ngram.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char magic[] = "mmap lm http://kheafield.com/code format version 5\n";
    struct wm_error err;
    struct wm_ngram *model = NULL;
    struct wm_ngram_score score;
    uint32_t words[150];
    float scores[151];
    unsigned char matched[151];
    if (size < sizeof magic || memcmp(data, magic, sizeof magic - 1) != 0 ||
        wm_ngram_parse((struct wm_str){(const char *)data, size}, &model, &err))
        return 0;
    for (uint32_t i = 0; i < 150; i++)
        words[i] = (i * i + data[size - 1 - i % size]) % (wm_ngram_words(model) + 2);
    wm_ngram_score(model, words, 150, &score, scores, matched);
    for (size_t i = 0; i < 151; i++)
        if (matched[i] < 1 || matched[i] > wm_ngram_order(model))
            __builtin_trap();
    if (wm_ngram_word(model, WM_STR("cat")) >= wm_ngram_words(model))
        __builtin_trap();
    wm_ngram_free(model);
    return 0;
}
