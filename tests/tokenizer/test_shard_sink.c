/* SPDX-License-Identifier: Apache-2.0 */
/* From documents to a finished directory and back, without an executor. */
#include <math.h>

#include "shard_fixture.h"

static uint64_t problems;

static void print_problem(void *arg, const struct wm_error *problem)
{
    (void)arg;
    (void)fprintf(stderr, "problem: %s: %s\n", problem->where, problem->what);
}

static void check_provenance(const struct wm_provenance *got, const struct wm_doc *want)
{
    CHECK_STR(got->url, want->url);
    CHECK_STR(got->path, want->path);
    CHECK(wm_key_compare(got->key, want->key) == 0);
    CHECK_U64(got->location.member_offset, want->location.member_offset);
    CHECK_U64(got->location.member_length, want->location.member_length);
    CHECK_U64(got->location.offset, want->location.offset);
    CHECK_STR(got->location.tar_member, want->location.tar_member);
    CHECK_U64(got->source_lines, want->source_lines);
    CHECK_U64(got->lines.n_runs, want->lines.n_runs);
    CHECK(got->lines.n_runs == want->lines.n_runs &&
          (!got->lines.n_runs || memcmp(got->lines.runs, want->lines.runs,
                                        got->lines.n_runs * sizeof *got->lines.runs) == 0));
}

/* Tokens of one sequence as text, without the end. */
static void check_text(const struct wm_tokenizer *tok, const struct wm_shard_set *set,
                       uint64_t first, uint64_t length, struct wm_str want)
{
    uint32_t ids[2048];
    struct wm_buf text;
    CHECK(length >= 1 && length <= 2048);
    wm_shard_set_read(set, first, (size_t)length, ids);
    CHECK_U64(ids[length - 1], set->eod);
    wm_buf_init(&text, 1 << 20);
    CHECK_OK(wm_decode(tok, ids, (size_t)length - 1, false, &text, &err), err);
    CHECK_STR(wm_buf_str(&text), want);
    wm_buf_done(&text);
}

/* Every document of the corpus stands in its split, in order, with its text and its row. */
static void check_split(const struct job *job, const char *dir, enum wm_shard_split split)
{
    struct wm_shard_set set;
    struct wm_arena arena;
    CHECK_OK(wm_shard_set_open(dir, split, &set, &err), err);
    wm_arena_init(&arena, 16 << 20);
    uint64_t at = 0, n = 0, text_bytes = 0;
    size_t open_shard = SIZE_MAX;
    struct wm_sidecar *sidecar = NULL;
    for (uint64_t i = 0; i < job->n_docs; i++) {
        wm_arena_reset(&arena);
        struct wm_doc doc = make_doc(i, &arena);
        XXH64_hash_t hash = XXH3_64bits_withSeed(doc.text.ptr, doc.text.len, job->options.seed);
        bool validates = (double)hash < job->options.validation_share * 0x1p64;
        if (validates != (split == WM_VALIDATION))
            continue;
        uint64_t in_shard, sequence, first, length;
        size_t shard = wm_shard_set_find(&set, at, &in_shard);
        wm_shard_find(&set.shards[shard], in_shard, &sequence, &first, &length);
        CHECK_U64(first, in_shard);
        check_text(job->options.tokenizer, &set, at, length, doc.text);
        if (shard != open_shard) {
            char base[WM_PATH_MAX];
            (void)snprintf(base, sizeof base, "%s/%s_%05zu", dir, wm_shard_split_names[split],
                           shard);
            wm_sidecar_close(sidecar);
            CHECK_OK(wm_sidecar_open(base, &sidecar, &err), err);
            CHECK_STR(wm_sidecar_recipe(sidecar), job->options.recipe);
            open_shard = shard;
        }
        struct wm_provenance row;
        CHECK_OK(wm_sidecar_read(sidecar, sequence, &arena, &row, &err), err);
        check_provenance(&row, &doc);
        at += length;
        text_bytes += doc.text.len;
        n++;
    }
    CHECK_U64(at, set.n_tokens);
    CHECK_U64(n, set.n_documents);
    CHECK_U64(text_bytes, set.n_bytes);
    wm_sidecar_close(sidecar);
    wm_arena_done(&arena);
    wm_shard_set_close(&set);
}

