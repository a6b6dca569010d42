/* SPDX-License-Identifier: Apache-2.0 */
/* Models that the fasttext program trains and quantises here and now give the guesses it gives. */
#include "fasttext_compare.h"

static const char *const alphabets[] = {"abcdefg", "hijklmn", "opqrstu", "vwxyzab", "acegikm"};
enum { LABELS = 5, MANY_LABELS = 400, WORDS = 40, TRAIN_LINES = 1500, TEST_LINES = 200 };

static uint32_t seed = 12345;

static uint32_t below(uint32_t n)
{
    seed = seed * 1664525U + 1013904223U;
    return (uint32_t)(((uint64_t)seed * n) >> 32);
}

/* Words of one alphabet, some with letters of several bytes, some shared by all labels. */
static void add_words(struct wm_buf *out, uint32_t label, bool odd, struct wm_error *err)
{
    for (uint32_t n = below(12) + 1; n > 0; n--) {
        uint32_t from = below(5) == 0 ? 0 : label, word = below(WORDS);
        const char *letters = alphabets[from];
        for (uint32_t i = 0; i <= word % 7; i++) {
            uint32_t letter = (word * 31 + i * (word + 3) + (odd ? below(3) : 0)) % 8;
            if (letter == 7)
                CHECK_OK(wm_buf_add(out, from % 2 ? "é" : "ж字", from % 2 ? 2 : 5, err), *err);
            else
                CHECK_OK(wm_buf_add(out, letters + letter, 1, err), *err);
        }
        CHECK_OK(wm_buf_add(out, " ", 1, err), *err);
    }
}

static void write_texts(const char *path, size_t n, uint32_t n_labels, bool labelled)
{
    struct wm_error err;
    struct wm_buf out;
    wm_buf_init(&out, COMPARE_BYTES);
    for (size_t i = 0; i < n; i++) {
        uint32_t label = below(n_labels);
        label = label && below(3) == 0 ? label - 1 : label;
        if (labelled)
            CHECK_OK(wm_buf_printf(&out, &err, "__label__l%u ", label), err);
        if (labelled || i % 17)
            add_words(&out, label % LABELS, !labelled, &err);
        CHECK_OK(wm_buf_add(&out, "\n", 1, &err), err);
    }
    CHECK_OK(wm_file_store(path, wm_buf_str(&out), &err), err);
    wm_buf_done(&out);
}

static void run(const char *directory, const char *command)
{
    char line[1024];
    (void)snprintf(line, sizeof line, "cd '%s' && %s >log.txt 2>&1", directory, command);
    CHECK_(system(line) == 0, "%s failed in %s", command, directory);
}

static void compare(const char *directory, const char *name, double tolerance)
{
    char command[256], model[512], texts[512], guesses[512];
    (void)snprintf(command, sizeof command, "fasttext predict-prob %s test.txt 3 >%s.out && true",
                   name, name);
    run(directory, command);
    (void)snprintf(model, sizeof model, "%s/%s", directory, name);
    (void)snprintf(texts, sizeof texts, "%s/test.txt", directory);
    (void)snprintf(guesses, sizeof guesses, "%s/%s.out", directory, name);
    compare_model(model, texts, guesses, tolerance);
}

static void check_model(const char *directory, const char *loss, const char *shape,
                        const char *quantiser, double tolerance)
{
    char command[512];
    (void)snprintf(command, sizeof command,
                   "fasttext supervised -input train.txt -output m -loss %s %s -epoch 5 -lr 0.5 "
                   "-thread 1 -verbose 0",
                   loss, shape);
    run(directory, command);
    compare(directory, "m.bin", tolerance);
    if (!quantiser)
        return;
    (void)snprintf(command, sizeof command,
                   "fasttext quantize -input train.txt -output m %s -thread 1 -verbose 0",
                   quantiser);
    run(directory, command);
    compare(directory, "m.ftz", tolerance);
}

static void check_losses(const char *directory)
{
    static const char *const losses[] = {"softmax", "hs", "ns", "ova"};
    static const char *const quantisers[] = {
        "-qnorm -cutoff 300 -retrain -epoch 1 -dsub 2",
        "-dsub 3",
        "-qnorm -dsub 2",
    };
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++) {
        double tolerance = i < 2 ? COMPARE_EXACT : COMPARE_TABLE;
        check_model(directory, losses[i], "-dim 4 -bucket 400 -wordNgrams 2 -minn 2 -maxn 4",
                    quantisers[i % 3], tolerance);
        check_model(directory, losses[i], "-dim 7 -bucket 400 -wordNgrams 3 -minn 0 -maxn 0",
                    quantisers[(i + 1) % 3], tolerance);
        /* a quantiser needs 256 rows: there are fewer words */
        check_model(directory, losses[i], "-dim 5 -bucket 0 -minn 0 -maxn 0", NULL, tolerance);
        check_model(directory, losses[i], "-dim 16 -bucket 2000 -minn 1 -maxn 3", NULL, tolerance);
    }
}

int main(void)
{
    struct wm_error err;
    char directory[] = "fasttext-peer-XXXXXX", path[256];
    if (system("command -v fasttext >/dev/null 2>&1") != 0)
        SKIP("no fasttext program here");
    if (!mkdtemp(directory))
        return 1;
    (void)snprintf(path, sizeof path, "%s/test.txt", directory);
    write_texts(path, TEST_LINES, LABELS, false);
    (void)snprintf(path, sizeof path, "%s/train.txt", directory);
    write_texts(path, TRAIN_LINES, LABELS, true);
    check_losses(directory);
    /* a deep label tree, and enough labels for a quantised output matrix */
    write_texts(path, 4 * TRAIN_LINES, MANY_LABELS, true);
    check_model(directory, "hs", "-dim 6 -bucket 500 -minn 2 -maxn 3", "-qout -qnorm",
                COMPARE_EXACT);
    CHECK_OK(wm_remove_tree(directory, &err), err);
    return test_summary();
}
