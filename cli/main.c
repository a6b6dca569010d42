/* SPDX-License-Identifier: Apache-2.0 */
/* wetmill: from crawl archives to a trained language model. */
#include <locale.h>
#include <stdlib.h>

#include "cli/cli.h"

#define CLI_COMMAND(name) extern const struct cli_command cli_command_##name;
#include "cli/commands.def"
#undef CLI_COMMAND

const struct cli_command *const cli_commands[] = {
#define CLI_COMMAND(name) &cli_command_##name,
#include "cli/commands.def"
#undef CLI_COMMAND
    NULL,
};

/* Words of argv that a command's name takes, or 0: "corpus build" takes two. */
static int match(const struct cli_command *command, int argc, char **argv)
{
    struct wm_str rest = wm_str_of(command->name);
    int words = 0;
    while (rest.len) {
        const char *space = memchr(rest.ptr, ' ', rest.len);
        size_t len = space ? (size_t)(space - rest.ptr) : rest.len;
        if (words >= argc || !wm_str_eq(wm_str_of(argv[words]), (struct wm_str){rest.ptr, len}))
            return 0;
        words++;
        rest.ptr += len + (space != NULL);
        rest.len -= len + (space != NULL);
    }
    return words;
}

/* No such command: say which there are, or which one was meant. */
static int unknown_command(int argc, char **argv)
{
    const char *names[64];
    size_t n = 0;
    char typed[128];
    bool group = false;
    for (size_t i = 0; cli_commands[i] && n < 64; i++) {
        names[n++] = cli_commands[i]->name;
        size_t len = strlen(argv[0]);
        group |=
            strncmp(cli_commands[i]->name, argv[0], len) == 0 && cli_commands[i]->name[len] == ' ';
    }
    (void)snprintf(typed, sizeof typed, "%s%s%s", argv[0], group && argc > 1 ? " " : "",
                   group && argc > 1 ? argv[1] : "");
    struct wm_error err = {0};
    wm_fail(&err, WM_E_CONFIG,
            group && argc < 2 ? "\"%s\" wants a second word" : "there is no command \"%s\"", typed);
    const char *nearest = wm_nearest(wm_str_of(typed), names, n);
    if (nearest)
        (void)wm_error_hint(&err, "did you mean \"%s\"?", nearest);
    else
        (void)wm_error_hint(&err, "wetmill --help lists the commands");
    struct cli cli = {0};
    return cli_fail(&cli, &err);
}

static int run_command(const struct cli_command *command, int argc, char **argv)
{
    struct wm_error err = {0};
    struct wm_cancel cancel = {0};
    struct wm_progress progress;
    struct cli cli = {.command = command, .cancel = &cancel, .progress = &progress};
    wm_progress_init(&progress);
    int code;
    if (wm_run_init(&cli.run, &err) || cli_parse(&cli, argc, argv, &err)) {
        code = cli_fail(&cli, &err);
    } else if (cli.common.help) {
        cli_help(&cli, stdout);
        code = CLI_OK;
    } else {
        cli_signals(&cli);
        code = command->run(&cli);
    }
    code = cli_finish(&cli, code);
    wm_run_done(&cli.run);
    wm_run_done(&cli.file);
    wm_progress_done(&progress);
    return code;
}

int main(int argc, char **argv)
{
    (void)setlocale(LC_ALL, "C"); /* numbers and case never depend on the user's locale */
    if (argc < 2) {
        cli_overview(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        (strcmp(argv[1], "help") == 0 && argc == 2)) {
        cli_overview(stdout);
        return CLI_OK;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        cli_version(stdout);
        return CLI_OK;
    }
    if (strcmp(argv[1], "--generate") == 0 && argc == 3)
        return cli_generate(argv[2], stdout);
    bool help = strcmp(argv[1], "help") == 0;
    int skip = help ? 2 : 1;
    for (size_t i = 0; cli_commands[i]; i++) {
        int words = match(cli_commands[i], argc - skip, argv + skip);
        char *only_help[] = {(char[]){"--help"}};
        if (words && help)
            return run_command(cli_commands[i], 1, only_help);
        if (words)
            return run_command(cli_commands[i], argc - skip - words, argv + skip + words);
    }
    return unknown_command(argc - skip, argv + skip);
}
