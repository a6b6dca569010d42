/* SPDX-License-Identifier: Apache-2.0 */
/* A model that PyTorch saved loads and starts at the loss its manifest gives. */
#include <jansson.h>
#include <math.h>

#include "test.h"
#include "trainer/export.h"
#include "wetmill/parallel.h"

enum { B = 4, T = 32 };
static struct wm_error err;

/* The first B × T numbers of an int32 .npy file. */
static bool read_npy(const char *path, int32_t numbers[B * T])
{
    unsigned char head[10];
    FILE *f = fopen(path, "rb");
    bool good = f && fread(head, 1, sizeof head, f) == sizeof head &&
                fseek(f, (long)(sizeof head + head[8] + 256u * head[9]), SEEK_SET) == 0 &&
                fread(numbers, sizeof *numbers, B * T, f) == B * T;
    if (f)
        (void)fclose(f);
    return good;
}

static double loss(struct wm_model *model, const int32_t *in, const int32_t *out)
{
    uint32_t inputs[T], targets[T];
    float weights[T];
    double nll = 0, sum = 0, n = 0;
    for (int b = 0; b < B; b++) {
        for (int t = 0; t < T; t++) {
            int at = b * T + t;
            inputs[t] = (uint32_t)in[at];
            targets[t] = out[at] < 0 ? 0 : (uint32_t)out[at];
            weights[t] = out[at] < 0 ? 0.0F : 1.0F;
            n += out[at] >= 0;
        }
        struct wm_lm_batch batch = {
            .b = 1, .t = T, .inputs = inputs, .targets = targets, .weights = weights};
        CHECK_OK(wm_model_loss(model, &batch, &nll, &err), err);
        sum += nll;
    }
    return sum / n;
}

int main(void)
{
    static int32_t in[B * T], out[B * T];
    char path[WM_PATH_MAX], dir[WM_PATH_MAX];
    (void)snprintf(dir, sizeof dir, "%s/transformer/gpt2_tiny", test_vectors());
    CHECK_OK(wm_path_join(path, dir, "manifest.json", &err), err);
    json_t *manifest = json_load_file(path, 0, NULL);
    if (!manifest)
        SKIP("there are no vectors at %s", dir);
    CHECK_OK(wm_path_join(path, dir, "inputs.npy", &err), err);
    CHECK(read_npy(path, in));
    CHECK_OK(wm_path_join(path, dir, "targets.npy", &err), err);
    CHECK(read_npy(path, out));

    struct wm_team *team = NULL;
    struct wm_model *model = NULL;
    struct wm_weights_notes notes;
    CHECK_OK(wm_team_new(2, &team, &err), err);
    CHECK_OK(wm_export_load(dir, 1, 0, team, &model, &notes, &err), err);
    if (model) {
        double want = json_real_value(json_object_get(manifest, "loss_f64"));
        double got = loss(model, in, out);
        CHECK(!notes.has_tokenizer);
        CHECK_(fabs(got - want) < 2e-6, "loss %.9f, want %.9f", got, want);
    }
    wm_model_free(model);
    wm_team_free(team);
    json_decref(manifest);
    return test_summary();
}
