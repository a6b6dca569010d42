/* SPDX-License-Identifier: Apache-2.0 */
/* What decoding the input asks for counts as memory of each task that runs. */
#include "pipeline/plan.h"
#include "pipeline/window.h"
#include "reading_help.h"
#include "wetmill/job.h"

static struct wm_error err;

enum { FILES = 4, BYTES = 2 << 20, USUAL_MIB = 8 };

/** A window: its zstd log, or the code of its xz dictionary; and what it comes to. */
struct kind {
    const char *name;
    int log;
    unsigned char code;
    uint64_t mib;
};

static const char *make(const struct kind *kind)
{
    struct wm_buf plain = help_buf(), bytes = help_buf();
    uint64_t x = 1;
    while (plain.len < BYTES) { /* they do not compress */
        x = x * 6364136223846793005u + 1442695040888963407u;
        help_add(&plain, &x, sizeof x);
    }
    CHECK_OK(wm_mkdirs(help_path(kind->name), &err), err);
    for (int i = 0; i < FILES; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "%s/%d", kind->name, i);
        if (kind->log) { /* one such window is enough, behind a skippable frame */
            help_add(&bytes, "\x5A\x2A\x4D\x18\x03\0\0\0abc", 11);
            help_zstd_window(&bytes, wm_buf_str(&plain), i ? 20 : kind->log);
        } else {
            help_xz_dictionary(&bytes, wm_buf_str(&plain), i ? 16 : kind->code);
        }
        (void)help_store(name, &bytes);
    }
    wm_buf_done(&plain);
    wm_buf_done(&bytes);
    return help_path(kind->name);
}

static void test_kind(const struct kind *kind, uint64_t *ret_full)
{
    const char *path = make(kind);
    struct wm_source_options options = help_options();
    struct wm_inputs inputs;
    struct wm_chain chain;
    struct wm_plan plan;
    uint64_t least, full;
    options.paths = (struct wm_list){&path, 1};
    CHECK_OK(wm_inputs_open(&options, &inputs, &err), err);
    CHECK_U64(inputs.n_tasks, FILES);
    CHECK_U64(wm_window_most(&inputs), kind->mib << 20);
    wm_chain_init(&chain);
    const struct wm_job job = {.inputs = &inputs, .chain = &chain, .n_workers = FILES};
    CHECK_OK(wm_job_memory(&job, &least, &full, &err), err);
    CHECK_OK(wm_plan_make(&job, full, &plan, &err), err);
    CHECK_U64(plan.n_tasks, FILES);
    CHECK_OK(wm_plan_make(&job, *ret_full ? *ret_full : full, &plan, &err), err);
    CHECK(plan.n_tasks == FILES || kind->mib > USUAL_MIB);
    CHECK(plan.n_tasks < FILES || kind->mib <= USUAL_MIB); /* what is usual has no room for it */
    if (*ret_full)
        CHECK_U64(full,
                  *ret_full + (kind->mib > USUAL_MIB ? FILES * (kind->mib - USUAL_MIB) << 20 : 0));
    *ret_full = *ret_full ? *ret_full : full;
    wm_chain_close(&chain);
    wm_inputs_close(&inputs);
}

int main(void)
{
    static const struct kind kinds[] = {
        {"small", 20, 0, 1}, {"usual", 23, 0, 8},      {"long", 27, 0, 128},
        {"xz", 0, 22, 8},    {"large-xz", 0, 32, 256},
    };
    uint64_t full = 0; /* of the first */
    help_open();
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        test_kind(&kinds[i], &full);
    help_close();
    return test_summary();
}
