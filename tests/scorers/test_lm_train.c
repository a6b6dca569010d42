/* SPDX-License-Identifier: Apache-2.0 */
/* Training on small texts: by hand, bytes that do not depend on memory and threads, and what is an
 * error. */
#include "lm_train_compare.h"

static struct wm_arena arena; /* of option values */

static struct wm_lm_train_options usual(uint64_t order)
{
    struct wm_lm_train_options options;
    wm_options_default(wm_lm_train_option_table, &options);
    options.order = order;
    options.memory = 64 << 20;
    options.jobs = 1;
    return options;
}

static void set(struct wm_lm_train_options *options, const char *name, const char *value)
{
    CHECK_OK(wm_option_set(wm_option_find(wm_lm_train_option_table, wm_str_of(name)), options,
                           wm_str_of(value), &arena, &err),
             err);
}

/* "a", three times: counts a 3, </s> 3, so p = (3 − 1.5) / 6 + (2 · 1.5 / 6) / 3 = 5/12; <unk> 1/6. */
static void check_unigrams(void)
{
    struct wm_lm_train_options options = usual(1);
    options.discount_fallback = true;
    CHECK_OK(train_text(&options, WM_STR("a\na\r\na"), 2, in_top("u.arpa"), NULL), err);
    static const char want[] = "\\data\\\nngram 1=4\n\n\\1-grams:\n-0.7781513\t<unk>\n0\t<s>\n"
                               "-0.3802112\t</s>\n-0.3802112\ta\n\n\\end\\\n";
    CHECK_OK(wm_file_store(in_top("want.arpa"), wm_str_of(want), &err), err);
    compare_arpa(in_top("u.arpa"), in_top("want.arpa"), 1e-6);
}

/* Bigrams of "a b", "a": <s> a 2, a b 1, b </s> 1, a </s> 1; adjusted: a 1, b 1, </s> 2. With
 * discounts 0.5, 1, 1.5: unigrams have sum 4, back-off 2/4; p(</s>) = 1/4 + 1/2/4 = 3/8, p(a) = p(b) =
 * 1/8 + 1/8. p(a | <s>) = (2 − 1)/2 + 1/2 · 1/4 = 5/8; p(b | a) = 1/4 + 1/2 · 1/4 = 3/8;
 * p(</s> | a) = 1/4 + 1/2 · 3/8 = 7/16; p(</s> | b) = 1/2 + 1/2 · 3/8 = 11/16. */
