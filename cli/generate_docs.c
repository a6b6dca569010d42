/* SPDX-License-Identifier: Apache-2.0 */
/* What the build derives from the tables: man page, shell completion, the stages' reference. */
#include <inttypes.h>

#include "cli/cli.h"
#include "wetmill/utf8.h"
#include "wetmill/version.h"

static void put_dashed(const char *name, FILE *to)
{
    for (; *name; name++)
        (void)fputc(*name == '_' ? '-' : *name, to);
}

/* roff: no line may begin with . or ', - is a hyphen unless escaped, and what is not ASCII has its
 * own escape, so that the page needs no preprocessor. */
static void put_roff(const char *text, FILE *to)
{
    struct wm_str rest = wm_str_of(text);
    bool start = true;
    while (rest.len) {
        uint32_t code = wm_utf8_next(&rest);
        if (start && (code == '.' || code == '\''))
            (void)fputs("\\&", to);
        if (code == 0x2026) /* not in every output device */
            (void)fputs("\\&...", to);
        else if (code >= 0x80)
            (void)fprintf(to, "\\[u%04" PRIX32 "]", code);
        else if (code == '\\')
            (void)fputs("\\e", to);
        else
            (void)fprintf(to, code == '-' ? "\\%c" : "%c", (int)code);
        start = code == '\n';
    }
}

static size_t tables_of(const struct cli_command *command,
                        struct cli_binding bindings[CLI_TABLES_MAX])
{
    static struct cli scratch;
    size_t n = command->bind ? command->bind(&scratch, bindings) : 0;
    return n;
}

static void man_option(const struct wm_option *o, FILE *to)
{
    (void)fputs(".TP\n.B ", to);
    if (cli_short(o->name))
        (void)fprintf(to, "\\-%c, ", cli_short(o->name));
    (void)fputs("\\-\\-", to);
    for (const char *c = o->name; *c; c++)
        (void)fputs(*c == '_' ? "\\-" : (char[]){*c, 0}, to);
    (void)fputc('\n', to);
    put_roff(o->help, to);
    if (o->unit && *o->unit)
        (void)fprintf(to, " (%s)", o->unit);
    (void)fputc('\n', to);
}

static void man_options(const struct wm_option *table, FILE *to)
{
    for (const struct wm_option *o = table; o->name; o++)
        man_option(o, to);
}

static void man_commands(FILE *to)
{
    (void)fputs(".SH COMMANDS\n", to);
    for (size_t i = 0; cli_commands[i]; i++) {
        const struct cli_command *c = cli_commands[i];
        struct cli_binding bindings[CLI_TABLES_MAX];
        size_t n = tables_of(c, bindings);
        (void)fprintf(to, ".SS wetmill %s ", c->name);
        put_roff(c->operands, to);
        (void)fputc('\n', to);
        put_roff(c->summary, to);
        (void)fputs("\n.PP\n.nf\n", to);
        put_roff(c->examples, to);
        (void)fputs("\n.fi\n", to);
        for (size_t b = 0; b < n; b++)
            for (const struct wm_option *o = bindings[b].table; o->name; o++)
                if (cli_is_reached(bindings, b, o))
                    man_option(o, to);
        if (c->notes) {
            (void)fputs(".PP\n", to);
            put_roff(c->notes, to);
            (void)fputc('\n', to);
        }
    }
    (void)fputs(".SS Options of every command\n", to);
    man_options(cli_common_table, to);
}

static void man_stages(FILE *to)
{
    (void)fputs(".SH STAGES\n", to);
    for (size_t i = 0; wm_stages[i]; i++) {
        (void)fprintf(to, ".SS %s\n", wm_stages[i]->name);
        put_roff(wm_stages[i]->summary, to);
        (void)fputc('\n', to);
        if (wm_stages[i]->options)
            man_options(wm_stages[i]->options, to);
    }
}

static void man(FILE *to)
{
    (void)fprintf(to,
                  ".TH WETMILL 1 \"\" \"wetmill %s\" \"User Commands\"\n"
                  ".SH NAME\nwetmill \\- from crawl archives to a trained language model\n"
                  ".SH SYNOPSIS\n.B wetmill\n.I command\n[options] [operands]\n"
                  ".SH DESCRIPTION\n"
                  "wetmill streams WET and WARC archives, cleans and deduplicates their text,\n"
                  "trains a byte\\-level BPE tokenizer, writes token shards and trains a small\n"
                  "Transformer on the CPU. One YAML file describes a whole run; each step also\n"
                  "works alone. The same input and configuration give the same bytes for any\n"
                  "number of threads and after any interruption.\n",
                  WM_VERSION);
    man_commands(to);
    man_stages(to);
    (void)fputs(".SH EXIT STATUS\n"
                ".TP\n.B 0\ndone\n.TP\n.B 1\nfailed while running\n"
                ".TP\n.B 2\nwrong usage or configuration; nothing was touched\n"
                ".TP\n.B 3\ndone, but damaged input was skipped\n"
                ".TP\n.B 130, 143\ninterrupted; what the command keeps is saved, and the hint says whether\nthe same command goes on\n"
                ".SH ENVIRONMENT\n.TP\n.B NO_COLOR\nno colours in messages\n",
                to);
}

