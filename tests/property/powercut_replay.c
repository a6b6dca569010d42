/* SPDX-License-Identifier: Apache-2.0 */
/* What a disk may hold after the power failed, from a log of powercut.c:
 *
 *   powercut_replay LOG DIR SEED [all|none|prefix|random]     DIR must not be there
 *
 * Only what was synced is sure: a file's contents by fsync of the file, a name by fsync of the
 * directory it stands in. Of the rest, as the seed and the way say, nothing is kept, or all, or
 * what came before some moment, or a choice of names that respects the order of changes of each
 * name. A rename is atomic, and on the disk once either of its directories is. Whatever of a file
 * was not synced is lost, a prefix, random blocks of 4 KiB, zeros of the final size, or kept. */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "powercut.h"

enum way { ALL, NONE, PREFIX, RANDOM, WAYS };
enum fate { UNDECIDED, KEPT, LOST };
enum { BLOCK = 4096 };

/** A file's bytes; reading past the end gives zeros. */
struct bytes {
    unsigned char *ptr;
    size_t len, cap;
};

/** A write (resize: no data) that is not on the disk yet. */
struct edit {
    bool resize;
    uint64_t at, len;
    const unsigned char *data;
};

/** A file or directory. */
struct node {
    uint64_t inode;
    bool is_dir;
    struct bytes disk;
    struct edit *edits;
    size_t n_edits;
};

/** A change of names, in order. */
struct change {
    enum powercut_kind kind; /* FILE (any new name), REMOVE or RENAME */
    size_t node, dir, to_dir;
    char *name, *to_name;
    bool sure;
    enum fate fate;
};

/** A name in a directory. */
struct place {
    size_t dir, node;
    const char *name;
};

static struct node *nodes;
static struct change *changes;
static struct place *places;
static size_t n_nodes, n_changes, n_places, root;
static uint64_t seed;

static void die(const char *what)
{
    fprintf(stderr, "powercut_replay: %s\n", what);
    exit(2);
}

static void *grown(void *items, size_t n, size_t size)
{
    if (n & (n - 1))
        return items;
    items = realloc(items, (n ? 2 * n : 1) * size);
    return items ? items : (die("no memory"), NULL);
}

static uint64_t draw(uint64_t below) /* splitmix64 */
{
    uint64_t z = seed += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return below ? (z ^ z >> 31) % below : 0;
}

/* ---- contents ---- */

static void resize(struct bytes *b, size_t len)
{
    if (len > b->cap) {
        b->cap = len + len / 2 + 64;
        b->ptr = realloc(b->ptr, b->cap);
        if (!b->ptr)
            die("no memory");
    }
    if (len > b->len)
        memset(b->ptr + b->len, 0, len - b->len);
    b->len = len;
}

static void apply(struct bytes *b, const struct edit *e, uint64_t len)
{
    if (e->resize) {
        resize(b, e->at);
        return;
    }
    if (b->len < e->at + len)
        resize(b, e->at + len);
    if (len)
        memcpy(b->ptr + e->at, e->data, len);
}

static void sync_node(struct node *node)
{
    for (size_t i = 0; i < node->n_edits; i++)
        apply(&node->disk, &node->edits[i], node->edits[i].len);
    node->n_edits = 0;
}

static void keep_prefix(struct node *node)
{
    size_t whole = draw(node->n_edits);
    for (size_t i = 0; i < whole; i++)
        apply(&node->disk, &node->edits[i], node->edits[i].len);
    apply(&node->disk, &node->edits[whole], draw(node->edits[whole].len + 1));
}

/* The final size; of blocks that were written, those that `zeros` or chance takes are as before. */
static void keep_blocks(struct node *node, bool zeros)
{
    struct bytes after = {0};
    struct bytes *disk = &node->disk;
    resize(&after, disk->len);
    if (disk->len)
        memcpy(after.ptr, disk->ptr, disk->len);
    for (size_t i = 0; i < node->n_edits; i++)
        apply(&after, &node->edits[i], node->edits[i].len);
    resize(disk, after.len);
    for (size_t at = 0; !zeros && at < after.len; at += BLOCK) {
        size_t len = after.len - at < BLOCK ? after.len - at : BLOCK;
        if (draw(2))
            memcpy(disk->ptr + at, after.ptr + at, len);
    }
    free(after.ptr);
}

