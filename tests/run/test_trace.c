/* SPDX-License-Identifier: Apache-2.0 */
/* 1,000 random tokens trace to their record, and the record gives the tokens' text again; what stands
 * around a document in its shard does not matter. */
#include "run_fixture.h"

/* Each document begins with <|begin_of_text|> and has it nowhere else. */
static void check_frames(const char *dir, const char *base)
{
    struct wm_error err = {0};
    struct wm_tokenizer *tok = NULL;
    struct wm_shard shard = {0};
    uint32_t bos = 0, eod = 0, id = 0, last = 0;
    uint64_t n_bos = 0, n_eod = 0, astray = 0;
    CHECK_OK(wm_tokenizer_load(dir, &tok, &err), err);
    CHECK_OK(wm_shard_open(base, &shard, &err), err);
    if (tok && wm_tokenizer_special(tok, WM_STR("<|begin_of_text|>"), &bos) &&
        wm_tokenizer_eod(tok, &eod)) {
        last = eod;
        for (uint64_t at = 0; at < shard.n_tokens; at++, last = id) {
            wm_shard_read(&shard, at, 1, &id);
            n_bos += id == bos;
            n_eod += id == eod;
            astray += (last == eod) != (id == bos);
        }
    }
    CHECK(n_bos > 3 && n_bos == n_eod && astray == 0);
    wm_shard_close(&shard);
    wm_tokenizer_free(tok);
}

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
    struct fixture_how how = {
        .out = "out",
        .jobs = 2,
        .set = {"tokenizer.split=llama3", "tokenizer.specials=<|begin_of_text|>,<|end_of_text|>"}};
    char base[512], shards[512];
    CHECK_OK(fixture_run(dir, &how, &result, &err), err);
    wm_run_result_done(&result);
    (void)snprintf(base, sizeof base, "%s/out/shards/train_00000", dir);
    trace_shard(base, 900);
    (void)snprintf(shards, sizeof shards, "%s/out/shards", dir);
    check_frames(shards, base);
    (void)snprintf(base, sizeof base, "%s/out/shards/validation_00000", dir);
    trace_shard(base, 100);
    CHECK_OK(wm_remove_tree(dir, &err), err);
    return test_summary();
}
