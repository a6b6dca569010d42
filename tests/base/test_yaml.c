/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <unistd.h>

#include "wetmill/file.h"
#include "wetmill/yaml.h"

static struct wm_error err;
static struct wm_arena arena;

static struct wm_yaml_node *parse(const char *text)
{
    struct wm_yaml_node *root = NULL;
    CHECK_OK(wm_yaml_parse("test.yaml", wm_str_of(text), &arena, &root, &err), err);
    return root;
}

static void test_tree(void)
{
    const struct wm_yaml_node *root = parse("# a comment\n"
                                            "version: 1\n"
                                            "name: \"two words\"   # quoted\n"
                                            "list: [a, 'b', {c: d}]\n"
                                            "stages:\n"
                                            "  - normalize\n"
                                            "  - length: {min: 3}\n"
                                            "nothing:\n"
                                            "caf\xC3\xA9: {x: y}\n"
                                            "text: |\n"
                                            "  one\n"
                                            "  two\n");
    if (!root)
        return;
    CHECK(root->kind == WM_YAML_MAP && root->n == 7);
    const struct wm_yaml_node *node = wm_yaml_get(root, "version");
    CHECK(node && node->kind == WM_YAML_SCALAR && !node->quoted);
    CHECK_STR(node->text, WM_STR("1"));
    CHECK(node->line == 2 && node->column == 10);
    node = wm_yaml_get(root, "name");
    CHECK_STR(node->text, WM_STR("two words"));
    CHECK(node->quoted && node->line == 3 && node->column == 7);
    node = wm_yaml_get(root, "list");
    CHECK(node->kind == WM_YAML_SEQUENCE && node->n == 3 && node->children[0].key == NULL);
    CHECK_STR(node->children[1].value->text, WM_STR("b"));
    CHECK_STR(wm_yaml_get(node->children[2].value, "c")->text, WM_STR("d"));
    node = wm_yaml_get(root, "stages");
    CHECK_STR(node->children[0].value->text, WM_STR("normalize"));
    CHECK_STR(node->children[1].value->children[0].key->text, WM_STR("length"));
    CHECK(wm_yaml_is_null(wm_yaml_get(root, "nothing")));
    CHECK(!wm_yaml_is_null(wm_yaml_get(root, "version")));
    node = wm_yaml_get(wm_yaml_get(root, "caf\xC3\xA9"), "x");
    CHECK(node->line == 9 && node->column == 11); /* characters, not bytes */
    CHECK_STR(wm_yaml_get(root, "text")->text, WM_STR("one\ntwo\n"));
    CHECK(wm_yaml_get(root, "none") == NULL && wm_yaml_get(NULL, "x") == NULL);
    CHECK(wm_yaml_get(wm_yaml_get(root, "list"), "a") == NULL);
    CHECK_STR(parse("\xEF\xBB\xBF"
                    "a: 1\r\n")
                  ->children[0]
                  .key->text,
              WM_STR("a"));
}

static void check_refused(const char *text, const char *where, const char *what)
{
    struct wm_yaml_node *root;
    int status = wm_yaml_parse("f.yaml", wm_str_of(text), &arena, &root, &err);
    CHECK_(status == WM_E_CONFIG, "taken: %s", text);
    CHECK_(strstr(err.what, what) != NULL, "\"%s\" lacks \"%s\"", err.what, what);
    CHECK_STR(wm_str_of(err.where), wm_str_of(where));
}

