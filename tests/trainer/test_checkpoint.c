/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints come back bit for bit; every damaged byte is noticed; what does not belong together
 * is named. */
#include "trainer/checkpoint.h"

#include <math.h>
#include <unistd.h>

#include "test.h"

enum { N = 1000, STEPS = 7 };
static struct wm_error err;
static char dir[] = "/tmp/wm-checkpoint-XXXXXX";
#define OPTIONS WM_STR("{\"batch\":\"8\",\"learning_rate\":\"0.001\",\"seed\":\"1\"}")

static struct wm_checkpoint_head example(void)
{
    return (struct wm_checkpoint_head){
        .identity = {1, 2},
        .tokenizer = {3, 4},
        .shards = {5, 6},
        .config = {.n_layer = 2,
                   .n_head = 3,
                   .n_embd = 12,
                   .n_ctx = 16,
                   .vocabulary = 300,
                   .norm_epsilon = 1e-5F},
        .step = STEPS,
        .sample = STEPS * 8,
        .n_steps = 20,
        .n_params = N,
    };
}

static void fill(float *numbers, unsigned salt)
{
    for (unsigned i = 0; i < N; i++) {
        uint32_t bits = (i + salt) * 2654435761u; /* any bits, NaNs too */
        memcpy(&numbers[i], &bits, sizeof bits);
    }
}

static void check_round_trip(struct wm_model *model, struct wm_history *history)
{
    struct wm_checkpoint_head head = example();
    char path[WM_PATH_MAX];
    CHECK_OK(wm_checkpoint_save(dir, &head, OPTIONS, history, model, &err), err);
    CHECK_OK(wm_checkpoint_path(path, dir, STEPS, &err), err);
    CHECK(strstr(path, "/checkpoint-00000007.ckpt") != NULL);

    static float params[N], m[N], v[N];
    struct wm_step_metrics steps[STEPS];
    struct wm_model other = {.params = params, .m = m, .v = v, .n_params = N};
    struct wm_history past = {.steps = steps, .cap = STEPS};
    struct wm_checkpoint c;
    CHECK_OK(wm_checkpoint_open(path, &c, &err), err);
    CHECK(memcmp(&c.head.config, &head.config, sizeof head.config) == 0);
    CHECK(XXH128_isEqual(c.head.identity, head.identity));
    CHECK(XXH128_isEqual(c.head.tokenizer, head.tokenizer));
    CHECK(XXH128_isEqual(c.head.shards, head.shards));
    CHECK_U64(c.head.step, STEPS);
    CHECK_U64(c.head.sample, STEPS * 8);
    CHECK_U64(c.head.n_steps, 20);
    CHECK_U64(c.map.len, wm_checkpoint_bytes(N, STEPS, OPTIONS.len));
    CHECK_STR(c.options, OPTIONS);
    wm_checkpoint_restore(&c, &other, &past);
    wm_checkpoint_close(&c);
    CHECK(memcmp(params, model->params, sizeof params) == 0);
    CHECK(memcmp(m, model->m, sizeof m) == 0);
    CHECK(memcmp(v, model->v, sizeof v) == 0);
    CHECK_U64(past.n, STEPS);
    CHECK(past.steps[3].loss == 3.25 && past.steps[3].grad_norm == 1.0 / 4);
    CHECK(isnan(past.steps[3].validation) && past.steps[6].validation == 2.5);
}

/* Flip a bit of every byte, cut at every length: nothing passes. */
static void check_damage(void)
{
    char path[WM_PATH_MAX];
    struct wm_buf file;
    struct wm_checkpoint c;
    wm_buf_init(&file, 1 << 20);
    CHECK_OK(wm_checkpoint_path(path, dir, STEPS, &err), err);
    CHECK_OK(wm_file_load(path, &file, &err), err);
    unsigned passed = 0;
    for (size_t i = 0; i < file.len; i++) {
        file.ptr[i] ^= (char)(1 << (i % 8));
        passed += wm_checkpoint_parse(wm_buf_str(&file), &c, &err) == 0;
        file.ptr[i] ^= (char)(1 << (i % 8));
    }
    for (size_t len = 0; len < file.len; len++)
        passed += wm_checkpoint_parse((struct wm_str){file.ptr, len}, &c, &err) == 0;
    CHECK_U64(passed, 0);
    CHECK_OK(wm_checkpoint_parse(wm_buf_str(&file), &c, &err), err);
    file.ptr[8] = 2;
    CHECK_FAILS(wm_checkpoint_parse(wm_buf_str(&file), &c, &err), WM_E_MISMATCH, err, "version 2");
    file.ptr[0] = 'w';
    CHECK_FAILS(wm_checkpoint_parse(wm_buf_str(&file), &c, &err), WM_E_FORMAT, err,
                "not a checkpoint");
    wm_buf_done(&file);
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

static void check_list(struct wm_model *model, struct wm_history *history)
{
    struct wm_checkpoint_head head = example();
    char path[WM_PATH_MAX];
    uint64_t *steps;
    size_t n;
    for (head.step = 1; head.step <= 5; head.step++)
        CHECK_OK(wm_checkpoint_save(dir, &head, OPTIONS, history, model, &err), err);
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
    static float params[N], m[N], v[N];
    struct wm_step_metrics steps[STEPS];
    fill(params, 1);
    fill(m, 2000);
    fill(v, 4000);
    for (int i = 0; i < STEPS; i++)
        steps[i] = (struct wm_step_metrics){i + 0.25, 1.0 / (i + 1), i == 6 ? 2.5 : (double)NAN};
    struct wm_model model = {.params = params, .m = m, .v = v, .n_params = N};
    struct wm_history history = {steps, STEPS, STEPS};
    if (!mkdtemp(dir))
        SKIP("cannot make a directory in /tmp");
    check_round_trip(&model, &history);
    check_damage();
    check_match();
    check_list(&model, &history);
    CHECK_OK(wm_remove_tree(dir, &err), err);
    return test_summary();
}
