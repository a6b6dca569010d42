/* SPDX-License-Identifier: Apache-2.0 */
/* The input table and its tasks. */
#include "wetmill/inputs.h"

#include <stdlib.h>
#include <string.h>

#include "pipeline/listing.h"
#include "pipeline/source.h"

static const char *const formats[] = {"auto", "warc", "jsonl", "text", NULL};
const char *const wm_profile_names[] = {
    [WM_PROFILE_STRICT] = "strict", [WM_PROFILE_CCNET] = "ccnet", NULL};
static const char *const units[] = {"file", "line", NULL};

const struct wm_option wm_source_option_table[] = {
    {"paths", WM_OPTION_PATHS, WM_OFFSET_(struct wm_source_options, paths, struct wm_list), 0, 0, 0,
     NULL, NULL, "", "files, directories, globs, lists (*.paths, *.paths.gz), or - for stdin",
     WM_OPTION_REQUIRED},
    WM_TEXT(struct wm_source_options, prefix, NULL, "put before every name of a list"),
    WM_CHOICE(struct wm_source_options, format, formats, WM_FORMAT_AUTO,
              "what the files hold; auto: by content, then by name"),
    WM_TEXT(struct wm_source_options, text_field, "text",
            "member of a JSON line that holds the text; raw_content where it is missing"),
    WM_CHOICE(struct wm_source_options, text_unit, units, WM_TEXT_FILE,
              "what a document is in plain text: the file, or each line"),
    WM_CHOICE(struct wm_source_options, profile, wm_profile_names, WM_PROFILE_STRICT,
              "how WARC files are read: as the standard says, or as cc_net does"),
    WM_SIZE(struct wm_source_options, max_record, WM_RECORD_LIMIT, 1024, 1 << 30,
            "longest record; longer ones are skipped and counted"),
    WM_COUNT(struct wm_source_options, max_ratio, 1000, 0, 1e9, "",
             "a file that unpacks to more times its size is a bomb (beyond 64 MiB); 0: no limit"),
    {0},
};

int wm_rows_add(struct wm_rows *rows, const struct wm_input *row, struct wm_error *err)
{
    if (rows->n == rows->cap) {
        size_t cap = rows->cap ? rows->cap * 2 : 64;
        if (rows->n >= WM_ROWS_MAX)
            return wm_fail(err, WM_E_LIMIT, "more than 2^32 - 2 input files");
        struct wm_input *items = realloc(rows->items, cap * sizeof *items);
        if (!items)
            return wm_fail_nomem(err, cap * sizeof *items, "input table");
        rows->items = items;
        rows->cap = cap;
    }
    rows->items[rows->n++] = *row;
    return 0;
}

void wm_rows_done(struct wm_rows *rows)
{
    free(rows->items);
    *rows = (struct wm_rows){0};
}

/* ---- tasks ---- */

static uint64_t row_bytes(const struct wm_input *row)
{
    if (row->problem)
        return 0;
    return (row->end < row->size ? row->end : row->size) - row->start;
}

static bool is_small(const struct wm_input *row)
{
    return !row->is_pipe && row->start == 0 && row->end == UINT64_MAX &&
           row_bytes(row) < WM_SMALL_FILE;
}

/* Rows from `first` on that make one task. */
static struct wm_task next_task(const struct wm_inputs *inputs, uint32_t first)
{
    struct wm_task task = {first, 1, row_bytes(&inputs->rows[first])};
    if (!is_small(&inputs->rows[first]))
        return task;
    while (first + task.n < inputs->n_rows && task.n < WM_SMALL_FILES) {
        const struct wm_input *row = &inputs->rows[first + task.n];
        if (!is_small(row) || task.bytes + row_bytes(row) > WM_SMALL_TASK)
            break;
        task.bytes += row_bytes(row);
        task.n++;
    }
    return task;
}

static int make_tasks(struct wm_inputs *inputs, struct wm_error *err)
{
    for (int pass = 0; pass < 2; pass++) {
        uint32_t n = 0;
        for (uint32_t row = 0; row < inputs->n_rows; n++) {
            struct wm_task task = next_task(inputs, row);
            if (inputs->tasks)
                inputs->tasks[n] = task;
            row += task.n;
        }
        inputs->n_tasks = n;
        if (!inputs->tasks)
            inputs->tasks = calloc(n ? n : 1, sizeof *inputs->tasks);
        if (!inputs->tasks)
            return wm_fail_nomem(err, n * sizeof *inputs->tasks, "tasks");
    }
    for (uint32_t i = 0; i < inputs->n_tasks; i++)
        inputs->bytes += inputs->tasks[i].bytes;
    return 0;
}

