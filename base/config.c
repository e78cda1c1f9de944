/* The configuration file.
 *
 * Owns what may be written there: one table of keys says how each is read,
 * what it defaults to and what it may be. A file is read into a new struct,
 * checked whole, and only then handed out, so that a reload is a swap.
 *
 * Refuses to know what the values are for, to open what they name and to look
 * at the environment. schema/config.schema.json repeats the table for editors;
 * test_config fails when the two differ.
 */
#include "base/config.h"
#include "base/address.h"
#include "base/config_keys.h"
#include "base/file.h"
#include "base/yaml.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEY_MAX     64 /* longest "section.key" that can be one of ours */
#define EXPECT_MAX  256
#define SIZE_MAX_IN 24 /* a size as text */

/* One file being read. */
struct reader {
    const char *file;
    struct error *err;
    struct config *config;
    unsigned line[CONFIG_KEYS_MAX]; /* where each key was given, or 0 */
};

static const struct config_key *
find_key(const char *name)
{
    for (size_t i = 0; i < config_key_count; i++) {
        if (strcmp(config_keys[i].name, name) == 0) {
            return &config_keys[i];
        }
    }
    return NULL;
}

static unsigned
line_of(const struct reader *r, const char *name)
{
    return r->line[find_key(name) - config_keys];
}

static void *
field(struct config *c, size_t offset)
{
    return (char *)c + offset;
}

/* What was expected, in words */

/* Each is 1024 of the one before. */
static const char *const units[] = {"", "KiB", "MiB", "GiB", "TiB"};
#define UNIT_COUNT (sizeof(units) / sizeof(units[0]))

static void
format_bytes(uint64_t n, char out[SIZE_MAX_IN])
{
    size_t i = 0;
    while (i + 1 < UNIT_COUNT && n >= 1024 && n % 1024 == 0) {
        n /= 1024;
        i++;
    }
    (void)snprintf(out, SIZE_MAX_IN, "%llu%s", (unsigned long long)n, units[i]);
}

/* Appends ", word" (the first without the comma), as far as there is room. */
static void
list_word(char out[EXPECT_MAX], const char *word, size_t word_len)
{
    const size_t len = strlen(out);
    (void)snprintf(out + len, EXPECT_MAX - len, "%s%.*s", len == 0 ? "" : ", ",
        (int)word_len, word);
}

static void
list_words(char out[EXPECT_MAX], const struct config_word *words)
{
    out[0] = '\0';
    for (; words->word != NULL; words++) {
        list_word(out, words->word, strlen(words->word));
    }
}

/* The keys of a section ("" for the outermost), each section once. */
static void
list_keys(char out[EXPECT_MAX], const char *section)
{
    const size_t skip = section[0] == '\0' ? 0 : strlen(section) + 1;
    const char *last = "";
    out[0] = '\0';
    for (size_t i = 0; i < config_key_count; i++) {
        const char *name = config_keys[i].name;
        if (skip > 0 &&
            (strncmp(name, section, skip - 1) != 0 || name[skip - 1] != '.')) {
            continue;
        }
        const size_t len = strcspn(name + skip, ".");
        if (strncmp(last, name + skip, len) != 0 || last[len] != '.') {
            list_word(out, name + skip, len);
        }
        last = name + skip;
    }
}

/* `F:12: journal.max_bytes: 5 is out of range, …` */
static enum status
refuse(const struct reader *r, unsigned line, const char *key,
    const char *value, const char *what)
{
    return error_set(r->err, STATUS_INVALID, "%s:%u: %s: %s%s%s", r->file, line,
        key, value, value[0] == '\0' ? "" : " ", what);
}

static const char *
value_text(const struct yaml_node *node)
{
    switch (node->kind) {
    case YAML_SCALAR:
        return node->scalar[0] == '\0' ? "nothing" : node->scalar;
    case YAML_LIST:
        return "a list";
    case YAML_MAP:
        return "a map";
    }
    return "";
}

static enum status
refuse_kind(const struct reader *r, const struct config_key *key,
    const struct yaml_node *node, const char *expected)
{
    char what[EXPECT_MAX + 32];
    (void)snprintf(what, sizeof(what), "was given, expected %s", expected);
    return refuse(r, node->line, key->name, value_text(node), what);
}

