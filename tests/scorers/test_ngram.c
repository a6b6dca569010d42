/* SPDX-License-Identifier: Apache-2.0 */
/* Small n-gram models in every format against recorded scores of KenLM; ARPA text that is wrong;
 * the own format: same bytes, damage, limits. tiny.* are of one model with pruned suffixes. */
#include "wetmill/ngram.h"

#include <math.h>

#include "scratch.h"

enum { WORDS = 4096, SMALL = 1 << 20 };

static uint32_t words[WORDS];
static float scores[WORDS];
static unsigned char matched[WORDS];

static const char *vector(const char *name)
{
    static char path[WM_PATH_MAX];
    (void)snprintf(path, sizeof path, WM_SOURCE_DIR "/tests/vectors/ngram/%s", name);
    return path;
}

static struct wm_buf load(const char *path)
{
    struct wm_buf buf;
    wm_buf_init(&buf, SMALL);
    CHECK_OK(wm_file_load(path, &buf, &err), err);
    return buf;
}

static size_t words_of(const struct wm_ngram *model, struct wm_str text)
{
    size_t n = 0;
    while (text.len && n < WORDS - 1) {
        const char *space = memchr(text.ptr, ' ', text.len);
        size_t len = space ? (size_t)(space - text.ptr) : text.len;
        if (len)
            words[n++] = wm_ngram_word(model, (struct wm_str){text.ptr, len});
        text.ptr += len + (space != NULL);
        text.len -= len + (space != NULL);
    }
    return n;
}

/* One line of `want`: the matched order and the score of a word. */
static void check_word(struct wm_str *want, const char *name, size_t i)
{
    char line[64] = "", *end;
    struct wm_str text = wm_str_line(want);
    if (text.len < sizeof line)
        memcpy(line, text.ptr, text.len);
    CHECK_U64(matched[i], strtoul(line, &end, 10));
    CHECK_(fabs((double)scores[i] - strtod(end, NULL)) < 2e-6, "%s: word %zu scores %f, want%s",
           name, i, (double)scores[i], end);
}

static void check_scores(const struct wm_ngram *model, const char *name, const char *expected)
{
    struct wm_buf text = load(vector("sentences.txt")), want = load(vector(expected));
    struct wm_str lines = wm_buf_str(&text), recorded = wm_buf_str(&want);
    while (lines.len) {
        struct wm_ngram_score score = {0};
        size_t n = words_of(model, wm_str_line(&lines)), unknown = 0;
        float sum = 0;
        wm_ngram_score(model, words, n, &score, scores, matched);
        for (size_t i = 0; i <= n; i++) {
            check_word(&recorded, name, i);
            sum += scores[i];
            unknown += i < n && words[i] == WM_NGRAM_UNKNOWN;
        }
        CHECK(score.log10 == (double)sum);
        CHECK_U64(score.oov, unknown);
    }
    CHECK(recorded.len == 0);
    wm_buf_done(&text);
    wm_buf_done(&want);
}

