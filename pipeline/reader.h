/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file reader.h
 * The inside of a reader (inputs.h): what reader.c reads with, and reader_save.c keeps of it.
 */
#ifndef WETMILL_PIPELINE_READER_H
#define WETMILL_PIPELINE_READER_H

#include "pipeline/document.h"
#include "pipeline/stream.h"

struct wm_reader {
    const struct wm_inputs *inputs;
    struct wm_task task;
    uint32_t row; /**< Present one; task.first + task.n = done. */
    bool is_open;
    struct wm_str path, segment; /**< Of the present row, as documents say it. */
    struct wm_stream stream;
    struct wm_report report;
    struct wm_maker maker;
    struct wm_record record; /**< Read, but not yet in a batch. */
    bool pending;
    bool paused;         /**< No record is read: `record` says where the next one stands. */
    bool stopped;        /**< Somebody asked to stop while a pipe was waited for. */
    uint64_t span;       /**< Pause after so many bytes; 0 = never. */
    uint64_t pause_at;   /**< Between rows: the position to pause at. */
    uint64_t done_bytes; /**< Of the rows before. */
    XXH128_hash_t *hashes;
};

static inline const struct wm_input *wm_reader_row(const struct wm_reader *r)
{
    return &r->inputs->rows[r->row];
}
/** Begin the present row, but for opening its file. */
void wm_reader_begin_row(struct wm_reader *r);
/** Open it at its start. Its trouble is reported, not returned. */
int wm_reader_open_row(struct wm_reader *r, struct wm_error *err);
/** From here on pause after r->span bytes. */
void wm_reader_set_pause(struct wm_reader *r);
/** The next record that may be a document, of any row, to r->record: 1, 0 = the task is done,
 *  WM_PAUSED; then r->paused is set if that is between two records that can be told apart. */
int wm_reader_next(struct wm_reader *r, struct wm_error *err);

#endif /* WETMILL_PIPELINE_READER_H */
