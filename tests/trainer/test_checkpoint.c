/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints come back bit for bit; every damaged byte is noticed; what does not belong together
 * is named. */
#include "trainer/checkpoint.h"

#include <math.h>
#include <unistd.h>

#include "test.h"

enum { STEPS = 7 };
static struct wm_error err;
static char dir[] = "/tmp/wm-checkpoint-XXXXXX";
#define OPTIONS WM_STR("{\"batch\":\"8\",\"learning_rate\":\"0.001\",\"seed\":\"1\"}")
#define STATE WM_STR("{\"best\":4}")

static struct wm_model_config config(void)
{
    return wm_model_config_usual(WM_ARCH_GPT2, 2, 3, 12, 16, 30);
}

static struct wm_checkpoint_head example(void)
{
    return (struct wm_checkpoint_head){
        .identity = {1, 2},
        .tokenizer = {3, 4},
        .shards = {5, 6},
        .config = config(),
        .step = STEPS,
        .sample = STEPS * 8,
        .n_steps = 20,
        .n_averaged = 3,
    };
}

/* A model, its optimiser and a history, every number of them `salt`ed: any bits, NaNs too. */
static struct wm_checkpoint_content new_content(struct wm_team *team, enum wm_optimizer_kind kind,
                                                unsigned salt)
{
    const struct wm_optimizer_config how = {.kind = kind, .average = true};
    const struct wm_model_config sizes = config();
    struct wm_checkpoint_content c = {.options = OPTIONS, .state = STATE};
    struct wm_history *history = calloc(1, sizeof *history);
    CHECK_OK(wm_model_new(&sizes, 1, true, team, &c.model, &err), err);
    CHECK_OK(wm_optimizer_new(&how, c.model, &c.optimizer, &err), err);
    if (!history || wm_history_init(history, 20, &err))
        exit(1);
    c.history = history;
    struct wm_checkpoint_cursor cursor = {0};
    struct wm_checkpoint_array array;
    while (wm_checkpoint_next(&c.model->layout, &how, &c, &cursor, &array))
        for (uint64_t i = 0; i < array.n; i++) {
            uint32_t bits = (uint32_t)(i + ++salt) * 2654435761u;
            memcpy((float *)array.at + i, &bits, sizeof bits);
        }
    for (int i = 0; i < STEPS; i++)
        history->steps[i] =
            (struct wm_step_metrics){i + 0.25, 1.0 / (i + 1), i == 6 ? 2.5 : (double)NAN};
    return c;
}

static void free_content(struct wm_checkpoint_content *c)
{
    wm_optimizer_free(c->optimizer);
    wm_model_free(c->model);
    wm_history_done(c->history);
    free(c->history);
}

static void same_arrays(const struct wm_checkpoint_content *a,
                        const struct wm_checkpoint_content *b)
{
    struct wm_checkpoint_cursor at_a = {0}, at_b = {0};
    struct wm_checkpoint_array x, y;
    unsigned n = 0;
    while (wm_checkpoint_next(&a->model->layout, &a->optimizer->config, a, &at_a, &x)) {
        CHECK(wm_checkpoint_next(&b->model->layout, &b->optimizer->config, b, &at_b, &y));
        CHECK_(x.dtype == y.dtype && !memcmp(x.at, y.at, wm_weight_bytes(x.dtype, x.n)), "%s of %s",
               x.slot, x.tensor);
        n++;
    }
    CHECK(n > 4 * 20);
}