static void test_round_trip(void)
{
    struct wm_tokenizer *tok = make_tokenizer(0);
    struct wm_shards_info info;
    struct job job = {.n_docs = 2000,
                      .docs_per_task = 700,
                      .docs_per_batch = 64,
                      .options = default_options(tok)};
    CHECK_OK(build(&job, in_top("plain"), &info), err);
    CHECK_U64(info.splits[WM_TRAIN].n, 3);
    CHECK_U64(info.splits[WM_VALIDATION].n, 3);
    CHECK_U64(info.width, 2);
    CHECK_U64(info.vocabulary, 258);
    CHECK_U64(info.eod, 257);
    uint64_t n_validation = info.splits[WM_VALIDATION].documents;
    CHECK_U64(info.splits[WM_TRAIN].documents + n_validation, 2000);
    CHECK(n_validation > 140 && n_validation < 260);
    check_split(&job, in_top("plain"), WM_TRAIN);
    check_split(&job, in_top("plain"), WM_VALIDATION);
    CHECK_OK(wm_shards_verify(in_top("plain"), print_problem, NULL, &problems, &err), err);
    CHECK_U64(problems, 0);

    struct wm_shards_info again;
    CHECK_OK(wm_shards_info_read(in_top("plain"), &again, &err), err);
    CHECK(XXH128_isEqual(again.tokenizer, wm_tokenizer_identity(tok)));
    for (unsigned s = 0; s < WM_SHARD_SPLITS; s++) {
        CHECK(again.splits[s].unigram_nats == info.splits[s].unigram_nats);
        CHECK(again.splits[s].n == info.splits[s].n &&
              memcmp(again.splits[s].shards, info.splits[s].shards,
                     info.splits[s].n * sizeof *info.splits[s].shards) == 0);
    }
    wm_shards_info_done(&again);
    wm_shards_info_done(&info);
    wm_tokenizer_free(tok);
}

/* As LLaMA 3's: <|begin_of_text|> stands before a text; here the end behind it, too. */
static struct wm_tokenizer *framed_tokenizer(void)
{
    static const char *specials[] = {"<|begin_of_text|>", "<|end_of_text|>", "<end>"};
    struct wm_tokenizer_options o;
    struct wm_bpe_trainer *trainer = NULL;
    struct wm_counter *counter = NULL;
    struct wm_tokenizer *tok = NULL;
    memset(&o, 0, sizeof o);
    wm_options_default(wm_tokenizer_option_table, &o);
    o.vocabulary = 270;
    o.split = WM_SPLIT_LLAMA3;
    o.specials = (struct wm_list){specials, 3};
    o.eos = "<end>";
    CHECK_OK(wm_trainer_new(&o, &trainer, &err), err);
    CHECK_OK(wm_counter_new(trainer, &counter, &err), err);
    CHECK_OK(wm_counter_add(counter, WM_STR("the thimble the thimble the"), &err), err);
    CHECK_OK(wm_trainer_fold(trainer, counter, &err), err);
    CHECK_OK(wm_trainer_finish(trainer, NULL, NULL, &tok, &err), err);
    wm_counter_free(counter);
    wm_trainer_free(trainer);
    return tok;
}

