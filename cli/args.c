/* SPDX-License-Identifier: Apache-2.0 */
/* Options as GNU long options, from the tables: --name value, --name=value, --flag, --no-flag. */
#include <stdlib.h>

#include "cli/cli.h"

enum { NAMES_MAX = 256 };

static const char *const log_formats[] = {"text", "json", NULL};
static const char *const progress_choices[] = {"auto", "always", "never", NULL};

#define T struct cli_common
const struct wm_option cli_common_table[] = {
    WM_BOOL(T, help, 0, "show this help"),
    WM_BOOL(T, quiet, 0, "print errors only"),
    WM_CHOICE(T, log_format, log_formats, 0, "messages on stderr as text or JSON lines"),
    WM_CHOICE(T, progress, progress_choices, 0, "show progress: auto = on a terminal"),
    {0},
};
#undef T

char cli_short(const char *name)
{
    static const struct {
        char letter;
        const char *name;
    } letters[] = {{'j', "jobs"},   {'o', "output"},    {'n', "count"},
                   {'q', "quiet"},  {'h', "help"},      {'s', "stage"},
                   {'m', "memory"}, {'t', "tokenizer"}, {'r', "root"}};
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
        if (strcmp(letters[i].name, name) == 0)
            return letters[i].letter;
    return 0;
}

bool cli_was_given(const struct cli *cli, const char *name)
{
    for (size_t i = 0; i < cli->n_given; i++)
        if (strcmp(cli->given[i]->name, name) == 0)
            return true;
    return false;
}

struct parser {
    struct cli *cli;
    struct cli_binding bindings[CLI_TABLES_MAX + 1];
    size_t n_bindings;
};

static const struct wm_option *find(const struct parser *p, struct wm_str name, void **target)
{
    for (size_t b = 0; b < p->n_bindings; b++) {
        const struct wm_option *o = wm_option_find(p->bindings[b].table, name);
        if (o) {
            *target = p->bindings[b].target;
            return o;
        }
    }
    return NULL;
}

static const struct wm_option *find_short(const struct parser *p, char letter, void **target)
{
    for (size_t b = 0; b < p->n_bindings; b++)
        for (const struct wm_option *o = p->bindings[b].table; o->name; o++)
            if (cli_short(o->name) == letter) {
                *target = p->bindings[b].target;
                return o;
            }
    return NULL;
}

static int unknown(const struct parser *p, struct wm_str name, struct wm_error *err)
{
    const char *names[NAMES_MAX];
    size_t n = 0;
    for (size_t b = 0; b < p->n_bindings; b++)
        for (const struct wm_option *o = p->bindings[b].table; o->name && n < NAMES_MAX; o++)
            names[n++] = o->name;
    char flat[64];
    size_t len = name.len < sizeof flat - 1 ? name.len : sizeof flat - 1;
    for (size_t i = 0; i < len; i++)
        flat[i] = name.ptr[i] == '-' ? '_' : name.ptr[i];
    const char *nearest = wm_nearest((struct wm_str){flat, len}, names, n);
    wm_fail(err, WM_E_CONFIG, "unknown option --%.*s", (int)name.len, name.ptr);
    if (nearest) {
        char dashed[64] = {0};
        for (size_t i = 0; nearest[i] && i < sizeof dashed - 1; i++)
            dashed[i] = nearest[i] == '_' ? '-' : nearest[i];
        return wm_error_hint(err, "did you mean --%s?", dashed);
    }
    return wm_error_hint(err, "see wetmill %s --help", p->cli->command->name);
}

static int store(struct parser *p, const struct wm_option *o, void *target, struct wm_str value,
                 struct wm_error *err)
{
    struct wm_arena *arena = &p->cli->run.arena;
    if (p->cli->n_given < CLI_GIVEN_MAX && !cli_was_given(p->cli, o->name))
        p->cli->given[p->cli->n_given++] = o;
    if (o->type == WM_OPTION_LIST || o->type == WM_OPTION_PATHS)
        return wm_option_append(o, target, value, arena, err);
    return wm_option_set(o, target, value, arena, err);
}

