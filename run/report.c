/* SPDX-License-Identifier: Apache-2.0 */
/* The summary a person reads at the end, from the step records alone. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "run/step.h"

enum { DAMAGE_SHOWN = 20 };

static uint64_t count(const json_t *object, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

static double real(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

struct report {
    struct wm_buf *out;
    struct wm_error *err;
    int status;
};

__attribute__((format(printf, 2, 3))) static void put(struct report *r, const char *fmt, ...)
{
    char line[2048], shown[4 * sizeof line]; /* records are files: anyone may have written them */
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof line ? (size_t)n : sizeof line - 1;
    wm_escape_lines(shown, sizeof shown, line, len);
    if (!r->status)
        r->status = wm_buf_add(r->out, shown, strlen(shown), r->err);
}

/* "corpus      1,183 documents in" */
static void put_count(struct report *r, const char *label, uint64_t n, const char *what)
{
    char text[32];
    wm_format_count(n, text, sizeof text);
    put(r, "  %-11s %14s  %s\n", label, text, what);
}

static void put_reasons(struct report *r, const char *stage, const json_t *reasons)
{
    const char *reason;
    json_t *n;
    json_object_foreach((json_t *)(uintptr_t)reasons, reason, n)
    {
        if (!json_integer_value(n))
            continue;
        char what[160];
        (void)snprintf(what, sizeof what, "dropped by %s: %s", stage, reason);
        put_count(r, "", (uint64_t)json_integer_value(n), what);
    }
}

/* What came in that was no document: other record types are usual, the rest is worth a word. */
static void put_not_documents(struct report *r, const json_t *tally)
{
    for (int i = 0; i < WM_READ_REASONS; i++) {
        uint64_t n = count(json_object_get(tally, "not_documents"), wm_read_reason_names[i]);
        char what[256];
        if (!n)
            continue;
        (void)snprintf(what, sizeof what, "records that are no document: %s%s%s%s",
                       wm_read_reason_names[i], wm_read_reason_hints[i] ? " (" : "",
                       wm_read_reason_hints[i] ? wm_read_reason_hints[i] : "",
                       wm_read_reason_hints[i] ? ")" : "");
        put_count(r, "", n, what);
    }
}

/* What of the input could not be read: as the files are stored, and what they hold. */
static void put_lost(struct report *r, const json_t *tally)
{
    char bytes[32];
    uint64_t damaged = count(tally, "bytes_damaged"), skipped = count(tally, "bytes_skipped");
    if (damaged)
        put(r, "  %-11s %14s  %s\n", "", wm_format_bytes(damaged, bytes, sizeof bytes),
            "of the files are damaged, compressed");
    if (skipped)
        put(r, "  %-11s %14s  %s\n", "", wm_format_bytes(skipped, bytes, sizeof bytes),
            "hold no record and were skipped, uncompressed");
}

static void put_corpus(struct report *r, const json_t *facts)
{
    const json_t *tally = json_object_get(facts, "tally");
    char bytes[32];
    size_t i;
    json_t *stage;
    uint64_t kept = count(tally, "documents"), text = 0;
    wm_format_bytes(count(tally, "bytes"), bytes, sizeof bytes);
    put(r, "  %-11s %14s  uncompressed, %llu record%s in %llu file%s\n", "corpus", bytes,
        (unsigned long long)count(tally, "records"), wm_plural(count(tally, "records")),
        (unsigned long long)count(tally, "files"), wm_plural(count(tally, "files")));
    put_count(r, "", kept, "documents in");
    put_not_documents(r, tally);
    put_lost(r, tally);
    json_array_foreach(json_object_get(tally, "stages"), i, stage)
    {
        uint64_t in = count(stage, "lines_in"), out = count(stage, "lines_out");
        const char *name = json_string_value(json_object_get(stage, "stage"));
        put_reasons(r, name, json_object_get(stage, "dropped"));
        if (strcmp(name, "paragraph-dedup") == 0) {
            char what[128];
            (void)snprintf(what, sizeof what, "lines deduplicated, %.1f %% of those it saw",
                           in ? 100.0 * (double)(in - out) / (double)in : 0.0);
            put_count(r, "", in - out, what);
        }
        kept = count(stage, "documents_out");
        text = count(stage, "bytes_out");
    }
    if (json_array_size(json_object_get(tally, "stages")))
        wm_format_bytes(text, bytes, sizeof bytes);
    char what[128];
    (void)snprintf(what, sizeof what, "documents kept, %s of text", bytes);
    put_count(r, "", kept, what);
}

static void put_tokenizer(struct report *r, const json_t *facts)
{
    put_count(r, "tokenizer", count(facts, "vocabulary"), "vocabulary");
}

