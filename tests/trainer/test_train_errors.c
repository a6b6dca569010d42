/* SPDX-License-Identifier: Apache-2.0 */
/* What does not belong together is refused by name; damage costs a step back, not the training. */
#include <math.h>
#include <stdlib.h>

#include "train_fixture.h"
#include "trainer/checkpoint.h"

static struct wm_train_options options;
static char lines[8192];

static void on_line(void *arg, const char *text)
{
    (void)arg;
    size_t len = strlen(lines);
    (void)snprintf(lines + len, sizeof lines - len, "%s\n", text);
}

static int train(const char *shards, const char *out, const char *work, const char *identity)
{
    struct wm_train_result result;
    struct wm_train_job job = {.options = &options,
                               .shards = in_top(shards),
                               .out = in_top(out),
                               .work = in_top(work),
                               .identity = identity,
                               .threads = 1,
                               .line = on_line};
    lines[0] = '\0';
    return wm_train(&job, &result, &err);
}

static void load(const char *work, uint64_t step, struct wm_buf *file)
{
    char path[WM_PATH_MAX];
    wm_buf_init(file, 64 << 20);
    CHECK_OK(wm_checkpoint_path(path, in_top(work), step, &err), err);
    CHECK_OK(wm_file_load(path, file, &err), err);
}

static void store(const char *work, uint64_t step, struct wm_buf *file)
{
    char path[WM_PATH_MAX];
    CHECK_OK(wm_checkpoint_path(path, in_top(work), step, &err), err);
    CHECK_OK(wm_file_store(path, wm_buf_str(file), &err), err);
    wm_buf_done(file);
}

static void seal(struct wm_buf *file)
{
    XXH128_canonical_t hash;
    XXH128_canonicalFromHash(&hash, XXH3_128bits(file->ptr, file->len - sizeof hash));
    memcpy(file->ptr + file->len - sizeof hash, &hash, sizeof hash);
}

static void check_damage(void)
{
    struct wm_buf file;
    load("work", 12, &file);
    file.ptr[file.len / 2] ^= 4;
    store("work", 12, &file);
    load("work", 8, &file);
    file.len -= 100;
    store("work", 8, &file);
    CHECK_OK(train("shards", "damaged", "work", NULL), err);
    CHECK(strstr(lines, "00012.ckpt is left out and removed: the checkpoint is damaged") != NULL);
    CHECK(strstr(lines, "00008.ckpt is left out and removed: the checkpoint is damaged") != NULL);
    CHECK(strstr(lines, "going on from step 4 of 12") != NULL);
    CHECK(same_models(in_top("model"), in_top("damaged")));

    load("work", 12, &file);
    file.ptr[8] = 99;
    seal(&file);
    store("work", 12, &file);
    CHECK_FAILS(train("shards", "newer", "work", NULL), WM_E_MISMATCH, err, "format version 99");
    load("work", 8, &file); /* an older program goes no further; ours must */
    store("work", 12, &file);
    CHECK_OK(train("shards", "damaged", "work", NULL), err);
}

/* The checkpoint's parameters are no longer numbers: put one NaN in, and the checksum right. */
static void check_divergence(void)
{
    struct wm_buf file;
    struct wm_checkpoint c;
    load("work", 8, &file);
    CHECK_OK(wm_checkpoint_parse(wm_buf_str(&file), &c, &err), err);
    float poison = NAN;
    uint64_t first; /* the first array: the token embedding */
    memcpy(&first, c.directory.ptr + WM_CHECKPOINT_ENTRY - sizeof first, sizeof first);
    memcpy(file.ptr + first, &poison, sizeof poison);
    seal(&file);
    CHECK_OK(wm_mkdirs(in_top("work-nan"), &err), err);
    store("work-nan", 8, &file);
    CHECK_FAILS(train("shards", "nan", "work-nan", NULL), WM_E_FORMAT, err, "diverged at step 9");
    CHECK(strstr(err.what, "last good checkpoint: none") != NULL); /* step 8's is not */
    CHECK(!wm_exists(in_top("nan/model.safetensors")));
}

