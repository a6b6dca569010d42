/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file generate_stop.h
 * Ends a text where one of several strings begins. Text that could still become the beginning of one
 * is held back. One thread at a time.
 */
#ifndef WETMILL_TRAINER_GENERATE_STOP_H
#define WETMILL_TRAINER_GENERATE_STOP_H

#include "wetmill/buf.h"
#include "wetmill/option.h"
#include "wetmill/train.h"

enum { WM_STOP_STRING_MAX = 4096 /**< Longest stop string, bytes. */ };

struct wm_stop_filter {
    const struct wm_list *stops;
    wm_generate_fn *on_text;
    void *arg;
    struct wm_buf held;
    bool found;  /**< A stop string came. */
    int stopped; /**< What on_text returned, if it was not 0. */
};

/** WM_E_CONFIG: a stop string that is empty or too long. End with wm_stop_filter_done. */
int wm_stop_filter_init(struct wm_stop_filter *filter, const struct wm_list *stops,
                        wm_generate_fn *on_text, void *arg, struct wm_error *err);
void wm_stop_filter_done(struct wm_stop_filter *filter);

/** A wm_generate_fn whose argument is the filter: non-zero once nothing more is wanted. */
int wm_stop_filter_add(void *filter, struct wm_str text);
/** No more text: what is held back comes out, up to a stop string in it (`found`) that might have been
 *  inside a longer one. */
int wm_stop_filter_end(struct wm_stop_filter *filter);

#endif /* WETMILL_TRAINER_GENERATE_STOP_H */
