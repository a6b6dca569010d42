/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tally.h
 * Counting what happened to documents, and checking that the counts add up.
 */
#ifndef WETMILL_PIPELINE_TALLY_H
#define WETMILL_PIPELINE_TALLY_H

#include "wetmill/job.h"

/** Zeroed tallies of all links of `chain`, in one piece of memory: release with free(). */
int wm_links_new(const struct wm_chain *chain, struct wm_link_tally **ret, struct wm_error *err);
/** The same in an arena. */
int wm_links_place(const struct wm_chain *chain, struct wm_arena *arena, struct wm_link_tally **ret,
                   struct wm_error *err);
void wm_links_clear(const struct wm_chain *chain, struct wm_link_tally *links);
void wm_links_add(const struct wm_chain *chain, struct wm_link_tally *to,
                  const struct wm_link_tally *from);
void wm_read_tally_add(struct wm_read_tally *to, const struct wm_read_tally *from);

/**
 * Conservation: bytes, records and documents that went into each part came out of it or were
 * counted under a reason, and what one part gave the next one got. `n_links` stages were applied;
 * `cut`: reading stopped early (--limit), so the bytes of the last record may be under way.
 * A violation is a defect of the program: WM_E_FORMAT "internal: …".
 */
int wm_tally_check(const struct wm_chain *chain, size_t n_links, const struct wm_read_tally *read,
                   const struct wm_link_tally *links, bool cut, struct wm_error *err);

#endif /* WETMILL_PIPELINE_TALLY_H */