/* The same after the last step, before which nobody looked: its validation is done once more. */
static void check_bad_validation(void)
{
    struct wm_buf file;
    struct wm_checkpoint c;
    const double poison = NAN;
    const float poison_weight = NAN;
    uint64_t first;
    load("work", 12, &file);
    CHECK_OK(wm_checkpoint_parse(wm_buf_str(&file), &c, &err), err);
    memcpy(&first, c.directory.ptr + WM_CHECKPOINT_ENTRY - sizeof first, sizeof first);
    memcpy(file.ptr + first, &poison_weight, sizeof poison_weight);
    const size_t last = (size_t)((const char *)c.history - file.ptr) + 12 * 3 * sizeof poison;
    double norm;
    memcpy(&norm, file.ptr + last - 2 * sizeof norm, sizeof norm);
    memcpy(file.ptr + last - sizeof poison, &poison, sizeof poison);
    seal(&file);
    CHECK_OK(wm_mkdirs(in_top("work-bad"), &err), err);
    store("work-bad", 12, &file);
    load("work", 8, &file);
    store("work-bad", 8, &file);
    CHECK_FAILS(train("shards", "bad", "work-bad", NULL), WM_E_FORMAT, err,
                "diverged at step 12: validation loss nan, gradient norm ");
    CHECK_(fabs(strtod(strstr(err.what, "norm ") + 5, NULL) / norm - 1) < 1e-5, "%s", err.what);
    CHECK(strstr(err.what, "last good checkpoint: ") && strstr(err.what, "-00000008.ckpt"));
    CHECK(strstr(err.hint, "learning_rate") != NULL);
    CHECK(!wm_exists(in_top("bad/model.safetensors")));
}

static uint64_t count_lines(const char *path)
{
    struct wm_buf file;
    uint64_t n = 0;
    wm_buf_init(&file, 64 << 20);
    CHECK_OK(wm_file_load(path, &file, &err), err);
    for (size_t i = 0; i < file.len; i++)
        n += file.ptr[i] == '\n';
    wm_buf_done(&file);
    return n;
}

/* Numbers all along, but ten steps in a row are far worse than guessing. */
static void check_lost(void)
{
    options.steps = 60;
    options.optimizer = WM_TRAIN_ADAMW;
    options.learning_rate = 10;
    options.weight_decay = 0;
    options.clip = 0;
    options.warmup = 0;
    options.validate_every = 0;
    options.checkpoint_every = 1;
    options.keep_checkpoints = 20;
    CHECK_FAILS(train("shards", "lost", "work-lost", NULL), WM_E_FORMAT, err, "diverged at step ");
    CHECK_(isfinite(strtod(strstr(err.what, "loss ") + 5, NULL)), "%s", err.what);
    CHECK(strstr(err.what, "last good checkpoint: ") != NULL);
    CHECK(!wm_exists(in_top("lost/model.safetensors")));
    const uint64_t step = strtoull(strstr(err.what, "at step ") + 8, NULL, 10);
    CHECK_U64(count_lines(in_top("work-lost/metrics.jsonl")), step - 1); /* how it came to that */
    options = small_options();
    options.keep_checkpoints = 3;
}

static void check_mismatches(void)
{
    options.learning_rate = 0.002;
    CHECK_FAILS(train("shards", "m", "work", NULL), WM_E_MISMATCH, err,
                "learning_rate \"0.004\", this one has \"0.002\"");
    CHECK(strstr(err.where, "checkpoint-00000012.ckpt") != NULL);
    options = small_options();
    options.width = 32;
    CHECK_FAILS(train("shards", "m", "work", NULL), WM_E_MISMATCH, err,
                "width 24, this one has 32");
    options = small_options();
    options.checkpoint_every = 3; /* shapes no bytes */
    CHECK_OK(train("shards", "m", "work", NULL), err);
    options = small_options();
    CHECK_FAILS(train("shards2", "m", "work", NULL), WM_E_MISMATCH, err, "vocabulary ");
    CHECK_FAILS(train("shards3", "m", "work", NULL), WM_E_MISMATCH, err, "shards ");
}

static void check_identity(void)
{
    static const char one[] = "0123456789abcdef0123456789abcdef";
    static const char two[] = "1123456789abcdef0123456789abcdef";
    CHECK_FAILS(train("shards", "i", "work-i", "abc"), WM_E_CONFIG, err, "32 hex");
    CHECK_OK(train("shards", "i", "work-i", one), err);
    CHECK_OK(train("shards", "i", "work-i", one), err);
    CHECK(strstr(lines, "going on from step 12 of 12") != NULL);
    CHECK_FAILS(train("shards", "i", "work-i", two), WM_E_MISMATCH, err, "of another job");
    struct wm_train_unfinished found;
    CHECK_OK(wm_train_unfinished(in_top("work-i"), &options, &found, &err), err);
    CHECK_U64(found.step, 12);
    CHECK(!*found.differs);
    options.seed = 9; /* nothing is removed for being of other options */
    CHECK_FAILS(train("shards", "i", "work-i", two), WM_E_MISMATCH, err,
                "seed \"1\", this one has \"9\"");
    CHECK_OK(wm_train_unfinished(in_top("work-i"), &options, &found, &err), err);
    CHECK_U64(found.step, 12);
    CHECK(strstr(found.differs, "seed \"1\", this one has \"9\"") != NULL);
    CHECK_OK(wm_file_store(in_top("work-j/checkpoint-00000007.ckpt"), WM_STR("no"), &err), err);
    CHECK_OK(wm_train_unfinished(in_top("work-j"), &options, &found, &err), err);
    CHECK(found.step == 7 && !*found.differs);
    CHECK_OK(wm_train_unfinished(in_top("no-work"), &options, &found, &err), err);
    CHECK_U64(found.step, 0);
    options = small_options();
    CHECK_OK(train("shards", "i", "work-i", one), err);
    CHECK(strstr(lines, "going on from step 12 of 12") != NULL);
}