static enum status
refuse_range(const struct reader *r, const struct config_key *key,
    const struct yaml_node *node)
{
    char min[SIZE_MAX_IN];
    char max[SIZE_MAX_IN];
    char what[EXPECT_MAX];
    if (key->type == CONFIG_BYTES) {
        format_bytes(key->min, min);
        format_bytes(key->max, max);
    } else {
        (void)snprintf(min, sizeof(min), "%llu", (unsigned long long)key->min);
        (void)snprintf(max, sizeof(max), "%llu", (unsigned long long)key->max);
    }
    (void)snprintf(
        what, sizeof(what), "is out of range, expected %s to %s", min, max);
    return refuse(r, node->line, key->name, value_text(node), what);
}

static enum status
no_memory(const struct reader *r)
{
    return error_set(r->err, STATUS_NO_MEMORY, "%s: no memory", r->file);
}

/* Values, one function a type */

static enum status
set_text(struct reader *r, const struct config_key *key,
    const struct yaml_node *node)
{
    const char *text = yaml_text(node);
    if (text == NULL) {
        return refuse_kind(r, key, node, "a text");
    }
    char *copy = strdup(text);
    if (copy == NULL) {
        return no_memory(r);
    }
    *(char **)field(r->config, key->offset) = copy;
    return STATUS_OK;
}

static enum status
set_address(struct reader *r, const struct config_key *key,
    const struct yaml_node *node)
{
    const char *text = yaml_text(node);
    struct address ignored;
    if (text == NULL ||
        (text[0] != '\0' && address_parse(text, &ignored, NULL) != STATUS_OK)) {
        return refuse_kind(
            r, key, node, "an address and a port such as 127.0.0.1:8443");
    }
    return set_text(r, key, node);
}

static enum status
set_bool(struct reader *r, const struct config_key *key,
    const struct yaml_node *node)
{
    const char *text = yaml_text(node);
    if (text == NULL || !node->is_plain ||
        (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)) {
        return refuse_kind(r, key, node, "true or false");
    }
    *(bool *)field(r->config, key->offset) = text[0] == 't';
    return STATUS_OK;
}

static enum status
set_count(struct reader *r, const struct config_key *key,
    const struct yaml_node *node)
{
    uint64_t n = 0;
    const char *text = yaml_text(node);
    if (text == NULL || !node->is_plain ||
        strspn(text, "0123456789") != strlen(text)) {
        return refuse_kind(r, key, node, "a whole number");
    }
    if (!span_to_u64(span_str(text), key->max, &n) || n < key->min) {
        return refuse_range(r, key, node);
    }
    *(uint32_t *)field(r->config, key->offset) = (uint32_t)n;
    return STATUS_OK;
}

/* 1 for no suffix, 0 for one that is none of ours. */
static uint64_t
unit_of(const char *suffix)
{
    for (size_t i = 0; i < UNIT_COUNT; i++) {
        if (strcmp(suffix, units[i]) == 0) {
            return UINT64_C(1) << (10 * i);
        }
    }
    return 0;
}

static enum status
set_bytes(struct reader *r, const struct config_key *key,
    const struct yaml_node *node)
{
    uint64_t n = 0;
    const char *text = yaml_text(node);
    const size_t digits = text == NULL ? 0 : strspn(text, "0123456789");
    const uint64_t unit = digits == 0 ? 0 : unit_of(text + digits);
    /* A quoted "64MiB" is as good as a plain one, a quoted "64" is a text. */
    if (unit == 0 || (unit == 1 && !node->is_plain)) {
        return refuse_kind(
            r, key, node, "a number of bytes such as 4294967296 or 4GiB");
    }
    if (!span_to_u64(span_of(text, digits), key->max / unit, &n) ||
        n * unit < key->min) {
        return refuse_range(r, key, node);
    }
    *(uint64_t *)field(r->config, key->offset) = n * unit;
    return STATUS_OK;
}

static enum status
read_word(const struct reader *r, const struct config_key *key,
    const struct yaml_node *node, int *value_out)
{
    const char *text = yaml_text(node);
    for (const struct config_word *w = key->words;
         text != NULL && w->word != NULL; w++) {
        if (strcmp(text, w->word) == 0) {
            *value_out = w->value;
            return STATUS_OK;
        }
    }
    char words[EXPECT_MAX];
    char expected[EXPECT_MAX + 8];
    list_words(words, key->words);
    (void)snprintf(expected, sizeof(expected), "one of %s", words);
    return refuse_kind(r, key, node, expected);
}

static enum status
set_choice(struct reader *r, const struct config_key *key,
    const struct yaml_node *node)
{
    int value = 0;
    const enum status st = read_word(r, key, node, &value);
    if (st == STATUS_OK) {
        *(int *)field(r->config, key->offset) = value;
    }
    return st;
}

