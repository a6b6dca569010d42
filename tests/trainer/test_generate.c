/* SPDX-License-Identifier: Apache-2.0 */
/* End to end: a model that has learnt to count goes on counting; the same text for any number of
 * threads; damaged and foreign models are refused by name. */
#include "train_fixture.h"
#include "trainer/export.h"
#include "trainer/generator.h"
#include "wetmill/parallel.h"
#include "wetmill/utf8.h"

struct text {
    struct wm_buf buf;
    unsigned calls, stop_at;
};

static int on_text(void *arg, struct wm_str some)
{
    struct text *text = arg;
    CHECK(some.len && wm_utf8_valid(some));
    CHECK_OK(wm_buf_add(&text->buf, some.ptr, some.len, &err), err);
    return ++text->calls == text->stop_at;
}

static struct wm_generate_result generate(struct wm_generator *g, const char *prompt,
                                          const struct wm_generate_options *o, struct text *text)
{
    struct wm_generate_result result = {.new_tokens = 0};
    wm_buf_done(&text->buf);
    wm_buf_init(&text->buf, 1 << 20);
    text->calls = 0;
    CHECK_OK(wm_generate(g, wm_str_of(prompt), o, on_text, text, &result, &err), err);
    return result;
}

static void train_model(void)
{
    struct wm_train_options options;
    struct wm_train_result result;
    wm_options_default(wm_train_option_table, &options);
    options.layers = 2;
    options.heads = 2;
    options.width = 32;
    options.context = 48;
    options.batch = 8;
    options.steps = 250;
    options.learning_rate = 0.01;
    options.warmup = 20;
    options.validate_every = 0;
    struct wm_train_job job = {.options = &options,
                               .shards = in_top("shards"),
                               .out = in_top("model"),
                               .work = in_top("work")};
    CHECK_OK(wm_train(&job, &result, &err), err);
    (void)printf("loss %.3f, validation %.3f, unigram %.3f nats, %.3f bits/byte, %.0f tokens/s\n",
                 result.train_nats, result.validation_nats, result.unigram_nats,
                 result.bits_per_byte, result.tokens_per_second);
    CHECK(result.unigram_nats > 2);
    CHECK(result.train_nats < 0.35 && result.validation_nats < 0.45);
}

static void check_counting(struct wm_generator *g)
{
    struct text text = {.calls = 0};
    struct wm_generate_options o;
    wm_options_default(wm_generate_option_table, &o);
    o.temperature = 0;
    o.max_tokens = 12;
    struct wm_generate_result r = generate(g, " three four five six", &o, &text);
    CHECK_U64(r.new_tokens, 12);
    CHECK_U64(r.stop, WM_STOP_LENGTH);
    CHECK(r.prompt_tokens >= 4);
    CHECK(wm_str_starts(wm_buf_str(&text.buf), WM_STR(" seven eight nine zero one two three")));
    o.max_tokens = 400; /* longer than the context: a document ends before */
    r = generate(g, " three four five six", &o, &text);
    CHECK_U64(r.stop, WM_STOP_END);
    CHECK(r.new_tokens > 20 && r.new_tokens < 100);
    CHECK(memchr(text.buf.ptr, '|', text.buf.len) == NULL);
    r = generate(g, "", &o, &text); /* a new document */
    CHECK_U64(r.prompt_tokens, 1);
    CHECK(r.new_tokens > 20);
    wm_buf_done(&text.buf);
}

static void check_sampling(struct wm_generator *g, struct wm_generator *other)
{
    struct text a = {.calls = 0}, b = {.calls = 0};
    struct wm_generate_options o = {
        .max_tokens = 100, .temperature = 1.5, .top_k = 40, .top_p = 0.99, .seed = 7};
    (void)generate(g, " one", &o, &a);
    (void)generate(other, " two", &o, &b); /* what came before does not matter */
    (void)generate(other, " one", &o, &b);
    CHECK_STR(wm_buf_str(&b.buf), wm_buf_str(&a.buf));
    o.seed = 8;
    (void)generate(g, " one", &o, &b);
    CHECK(!wm_str_eq(wm_buf_str(&b.buf), wm_buf_str(&a.buf)));
    b.stop_at = 3;
    struct wm_generate_result r = generate(g, " one", &o, &b);
    CHECK_U64(r.stop, WM_STOP_CALLER);
    CHECK_U64(b.calls, 3);
    wm_buf_done(&a.buf);
    wm_buf_done(&b.buf);
}