/* Shards with the template and without have the same texts; with it each stands in its frame. */
static void test_template(void)
{
    enum { DOCS = 300 };
    struct wm_tokenizer *tok = framed_tokenizer();
    struct wm_shards_info info[2];
    struct wm_shard with, without;
    uint32_t bos = 0, end = 0, eod = 0, frame[WM_SHARD_FRAME];
    struct job job = {.n_docs = DOCS,
                      .docs_per_task = DOCS,
                      .docs_per_batch = 64,
                      .options = default_options(tok)};
    job.options.validation_share = 0;
    CHECK(wm_tokenizer_special(tok, WM_STR("<|begin_of_text|>"), &bos) &&
          wm_tokenizer_special(tok, WM_STR("<end>"), &end) && wm_tokenizer_eod(tok, &eod));
    CHECK(wm_shard_frame(tok, false, frame) == 1 && frame[0] == bos);
    CHECK(wm_shard_frame(tok, true, frame) == 1 && frame[0] == end);
    CHECK_OK(build(&job, in_top("bare"), &info[0]), err);
    job.options.template = true;
    CHECK_OK(build(&job, in_top("framed"), &info[1]), err);
    CHECK_U64(info[1].splits[WM_TRAIN].tokens, info[0].splits[WM_TRAIN].tokens + 2 * DOCS);
    CHECK_OK(wm_shards_verify(in_top("framed"), print_problem, NULL, &problems, &err), err);
    CHECK_U64(problems, 0);
    CHECK_OK(wm_shard_open(in_top("bare/train_00000"), &without, &err), err);
    CHECK_OK(wm_shard_open(in_top("framed/train_00000"), &with, &err), err);
    uint64_t a = 0, b = 0, n_a = 0, n_b = 0, sequence, first;
    for (uint64_t i = 0; i < DOCS && !test_failures; i++, a += n_a, b += n_b) {
        uint32_t bare[2048], framed[2048];
        wm_shard_find(&without, a, &sequence, &first, &n_a);
        wm_shard_find(&with, b, &sequence, &first, &n_b);
        CHECK(n_b == n_a + 2 && n_b <= 2048);
        wm_shard_read(&without, a, (size_t)n_a, bare);
        wm_shard_read(&with, b, (size_t)n_b, framed);
        CHECK(framed[0] == bos && framed[n_b - 2] == end && framed[n_b - 1] == eod);
        CHECK(!memcmp(framed + 1, bare, (size_t)(n_a - 1) * sizeof *bare));
        const uint32_t *x = bare, *y = framed;
        size_t n_x = (size_t)n_a, n_y = (size_t)n_b;
        wm_shard_unframe(tok, &x, &n_x);
        wm_shard_unframe(tok, &y, &n_y);
        CHECK(x == bare && y == framed + 1 && n_x == n_a - 1 && n_y == n_x);
    }
    wm_shard_close(&with);
    wm_shard_close(&without);
    wm_shards_info_done(&info[0]);
    wm_shards_info_done(&info[1]);
    wm_tokenizer_free(tok);
}

static const char *const files[] = {"shards.json",          "train_00000.bin",
                                    "train_00000.idx",      "train_00000.prov.zst",
                                    "train_00002.bin",      "train_00002.idx",
                                    "train_00002.prov.zst", "validation_00001.bin",
                                    "validation_00001.idx", "validation_00001.prov.zst",
                                    "tokenizer.json"};

/* Batch size and the order in which workers come to batches change no byte. */
static void test_determinism(void)
{
    struct wm_tokenizer *tok = make_tokenizer(0);
    static const uint64_t sizes[] = {1000, 7, 3};
    for (unsigned i = 0; i < 3; i++) {
        char name[32], a[WM_PATH_MAX], b[WM_PATH_MAX];
        struct job job = {.n_docs = 2000,
                          .docs_per_task = 700,
                          .docs_per_batch = sizes[i],
                          .backwards = i % 2,
                          .options = default_options(tok)};
        (void)snprintf(name, sizeof name, "same%u", i);
        CHECK_OK(build(&job, in_top(name), NULL), err);
        for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
            (void)snprintf(a, sizeof a, "%s/plain/%s", top, files[f]);
            (void)snprintf(b, sizeof b, "%s/%s/%s", top, name, files[f]);
            CHECK_(same_files(a, b), "%s differs from %s", a, b);
        }
    }
    wm_tokenizer_free(tok);
}