static void test_formats(void)
{
    static const struct {
        const char *name, *format, *scores;
        unsigned restored; /* suffixes that were pruned, of all orders */
    } rows[] = {
        {"tiny.arpa", "ARPA", "tiny.scores", 1},
        {"tiny.probing", "KenLM probing", "tiny.scores", 0},
        {"tiny.rest", "KenLM probing, rest costs", "tiny.scores", 0},
        {"tiny.trie", "KenLM trie", "tiny.scores", 1},
        {"tiny.atrie", "KenLM trie, array-compressed", "tiny.scores", 1},
        {"tiny.qtrie", "KenLM trie, quantised", "tiny.quantised.scores", 1},
        {"tiny.qatrie", "KenLM trie, quantised, array-compressed", "tiny.quantised.scores", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct wm_ngram *model = NULL, *parsed = NULL;
        CHECK_OK(wm_ngram_open(vector(rows[i].name), &model, &err), err);
        if (!model)
            continue;
        CHECK_STR(wm_str_of(wm_ngram_format(model)), wm_str_of(rows[i].format));
        CHECK_U64(wm_ngram_order(model), 4);
        CHECK_U64(wm_ngram_words(model), 10);
        CHECK_U64(wm_ngram_word(model, WM_STR("<s>")), wm_ngram_begin(model));
        CHECK_U64(wm_ngram_word(model, WM_STR("</s>")), wm_ngram_end(model));
        CHECK_U64(wm_ngram_word(model, WM_STR("dog")), WM_NGRAM_UNKNOWN);
        CHECK_U64(wm_ngram_word(model, WM_STR("")), WM_NGRAM_UNKNOWN);
        CHECK_U64(wm_ngram_count(model, 4), 191);
        CHECK((wm_ngram_count(model, 2) > 31) == rows[i].restored);
        CHECK_U64(wm_ngram_count(model, 0) + wm_ngram_count(model, 5), 0);
        check_scores(model, rows[i].name, rows[i].scores);
        struct wm_buf bytes = load(vector(rows[i].name));
        CHECK_OK(wm_ngram_parse(wm_buf_str(&bytes), &parsed, &err), err);
        if (parsed)
            check_scores(parsed, rows[i].name, rows[i].scores);
        CHECK(wm_ngram_memory(model) > 0);
        wm_ngram_free(parsed);
        wm_ngram_free(model);
        wm_buf_done(&bytes);
    }
}

/* Sentences as long as windows, and indices that no model has. */
static void test_lengths(void)
{
    static const size_t lengths[] = {0, 1, 62, 63, 64, 65, 127, 128, 129, 1000};
    struct wm_ngram *model = NULL;
    CHECK_OK(wm_ngram_open(vector("tiny.probing"), &model, &err), err);
    for (size_t k = 0; model && k < sizeof lengths / sizeof *lengths; k++) {
        size_t n = lengths[k];
        struct wm_ngram_score whole, start;
        float last[WORDS];
        for (size_t i = 0; i < n; i++)
            words[i] = (uint32_t)(i * 7 + i / 5) % 12; /* 10 and 11 are unknown */
        wm_ngram_score(model, words, n, &whole, scores, matched);
        /* words have the same scores whatever follows, so wherever a window ends */
        for (size_t cut = n > 70 ? n - 70 : 0; cut < n; cut++) {
            wm_ngram_score(model, words, cut, &start, last, NULL);
            CHECK(memcmp(last, scores, cut * sizeof *last) == 0);
        }
        words[0] = UINT32_MAX;
        wm_ngram_score(model, words, n, &start, NULL, NULL);
        words[0] = WM_NGRAM_UNKNOWN;
        wm_ngram_score(model, words, n, &whole, NULL, NULL);
        CHECK(start.log10 == whole.log10 && start.oov == whole.oov);
    }
    wm_ngram_free(model);
}

/* Many sentences at once score as one by one, empty ones too. */
static void test_many(void)
{
    enum { SENTENCES = 60 };
    static const char *const names[] = {"tiny.arpa", "tiny.probing", "tiny.qatrie"};
    size_t ends[SENTENCES], n = 0;
    for (size_t i = 0; i < SENTENCES; i++) {
        for (size_t k = 0; k < i * 13 % 50 * (i % 4 != 1) + (i == 30 ? 300 : 0); k++, n++)
            words[n] = (uint32_t)(n * 7 + n / 5) % 12;
        ends[i] = n;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct wm_ngram *model = NULL;
        struct wm_ngram_score all[SENTENCES], one;
        CHECK_OK(wm_ngram_open(vector(names[i]), &model, &err), err);
        if (!model)
            continue;
        for (size_t from = 0; from < SENTENCES; from += 17) {
            wm_ngram_score_many(model, words, ends, from, all);
            for (size_t k = 0; k < from; k++) {
                size_t start = k ? ends[k - 1] : 0;
                wm_ngram_score(model, words + start, ends[k] - start, &one, NULL, NULL);
                CHECK(one.log10 == all[k].log10 && one.oov == all[k].oov);
            }
        }
        wm_ngram_free(model);
    }
}

static void test_own_format(void)
{
    struct wm_ngram *model = NULL;
    make_top("ngram");
    CHECK_OK(wm_ngram_convert(vector("tiny.arpa"), in_top("a"), 0, &err), err);
    CHECK_OK(wm_ngram_convert(vector("tiny.arpa"), in_top("b"), 1 << 20, &err), err);
    struct wm_buf a = load(in_top("a")), b = load(in_top("b"));
    CHECK_STR(wm_buf_str(&a), wm_buf_str(&b));
    CHECK_OK(wm_ngram_open(in_top("a"), &model, &err), err);
    if (model) {
        CHECK_STR(wm_str_of(wm_ngram_format(model)), WM_STR("wetmill"));
        CHECK_U64(wm_ngram_mapped(model), a.len);
        CHECK_OK(wm_ngram_verify(model, &err), err);
        check_scores(model, "own", "tiny.scores");
    }
    wm_ngram_free(model);
    CHECK_FAILS(wm_ngram_convert(vector("tiny.arpa"), in_top("c"), 1000, &err), WM_E_LIMIT, err,
                "over 1000 bytes");
    CHECK(!wm_exists(in_top("c")));
    CHECK_FAILS(wm_ngram_convert(in_top("none"), in_top("c"), 0, &err), WM_E_IO, err, "No such");
    /* every byte of the header and the words is checked at once, others when asked */
    for (size_t at = 8; at < a.len; at += at < 400 ? 1 : 509) {
        a.ptr[at] ^= 0x10;
        model = NULL;
        int status = wm_ngram_parse(wm_buf_str(&a), &model, &err);
        if (!status)
            status = wm_ngram_verify(model, &err);
        size_t padding = at; /* between sections nothing is checked */
        while (padding < a.len && !(b.ptr[padding] | (padding == at ? 0 : a.ptr[padding])))
            padding++;
        CHECK(status == WM_E_FORMAT || (status == 0 && padding > at));
        wm_ngram_free(model);
        a.ptr[at] ^= 0x10;
    }
    for (size_t len = 0; len < a.len; len += 1 + len / 3)
        CHECK(wm_ngram_parse((struct wm_str){a.ptr, len}, &model, &err) == WM_E_FORMAT);
    wm_buf_done(&a);
    wm_buf_done(&b);
    CHECK_OK(wm_remove_tree(top, &err), err);
}

#define HEAD \
    "\\data\\\nngram 1=3\nngram 2=1\n\n\\1-grams:\n-1\t<s>\t-0.5\n-2\t</s>\n-1.5\ta\t-.25\n\n"

static void test_text(void)
{
    static const struct {
        const char *text, *words;
    } bad[] = {
        {"", "not an n-gram model"},
        {"hello\n", "not an n-gram model"},
        {"\\data\\\n", "ends before"},
        {"\\data\\\n\\1-grams:\n", "a line \"ngram ORDER=COUNT\""},
        {"\\data\\\nngram 2=1\n\n", "of order 1, 2"},
        {"\\data\\\nngram 1=x\n\n", "of order 1, 2"},
        {"\\data\\\nngram 1=99999999999\n\n", "than the file can hold"},
        {HEAD, "ends before"},
        {HEAD "\\3-grams:\n", "\\2-grams: should stand here"},
        {HEAD "\\2-grams:\n-1\ta\n", "fewer words"},
        {HEAD "\\2-grams:\n-1\ta b\n\\end\\\n", "not among the 1-grams"},
        {HEAD "\\2-grams:\nx\ta a\n\\end\\\n", "no number"},
        {HEAD "\\2-grams:\n1\ta a\n\\end\\\n", "above 0"},
        {HEAD "\\2-grams:\n-1\ta a\t-1\n\\end\\\n", "more on the line"},
        {HEAD "\\2-grams:\n-1\ta a\n-1\ta </s>\n\\end\\\n", "more n-grams than announced"},
        {HEAD "\\2-grams:\n-1\ta a\n", "ends before"},
        {"\\data\\\nngram 1=2\n\n\\1-grams:\n-1\ta\n-1\ta\n\n\\end\\\n", "there already"},
        {"\\data\\\nngram 1=1\n\n\\1-grams:\n-1\ta\n\n\\end\\\n", "no <s>"},
        {"\\data\\\nngram 1=2\n\n\\1-grams:\n-1\t<s>\n-1\ta\n\n\\end\\\n", "no </s>"},
        {"\\data\\\nngram 1=2\nngram 2=0\nngram "
         "3=1\n\n\\1-grams:\n-1\t<s>\n-1\t</s>\n\n\\2-grams:\n"
         "\n\\3-grams:\n-1\t<s> </s> </s>\n\n\\end\\\n",
         "the context of this 3-gram"},
        {"mmap lm http://kheafield.com/code format version 4\n", "ends within its header"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct wm_ngram *model = NULL;
        CHECK_FAILS(wm_ngram_parse(wm_str_of(bad[i].text), &model, &err), WM_E_FORMAT, err,
                    bad[i].words);
    }
    struct wm_ngram *model = NULL;
    struct wm_ngram_score score = {0};
    CHECK_OK(wm_ngram_parse(WM_STR("\n# a comment\r\n" HEAD "\\2-grams:\r\n-1e-1 <s>  a 0\n"
                                   "\n\\end\\"),
                            &model, &err),
             err);
    if (model) {
        words[0] = wm_ngram_word(model, WM_STR("a"));
        words[1] = wm_ngram_word(model, WM_STR("b"));
        wm_ngram_score(model, words, 2, &score, scores, matched);
        CHECK(matched[0] == 2 && matched[1] == 1 && matched[2] == 1);
        CHECK(fabs((double)scores[0] + 0.1) < 1e-7);
        CHECK(scores[1] == -100.25f); /* there is no <unk> */
        CHECK(scores[2] == -2);
        CHECK_U64(score.oov, 1);
    }
    wm_ngram_free(model);
    model = NULL;
    CHECK_OK(wm_ngram_parse(WM_STR("\\data\\\nngram 1=3\n\n\\1-grams:\n-1 <s>\n-2 </s>\n-3 <unk>\n"
                                   "\n\\end\\\n"),
                            &model, &err),
             err);
    if (model) { /* order 1 */
        words[0] = 77;
        wm_ngram_score(model, words, 1, &score, NULL, NULL);
        CHECK(score.log10 == -5);
    }
    wm_ngram_free(model);
}

/* No damage leads outside the bytes; AddressSanitizer looks on. */
static void test_damage(void)
{
    static const char *const names[] = {"tiny.probing", "tiny.rest",  "tiny.trie",
                                        "tiny.atrie",   "tiny.qtrie", "tiny.qatrie"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct wm_buf bytes = load(vector(names[i]));
        char *copy = malloc(bytes.len);
        uint64_t state = 1, opened = 0;
        for (size_t k = 0; copy && k < 3000; k++) {
            struct wm_ngram *model = NULL;
            struct wm_ngram_score score;
            size_t len = k % 3 ? bytes.len : bytes.len * (k % 100) / 100;
            memcpy(copy, bytes.ptr, bytes.len);
            for (size_t flips = 0; flips < 1 + k % 40; flips++) {
                state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
                size_t at = (state >> 33) % (k % 2 && bytes.len > 200 ? 200 : bytes.len);
                copy[at] = (char)(state >> 20);
            }
            if (wm_ngram_parse((struct wm_str){copy, len}, &model, &err))
                continue;
            opened++;
            for (size_t w = 0; w < 100; w++)
                words[w] = (uint32_t)(w * w) % 13;
            wm_ngram_score(model, words, 100, &score, scores, matched);
            (void)wm_ngram_word(model, WM_STR("cat"));
            wm_ngram_free(model);
        }
        CHECK_(opened > 100, "%s: only %d opened", names[i], (int)opened);
        free(copy);
        wm_buf_done(&bytes);
    }
}

int main(void)
{
    test_formats();
    test_lengths();
    test_many();
    test_own_format();
    test_text();
    test_damage();
    return test_summary();
}
