/* SPDX-License-Identifier: Apache-2.0 */
/* covers: base/gguf_read.c tokenizer/gguf_vocab.c tokenizer/sentencepiece_gguf_read.c */
/* GGUF files from anywhere: refused, or a tokenizer that is written and read again as the same. */
#include "vocabulary_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wm_error err = {0};
    struct wm_tokenizer *tok = NULL, *back = NULL;
    struct wm_str file = {(const char *)data, size};
    struct wm_buf out;
    int status = bpe_parse_gguf(file, &tok, &err);
    if (!fuzz_accepted(status, &err, tok))
        return 0;
    fuzz_round_trip(tok, file, 0);
    fuzz_round_trip(tok, file, WM_ENCODE_SPECIALS);
    wm_buf_init(&out, 1 << 26);
    if (bpe_format_gguf(tok, &out, &err) == 0) {
        fuzz_check(bpe_parse_gguf(wm_buf_str(&out), &back, &err) == 0);
        fuzz_same(tok, back);
    }
    wm_buf_done(&out);
    wm_tokenizer_free(tok);
    return 0;
}