static void test_int32(void)
{
    struct wm_tokenizer *tok = make_tokenizer(65536 - 258);
    struct wm_tokenizer *wide = make_tokenizer(65536 - 257);
    struct wm_shards_info info;
    struct job job = {
        .n_docs = 300, .docs_per_task = 300, .docs_per_batch = 50, .options = default_options(tok)};
    CHECK_U64(wm_tokenizer_size(tok), 65536);
    CHECK_OK(build(&job, in_top("narrow"), &info), err);
    CHECK_U64(info.width, 2);
    CHECK_U64(info.eod, 65535);
    wm_shards_info_done(&info);
    check_split(&job, in_top("narrow"), WM_TRAIN);

    job.options.tokenizer = wide;
    CHECK_OK(build(&job, in_top("wide"), &info), err);
    CHECK_U64(info.width, 4);
    CHECK_U64(info.eod, 65536);
    CHECK_U64(info.splits[WM_TRAIN].shards[0].bin.size, 4 * info.splits[WM_TRAIN].tokens);
    wm_shards_info_done(&info);
    check_split(&job, in_top("wide"), WM_TRAIN);
    check_split(&job, in_top("wide"), WM_VALIDATION);
    struct wm_shard_set set;
    CHECK_OK(wm_shard_set_open(in_top("wide"), WM_TRAIN, &set, &err), err);
    CHECK(set.n == 1 && set.shards[0].idx.ptr[17] == 4);
    wm_shard_set_close(&set);
    CHECK_OK(wm_shards_verify(in_top("wide"), print_problem, NULL, &problems, &err), err);
    CHECK_U64(problems, 0);
    wm_tokenizer_free(tok);
    wm_tokenizer_free(wide);
}

/* A share of nothing gives no validation shards; a limit leaves out what is too long, and counts. */
static void test_edges(void)
{
    struct wm_tokenizer *tok = make_tokenizer(0);
    struct wm_shards_info info;
    struct wm_shard_set set;
    struct job job = {
        .n_docs = 500, .docs_per_task = 100, .docs_per_batch = 10, .options = default_options(tok)};
    job.options.validation_share = 0;
    job.options.max_tokens = 40;
    CHECK_OK(build(&job, in_top("edges"), &info), err);
    CHECK_U64(info.splits[WM_VALIDATION].n, 0);
    CHECK(info.left_out > 100 && info.left_out < 500);
    CHECK_U64(info.splits[WM_TRAIN].documents + info.left_out, 500);
    uint64_t want = 0;
    struct wm_arena arena;
    struct wm_encoder *encoder;
    struct wm_ids ids = {0};
    wm_arena_init(&arena, 16 << 20);
    CHECK_OK(wm_encoder_new(tok, &encoder, &err), err);
    for (uint64_t i = 0; i < 500; i++) {
        ids.n = 0;
        CHECK_OK(wm_encode(encoder, make_doc(i, &arena).text, 0, &ids, &err), err);
        want += ids.n + 1 > 40;
    }
    CHECK_U64(info.left_out, want);
    wm_ids_done(&ids);
    wm_encoder_free(encoder);
    wm_arena_done(&arena);
    wm_shards_info_done(&info);
    CHECK_OK(wm_shard_set_open(in_top("edges"), WM_VALIDATION, &set, &err), err);
    CHECK(set.n == 0 && set.n_tokens == 0 && set.unigram_nats == 0);
    wm_shard_set_read(&set, 0, 0, NULL);
    wm_shard_set_close(&set);

    /* Only the empty texts are left: one token each. Then not even they: no shard at all. */
    job.options.max_tokens = 1;
    CHECK_OK(build(&job, in_top("empty"), &info), err);
    CHECK(info.splits[WM_TRAIN].documents > 0);
    CHECK_U64(info.splits[WM_TRAIN].documents, info.splits[WM_TRAIN].tokens);
    CHECK(info.splits[WM_TRAIN].unigram_nats == 0);
    wm_shards_info_done(&info);
    job.options.max_tokens = 0;
    CHECK_OK(build(&job, in_top("empty"), &info), err);
    CHECK_U64(info.left_out, 500);
    CHECK_U64(info.splits[WM_TRAIN].n, 0);
    CHECK(!wm_exists(in_top("empty/train_00000.bin"))); /* of the build before */
    CHECK(wm_exists(in_top("empty.job/parts/train_00000.bin")));
    wm_shards_info_done(&info);
    CHECK_OK(wm_shards_verify(in_top("empty"), print_problem, NULL, &problems, &err), err);
    CHECK_U64(problems, 0);
    wm_tokenizer_free(tok);
}