static void check_round_trip(struct wm_team *team, const struct wm_checkpoint_content *content)
{
    const struct wm_checkpoint_head head = example();
    char path[WM_PATH_MAX];
    CHECK_OK(wm_checkpoint_path(path, dir, STEPS, &err), err);
    CHECK(strstr(path, "/checkpoint-00000007.ckpt") != NULL);
    CHECK_OK(wm_checkpoint_save(path, &head, content, &err), err);

    struct wm_checkpoint_content other = new_content(team, WM_OPTIMIZER_MUON, 77);
    struct wm_checkpoint c;
    CHECK_OK(wm_checkpoint_open(path, &c, &err), err);
    CHECK_OK(wm_checkpoint_match(&c, &head, OPTIONS, &err), err);
    CHECK(XXH128_isEqual(c.head.identity, head.identity));
    CHECK(XXH128_isEqual(c.head.tokenizer, head.tokenizer));
    CHECK(XXH128_isEqual(c.head.shards, head.shards));
    CHECK_U64(c.head.step, STEPS);
    CHECK_U64(c.head.sample, STEPS * 8);
    CHECK_U64(c.head.n_steps, 20);
    const uint64_t most =
        wm_checkpoint_bytes(&content->model->layout, &content->optimizer->config, STEPS);
    CHECK(c.map.len <= most && c.map.len + 2048 > most);
    CHECK_STR(c.options, OPTIONS);
    CHECK_STR(c.state, STATE);
    CHECK_OK(wm_checkpoint_restore(&c, &other, &err), err);
    same_arrays(content, &other);
    CHECK_U64(other.history->n, STEPS);
    CHECK_U64(other.optimizer->n_averaged, 3);
    const struct wm_step_metrics *steps = other.history->steps;
    CHECK(steps[3].loss == 3.25 && steps[3].grad_norm == 1.0 / 4);
    CHECK(isnan(steps[3].validation) && steps[6].validation == 2.5);
    free_content(&other);

    other = new_content(team, WM_OPTIMIZER_ADAMW, 1); /* wants m and v for matrices too */
    CHECK_FAILS(wm_checkpoint_restore(&c, &other, &err), WM_E_MISMATCH, err, "lacks the m of");
    free_content(&other);
    wm_checkpoint_close(&c);
}

/* Flip a bit of every byte of the head and of many behind it, cut anywhere: nothing passes. */
static void check_damage(void)
{
    char path[WM_PATH_MAX];
    struct wm_buf file;
    struct wm_checkpoint c;
    wm_buf_init(&file, 1 << 20);
    CHECK_OK(wm_checkpoint_path(path, dir, STEPS, &err), err);
    CHECK_OK(wm_file_load(path, &file, &err), err);
    unsigned passed = 0;
    for (size_t i = 0; i < file.len; i += i < 4096 ? 1 : 13) {
        file.ptr[i] ^= (char)(1 << (i % 8));
        passed += wm_checkpoint_parse(wm_buf_str(&file), &c, &err) == 0;
        file.ptr[i] ^= (char)(1 << (i % 8));
    }
    for (size_t len = 0; len < file.len; len += len < 4096 ? 1 : 13)
        passed += wm_checkpoint_parse((struct wm_str){file.ptr, len}, &c, &err) == 0;
    CHECK_U64(passed, 0);
    CHECK_OK(wm_checkpoint_parse(wm_buf_str(&file), &c, &err), err);
    file.ptr[8] = 4;
    CHECK_FAILS(wm_checkpoint_parse(wm_buf_str(&file), &c, &err), WM_E_FORMAT, err, "checksum");
    XXH128_canonical_t hash;
    XXH128_canonicalFromHash(&hash, XXH3_128bits(file.ptr, file.len - sizeof hash));
    memcpy(file.ptr + file.len - sizeof hash, &hash, sizeof hash);
    CHECK_FAILS(wm_checkpoint_parse(wm_buf_str(&file), &c, &err), WM_E_MISMATCH, err, "version 4");
    file.ptr[0] = 'w';
    CHECK_FAILS(wm_checkpoint_parse(wm_buf_str(&file), &c, &err), WM_E_FORMAT, err,
                "not a checkpoint");
    wm_buf_done(&file);
}

/* An array's type is part of what must fit. */
static void check_dtypes(struct wm_team *team)
{
    enum { DTYPE = WM_CHECKPOINT_NAME + WM_CHECKPOINT_SLOT };
    struct wm_checkpoint_content other = new_content(team, WM_OPTIMIZER_MUON, 77);
    char path[WM_PATH_MAX];
    struct wm_buf file;
    struct wm_checkpoint c;
    XXH128_canonical_t hash;
    wm_buf_init(&file, 1 << 20);
    CHECK_OK(wm_checkpoint_path(path, dir, STEPS, &err), err);
    CHECK_OK(wm_file_load(path, &file, &err), err);
    CHECK_OK(wm_checkpoint_parse(wm_buf_str(&file), &c, &err), err);
    char *dtype = file.ptr + (c.directory.ptr - file.ptr) + DTYPE;
    for (char value = 0; value < 4; value++) {
        *dtype = value;
        XXH128_canonicalFromHash(&hash, XXH3_128bits(file.ptr, file.len - sizeof hash));
        memcpy(file.ptr + file.len - sizeof hash, &hash, sizeof hash);
        const int status = wm_checkpoint_parse(wm_buf_str(&file), &c, &err);
        if (value > WM_WEIGHT_BF16)
            CHECK_FAILS(status, WM_E_FORMAT, err, "directory");
        else if (value == WM_WEIGHT_F32)
            CHECK_OK(wm_checkpoint_restore(&c, &other, &err), err);
        else
            CHECK_FAILS(wm_checkpoint_restore(&c, &other, &err), WM_E_MISMATCH, err,
                        value == WM_WEIGHT_F16 ? "is f16, the model's is f32"
                                               : "is bf16, the model's is f32");
    }
    wm_buf_done(&file);
    free_content(&other);
}

