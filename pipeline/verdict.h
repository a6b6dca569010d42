/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file verdict.h
 * Is what was read good enough to go on with?
 */
#ifndef WETMILL_PIPELINE_VERDICT_H
#define WETMILL_PIPELINE_VERDICT_H

#include "pipeline/ledger.h"

enum { WM_BAD_FILES_ALWAYS = 10, WM_BAD_RECORDS_ALWAYS = 100 };

/** WM_E_FORMAT if more files are damaged than max_bad_files allows: share × files, rounded up, and
 *  never fewer than WM_BAD_FILES_ALWAYS unless the share is 0. May be asked at any time. */
int wm_verdict_files(const struct wm_job *job, const struct wm_ledger *ledger,
                     struct wm_error *err);
/** The same of malformed records (WM_BAD_RECORDS_ALWAYS); at the end of a pass. */
int wm_verdict_records(const struct wm_job *job, const struct wm_ledger *ledger,
                       struct wm_error *err);
/** WM_E_FORMAT if no document is left, naming what took most of them. */
int wm_verdict_left(const struct wm_job *job, const struct wm_ledger *ledger, struct wm_error *err);

#endif /* WETMILL_PIPELINE_VERDICT_H */
