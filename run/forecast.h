/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file forecast.h
 * From what a sample took to what all of the input would: what the forecasts of single steps share.
 * Pure functions.
 */
#ifndef WETMILL_RUN_FORECAST_H
#define WETMILL_RUN_FORECAST_H

#include "run/rehearse.h"

#define WM_ALL_OF_IT 0.999 /**< Of the input: as good as all of it. */

/**
 * How a quantity grows: x(share) = x(1) share^exponent, through two points; 0 … 1. Lines and pieces
 * that are new become rarer the more is read (Heaps' law), nothing grows faster than the input.
 */
double wm_growth(double part, double whole, double part_share, double share);
/** What becomes of `whole`, measured at `share`, for all of the input. */
uint64_t wm_grown(double whole, double share, double growth);
/** Most bytes on disk: each phase grows as it did from the part (NULL: as the input) to the whole. */
uint64_t wm_disk_peak(const struct wm_rehearsed *whole, const struct wm_rehearsed *part,
                      double share, double part_share);

/** Memory and disk of the tokenizer step into `ret`, whose share is set; `part` may be NULL. */
void wm_forecast_tokenizer(const struct wm_rehearsed *whole, const struct wm_rehearsed *part,
                           double part_share, uint64_t memory, struct wm_forecast *ret);

#endif /* WETMILL_RUN_FORECAST_H */
