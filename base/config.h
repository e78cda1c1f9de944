/* The configuration file: one YAML file, read by all three programs.
 *
 * Owns every key, its type, default and range; `schema/config.schema.json`
 * says the same for editors and a test holds the two together. An error
 * names file, line, key, value and what was expected. Unknown keys are
 * errors. Relative paths are relative to the state folder.
 */
#ifndef BASE_CONFIG_H
#define BASE_CONFIG_H

#include "base/age_key.h"
#include "base/config_retention.h"
#include "base/log.h"
#include "base/status.h"
#include <stdbool.h>
#include <stdint.h>

enum config_identity {
    CONFIG_IDENTITY_LOCAL = 1,
    CONFIG_IDENTITY_PASSTHROUGH = 2,
};
enum config_durability {
    CONFIG_DURABILITY_JOURNAL,
    CONFIG_DURABILITY_STRICT
};

enum config_record {
    CONFIG_RECORD_REQUIRED,
    CONFIG_RECORD_BEST_EFFORT
};

#define CONFIG_NAMES_MAX       32
#define CONFIG_RECIPIENTS_MAX  16
#define CONFIG_FILE_MAX        (1u << 20)
#define CONFIG_FORMER_KEYS_MAX 8

/* No text is NULL: one that was not given and has no default is "". */
struct config {
    char *state;      /* state: folder, absolute. Required */
    char *cluster;    /* cluster: the name recorded. "" = the upstream's name:
                       * kubeconfig's cluster, or "in-cluster" */
    char *listen;     /* listen: 127.0.0.1:8443 */
    char *admin;      /* admin: "" (off); 127.0.0.1:9443 */
    uint32_t workers; /* workers: 1, 1-256 */
    struct {
        char *cert; /* tls.cert, tls.key: PEM files; both or neither. */
        char *key;  /* Neither: made on first start in <state>/tls */
        char *names[CONFIG_NAMES_MAX]; /* tls.names: for the made one, besides
                                        * localhost and the listen address */
        size_t name_count;
    } tls;
    struct {
        char *kubeconfig; /* upstream.kubeconfig: path; */
        char *context;    /* upstream.context: "" = current-context */
        bool in_cluster;  /* upstream.in_cluster: true instead of a file */
    } upstream; /* exactly one of kubeconfig and in_cluster; no environment
                 * variable stands in for them */
    enum config_identity identity[2]; /* identity: [local, passthrough] */
    size_t identity_count;            /* order tried; default [local] */
    struct {
        enum config_durability durability; /* journal.durability: journal */
        uint32_t
            sync_interval_ms;    /* journal.sync_interval_ms: 1000, 10-60000 */
        uint64_t max_bytes;      /* journal.max_bytes: backlog cap, 4 GiB,
                             * 128 MiB - 1 TiB, a worker */
        uint64_t min_free_bytes; /* journal.min_free_bytes: 512 MiB, 0 - 1 TiB;
                                  * 0: any */
        uint32_t pause_ms;       /* journal.pause_ms: 10000, 0-600000 */
    } journal;
    struct {
        uint32_t timeout_ms;       /* recorder.timeout_ms: 10000, 1000-600000 */
        uint32_t seal_interval_ms; /* recorder.seal_interval_ms: 5000,
                                    * 100-600000 */
        char *key; /* recorder.key: PEM; "" = <state>/keys/seal.pem, made */
        /* recorder.encrypt_to: age1…; none: recordings stay in the clear */
        struct age_recipient encrypt_to[CONFIG_RECIPIENTS_MAX];
        size_t encrypt_to_count;
        char *former_keys[CONFIG_FORMER_KEYS_MAX]; /* recorder.former_keys: */
        size_t former_key_count; /* PEM of keys that signed before */
    } recorder;
    struct {
        bool stdin_tty;     /* record.stdin: never|non-tty|always, default */
        bool stdin_non_tty; /* non-tty: input is recorded without a TTY */
        enum config_record mode; /* record.mode: required */
    } record;
    struct config_retention retention; /* retention.rules, .max_bytes: none */
    struct {
        enum log_level level;   /* log.level: info */
        enum log_format format; /* log.format: logfmt|json */
    } log;
};

/* `file` names the text in messages. */
enum status config_parse(struct span text, const char *file,
    struct config **out, struct error *err) MUST_CHECK;
enum status config_load(
    const char *path, struct config **out, struct error *err) MUST_CHECK;
void config_free(struct config **c);

#endif
