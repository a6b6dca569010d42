/* SPDX-License-Identifier: Apache-2.0 */
/* wetmill corpus head | sample: documents for the eye, from anything wetmill reads. */
#include <stdlib.h>
#include <xxhash.h>

#include "cli/cli.h"

enum { SHOWN_LINES = 8, SHOWN_WIDTH = 400, SAMPLE_MAX = 100000, DAMAGE_SHOWN = 20 };

#define T struct cli_options
static const struct wm_option options[] = {
    WM_COUNT(T, count, 5, 1, SAMPLE_MAX, "documents", "how many"),
    WM_BOOL(T, full, 0, "the whole text instead of its beginning"),
    WM_COUNT(T, seed, 1, 0, 1e15, "", "sample: another seed, other documents"),
    {0},
};
#undef T

static size_t bind(struct cli *cli, struct cli_binding bindings[CLI_TABLES_MAX])
{
    bindings[0] = (struct cli_binding){options, &cli->options};
    bindings[1] = (struct cli_binding){wm_source_option_table, &cli->run.input};
    return 2;
}

static int put_line(struct wm_buf *out, struct wm_str line, bool full, struct wm_error *err)
{
    size_t shown = full || line.len < SHOWN_WIDTH ? line.len : SHOWN_WIDTH;
    char *text = malloc(4 * shown + 8);
    if (!text)
        return wm_fail_nomem(err, 4 * shown + 8, "line");
    wm_escape(text, 4 * shown + 8, line.ptr, shown);
    int status = wm_buf_printf(out, err, "%s%s\n", text, shown < line.len ? " …" : "");
    free(text);
    return status;
}

static int put_field(struct wm_buf *out, const char *name, struct wm_str value,
                     struct wm_error *err)
{
    int status = value.len ? wm_buf_printf(out, err, "%s: ", name) : 0;
    return status || !value.len ? status : put_line(out, value, false, err);
}

/* A document as text for people; every byte of it escaped. */
static int put_document(struct wm_buf *out, const struct wm_doc *doc, bool full,
                        struct wm_error *err)
{
    char place[128];
    (void)snprintf(place, sizeof place, "record %llu at byte %llu",
                   (unsigned long long)doc->key.record,
                   (unsigned long long)(doc->location.member_offset ? doc->location.member_offset
                                                                    : doc->location.offset));
    int status = put_field(out, "url", doc->url, err);
    if (!status)
        status = put_field(out, "date", doc->date, err);
    if (!status)
        status = put_field(out, "from", doc->path, err);
    if (!status)
        status = put_field(out, "at", wm_str_of(place), err);
    if (!status)
        status = put_field(out, "with", doc->extra, err);
    struct wm_str rest = doc->text;
    size_t lines = wm_line_count(rest);
    for (size_t i = 0; !status && rest.len && (full || i < SHOWN_LINES); i++)
        status = put_line(out, wm_str_line(&rest), full, err);
    if (!status && rest.len)
        status = wm_buf_printf(out, err, "… %zu line%s, %zu bytes in all\n", lines,
                               wm_plural(lines), doc->text.len);
    return status ? status : wm_buf_add(out, "\n", 1, err);
}

/* What the reader met so far that it had to skip. */
static bool say_damage(struct cli *cli, const struct wm_reader *reader)
{
    const struct wm_damage *damage = wm_reader_damage(reader);
    size_t n = wm_reader_tally(reader)->n_damage;
    for (size_t i = 0; i < n && i < DAMAGE_SHOWN; i++) {
        char path[WM_PATH_MAX];
        wm_escape(path, sizeof path, damage[i].path, strlen(damage[i].path));
        cli_say(cli, "%s: byte %llu: %s", path, (unsigned long long)damage[i].at, damage[i].what);
    }
    if (n > DAMAGE_SHOWN)
        cli_say(cli, "… and %zu more", n - DAMAGE_SHOWN);
    return n > 0;
}

int cli_each_batch(struct cli *cli,
                   int (*take)(void *arg, const struct wm_batch *, struct wm_error *), void *arg,
                   bool *ret_skipped, struct wm_error *err)
{
    struct wm_inputs inputs = {0};
    struct wm_batch batch = {0};
    wm_arena_init(&batch.arena, (size_t)1 << 30);
    wm_arena_init(&batch.scratch, (size_t)1 << 30);
    int status = wm_inputs_open(&cli->run.input, &inputs, err), stop = 0;
    for (uint32_t t = 0; !status && !stop && t < inputs.n_tasks; t++) {
        struct wm_reader *reader = NULL;
        int more = 1;
        status = wm_reader_open(&inputs, &inputs.tasks[t], &reader, err);
        while (!status && !stop && more > 0) {
            wm_arena_reset(&batch.arena);
            batch.n_docs = 0;
            more = wm_reader_fill(reader, &batch, 0, WM_BATCH_TEXT, 256, err);
            status = more < 0 ? more : wm_cancel_check(cli->cancel, err);
            if (more > 0 && !status && (stop = take(arg, &batch, err)) < 0)
                status = stop;
        }
        if (!status)
            *ret_skipped |= say_damage(cli, reader);
        wm_reader_close(reader);
    }
    wm_arena_done(&batch.arena);
    wm_arena_done(&batch.scratch);
    wm_inputs_close(&inputs);
    return status;
}