/* Another seed chooses others; a copy stands where its original does whatever its url and place. */
static void test_split_choice(void)
{
    struct wm_tokenizer *tok = make_tokenizer(0);
    struct job job = {.n_docs = 1000,
                      .docs_per_task = 1000,
                      .docs_per_batch = 100,
                      .options = default_options(tok)};
    job.options.seed = 12345;
    job.options.validation_share = 0.5;
    struct wm_shards_info info;
    CHECK_OK(build(&job, in_top("seed"), &info), err);
    CHECK(info.splits[WM_VALIDATION].documents > 430 && info.splits[WM_VALIDATION].documents < 570);
    wm_shards_info_done(&info);
    check_split(&job, in_top("seed"), WM_TRAIN);
    check_split(&job, in_top("seed"), WM_VALIDATION);
    wm_tokenizer_free(tok);
}

static void test_entropy(void)
{
    struct wm_shard_set set;
    CHECK_OK(wm_shard_set_open(in_top("plain"), WM_TRAIN, &set, &err), err);
    uint64_t counts[258] = {0};
    uint32_t *all = malloc(set.n_tokens * sizeof *all);
    CHECK(all != NULL);
    wm_shard_set_read(&set, 0, (size_t)set.n_tokens, all);
    for (uint64_t i = 0; i < set.n_tokens; i++)
        counts[all[i]]++;
    double nats = log((double)set.n_tokens);
    for (size_t i = 0; i < 258; i++)
        if (counts[i])
            nats -= (double)counts[i] * log((double)counts[i]) / (double)set.n_tokens;
    CHECK(fabs(nats - set.unigram_nats) < 2e-9);
    CHECK(fabs(nats - wm_unigram_nats(counts, 258)) < 1e-12);
    free(all);
    wm_shard_set_close(&set);

    CHECK(fabs(wm_unigram_nats((uint64_t[]){5, 5, 0, 5, 5}, 5) - log(4)) < 1e-15);
    CHECK(wm_unigram_nats((uint64_t[]){7}, 1) == 0);
    CHECK(wm_unigram_nats(NULL, 0) == 0);
}

/* Reading anywhere, across shards, gives what reading all gives. */
static void test_set_read(void)
{
    struct wm_shard_set set;
    CHECK_OK(wm_shard_set_open(in_top("plain"), WM_TRAIN, &set, &err), err);
    size_t n = (size_t)set.n_tokens;
    uint32_t *all = malloc(n * sizeof *all), *some = malloc(n * sizeof *some);
    wm_shard_set_read(&set, 0, n, all);
    CHECK_U64(set.starts[0], 0);
    CHECK_U64(set.starts[set.n], n);
    uint64_t state = 1;
    for (int i = 0; i < 200; i++) {
        uint64_t first = next_random(&state) % n, len = next_random(&state) % (n - first + 1);
        if (i < 12) { /* the seams */
            first = set.starts[1 + i % 2] - (uint64_t)(i % 3);
            len = (uint64_t)(i / 2);
        }
        wm_shard_set_read(&set, first, (size_t)len, some);
        CHECK(memcmp(some, all + first, len * sizeof *some) == 0);
    }
    free(all);
    free(some);
    wm_shard_set_close(&set);
}

