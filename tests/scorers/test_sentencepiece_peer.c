/* SPDX-License-Identifier: Apache-2.0 */
/* Models that spm_train makes here and now give the ids and pieces that spm_encode gives. */
#include "test.h"
#include "wetmill/file.h"
#include "wetmill/sentencepiece.h"

enum { FILE_BYTES = 64 << 20, TRAIN_LINES = 3000, TEST_LINES = 1500, WORDS = 400 };

static struct wm_error err;
static uint32_t seed = 99;

static uint32_t below(uint32_t n)
{
    seed = seed * 1664525U + 1013904223U;
    return (uint32_t)(((uint64_t)seed * n) >> 32);
}

static void add(struct wm_buf *out, const char *text)
{
    CHECK_OK(wm_buf_add(out, text, strlen(text), &err), err);
}

/* Word `word` of an invented language: the same letters whenever it comes. */
static void add_word(struct wm_buf *out, uint32_t word)
{
    static const char *const letters[] = {"a", "e", "i", "o", "n", "t",  "r",  "s",
                                          "l", "m", "é", "ж", "и", "字", "の", "한",
                                          "B", "T", "ﬁ", "ü", "ё", "q",  "½",  "５"};
    uint32_t state = word * 2654435761U, kind = word % 4;
    for (uint32_t n = 1 + word % 5 + word % 3; n > 0; n--) {
        state = state * 1664525U + 1013904223U;
        uint32_t letter = state >> 27;
        add(out, letters[kind ? letter % 10 : letter % 24]);
    }
}

/* What normalisers, cutters and byte fallback have to deal with. */
static void add_odd(struct wm_buf *out)
{
    static const char *const odd[] = {
        "  ",    "\t",        "\xE3\x80\x80", "\xC2\xA0", "\xCC\x81", "e\xCC\x81",
        "\xFF",  "\xE2\x96",  "\xE2\x96\x81", "…",        "ﷺ",        "🙂",
        "<sep>", "<s>",       "<ctl>",        "a b",      "\xC2\xAD", "\xED\xA0\x80",
        "½",     "12,345.67", "(x)",          "!!!",      "ÀÉ",       "\xF0\x9F"};
    add(out, odd[below(sizeof odd / sizeof *odd)]);
}

static void write_texts(const char *path, size_t n_lines, bool is_odd)
{
    static const char *const marks[] = {",", ".", "'s", "-", ")", ": 7"};
    struct wm_buf out;
    wm_buf_init(&out, FILE_BYTES);
    for (size_t i = 0; i < n_lines; i++) {
        for (uint32_t n = below(25); n > 0; n--) {
            add_word(&out, below(below(WORDS) + 1));
            if (below(6) == 0)
                add(&out, marks[below(sizeof marks / sizeof *marks)]);
            if (is_odd && below(8) == 0)
                add_odd(&out);
            if (!is_odd || below(20))
                add(&out, " ");
        }
        add(&out, "\n");
    }
    CHECK_OK(wm_file_store(path, wm_buf_str(&out), &err), err);
    wm_buf_done(&out);
}

static void run(const char *directory, const char *command)
{
    char line[2048];
    (void)snprintf(line, sizeof line, "cd '%s' && %s 2>>log.txt", directory, command);
    CHECK_(system(line) == 0, "%s failed in %s", command, directory);
}