static void check_shards(void)
{
    CHECK_FAILS(train("nothing", "s", "work-s", NULL), WM_E_IO, err, "");
    options.context = 100000;
    options.micro_batch = 1;
    CHECK_FAILS(train("shards", "s", "work-s", NULL), WM_E_FORMAT, err, "too few for one window");
    options = small_options();

    struct wm_tokenizer *tok; /* somebody put another tokenizer there */
    CHECK_OK(wm_tokenizer_load(in_top("shards2"), &tok, &err), err);
    make_shards(in_top("swapped"), 60, 300);
    CHECK_OK(wm_tokenizer_save(tok, in_top("swapped"), &err), err);
    wm_tokenizer_free(tok);
    CHECK_FAILS(train("swapped", "s", "work-s", NULL), WM_E_MISMATCH, err, "tokenizer.json is");
    CHECK(!wm_exists(in_top("work-s")));
}

/* Where a directory should be stands a file. */
static void check_files_in_the_way(void)
{
    CHECK_OK(wm_file_store(in_top("file"), WM_STR("x"), &err), err);
    CHECK_FAILS(train("shards", "f", "file", NULL), WM_E_IO, err, "");
    CHECK(strstr(err.where, "file") != NULL);
    CHECK_FAILS(train("shards", "file", "work-f", NULL), WM_E_IO, err, "");
    CHECK_OK(train("shards", "f", "work-f", NULL), err); /* nothing was lost */
    CHECK(strstr(lines, "going on from step 12 of 12") != NULL);
    CHECK(same_models(in_top("model"), in_top("f")));
}

/* What the architecture has no use for, and a mixture that cannot be read. */
static void check_parts(void)
{
    options.rope_theta = 500000;
    CHECK_FAILS(wm_train_options_check(&options, &err), WM_E_CONFIG, err,
                "rope_theta 500000: gpt2 has no rotary positions");
    options.architecture = WM_ARCH_LLAMA;
    options.tied = false;
    CHECK_OK(wm_train_options_check(&options, &err), err);
    options.architecture = WM_ARCH_GPT2;
    options.rope_theta = 10000;
    CHECK_FAILS(wm_train_options_check(&options, &err), WM_E_CONFIG, err,
                "always its token embedding");
    options = small_options();
    const char *mix = "shards2=much";
    options.mix = (struct wm_list){&mix, 1};
    CHECK_FAILS(wm_train_options_check(&options, &err), WM_E_CONFIG, err, "mix");
    mix = "shards2";
    CHECK_FAILS(wm_train_options_check(&options, &err), WM_E_CONFIG, err, "mix");
    mix = "shards2=0.5";
    CHECK_OK(wm_train_options_check(&options, &err), err);
    options = small_options();
}

static void check_options(void)
{
    options.heads = 5;
    CHECK_FAILS(wm_train_options_check(&options, &err), WM_E_CONFIG, err,
                "not a multiple of heads 5");
    options = small_options();
    options.steps = 0;
    options.epochs = 0;
    CHECK_FAILS(wm_train_options_check(&options, &err), WM_E_CONFIG, err, "nothing would be");
    options = small_options();
    options.context = 1 << 20;
    options.batch = options.micro_batch = 17;
    CHECK_FAILS(wm_train_options_check(&options, &err), WM_E_CONFIG, err, "tokens at once");
    options = small_options();
    check_parts();
    struct wm_train_result result;
    struct wm_train_job job = {.options = &options,
                               .shards = in_top("shards"),
                               .out = in_top("o"),
                               .work = in_top("work-o"),
                               .memory = 100000};
    CHECK_FAILS(wm_train(&job, &result, &err), WM_E_NOMEM, err, "the limit is 100 kB");
    CHECK(strstr(err.hint, "--memory") != NULL);
    CHECK(!wm_exists(in_top("work-o")));
}

int main(void)
{
    make_top("train-errors");
    make_shards(in_top("shards"), 60, 300);
    make_shards(in_top("shards2"), 60, 290);
    make_shards(in_top("shards3"), 70, 300); /* same tokenizer, more text */
    if (test_failures)
        return test_summary();
    options = small_options();
    options.keep_checkpoints = 3;
    CHECK_OK(train("shards", "model", "work", NULL), err);
    check_damage();
    check_divergence();
    check_bad_validation();
    check_lost();
    check_mismatches();
    check_identity();
    check_shards();
    check_files_in_the_way();
    check_options();
    remove_top();
    return test_summary();
}
