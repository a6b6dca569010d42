/* SPDX-License-Identifier: Apache-2.0 */
/* covers: scorers/fasttext_dictionary.c scorers/fasttext_file.c scorers/fasttext_matrix.c
 * scorers/fasttext_features.c scorers/fasttext_predict.c */
/* A classifier's sizes never lead outside its file, and what is read can be used. */
#include <stdint.h>
#include <stdlib.h>

#include "wetmill/fasttext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wm_error err;
    struct wm_fasttext *model = NULL;
    struct wm_fasttext_scratch *scratch = NULL;
    struct wm_fasttext_guess guesses[3];
    struct wm_str bytes = {(const char *)data, size};
    if (wm_fasttext_parse(bytes, &model, &err) || wm_fasttext_scratch_new(model, &scratch, &err))
        goto done;
    size_t start = size > 4096 ? size - 4096 : 0; /* any bytes do for a text */
    (void)wm_fasttext_predict(model, scratch, WM_STR("two words, é </s> more"), 3, guesses);
    struct wm_str text = {bytes.ptr + start, size - start};
    size_t n = wm_fasttext_predict(model, scratch, text, 3, guesses);
    for (size_t i = 0; i < n; i++)
        if (guesses[i].label >= wm_fasttext_labels(model))
            abort();
    if (wm_fasttext_memory(model) == 0 || wm_fasttext_scratch_memory(model) == 0)
        abort();
done:
    wm_fasttext_scratch_free(scratch);
    wm_fasttext_free(model);
    return 0;
}
