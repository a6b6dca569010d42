/* SPDX-License-Identifier: Apache-2.0 */
/* What an evaluator sums is what single passes give, summed in double; it is the same for any number
 * of threads and any batch; shards give what training validated on; a model that counts chooses the
 * next number. */
#include "wetmill/evaluate.h"

#include <math.h>

#include "train_fixture.h"
#include "trainer/generator.h"
#include "wetmill/parallel.h"

enum { CONTEXT = 24 };

static struct wm_train_result trained;

static void train_model(const char *out, uint64_t steps, uint64_t validation_tokens)
{
    struct wm_train_options options;
    wm_options_default(wm_train_option_table, &options);
    options.layers = 2;
    options.heads = 2;
    options.width = 32;
    options.context = CONTEXT;
    options.batch = 8;
    options.steps = steps;
    options.learning_rate = 0.01;
    options.warmup = 20;
    options.validate_every = 0;
    options.validation_tokens = validation_tokens;
    struct wm_train_job job = {
        .options = &options, .shards = in_top("shards"), .out = out, .work = in_top("work")};
    CHECK_OK(wm_train(&job, &trained, &err), err);
    CHECK_OK(wm_remove_tree(in_top("work"), &err), err);
}

/* ---- the same by single passes ---- */

/* −log p of ids[n] behind the `n` before it. */
static double cost(struct wm_generator *g, const uint32_t *ids, uint32_t n)
{
    const uint32_t v = g->model->config.vocabulary;
    const struct wm_lm_batch batch = {.b = 1, .t = n, .inputs = ids};
    float *logits = malloc((size_t)n * v * sizeof *logits);
    CHECK_OK(wm_model_logits(g->model, &batch, logits, &err), err);
    const float *last = logits + (size_t)(n - 1) * v;
    double max = (double)last[0], sum = 0;
    for (uint32_t i = 1; i < v; i++)
        max = (double)last[i] > max ? (double)last[i] : max;
    for (uint32_t i = 0; i < v; i++)
        sum += exp((double)last[i] - max);
    const double nats = max + log(sum) - (double)last[ids[n]];
    free(logits);
    return nats;
}

/* All targets 1 … n of ids[n + 1], each behind what the header says. */
static double cost_of_all(struct wm_generator *g, const uint32_t *ids, uint32_t n, uint32_t stride)
{
    double sum = 0;
    for (uint32_t k = 1; k <= n; k++) {
        uint32_t begin = 0;
        if (stride == CONTEXT) {
            begin = (k - 1) / CONTEXT * CONTEXT;
        } else if (k > CONTEXT) {
            uint32_t end = CONTEXT + (k - CONTEXT + stride - 1) / stride * stride;
            end = end < n ? end : n;
            begin = end - CONTEXT;
        }
        sum += cost(g, ids + begin, k - begin);
    }
    return sum;
}

/* ---- documents ---- */

static struct wm_evaluate_options usual(void)
{
    struct wm_evaluate_options o;
    wm_options_default(wm_evaluate_option_table, &o);
    return o;
}

enum { TEXTS = 9 };
static struct wm_str text_of(unsigned i, char text[DOC_BYTES])
{
    struct wm_str s = make_text(300 + i, text);
    if (i == 3)
        return WM_STR("");
    if (i % 2) /* shorter than the context */
        s.len = 5 * i;
    return s;
}

static struct wm_evaluation evaluate(const struct wm_evaluate_options *o, unsigned threads)
{
    struct wm_evaluator *e = NULL;
    struct wm_evaluation sum = {.tokens = 0};
    char text[DOC_BYTES];
    CHECK_OK(wm_evaluator_open(in_top("model"), o, threads, NULL, NULL, &e, &err), err);
    for (unsigned i = 0; i < TEXTS; i++)
        CHECK_OK(wm_evaluator_add(e, text_of(i, text), &err), err);
    CHECK_OK(wm_evaluator_finish(e, &sum, &err), err);
    wm_evaluator_close(e);
    return sum;
}

