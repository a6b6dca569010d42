/* SPDX-License-Identifier: Apache-2.0 */
/* 1,000 random tokens trace to their record, and the record gives the tokens' text again. */
#include "run_fixture.h"

static void trace_shard(const char *base, unsigned n)
{
    struct wm_error err = {0};
    struct wm_tracer *tracer = NULL;
    uint64_t at = 1;
    CHECK_OK(wm_tracer_open(base, NULL, &tracer, &err), err);
    for (unsigned i = 0; tracer && i < n; i++) {
        struct wm_trace trace = {0};
        at = (at * 6364136223846793005u + 1442695040888963407u);
        uint64_t token = (at >> 16) % wm_tracer_tokens(tracer);
        CHECK_OK(wm_tracer_at(tracer, token, &trace, &err), err);
        CHECK_(trace.equal, "token %llu: the record gives another text (%zu bytes, want %zu)",
               (unsigned long long)token, trace.rederived.len, trace.decoded.len);
        CHECK(trace.first_token <= token && token < trace.first_token + trace.n_tokens);
        CHECK(wm_str_ends(trace.from.path, WM_STR(".warc.wet.gz")) && trace.from.url.len > 0);
    }
    if (tracer) {
        struct wm_trace trace = {0};
        CHECK_FAILS(wm_tracer_at(tracer, wm_tracer_tokens(tracer), &trace, &err), WM_E_CONFIG, err,
                    "beyond");
    }
    wm_tracer_close(tracer);
}

int main(void)
{
    const char *dir = fixture_dir("trace");
    struct wm_error err = {0};
    struct wm_run_result result = {0};
    struct fixture_how how = {.out = "out", .jobs = 2};
    char base[512];
    CHECK_OK(fixture_run(dir, &how, &result, &err), err);
    wm_run_result_done(&result);
    (void)snprintf(base, sizeof base, "%s/out/shards/train_00000", dir);
    trace_shard(base, 900);
    (void)snprintf(base, sizeof base, "%s/out/shards/validation_00000", dir);
    trace_shard(base, 100);
    CHECK_OK(wm_remove_tree(dir, &err), err);
    return test_summary();
}
