/* SPDX-License-Identifier: Apache-2.0 */
/* Options that belong to the run itself. */
#include "wetmill/run.h"

#define T struct wm_run_options
/* clang-format off */
#define OF_EVERY_STEP \
    WM_PATH(T, output, NULL, "directory of the run's results"), \
    {"jobs", WM_OPTION_COUNT, WM_OFFSET_(T, jobs, uint64_t), 0, 0, 1024, 0, 0, "threads", \
     "worker threads; 0 = one for each processor", WM_OPTION_SPEED}, \
    {"memory", WM_OPTION_SIZE, WM_OFFSET_(T, memory, uint64_t), 0, 0, 1e15, 0, 0, "bytes", \
     "most memory to use; 0 = 60 % of the machine's", WM_OPTION_SPEED}
#define VERIFY \
    {"verify", WM_OPTION_BOOL, WM_OFFSET_(T, verify, bool), 0, 0, 0, 0, 0, "", \
     "read all input and results that are up to date, and do again what is damaged", \
     WM_OPTION_SPEED}
/* clang-format on */
const struct wm_option wm_run_option_table[] = {
    OF_EVERY_STEP,
    WM_COUNT(T, limit, 0, 0, 1e18, "documents", "read only the first documents; 0 = all"),
    WM_CHOICE(T, profile, wm_profile_names, WM_PROFILE_STRICT,
              "strict, or ccnet: as cc_net does; of source, stages and writer alike"),
    {"rejects", WM_OPTION_PATH, WM_OFFSET_(T, rejects, const char *), 0, 0, 0, 0, 0, "",
     "directory for dropped documents with stage and reason", WM_OPTION_SPEED},
    WM_REAL(T, max_bad_files, 0.01, 0, 1, "share",
            "damaged files beyond which the run stops; 10 are let pass"),
    WM_REAL(T, max_bad_records, 0.05, 0, 1, "share",
            "malformed records beyond which it stops; 100 are let pass"),
    VERIFY,
    {0},
};
const struct wm_option wm_step_option_table[] = {OF_EVERY_STEP, VERIFY, {0}};
#undef OF_EVERY_STEP
#undef VERIFY
#undef T

#define T struct wm_sample_options
const struct wm_option wm_sample_option_table[] = {
    WM_LIST(T, prompts, "beginnings to go on from"),
    WM_COUNT(T, tokens, 60, 1, 1e6, "tokens", "length of each sample"),
    WM_REAL(T, temperature, 0.8, 0, 100, "", "0 = always the likeliest token"),
    WM_COUNT(T, top_k, 40, 0, 1e9, "tokens", "choose among the k likeliest; 0 = all"),
    WM_REAL(T, top_p, 0.95, 0, 1, "share", "choose among the likeliest that reach this share"),
    WM_REAL(T, min_p, 0, 0, 1, "share",
            "choose among tokens at least this share as likely as the likeliest"),
    WM_REAL(T, repetition_penalty, 1, 1e-3, 1e3, "times",
            "logits of tokens in the text are divided by this; 1 = they are not"),
    WM_LIST(T, stop, "strings that end a sample"),
    WM_COUNT(T, seed, 1, 0, 1e15, "", "the same seed gives the same text"),
    {0},
};
#undef T
