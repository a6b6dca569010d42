/* SPDX-License-Identifier: Apache-2.0 */
/* What we export is read, and computes the same, in a program that shares no code with ours. */
#include <jansson.h>
#include <math.h>

#include "train_fixture.h"
#include "trainer/export.h"
#include "trainer/train_plan.h"
#include "wetmill/parallel.h"

enum { T = 17 };

/* log p(ids[i + 1] | ids[0 … i]) with our kernels. */
static void ours(struct wm_model *model, const uint32_t *ids, double logprobs[T - 1])
{
    uint32_t vocabulary = model->config.vocabulary;
    float *logits = malloc((size_t)(T - 1) * vocabulary * sizeof *logits);
    struct wm_lm_batch batch = {.b = 1, .t = T - 1, .inputs = ids, .targets = ids + 1};
    CHECK_OK(wm_model_logits(model, &batch, logits, &err), err);
    for (int t = 0; t < T - 1; t++) {
        const float *row = logits + (size_t)t * vocabulary;
        double sum = 0;
        for (uint32_t i = 0; i < vocabulary; i++)
            sum += exp((double)row[i] - (double)row[0]);
        logprobs[t] = (double)row[ids[t + 1]] - (double)row[0] - log(sum);
    }
    free(logits);
}

static json_t *theirs(const char *dir, const uint32_t *ids)
{
    char command[WM_PATH_MAX];
    int len = snprintf(command, sizeof command, "node '%s/tests/interop/read_safetensors.mjs' '%s'",
                       WM_SOURCE_DIR, dir);
    for (int i = 0; i < T; i++)
        len += snprintf(command + len, sizeof command - (size_t)len, " %u", (unsigned)ids[i]);
    FILE *pipe = popen(command, "r");
    json_t *said = pipe ? json_loadf(pipe, 0, NULL) : NULL;
    CHECK(pipe && pclose(pipe) == 0);
    return said;
}

static void compare(const char *dir, struct wm_model *model)
{
    uint32_t ids[T];
    double want[T - 1];
    struct wm_shard_set set;
    char hex[WM_HEX128];
    CHECK_OK(wm_shard_set_open(in_top("shards"), WM_VALIDATION, &set, &err), err);
    wm_shard_set_read(&set, 0, T, ids);
    wm_hex128(set.tokenizer, hex);
    wm_shard_set_close(&set);
    ours(model, ids, want);
    json_t *said = theirs(dir, ids), *logprobs = json_object_get(said, "logprobs");
    const char *identity =
        json_string_value(json_object_get(json_object_get(said, "metadata"), "wetmill.tokenizer"));
    CHECK_U64(json_array_size(logprobs), T - 1);
    for (size_t t = 0; t < json_array_size(logprobs) && t < T - 1; t++) {
        double got = json_real_value(json_array_get(logprobs, t));
        CHECK_(fabs(got - want[t]) < 1e-4, "position %zu: %.7f there, %.7f here", t, got, want[t]);
    }
    CHECK_U64(json_integer_value(json_object_get(said, "parameters")),
              wm_train_parameters(&model->config));
    CHECK(identity && strcmp(identity, hex) == 0);
    json_decref(said);
}

int main(void)
{
    struct wm_train_options options;
    struct wm_train_result result;
    struct wm_weights_notes notes;
    struct wm_team *team = NULL;
    struct wm_model *model = NULL;
    if (system("node --version >/dev/null 2>&1") != 0)
        SKIP("there is no node");
    make_top("interop");
    make_shards(in_top("shards"), 60, 300);
    options = small_options();
    options.learning_rate = 0.01;
    struct wm_train_job job = {.options = &options,
                               .shards = in_top("shards"),
                               .out = in_top("model"),
                               .work = in_top("work")};
    CHECK_OK(wm_train(&job, &result, &err), err);
    CHECK_OK(wm_team_new(1, &team, &err), err);
    CHECK_OK(wm_export_load(in_top("model"), 1, 0, team, &model, &notes, &err), err);
    if (model)
        compare(in_top("model"), model);
    wm_model_free(model);
    wm_team_free(team);
    remove_top();
    return test_summary();
}