static enum status
set_stdin(struct reader *r, const struct config_key *key,
    const struct yaml_node *node)
{
    int value = 0;
    const enum status st = read_word(r, key, node, &value);
    if (st == STATUS_OK) {
        r->config->record.stdin_tty = (value & CONFIG_STDIN_TTY) != 0;
        r->config->record.stdin_non_tty = (value & CONFIG_STDIN_NON_TTY) != 0;
    }
    return st;
}

static enum status
check_list(const struct reader *r, const struct config_key *key,
    const struct yaml_node *node)
{
    char expected[64];
    if (node->kind == YAML_LIST && node->count >= key->min &&
        node->count <= key->max) {
        return STATUS_OK;
    }
    (void)snprintf(expected, sizeof(expected), "a list of %llu to %llu",
        (unsigned long long)key->min, (unsigned long long)key->max);
    return refuse_kind(r, key, node, expected);
}

static enum status
set_choices(struct reader *r, const struct config_key *key,
    const struct yaml_node *node)
{
    int *values = field(r->config, key->offset);
    size_t *count = field(r->config, key->count_offset);
    enum status st = check_list(r, key, node);
    for (size_t i = 0; st == STATUS_OK && i < node->count; i++) {
        st = read_word(r, key, node->items[i], &values[i]);
        for (size_t j = 0; st == STATUS_OK && j < i; j++) {
            if (values[j] == values[i]) {
                st = refuse(r, node->items[i]->line, key->name,
                    node->items[i]->scalar, "was given twice");
            }
        }
        *count = i + 1;
    }
    return st;
}

static enum status
set_names(struct reader *r, const struct config_key *key,
    const struct yaml_node *node)
{
    char **names = field(r->config, key->offset);
    size_t *count = field(r->config, key->count_offset);
    enum status st = check_list(r, key, node);
    for (size_t i = 0; st == STATUS_OK && i < node->count; i++) {
        const char *name = yaml_text(node->items[i]);
        if (name == NULL || name[0] == '\0') {
            return refuse_kind(r, key, node->items[i], "a name");
        }
        names[i] = strdup(name);
        if (names[i] == NULL) {
            return no_memory(r);
        }
        *count = i + 1;
    }
    return st;
}

/* A secret that stands in the wrong place gets into no log. */
static enum status
refuse_recipient(const struct reader *r, const struct config_key *key,
    const struct yaml_node *node)
{
    const char *text = yaml_text(node);
    if (text != NULL && strncasecmp(text, "AGE-SECRET-KEY",
                            sizeof("AGE-SECRET-KEY") - 1) == 0) {
        return refuse(r, node->line, key->name, "a secret key",
            "was given, expected its recipient (age1…), as `age-keygen -y` "
            "says it");
    }
    return refuse_kind(r, key, node, "an age recipient (age1…, X25519)");
}

static enum status
set_recipients(struct reader *r, const struct config_key *key,
    const struct yaml_node *node)
{
    struct age_recipient *recipients = field(r->config, key->offset);
    size_t *count = field(r->config, key->count_offset);
    enum status st = check_list(r, key, node);
    for (size_t i = 0; st == STATUS_OK && i < node->count; i++) {
        const char *text = yaml_text(node->items[i]);
        if (text == NULL ||
            age_recipient_parse(span_str(text), &recipients[i]) != STATUS_OK) {
            return refuse_recipient(r, key, node->items[i]);
        }
        *count = i + 1;
    }
    return st;
}

static enum status
set_value(struct reader *r, const struct config_key *key,
    const struct yaml_node *node)
{
    switch (key->type) {
    case CONFIG_TEXT:
    case CONFIG_PATH:
        return set_text(r, key, node);
    case CONFIG_ADDRESS:
        return set_address(r, key, node);
    case CONFIG_BOOL:
        return set_bool(r, key, node);
    case CONFIG_COUNT:
        return set_count(r, key, node);
    case CONFIG_BYTES:
        return set_bytes(r, key, node);
    case CONFIG_CHOICE:
        return set_choice(r, key, node);
    case CONFIG_CHOICES:
        return set_choices(r, key, node);
    case CONFIG_NAMES:
    case CONFIG_PATHS:
        return set_names(r, key, node);
    case CONFIG_RECIPIENTS:
        return set_recipients(r, key, node);
    case CONFIG_STDIN:
        return set_stdin(r, key, node);
    case CONFIG_RULES:
        return config_retention_read(
            r->file, node, field(r->config, key->offset), r->err);
    }
    return STATUS_OK;
}

/* The file */