static void check_documents(struct wm_generator *g, uint32_t stride, bool score_end)
{
    struct wm_evaluate_options o = usual();
    char text[DOC_BYTES];
    uint64_t bytes = 0, tokens = 0;
    double nats = 0;
    for (unsigned i = 0; i < TEXTS; i++) {
        struct wm_ids ids = {.n = 0};
        const struct wm_str s = text_of(i, text);
        CHECK_OK(wm_encode(g->encoder, WM_STR("<|endoftext|>"), WM_ENCODE_SPECIALS, &ids, &err),
                 err);
        CHECK_OK(wm_encode(g->encoder, s, 0, &ids, &err), err);
        if (score_end)
            CHECK_OK(wm_encode(g->encoder, WM_STR("<|endoftext|>"), WM_ENCODE_SPECIALS, &ids, &err),
                     err);
        const uint32_t n = (uint32_t)ids.n - 1;
        nats += cost_of_all(g, ids.ids, n, stride ? stride : CONTEXT / 2);
        bytes += s.len;
        tokens += n;
        CHECK(i % 2 || n > CONTEXT + 5);
        wm_ids_done(&ids);
    }
    o.stride = stride;
    o.score_end = score_end;
    o.batch = 5;
    const struct wm_evaluation e = evaluate(&o, 3);
    CHECK_U64(e.documents, TEXTS);
    CHECK_U64(e.bytes, bytes);
    CHECK_U64(e.tokens, tokens);
    CHECK_U64(e.context, CONTEXT);
    CHECK_U64(e.stride, stride ? stride : CONTEXT / 2);
    CHECK(fabs(e.nats - nats) < 1e-5 * nats);
    CHECK(fabs(log(wm_evaluation_perplexity(&e)) - nats / (double)tokens) < 1e-5);
    CHECK(fabs(wm_evaluation_bits_per_byte(&e) - nats / log(2) / (double)bytes) < 1e-5);
    for (o.batch = 1; o.batch < 70; o.batch = o.batch * 3 + 1)
        for (unsigned threads = 1; threads < 3; threads++) {
            const struct wm_evaluation other = evaluate(&o, threads);
            CHECK(memcmp(&other.nats, &e.nats, sizeof e.nats) == 0);
            CHECK_U64(other.windows, e.windows);
        }
}

/* ---- shards ---- */

static struct wm_evaluation evaluate_shards(uint64_t stride, uint64_t tokens, const char *model,
                                            enum wm_shard_split split)
{
    struct wm_evaluate_options o = usual();
    struct wm_evaluator *e = NULL;
    struct wm_evaluation sum = {.tokens = 0};
    o.stride = stride;
    o.tokens = tokens;
    CHECK_OK(wm_evaluator_open(model, &o, 2, NULL, NULL, &e, &err), err);
    CHECK_OK(wm_evaluator_shards(e, in_top("shards"), split, &err), err);
    CHECK_OK(wm_evaluator_finish(e, &sum, &err), err);
    wm_evaluator_close(e);
    return sum;
}

static void check_shards(struct wm_generator *g)
{
    struct wm_shard_set set = {0};
    struct wm_evaluation e = evaluate_shards(CONTEXT, 0, in_top("model"), WM_VALIDATION);
    CHECK_OK(wm_shard_set_open(in_top("shards"), WM_VALIDATION, &set, &err), err);
    uint32_t *ids = calloc(set.n_tokens, sizeof *ids);
    wm_shard_set_read(&set, 0, set.n_tokens, ids);
    CHECK_U64(e.tokens, set.n_tokens - 1);
    CHECK_U64(e.documents, set.n_documents);
    CHECK(e.bytes < set.n_bytes && e.bytes > set.n_bytes - 16); /* the first token is not scored */
    CHECK(fabs(e.nats / (double)e.tokens - trained.validation_nats) < 1e-12);
    CHECK(fabs(wm_evaluation_bits_per_byte(&e) - trained.bits_per_byte) < 1e-12);
    const struct wm_evaluation close = evaluate_shards(7, 0, in_top("model"), WM_VALIDATION);
    const double nats = cost_of_all(g, ids, (uint32_t)set.n_tokens - 1, 7);
    CHECK_U64(close.tokens, e.tokens);
    CHECK(fabs(close.nats - nats) < 1e-5 * nats);
    CHECK(close.nats < e.nats); /* more context */
    const struct wm_evaluation some = evaluate_shards(7, 100, in_top("model"), WM_VALIDATION);
    CHECK_U64(some.tokens, CONTEXT + (100 - CONTEXT) / 7 * 7);
    CHECK(evaluate_shards(0, 0, in_top("model"), WM_TRAIN).tokens > 3 * e.tokens);
    free(ids);
    wm_shard_set_close(&set);
    train_model(in_top("other"), 5, 170);
    e = evaluate_shards(CONTEXT, 170, in_top("other"), WM_VALIDATION);
    CHECK_U64(e.tokens, 170 / CONTEXT * CONTEXT);
    CHECK(fabs(e.nats / (double)e.tokens - trained.validation_nats) < 1e-12);
    CHECK(fabs(wm_evaluation_bits_per_byte(&e) - trained.bits_per_byte) < 1e-12);
}

