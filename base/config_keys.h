/* The table of configuration keys: types, defaults, ranges. For config.c, which reads by it, and for
 * the test that compares it with schema/config.schema.json. */
#ifndef BASE_CONFIG_KEYS_H
#define BASE_CONFIG_KEYS_H

#include <stddef.h>
#include <stdint.h>

enum config_type {
    CONFIG_TEXT,       /* char * */
    CONFIG_PATH,       /* char *, relative to the state folder */
    CONFIG_ADDRESS,    /* char *, "" or what address_parse accepts */
    CONFIG_BOOL,       /* bool */
    CONFIG_COUNT,      /* uint32_t, min to max */
    CONFIG_BYTES,      /* uint64_t, min to max; "64MiB" is a number too; 0 when
                     * there is no default and it was not given */
    CONFIG_CHOICE,     /* an enum, by one of the words */
    CONFIG_CHOICES,    /* an enum's array and size_t: words, each once */
    CONFIG_NAMES,      /* a char *'s array and size_t: 0 to max texts */
    CONFIG_PATHS,      /* the same, each relative to the state folder */
    CONFIG_RECIPIENTS, /* a struct age_recipient's array and size_t */
    CONFIG_STDIN,      /* two bools: tty, non-tty; a word gives both */
    CONFIG_RULES,      /* struct config_retention: a list of 0 to max rules */
};

struct config_word {
    const char *word; /* NULL ends a list */
    int value;
};

struct config_key {
    const char *name; /* "journal.max_bytes" */
    enum config_type type;
    size_t offset;       /* in struct config */
    size_t count_offset; /* of an array's size_t */
    const char *def;     /* as it would be written; NULL: none */
    uint64_t min;
    uint64_t max;
    const struct config_word *words;
};

/* What the words of CONFIG_STDIN stand for. */
enum {
    CONFIG_STDIN_NON_TTY = 1,
    CONFIG_STDIN_TTY = 2,
};

#define CONFIG_KEYS_MAX 32

extern const struct config_key config_keys[];
extern const size_t config_key_count;

#endif
