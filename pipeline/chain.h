/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file chain.h
 * What the pipeline does with a chain (job.h): closing it without forgetting it, one worker's
 * states, and the way of one batch through its stages.
 */
#ifndef WETMILL_PIPELINE_CHAIN_H
#define WETMILL_PIPELINE_CHAIN_H

#include "wetmill/file.h"
#include "wetmill/job.h"

/** Close the stages but keep them and their options: the chain may be opened again. */
void wm_chain_shut(struct wm_chain *chain);

/** A file of a stage as wm_chain_take_files saw it. */
struct wm_link_file {
    struct wm_stat stat; /**< Before it was hashed. */
    struct wm_digest digest;
    bool fresh; /**< Written so short a time before that its times say nothing. */
};
void wm_link_forget_files(struct wm_link *link);

/** Number of reasons a stage names. */
size_t wm_stage_reasons(const struct wm_stage *stage);

/** One worker's state for each of the first `n` links. Zero it before use. */
struct wm_locals {
    const struct wm_chain *chain;
    void **items;
    size_t n, n_open;
};
int wm_locals_open(struct wm_locals *locals, const struct wm_chain *chain, size_t n,
                   struct wm_error *err);
/** Fold them into the links' shared states. One thread at a time. */
int wm_locals_merge(struct wm_locals *locals, struct wm_error *err);
void wm_locals_close(struct wm_locals *locals); /**< Safe on zeroed ones. */

/** Documents that were dropped on the way, in the batch's arena. */
struct wm_dropped {
    struct wm_doc *docs;
    size_t n, cap;
};

/**
 * Apply the first `n_links` links to `batch`, count into `links` (tally.h), and remove what
 * is dropped after each; into `dropped`, unless that is NULL. Checks that line maps still fit.
 */
int wm_chain_apply(const struct wm_locals *locals, size_t n_links, struct wm_batch *batch,
                   struct wm_link_tally *links, struct wm_dropped *dropped, struct wm_error *err);

#endif /* WETMILL_PIPELINE_CHAIN_H */