static void settle_contents(struct node *node, enum way way)
{
    if (!node->n_edits || way == NONE)
        return;
    uint64_t how = way == ALL ? 4 : draw(5);
    if (how == 1)
        keep_prefix(node);
    else if (how == 2 || how == 3)
        keep_blocks(node, how == 3);
    else if (how == 4)
        sync_node(node);
}

/* ---- names ---- */

static size_t find_node(uint64_t inode)
{
    for (size_t i = n_nodes; i > 0; i--)
        if (nodes[i - 1].inode == inode)
            return i - 1;
    return n_nodes; /* made without a name: nothing of it stays */
}

static size_t add_node(uint64_t inode, bool is_dir)
{
    nodes = grown(nodes, n_nodes, sizeof *nodes);
    nodes[n_nodes] = (struct node){.inode = inode, .is_dir = is_dir};
    return n_nodes++;
}

static struct place *find_place(size_t dir, const char *name)
{
    for (size_t i = n_places; i > 0; i--)
        if (places[i - 1].dir == dir && strcmp(places[i - 1].name, name) == 0)
            return &places[i - 1];
    return NULL;
}

static void set_place(size_t dir, const char *name, size_t node)
{
    struct place *old = find_place(dir, name);
    if (old) {
        old->node = node;
        return;
    }
    places = grown(places, n_places, sizeof *places);
    places[n_places++] = (struct place){dir, node, name};
}

static void clear_place(size_t dir, const char *name)
{
    struct place *old = find_place(dir, name);
    if (old)
        *old = places[--n_places];
}

/* Do both change the same name? */
static bool touches(const struct change *a, size_t dir, const char *name)
{
    return (a->dir == dir && strcmp(a->name, name) == 0) ||
           (a->to_name && a->to_dir == dir && strcmp(a->to_name, name) == 0);
}

static bool related(const struct change *a, const struct change *b)
{
    return touches(a, b->dir, b->name) || (b->to_name && touches(a, b->to_dir, b->to_name));
}

/* What is sure needs what was done to its names before. */
static void keep_with_causes(size_t which)
{
    if (changes[which].fate == KEPT)
        return;
    changes[which].fate = KEPT;
    for (size_t i = which; i > 0; i--)
        if (changes[i - 1].fate != KEPT && related(&changes[i - 1], &changes[which]))
            keep_with_causes(i - 1);
}

static void settle_names(enum way way)
{
    size_t kept = draw(n_changes + 1);
    for (size_t i = 0; i < n_changes; i++)
        if (changes[i].sure)
            keep_with_causes(i);
    for (size_t i = 0; i < n_changes; i++) {
        struct change *c = &changes[i];
        bool keep = way == ALL || (way == PREFIX && i < kept) || (way == RANDOM && draw(2));
        for (size_t j = 0; keep && way == RANDOM && j < i; j++)
            keep = changes[j].fate != LOST || !related(&changes[j], c);
        if (c->fate == UNDECIDED)
            c->fate = keep ? KEPT : LOST;
    }
    for (size_t i = 0; i < n_changes; i++) {
        const struct change *c = &changes[i];
        const struct place *from = c->kind == POWERCUT_RENAME ? find_place(c->dir, c->name) : NULL;
        if (c->fate != KEPT)
            continue;
        if (from) {
            size_t node = from->node;
            clear_place(c->dir, c->name);
            set_place(c->to_dir, c->to_name, node);
        } else if (c->kind == POWERCUT_REMOVE) {
            clear_place(c->dir, c->name);
        } else if (c->kind == POWERCUT_FILE) {
            set_place(c->dir, c->name, c->node);
        }
    }
}

/* ---- the log ---- */

static void add_change(enum powercut_kind kind, const struct powercut_entry *e, size_t node,
                       char *name, char *to_name)
{
    changes = grown(changes, n_changes, sizeof *changes);
    changes[n_changes++] = (struct change){.kind = kind,
                                           .node = node,
                                           .dir = find_node(e->dir),
                                           .to_dir = to_name ? find_node(e->to_dir) : 0,
                                           .name = name,
                                           .to_name = to_name};
}

static void add_edit(const struct powercut_entry *e, const unsigned char *data)
{
    size_t at = find_node(e->inode);
    if (at == n_nodes)
        return;
    struct node *node = &nodes[at];
    node->edits = grown(node->edits, node->n_edits, sizeof *node->edits);
    node->edits[node->n_edits++] =
        (struct edit){e->kind == POWERCUT_RESIZE, e->at, e->data_len, data};
}