/* ---- choices ---- */

/* What the scheme makes of it: context without blanks at its end | behind it. */
struct expected {
    const char *context, *behind;
};

static double choice_cost(struct wm_generator *g, struct expected x, uint32_t *ret_tokens)
{
    struct wm_ids context = {.n = 0}, whole = {.n = 0};
    struct wm_buf text;
    wm_buf_init(&text, 1 << 20);
    const bool empty = !*x.context;
    CHECK_OK(wm_buf_printf(&text, &err, "%s%s", x.context, x.behind), err);
    CHECK_OK(wm_encode(g->encoder, empty ? WM_STR("<|endoftext|>") : wm_str_of(x.context),
                       empty ? WM_ENCODE_SPECIALS : 0, &context, &err),
             err);
    if (empty)
        CHECK_OK(wm_encode(g->encoder, WM_STR("<|endoftext|>"), WM_ENCODE_SPECIALS, &whole, &err),
                 err);
    CHECK_OK(wm_encode(g->encoder, wm_buf_str(&text), 0, &whole, &err), err);
    const size_t cut = whole.n - 1 > CONTEXT ? whole.n - 1 - CONTEXT : 0;
    double nats = 0;
    for (size_t k = context.n; k < whole.n; k++)
        nats += cost(g, whole.ids + cut, (uint32_t)(k - cut));
    *ret_tokens = (uint32_t)(whole.n - context.n);
    wm_buf_done(&text);
    wm_ids_done(&context);
    wm_ids_done(&whole);
    return nats;
}

#define LONG                                                                                \
    " one two three four five six seven eight nine zero one two three four five six seven " \
    "eight nine zero one two three four five six seven eight nine zero one two three four " \
    "five six seven eight nine zero one two three four five six seven eight nine zero"
static const char rows[] =
    "{\"context\":\" three four five six\",\"endings\":[\" two\",\" seven\",\" "
    "nine\"],\"label\":1}\n"
    "\n"
    "{\"ctx\":\" one two three\",\"choices\":[\"four\",\"nine "
    "ten\"],\"label\":\"0\",\"id\":[1]}\r\n"
    "{\"label\":1,\"endings\":[\"one\",\"six\"],\"context\":\" four five \\t\"}\n"
    "{\"context\":\"\",\"endings\":[\" seven eight\",\" seven seven\"],\"label\":0}\n"
    "{\"ctx\":\"no\",\"context\":\"" LONG "\",\"endings\":[\" one two three\",\" one one\"],"
    "\"label\":0}";
static const struct expected expected[][3] = {
    {{" three four five six", " two"},
     {" three four five six", " seven"},
     {" three four five six", " nine"}},
    {{" one two three", " four"}, {" one two three", " nine ten"}},
    {{" four five", " \tone"}, {" four five", " \tsix"}},
    {{"", " seven eight"}, {"", " seven seven"}},
    {{LONG, " one two three"}, {LONG, " one one"}},
};

struct check_rows {
    struct wm_generator *g;
    size_t n;
    double log_p[8];
};

static int on_row(void *arg, const struct wm_choice_result *row, struct wm_error *error)
{
    static const uint64_t lines[] = {1, 3, 4, 5, 6};
    static const size_t bytes[][3] = {{4, 6, 5}, {4, 8}, {3, 3}, {12, 12}, {14, 8}};
    struct check_rows *c = arg;
    double nats[3];
    size_t best = 0, best_normalised = 0;
    (void)error;
    CHECK_U64(row->line, lines[c->n]);
    CHECK_U64(row->n, c->n ? 2 : 3);
    for (size_t i = 0; i < row->n; i++) {
        uint32_t tokens = 0;
        nats[i] = choice_cost(c->g, expected[c->n][i], &tokens);
        CHECK(fabs(row->log_p[i] + nats[i]) < 1e-4);
        CHECK_U64(row->tokens[i], tokens);
        CHECK_U64(row->bytes[i], bytes[c->n][i]);
        best = nats[i] < nats[best] ? i : best;
        if (nats[i] / (double)bytes[c->n][i] <
            nats[best_normalised] / (double)bytes[c->n][best_normalised])
            best_normalised = i;
    }
    CHECK_U64(row->chosen, best);
    CHECK_U64(row->chosen_normalised, best_normalised);
    if (c->n != 2) /* a tab it never saw */
        CHECK_U64(row->chosen, row->label);
    c->n++;
    return 0;
}

static int stop_at_once(void *arg, const struct wm_choice_result *row, struct wm_error *error)
{
    (void)arg;
    (void)row;
    return wm_fail(error, WM_E_CANCELLED, "enough");
}