struct each {
    int (*take)(void *arg, const struct wm_doc *, struct wm_error *);
    void *arg;
};

static int take_each(void *arg, const struct wm_batch *batch, struct wm_error *err)
{
    struct each *each = arg;
    int stop = 0;
    for (size_t i = 0; !stop && i < batch->n_docs; i++)
        stop = each->take(each->arg, &batch->docs[i], err);
    return stop;
}

int cli_each_document(struct cli *cli,
                      int (*take)(void *arg, const struct wm_doc *, struct wm_error *), void *arg,
                      bool *ret_skipped, struct wm_error *err)
{
    struct each each = {take, arg};
    return cli_each_batch(cli, take_each, &each, ret_skipped, err);
}

struct head {
    struct cli *cli;
    uint64_t left;
};

static int take_head(void *arg, const struct wm_doc *doc, struct wm_error *err)
{
    struct head *head = arg;
    struct wm_buf out;
    wm_buf_init(&out, (size_t)256 << 20);
    int status = put_document(&out, doc, head->cli->options.full, err);
    if (!status)
        cli_write(head->cli, wm_buf_str(&out));
    wm_buf_done(&out);
    return status ? status : --head->left == 0;
}

static int run_head(struct cli *cli)
{
    struct wm_error err = {0};
    struct head head = {cli, cli->options.count};
    bool skipped = false;
    int status = cli_take_paths(cli, 0, &err);
    if (!status)
        status = cli_each_document(cli, take_head, &head, &skipped, &err);
    return status ? cli_fail(cli, &err) : skipped ? CLI_SKIPPED : CLI_OK;
}

/* The n documents with the smallest hash of (seed, key): the same for any order of reading. */
struct pick {
    uint64_t hash;
    struct wm_key key;
    struct wm_buf text;
};

struct sample {
    struct cli *cli;
    struct pick *picks;
    size_t n;
};

static uint64_t hash_key(uint64_t seed, struct wm_key key)
{
    unsigned char bytes[16];
    wm_put_be32(bytes, key.file);
    wm_put_be64(bytes + 4, key.record);
    wm_put_be32(bytes + 12, key.part);
    return XXH3_64bits_withSeed(bytes, sizeof bytes, seed);
}

static int take_sample(void *arg, const struct wm_doc *doc, struct wm_error *err)
{
    struct sample *s = arg;
    uint64_t hash = hash_key(s->cli->options.seed, doc->key);
    size_t at = s->n;
    while (at > 0 && s->picks[at - 1].hash > hash)
        at--;
    if (at >= s->cli->options.count)
        return 0;
    struct pick pick = {.hash = hash, .key = doc->key};
    wm_buf_init(&pick.text, (size_t)256 << 20);
    int status = put_document(&pick.text, doc, s->cli->options.full, err);
    if (status) {
        wm_buf_done(&pick.text);
        return status;
    }
    if (s->n == s->cli->options.count)
        wm_buf_done(&s->picks[--s->n].text);
    memmove(s->picks + at + 1, s->picks + at, (s->n - at) * sizeof *s->picks);
    s->picks[at] = pick;
    s->n++;
    return 0;
}

static int compare_keys(const void *a, const void *b)
{
    const struct pick *x = a, *y = b;
    return wm_key_compare(x->key, y->key);
}

static int run_sample(struct cli *cli)
{
    struct wm_error err = {0};
    struct sample s = {.cli = cli};
    bool skipped = false;
    s.picks = calloc(cli->options.count + 1, sizeof *s.picks);
    int status = s.picks ? cli_take_paths(cli, 0, &err) : wm_fail_nomem(&err, 0, "sample");
    if (!status)
        status = cli_each_document(cli, take_sample, &s, &skipped, &err);
    if (s.n)
        qsort(s.picks, s.n, sizeof *s.picks, compare_keys);
    for (size_t i = 0; i < s.n; i++) {
        if (!status)
            cli_write(cli, wm_buf_str(&s.picks[i].text));
        wm_buf_done(&s.picks[i].text);
    }
    free(s.picks);
    return status ? cli_fail(cli, &err) : skipped ? CLI_SKIPPED : CLI_OK;
}

const struct cli_command cli_command_corpus_head = {
    .name = "corpus head",
    .summary = "show the first documents of a corpus or an archive",
    .operands = "PATH…",
    .examples = "  wetmill corpus head out/corpus\n"
                "  wetmill corpus head -n 1 --full crawl/00000.warc.wet.gz",
    .min_operands = 1,
    .max_operands = SIZE_MAX,
    .bind = bind,
    .run = run_head,
};

const struct cli_command cli_command_corpus_sample = {
    .name = "corpus sample",
    .summary = "show documents picked at random, the same for the same seed",
    .operands = "PATH…",
    .examples = "  wetmill corpus sample -n 10 out/corpus",
    .min_operands = 1,
    .max_operands = SIZE_MAX,
    .bind = bind,
    .run = run_sample,
};
