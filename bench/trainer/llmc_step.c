/* SPDX-License-Identifier: Apache-2.0 */
/* Whole training steps of GPT-2 in llm.c on random tokens, for bench/trainer.sh, which compiles this
 * with an llm.c checkout on the include path. It needs no file of weights.
 *
 *     llmc_step LAYERS HEADS WIDTH VOCABULARY CONTEXT BATCH
 *
 * The lines it writes and reads are those of bench/trainer_step.c. */
#define TESTING /* no main of its own */
#include "train_gpt2.c"

static double seconds(clockid_t clock)
{
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static unsigned long long peak_memory(void)
{
    char line[256];
    unsigned long long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = strtoull(line + 6, NULL, 10);
    if (f)
        (void)fclose(f);
    return kib * 1024;
}

static unsigned next_random(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* As gpt2_build_from_checkpoint, but for the file. */
static void build(GPT2 *model, char **sizes)
{
    unsigned state = 1;
    *model = (GPT2){.config = {.num_layers = atoi(sizes[0]),
                               .num_heads = atoi(sizes[1]),
                               .channels = atoi(sizes[2]),
                               .vocab_size = atoi(sizes[3]),
                               .padded_vocab_size = (atoi(sizes[3]) + 127) / 128 * 128,
                               .max_seq_len = atoi(sizes[4])},
                    .mean_loss = -1};
    fill_in_parameter_sizes(model->param_sizes, model->config);
    for (int i = 0; i < NUM_PARAMETER_TENSORS; i++)
        model->num_parameters += model->param_sizes[i];
    model->params_memory = malloc_and_point_parameters(&model->params, model->param_sizes);
    for (size_t i = 0; i < model->num_parameters; i++) /* uniform, deviation 0.02 */
        model->params_memory[i] = ((float)next_random(&state) * 0x1p-23f - 1) * 0.0346f;
    for (int i = 0; i < model->config.num_layers * model->config.channels; i++)
        model->params.ln1w[i] = model->params.ln2w[i] = 1;
    for (int i = 0; i < model->config.channels; i++)
        model->params.lnfw[i] = 1;
}

int main(int argc, char **argv)
{
    GPT2 model;
    char line[128];
    unsigned state = 2;
    if (argc != 7)
        return 2;
    build(&model, argv + 1);
    const int batch = atoi(argv[6]), context = model.config.max_seq_len;
    int *ids = malloc(((size_t)batch * context + 1) * sizeof *ids), step = 0;
    for (int i = 0; i <= batch * context; i++)
        ids[i] = (int)(next_random(&state) % (unsigned)model.config.vocab_size);
    printf("llm.c=%d parameters=%zu\n", omp_get_max_threads(), model.num_parameters);
    (void)fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        const double begin = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
        for (int n = atoi(line); n > 0; n--) {
            gpt2_forward(&model, ids, ids + 1, (size_t)batch, (size_t)context);
            gpt2_zero_grad(&model);
            gpt2_backward(&model);
            gpt2_update(&model, 3e-4f, 0.9f, 0.95f, 1e-8f, 0.1f, ++step);
        }
        printf("%.6f %.6f %.5f %llu 0 0\n", seconds(CLOCK_MONOTONIC) - begin,
               seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu, model.mean_loss, peak_memory());
        (void)fflush(stdout);
    }
    gpt2_free(&model);
    free(ids);
    return 0;
}
