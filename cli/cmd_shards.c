/* SPDX-License-Identifier: Apache-2.0 */
/* wetmill shards build | inspect | verify | trace. */
#include <stdlib.h>

#include "cli/cli.h"

#define T struct cli_options
static const struct wm_option build_options[] = {
    WM_PATH(T, tokenizer, NULL, CLI_TOKENIZER_HELP),
    {0},
};
static const struct wm_option trace_options[] = {
    WM_PATH(T, root, NULL, "directory that relative input paths start from"),
    WM_BOOL(T, text, 1, "print the document's text too"),
    {0},
};
#undef T

static size_t bind_build(struct cli *cli, struct cli_binding bindings[CLI_TABLES_MAX])
{
    bindings[0] = (struct cli_binding){build_options, &cli->options};
    bindings[1] = (struct cli_binding){wm_sink_shards.options, cli->run.shards};
    bindings[2] = (struct cli_binding){wm_source_option_table, &cli->run.input};
    bindings[3] = (struct cli_binding){wm_run_option_table, &cli->run.options};
    bindings[4] = (struct cli_binding){cli_plan_table, &cli->options};
    return 5;
}

/* It is read more than once. */
static int refuse_pipe(const char *tokenizer, struct wm_error *err)
{
    struct wm_error ignored;
    struct wm_stat st;
    if (wm_stat(tokenizer, &st, &ignored) || st.is_regular || st.is_dir)
        return 0; /* what is not there is told later */
    wm_fail(err, WM_E_CONFIG, "a tokenizer is read more than once: it cannot be a pipe");
    return wm_error_where(err, "%s", tokenizer);
}

static int run_build(struct cli *cli)
{
    struct wm_error err = {0};
    int status = cli_take_paths(cli, 0, &err);
    if (!status)
        status = cli_take_output(cli, WM_STEP_SHARDS, &err);
    if (!status && !cli->options.tokenizer) {
        wm_fail(&err, WM_E_CONFIG, "shards build wants a tokenizer");
        status = wm_error_hint(&err, "add -t DIR; wetmill tokenizer train makes one");
    }
    if (!status)
        status = refuse_pipe(cli->options.tokenizer, &err);
    if (status)
        return cli_fail(cli, &err);
    cli->run.given[WM_STEP_TOKENIZER] = cli->options.tokenizer;
    return cli_execute(cli, WM_STEP_SHARDS);
}

static void print_row(const char *label, uint64_t n)
{
    char text[32];
    wm_format_count(n, text, sizeof text);
    (void)printf("  %-28s %18s\n", label, text);
}

static void print_split(const struct wm_shards_info *info, int s)
{
    const struct wm_split_info *split = &info->splits[s];
    (void)printf("%s: %zu shard%s\n", wm_shard_split_names[s], split->n, wm_plural(split->n));
    print_row("tokens", split->tokens);
    print_row("documents", split->documents);
    print_row("bytes of text", split->text_bytes);
    if (split->tokens)
        (void)printf("  %-28s %18.4f\n  %-28s %18.4f\n", "bytes per token",
                     (double)split->text_bytes / (double)split->tokens, "unigram entropy, nats",
                     split->unigram_nats);
    for (size_t i = 0; i < split->n; i++) {
        char tokens[32], documents[32];
        wm_format_count(split->shards[i].tokens, tokens, sizeof tokens);
        wm_format_count(split->shards[i].documents, documents, sizeof documents);
        (void)printf("  %-24s %18s tokens %14s documents\n", split->shards[i].name, tokens,
                     documents);
    }
}

static int inspect_directory(struct cli *cli, const char *dir, struct wm_error *err)
{
    struct wm_shards_info info = {0};
    char hex[WM_HEX128];
    (void)cli;
    int status = wm_shards_info_read(dir, &info, err);
    if (!status) {
        wm_hex128(info.tokenizer, hex);
        (void)printf("tokenizer %s\nvocabulary %u, end-of-document token %u, %u bytes a token\n",
                     hex, (unsigned)info.vocabulary, (unsigned)info.eod, info.width);
        for (int s = 0; s < WM_SHARD_SPLITS; s++)
            print_split(&info, s);
        if (info.left_out)
            print_row("documents too long, left out", info.left_out);
    }
    wm_shards_info_done(&info);
    return status;
}