static void store(const char *name, const char *text)
{
    CHECK_OK(wm_file_store(in_top(name), wm_str_of(text), &err), err);
}

static void check_choices(struct wm_generator *g)
{
    struct wm_evaluate_options o = usual();
    struct wm_evaluator *e = NULL;
    struct wm_choice_summary sum = {.rows = 0};
    struct check_rows c = {.g = g};
    store("rows.jsonl", rows);
    CHECK_OK(wm_evaluator_open(in_top("model"), &o, 2, NULL, NULL, &e, &err), err);
    CHECK_OK(wm_evaluator_choices(e, in_top("rows.jsonl"), on_row, &c, &sum, &err), err);
    CHECK_U64(c.n, 5);
    CHECK_U64(sum.rows, 5);
    CHECK(sum.right >= 4);
    CHECK_FAILS(wm_evaluator_choices(e, in_top("rows.jsonl"), stop_at_once, &c, &sum, &err),
                WM_E_CANCELLED, err, "enough");
    wm_evaluator_close(e);
}

/* Every counted beginning: the right ending is the next number. */
static void check_counting(void)
{
    static const char *const words[] = {"zero", "one", "two",   "three", "four",
                                        "five", "six", "seven", "eight", "nine"};
    struct wm_evaluate_options o = usual();
    struct wm_evaluator *e = NULL;
    struct wm_choice_summary sum = {.rows = 0};
    struct wm_buf file;
    wm_buf_init(&file, 1 << 20);
    for (unsigned i = 0; i < 100; i++) {
        CHECK_OK(wm_buf_printf(&file, &err, "{\"context\":\""), err);
        for (unsigned k = 0; k < 3 + i % 7; k++)
            CHECK_OK(wm_buf_printf(&file, &err, " %s", words[(i + k) % 10]), err);
        const unsigned next = (i + 3 + i % 7) % 10, label = i % 3;
        CHECK_OK(wm_buf_printf(&file, &err, "\",\"endings\":[\"%s\",\"%s\",\"%s\"],\"label\":%u}\n",
                               words[(next + 10 - label) % 10], words[(next + 11 - label) % 10],
                               words[(next + 12 - label) % 10], label),
                 err);
    }
    CHECK_OK(wm_file_store(in_top("count.jsonl"), wm_buf_str(&file), &err), err);
    wm_buf_done(&file);
    CHECK_OK(wm_evaluator_open(in_top("model"), &o, 2, NULL, NULL, &e, &err), err);
    CHECK_OK(wm_evaluator_choices(e, in_top("count.jsonl"), NULL, NULL, &sum, &err), err);
    CHECK_U64(sum.rows, 100);
    CHECK(sum.right >= 98);
    CHECK(sum.right_normalised >= 95);
    wm_evaluator_close(e);
}

/* ---- what is refused ---- */

static void check_bad_rows(void)
{
    static const struct {
        const char *row, *what;
        int status;
    } bad[] = {
        {"[1]", "", WM_E_FORMAT},
        {"{\"context\":\"a\",\"endings\":[\"b\"],\"label\":0} x", "", WM_E_FORMAT},
        {"{\"endings\":[\"b\"],\"label\":0}", "no \"context\"", WM_E_FORMAT},
        {"{\"context\":\"a\",\"label\":0}", "no \"endings\"", WM_E_FORMAT},
        {"{\"context\":\"a\",\"endings\":[\"b\"]}", "no \"label\"", WM_E_FORMAT},
        {"{\"context\":\"a\",\"endings\":[],\"label\":0}", "no endings", WM_E_FORMAT},
        {"{\"context\":\"a\",\"endings\":[\"b\",\"\"],\"label\":0}", "ending 1 is empty",
         WM_E_FORMAT},
        {"{\"context\":\"a\",\"endings\":[\"b\"],\"label\":1}", "label 1 of 1", WM_E_FORMAT},
        {"{\"context\":\"a\",\"endings\":[\"b\"],\"label\":\"\"}", "no number", WM_E_FORMAT},
        {"{\"context\":\"a\",\"endings\":[\"b\"],\"label\":\"0x\"}", "no number", WM_E_FORMAT},
        {"{\"context\":\"a\",\"endings\":[\"b\"],\"label\":-1}", "", WM_E_FORMAT},
        {"{\"context\":\"a\",\"endings\":{\"text\":[]},\"label\":0}", "", WM_E_FORMAT},
        {"{\"context\":\"a\",\"endings\":[\"" LONG LONG "\"],\"label\":0}", "context is 24",
         WM_E_LIMIT},
    };
    struct wm_evaluate_options o = usual();
    struct wm_evaluator *e = NULL;
    struct wm_choice_summary sum;
    CHECK_OK(wm_evaluator_open(in_top("model"), &o, 1, NULL, NULL, &e, &err), err);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[2048];
        (void)snprintf(text, sizeof text,
                       "{\"context\":\"a\",\"endings\":[\"b\"],\"label\":0}\n%s\n", bad[i].row);
        store("bad.jsonl", text);
        CHECK_FAILS(wm_evaluator_choices(e, in_top("bad.jsonl"), NULL, NULL, &sum, &err),
                    bad[i].status, err, bad[i].what);
        CHECK(strstr(err.where, "bad.jsonl:2") != NULL);
    }
    store("bad.jsonl", "\n\n");
    CHECK_FAILS(wm_evaluator_choices(e, in_top("bad.jsonl"), NULL, NULL, &sum, &err), WM_E_FORMAT,
                err, "no rows");
    struct wm_evaluation nothing;
    CHECK_OK(wm_evaluator_finish(e, &nothing, &err), err); /* the rows left nothing behind */
    CHECK_U64(nothing.tokens, 0);
    CHECK(nothing.nats == 0 && isnan(wm_evaluation_perplexity(&nothing)));
    wm_evaluator_close(e);
}

