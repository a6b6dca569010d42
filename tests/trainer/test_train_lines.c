/* SPDX-License-Identifier: Apache-2.0 */
/* What a person reads while it trains. */
#include <math.h>

#include "train_fixture.h"
#include "trainer/mixture.h"
#include "trainer/schedule.h"

static struct wm_train_options options;
static char lines[32768];

static void on_line(void *arg, const char *text)
{
    (void)arg;
    size_t len = strlen(lines);
    (void)snprintf(lines + len, sizeof lines - len, "%s\n", text);
}

static void train(const char *name)
{
    char work[64];
    struct wm_train_result result;
    (void)snprintf(work, sizeof work, "work-%s", name);
    const struct wm_train_job job = {.options = &options,
                                     .shards = in_top("shards"),
                                     .out = in_top(name),
                                     .work = in_top(work),
                                     .threads = 1,
                                     .line = on_line};
    lines[0] = '\0';
    CHECK_OK(wm_train(&job, &result, &err), err);
}

/* ---- bits per byte ---- */

/* Text whose tokens are about a byte each. */
static struct wm_str make_figures(uint64_t i, char text[DOC_BYTES])
{
    size_t len = 0;
    for (uint64_t k = 0; k < 60; k++)
        len +=
            (size_t)snprintf(text + len, DOC_BYTES - len, "%u", (unsigned)((i * k + i + 7) % 97));
    return (struct wm_str){text, len};
}

/* Bytes of the targets of `n` samples from `first` on, special tokens left out. */
static uint64_t bytes_of(const struct wm_mixture *m, const struct wm_tokenizer *tok, uint64_t first,
                         uint64_t n)
{
    uint64_t bytes = 0;
    for (uint64_t i = first; i < first + n; i++) {
        const struct wm_sample_place place = wm_mixture_sample(m, options.seed, i);
        uint32_t inputs[64], targets[64];
        CHECK_OK(wm_windows_read(&m->sources[place.source].windows, place.window, m->context,
                                 inputs, targets, &err),
                 err);
        for (uint32_t k = 0; k < m->context; k++)
            if (!wm_token_is_special(tok, targets[k]))
                bytes += wm_token_bytes(tok, targets[k]).len;
    }
    return bytes;
}

/* Two sources, one of them of other words and weighing more, and a batch that grows: what is said of
 * a step is of its own text. */
static void check_bits(void)
{
    char mix[WM_PATH_MAX];
    const char *items[] = {mix};
    struct wm_mixture m;
    struct wm_tokenizer *tok;
    const char *dirs[] = {in_top("shards"), in_top("figures")};
    static const double weights[] = {1, 4};
    (void)snprintf(mix, sizeof mix, "%s=4", dirs[1]);
    options = small_options();
    options.mix = (struct wm_list){items, 1};
    options.batch_start = 2;
    options.batch_ramp = 4;
    train("mixed");
    CHECK_OK(wm_mixture_open(&m, dirs, weights, 2, 17, &err), err);
    CHECK_OK(wm_tokenizer_load(dirs[0], &tok, &err), err);
    const char *at = lines;
    for (uint64_t step = 1; step <= 12; step++) {
        char word[32];
        double loss = 0, bits = 0;
        const uint64_t n = wm_schedule_batch(&options, step);
        const uint64_t bytes = bytes_of(&m, tok, wm_schedule_samples(&options, step - 1), n);
        (void)snprintf(word, sizeof word, "step %u/12: ", (unsigned)step);
        at = strstr(at, word);
        CHECK_(at != NULL, "no line of step %u", (unsigned)step);
        if (!at)
            break;
        CHECK(sscanf(at + strlen(word), "loss %lf (%lf bits/byte)", &loss, &bits) == 2);
        const double want = loss * (double)(n * 17) / (log(2) * (double)bytes);
        CHECK_(fabs(bits - want) < 0.00051 + 0.00005 * want / loss, "step %u: %g bits, want %g",
               (unsigned)step, bits, want);
    }
    wm_mixture_close(&m);
    wm_tokenizer_free(tok);
}

/* ---- numbers and their nouns ---- */

static void check_words(void)
{
    options = small_options();
    options.steps = 1;
    options.warmup = 0;
    train("single");
    CHECK_(strstr(lines, "; 1 step of 85 tokens, 85 in all; ") != NULL, "%s", lines);
    CHECK_(strstr(lines, ", 1 thread\n") != NULL, "%s", lines);
    CHECK(!strstr(lines, "warm-up"));
    options.steps = 12;
    options.batch_ramp = 3;
    options.warmup = 99;
    train("several");
    CHECK_(strstr(lines, "; 12 steps of up to 85 tokens, ") != NULL, "%s", lines);
    CHECK_(strstr(lines, "warm-up takes 2 steps, not 99: at most a fifth of all 12\n") != NULL,
           "%s", lines);
    options.warmup = 100; /* nobody's wish, but the default */
    train("default");
    CHECK_(!strstr(lines, "warm-up"), "%s", lines);
}

int main(void)
{
    make_top("train-lines");
    make_shards(in_top("shards"), 60, 300);
    shard_text = make_figures;
    make_shards(in_top("figures"), 60, 300);
    if (test_failures)
        return test_summary();
    check_bits();
    check_words();
    remove_top();
    return test_summary();
}
