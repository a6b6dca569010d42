/* SPDX-License-Identifier: Apache-2.0 */
/* Help, from the same tables everything else is derived from. */
#include "cli/cli.h"
#include "wetmill/version.h"

/* As a configuration would say it: exactly. */
static void print_size(const struct wm_option *o, FILE *to)
{
    uint64_t bytes = (uint64_t)o->def;
    struct wm_option here = *o;
    struct wm_error err = {0};
    struct wm_buf text;
    wm_buf_init(&text, 256);
    here.offset = 0;
    if (!wm_option_format(&here, &bytes, &text, &err))
        (void)fprintf(to, " [%.*s]", (int)text.len, text.ptr);
    wm_buf_done(&text);
}

static void print_default(const struct wm_option *o, FILE *to)
{
    switch (o->type) {
    case WM_OPTION_REAL:
    case WM_OPTION_COUNT:
    case WM_OPTION_DURATION:
        (void)fprintf(to, " [%.15g]", o->def);
        break;
    case WM_OPTION_SIZE:
        if (o->def > 0)
            print_size(o, to);
        break;
    case WM_OPTION_CHOICE:
        (void)fprintf(to, " [%s]", o->choices[(int)o->def]);
        break;
    case WM_OPTION_BOOL:
        if (o->def > 0)
            (void)fputs(" [on]", to);
        break;
    default:
        if (o->def_text)
            (void)fprintf(to, " [%s]", o->def_text);
    }
}

/* What stands behind the name: <bytes>, r50k|cl100k|pattern, nothing for flags. */
static int print_value(const struct wm_option *o, char *text, size_t size)
{
    int n = 0;
    if (o->type == WM_OPTION_BOOL)
        return snprintf(text, size, "%s", "");
    if (o->type != WM_OPTION_CHOICE) {
        static const char *const kinds[] = {
            [WM_OPTION_TEXT] = "text",   [WM_OPTION_PATH] = "path", [WM_OPTION_LIST] = "text",
            [WM_OPTION_PATHS] = "path",  [WM_OPTION_SIZE] = "size", [WM_OPTION_DURATION] = "time",
            [WM_OPTION_REAL] = "number", [WM_OPTION_COUNT] = "n"};
        return snprintf(text, size, " <%s>", kinds[o->type]);
    }
    for (int i = 0; o->choices[i] && (size_t)n < size; i++)
        n += snprintf(text + n, size - (size_t)n, "%s%s", i ? "|" : " ", o->choices[i]);
    return n;
}

static void print_option(const struct wm_option *o, FILE *to)
{
    char value[128], head[192];
    (void)print_value(o, value, sizeof value);
    char letter = cli_short(o->name);
    int n = letter ? snprintf(head, sizeof head, "  -%c, --", letter)
                   : snprintf(head, sizeof head, "      --");
    for (const char *c = o->name; *c && (size_t)n < sizeof head - 1; c++)
        head[n++] = *c == '_' ? '-' : *c;
    (void)snprintf(head + n, sizeof head - (size_t)n, "%s", value);
    (void)fprintf(to, strlen(head) > 34 ? "%s\n%-36s" : "%-34s%s", head, "  ");
    (void)fputs(o->help, to);
    if (o->unit && *o->unit && o->type != WM_OPTION_SIZE && o->type != WM_OPTION_BOOL)
        (void)fprintf(to, " (%s)", o->unit);
    print_default(o, to);
    (void)fputc('\n', to);
}

void cli_print_options(const struct wm_option *table, FILE *to)
{
    for (const struct wm_option *o = table; o->name; o++)
        print_option(o, to);
}

bool cli_is_reached(const struct cli_binding *bindings, size_t b, const struct wm_option *option)
{
    for (size_t before = 0; before < b; before++)
        if (wm_option_find(bindings[before].table, wm_str_of(option->name)))
            return false;
    return true;
}

static void usage_line(const struct cli_command *c, FILE *to)
{
    (void)fprintf(to, "wetmill %s%s%s%s", c->name, c->bind ? " [options]" : "",
                  *c->operands ? " " : "", c->operands);
}

void cli_help(const struct cli *cli, FILE *to)
{
    const struct cli_command *c = cli->command;
    struct cli copy = *cli;
    struct cli_binding bindings[CLI_TABLES_MAX];
    size_t n = c->bind ? c->bind(&copy, bindings) : 0;
    (void)fprintf(to, "wetmill %s: %s\n\nExamples:\n%s\n\nUsage: ", c->name, c->summary,
                  c->examples);
    usage_line(c, to);
    (void)fputs("\n\nOptions:\n", to);
    for (size_t b = 0; b < n; b++)
        for (const struct wm_option *o = bindings[b].table; o->name; o++)
            if (cli_is_reached(bindings, b, o))
                print_option(o, to);
    cli_print_options(cli_common_table, to);
    if (c->notes)
        (void)fprintf(to, "\n%s\n", c->notes);
}

void cli_overview(FILE *to)
{
    (void)fputs("wetmill: from crawl archives to a trained language model\n\n"
                "Examples:\n"
                "  wetmill run samples/quickstart.yaml        crawl to model, resumable\n"
                "  wetmill corpus head out/quickstart/corpus  look at documents\n"
                "  wetmill generate out/quickstart/model \"The whale\"\n\n"
                "Commands:\n",
                to);
    for (size_t i = 0; cli_commands[i]; i++)
        (void)fprintf(to, "  %-20s %s\n", cli_commands[i]->name, cli_commands[i]->summary);
    (void)fputs(
        "\nwetmill COMMAND --help tells the options of one. --version names the libraries.\n", to);
}

bool cli_in_group(const struct cli_command *command, const char *words)
{
    size_t len = strlen(words);
    return strncmp(command->name, words, len) == 0 && command->name[len] == ' ';
}

void cli_group(const char *words, FILE *to)
{
    (void)fputs("Commands:\n", to);
    for (size_t i = 0; cli_commands[i]; i++)
        if (cli_in_group(cli_commands[i], words))
            (void)fprintf(to, "  %-20s %s\n", cli_commands[i]->name, cli_commands[i]->summary);
    (void)fprintf(to, "\nwetmill %s COMMAND --help tells the options of one.\n", words);
}

void cli_version(FILE *to)
{
    static const char *const libraries[] = {"libarchive", "zstd",  "zlib",   "libdeflate",
                                            "icu",        "pcre2", "xxhash", "libyaml",
                                            "jansson",    "nettle"};
    (void)fprintf(to, "wetmill %s\n", WM_VERSION);
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
        (void)fprintf(to, "  %-11s %s\n", libraries[i], wm_library_version(libraries[i]));
}
