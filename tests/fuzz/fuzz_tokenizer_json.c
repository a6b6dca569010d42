/* SPDX-License-Identifier: Apache-2.0 */
/* covers: tokenizer/json_parts.c tokenizer/read_json.c tokenizer/template.c */
/* tokenizer.json from anywhere: refused, or a tokenizer that gives every text back (or says which
 * byte it lacks), and that is written and read again as the same. */
#include <stdlib.h>

#include "tokenizer/tokenizer_json.h"

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void check_round_trip(const struct wm_tokenizer *tok, struct wm_str text, unsigned flags)
{
    struct wm_error err = {0};
    struct wm_encoder *enc = NULL;
    struct wm_ids ids = {0};
    struct wm_buf back;
    wm_buf_init(&back, 1 << 24);
    check(wm_encoder_new(tok, &enc, &err) == 0);
    int status = wm_encode(enc, text, flags, &ids, &err);
    check(status == 0 || status == WM_E_FORMAT || status == WM_E_LIMIT);
    if (!status) {
        check(wm_decode(tok, ids.ids, ids.n, false, &back, &err) == 0);
        check(tok->nfc || wm_str_eq(wm_buf_str(&back), text));
    }
    wm_encoder_free(enc);
    wm_ids_done(&ids);
    wm_buf_done(&back);
}

static void check_written(const struct wm_tokenizer *tok)
{
    struct wm_error err = {0};
    struct wm_tokenizer *back = NULL;
    struct wm_buf json;
    wm_buf_init(&json, 1 << 26);
    check(bpe_format_json(tok, &json, &err) == 0);
    check(bpe_parse_json(wm_buf_str(&json), &back, &err) == 0);
    check(XXH128_isEqual(wm_tokenizer_identity(tok), wm_tokenizer_identity(back)));
    wm_tokenizer_free(back);
    wm_buf_done(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wm_error err = {0};
    struct wm_tokenizer *tok = NULL;
    struct wm_str json = {(const char *)data, size};
    if (bpe_parse_json(json, &tok, &err)) {
        check(err.status != 0 && err.what[0] != '\0');
        return 0;
    }
    check_round_trip(tok, json, 0);
    check_round_trip(tok, json, WM_ENCODE_SPECIALS);
    check_written(tok);
    wm_tokenizer_free(tok);
    return 0;
}
