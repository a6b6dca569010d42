/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/nfc.h"

#include "base/scan.h"
#include "tokenizer/bpe.h"
#include "wetmill/utf8.h"

void bpe_nfc_init(struct bpe_nfc *nfc)
{
    *nfc = (struct bpe_nfc){0};
    wm_buf_init(&nfc->out, BPE_MAX_TEXT);
}

void bpe_nfc_done(struct bpe_nfc *nfc)
{
    wm_normaliser_done(&nfc->normaliser);
    wm_buf_done(&nfc->out);
}

static struct wm_str behind(struct wm_str text, size_t n)
{
    return (struct wm_str){text.ptr + n, text.len - n};
}

int bpe_nfc(struct bpe_nfc *nfc, struct wm_str text, struct wm_str *ret, struct wm_error *err)
{
    size_t ascii = text.len ? wm_scan_ascii((const unsigned char *)text.ptr, text.len) : 0;
    *ret = text;
    if (ascii == text.len)
        return 0;
    if (!wm_unicode())
        return wm_fail_nomem(err, sizeof(struct wm_unicode), "character data");
    struct wm_str rest = behind(text, ascii ? ascii - 1 : 0); /* its last may take a mark */
    size_t valid = wm_utf8_prefix(rest);
    if (valid == rest.len && wm_normal_prefix(WM_FORM_NFC, rest) == rest.len)
        return 0;
    nfc->out.len = 0;
    int status = wm_buf_add(&nfc->out, text.ptr, text.len - rest.len, err);
    while (!status && rest.len) {
        struct wm_str part = {rest.ptr, wm_utf8_prefix(rest)};
        status = wm_normalise(&nfc->normaliser, WM_FORM_NFC, part, &nfc->out, err);
        rest = behind(rest, part.len);
        if (status || !rest.len)
            break;
        uint32_t code;
        size_t invalid = wm_utf8_decode(rest, &code);
        status = wm_buf_add(&nfc->out, rest.ptr, invalid, err);
        rest = behind(rest, invalid);
    }
    *ret = wm_buf_str(&nfc->out);
    return status;
}
