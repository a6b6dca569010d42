/* SPDX-License-Identifier: Apache-2.0 */
/* Formats told from content and name. */
#include "pipeline/detect.h"

#include "pipeline/warc_header.h"
#include "wetmill/utf8.h"

struct wm_str wm_name_unpacked(const char *name)
{
    static const char *const endings[] = {".gz", ".zst", ".zstd", ".xz", NULL};
    struct wm_str s = wm_str_of(name);
    for (size_t i = 0; endings[i]; i++) {
        struct wm_str ending = wm_str_of(endings[i]);
        if (wm_str_ends(s, ending))
            return (struct wm_str){s.ptr, s.len - ending.len};
    }
    return s;
}

static bool named(const char *name, const char *const *endings)
{
    struct wm_str s = wm_name_unpacked(name);
    for (size_t i = 0; endings[i]; i++) {
        struct wm_str ending = wm_str_of(endings[i]);
        if (s.len >= ending.len &&
            wm_str_same((struct wm_str){s.ptr + s.len - ending.len, ending.len}, ending))
            return true;
    }
    return false;
}

static enum wm_framing text_framing(const struct wm_source_options *options)
{
    return options->text_unit == WM_TEXT_LINE ? WM_FRAMING_LINES : WM_FRAMING_FILE;
}

static struct wm_str skip_blank(struct wm_str s)
{
    while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t' || s.ptr[0] == '\r' || s.ptr[0] == '\n')) {
        s.ptr++;
        s.len--;
    }
    return s;
}

static bool looks_like_json(struct wm_str s)
{
    if (!wm_str_starts(s, WM_STR("{")))
        return false;
    s = skip_blank((struct wm_str){s.ptr + 1, s.len - 1});
    return s.len && (s.ptr[0] == '"' || s.ptr[0] == '}');
}

/* A record somewhere in the head: a WARC file that lost its beginning. */
static bool holds_record(struct wm_str head)
{
    while (head.len) {
        bool cut;
        if (wm_warc_starts(head) && wm_warc_header_plausible(head, false, &cut))
            return true;
        (void)wm_str_line(&head);
    }
    return false;
}

static bool looks_like_text(struct wm_str head)
{
    enum { CUT = 3 }; /* bytes of a character that the head's end may cut */
    return !memchr(head.ptr, '\0', head.len) && wm_utf8_prefix(head) + CUT >= head.len;
}

static bool by_content(struct wm_str head, enum wm_framing *ret)
{
    struct wm_str start = skip_blank(head);
    if (wm_warc_starts(start) && start.len > 5)
        *ret = WM_FRAMING_WARC;
    else if (wm_str_starts(start, WM_STR("filedesc://")))
        *ret = WM_FRAMING_ARC;
    else if (looks_like_json(start))
        *ret = WM_FRAMING_JSONL;
    else
        return false;
    return true;
}

static bool by_name(const char *name, const struct wm_source_options *options, enum wm_framing *ret)
{
    static const char *const warc[] = {".warc", ".wet", ".wat", NULL};
    static const char *const arc[] = {".arc", NULL};
    static const char *const jsonl[] = {".jsonl", ".ndjson", ".json", NULL};
    static const char *const text[] = {".txt", ".text", ".md", NULL};
    if (named(name, warc))
        *ret = WM_FRAMING_WARC;
    else if (named(name, arc))
        *ret = WM_FRAMING_ARC;
    else if (named(name, jsonl))
        *ret = WM_FRAMING_JSONL;
    else if (named(name, text))
        *ret = text_framing(options);
    else
        return false;
    return true;
}

static bool detect(struct wm_str head, const char *name, const struct wm_source_options *options,
                   enum wm_framing *ret)
{
    if (wm_str_starts(head, WM_STR("\xEF\xBB\xBF"))) {
        head.ptr += 3;
        head.len -= 3;
    }
    switch (options->format) {
    case WM_FORMAT_WARC:
        *ret = wm_str_starts(head, WM_STR("filedesc://")) ? WM_FRAMING_ARC : WM_FRAMING_WARC;
        return true;
    case WM_FORMAT_JSONL:
        *ret = WM_FRAMING_JSONL;
        return true;
    case WM_FORMAT_TEXT:
        *ret = text_framing(options);
        return true;
    default:
        break;
    }
    if (by_content(head, ret) || by_name(name, options, ret))
        return true;
    *ret = holds_record(head) ? WM_FRAMING_WARC : text_framing(options);
    return *ret == WM_FRAMING_WARC || looks_like_text(head);
}

bool wm_detect_framing(struct wm_str head, const char *name,
                       const struct wm_source_options *options, enum wm_framing *ret)
{
    if (!detect(head, name, options, ret))
        return false;
    *ret = wm_framing_of(*ret, options);
    return true;
}

bool wm_detect_readable(struct wm_str head)
{
    enum wm_framing found;
    return by_content(head, &found) || looks_like_text(head);
}