/* One pair alone needs no shards.json: what the tokens say. */
static int inspect_pair(const char *base, struct wm_error *err)
{
    struct wm_shard shard = {0};
    struct wm_shard_facts facts;
    int status = wm_shard_open(base, &shard, err);
    if (!status)
        status = wm_shard_inspect(&shard, shard.width == 2 ? 65536 : 1 << 24, UINT32_MAX, NULL,
                                  &facts, err);
    if (!status) {
        print_row("tokens", facts.n_tokens);
        print_row("sequences", facts.n_sequences);
        print_row("shortest sequence, tokens", facts.shortest);
        print_row("longest sequence, tokens", facts.longest);
        print_row("bytes a token", facts.width);
        print_row("distinct ids", facts.n_distinct);
        print_row("largest id", facts.max_id);
        (void)printf("  %-28s %18.4f\n  most frequent ids:", "unigram entropy, nats",
                     facts.unigram_nats);
        for (size_t i = 0; i < facts.n_top && i < 10; i++)
            (void)printf(" %u (%llu)", (unsigned)facts.top[i].id,
                         (unsigned long long)facts.top[i].count);
        (void)putchar('\n');
    }
    wm_shard_close(&shard);
    return status;
}

/* train_00000, train_00000.bin and train_00000.idx all name the same shard. */
static const char *base_name(struct cli *cli, const char *path)
{
    static const char *const endings[] = {".bin", ".idx", ".prov.zst"};
    struct wm_str base = wm_str_of(path);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (wm_str_ends(base, wm_str_of(endings[i]))) {
            base.len -= strlen(endings[i]);
            break;
        }
    return wm_arena_cstr(&cli->run.arena, base);
}

static int run_inspect(struct cli *cli)
{
    struct wm_error err = {0};
    struct wm_stat st;
    const char *path = cli->operands[0], *base = base_name(cli, path);
    int status;
    if (!base)
        status = wm_fail_nomem(&err, strlen(path), "path");
    else if (!wm_stat(path, &st, &err) && st.is_dir)
        status = inspect_directory(cli, path, &err);
    else
        status = inspect_pair(base, &err);
    return status ? cli_fail(cli, &err) : CLI_OK;
}

static void on_problem(void *arg, const struct wm_error *problem)
{
    struct cli *cli = arg;
    cli_say(cli, "%s%s%s", problem->where, *problem->where ? ": " : "", problem->what);
}

static int run_verify(struct cli *cli)
{
    struct wm_error err = {0};
    uint64_t problems = 0;
    if (wm_shards_verify(cli->operands[0], on_problem, cli, &problems, &err))
        return cli_fail(cli, &err);
    if (!problems) {
        cli_say(cli, "%s: no problem found", cli->operands[0]);
        return CLI_OK;
    }
    wm_fail(&err, WM_E_FORMAT, "%llu problem%s found", (unsigned long long)problems,
            wm_plural(problems));
    (void)wm_error_where(&err, "%s", cli->operands[0]);
    (void)wm_error_hint(&err, "make the shards again: remove the directory and repeat the command");
    return cli_fail(cli, &err);
}

static size_t bind_trace(struct cli *cli, struct cli_binding bindings[CLI_TABLES_MAX])
{
    bindings[0] = (struct cli_binding){trace_options, &cli->options};
    return 1;
}

static int parse_token(const char *text, uint64_t *ret, struct wm_error *err)
{
    static const struct wm_option number = {
        "token", WM_OPTION_COUNT, 0, 0, 0, 1e18, NULL, NULL, "place in the shard, from 0", "", 0};
    struct wm_arena arena;
    wm_arena_init(&arena, 4096);
    int status = wm_option_set(&number, ret, wm_str_of(text), &arena, err);
    wm_arena_done(&arena);
    return status;
}

static void print_escaped(const char *label, struct wm_str s)
{
    char text[4096];
    wm_escape(text, sizeof text, s.ptr, s.len);
    if (s.len)
        (void)printf("%-9s %s\n", label, text);
}

