/* SPDX-License-Identifier: Apache-2.0 */
/* wetmill: from crawl archives to a trained language model. */
#include <locale.h>
#include <stdlib.h>
#ifdef __GLIBC__
#    include <malloc.h>
#endif

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

static bool any_in_group(const char *words)
{
    bool any = false;
    for (size_t i = 0; cli_commands[i]; i++)
        any |= cli_in_group(cli_commands[i], words);
    return any;
}

enum { GROUP_MAX = 64 };

/* The longest run of first words that names a group, "corpus hashes", joined in `group`: how many. */
static int match_group(int argc, char **argv, char group[GROUP_MAX])
{
    char joined[GROUP_MAX] = "";
    size_t len = 0;
    *group = '\0';
    for (int i = 0; i < argc; i++) {
        int n = snprintf(joined + len, sizeof joined - len, "%s%s", i ? " " : "", argv[i]);
        if (n < 0 || (size_t)n >= sizeof joined - len || !any_in_group(joined))
            return i;
        len += (size_t)n;
        memcpy(group, joined, len + 1);
    }
    return argc;
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* No such command: say which there are, or which one was meant. */
static int unknown_command(int argc, char **argv)
{
    const char *names[64];
    size_t n = 0;
    while (cli_commands[n] && n < sizeof names / sizeof *names) {
        names[n] = cli_commands[n]->name;
        n++;
    }
    char group[GROUP_MAX], both[128];
    int words = match_group(argc, argv, group);
    const char *next = argc > words && argv[words][0] != '-' ? argv[words] : "";
    const char *second = !words && argc > 1 && argv[1][0] != '-' ? argv[1] : "";
    (void)snprintf(both, sizeof both, "%s%s%s%s%s", group, words && *next ? " " : "", next,
                   *second ? " " : "", second);
    struct cli cli = {0};
    struct wm_error err = {0};
    if (words && !*next) {
        wm_fail(&err, WM_E_CONFIG, "\"%s\" wants a %s word", group, words > 1 ? "third" : "second");
        (void)wm_error_hint(&err, "wetmill %s --help lists them", group);
        return cli_fail(&cli, &err);
    }
    wm_fail(&err, WM_E_CONFIG, "there is no command \"%s\"", words ? both : argv[0]);
    const char *nearest = wm_nearest(wm_str_of(both), names, n);
    if (!nearest && !words)
        nearest = wm_nearest(wm_str_of(argv[0]), names, n);
    if (nearest)
        (void)wm_error_hint(&err, "did you mean \"%s\"?", nearest);
    else
        (void)wm_error_hint(&err, "wetmill %s%s--help lists the commands", group, words ? " " : "");
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

/* Large blocks go back to the system when they are freed. Left to itself glibc soon takes them for
 * usual and keeps them in pools, one a thread: a quarter more memory, and another amount each time,
 * for no speed, because what is large here lives long. */
static void settle_memory(void)
{
#ifdef __GLIBC__
    enum { LARGE = 1 << 20 };
    (void)mallopt(M_MMAP_THRESHOLD, LARGE);
#endif
}

/* Also of what stands above all commands it must be known whether it could be written. */
static int finish(int code)
{
    struct cli cli = {0};
    return cli_finish(&cli, code);
}

int main(int argc, char **argv)
{
    settle_memory();
    (void)setlocale(LC_ALL, "C"); /* numbers and case never depend on the user's locale */
    wm_map_guard();
    if (argc < 2) {
        cli_overview(stderr);
        return CLI_USAGE;
    }
    if (is_help(argv[1]) || (strcmp(argv[1], "help") == 0 && argc == 2)) {
        cli_overview(stdout);
        return finish(CLI_OK);
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        cli_version(stdout);
        return finish(CLI_OK);
    }
    if (strcmp(argv[1], "--generate") == 0 && argc == 3)
        return finish(cli_generate(argv[2], stdout));
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
    char group[GROUP_MAX];
    int words = match_group(argc - skip, argv + skip, group);
    if (words && (words == argc - skip ? help : is_help(argv[skip + words]))) {
        cli_group(group, stdout);
        return finish(CLI_OK);
    }
    return unknown_command(argc - skip, argv + skip);
}
