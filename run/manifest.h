/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file manifest.h
 * What OUT holds of a run as a whole: manifest.json and config.yaml, results; log/root, a fact of this
 * machine. Whoever calls holds the run's lock.
 */
#ifndef WETMILL_RUN_MANIFEST_H
#define WETMILL_RUN_MANIFEST_H

#include "run/step.h"

/** How every copy of a configuration begins; what --print-config gives has output: behind it. */
#define WM_CONFIG_HEAD "# Paths start where the original configuration is.\nversion: 1\n"

/** The manifest tells of all of a run: it goes before anything changes that it tells of, and comes back
 *  last. Without OUT there is none. */
int wm_manifest_remove(const struct wm_run *run, struct wm_error *err);
/** The whole run in one file: what was made, from what, by which versions; and its configuration. */
int wm_manifest_write(const struct wm_run *run, const struct wm_run_result *result,
                      struct wm_error *err);

/** WM_E_CONFIG if a manifest.json or config.yaml stands in OUT that is not wetmill's, or a config.yaml
 *  that is the run's own configuration and says more than the copy that would replace it. What is
 *  damaged among results is let pass with --verify. Needs no lock. */
int wm_manifest_check_place(const struct wm_run *run, struct wm_error *err);

/** Where relative input paths start, for shards trace. */
int wm_log_root(const struct wm_run *run, struct wm_error *err);

#endif /* WETMILL_RUN_MANIFEST_H */