static void check_limits(void)
{
    struct wm_arena arena;
    struct wm_choice choice;
    struct wm_buf row;
    wm_arena_init(&arena, 1 << 20);
    wm_buf_init(&row, 64 << 20);
    CHECK_OK(wm_buf_printf(&row, &err, "{\"context\":\"a\",\"label\":255,\"endings\":[\"b\""), err);
    for (int i = 1; i < WM_CHOICE_ENDINGS_MAX; i++)
        CHECK_OK(wm_buf_printf(&row, &err, ",\"b\""), err);
    const size_t len = row.len;
    CHECK_OK(wm_buf_printf(&row, &err, "]}"), err);
    CHECK_OK(wm_choice_read(wm_buf_str(&row), &arena, &choice, &err), err);
    CHECK_U64(choice.n, WM_CHOICE_ENDINGS_MAX);
    CHECK_U64(choice.label, 255);
    row.len = len;
    CHECK_OK(wm_buf_printf(&row, &err, ",\"b\"]}"), err);
    CHECK_FAILS(wm_choice_read(wm_buf_str(&row), &arena, &choice, &err), WM_E_LIMIT, err, "256");
    row.len = len;
    while (row.len <= WM_CHOICE_ROW_MAX)
        CHECK_OK(wm_buf_printf(&row, &err, "%1000s", ""), err);
    CHECK_FAILS(wm_choice_read(wm_buf_str(&row), &arena, &choice, &err), WM_E_LIMIT, err, "row");
    wm_buf_done(&row);
    wm_arena_done(&arena);
}

static void check_refused(void)
{
    struct wm_evaluate_options o = usual();
    struct wm_evaluator *e = NULL;
    o.stride = CONTEXT + 1;
    CHECK_FAILS(wm_evaluator_open(in_top("model"), &o, 1, NULL, NULL, &e, &err), WM_E_CONFIG, err,
                "stride");
    o = usual();
    o.begin = "<s>";
    CHECK_FAILS(wm_evaluator_open(in_top("model"), &o, 1, NULL, NULL, &e, &err), WM_E_CONFIG, err,
                "<s>");
    o.begin = "<|endoftext|>";
    CHECK_OK(wm_evaluator_open(in_top("model"), &o, 1, NULL, NULL, &e, &err), err);
    make_shards(in_top("strange"), 40, 280);
    CHECK_FAILS(wm_evaluator_shards(e, in_top("strange"), WM_TRAIN, &err), WM_E_MISMATCH, err,
                "tokenizer");
    CHECK_FAILS(wm_evaluator_shards(e, in_top("absent"), WM_TRAIN, &err), WM_E_IO, err, "");
    wm_evaluator_close(e);
    wm_evaluator_close(NULL);
}

int main(void)
{
    struct wm_generator *g = NULL;
    make_top("evaluate");
    make_shards(in_top("shards"), 200, 300);
    train_model(in_top("model"), 250, 0);
    CHECK_OK(wm_generator_open(in_top("model"), 2, &g, &err), err);
    check_documents(g, 0, false);
    check_documents(g, 5, true);
    check_documents(g, CONTEXT, false);
    check_shards(g);
    check_choices(g);
    check_counting();
    check_bad_rows();
    check_limits();
    check_refused();
    wm_generator_close(g);
    remove_top();
    return test_summary();
}