static void put_shards(struct report *r, const json_t *facts)
{
    static const char *const splits[] = {"train", "validation"};
    uint64_t tokens = 0, bytes = 0;
    for (int s = 0; s < 2; s++) {
        const json_t *split = json_object_get(facts, splits[s]);
        char what[128], documents[32];
        wm_format_count(count(split, "documents"), documents, sizeof documents);
        (void)snprintf(what, sizeof what, "%s tokens from %s document%s", splits[s], documents,
                       wm_plural(count(split, "documents")));
        put_count(r, s ? "" : "shards", count(split, "tokens"), what);
        tokens += count(split, "tokens");
        bytes += count(split, "text_bytes");
    }
    put(r, "  %-11s %14.3f  bytes per token\n", "", tokens ? (double)bytes / (double)tokens : 0.0);
}

static void put_train(struct report *r, const json_t *facts)
{
    put_count(r, "model", count(facts, "parameters"), "parameters");
    put_count(r, "", count(facts, "tokens"), "tokens trained on");
    put(r, "  %-11s %14.4f  training loss at the end, nats per token\n", "",
        real(facts, "train_nats"));
    if (!json_object_get(facts, "validation_nats")) {
        put(r, "  %-11s %14s  validation: too few tokens for one window\n", "", "—");
        return;
    }
    put(r, "  %-11s %14.4f  validation loss, nats per token\n", "", real(facts, "validation_nats"));
    put(r, "  %-11s %14.4f  unigram entropy of the validation shards, nats per token\n", "",
        real(facts, "unigram_nats"));
    put(r, "  %-11s %14.4f  bits per byte\n", "", real(facts, "bits_per_byte"));
}

static void put_sample(struct report *r, const json_t *facts)
{
    put_count(r, "samples", count(facts, "samples"),
              count(facts, "samples") == 1 ? "text" : "texts");
}

static void put_damage(struct report *r, const char *directory, const json_t *facts)
{
    const json_t *damage = json_object_get(facts, "damage");
    size_t i, n = json_array_size(damage);
    json_t *row;
    if (n)
        put(r, "\nSkipped input (%zu place%s):\n", n, wm_plural(n));
    json_array_foreach(damage, i, row)
    {
        if (i == DAMAGE_SHOWN) {
            put(r, "  … all of them in %s/step.json\n", directory);
            return;
        }
        put(r, "  %s: record %llu at byte %llu: %s\n",
            json_string_value(json_object_get(row, "file")),
            (unsigned long long)count(row, "record"), (unsigned long long)count(row, "byte"),
            json_string_value(json_object_get(row, "what")));
    }
}

/* "bytes" in units for people, everything else counted. */
static const char *amount(uint64_t n, const char *unit, char *text, size_t size)
{
    char number[32];
    if (strcmp(unit, "bytes") == 0)
        return wm_format_bytes(n, text, size);
    (void)snprintf(text, size, "%s %s", wm_format_count(n, number, sizeof number), unit);
    return text;
}

static void put_redone(struct report *r, const struct wm_redone *redone)
{
    for (size_t i = 0; redone->resumed && i < redone->n; i++) {
        const struct wm_phase *was = &redone->phases[i].was;
        char done[64], again[64];
        put(r, "Went on after a stop: %s: %s had been done, %s of it again\n", was->label,
            amount(was->done, was->unit, done, sizeof done),
            amount(redone->phases[i].again, was->unit, again, sizeof again));
    }
}

/* "memory  183 MB at the peak of step corpus, 54.1 MB of disk" */
static void put_memory(struct report *r, const struct wm_run_result *result)
{
    const char *label = "memory";
    for (int id = 0; id < WM_STEPS; id++) {
        char bytes[32], disk[32];
        if (!result->memory[id])
            continue;
        wm_format_bytes(result->memory[id], bytes, sizeof bytes);
        wm_format_bytes(result->disk[id], disk, sizeof disk);
        put(r, "  %-11s %14s  at the peak of step %s, %s of disk\n", label, bytes,
            wm_steps[id]->name, disk);
        label = "";
    }
}

/* A path as a person would type it: without detours, from here if it is below here. */
static void put_path(struct report *r, const char *name, const char *path)
{
    char shown[WM_PATH_MAX], here[WM_PATH_MAX];
    char *real = realpath(path, NULL);
    const char *at = real ? real : path;
    size_t n = getcwd(here, sizeof here) ? strlen(here) : 0;
    if (n && strncmp(at, here, n) == 0 && at[n] == '/')
        at += n + 1;
    wm_escape(shown, sizeof shown, at, strlen(at));
    free(real);
    put(r, "  %-11s %s\n", name, shown);
}

