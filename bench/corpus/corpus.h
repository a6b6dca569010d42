/* SPDX-License-Identifier: Apache-2.0 */
/* What can be measured, and how one of it runs once: bench/corpus.c holds the table and the rounds. */
#ifndef WETMILL_BENCH_CORPUS_H
#define WETMILL_BENCH_CORPUS_H

#include <stdbool.h>

#include "wetmill/job.h"

/* What a subject works on. */
struct bench {
    const char *const *files;
    size_t n_files;
    const struct wm_inputs *inputs[2]; /* by enum wm_profile */
    const char *dir;                   /* for output; empty before each run */
    const char *text;                  /* the documents' text, a line a document; NULL = not made */
    const char *language;              /* models; NULL = not given */
    const char *sentencepiece, *lm;
    uint64_t bytes; /* uncompressed; libdeflate, the first subject, finds it out */
    double kept;    /* share of the text that the last subject kept; < 0: it keeps nothing */
};

enum passes { WHOLE, SURVEY }; /* all of a job, or without its last pass */

struct subject {
    const char *name, *what;
    int (*run)(struct bench *bench, const struct subject *subject, struct wm_error *err);
    const char *program;       /* that has to be on the PATH, or NULL */
    const char *needs;         /* models: letters of l(anguage), s(entencepiece), n(-grams) */
    const char *const *stages; /* name:option=value:…, ends with NULL; NULL = none */
    const char *sink;          /* options of write-jsonl; NULL = nothing is written */
    int passes, profile;
    unsigned n_workers;
    const char *less; /* the subject whose time is not counted, as it does what comes before … */
    unsigned less_times; /* … so often */
    const char *against; /* the subject that the ratio is to */
    double target;       /* of the ratio; 0 = none is set */
    const char *alone;   /* the subject that speed-up is against, or NULL */
};

/* Inflate every member, one after the other, into one buffer. */
int bench_libdeflate(struct bench *bench, const struct subject *subject, struct wm_error *err);
/* gzip -dc, and fasttext predict, as processes; what they say is thrown away. */
int bench_gzip(struct bench *bench, const struct subject *subject, struct wm_error *err);
int bench_fasttext(struct bench *bench, const struct subject *subject, struct wm_error *err);
/* Is there such a program? */
bool bench_has_program(const char *name);

/* Our own stages, as a job on the files. */
int bench_job(struct bench *bench, const struct subject *subject, struct wm_error *err);
/* Write the text of all documents to `path`, newlines as blanks, a line each. */
int bench_write_text(const struct bench *bench, const char *path, struct wm_error *err);

#endif /* WETMILL_BENCH_CORPUS_H */