/* A prompt longer than the context, text that outgrows it, bytes that are no UTF-8. */
static void check_lengths(struct wm_generator *g)
{
    char prompt[2000] = "";
    size_t len = 0;
    for (int i = 0; i < 300; i++)
        len += (size_t)snprintf(prompt + len, sizeof prompt - len, " %s", i % 2 ? "one" : "two");
    struct text text = {.calls = 0};
    struct wm_generate_options o = {.max_tokens = 5, .temperature = 0, .top_p = 1};
    struct wm_generate_result r = generate(g, prompt, &o, &text);
    CHECK(r.prompt_tokens > 100);
    o = (struct wm_generate_options){.max_tokens = 300, .temperature = 20, .top_p = 1, .seed = 3};
    for (o.seed = 1; o.seed < 20; o.seed++) {
        r = generate(g, "\xE2\x82 \xFF", &o, &text);
        if (r.new_tokens > 120)
            break;
    }
    CHECK(r.new_tokens > 120); /* more than two contexts */
    wm_buf_done(&text.buf);
}

/* ---- many at once, and ending ---- */

struct all {
    struct wm_buf texts[9];
    struct wm_generate_result results[9];
    unsigned n;
};

static int on_done(void *arg, size_t index, struct wm_str text,
                   const struct wm_generate_result *result, struct wm_error *e)
{
    struct all *all = arg;
    all->n++;
    all->results[index] = *result;
    return wm_buf_add(&all->texts[index], text.ptr, text.len, e);
}

/* Each of many is what it would be alone, however many are at work beside it. */
static void check_all(struct wm_generator *g)
{
    static const char *const prompts[] = {
        " one", "", " seven eight", " five", " nine zero", " in 5", " two two ", " three", " six"};
    struct wm_str all_prompts[9];
    for (int i = 0; i < 9; i++)
        all_prompts[i] = wm_str_of(prompts[i]);
    struct wm_generate_options o = {.max_tokens = 90, .temperature = 1.2, .top_p = 1, .seed = 5};
    for (uint32_t at_once = 1; at_once <= 16; at_once *= 4) {
        struct all all = {.n = 0};
        for (int i = 0; i < 9; i++)
            wm_buf_init(&all.texts[i], 1 << 20);
        CHECK_OK(wm_generate_all(g, all_prompts, 9, &o, at_once, on_done, &all, NULL, &err), err);
        CHECK_U64(all.n, 9);
        for (int i = 0; i < 9; i++) {
            struct text text = {.calls = 0};
            struct wm_generate_options own = o;
            own.seed = o.seed + (uint64_t)i;
            const struct wm_generate_result r = generate(g, prompts[i], &own, &text);
            CHECK_STR(wm_buf_str(&all.texts[i]), wm_buf_str(&text.buf));
            CHECK(r.new_tokens == all.results[i].new_tokens && r.stop == all.results[i].stop);
            wm_buf_done(&text.buf);
            wm_buf_done(&all.texts[i]);
        }
    }
}

static void check_stop(struct wm_generator *g)
{
    static const char *strings[] = {"never", " nine zer", "zero one t"};
    struct text text = {.calls = 0};
    struct wm_generate_options o;
    wm_options_default(wm_generate_option_table, &o);
    o.temperature = 0;
    o.stop = (struct wm_list){strings, 3};
    struct wm_generate_result r = generate(g, " three four five six", &o, &text);
    CHECK_U64(r.stop, WM_STOP_STRING);
    CHECK_STR(wm_buf_str(&text.buf), WM_STR(" seven eight"));
    o.stop = (struct wm_list){strings + 2, 1};
    r = generate(g, " three four five six", &o, &text);
    CHECK_STR(wm_buf_str(&text.buf), WM_STR(" seven eight nine "));
    o.stop = (struct wm_list){strings, 1};
    o.max_tokens = 3; /* what looked like a beginning comes out at the end */
    strings[0] = " nine one";
    r = generate(g, " three four five six", &o, &text);
    CHECK_U64(r.stop, WM_STOP_LENGTH);
    CHECK_STR(wm_buf_str(&text.buf), WM_STR(" seven eight nine"));
    strings[0] = "";
    CHECK_FAILS(wm_generate(g, WM_STR(" one"), &o, on_text, &text, NULL, &err), WM_E_CONFIG, err,
                "stop string");
    wm_buf_done(&text.buf);
}

/* ---- loading ---- */