static void load(const char *directory, const char *name, struct wm_buf *ret)
{
    char path[WM_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    wm_buf_init(ret, FILE_BYTES);
    CHECK_OK(wm_file_load(path, ret, &err), err);
}

static void check_line(const struct wm_sp *model, struct wm_sp_scratch *scratch, struct wm_str text,
                       struct wm_str ids, struct wm_str names)
{
    struct wm_sp_pieces pieces = {0};
    struct wm_buf got_ids, got_names;
    wm_buf_init(&got_ids, FILE_BYTES);
    wm_buf_init(&got_names, FILE_BYTES);
    CHECK_OK(wm_sp_encode(model, scratch, text, &pieces, &err), err);
    for (size_t i = 0; i < pieces.n; i++) {
        struct wm_str name = wm_sp_surface(model, &pieces, i);
        CHECK_OK(wm_buf_printf(&got_ids, &err, i ? " %u" : "%u", pieces.ids[i]), err);
        CHECK_OK(wm_buf_add(&got_names, " ", i > 0, &err), err);
        CHECK_OK(wm_buf_add(&got_names, name.ptr, name.len, &err), err);
    }
    CHECK_STR(wm_buf_str(&got_ids), ids);
    CHECK_STR(wm_buf_str(&got_names), names);
    wm_buf_done(&got_ids);
    wm_buf_done(&got_names);
}

static void check_model(const char *directory, const char *options)
{
    char command[1024], path[WM_PATH_MAX];
    struct wm_sp *model = NULL;
    struct wm_sp_scratch *scratch = NULL;
    struct wm_buf texts, ids, names;
    (void)snprintf(command, sizeof command,
                   "spm_train --input=train.txt --model_prefix=m --hard_vocab_limit=false "
                   "--num_threads=1 %s",
                   options);
    run(directory, command);
    run(directory, "spm_encode --model=m.model --output_format=id <test.txt >ids.txt");
    run(directory, "spm_encode --model=m.model --output_format=piece <test.txt >names.txt");
    (void)snprintf(path, sizeof path, "%s/m.model", directory);
    CHECK_OK(wm_sp_open(path, &model, &err), err);
    CHECK_OK(model ? wm_sp_scratch_new(model, &scratch, &err) : -1, err);
    load(directory, "test.txt", &texts);
    load(directory, "ids.txt", &ids);
    load(directory, "names.txt", &names);
    int failed = test_failures;
    struct wm_str text = wm_buf_str(&texts), id = wm_buf_str(&ids), name = wm_buf_str(&names);
    while (scratch && text.len)
        check_line(model, scratch, wm_str_line(&text), wm_str_line(&id), wm_str_line(&name));
    if (test_failures > failed)
        (void)printf("%d failed with %s\n", test_failures - failed, options);
    wm_sp_scratch_free(scratch);
    wm_sp_free(model);
    wm_buf_done(&texts);
    wm_buf_done(&ids);
    wm_buf_done(&names);
}

int main(void)
{
    static const char *const models[] = {
        "--vocab_size=500",
        "--vocab_size=300 --byte_fallback --character_coverage=0.98",
        "--vocab_size=300 --normalization_rule_name=nmt_nfkc_cf",
        "--vocab_size=300 --user_defined_symbols='<sep>,an,a b' --control_symbols='<ctl>'",
        "--vocab_size=300 --treat_whitespace_as_suffix --normalization_rule_name=identity",
        "--vocab_size=300 --split_by_whitespace=false --add_dummy_prefix=false "
        "--remove_extra_whitespaces=false",
        "--model_type=bpe --vocab_size=500",
        "--model_type=bpe --vocab_size=700 --byte_fallback --character_coverage=0.98 "
        "--normalization_rule_name=identity --allow_whitespace_only_pieces --split_digits "
        "--remove_extra_whitespaces=false",
        "--model_type=bpe --vocab_size=300 --normalization_rule_name=nfkc_cf --unk_id=5 "
        "--bos_id=-1 --eos_id=1 --pad_id=0 --unk_piece='?'",
        "--model_type=bpe --vocab_size=300 --user_defined_symbols='<sep>,an,a b'",
        "--model_type=bpe --vocab_size=300 --treat_whitespace_as_suffix",
        "--model_type=bpe --vocab_size=300 --split_by_whitespace=false",
    };
    char directory[] = "sentencepiece-peer-XXXXXX", path[WM_PATH_MAX];
    if (system("command -v spm_train spm_encode >/dev/null 2>&1") != 0)
        SKIP("no spm_train or no spm_encode here");
    if (!mkdtemp(directory))
        return 1;
    (void)snprintf(path, sizeof path, "%s/train.txt", directory);
    write_texts(path, TRAIN_LINES, false);
    (void)snprintf(path, sizeof path, "%s/test.txt", directory);
    write_texts(path, TEST_LINES, true);
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        check_model(directory, models[i]);
    CHECK_OK(wm_remove_tree(directory, &err), err);
    return test_summary();
}
