/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file command.h
 * OUT/log/command: what to say again behind `wetmill run` to go on with a run, or to repair it, from any
 * directory. Its words are quoted for a shell. Whoever made OUT may have written it, so it is believed
 * only if it is of the form that wetmill gives it:
 *
 *     'FILE' [--set 'KEY=VALUE']… [--limit N] [--rejects 'DIR']      each with a space before it
 */
#ifndef WETMILL_RUN_COMMAND_H
#define WETMILL_RUN_COMMAND_H

#include "run/step.h"

/** Append a space and `word` for a shell: 'it'\''s' */
int wm_command_word(struct wm_buf *out, const char *word, struct wm_error *err);
/** Write log/command; whoever calls holds the run's lock. */
int wm_log_command(const struct wm_run *run, struct wm_error *err);
/** The whole command that repairs the run in `dir`. False, and `ret` is of no use, if log/command is
 *  absent or not just of that form, or a terminal would not show all of it as it is. */
bool wm_command_repair(const char *dir, char ret[WM_REPAIR_TEXT]);

#endif /* WETMILL_RUN_COMMAND_H */