/* Steps whose working state stands there: they have been stopped, or are at work. */
static int find_unfinished(const char *dir, bool ret[WM_STEPS], struct wm_error *err)
{
    int status = 0;
    for (int id = 0; !status && id < WM_STEPS; id++) {
        char name[64], path[WM_PATH_MAX];
        (void)snprintf(name, sizeof name, "work/%s", wm_steps[id]->name);
        status = wm_path_join(path, dir, name, err);
        ret[id] = !status && wm_exists(path);
    }
    return status;
}

static json_t *names_json(const bool set[WM_STEPS])
{
    json_t *names = json_array();
    for (int id = 0; id < WM_STEPS; id++)
        if (set[id] && json_array_append_new(names, json_string(wm_steps[id]->name))) {
            json_decref(names);
            return NULL;
        }
    return names;
}

static int report_json(const struct wm_results *results, const bool unfinished[WM_STEPS],
                       bool at_work, struct wm_buf *out, struct wm_error *err)
{
    json_t *steps = json_array();
    for (int id = 0; id < WM_STEPS; id++)
        if (results->records[id] && json_array_append(steps, results->records[id])) {
            json_decref(steps);
            return wm_json_ok(NULL, err);
        }
    json_t *all =
        json_pack("{s:o, s:o, s:o, s:b}", "steps", steps, "unfinished", names_json(unfinished),
                  "damaged", names_json(results->damaged), "at_work", (int)at_work);
    int status = wm_json_text(all, JSON_INDENT(2) | JSON_REAL_PRECISION(17), out, err);
    json_decref(all);
    return status ? status : wm_buf_add(out, "\n", 1, err);
}

/* What stands between two paragraphs. */
static const char *gap(const struct wm_buf *out)
{
    return out->len ? "\n" : "";
}

static int report_text(const char *dir, const struct wm_results *results,
                       const bool unfinished[WM_STEPS], const struct wm_error *at_work,
                       struct wm_buf *out, struct wm_error *err)
{
    struct wm_run run = {.options.output = dir};
    struct wm_run_result result = {0};
    struct report r = {out, err, 0};
    for (int id = 0; id < WM_STEPS; id++) {
        result.steps[id] = results->records[id];
        run.directory[id] = results->alone ? dir : NULL;
    }
    int status = wm_run_report(&run, &result, out, err);
    for (int id = 0; !status && id < WM_STEPS; id++) {
        if (results->damaged[id])
            put(&r, "%sThe record of step %s is damaged: see wetmill verify.\n", gap(out),
                wm_steps[id]->name);
        if (unfinished[id])
            put(&r, "%sStep %s is not finished%s\n", gap(out), wm_steps[id]->name,
                at_work->status ? "." : ": the same command goes on.");
    }
    if (at_work->status)
        put(&r, "%s%c%s.\n", gap(out), at_work->what[0] - 'a' + 'A', at_work->what + 1);
    return status ? status : r.status;
}

int wm_run_report_dir(const char *dir, bool json, struct wm_buf *out, struct wm_error *err)
{
    struct wm_results results;
    struct wm_error at_work = {0};
    bool unfinished[WM_STEPS] = {false};
    char lock[WM_PATH_MAX];
    int status = wm_results_open(dir, &results, err);
    if (status)
        return status;
    if (!results.alone)
        status = find_unfinished(dir, unfinished, err);
    if (!status && !results.alone)
        status = wm_path_join(lock, dir, "lock", err);
    if (!status && !results.alone)
        (void)wm_lock_look(lock, &at_work);
    if (at_work.status != WM_E_BUSY)
        at_work = (struct wm_error){0};
    if (!status)
        status = json ? report_json(&results, unfinished, at_work.status != 0, out, err)
                      : report_text(dir, &results, unfinished, &at_work, out, err);
    wm_results_close(&results);
    return status;
}

int wm_run_report(const struct wm_run *run, const struct wm_run_result *result, struct wm_buf *out,
                  struct wm_error *err)
{
    static void (*const sections[WM_STEPS])(struct report *, const json_t *) = {
        put_corpus, put_tokenizer, put_shards, put_train, put_sample};
    struct report r = {out, err, 0};
    for (int id = 0; id < WM_STEPS; id++)
        if (result->steps[id])
            sections[id](&r, json_object_get(result->steps[id], "facts"));
    for (int id = 0; id < WM_STEPS; id++)
        put_damage(&r, wm_steps[id]->directory, json_object_get(result->steps[id], "facts"));
    for (int id = 0; id < WM_STEPS; id++)
        put_redone(&r, &result->redone[id]);
    put_memory(&r, result);
    bool first = true;
    for (int id = 0; id < WM_STEPS; id++) {
        char dir[WM_PATH_MAX];
        if (!result->steps[id] || wm_step_dir(run, (enum wm_step_id)id, dir, err))
            continue;
        if (first)
            put(&r, "\nResults:\n");
        put_path(&r, wm_steps[id]->name, dir);
        first = false;
    }
    return r.status;
}
