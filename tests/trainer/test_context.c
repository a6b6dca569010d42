/* SPDX-License-Identifier: Apache-2.0 */
/* A model that can see 131,072 tokens takes no more memory than is used of it; limited to fewer, it
 * says what a model says that sees no more; a prompt is not cut off unasked. */
#include <math.h>

#include "train_fixture.h"
#include "trainer/evaluate.h"
#include "trainer/export.h"

enum { LONG = 131072, SHORT = 16, VOCABULARY = 300, MOST_BYTES = 64 << 20 };

static void make_model(const char *dir, uint32_t n_ctx)
{
    struct wm_model_config config =
        wm_model_config_usual(WM_ARCH_LLAMA, 2, 2, 16, n_ctx, VOCABULARY);
    const struct wm_hf_config hf = {.model = config};
    struct wm_tokenizer *tok = train_tokenizer(VOCABULARY);
    const struct wm_export_text text = {tok, true};
    struct wm_params params;
    CHECK_OK(wm_params_new(&config, &params, &err), err);
    float *weights = calloc(params.n_floats, sizeof *weights);
    for (uint64_t i = 0; weights && i < params.n_floats; i++)
        weights[i] = sinf((float)i * 0.7F) / 2;
    CHECK_OK(wm_export_params(&hf, &params, weights, &text, dir, &err), err);
    free(weights);
    wm_params_free(&params);
    wm_tokenizer_free(tok);
}

static uint64_t bytes_of(const struct wm_model *model)
{
    const struct wm_model_options how = {.max_batch = model->max_batch,
                                         .max_rows = model->max_rows};
    return wm_model_memory(&model->config, &how, 2);
}

static int on_text(void *arg, struct wm_str text)
{
    return wm_buf_add(arg, text.ptr, text.len, &err);
}

/* `context` tokens of the model in `dir` are seen. */
static void write_text(const char *dir, uint64_t context, struct wm_buf *out)
{
    struct wm_generator *g = NULL;
    struct wm_generate_options o;
    wm_options_default(wm_generate_option_table, &o);
    o.max_tokens = 70;
    o.temperature = 2;
    o.context = context;
    CHECK_OK(wm_generator_open(dir, 2, &g, &err), err);
    CHECK(g && bytes_of(g->model) < MOST_BYTES);
    for (o.seed = 1; g && o.seed < 6; o.seed++)
        CHECK_OK(wm_generate(g, WM_STR(" one two"), &o, on_text, out, NULL, &err), err);
    wm_generator_close(g);
}

static void check_limited(void)
{
    struct wm_buf a, b;
    wm_buf_init(&a, 1 << 20);
    wm_buf_init(&b, 1 << 20);
    write_text(in_top("long"), SHORT, &a);
    write_text(in_top("short"), 0, &b);
    CHECK(a.len > 100);
    CHECK_STR(wm_buf_str(&a), wm_buf_str(&b));
    wm_buf_done(&a);
    wm_buf_done(&b);
}

static int on_done(void *arg, size_t index, struct wm_str text,
                   const struct wm_generate_result *result, struct wm_error *e)
{
    (void)index, (void)text, (void)e;
    *(uint64_t *)arg = result->prompt_tokens;
    return 0;
}