/* ---- the table ---- */

static int list_all(const struct wm_source_options *options, struct wm_rows *rows,
                    struct wm_error *err)
{
    for (size_t i = 0; i < options->paths.n; i++) {
        int status = wm_list_path(rows, options->paths.items[i], options, err);
        if (status)
            return status;
    }
    if (rows->n)
        return 0;
    (void)wm_fail(err, WM_E_CONFIG, "there is no input: the paths name no file");
    return options->paths.n ? wm_error_where(err, "%s", options->paths.items[0]) : err->status;
}

static int cut_all(const struct wm_source_options *options, uint64_t range,
                   const struct wm_rows *whole, struct wm_rows *rows, struct wm_error *err)
{
    for (size_t i = 0; i < whole->n; i++) {
        const struct wm_input *row = &whole->items[i];
        int status = row->problem || row->is_pipe || row->size <= range
                         ? wm_rows_add(rows, row, err)
                         : wm_cut_row(rows, row, options, range, err);
        if (status)
            return status;
    }
    return 0;
}

int wm_inputs_open_cut(const struct wm_source_options *options, uint64_t range,
                       struct wm_inputs *ret, struct wm_error *err)
{
    struct wm_inputs inputs = {.options = *options};
    wm_arena_init(&inputs.arena, SIZE_MAX / 2);
    struct wm_rows whole = {.arena = &inputs.arena}, rows = whole;
    int status = list_all(options, &whole, err);
    if (!status)
        status = cut_all(options, range, &whole, &rows, err);
    if (!status && rows.n > WM_ROWS_MAX)
        status = wm_fail(err, WM_E_LIMIT, "more than 2^32 - 2 input files");
    wm_rows_done(&whole);
    inputs.rows = rows.items;
    inputs.n_rows = (uint32_t)rows.n;
    if (!status)
        status = make_tasks(&inputs, err);
    if (status) {
        wm_inputs_close(&inputs);
        return status;
    }
    *ret = inputs;
    return 0;
}

int wm_inputs_open(const struct wm_source_options *options, struct wm_inputs *ret,
                   struct wm_error *err)
{
    return wm_inputs_open_cut(options, WM_RANGE, ret, err);
}

void wm_inputs_close(struct wm_inputs *inputs)
{
    free(inputs->rows);
    free(inputs->tasks);
    wm_arena_done(&inputs->arena);
    *inputs = (struct wm_inputs){0};
}

/* ---- what the inputs are, as one number ---- */

XXH128_hash_t wm_inputs_combine(const XXH128_hash_t *rows, size_t n)
{
    XXH128_hash_t all = {0, 0};
    for (size_t i = 0; i < n; i++) {
        XXH128_canonical_t bytes[2];
        XXH128_canonicalFromHash(&bytes[0], all);
        XXH128_canonicalFromHash(&bytes[1], rows[i]);
        all = XXH3_128bits(bytes, sizeof bytes);
    }
    return all;
}

static int hash_row(struct wm_source *source, const struct wm_input *row, XXH128_hash_t *ret,
                    struct wm_error *err)
{
    struct wm_error trouble;
    *ret = (XXH128_hash_t){0, 0};
    if (row->is_pipe) {
        wm_fail(err, WM_E_CONFIG, "what came through a pipe cannot be read again");
        return wm_error_where(err, "%s", row->path);
    }
    if (row->problem)
        return 0;
    int status = wm_source_open(source, row->path, row->start, row->end, &trouble);
    if (status == WM_E_NOMEM)
        *err = trouble;
    if (status)
        return status == WM_E_NOMEM ? status : 0;
    (void)wm_source_drain(source);
    *ret = wm_source_hash(source);
    wm_source_end(source);
    return 0;
}

int wm_inputs_hash(const struct wm_inputs *inputs, XXH128_hash_t *ret, struct wm_error *err)
{
    struct wm_source source = {.hash = XXH3_createState()};
    XXH128_hash_t *rows = calloc((size_t)inputs->n_rows + 1, sizeof *rows);
    int status = 0;
    if (!source.hash || !rows)
        status = wm_fail_nomem(err, (size_t)inputs->n_rows * sizeof *rows, "hashes of input files");
    for (uint32_t i = 0; !status && i < inputs->n_rows; i++)
        status = hash_row(&source, &inputs->rows[i], &rows[i], err);
    if (!status)
        *ret = wm_inputs_combine(rows, inputs->n_rows);
    wm_source_done(&source);
    free(rows);
    return status;
}