static void copy(const char *from, const char *to)
{
    struct wm_buf file;
    wm_buf_init(&file, 64 << 20);
    CHECK_OK(wm_file_load(from, &file, &err), err);
    CHECK_OK(wm_file_store(to, wm_buf_str(&file), &err), err);
    wm_buf_done(&file);
}

/* model/config.json with `what` replaced, in copy/. */
static int open_edited(const char *what, const char *instead)
{
    struct wm_generator *g = NULL;
    struct wm_buf file, edited;
    wm_buf_init(&file, 1 << 20);
    wm_buf_init(&edited, 1 << 20);
    CHECK_OK(wm_file_load(in_top("model/config.json"), &file, &err), err);
    CHECK_OK(wm_buf_add(&file, "", 1, &err), err);
    const char *at = strstr(file.ptr, what);
    CHECK_(at != NULL, "no %s in config.json", what);
    if (at)
        CHECK_OK(wm_buf_printf(&edited, &err, "%.*s%s%s", (int)(at - file.ptr), file.ptr, instead,
                               at + strlen(what)),
                 err);
    CHECK_OK(wm_file_store(in_top("copy/config.json"), wm_buf_str(&edited), &err), err);
    int status = wm_generator_open(in_top("copy"), 1, &g, &err);
    wm_generator_close(g);
    wm_buf_done(&file);
    wm_buf_done(&edited);
    return status;
}

static void check_refusals(void)
{
    struct wm_generator *g = NULL;
    CHECK_OK(wm_mkdirs(in_top("copy"), &err), err);
    copy(in_top("model/model.safetensors"), in_top("copy/model.safetensors"));
    copy(in_top("model/tokenizer.json"), in_top("copy/tokenizer.json"));
    CHECK_OK(open_edited("gelu_new", "gelu_pytorch_tanh"), err);
    CHECK_FAILS(open_edited("gelu_new", "relu"), WM_E_FORMAT, err,
                "activation_function is \"relu\"");
    CHECK_FAILS(open_edited("\"gpt2\"", "\"bert\""), WM_E_FORMAT, err, "model_type is \"bert\"");
    CHECK_FAILS(open_edited("\"n_layer\": 2", "\"n_layer\": 3"), WM_E_FORMAT, err,
                "tensor transformer.h.2.ln_1.weight is missing");
    CHECK_FAILS(open_edited("\"n_layer\": 2", "\"n_layer\": 1"), WM_E_FORMAT, err,
                "tensor transformer.h.1.ln_1.weight is no part");
    CHECK_FAILS(open_edited("\"n_layer\": 2", "\"n_layer\": 2.5"), WM_E_FORMAT, err, "n_layer is");
    CHECK_FAILS(open_edited("\"n_head\": 2", "\"n_head\": 3"), WM_E_FORMAT, err, "not a multiple");
    CHECK_FAILS(open_edited("\"n_positions\": 48", "\"n_positions\": 47"), WM_E_FORMAT, err,
                "transformer.wpe.weight has not the shape");
    CHECK_FAILS(open_edited("\"n_embd\": 32", "\"n_embd\": 65536"), WM_E_FORMAT, err,
                "has not the shape");
    CHECK_FAILS(open_edited("\"tie_word_embeddings\": true", "\"tie_word_embeddings\": false"),
                WM_E_FORMAT, err, "tie_word_embeddings");
    CHECK_FAILS(open_edited("}", ""), WM_E_FORMAT, err, "not a JSON object");
    CHECK(strstr(err.where, "copy/config.json") != NULL);

    copy(in_top("model/config.json"), in_top("copy/config.json"));
    make_shards(in_top("other"), 30, 280);
    copy(in_top("other/tokenizer.json"), in_top("copy/tokenizer.json"));
    CHECK_FAILS(wm_generator_open(in_top("copy"), 1, &g, &err), WM_E_MISMATCH, err,
                "was trained with tokenizer");
    CHECK_FAILS(wm_generator_open(in_top("none"), 1, &g, &err), WM_E_IO, err, "");
    wm_generator_close(NULL);
}

/* ---- GPT-2's published layout: no prefix, attn.bias buffers, a copy of the head ---- */

struct layout {
    const struct wm_safetensors *from;
};