static void check_prompt(void)
{
    enum { WORDS = 2200 };
    struct wm_generator *g = NULL;
    struct wm_generate_options o;
    struct wm_buf prompt, out;
    uint64_t n = 0;
    wm_options_default(wm_generate_option_table, &o);
    wm_buf_init(&prompt, 1 << 20);
    wm_buf_init(&out, 1 << 20);
    for (int i = 0; i < WORDS; i++)
        CHECK_OK(wm_buf_printf(&prompt, &err, " %c%c", 'a' + i % 26, 'a' + i / 26 % 26), err);
    const struct wm_str text = wm_buf_str(&prompt), both[] = {WM_STR(" one"), text};
    o.max_tokens = 3;
    CHECK_OK(wm_generator_open(in_top("long"), 2, &g, &err), err);
    CHECK_FAILS(wm_generate(g, text, &o, on_text, &out, NULL, &err), WM_E_LIMIT, err,
                "tokens, the context is limited to 4096");
    CHECK(strstr(err.hint, "131072") != NULL);
    CHECK_FAILS(wm_generate_all(g, both, 2, &o, 2, on_done, &n, NULL, &err), WM_E_LIMIT, err,
                "the context is limited to 4096");
    CHECK_U64(n, 0); /* before the first was written */
    o.context = 3 * WORDS + 1;
    CHECK_OK(wm_generate_all(g, both + 1, 1, &o, 1, on_done, &n, NULL, &err), err);
    CHECK(n > 4096);
    wm_generator_close(g);
    g = NULL;
    o.context = 4096; /* as far as this one sees: its last half context is what it goes on from */
    CHECK_OK(wm_generator_open(in_top("short"), 1, &g, &err), err);
    CHECK_OK(wm_generate(g, text, &o, on_text, &out, NULL, &err), err);
    wm_generator_close(g);
    wm_buf_done(&prompt);
    wm_buf_done(&out);
}

static struct wm_evaluation judge(const char *dir, uint64_t context, uint64_t *ret_batch)
{
    struct wm_evaluate_options o;
    struct wm_evaluator *e = NULL;
    struct wm_evaluation sum = {.tokens = 0};
    char text[DOC_BYTES];
    wm_options_default(wm_evaluate_option_table, &o);
    o.context = context;
    CHECK_OK(wm_evaluator_open(dir, &o, 2, NULL, NULL, &e, &err), err);
    if (!e)
        return sum;
    CHECK(bytes_of(e->generator->model) < MOST_BYTES);
    *ret_batch = e->options.batch;
    for (uint64_t i = 0; i < 5; i++)
        CHECK_OK(wm_evaluator_add(e, make_text(i, text), &err), err);
    CHECK_OK(wm_evaluator_finish(e, &sum, &err), err);
    wm_evaluator_close(e);
    return sum;
}

static void check_judged(void)
{
    uint64_t batch = 0;
    const struct wm_evaluation b = judge(in_top("short"), 4096, &batch);
    CHECK_U64(batch, 8);
    const struct wm_evaluation a = judge(in_top("long"), SHORT, &batch);
    CHECK_U64(batch, 8);
    CHECK(a.windows > 5 && a.windows == b.windows && a.tokens == b.tokens);
    CHECK(a.nats == b.nats && a.context == SHORT && b.context == SHORT);
    const struct wm_evaluation c = judge(in_top("long"), 4096, &batch);
    CHECK_U64(batch, 2);
    CHECK(c.context == 4096 && c.windows == 5 && c.nats != a.nats);
}

/* Batches of any shape that has no more rows than were wanted. */
static void check_rows(void)
{
    struct wm_model_config config = wm_model_config_usual(WM_ARCH_GPT2, 1, 2, 16, 64, VOCABULARY);
    const struct wm_model_options how = {.max_batch = 4, .max_rows = 100};
    struct wm_team *team = NULL;
    struct wm_model *model = NULL;
    static uint32_t ids[4 * 64];
    double nats;
    CHECK_OK(wm_team_new(1, &team, &err), err);
    CHECK_OK(wm_model_open(&config, &how, team, &model, &err), err);
    struct wm_lm_batch batch = {.b = 4, .t = 25, .inputs = ids, .targets = ids};
    CHECK_OK(wm_model_loss(model, &batch, &nats, &err), err);
    batch.t = 26;
    CHECK_FAILS(wm_model_loss(model, &batch, &nats, &err), WM_E_LIMIT, err, "100 in all");
    batch.b = 1;
    batch.t = 64;
    CHECK_OK(wm_model_loss(model, &batch, &nats, &err), err);
    wm_model_free(model);
    wm_team_free(team);
}

int main(void)
{
    make_top("context");
    make_model(in_top("long"), LONG);
    make_model(in_top("short"), SHORT);
    check_limited();
    check_prompt();
    check_judged();
    check_rows();
    remove_top();
    return test_summary();
}
