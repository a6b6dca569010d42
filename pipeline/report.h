/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file report.h
 * What one reader counts and complains about. All layers of reading write into one report, so that
 * a complaint knows the file, the byte and the record it is about. One thread.
 */
#ifndef WETMILL_PIPELINE_REPORT_H
#define WETMILL_PIPELINE_REPORT_H

#include "wetmill/inputs.h"

struct wm_report {
    struct wm_arena arena; /**< Owns the words of the list. */
    struct wm_read_tally tally;
    struct wm_damage *list; /**< [min(tally.n_damage, WM_DAMAGE_MAX)] */
    size_t n, cap;
    const char *path;   /**< File being read. */
    const char *inside; /**< Escaped name of the tar member being read, or NULL. */
    uint64_t record;    /**< Ordinal of the record being read in its row. */
    bool damaged;       /**< The file being read had damage. */
    bool no_memory;     /**< Some of the list is missing. */
};

void wm_report_init(struct wm_report *report);
void wm_report_done(struct wm_report *report);

/** Note damage noticed at byte `at` of the file. Without memory for the words it is only counted, and
 *  report->no_memory set: the reader then fails. */
__attribute__((format(printf, 3, 4))) void wm_report_damage(struct wm_report *report, uint64_t at,
                                                            const char *fmt, ...);
/** The same for what the system did not give, this time: no fault of the bytes. */
__attribute__((format(printf, 3, 4))) void wm_report_unread(struct wm_report *report, uint64_t at,
                                                            const char *fmt, ...);
/** The same for what does not make the file a bad one: a record over the limit, a length that is
 *  wrong but could be set right. */
__attribute__((format(printf, 3, 4))) void wm_report_skip(struct wm_report *report, uint64_t at,
                                                          const char *fmt, ...);

#endif /* WETMILL_PIPELINE_REPORT_H */
