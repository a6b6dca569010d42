/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file generate_text.h
 * Tokens end anywhere, also within a character: bytes go in, whole UTF-8 characters come out at
 * once. What can never become a character comes out as U+FFFD. One thread at a time.
 */
#ifndef WETMILL_TRAINER_GENERATE_TEXT_H
#define WETMILL_TRAINER_GENERATE_TEXT_H

#include "wetmill/str.h"
#include "wetmill/train.h"

struct wm_text_stream {
    wm_generate_fn *on_text;
    void *arg;
    char pending[4]; /**< The beginning of a character. */
    size_t n_pending;
};

/** Returns what on_text returned: non-zero stops. */
int wm_text_stream_add(struct wm_text_stream *stream, struct wm_str bytes);
/** No more bytes: an unfinished character comes out as U+FFFD. */
int wm_text_stream_end(struct wm_text_stream *stream);

#endif /* WETMILL_TRAINER_GENERATE_TEXT_H */
