/* SPDX-License-Identifier: Apache-2.0 */
/* wetmill lm cutoffs: perplexities at percentiles of each language, for stage bucket. */
#include "cli/cli.h"
#include "run/cutoffs.h"
#include "wetmill/number.h"

enum { PERCENTILES = 101 };

/* One command a process. */
static struct options {
    const char *output, *percentiles;
} options;

static const struct wm_option option_table[] = {
    WM_PATH(struct options, output, "-", "the table: CSV; - is standard output"),
    WM_TEXT(struct options, percentiles, "30,60",
            "rows of the table: percentiles from 0 to 100, or all for 0 to 99"),
    {0},
};

static size_t bind(struct cli *cli, struct cli_binding bindings[CLI_TABLES_MAX])
{
    bindings[0] = (struct cli_binding){option_table, &options};
    bindings[1] = (struct cli_binding){cli_jobs_table, &cli->run.options};
    bindings[2] = (struct cli_binding){wm_source_option_table, &cli->run.input};
    return 3;
}

static int read_percentiles(unsigned ret[PERCENTILES], size_t *ret_n, struct wm_error *err)
{
    struct wm_str rest = wm_str_of(options.percentiles);
    bool all = wm_str_eq(rest, WM_STR("all")), wanted[PERCENTILES] = {false};
    while (!all && rest.ptr) {
        const char *comma = rest.len ? memchr(rest.ptr, ',', rest.len) : NULL;
        size_t n = comma ? (size_t)(comma - rest.ptr) : rest.len;
        uint64_t percentile;
        if (!wm_parse_u64(wm_str_trim((struct wm_str){rest.ptr, n}), &percentile) ||
            percentile >= PERCENTILES) {
            wm_fail(err, WM_E_CONFIG, "percentiles: \"%.*s\" is no whole number from 0 to 100",
                    (int)n, rest.ptr);
            return wm_error_hint(err, "write --percentiles 30,60 or --percentiles all");
        }
        wanted[percentile] = true;
        rest.ptr = comma ? comma + 1 : NULL;
        rest.len -= n + (comma != NULL);
    }
    *ret_n = 0;
    for (unsigned p = 0; p < PERCENTILES; p++)
        if (all ? p < PERCENTILES - 1 : wanted[p])
            ret[(*ret_n)++] = p;
    return 0;
}

static int write_table(struct cli *cli, const struct wm_perplexity_counts *counts,
                       const unsigned *percentiles, size_t n, struct wm_error *err)
{
    struct wm_buf csv;
    wm_buf_init(&csv, WM_CUTOFFS_BYTES);
    int status = wm_perplexity_counts_csv(counts, percentiles, n, &csv, err);
    if (!status && strcmp(options.output, "-") == 0)
        cli_write(cli, wm_buf_str(&csv));
    else if (!status)
        status = wm_file_store(options.output, wm_buf_str(&csv), err);
    wm_buf_done(&csv);
    return status;
}

static int none_found(uint64_t without, struct wm_error *err)
{
    wm_fail(err, WM_E_FORMAT,
            "no document says its language and perplexity (%ju say neither or one)",
            (uintmax_t)without);
    return wm_error_hint(err, "build the corpus with stages language and perplexity first");
}

static int run(struct cli *cli)
{
    struct wm_error err = {0};
    struct wm_perplexity_counts counts;
    struct wm_cutoffs_result result = {0};
    struct wm_run_hooks hooks = cli_hooks(cli);
    unsigned percentiles[PERCENTILES];
    size_t n = 0;
    wm_perplexity_counts_init(&counts);
    int status = read_percentiles(percentiles, &n, &err);
    if (!status)
        status = cli_apart(cli, options.output, cli->n_operands, &err);
    if (!status)
        status = cli_take_paths(cli, 0, &err);
    if (!status) {
        cli_progress_begin(cli);
        status = wm_cutoffs_count(&cli->run, &hooks, &counts, &result, &err);
        cli_progress_end(cli);
    }
    if (!status && !counts.documents)
        status = none_found(result.without + counts.unfit, &err);
    if (!status)
        status = write_table(cli, &counts, percentiles, n, &err);
    if (!status)
        cli_say(cli, "%ju document%s in %zu language%s; %ju without language or perplexity",
                (uintmax_t)counts.documents, wm_plural(counts.documents), counts.n_languages,
                wm_plural(counts.n_languages), (uintmax_t)(result.without + counts.unfit));
    int code = status ? cli_fail(cli, &err) : CLI_OK;
    if (!status && cli_say_damage(cli, result.job.damage, result.job.n_damage))
        code = CLI_SKIPPED;
    wm_job_result_done(&result.job);
    wm_perplexity_counts_done(&counts);
    return code;
}

const struct cli_command cli_command_lm_cutoffs = {
    .name = "lm cutoffs",
    .summary = "measure the perplexities that part head, middle and tail",
    .operands = "PATH…",
    .examples = "  wetmill lm cutoffs -o cutoffs.csv out/corpus\n"
                "  wetmill lm cutoffs --percentiles all corpus/*.jsonl.zst",
    .notes = "PATH is a corpus whose documents have `language` and `perplexity`, as the stages of\n"
             "these names write them: a directory of JSONL, or files. The table has a column for\n"
             "each language and a row for each percentile; stage bucket takes it as `cutoffs`.",
    .min_operands = 1,
    .max_operands = SIZE_MAX,
    .bind = bind,
    .run = run,
};