static void print_trace(struct cli *cli, const struct wm_trace *t)
{
    const struct wm_location *at = &t->from.location;
    print_escaped("url", t->from.url);
    print_escaped("file", t->from.path);
    print_escaped("in tar", at->tar_member);
    (void)printf("record    %llu of input %u\n", (unsigned long long)t->from.key.record,
                 (unsigned)t->from.key.file);
    if (at->member_length || at->member_offset)
        (void)printf("member    %llu bytes at byte %llu\n", (unsigned long long)at->member_length,
                     (unsigned long long)at->member_offset);
    (void)printf("offset    byte %llu uncompressed\n", (unsigned long long)at->offset);
    (void)printf("lines    ");
    for (size_t i = 0; i < t->from.lines.n_runs; i++) {
        const struct wm_line_run *run = &t->from.lines.runs[i];
        (void)printf(run->count > 1 ? " %u–%u" : " %u", (unsigned)run->first,
                     (unsigned)(run->first + run->count - 1));
    }
    (void)printf(" of %u\ndocument  %llu of the shard: tokens %llu to %llu\nrederived %s\n",
                 (unsigned)t->from.source_lines, (unsigned long long)t->sequence,
                 (unsigned long long)t->first_token,
                 (unsigned long long)(t->first_token + t->n_tokens - 1),
                 t->equal ? "the record gives the same text" : "the record gives ANOTHER text");
    if (cli->options.text) {
        (void)putchar('\n');
        cli_write_text(cli, t->rederived);
        (void)putchar('\n');
    }
}

static int need_shard(const char *base, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s.bin", base);
    if (wm_exists(path))
        return 0;
    wm_fail(err, WM_E_CONFIG, "no shard: there is no file of this name with .bin");
    (void)wm_error_where(err, "%s", base);
    return wm_error_hint(err, "name one shard, such as %s/train_00000", base);
}

static int run_trace(struct cli *cli)
{
    struct wm_error err = {0};
    struct wm_tracer *tracer = NULL;
    struct wm_trace trace = {0};
    uint64_t token = 0;
    bool all_equal = true;
    const char *base = base_name(cli, cli->operands[0]);
    int status = base ? need_shard(base, &err) : wm_fail_nomem(&err, 0, "path");
    if (!status)
        status = wm_tracer_open(base, cli->options.root, &tracer, &err);
    for (size_t i = 1; !status && i < cli->n_operands; i++) {
        status = parse_token(cli->operands[i], &token, &err);
        if (!status)
            status = wm_tracer_at(tracer, token, &trace, &err);
        if (!status) {
            (void)printf(i > 1 ? "\ntoken     %llu\n" : "token     %llu\n",
                         (unsigned long long)token);
            print_trace(cli, &trace);
        }
        all_equal &= !status && trace.equal;
    }
    if (tracer && status == WM_E_IO && !*err.hint && !cli->options.root)
        (void)wm_error_hint(&err, "relative names of archives start at --root DIR");
    wm_tracer_close(tracer);
    if (!status && !all_equal) {
        wm_fail(&err, WM_E_MISMATCH, "a record does not give the text its tokens say");
        (void)wm_error_hint(&err, "has the archive changed since the shards were made?");
        (void)cli_fail(cli, &err);
        return CLI_FAILED;
    }
    return status ? cli_fail(cli, &err) : CLI_OK;
}

const struct cli_command cli_command_shards_build = {
    .name = "shards build",
    .summary = "write a corpus as token shards with provenance",
    .operands = "PATH…",
    .examples = "  wetmill shards build -t tokenizer -o shards corpus",
    .notes =
        "PATH is anything `corpus build` reads or writes. Shards are Megatron's .bin and .idx.",
    .min_operands = 1,
    .max_operands = SIZE_MAX,
    .bind = bind_build,
    .run = run_build,
};

const struct cli_command cli_command_shards_inspect = {
    .name = "shards inspect",
    .summary = "say what is in shards",
    .operands = "DIR|SHARD",
    .examples = "  wetmill shards inspect out/shards\n"
                "  wetmill shards inspect out/shards/train_00000",
    .min_operands = 1,
    .max_operands = 1,
    .run = run_inspect,
};

const struct cli_command cli_command_shards_verify = {
    .name = "shards verify",
    .summary = "check shards against sizes, digests, indices and vocabulary",
    .operands = "DIR",
    .examples = "  wetmill shards verify out/shards",
    .min_operands = 1,
    .max_operands = 1,
    .run = run_verify,
};

const struct cli_command cli_command_shards_trace = {
    .name = "shards trace",
    .summary = "from a token to its crawl record, and the record's text again",
    .operands = "SHARD TOKEN…",
    .examples = "  wetmill shards trace out/shards/train_00000 123456",
    .notes =
        "TOKEN is a place in the shard, from 0. The text is made again from the archive; exit\n"
        "code 1 if it is not what the tokens say.",
    .min_operands = 2,
    .max_operands = SIZE_MAX,
    .bind = bind_trace,
    .run = run_trace,
};
