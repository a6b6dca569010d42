/* SPDX-License-Identifier: Apache-2.0 */
/* The sample crawl through the real reader: the same bytes at any width, and every document of the
 * output re-derived from the archive by its location, its stages and its line map. */
#include <jansson.h>
#include <zstd.h>

#include "pipeline/chain.h"
#include "pipeline/job_fixture.h"

static struct wm_error err;
static struct wm_source_options options;

static void open_inputs(struct wm_inputs *inputs, struct wm_arena *arena)
{
    memset(&options, 0, sizeof options);
    wm_options_default(wm_source_option_table, &options);
    const struct wm_option *paths = wm_option_find(wm_source_option_table, WM_STR("paths"));
    CHECK_OK(wm_option_append(paths, &options, WM_STR(WM_SOURCE_DIR "/samples/crawl"), arena, &err),
             err);
    CHECK_OK(wm_inputs_open(&options, inputs, &err), err);
    CHECK(inputs->n_rows >= 2);
}

static struct wm_line_map map_of(const json_t *doc, struct wm_arena *arena)
{
    const json_t *list = json_object_get(doc, "lines");
    struct wm_line_map map = {.n_runs = json_array_size(list) / 2};
    map.runs = wm_arena_alloc(arena, map.n_runs, sizeof *map.runs);
    for (size_t i = 0; i < map.n_runs; i++) {
        map.runs[i].first = (uint32_t)json_integer_value(json_array_get(list, 2 * i));
        map.runs[i].count = (uint32_t)json_integer_value(json_array_get(list, 2 * i + 1));
    }
    return map;
}

static void check_trace(struct wm_chain *chain, struct wm_str line, struct wm_batch *batch)
{
    json_t *doc = json_loadb(line.ptr, line.len, JSON_ALLOW_NUL, NULL);
    const json_t *at = json_object_get(doc, "location"), *text = json_object_get(doc, "text");
    const json_t *member = json_object_get(at, "member");
    struct wm_location location = {
        .member_offset = (uint64_t)json_integer_value(json_array_get(member, 0)),
        .member_length = (uint64_t)json_integer_value(json_array_get(member, 1)),
        .offset = (uint64_t)json_integer_value(json_object_get(at, "offset")),
    };
    const char *path = json_string_value(json_object_get(at, "file"));
    CHECK(path != NULL && location.member_length > 0);
    wm_arena_reset(&batch->arena);
    batch->n_docs = 0;
    CHECK_OK(wm_reader_at(&options, path, &location, batch, &err), err);
    CHECK_U64(batch->docs[0].source_lines,
              json_integer_value(json_object_get(doc, "source_lines")));
    CHECK_OK(wm_chain_rewrite(chain, batch, &err), err);
    struct wm_line_map map = map_of(doc, &batch->arena);
    struct wm_str picked;
    CHECK_OK(wm_lines_pick(batch->docs[0].text, &map, &batch->arena, &picked, &err), err);
    CHECK_STR(picked, ((struct wm_str){json_string_value(text), json_string_length(text)}));
    json_decref(doc);
}

/* Every document of the parts. Returns how many. */
static uint64_t trace_all(struct fixture *f, const struct wm_job_result *result)
{
    enum { MOST = 64 << 20 };
    struct wm_batch batch = {0};
    char *text = malloc(MOST);
    uint64_t n = 0;
    wm_arena_init(&batch.arena, 1 << 28);
    wm_arena_init(&batch.scratch, 1 << 28);
    CHECK_OK(wm_chain_open(&f->chain, 1, NULL, &err), err);
    for (size_t i = 0; i < result->parts.n; i++) {
        struct wm_buf part = fixture_load(f->dir, result->parts.items[i].name);
        size_t len = ZSTD_decompress(text, MOST, part.ptr, part.len);
        CHECK(!ZSTD_isError(len));
        struct wm_str rest = {text, ZSTD_isError(len) ? 0 : len};
        for (; rest.len; n++)
            check_trace(&f->chain, wm_str_line(&rest), &batch);
        wm_buf_done(&part);
    }
    wm_chain_shut(&f->chain);
    wm_arena_done(&batch.arena);
    wm_arena_done(&batch.scratch);
    free(text);
    return n;
}

int main(void)
{
    XXH128_hash_t want = {0, 0};
    for (unsigned n_workers = 1; n_workers <= 7; n_workers += 3) {
        struct fixture f;
        struct wm_job_result result;
        struct wm_arena arena;
        wm_arena_init(&arena, 1 << 20);
        fixture_open(&f, 1, 1);
        open_inputs(&f.inputs, &arena);
        fixture_add(&f, &lucky_stage);
        fixture_add(&f, &pick_lines_stage);
        fixture_add(&f, &upper_stage);
        fixture_add(&f, &copies_stage);
        f.job.n_workers = n_workers;
        f.job.batch_text = n_workers > 1 ? 50000 : 0;
        f.job.reverse = n_workers > 1;
        CHECK_OK(wm_job_run(&f.job, &result, &err), err);
        wm_sink_jsonl.close(f.jsonl);
        XXH128_hash_t inputs;
        CHECK_OK(wm_inputs_hash(&f.inputs, &inputs, &err), err);
        CHECK(XXH128_isEqual(inputs, result.inputs));
        CHECK(result.tally.read.documents > 100 && result.n_damage == 0);
        CHECK(result.tally.links[3].reasons[0] > 0);
        if (n_workers == 1) {
            want = fixture_hash(&result);
            CHECK_U64(trace_all(&f, &result), result.tally.links[3].documents_out);
        }
        CHECK(XXH128_isEqual(fixture_hash(&result), want));
        wm_job_result_done(&result);
        wm_inputs_close(&f.inputs);
        fixture_close(&f);
        wm_arena_done(&arena);
    }
    return test_summary();
}
