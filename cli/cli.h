/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cli.h
 * The command line: the only part of wetmill that prints or exits.
 *
 * A command is a constant table at the foot of one cli/cmd_*.c and one line in cli/commands.def.
 * Its options come from the same tables the configuration is bound to, so help, man page,
 * completion and "did you mean" follow. stdout is for data, stderr for people.
 *
 * Exit codes: 0 done · 1 failed while running · 2 wrong usage or configuration, nothing touched ·
 * 3 done, but input was skipped · 130 / 143 interrupted; the hint says whether
 * the same command goes on.
 */
#ifndef WETMILL_CLI_H
#define WETMILL_CLI_H

#include <stdbool.h>
#include <stdio.h>

#include "wetmill/evaluate.h"
#include "wetmill/run.h"

enum {
    CLI_TABLES_MAX = 8,
    CLI_GIVEN_MAX = 256,
    CLI_OK = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_SKIPPED = 3
};

/** Options every command takes. */
struct cli_common {
    bool help, quiet;
    int log_format; /**< 0 text, 1 json */
    int progress;   /**< 0 auto, 1 always, 2 never */
};

/** Options of single commands; each command lists the tables that apply. */
struct cli_options {
    struct wm_list set, stage;
    bool dry_run, explain, print_config, specials, template, count_only, full, text, verify;
    const char *tokenizer, *root, *only;
    uint64_t count, seed, memory;
    /* tokenizer encode */
    int unit; /**< 0 file, 1 lines, 2 json */
    bool offsets, stream, refuse_specials, skip_special_tokens;
    struct wm_list allowed_special;
    /* tokenizer convert, inspect */
    int format; /**< enum wm_tokenizer_format */
    const char *split, *pattern, *against;
    struct wm_list special, corpus;
    bool json;
    int part; /**< shards text: enum wm_shard_split, or both; eval: enum wm_shard_split */
    /* generate, eval */
    const char *prompts, *shards, *choices;
    int prompt_format; /**< 0 lines, 1 jsonl */
    uint64_t at_once;
};

/** A table and where its values go. */
struct cli_binding {
    const struct wm_option *table;
    void *target;
};

struct cli;

struct cli_command {
    const char *name;     /**< "run", "corpus build" */
    const char *summary;  /**< One line, no full stop. */
    const char *operands; /**< "CONFIG.yaml", "PATH…", "" */
    const char *examples; /**< Lines shown first in --help. */
    const char *notes;    /**< Paragraphs after the options, or NULL. */
    size_t min_operands, max_operands;
    /** Which option tables, bound where; returns how many. May be NULL. */
    size_t (*bind)(struct cli *cli, struct cli_binding bindings[CLI_TABLES_MAX]);
    int (*run)(struct cli *cli); /**< Returns the exit code. */
};

extern const struct cli_command *const cli_commands[]; /**< Ends with NULL. */

struct cli {
    const struct cli_command *command;
    struct cli_common common;
    struct cli_options options;
    struct wm_run run;  /**< Options of the library bind here. */
    struct wm_run file; /**< run CONFIG: the command line's own, once the file's took its place. */
    struct wm_generate_options generate;
    struct wm_evaluate_options evaluate;
    const char **operands;
    size_t n_operands;
    const struct wm_option *given[CLI_GIVEN_MAX]; /**< Each once. */
    size_t n_given;
    struct wm_cancel *cancel;
    struct wm_progress *progress;
    bool out_failed;
    bool fleeting; /**< The output directory goes with the command. */
};

/* ---- args.c ---- */

/** Parse options and operands of cli->command. WM_E_CONFIG. */
int cli_parse(struct cli *cli, int argc, char **argv, struct wm_error *err);
/** The common options' table. */
extern const struct wm_option cli_common_table[];
/** Was the option given, whatever its value? */
bool cli_was_given(const struct cli *cli, const char *name);
/** Single letter of an option name, or 0. */
char cli_short(const char *name);

/* ---- help.c ---- */