static void bash(FILE *to)
{
    (void)fputs("# bash completion for wetmill\n_wetmill() {\n"
                "    local cur=${COMP_WORDS[COMP_CWORD]} line=\"${COMP_WORDS[*]:1}\"\n"
                "    local words='' options=''\n    case $line in\n",
                to);
    for (size_t i = 0; cli_commands[i]; i++) {
        struct cli_binding bindings[CLI_TABLES_MAX];
        size_t n = tables_of(cli_commands[i], bindings);
        (void)fprintf(to, "    \"%s \"*) options='", cli_commands[i]->name);
        bindings[n++].table = cli_common_table;
        for (size_t b = 0; b < n; b++)
            for (const struct wm_option *o = bindings[b].table; o->name; o++) {
                (void)fputs("--", to);
                put_dashed(o->name, to);
                (void)fputc(' ', to);
            }
        (void)fputs("' ;;\n", to);
    }
    (void)fputs("    esac\n    if [[ $cur == -* ]]; then words=$options\n"
                "    elif (( COMP_CWORD == 1 )); then words='",
                to);
    const char *last = "";
    for (size_t i = 0; cli_commands[i]; i++) {
        const char *name = cli_commands[i]->name;
        size_t len = strcspn(name, " ");
        if (strncmp(name, last, len) != 0 || last[len] != ' ' || !len)
            (void)fprintf(to, "%.*s ", (int)len, name);
        last = name;
    }
    (void)fputs("'\n    elif (( COMP_CWORD == 2 )); then\n        case ${COMP_WORDS[1]} in\n", to);
    for (size_t i = 0; cli_commands[i];) {
        const char *name = cli_commands[i]->name;
        size_t len = strcspn(name, " ");
        if (!name[len]) {
            i++;
            continue;
        }
        (void)fprintf(to, "        %.*s) words='", (int)len, name);
        for (; cli_commands[i] && strncmp(cli_commands[i]->name, name, len + 1) == 0; i++)
            (void)fprintf(to, "%s ", cli_commands[i]->name + len + 1);
        (void)fputs("' ;;\n", to);
    }
    (void)fputs(
        "        esac\n    fi\n"
        "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
        "    [[ ${#COMPREPLY[@]} -gt 0 ]] || mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
        "}\ncomplete -o filenames -F _wetmill wetmill\n",
        to);
}

static void markdown_options(const struct wm_stage *s, FILE *to)
{
    unsigned char values[4096] = {0};
    if (!s->options || !s->options->name || s->shared_size > sizeof values)
        return;
    wm_options_default(s->options, values);
    (void)fputs("| option | meaning | default |\n|---|---|---|\n", to);
    for (const struct wm_option *o = s->options; o->name; o++) {
        struct wm_buf text;
        struct wm_error err = {0};
        const char *unit = o->unit ? o->unit : "";
        wm_buf_init(&text, 1 << 16);
        (void)wm_option_format(o, values, &text, &err);
        (void)fprintf(to, "| `%s` | %s%s%s%s | `%.*s` |\n", o->name, o->help, *unit ? " (" : "",
                      unit, *unit ? ")" : "", (int)text.len, text.len ? text.ptr : "");
        wm_buf_done(&text);
    }
}

/* "Label: `a`, `b`." */
static void markdown_name(const char *label, size_t i, const char *name, FILE *to)
{
    if (i)
        (void)fprintf(to, ", `%s`", name);
    else
        (void)fprintf(to, "\n%s `%s`", label, name);
}

static void markdown(FILE *to)
{
    (void)fputs("# Stages\n\nMade from the stages' tables by `wetmill --generate stages`.\n", to);
    for (size_t i = 0; wm_stages[i]; i++) {
        const struct wm_stage *s = wm_stages[i];
        size_t n = 0;
        (void)fprintf(to, "\n## %s\n\n%s. Version %u.\n\n", s->name, s->summary, s->version);
        markdown_options(s, to);
        for (n = 0; s->reasons && s->reasons[n]; n++)
            markdown_name("Drops documents as:", n, s->reasons[n], to);
        (void)fputs(n ? ".\n" : "", to);
        for (n = 0; s->writes && s->writes[n].name; n++)
            markdown_name("Sets:", n, s->writes[n].name, to);
        (void)fputs(n ? ".\n" : "", to);
    }
}

int cli_generate(const char *what, FILE *to)
{
    if (strcmp(what, "man") == 0)
        man(to);
    else if (strcmp(what, "bash") == 0)
        bash(to);
    else if (strcmp(what, "stages") == 0)
        markdown(to);
    else
        return CLI_USAGE;
    return fflush(to) || ferror(to) ? CLI_FAILED : CLI_OK;
}