static int parse_long(struct parser *p, int argc, char **argv, int *at, struct wm_error *err)
{
    const char *arg = argv[*at] + 2;
    const char *equals = strchr(arg, '=');
    struct wm_str name = {arg, equals ? (size_t)(equals - arg) : strlen(arg)};
    void *target = NULL;
    const struct wm_option *o = find(p, name, &target);
    if (!o && !equals && wm_str_starts(name, WM_STR("no-"))) {
        o = find(p, (struct wm_str){name.ptr + 3, name.len - 3}, &target);
        if (o && o->type == WM_OPTION_BOOL)
            return store(p, o, target, WM_STR("false"), err);
        o = NULL;
    }
    if (!o)
        return unknown(p, name, err);
    if (equals)
        return store(p, o, target, wm_str_of(equals + 1), err);
    if (o->type == WM_OPTION_BOOL)
        return store(p, o, target, WM_STR("true"), err);
    if (*at + 1 >= argc)
        return wm_fail(err, WM_E_CONFIG, "--%.*s wants a value", (int)name.len, name.ptr);
    return store(p, o, target, wm_str_of(argv[++*at]), err);
}

/* -j2, -j 2, and bundles of flags: -qh */
static int parse_short(struct parser *p, int argc, char **argv, int *at, struct wm_error *err)
{
    for (const char *c = argv[*at] + 1; *c; c++) {
        void *target = NULL;
        const struct wm_option *o = find_short(p, *c, &target);
        if (!o) {
            wm_fail(err, WM_E_CONFIG, "unknown option -%c", *c);
            return wm_error_hint(err, "see wetmill %s --help", p->cli->command->name);
        }
        if (o->type == WM_OPTION_BOOL) {
            int status = store(p, o, target, WM_STR("true"), err);
            if (status)
                return status;
            continue;
        }
        if (c[1])
            return store(p, o, target, wm_str_of(c + 1), err);
        if (*at + 1 >= argc)
            return wm_fail(err, WM_E_CONFIG, "-%c wants a value", *c);
        return store(p, o, target, wm_str_of(argv[++*at]), err);
    }
    return 0;
}

static int check_operands(const struct cli *cli, struct wm_error *err)
{
    const struct cli_command *c = cli->command;
    if (cli->n_operands < c->min_operands)
        wm_fail(err, WM_E_CONFIG, "%s wants %s", c->name, c->operands);
    else if (cli->n_operands > c->max_operands)
        wm_fail(err, WM_E_CONFIG, "%s takes no \"%s\"", c->name, cli->operands[c->max_operands]);
    else
        return 0;
    return wm_error_hint(err, "see wetmill %s --help", c->name);
}

int cli_parse(struct cli *cli, int argc, char **argv, struct wm_error *err)
{
    struct parser p = {.cli = cli};
    wm_options_default(cli_common_table, &cli->common);
    p.n_bindings = cli->command->bind ? cli->command->bind(cli, p.bindings) : 0;
    for (size_t b = 0; b < p.n_bindings; b++)
        wm_options_default(p.bindings[b].table, p.bindings[b].target);
    p.bindings[p.n_bindings++] = (struct cli_binding){cli_common_table, &cli->common};
    cli->operands = wm_arena_alloc(&cli->run.arena, (size_t)argc + 1, sizeof *cli->operands);
    if (!cli->operands)
        return wm_fail_nomem(err, (size_t)argc * sizeof *cli->operands, "command line");
    bool only_operands = false;
    for (int at = 0; at < argc; at++) {
        int status = 0;
        if (only_operands || argv[at][0] != '-' || !argv[at][1])
            cli->operands[cli->n_operands++] = argv[at];
        else if (strcmp(argv[at], "--") == 0)
            only_operands = true;
        else
            status = argv[at][1] == '-' ? parse_long(&p, argc, argv, &at, err)
                                        : parse_short(&p, argc, argv, &at, err);
        if (status)
            return status;
    }
    return cli->common.help ? 0 : check_operands(cli, err);
}