void cli_help(const struct cli *cli, FILE *to);
void cli_overview(FILE *to);
/** Does the command's name go on where `words` end? "corpus build" is in group "corpus". */
bool cli_in_group(const struct cli_command *command, const char *words);
/** The commands of a group: "corpus", "corpus hashes". */
void cli_group(const char *words, FILE *to);
void cli_version(FILE *to);
/** man page, completions, markdown: for the build. Exit code. */
int cli_generate(const char *what, FILE *to);
void cli_print_options(const struct wm_option *table, FILE *to);
/** Is it this option of table `b` that is set by its name? Not if an earlier table has the name. */
bool cli_is_reached(const struct cli_binding *bindings, size_t b, const struct wm_option *option);

/* ---- terminal.c ---- */

/** Print the error for people and return its exit code. */
int cli_fail(struct cli *cli, const struct wm_error *err);
/** A line for people on stderr, unless --quiet. */
__attribute__((format(printf, 2, 3))) void cli_say(struct cli *cli, const char *fmt, ...);
/** The first of the places where input was skipped, `n` in all. Was there any? */
bool cli_say_damage(struct cli *cli, const struct wm_damage *damage, uint64_t n);
/** Data on stdout. A closed pipe ends the program with success; other failures are remembered. */
void cli_write(struct cli *cli, struct wm_str bytes);
/** What was written goes out at once, with the same two ends. */
void cli_flush(struct cli *cli);
/** Text from a model or an archive: on a terminal every byte that is not harmless is escaped. */
void cli_write_text(struct cli *cli, struct wm_str text);
/** Flush stdout: `code`, or CLI_FAILED if anything could not be written. */
int cli_finish(struct cli *cli, int code);
/** Hooks for wm_run_execute that show steps, lines and progress. */
struct wm_run_hooks cli_hooks(struct cli *cli);
/** Start and stop showing progress. */
void cli_progress_begin(struct cli *cli);
void cli_progress_end(struct cli *cli);
/** SIGINT, SIGTERM set the cancel flag (a second one ends at once); SIGUSR1 prints progress.
 *  Reading that waits heeds the flag. */
void cli_signals(struct cli *cli);

/* ---- shared by commands ---- */

/** -j alone, for commands that need nothing else of a run. Binds to run.options. */
extern const struct wm_option cli_jobs_table[];
/** -j and --memory. Binds to run.options. */
extern const struct wm_option cli_effort_table[];
/** --dry-run and --explain, for commands that do steps. Binds to options; cli_execute obeys. */
extern const struct wm_option cli_plan_table[];
/** Is `dir` the directory of a `what`, with its `file`? WM_E_CONFIG. */
int cli_need(const char *dir, const char *file, const char *what, struct wm_error *err);
/** The file `out` is none of the first `n` operands, which are read. WM_E_CONFIG. */
int cli_apart(const struct cli *cli, const char *out, size_t n, struct wm_error *err);
/** `out`, and what stands beside it while it is made, lies in none of those that are directories: it
 *  would be read, now or the next time. WM_E_CONFIG. */
int cli_outside(const struct cli *cli, const char *out, size_t n, struct wm_error *err);
/** What -t takes. */
#define CLI_TOKENIZER_HELP                                                                         \
    "tokenizer.json, a SentencePiece .model, .tiktoken, GGUF, or a directory that holds one"
/** Load the tokenizer of -t; WM_E_CONFIG without one. */
int cli_open_tokenizer(struct cli *cli, struct wm_tokenizer **ret, struct wm_error *err);
/** Operands from the given one on become run.input.paths. */
int cli_take_paths(struct cli *cli, size_t first, struct wm_error *err);
/** Read run.input and call `take` for every document in order until it returns non-zero; < 0 is an
 *  error. Damage is shown; `*ret_skipped`: there was some. */
int cli_each_document(struct cli *cli,
                      int (*take)(void *arg, const struct wm_doc *, struct wm_error *), void *arg,
                      bool *ret_skipped, struct wm_error *err);
/** The same by batches, which `take` may work on as it likes until it returns. */
int cli_each_batch(struct cli *cli,
                   int (*take)(void *arg, const struct wm_batch *, struct wm_error *), void *arg,
                   bool *ret_skipped, struct wm_error *err);
/** -o DIR becomes the place of step `id`, which is then the only step of cli->run. */
int cli_take_output(struct cli *cli, enum wm_step_id id, struct wm_error *err);
/** Run the steps of cli->run up to `last`, print steps and summary. Exit code. */
int cli_execute(struct cli *cli, enum wm_step_id last);

#endif /* WETMILL_CLI_H */
