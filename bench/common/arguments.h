/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file arguments.h
 * Options of a benchmark as data, as wetmill's own commands have them.
 */
#ifndef WETMILL_BENCH_ARGUMENTS_H
#define WETMILL_BENCH_ARGUMENTS_H

#include "wetmill/option.h"

/**
 * Defaults and then "--name value" (for a bool "--name" alone) of argv into `target`; strings live
 * as long as the process. --help prints `summary` and the table and ends the process with 0; what
 * is not understood ends it with 2.
 */
void arguments_read(int argc, char **argv, const char *summary, const struct wm_option *table,
                    void *target);

/** For a program without options: if --help is among the arguments, prints "usage: PROGRAM
 *  `arguments`" and ends the process with 0. */
void arguments_help(int argc, char **argv, const char *arguments);

#endif /* WETMILL_BENCH_ARGUMENTS_H */