static void test_refusals(void)
{
    check_refused("a: 1\nb: 2\na: 3\n", "f.yaml:3:1", "\"a\" is given twice, first in line 1");
    CHECK_STR(wm_str_of(err.excerpt), WM_STR("    a: 3\n    ^"));
    check_refused("x: {k: 1, k: 2}", "f.yaml:1:11", "given twice");
    check_refused("a: &x 1\n", "f.yaml:1:4", "anchors");
    check_refused("a: *x\n", "f.yaml:1:4", "aliases");
    check_refused("a: !!int 3\n", "f.yaml:1:4", "tags");
    check_refused("a: !own {b: 1}\n", "f.yaml:1:4", "tags");
    check_refused("- !own [b]\n", "f.yaml:1:3", "tags");
    check_refused("%TAG ! tag:x,2000:\n---\na: 1\n", "f.yaml:1:1", "tags");
    check_refused("a: 1\n---\nb: 2\n", "f.yaml:2:1", "second document");
    check_refused("? [a, b]\n: 1\n", "f.yaml:1:3", "key must be a word");
    check_refused("", "f.yaml:1:1", "no settings");
    check_refused("# nothing\n", "f.yaml:2:1", "no settings");
    check_refused("a: [1, 2\nb: 3\n", "f.yaml:2:2", "not YAML");
    check_refused("a: \"x\n", "f.yaml:2:1", "not YAML");
    check_refused("a:\n\tb: 1\n", "f.yaml:2:1", "not YAML");
    CHECK(strstr(err.hint, "tabs") != NULL);
    CHECK_STR(wm_str_of(err.excerpt), WM_STR("    \\x09b: 1\n    ^"));
    check_refused("a: \x01\n", "f.yaml:1:4", "not YAML");
    check_refused("ok: 1\nb: caf\xC3\xA9\xFF\n", "f.yaml:2:8", "not YAML");
    CHECK_STR(wm_str_of(err.excerpt), WM_STR("    b: caf\xC3\xA9\\xFF\n           ^"));
    struct wm_yaml_node *root;
    CHECK(wm_yaml_parse("f.yaml", WM_STR("a: b\0c"), &arena, &root, &err) == WM_E_CONFIG);
}

static void test_limits(void)
{
    struct wm_yaml_node *root;
    char deep[300];
    for (size_t depth = WM_YAML_DEPTH - 1; depth <= WM_YAML_DEPTH; depth++) {
        memset(deep, '[', depth);
        deep[depth] = 'x';
        memset(deep + depth + 1, ']', depth);
        int status =
            wm_yaml_parse("f.yaml", (struct wm_str){deep, 2 * depth + 1}, &arena, &root, &err);
        CHECK_(status == (depth < WM_YAML_DEPTH ? 0 : WM_E_CONFIG), "%zu levels", depth);
    }
    CHECK(strstr(err.what, "deep") != NULL);

    struct wm_arena large;
    wm_arena_init(&large, 1u << 30);
    size_t n = 2 * (size_t)WM_YAML_NODES + 2;
    char *many = malloc(n);
    for (size_t i = 0; i + 1 < n; i += 2)
        memcpy(many + i, i ? "a," : " [", 2);
    CHECK_FAILS(wm_yaml_parse("f.yaml", (struct wm_str){many, n}, &large, &root, &err), WM_E_CONFIG,
                err, "too much");
    free(many);
    char *huge = calloc(1, WM_YAML_FILE + 1);
    memset(huge, '#', WM_YAML_FILE + 1);
    CHECK_FAILS(
        wm_yaml_parse("f.yaml", (struct wm_str){huge, WM_YAML_FILE + 1}, &large, &root, &err),
        WM_E_CONFIG, err, "larger than 16 MiB");
    free(huge);
    wm_arena_done(&large);

    struct wm_arena small;
    wm_arena_init(&small, 1000);
    CHECK(wm_yaml_parse("f.yaml", WM_STR("[a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p]"), &small, &root,
                        &err) == WM_E_NOMEM);
    wm_arena_done(&small);
}

