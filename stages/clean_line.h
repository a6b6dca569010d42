/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file clean_line.h
 * Cleaning one line of text. What is done, in this order:
 *
 * 1. Carriage returns at the end of the line go. What breaks lines elsewhere (CR, VT, FF, FS GS RS
 *    US, NEL, U+2028, U+2029) becomes a space: lines never change in number.
 * 2. Control characters and noncharacters go; U+FFFD stays.
 * 3. Invisible characters go (unicode.h lists them). Tags stay in the sequences of emoji flags.
 *    Joiners stay behind characters of scripts that use them and emoji.
 * 4. Of more than WM_MARKS_MAX combining marks in a row, the rest goes (Unicode annex 15, "Stream-
 *    Safe Text Format"): normalising them would take time that grows with the square.
 * 5. White space: runs become one space, line ends have none.
 * 6. The normalisation form; and again from 2, should that have brought up anything.
 *
 * Threads: a cleaner belongs to one.
 */
#ifndef WETMILL_STAGES_CLEAN_LINE_H
#define WETMILL_STAGES_CLEAN_LINE_H

#include "wetmill/unicode.h"

enum { WM_MARKS_MAX = 30 };

enum wm_joiners { WM_JOINERS_WHERE_USED, WM_JOINERS_KEEP, WM_JOINERS_REMOVE };
enum wm_white_space {
    WM_SPACE_COLLAPSE,
    WM_SPACE_TRIM, /**< Only white space at the end of lines goes. */
    WM_SPACE_KEEP,
};
enum wm_blank_lines { WM_BLANK_COLLAPSE, WM_BLANK_DROP, WM_BLANK_KEEP };

/** The options of stage normalize. */
struct wm_cleaning {
    int form; /**< enum wm_normal_form */
    bool controls, invisible;
    int joiners;     /**< enum wm_joiners */
    int white_space; /**< enum wm_white_space */
    int blank_lines; /**< enum wm_blank_lines; the stage's own business */
};

struct wm_cleaner {
    const struct wm_cleaning *how;
    const struct wm_unicode *unicode;
    struct wm_normaliser normaliser;
    struct wm_buf scrubbed, normal;
};

int wm_cleaner_init(struct wm_cleaner *cleaner, const struct wm_cleaning *how,
                    struct wm_error *err);
void wm_cleaner_done(struct wm_cleaner *cleaner); /**< Safe on a zeroed one. */
/** Give back buffers over `most` bytes. */
void wm_cleaner_release(struct wm_cleaner *cleaner, size_t most);

/** Surely nothing to do? (A few lines that are clean are not seen to be.) */
bool wm_line_is_clean(const struct wm_cleaner *cleaner, struct wm_str line);

/** Append the cleaned `line` (valid UTF-8 without '\n') to `out`. WM_E_LIMIT over its maximum. */
int wm_clean_line(struct wm_cleaner *cleaner, struct wm_str line, struct wm_buf *out,
                  struct wm_error *err);

#endif /* WETMILL_STAGES_CLEAN_LINE_H */