static void test_inspect(void)
{
    struct wm_shard shard;
    struct wm_shard_facts facts;
    uint64_t counts[258] = {0};
    CHECK_OK(wm_shard_open(in_top("plain/train_00001"), &shard, &err), err);
    CHECK_OK(wm_shard_inspect(&shard, 258, 257, counts, &facts, &err), err);
    CHECK_U64(facts.n_tokens, shard.n_tokens);
    CHECK_U64(facts.n_eod, shard.n_sequences);
    CHECK_U64(facts.n_ended, shard.n_sequences);
    CHECK_U64(facts.n_outside, 0);
    CHECK_U64(facts.max_id, 257);
    CHECK_U64(facts.shortest, 1);
    CHECK(facts.longest > 100);
    uint64_t sum = 0, distinct = 0;
    for (size_t i = 0; i < 258; i++) {
        sum += counts[i];
        distinct += counts[i] > 0;
    }
    CHECK_U64(sum, shard.n_tokens);
    CHECK_U64(facts.n_distinct, distinct);
    CHECK_U64(facts.n_top, distinct < WM_SHARD_TOP ? distinct : WM_SHARD_TOP);
    for (size_t i = 0; i < facts.n_top; i++) {
        CHECK_U64(facts.top[i].count, counts[facts.top[i].id]);
        CHECK(i == 0 || facts.top[i - 1].count > facts.top[i].count ||
              (facts.top[i - 1].count == facts.top[i].count &&
               facts.top[i - 1].id < facts.top[i].id));
    }
    /* A vocabulary that is too small for the shard. */
    CHECK_OK(wm_shard_inspect(&shard, 100, 257, NULL, &facts, &err), err);
    uint64_t outside = 0;
    for (size_t i = 100; i < 258; i++)
        outside += counts[i];
    CHECK_U64(facts.n_outside, outside);
    CHECK_FAILS(wm_shard_inspect(&shard, WM_SHARD_VOCABULARY_MAX + 1, 0, NULL, &facts, &err),
                WM_E_LIMIT, err, "limit");
    wm_shard_close(&shard);
}

static void test_refusals(void)
{
    struct wm_tokenizer *tok = make_tokenizer(0);
    struct wm_arena arena;
    wm_arena_init(&arena, 1 << 20);
    struct wm_parts parts = {.arena = &arena};
    struct job job = {
        .n_docs = 10, .docs_per_task = 10, .docs_per_batch = 10, .options = default_options(NULL)};
    CHECK_FAILS(run_job(&job, &parts), WM_E_CONFIG, err, "no tokenizer");
    /* A directory that cannot be made: nothing is left behind, no part is listed. */
    job.options.tokenizer = tok;
    CHECK_OK(wm_file_store(in_top("file"), WM_STR("x"), &err), err);
    job.dir = in_top("file");
    CHECK_FAILS(run_job(&job, &parts), WM_E_IO, err, "Not a directory");
    CHECK_U64(parts.n, 0);
    job.dir = NULL;
    CHECK_FAILS(run_job(&job, &parts), WM_E_CONFIG, err, "no directory");

    /* Parts that do not come in threes, or whose note or counts are wrong. */
    char job_dir[WM_PATH_MAX];
    (void)snprintf(job_dir, sizeof job_dir, "%s/refused.job", top);
    job.dir = job_dir;
    CHECK_OK(run_job(&job, &parts), err);
    CHECK(parts.n == 3 || parts.n == 6);
    struct wm_parts bad = parts;
    bad.n = 2;
    CHECK_FAILS(wm_shards_finish(job.dir, &bad, &job.options, in_top("refused"), NULL, &err),
                WM_E_FORMAT, err, "not the first part");
    struct wm_part kept = parts.items[0];
    parts.items[0].note = WM_STR("{\"split\":\"test\",\"tokens\":1,\"left_out\":0}");
    CHECK_FAILS(wm_shards_finish(job.dir, &parts, &job.options, in_top("refused"), NULL, &err),
                WM_E_FORMAT, err, "no split");
    parts.items[0].note = WM_STR("{\"split\":\"train\",\"tokens\":1,\"left_out\":0}");
    char bin[WM_PATH_MAX], copy[WM_PATH_MAX];
    CHECK_OK(wm_path_join(bin, job_dir, kept.name, &err), err);
    CHECK_OK(wm_path_join(copy, job_dir, "copy", &err), err);
    CHECK(link(bin, copy) == 0);
    CHECK_FAILS(wm_shards_finish(job.dir, &parts, &job.options, in_top("refused"), NULL, &err),
                WM_E_FORMAT, err, "record");
    CHECK(!wm_exists(in_top("refused/shards.json")));
    CHECK(!wm_exists(bin) && rename(copy, bin) == 0); /* it went, so that its task is done again */
    parts.items[0] = kept;
    CHECK_OK(wm_shards_finish(job.dir, &parts, &job.options, in_top("refused"), NULL, &err), err);
    /* Once more over itself; but not over what is not ours. */
    CHECK_OK(wm_shards_finish(job.dir, &parts, &job.options, in_top("refused"), NULL, &err), err);
    CHECK_OK(wm_shards_verify(in_top("refused"), print_problem, NULL, &problems, &err), err);
    CHECK_U64(problems, 0);
    CHECK_OK(wm_file_store(in_top("refused/shards.json"), WM_STR("{}"), &err), err);
    CHECK_FAILS(wm_shards_finish(job.dir, &parts, &job.options, in_top("refused"), NULL, &err),
                WM_E_FORMAT, err, "format");
    CHECK(err.hint[0] != '\0');
    wm_arena_done(&arena);
    wm_tokenizer_free(tok);
}

