/* The table of configuration keys. A new key is one line here, one field in
 * config.h and one property in schema/config.schema.json. */
#include "base/config_keys.h"
#include "base/config.h"
#include <assert.h>

#define MIB (UINT64_C(1) << 20)
#define TIB (UINT64_C(1) << 40)

static const struct config_word identity_words[] = {
    {"local", CONFIG_IDENTITY_LOCAL},
    {"passthrough", CONFIG_IDENTITY_PASSTHROUGH},
    {NULL, 0},
};

static const struct config_word durability_words[] = {
    {"journal", CONFIG_DURABILITY_JOURNAL},
    {"strict", CONFIG_DURABILITY_STRICT},
    {NULL, 0},
};

static const struct config_word stdin_words[] = {
    {"never", 0},
    {"non-tty", CONFIG_STDIN_NON_TTY},
    {"always", CONFIG_STDIN_NON_TTY | CONFIG_STDIN_TTY},
    {NULL, 0},
};

static const struct config_word record_words[] = {
    {"required", CONFIG_RECORD_REQUIRED},
    {"best-effort", CONFIG_RECORD_BEST_EFFORT},
    {NULL, 0},
};

static const struct config_word level_words[] = {
    {"trace", LOG_TRACE},
    {"debug", LOG_DEBUG},
    {"info", LOG_INFO},
    {"warn", LOG_WARN},
    {"error", LOG_ERROR},
    {NULL, 0},
};

static const struct config_word format_words[] = {
    {"logfmt", LOG_LOGFMT},
    {"json", LOG_JSON},
    {NULL, 0},
};

static_assert(sizeof(enum config_identity) == sizeof(int) &&
                  sizeof(enum config_durability) == sizeof(int) &&
                  sizeof(enum config_record) == sizeof(int) &&
                  sizeof(enum log_level) == sizeof(int) &&
                  sizeof(enum log_format) == sizeof(int),
    "a word's value is stored as an int");

#define ONE(field) offsetof(struct config, field), 0
#define MANY(field, count) \
    offsetof(struct config, field), offsetof(struct config, count)

const struct config_key config_keys[] = {
    /* name, type,
     *  place, default, min, max, words */
    {"state", CONFIG_TEXT, ONE(state), NULL, 0, 0, NULL},
    {"cluster", CONFIG_TEXT, ONE(cluster), NULL, 0, 0, NULL},
    {"listen", CONFIG_ADDRESS, ONE(listen), "127.0.0.1:8443", 0, 0, NULL},
    {"admin", CONFIG_ADDRESS, ONE(admin), NULL, 0, 0, NULL},
    {"workers", CONFIG_COUNT, ONE(workers), "1", 1, 256, NULL},
    {"identity", CONFIG_CHOICES, MANY(identity, identity_count), "local", 1, 2,
        identity_words},
    {"tls.cert", CONFIG_PATH, ONE(tls.cert), NULL, 0, 0, NULL},
    {"tls.key", CONFIG_PATH, ONE(tls.key), NULL, 0, 0, NULL},
    {"tls.names", CONFIG_NAMES, MANY(tls.names, tls.name_count), NULL, 0,
        CONFIG_NAMES_MAX, NULL},
    {"upstream.kubeconfig", CONFIG_PATH, ONE(upstream.kubeconfig), NULL, 0, 0,
        NULL},
    {"upstream.context", CONFIG_TEXT, ONE(upstream.context), NULL, 0, 0, NULL},
    {"upstream.in_cluster", CONFIG_BOOL, ONE(upstream.in_cluster), "false", 0,
        0, NULL},
    {"journal.durability", CONFIG_CHOICE, ONE(journal.durability), "journal", 0,
        0, durability_words},
    {"journal.sync_interval_ms", CONFIG_COUNT, ONE(journal.sync_interval_ms),
        "1000", 10, 60000, NULL},
    {"journal.max_bytes", CONFIG_BYTES, ONE(journal.max_bytes), "4GiB",
        128 * MIB, TIB, NULL},
    {"journal.min_free_bytes", CONFIG_BYTES, ONE(journal.min_free_bytes),
        "512MiB", 0, TIB, NULL},
    {"journal.pause_ms", CONFIG_COUNT, ONE(journal.pause_ms), "10000", 0,
        600000, NULL},
    {"recorder.timeout_ms", CONFIG_COUNT, ONE(recorder.timeout_ms), "10000",
        1000, 600000, NULL},
    {"recorder.seal_interval_ms", CONFIG_COUNT, ONE(recorder.seal_interval_ms),
        "5000", 100, 600000, NULL},
    {"recorder.key", CONFIG_PATH, ONE(recorder.key), NULL, 0, 0, NULL},
    {"recorder.encrypt_to", CONFIG_RECIPIENTS,
        MANY(recorder.encrypt_to, recorder.encrypt_to_count), NULL, 0,
        CONFIG_RECIPIENTS_MAX, NULL},
    {"recorder.former_keys", CONFIG_PATHS,
        MANY(recorder.former_keys, recorder.former_key_count), NULL, 0,
        CONFIG_FORMER_KEYS_MAX, NULL},
    {"record.stdin", CONFIG_STDIN, ONE(record), "non-tty", 0, 0, stdin_words},
    {"record.mode", CONFIG_CHOICE, ONE(record.mode), "required", 0, 0,
        record_words},
    {"retention.rules", CONFIG_RULES, ONE(retention), NULL, 0, CONFIG_RULES_MAX,
        NULL},
    {"retention.max_bytes", CONFIG_BYTES, ONE(retention.max_bytes), NULL, MIB,
        1024 * TIB, NULL},
    {"log.level", CONFIG_CHOICE, ONE(log.level), "info", 0, 0, level_words},
    {"log.format", CONFIG_CHOICE, ONE(log.format), "logfmt", 0, 0,
        format_words},
};
const size_t config_key_count = sizeof(config_keys) / sizeof(config_keys[0]);
static_assert(sizeof(config_keys) / sizeof(config_keys[0]) <= CONFIG_KEYS_MAX,
    "config.c notes a line for each");