static bool
is_section(const char *word)
{
    const size_t len = strlen(word);
    for (size_t i = 0; i < config_key_count; i++) {
        if (strncmp(config_keys[i].name, word, len) == 0 &&
            config_keys[i].name[len] == '.') {
            return true;
        }
    }
    return false;
}

static enum status
refuse_unknown(
    const struct reader *r, const struct yaml_node *word, const char *section)
{
    char keys[EXPECT_MAX];
    list_keys(keys, section);
    return error_set(r->err, STATUS_INVALID,
        "%s:%u: %s%s%s: unknown key, expected one of %s", r->file, word->line,
        section, section[0] == '\0' ? "" : ".", word->scalar, keys);
}

static enum status
read_key(struct reader *r, const char *section, const struct yaml_node *word,
    const struct yaml_node *value)
{
    char name[KEY_MAX];
    const int len = snprintf(name, sizeof(name), "%s%s%s", section,
        section[0] == '\0' ? "" : ".", word->scalar);
    const struct config_key *key =
        len < KEY_MAX && strchr(word->scalar, '.') == NULL ? find_key(name)
                                                           : NULL;
    if (key == NULL) {
        return refuse_unknown(r, word, section);
    }
    r->line[key - config_keys] = word->line;
    return set_value(r, key, value);
}

static enum status
read_section(struct reader *r, const struct yaml_node *word,
    const struct yaml_node *value)
{
    if (value->kind == YAML_SCALAR && yaml_text(value) == NULL) {
        return STATUS_OK; /* all of it commented out */
    }
    if (value->kind != YAML_MAP) {
        return refuse(r, value->line, word->scalar, value_text(value),
            "was given, expected a map of settings");
    }
    enum status st = STATUS_OK;
    for (size_t i = 0; st == STATUS_OK && i < value->count; i++) {
        st = read_key(
            r, word->scalar, value->items[2 * i], value->items[2 * i + 1]);
    }
    return st;
}

static enum status
read_root(struct reader *r, const struct yaml_node *root)
{
    if (root->kind != YAML_MAP) {
        return error_set(r->err, STATUS_INVALID,
            "%s:%u: %s was given, expected a map of settings", r->file,
            root->line, value_text(root));
    }
    enum status st = STATUS_OK;
    for (size_t i = 0; st == STATUS_OK && i < root->count; i++) {
        const struct yaml_node *word = root->items[2 * i];
        const struct yaml_node *value = root->items[2 * i + 1];
        st = is_section(word->scalar) ? read_section(r, word, value)
                                      : read_key(r, "", word, value);
    }
    return st;
}

/* Defaults go the way that values go, so they are checked as those are. */
static enum status
set_default(struct reader *r, const struct config_key *key)
{
    struct yaml_node word = {.kind = YAML_SCALAR, .scalar = key->def};
    struct yaml_node *items[] = {&word};
    struct yaml_node list = {.kind = YAML_LIST, .items = items, .count = 1};
    word.is_plain = key->def != NULL;
    if (key->def == NULL && key->type == CONFIG_BYTES) {
        return STATUS_OK; /* 0, as it was made */
    }
    if (key->def == NULL) {
        word.scalar = "";
        list.count = 0;
    }
    const bool is_list =
        key->type == CONFIG_CHOICES || key->type == CONFIG_NAMES ||
        key->type == CONFIG_PATHS || key->type == CONFIG_RECIPIENTS ||
        key->type == CONFIG_RULES;
    return set_value(r, key, is_list ? &list : &word);
}

static enum status
set_defaults(struct reader *r)
{
    enum status st = STATUS_OK;
    for (size_t i = 0; st == STATUS_OK && i < config_key_count; i++) {
        if (r->line[i] == 0) {
            st = set_default(r, &config_keys[i]);
        }
    }
    return st;
}

/* What holds between keys */

static enum status
check_upstream(const struct reader *r)
{
    const struct config *c = r->config;
    const bool has_file = c->upstream.kubeconfig[0] != '\0';
    if (!has_file && !c->upstream.in_cluster) {
        return error_set(r->err, STATUS_INVALID,
            "%s: upstream: missing, expected upstream.kubeconfig (a file) or "
            "upstream.in_cluster: true",
            r->file);
    }
    if (has_file && c->upstream.in_cluster) {
        return refuse(r, line_of(r, "upstream.in_cluster"),
            "upstream.in_cluster", "true",
            "was given, expected it without upstream.kubeconfig");
    }
    if (!has_file && c->upstream.context[0] != '\0') {
        return refuse(r, line_of(r, "upstream.context"), "upstream.context",
            c->upstream.context,
            "was given, expected it with upstream.kubeconfig");
    }
    return STATUS_OK;
}