static void fill(void *arg, size_t i, uint64_t first, size_t n, float *dst)
{
    const struct layout *layout = arg;
    if (i < layout->from->n)
        wm_safetensor_floats(&layout->from->tensors[i], first, n, dst);
    else if (i == layout->from->n)
        wm_safetensor_floats(wm_safetensors_find(layout->from, WM_STR("transformer.wte.weight")),
                             first, n, dst);
    else
        memset(dst, 0, n * sizeof *dst);
}

static void write_hub_layout(const char *path, const struct wm_safetensors *from)
{
    static char names[64][64];
    struct wm_safetensors_entry entries[64];
    size_t n = 0;
    for (; n < from->n && n < 60; n++) {
        const struct wm_safetensor *t = &from->tensors[n];
        (void)snprintf(names[n], sizeof names[n], "%.*s", (int)t->name.len - 12, t->name.ptr + 12);
        entries[n] = (struct wm_safetensors_entry){
            .name = names[n], .n_dims = t->n_dims, .shape = {t->shape[0], t->shape[1]}};
    }
    const struct wm_safetensor *wte = wm_safetensors_find(from, WM_STR("transformer.wte.weight"));
    entries[n++] = (struct wm_safetensors_entry){
        .name = "lm_head.weight", .n_dims = 2, .shape = {wte->shape[0], wte->shape[1]}};
    entries[n++] =
        (struct wm_safetensors_entry){.name = "h.0.attn.bias", .n_dims = 2, .shape = {48, 48}};
    struct layout layout = {from};
    CHECK_OK(wm_safetensors_write(path, entries, n, NULL, 0, fill, &layout, NULL, &err), err);
}

static void check_hub_layout(struct wm_generator *g)
{
    struct wm_safetensors from;
    struct wm_generator *hub = NULL;
    struct text a = {.calls = 0}, b = {.calls = 0};
    struct wm_generate_options o = {.max_tokens = 60, .temperature = 1, .top_p = 1, .seed = 7};
    CHECK_OK(wm_safetensors_open(in_top("model/model.safetensors"), &from, &err), err);
    CHECK_OK(wm_mkdirs(in_top("hub"), &err), err);
    write_hub_layout(in_top("hub/model.safetensors"), &from);
    wm_safetensors_close(&from);
    copy(in_top("model/config.json"), in_top("hub/config.json"));
    copy(in_top("model/tokenizer.json"), in_top("hub/tokenizer.json"));
    CHECK_OK(wm_generator_open(in_top("hub"), 2, &hub, &err), err);
    if (!hub)
        return;
    (void)generate(g, " one", &o, &a);
    (void)generate(hub, " one", &o, &b);
    CHECK_STR(wm_buf_str(&b.buf), wm_buf_str(&a.buf));
    wm_buf_done(&a.buf);
    wm_buf_done(&b.buf);
    wm_generator_close(hub);
}

/* A prompt stands behind what the tokenizer's template puts there. */
static void check_prompt(void)
{
    struct wm_tokenizer *tok = NULL;
    struct wm_encoder *encoder = NULL;
    struct wm_ids ids = {0};
    uint32_t bos = 0;
    tok = train_tokenizer_with(300, "<|begin_of_text|>");
    CHECK_OK(wm_encoder_new(tok, &encoder, &err), err);
    CHECK(wm_tokenizer_special(tok, WM_STR("<|begin_of_text|>"), &bos));
    CHECK_OK(wm_generator_prompt(tok, true, encoder, WM_STR(""), &ids, &err), err);
    CHECK(ids.n == 1 && ids.ids[0] == bos);
    wm_ids_done(&ids);
    CHECK_OK(wm_generator_prompt(tok, true, encoder, WM_STR(" one"), &ids, &err), err);
    CHECK(ids.n > 1 && ids.ids[0] == bos && !wm_token_is_special(tok, ids.ids[1]));
    wm_ids_done(&ids);
    wm_encoder_free(encoder);
    wm_tokenizer_free(tok);
}

int main(void)
{
    struct wm_generator *g = NULL, *other = NULL;
    make_top("generate");
    make_shards(in_top("shards"), 400, 300);
    check_prompt();
    train_model();
    CHECK_OK(wm_generator_open(in_top("model"), 1, &g, &err), err);
    CHECK_OK(wm_generator_open(in_top("model"), 3, &other, &err), err);
    if (g && other) {
        check_counting(g);
        check_sampling(g, other);
        check_all(g);
        check_stop(g);
        check_lengths(g);
        check_hub_layout(g);
        check_refusals();
    }
    wm_generator_close(g);
    wm_generator_close(other);
    remove_top();
    return test_summary();
}
