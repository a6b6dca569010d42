/* SPDX-License-Identifier: Apache-2.0 */
/* covers: tokenizer/ranks.c base/base64.c */
/* `.tiktoken` files from anywhere: refused, or a tokenizer; one with all bytes is written and read
 * again as the same. */
#include "vocabulary_fuzz.h"

static int parse(struct wm_str file, struct wm_tokenizer **ret, struct wm_error *err)
{
    static const struct bpe_named_id specials[] = {{"<|endoftext|>", BPE_NONE}};
    return bpe_parse_ranks(file, wm_str_of(bpe_named_patterns[WM_SPLIT_CL100K]), specials, 1, ret,
                           err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wm_error err = {0};
    struct wm_tokenizer *tok = NULL, *back = NULL;
    struct wm_str file = {(const char *)data, size};
    struct wm_buf out;
    int status = parse(file, &tok, &err);
    if (!fuzz_accepted(status, &err, tok))
        return 0;
    fuzz_round_trip(tok, file, 0);
    fuzz_round_trip(tok, file, WM_ENCODE_SPECIALS);
    wm_buf_init(&out, 1 << 26);
    if (bpe_format_ranks(tok, &out, &err) == 0) {
        fuzz_check(parse(wm_buf_str(&out), &back, &err) == 0);
        fuzz_same(tok, back);
    }
    wm_buf_done(&out);
    wm_tokenizer_free(tok);
    return 0;
}