static void add_sync(uint64_t inode)
{
    for (size_t i = 0; i < n_nodes; i++)
        if (!inode)
            sync_node(&nodes[i]);
    size_t at = find_node(inode);
    if (inode && at < n_nodes)
        sync_node(&nodes[at]);
    for (size_t i = 0; i < n_changes; i++)
        changes[i].sure |=
            !inode || changes[i].dir == at || (changes[i].to_name && changes[i].to_dir == at);
}

static void take(const struct powercut_entry *e, char *name, unsigned char *data)
{
    bool is_dir = e->kind == POWERCUT_DIR || e->kind == POWERCUT_IS_DIR;
    switch (e->kind) {
    case POWERCUT_ROOT:
        root = add_node(e->inode, true);
        break;
    case POWERCUT_IS_FILE:
    case POWERCUT_IS_DIR: {
        size_t dir = find_node(e->dir), node = add_node(e->inode, is_dir);
        apply(&nodes[node].disk, &(struct edit){.data = data}, e->data_len);
        set_place(dir, name, node);
        break;
    }
    case POWERCUT_FILE:
    case POWERCUT_DIR:
        add_change(POWERCUT_FILE, e, add_node(e->inode, is_dir), name, NULL);
        break;
    case POWERCUT_LINK:
        add_change(POWERCUT_FILE, e, find_node(e->inode), name, NULL);
        break;
    case POWERCUT_REMOVE:
        add_change(POWERCUT_REMOVE, e, 0, name, NULL);
        break;
    case POWERCUT_RENAME:
        add_change(POWERCUT_RENAME, e, 0, name, strndup((char *)data, e->data_len));
        break;
    case POWERCUT_WRITE:
    case POWERCUT_RESIZE:
        add_edit(e, data);
        break;
    case POWERCUT_SYNC:
        add_sync(e->inode);
        break;
    default:
        die("an entry of no known kind");
    }
}

static void read_log(const char *path)
{
    struct powercut_entry e;
    FILE *log = fopen(path, "rb");
    if (!log)
        die("the log cannot be read");
    while (fread(&e, sizeof e, 1, log) == 1) {
        if (e.magic != POWERCUT_MAGIC)
            die("the log is damaged");
        char *name = calloc(1, e.name_len + 1);
        unsigned char *data = malloc(e.data_len + 1);
        if (!name || !data || fread(name, 1, e.name_len, log) != e.name_len ||
            fread(data, 1, e.data_len, log) != e.data_len)
            die("the log ends early");
        take(&e, name, data);
    }
    fclose(log);
    if (!n_nodes)
        die("the log is empty");
}

/* ---- the disk ---- */

static void write_file(const char *path, const struct bytes *b)
{
    FILE *out = fopen(path, "wbx");
    if (!out || fwrite(b->len ? b->ptr : (const unsigned char *)"", 1, b->len, out) != b->len ||
        fclose(out))
        die("a file cannot be written");
}

static void write_dir(const char *path, size_t dir)
{
    char inside[4096];
    if (mkdir(path, 0777))
        die("a directory cannot be made");
    for (size_t i = 0; i < n_places; i++) {
        if (places[i].dir != dir)
            continue;
        int n = snprintf(inside, sizeof inside, "%s/%s", path, places[i].name);
        if (n < 0 || (size_t)n >= sizeof inside)
            die("a path is too long");
        if (nodes[places[i].node].is_dir)
            write_dir(inside, places[i].node);
        else
            write_file(inside, &nodes[places[i].node].disk);
    }
}

int main(int argc, char **argv)
{
    static const char *const ways[] = {"all", "none", "prefix", "random"};
    size_t n_lost = 0, n_open = 0;
    if (argc < 4 || argc > 5)
        die("usage: powercut_replay LOG DIR SEED [all|none|prefix|random]");
    seed = strtoull(argv[3], NULL, 10);
    enum way way = (enum way)draw(WAYS);
    for (int i = 0; argc == 5 && i < WAYS; i++)
        if (strcmp(argv[4], ways[i]) == 0)
            way = (enum way)i;
    read_log(argv[1]);
    settle_names(way);
    for (size_t i = 0; i < n_nodes; i++) {
        n_open += nodes[i].n_edits > 0;
        settle_contents(&nodes[i], way);
    }
    for (size_t i = 0; i < n_changes; i++)
        n_lost += changes[i].fate == LOST;
    write_dir(argv[2], root);
    printf("%s: %zu of %zu changes of names lost, %zu files not synced\n", ways[way], n_lost,
           n_changes, n_open);
    return 0;
}
