/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/common/arguments.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void help(const char *program, const char *summary, const struct wm_option *table,
                 const void *defaults)
{
    (void)printf("%s: %s\n\n", program, summary);
    for (; table->type != WM_OPTION_END; table++) {
        struct wm_buf value;
        struct wm_error ignored;
        wm_buf_init(&value, 1 << 16);
        (void)wm_option_format(table, defaults, &value, &ignored);
        (void)printf("  --%-14s %s [%.*s]\n", table->name, table->help, (int)value.len,
                     value.len ? value.ptr : "");
        wm_buf_done(&value);
    }
}

static void refuse(const char *program, const char *what, const char *argument)
{
    (void)fprintf(stderr, "%s: %s%s; --help lists the options\n", program, what, argument);
    exit(2);
}

void arguments_read(int argc, char **argv, const char *summary, const struct wm_option *table,
                    void *target)
{
    static struct wm_arena arena;
    wm_arena_init(&arena, 1 << 20);
    wm_options_default(table, target);
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (strcmp(name, "--help") == 0) {
            help(argv[0], summary, table, target);
            exit(0);
        }
        const struct wm_option *option =
            strncmp(name, "--", 2) == 0 ? wm_option_find(table, wm_str_of(name + 2)) : NULL;
        struct wm_error err;
        if (!option)
            refuse(argv[0], "no such option: ", name);
        else if (option->type != WM_OPTION_BOOL && i + 1 == argc)
            refuse(argv[0], name, " wants a value");
        else if (wm_option_set(option, target,
                               wm_str_of(option->type == WM_OPTION_BOOL ? "on" : argv[++i]), &arena,
                               &err))
            refuse(argv[0], err.what, "");
    }
}

void arguments_help(int argc, char **argv, const char *arguments)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0) {
            (void)printf("usage: %s %s\n", argv[0], arguments);
            exit(0);
        }
}
