/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file nfc.h
 * The one normaliser tokenizers of this family have: NFC, by ICU where text needs it.
 */
#ifndef WETMILL_TOKENIZER_NFC_H
#define WETMILL_TOKENIZER_NFC_H

#include "wetmill/unicode.h"

/** Buffers to work with, for one thread. */
struct bpe_nfc {
    struct wm_normaliser normaliser;
    struct wm_buf out;
};
void bpe_nfc_init(struct bpe_nfc *nfc);
void bpe_nfc_done(struct bpe_nfc *nfc);

/** `*ret` is `text` in NFC: itself if nothing changes, else in nfc->out, until the next call.
 *  Invalid bytes stay, what lies between them is normalised. WM_E_LIMIT over BPE_MAX_TEXT bytes. */
int bpe_nfc(struct bpe_nfc *nfc, struct wm_str text, struct wm_str *ret, struct wm_error *err);

#endif /* WETMILL_TOKENIZER_NFC_H */
