/* SPDX-License-Identifier: Apache-2.0 */
/** @file vocabulary_fuzz.h  What every vocabulary read from anywhere must hold. */
#ifndef WETMILL_TEST_VOCABULARY_FUZZ_H
#define WETMILL_TEST_VOCABULARY_FUZZ_H

#include <stdlib.h>

#include "tokenizer/formats.h"

static inline void fuzz_check(bool ok)
{
    if (!ok)
        abort();
}

/** Text is given back, or refused for a byte that the vocabulary lacks. */
static inline void fuzz_round_trip(const struct wm_tokenizer *tok, struct wm_str text,
                                   unsigned flags)
{
    struct wm_error err = {0};
    struct wm_encoder *enc = NULL;
    struct wm_ids ids = {0};
    struct wm_buf back;
    wm_buf_init(&back, 1 << 24);
    fuzz_check(wm_encoder_new(tok, &enc, &err) == 0);
    int status = wm_encode(enc, text, flags, &ids, &err);
    fuzz_check(status == 0 || status == WM_E_FORMAT || status == WM_E_LIMIT);
    if (!status) {
        fuzz_check(wm_decode(tok, ids.ids, ids.n, false, &back, &err) == 0);
        fuzz_check(tok->nfc || tok->pieces || wm_str_eq(wm_buf_str(&back), text));
    }
    wm_encoder_free(enc);
    wm_ids_done(&ids);
    wm_buf_done(&back);
}

/** Refused with words, or a tokenizer; true if the latter. */
static inline bool fuzz_accepted(int status, const struct wm_error *err,
                                 const struct wm_tokenizer *tok)
{
    fuzz_check((status == 0) == (tok != NULL));
    fuzz_check(status == 0 || (err->status == status && err->what[0] != '\0'));
    return status == 0;
}

/** Two tokenizers that must be the same. Frees the second. */
static inline void fuzz_same(const struct wm_tokenizer *a, struct wm_tokenizer *b)
{
    fuzz_check(b && XXH128_isEqual(wm_tokenizer_identity(a), wm_tokenizer_identity(b)));
    wm_tokenizer_free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif /* WETMILL_TEST_VOCABULARY_FUZZ_H */