static enum status
check_tls(const struct reader *r)
{
    const struct config *c = r->config;
    const bool has_cert = c->tls.cert[0] != '\0';
    const bool has_key = c->tls.key[0] != '\0';
    if (has_cert == has_key) {
        return STATUS_OK;
    }
    return has_cert ? refuse(r, line_of(r, "tls.cert"), "tls.cert", c->tls.cert,
                          "was given, expected tls.key with it")
                    : refuse(r, line_of(r, "tls.key"), "tls.key", c->tls.key,
                          "was given, expected tls.cert with it");
}

static enum status
check_whole(const struct reader *r)
{
    const struct config *c = r->config;
    if (c->state[0] == '\0') {
        return error_set(r->err, STATUS_INVALID,
            "%s: state: missing, expected the folder that holds everything",
            r->file);
    }
    if (c->listen[0] == '\0') {
        return refuse(r, line_of(r, "listen"), "listen", "nothing",
            "was given, expected an address and a port");
    }
    const enum status st = check_tls(r);
    return st == STATUS_OK ? check_upstream(r) : st;
}

/* Paths */

static enum status
make_absolute(const struct reader *r, char **path, const char *folder)
{
    char joined[PATH_MAX];
    if ((*path)[0] == '\0' || (*path)[0] == '/') {
        return STATUS_OK;
    }
    const enum status st =
        file_join(joined, sizeof(joined), folder, *path, r->err);
    if (st != STATUS_OK) {
        return st;
    }
    char *copy = strdup(joined);
    if (copy == NULL) {
        return no_memory(r);
    }
    free(*path);
    *path = copy;
    return STATUS_OK;
}

static enum status
make_paths_absolute(const struct reader *r)
{
    char here[PATH_MAX];
    if (getcwd(here, sizeof(here)) == NULL) {
        return error_set(
            r->err, STATUS_IO, "%s: the current folder is gone", r->file);
    }
    enum status st = make_absolute(r, &r->config->state, here);
    for (size_t i = 0; st == STATUS_OK && i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        char **paths = field(r->config, key->offset);
        size_t count = key->type == CONFIG_PATH ? 1 : 0;
        if (key->type == CONFIG_PATHS) {
            count = *(size_t *)field(r->config, key->count_offset);
        }
        for (size_t j = 0; st == STATUS_OK && j < count; j++) {
            st = make_absolute(r, &paths[j], r->config->state);
        }
    }
    return st;
}

/* The door */

static enum status
read_config(struct reader *r, const struct yaml_node *root)
{
    enum status st = read_root(r, root);
    if (st == STATUS_OK) {
        st = set_defaults(r);
    }
    if (st == STATUS_OK) {
        st = check_whole(r);
    }
    if (st == STATUS_OK) {
        st = make_paths_absolute(r);
    }
    return st;
}

enum status
config_parse(
    struct span text, const char *file, struct config **out, struct error *err)
{
    struct yaml *tree = NULL;
    enum status st = yaml_parse(text, file, &tree, err);
    if (st != STATUS_OK) {
        return st;
    }
    struct reader r = {.file = file, .err = err};
    r.config = calloc(1, sizeof(*r.config));
    st = r.config == NULL ? no_memory(&r) : read_config(&r, yaml_root(tree));
    if (st == STATUS_OK) {
        *out = r.config;
        r.config = NULL;
    }
    config_free(&r.config);
    yaml_close(&tree);
    return st;
}

enum status
config_load(const char *path, struct config **out, struct error *err)
{
    struct buf text;
    buf_init(&text, CONFIG_FILE_MAX);
    enum status st = file_read(path, &text, err);
    if (st == STATUS_OK) {
        st = config_parse(buf_view(&text), path, out, err);
    }
    buf_fini(&text);
    return st;
}

static void
free_texts(struct config *c, const struct config_key *key)
{
    char **texts = field(c, key->offset);
    size_t count = 0;
    if (key->type == CONFIG_TEXT || key->type == CONFIG_PATH ||
        key->type == CONFIG_ADDRESS) {
        count = 1;
    } else if (key->type == CONFIG_NAMES || key->type == CONFIG_PATHS) {
        count = *(size_t *)field(c, key->count_offset);
    }
    for (size_t i = 0; i < count; i++) {
        free(texts[i]);
    }
}

void
config_free(struct config **c)
{
    if (*c == NULL) {
        return;
    }
    for (size_t i = 0; i < config_key_count; i++) {
        free_texts(*c, &config_keys[i]);
    }
    free(*c);
    *c = NULL;
}
