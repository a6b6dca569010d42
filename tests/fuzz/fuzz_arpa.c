/* SPDX-License-Identifier: Apache-2.0 */
/* covers: scorers/ngram_arpa.c scorers/ngram_text.c scorers/ngram_build.c */
/* ARPA text, plain or gzip: what is read can be used. */
#include "file_fuzz.h"
#include "wetmill/ngram.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The same from a file. */
static void open_file(struct wm_str text, int want)
{
    static char path[64];
    struct wm_error err;
    struct wm_ngram *model = NULL;
    if (!path[0])
        (void)snprintf(path, sizeof path, "fuzz-arpa.%ld", (long)getpid());
    fuzz_write(path, text.ptr, text.len);
    fuzz_check(wm_ngram_open(path, &model, &err) == want);
    wm_ngram_free(model);
    (void)unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wm_error err;
    struct wm_ngram *model = NULL;
    struct wm_ngram_score score;
    uint32_t words[40];
    unsigned char matched[41];
    struct wm_str text = {(const char *)data, size};
    int status = wm_ngram_parse(text, &model, &err);
    if (size % 8 == 0)
        open_file(text, status);
    if (status)
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