static void test_files(void)
{
    struct wm_yaml_node *root = NULL;
    CHECK_FAILS(wm_yaml_load("not-there.yaml", &arena, &root, &err), WM_E_CONFIG, err,
                "No such file");
    CHECK_FAILS(wm_yaml_load(".", &arena, &root, &err), WM_E_CONFIG, err, "directory");
    char path[] = "test_yaml.XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0 && write(fd, "a: [1\n", 6) == 6);
    (void)close(fd);
    CHECK_FAILS(wm_yaml_load(path, &arena, &root, &err), WM_E_CONFIG, err, "not YAML");
    CHECK(strncmp(err.where, path, strlen(path)) == 0);
    CHECK_OK(wm_file_store(path, WM_STR("a: [1]\n"), &err), err);
    CHECK_OK(wm_yaml_load(path, &arena, &root, &err), err);
    CHECK(root && root->n == 1);
    CHECK_OK(wm_remove(path, &err), err);
}

/* ---- binding ---- */

struct target {
    double share;
    uint64_t lines;
    bool keep;
    const char *name, *model;
    int scope;
    struct wm_list languages, inputs;
};

static const char *const scopes[] = {"all", "group", NULL};

static const struct wm_option table[] = {
    WM_REAL(struct target, share, 0.3, 0, 1, "share", "largest share"),
    WM_COUNT(struct target, lines, 3, 1, 1000, "lines", "fewest lines"),
    WM_BOOL(struct target, keep, true, "keep it"),
    WM_TEXT(struct target, name, "default", "name"),
    WM_PATH(struct target, model, NULL, "model file"),
    WM_CHOICE(struct target, scope, scopes, 1, "scope"),
    WM_LIST(struct target, languages, "languages"),
    WM_PATHS(struct target, inputs, "inputs"),
    {0},
};

static int bind(const char *text, const char *dir, struct target *t)
{
    static const char *const others[] = {"stages", NULL};
    wm_options_default(table, t);
    return wm_yaml_bind(parse(text), table, t, others, dir, &arena, &err);
}

static void test_bind(void)
{
    struct target t;
    CHECK_OK(bind("share: 0.5\nlines: 10\nkeep: no\nname: null\nmodel: m/lid.ftz\nscope: all\n"
                  "languages: [no, \"de\"]\ninputs: [a, /b, -, 's3://c/d']\nstages: [x]\n",
                  "conf/dir", &t),
             err);
    CHECK(t.share == 0.5 && t.lines == 10 && !t.keep && t.name == NULL && t.scope == 0);
    CHECK_STR(wm_str_of(t.model), WM_STR("conf/dir/m/lid.ftz"));
    CHECK(t.languages.n == 2 && !strcmp(t.languages.items[0], "no"));
    CHECK(t.inputs.n == 4 && !strcmp(t.inputs.items[0], "conf/dir/a"));
    CHECK(t.inputs.n == 4 && !strcmp(t.inputs.items[1], "/b") && !strcmp(t.inputs.items[2], "-"));
    CHECK(t.inputs.n == 4 && !strcmp(t.inputs.items[3], "s3://c/d"));

    CHECK_OK(bind("name: \"null\"\nmodel: x\nlanguages: de, fr\ninputs: a,b\n", NULL, &t), err);
    CHECK(!strcmp(t.name, "null") && !strcmp(t.model, "x"));
    CHECK(t.languages.n == 2 && !strcmp(t.languages.items[1], "fr"));
    CHECK(t.inputs.n == 1 && !strcmp(t.inputs.items[0], "a,b"));
    CHECK_OK(bind("languages:\nmodel: x\n", ".", &t), err);
    CHECK(t.languages.n == 0 && !strcmp(t.model, "x"));
    CHECK_OK(wm_yaml_bind(wm_yaml_get(parse("length:\n"), "length"), table, &t, NULL, NULL, &arena,
                          &err),
             err);
}

static void check_bind_fails(const char *text, const char *where, const char *what)
{
    struct target t;
    CHECK_FAILS(bind(text, "dir", &t), WM_E_CONFIG, err, what);
    CHECK_STR(wm_str_of(err.where), wm_str_of(where));
    CHECK(strchr(err.excerpt, '^') != NULL);
}

static void test_bind_refusals(void)
{
    check_bind_fails("lines: 3\nshare: 2\n", "test.yaml:2:8",
                     "share is \"2\", want a number from 0 to 1 (share)");
    CHECK_STR(wm_str_of(err.excerpt), WM_STR("    share: 2\n           ^"));
    check_bind_fails("share: [1]\n", "test.yaml:1:8", "share is a list, want a number");
    check_bind_fails("share: {a: 1}\n", "test.yaml:1:8", "share is a map, want a number");
    check_bind_fails("share:\nlines: 2\n", "test.yaml:1:7", "share is \"\"");
    check_bind_fails("languages: {a: 1}\n", "test.yaml:1:12", "languages is a map, want a list");
    check_bind_fails("languages: [[a]]\n", "test.yaml:1:13", "single value");
    check_bind_fails("languages: [a, '']\n", "test.yaml:1:16", "empty item");
    check_bind_fails("lins: 3\n", "test.yaml:1:1", "no setting \"lins\"");
    CHECK_STR(wm_str_of(err.hint), WM_STR("did you mean \"lines\"?"));
    check_bind_fails("stage: 3\n", "test.yaml:1:1", "no setting \"stage\"");
    CHECK_STR(wm_str_of(err.hint), WM_STR("did you mean \"stages\"?"));
    check_bind_fails("other: 3\n", "test.yaml:1:1", "no setting \"other\"");
    CHECK(strstr(err.hint, "known here: ") && strstr(err.hint, "lines"));
    check_bind_fails("scope: grup\n", "test.yaml:1:8", "one of all, group");
    CHECK_STR(wm_str_of(err.hint), WM_STR("did you mean \"group\"?"));
    check_bind_fails("just text\n", "test.yaml:1:1", "name: value");
    check_bind_fails("[a]\n", "test.yaml:1:1", "name: value");
    check_bind_fails("\"evil\\e[31m\": 1\n", "test.yaml:1:1", "\\x1B[31m");

    static const struct wm_option twice[] = {
        WM_COUNT(struct target, lines, 3, 1, 1000, "lines", "fewest"),
        {"max_share", WM_OPTION_REAL, offsetof(struct target, share), 0, 0, 1, 0, 0, "", "x",
         WM_OPTION_REQUIRED},
        {0},
    };
    struct target t;
    CHECK_FAILS(
        wm_yaml_bind(parse("max-share: 1\nmax_share: 1\n"), twice, &t, NULL, NULL, &arena, &err),
        WM_E_CONFIG, err, "max_share is given twice");
    CHECK_FAILS(wm_yaml_bind(parse("\n\nlines: 4\n"), twice, &t, NULL, NULL, &arena, &err),
                WM_E_CONFIG, err, "max_share is missing");
    CHECK_STR(wm_str_of(err.where), WM_STR("test.yaml:3:1"));
}

/* ---- --set ---- */

static const struct wm_yaml_node *walk(const struct wm_yaml_node *node, const char *a,
                                       const char *b)
{
    node = wm_yaml_get(node, a);
    return b ? wm_yaml_get(node, b) : node;
}

static int set(struct wm_yaml_node *root, const char *text)
{
    return wm_yaml_set(root, wm_str_of(text), &arena, &err);
}

static void test_set(void)
{
    struct wm_yaml_node *root = parse("train: {steps: 10, batch_size: 4}\n"
                                      "corpus:\n"
                                      "  stages:\n"
                                      "    - normalize\n"
                                      "    - line-repeat: {share: 0.2}\n"
                                      "    - length\n"
                                      "list: [a, b]\n"
                                      "empty:\n");
    CHECK_OK(set(root, "train.steps=20"), err);
    CHECK_STR(walk(root, "train", "steps")->text, WM_STR("20"));
    CHECK_OK(set(root, "train.batch-size=8"), err);
    CHECK_STR(walk(root, "train", "batch_size")->text, WM_STR("8"));
    CHECK_U64(walk(root, "train", NULL)->n, 2);
    CHECK_OK(set(root, "new.a.b=x=y"), err);
    CHECK_STR(wm_yaml_get(walk(root, "new", "a"), "b")->text, WM_STR("x=y"));
    CHECK_OK(set(root, "empty.k="), err);
    CHECK_STR(walk(root, "empty", "k")->text, WM_STR(""));
    CHECK_OK(set(root, "list[1]=c"), err);
    CHECK_OK(set(root, "list[2]=d"), err);
    const struct wm_yaml_node *list = walk(root, "list", NULL);
    CHECK_U64(list->n, 3);
    CHECK_STR(list->children[1].value->text, WM_STR("c"));
    CHECK_STR(list->children[2].value->text, WM_STR("d"));
    CHECK_OK(set(root, "list=[x, {y: z}]"), err);
    CHECK_U64(walk(root, "list", NULL)->n, 2);

    const struct wm_yaml_node *stages = walk(root, "corpus", "stages");
    CHECK_OK(set(root, "corpus.stages.length.min=5"), err);
    CHECK_OK(set(root, "corpus.stages.line_repeat.share=0.4"), err);
    CHECK_OK(set(root, "corpus.stages.normalize.form=nfkc"), err);
    CHECK_U64(stages->n, 3);
    CHECK_STR(walk(stages->children[2].value, "length", "min")->text, WM_STR("5"));
    CHECK_STR(walk(stages->children[1].value, "line-repeat", "share")->text, WM_STR("0.4"));

    struct target t;
    wm_options_default(table, &t);
    root = parse("lines: 1\n");
    CHECK_OK(set(root, "inputs=a,b"), err);
    CHECK_OK(set(root, "model=m"), err);
    CHECK_OK(wm_yaml_bind(root, table, &t, NULL, "dir", &arena, &err), err);
    CHECK(t.inputs.n == 2 && !strcmp(t.inputs.items[1], "b") && !strcmp(t.model, "m"));
    CHECK_OK(set(root, "share=7"), err);
    CHECK(wm_yaml_bind(root, table, &t, NULL, "dir", &arena, &err) == WM_E_CONFIG);
    CHECK_STR(wm_str_of(err.where), WM_STR("--set share=7"));
}

static void test_set_refusals(void)
{
    static const char *const cases[][2] = {
        {"", "want a.b.c=value"},          {"=1", "want a.b.c=value"},
        {"a", "want a.b.c=value"},         {"a..b=1", "a name is missing"},
        {".a=1", "a name is missing"},     {"list.=1", "a name is missing"},
        {"a.b=1", "a is a single value"},  {"list[9]=1", "list has fewer items"},
        {"list[x]=1", "no index"},         {"list[=1", "no index"},
        {"map[0]=1", "map is not a list"}, {"list.zzz=1", "list is a list without such an item"},
        {"map.x=[1", "not YAML"},          {"map.x=&a [1]", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wm_yaml_node *root = parse("a: 1\nlist: [x]\nmap: {k: v}\n");
        int status = set(root, cases[i][0]);
        if (!cases[i][1][0]) { /* not a sequence by its first byte, so a plain word */
            CHECK_OK(status, err);
            continue;
        }
        CHECK_(status == WM_E_CONFIG, "--set %s was taken", cases[i][0]);
        CHECK_(strstr(err.what, cases[i][1]) != NULL, "\"%s\" lacks \"%s\"", err.what, cases[i][1]);
        CHECK_(strncmp(err.where, "--set ", 6) == 0, "where is %s", err.where);
    }
    char deep[400] = "a";
    for (int i = 0; i < 100; i++)
        memcpy(deep + 1 + 2 * i, ".a", 3);
    memcpy(deep + 201, "=1", 3);
    CHECK_FAILS(set(parse("b: 1\n"), deep), WM_E_CONFIG, err, "deep");
}

int main(void)
{
    wm_arena_init(&arena, 64 << 20);
    test_tree();
    test_refusals();
    test_limits();
    test_files();
    test_bind();
    test_bind_refusals();
    test_set();
    test_set_refusals();
    wm_arena_done(&arena);
    return test_summary();
}