static void check_bigrams(void)
{
    struct wm_lm_train_options options = usual(2);
    struct wm_lm_train_summary summary;
    options.discount_fallback = true;
    CHECK_OK(train_text(&options, WM_STR("a b\na\n"), 1, in_top("b.arpa"), &summary), err);
    static const char want[] = "\\data\\\nngram 1=5\nngram 2=4\n\n\\1-grams:\n"
                               "-0.90309\t<unk>\t0\n0\t<s>\t-0.30103\n-0.42596874\t</s>\t0\n"
                               "-0.60206\ta\t-0.30103\n-0.60206\tb\t-0.30103\n\n\\2-grams:\n"
                               "-0.35902196\ta </s>\n-0.16272727\tb </s>\n-0.20411998\t<s> a\n"
                               "-0.42596874\ta b\n\n\\end\\\n";
    CHECK_OK(wm_file_store(in_top("want.arpa"), wm_str_of(want), &err), err);
    compare_arpa(in_top("b.arpa"), in_top("want.arpa"), 1e-6);
    CHECK_U64(summary.sentences, 2);
    CHECK_U64(summary.tokens, 3);
    CHECK_U64(summary.n_grams[1], 4);
    CHECK(summary.fell_back[0] && summary.fell_back[1]);
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* Sentences over words that are the rarer the longer, some empty, one very long, some frequent. */
static void make_text(struct wm_buf *text, size_t n_sentences, unsigned n_words)
{
    uint64_t state = 1;
    wm_buf_init(text, 1 << 30);
    for (size_t i = 0; i < n_sentences; i++) {
        size_t n = i == n_sentences / 2 ? 20000 : next_random(&state) % 20;
        for (size_t k = 0; k < n; k++) {
            uint64_t r = next_random(&state) % n_words;
            r = r * (next_random(&state) % n_words) / n_words;
            r = r * (next_random(&state) % n_words) / n_words;
            CHECK_OK(wm_buf_printf(text, &err, "w%llu ", (unsigned long long)r), err);
        }
        CHECK_OK(wm_buf_add(text, "\n", 1, &err), err);
    }
}

static void check_same_bytes(void)
{
    struct wm_buf text;
    make_text(&text, 12000, 3000);
    for (unsigned order = 1; order <= WM_LM_ORDER_MAX; order++) {
        struct wm_lm_train_options options = usual(order);
        struct wm_lm_train_summary summary;
        options.discount_fallback = true;
        set(&options, "prune", order > 2 ? "0,0,1" : "0");
        CHECK_OK(train_text(&options, wm_buf_str(&text), text.len, in_top("one.arpa"), &summary),
                 err);
        CHECK_U64(summary.runs, 1);
        options.memory = 6 << 20;
        options.jobs = 3;
        options.scratch = top;
        CHECK_OK(train_text(&options, wm_buf_str(&text), 777, in_top("many.arpa"), &summary), err);
        CHECK(summary.runs > 1);
        CHECK(summary.spilled > 0);
        CHECK(same_files(in_top("one.arpa"), in_top("many.arpa")));
    }
    wm_buf_done(&text);
}

/* Every context's probabilities sum to 1: what an n-gram model is. Here of bigrams with pruning, over
 * the whole vocabulary, from the file alone. */
static void check_sums(void)
{
    struct wm_buf text, file;
    size_t n = 0;
    struct wm_lm_train_options options = usual(2);
    make_text(&text, 500, 50);
    options.discount_fallback = true;
    set(&options, "prune", "0,2");
    CHECK_OK(train_text(&options, wm_buf_str(&text), 50, in_top("sum.arpa"), NULL), err);
    CHECK(load_text(in_top("sum.arpa"), &file));
    struct arpa_line *lines = read_arpa(wm_buf_str(&file), &n);
    double all = 0;
    for (size_t i = 0; i < n; i++) {
        if (memchr(lines[i].words.ptr, ' ', lines[i].words.len))
            continue;
        struct wm_str context = lines[i].words;
        all += wm_str_eq(context, WM_STR("<s>")) ? 0 : pow(10, lines[i].p);
        double sum = 0, seen = 0;
        for (size_t k = 0; k < n; k++) {
            struct wm_str w = lines[k].words;
            if (!wm_str_starts(w, context) || w.len < context.len + 2 || w.ptr[context.len] != ' ')
                continue;
            struct wm_str last = {w.ptr + context.len + 1, w.len - context.len - 1};
            sum += pow(10, lines[k].p);
            for (size_t j = 0; j < n; j++)
                if (wm_str_eq(lines[j].words, last))
                    seen += pow(10, lines[j].p);
        }
        sum += pow(10, lines[i].b) * (1 - seen);
        CHECK_(fabs(sum - 1) < 1e-5, "the words behind %.*s sum to %g", (int)context.len,
               context.ptr, sum);
    }
    CHECK_(fabs(all - 1) < 1e-5, "unigrams sum to %g", all);
    free(lines);
    wm_buf_done(&file);
    wm_buf_done(&text);
}

static void check_errors(void)
{
    struct wm_lm_train_options options = usual(3);
    const char *path = in_top("never.arpa");
    CHECK_FAILS(train_text(&options, WM_STR("a b c\n"), 9, path, NULL), WM_E_FORMAT, err,
                "discounts of order 1");
    CHECK(strstr(err.hint, "--discount-fallback") != NULL);
    CHECK_FAILS(train_text(&options, WM_STR("a <s> c\n"), 3, path, NULL), WM_E_FORMAT, err, "<s>");
    CHECK(strstr(err.hint, "--skip-symbols") != NULL);
    CHECK_FAILS(train_text(&options, WM_STR("  \t"), 9, path, NULL), WM_E_FORMAT, err, "no text");
    struct wm_buf word;
    wm_buf_init(&word, 1 << 20);
    while (word.len <= WM_LM_TOKEN_MAX)
        CHECK_OK(wm_buf_add(&word, "x", 1, &err), err);
    CHECK_FAILS(train_text(&options, wm_buf_str(&word), 1000, path, NULL), WM_E_LIMIT, err, "word");
    CHECK_OK(wm_buf_add(&word, " ", 1, &err), err);
    CHECK_FAILS(train_text(&options, wm_buf_str(&word), word.len, path, NULL), WM_E_LIMIT, err,
                "word");
    wm_buf_done(&word);
    options.memory = 1 << 20;
    CHECK_FAILS(train_text(&options, WM_STR("a b c\n"), 9, path, NULL), WM_E_NOMEM, err, "MiB");
    options = usual(3);
    set(&options, "prune", "1,0");
    CHECK_FAILS(train_text(&options, WM_STR("a\n"), 9, path, NULL), WM_E_CONFIG, err, "order 2");
    options = usual(3);
    set(&options, "fallback", "1.5");
    CHECK_FAILS(train_text(&options, WM_STR("a\n"), 9, path, NULL), WM_E_CONFIG, err, "0 to 1");
    options = usual(7);
    CHECK_FAILS(train_text(&options, WM_STR("a\n"), 9, path, NULL), WM_E_CONFIG, err, "1 to 6");
    CHECK(!wm_exists(path));
}

/* <s>, </s> and <unk> as white space, NUL and tabs too; \v is part of a word. */
static void check_space(void)
{
    struct wm_lm_train_options options = usual(2);
    options.discount_fallback = options.skip_symbols = true;
    CHECK_OK(train_text(&options, WM_STR("a <s> b\0c\td</s>e </s> <unk>\r\n\n x\vy"), 5,
                        in_top("skip.arpa"), NULL),
             err);
    options.skip_symbols = false;
    CHECK_OK(
        train_text(&options, WM_STR("a b c d</s>e\n\nx\vy\n"), 100, in_top("plain.arpa"), NULL),
        err);
    CHECK(same_files(in_top("skip.arpa"), in_top("plain.arpa")));
}

int main(void)
{
    make_top("lm_train");
    wm_arena_init(&arena, 1 << 20);
    check_unigrams();
    check_bigrams();
    check_sums();
    check_space();
    check_errors();
    check_same_bytes();
    wm_arena_done(&arena);
    CHECK_OK(wm_remove_tree(top, &err), err);
    return test_summary();
}