/* A task that is given up leaves no file. */
static void test_abandoned_task(void)
{
    struct wm_tokenizer *tok = make_tokenizer(0);
    const struct wm_sink *sink = &wm_sink_shards;
    struct wm_shards_options options = default_options(tok);
    struct wm_env env = {.n_workers = 1};
    void *shared = calloc(1, sink->shared_size), *local = calloc(1, sink->local_size);
    void *task = calloc(1, sink->task_size);
    struct wm_batch batch = {0};
    wm_arena_init(&batch.arena, 16 << 20);
    memcpy(shared, &options, sizeof options);
    CHECK_OK(sink->open(shared, &env, &err), err);
    CHECK_OK(sink->open_local(shared, local, &err), err);
    CHECK_OK(sink->open_task(shared, task, in_top("given-up"), 3, &err), err);
    batch.docs = wm_arena_alloc(&batch.arena, 100, sizeof *batch.docs);
    for (batch.n_docs = 0; batch.n_docs < 100; batch.n_docs++)
        batch.docs[batch.n_docs] = make_doc(batch.n_docs, &batch.arena);
    CHECK_OK(sink->prepare(shared, local, &batch, &err), err);
    CHECK_OK(sink->write(shared, task, &batch, &err), err);
    sink->close_task(task);
    sink->close_local(local);
    const char **names;
    size_t n;
    CHECK_OK(wm_list_dir(in_top("given-up/parts"), &batch.arena, &names, &n, &err), err);
    CHECK_U64(n, 0);
    wm_arena_done(&batch.arena);
    free(task);
    free(local);
    free(shared);
    wm_tokenizer_free(tok);
}

/* Parts on another file system cannot be linked: they are copied. */
static void test_copy(void)
{
    char job_dir[] = "/dev/shm/test_shard_sink.XXXXXX";
    if (!wm_exists("/dev/shm") || !mkdtemp(job_dir))
        return;
    struct wm_tokenizer *tok = make_tokenizer(0);
    struct wm_arena arena;
    wm_arena_init(&arena, 1 << 20);
    struct wm_parts parts = {.arena = &arena};
    struct job job = {.dir = job_dir,
                      .n_docs = 2000,
                      .docs_per_task = 700,
                      .docs_per_batch = 30,
                      .options = default_options(tok)};
    CHECK_OK(run_job(&job, &parts), err);
    CHECK_OK(wm_shards_finish(job_dir, &parts, &job.options, in_top("copied"), NULL, &err), err);
    CHECK_OK(wm_remove_tree(job_dir, &err), err);
    CHECK(same_files(in_top("copied/shards.json"), in_top("plain/shards.json")));
    CHECK_OK(wm_shards_verify(in_top("copied"), print_problem, NULL, &problems, &err), err);
    CHECK_U64(problems, 0);
    wm_arena_done(&arena);
    wm_tokenizer_free(tok);
}

int main(void)
{
    make_top("test_shard_sink");
    test_round_trip();
    test_template();
    test_determinism();
    test_int32();
    test_edges();
    test_split_choice();
    test_entropy();
    test_set_read();
    test_inspect();
    test_refusals();
    test_abandoned_task();
    test_copy();
    CHECK_OK(wm_remove_tree(top, &err), err);
    return test_summary();
}