static void check_match(void)
{
    struct wm_checkpoint_head head = example();
    struct wm_checkpoint c = {.head = head, .options = OPTIONS};
    CHECK_OK(wm_checkpoint_match(&c, &head, OPTIONS, &err), err);
    head.step = 99; /* where it stands does not matter */
    CHECK_OK(wm_checkpoint_match(&c, &head, OPTIONS, &err), err);
    head.config.n_embd = 24;
    CHECK_FAILS(wm_checkpoint_match(&c, &head, OPTIONS, &err), WM_E_MISMATCH, err,
                "width 12, this one has 24");
    head = example();
    head.tokenizer.low64 = 9;
    CHECK_FAILS(wm_checkpoint_match(&c, &head, OPTIONS, &err), WM_E_MISMATCH, err,
                "tokenizer 0000000000000004");
    head = example();
    struct wm_str other = WM_STR("{\"batch\":\"8\",\"learning_rate\":\"0.002\",\"seed\":\"1\"}");
    CHECK_FAILS(wm_checkpoint_match(&c, &head, other, &err), WM_E_MISMATCH, err,
                "learning_rate \"0.001\", this one has \"0.002\"");
    CHECK_FAILS(wm_checkpoint_match(&c, &head, WM_STR("{}"), &err), WM_E_MISMATCH, err,
                "other options");
    head.shards.high64 = 0;
    CHECK_FAILS(wm_checkpoint_match(&c, &head, OPTIONS, &err), WM_E_MISMATCH, err, "shards");
    head = example();
    head.n_steps = 21;
    CHECK_FAILS(wm_checkpoint_match(&c, &head, OPTIONS, &err), WM_E_MISMATCH, err,
                "steps 20, this one has 21");
}

static void check_list(const struct wm_checkpoint_content *content)
{
    struct wm_checkpoint_head head = example();
    char path[WM_PATH_MAX];
    uint64_t *steps;
    size_t n;
    for (head.step = 1; head.step <= 5; head.step++) {
        CHECK_OK(wm_checkpoint_path(path, dir, head.step, &err), err);
        CHECK_OK(wm_checkpoint_save(path, &head, content, &err), err);
    }
    CHECK_OK(wm_path_join(path, dir, "checkpoint-x.ckpt", &err), err);
    CHECK_OK(wm_file_store(path, WM_STR("not one of ours"), &err), err);
    CHECK_OK(wm_checkpoint_list(dir, &steps, &n, &err), err);
    CHECK_U64(n, 6);
    CHECK(n == 6 && steps[0] == 1 && steps[5] == 7);
    free(steps);
    CHECK_OK(wm_checkpoint_prune(dir, 2, &err), err);
    CHECK_OK(wm_checkpoint_list(dir, &steps, &n, &err), err);
    CHECK(n == 2 && steps[0] == 5 && steps[1] == 7);
    free(steps);
    CHECK(wm_exists(path));
    CHECK_OK(wm_checkpoint_list("/tmp/wm-there-is-no-such-directory", &steps, &n, &err), err);
    CHECK_U64(n, 0);
    free(steps);
}

int main(void)
{
    struct wm_team *team = NULL;
    if (!mkdtemp(dir))
        SKIP("cannot make a directory in /tmp");
    CHECK_OK(wm_team_new(1, &team, &err), err);
    struct wm_checkpoint_content content = new_content(team, WM_OPTIMIZER_MUON, 1);
    check_round_trip(team, &content);
    check_damage();
    check_dtypes(team);
    check_match();
    check_list(&content);
    free_content(&content);
    wm_team_free(team);
    CHECK_OK(wm_remove_tree(dir, &err), err);
    return test_summary();
}
