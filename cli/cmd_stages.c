/* SPDX-License-Identifier: Apache-2.0 */
/* wetmill stages: the catalogue. */
#include "cli/cli.h"

static void print_names(const char *label, const char *const *names)
{
    if (!names || !names[0])
        return;
    (void)printf("\n%s:", label);
    for (size_t i = 0; names[i]; i++)
        (void)printf("%s %s", i ? "," : "", names[i]);
    (void)putchar('\n');
}

static void print_stage(const struct wm_stage *s)
{
    (void)printf("%s (version %u): %s\n\nOptions:\n", s->name, s->version, s->summary);
    if (s->options)
        cli_print_options(s->options, stdout);
    print_names("Reads columns", s->reads);
    if (s->writes && s->writes[0].name) {
        (void)printf("\nSets columns:");
        for (size_t i = 0; s->writes[i].name; i++)
            (void)printf("%s %s", i ? "," : "", s->writes[i].name);
        (void)putchar('\n');
    }
    print_names("Drops documents as", s->reasons);
}

static int run(struct cli *cli)
{
    struct wm_error err = {0};
    if (!cli->n_operands) {
        for (size_t i = 0; wm_stages[i]; i++)
            (void)printf("%-18s %s\n", wm_stages[i]->name, wm_stages[i]->summary);
        (void)printf("%-18s %s (the last stage; added if absent)\n", wm_sink_jsonl.name,
                     wm_sink_jsonl.summary);
        return CLI_OK;
    }
    const struct wm_stage *stage = wm_stage_find(wm_str_of(cli->operands[0]));
    if (stage) {
        print_stage(stage);
        return CLI_OK;
    }
    if (strcmp(cli->operands[0], wm_sink_jsonl.name) == 0) {
        (void)printf("%s (version %u): %s\n\nOptions:\n", wm_sink_jsonl.name, wm_sink_jsonl.version,
                     wm_sink_jsonl.summary);
        cli_print_options(wm_sink_jsonl.options, stdout);
        return CLI_OK;
    }
    const char *names[256];
    size_t n = 0;
    while (wm_stages[n] && n < 256) {
        names[n] = wm_stages[n]->name;
        n++;
    }
    wm_fail(&err, WM_E_CONFIG, "there is no stage \"%s\"", cli->operands[0]);
    const char *nearest = wm_nearest(wm_str_of(cli->operands[0]), names, n);
    if (nearest)
        (void)wm_error_hint(&err, "did you mean \"%s\"?", nearest);
    else
        (void)wm_error_hint(&err, "wetmill stages lists them");
    return cli_fail(cli, &err);
}

const struct cli_command cli_command_stages = {
    .name = "stages",
    .summary = "list the stages, or the options of one",
    .operands = "[NAME]",
    .examples = "  wetmill stages\n  wetmill stages paragraph-dedup",
    .min_operands = 0,
    .max_operands = 1,
    .run = run,
};
