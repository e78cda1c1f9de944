#include "base/config.h"
#include "base/config_keys.h"
#include "tests/support/age_keys.h"
#include "tests/support/test.h"
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCHEMA_FILE KUBETAPE_SOURCE_DIR "/schema/config.schema.json"
#define MINIMAL     "state: /s\nupstream: {kubeconfig: /k}\n"

static struct config *
parse(const char *text)
{
    struct config *c = NULL;
    struct error err = {0};
    if (config_parse(span_str(text), "k.yaml", &c, &err) != STATUS_OK) {
        fail_msg("%s", err.text);
    }
    return c;
}

static void
expect_error(const char *text, const char *message)
{
    struct config *c = NULL;
    struct error err = {0};
    assert_int_equal(
        config_parse(span_str(text), "k.yaml", &c, &err), STATUS_INVALID);
    assert_null(c);
    assert_string_equal(err.text, message);
}

/* The same behind what is required, on line 3. */
static void
expect_refused(const char *line, const char *message)
{
    char text[1024];
    char expected[512];
    (void)snprintf(text, sizeof(text), MINIMAL "%s\n", line);
    (void)snprintf(expected, sizeof(expected), "k.yaml:3: %s", message);
    expect_error(text, expected);
}

static void
defaults_fill_what_is_not_given(void **state)
{
    (void)state;
    struct config *c = parse(MINIMAL);
    assert_string_equal(c->state, "/s");
    assert_string_equal(c->cluster, "");
    assert_string_equal(c->listen, "127.0.0.1:8443");
    assert_string_equal(c->admin, "");
    assert_int_equal(c->workers, 1);
    assert_string_equal(c->tls.cert, "");
    assert_string_equal(c->tls.key, "");
    assert_int_equal(c->tls.name_count, 0);
    assert_string_equal(c->upstream.kubeconfig, "/k");
    assert_string_equal(c->upstream.context, "");
    assert_false(c->upstream.in_cluster);
    assert_int_equal(c->identity_count, 1);
    assert_int_equal(c->identity[0], CONFIG_IDENTITY_LOCAL);
    assert_int_equal(c->journal.durability, CONFIG_DURABILITY_JOURNAL);
    assert_int_equal(c->journal.sync_interval_ms, 1000);
    assert_true(c->journal.max_bytes == UINT64_C(4) << 30);
    assert_true(c->journal.min_free_bytes == UINT64_C(512) << 20);
    assert_int_equal(c->journal.pause_ms, 10000);
    assert_int_equal(c->record.mode, CONFIG_RECORD_REQUIRED);
    assert_int_equal(c->recorder.timeout_ms, 10000);
    assert_int_equal(c->recorder.seal_interval_ms, 5000);
    assert_string_equal(c->recorder.key, "");
    assert_false(c->record.stdin_tty);
    assert_true(c->record.stdin_non_tty);
    assert_int_equal(c->retention.rule_count, 0);
    assert_true(c->retention.max_bytes == 0);
    assert_int_equal(c->log.level, LOG_INFO);
    assert_int_equal(c->log.format, LOG_LOGFMT);
    config_free(&c);
    assert_null(c);
}

static void
every_key_is_read(void **state)
{
    (void)state;
    struct config *c = parse("state: /var/lib/kubetape\n"
                             "cluster: prod\n"
                             "listen: '[::]:443'\n"
                             "admin: 127.0.0.1:9443\n"
                             "workers: 8\n"
                             "tls:\n"
                             "  cert: tls/own.pem\n"
                             "  key: /etc/key.pem\n"
                             "  names: [tape.example, 10.0.0.1]\n"
                             "upstream:\n"
                             "  kubeconfig: kube/config\n"
                             "  context: admin@prod\n"
                             "  in_cluster: false\n"
                             "identity: [passthrough, local]\n"
                             "journal:\n"
                             "  durability: strict\n"
                             "  sync_interval_ms: 10\n"
                             "  max_bytes: 128MiB\n"
                             "recorder:\n"
                             "  timeout_ms: 600000\n"
                             "  seal_interval_ms: 100\n"
                             "  key: seal.pem\n"
                             "  former_keys: [old.pem, /etc/older.pem]\n"
                             "record:\n"
                             "  stdin: always\n"
                             "retention:\n"
                             "  rules:\n"
                             "  - {namespace: 'prod-*', user: alice,\n"
                             "     type: exec, max_age: 52w}\n"
                             "  - max_age: 90d\n"
                             "  max_bytes: 500GiB\n"
                             "log:\n"
                             "  level: debug\n"
                             "  format: json\n");
    assert_string_equal(c->cluster, "prod");
    assert_string_equal(c->listen, "[::]:443");
    assert_string_equal(c->admin, "127.0.0.1:9443");
    assert_int_equal(c->workers, 8);
    assert_string_equal(c->tls.cert, "/var/lib/kubetape/tls/own.pem");
    assert_string_equal(c->tls.key, "/etc/key.pem");
    assert_int_equal(c->recorder.former_key_count, 2);
    assert_string_equal(
        c->recorder.former_keys[0], "/var/lib/kubetape/old.pem");
    assert_string_equal(c->recorder.former_keys[1], "/etc/older.pem");
    assert_int_equal(c->tls.name_count, 2);
    assert_string_equal(c->tls.names[1], "10.0.0.1");
    assert_string_equal(
        c->upstream.kubeconfig, "/var/lib/kubetape/kube/config");
    assert_string_equal(c->upstream.context, "admin@prod");
    assert_int_equal(c->identity_count, 2);
    assert_int_equal(c->identity[0], CONFIG_IDENTITY_PASSTHROUGH);
    assert_int_equal(c->identity[1], CONFIG_IDENTITY_LOCAL);
    assert_int_equal(c->journal.durability, CONFIG_DURABILITY_STRICT);
    assert_int_equal(c->journal.sync_interval_ms, 10);
    assert_int_equal(c->journal.max_bytes, 128 << 20);
    assert_int_equal(c->recorder.timeout_ms, 600000);
    assert_int_equal(c->recorder.seal_interval_ms, 100);
    assert_string_equal(c->recorder.key, "/var/lib/kubetape/seal.pem");
    assert_true(c->record.stdin_tty);
    assert_true(c->record.stdin_non_tty);
    assert_int_equal(c->retention.rule_count, 2);
    assert_string_equal(c->retention.rules[0].namespace, "prod-*");
    assert_string_equal(c->retention.rules[0].user, "alice");
    assert_string_equal(c->retention.rules[0].type, "exec");
    assert_int_equal(c->retention.rules[0].max_age_s, 52 * 7 * 86400);
    assert_string_equal(c->retention.rules[0].age_text, "52w");
    assert_string_equal(c->retention.rules[1].namespace, "*");
    assert_string_equal(c->retention.rules[1].user, "*");
    assert_string_equal(c->retention.rules[1].type, "*");
    assert_int_equal(c->retention.rules[1].max_age_s, 90 * 86400);
    assert_true(c->retention.max_bytes == UINT64_C(500) << 30);
    assert_int_equal(c->log.level, LOG_DEBUG);
    assert_int_equal(c->log.format, LOG_JSON);
    config_free(&c);
}

static void
in_cluster_stands_for_a_file(void **state)
{
    (void)state;
    struct config *c = parse("{\"state\": \"/s\", \"upstream\": "
                             "{\"in_cluster\": true}, \"record\": "
                             "{\"stdin\": \"never\"}}");
    assert_true(c->upstream.in_cluster);
    assert_string_equal(c->upstream.kubeconfig, "");
    assert_false(c->record.stdin_tty);
    assert_false(c->record.stdin_non_tty);
    config_free(&c);
}

static void
a_relative_state_is_made_absolute(void **state)
{
    (void)state;
    char here[PATH_MAX];
    char expected[PATH_MAX + 32];
    assert_non_null(getcwd(here, sizeof(here)));
    struct config *c = parse("state: st\nupstream: {kubeconfig: k}\n");
    (void)snprintf(expected, sizeof(expected), "%s/st", here);
    assert_string_equal(c->state, expected);
    (void)snprintf(expected, sizeof(expected), "%s/st/k", here);
    assert_string_equal(c->upstream.kubeconfig, expected);
    config_free(&c);
}

static void
expect_max_bytes(const char *written, uint64_t bytes)
{
    char text[256];
    (void)snprintf(
        text, sizeof(text), MINIMAL "journal: {max_bytes: %s}\n", written);
    struct config *c = parse(text);
    assert_true(c->journal.max_bytes == bytes);
    config_free(&c);
}

static void
sizes_have_suffixes(void **state)
{
    (void)state;
    expect_max_bytes("134217728", 128 << 20);
    expect_max_bytes("131072KiB", 128 << 20);
    expect_max_bytes("\"200MiB\"", 200 << 20);
    expect_max_bytes("1GiB", 1 << 30);
    expect_max_bytes("1TiB", UINT64_C(1) << 40);
    expect_max_bytes("1099511627776", UINT64_C(1) << 40);
}

static void
bad_sizes_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"64MB", "4gib", "GiB", "1.5GiB", "-1",
        "0x10", "1 GiB", "\"134217728\""};
    static const char *const outside[] = {"5", "134217727", "127MiB", "1025GiB",
        "2TiB", "18446744073709551616", "99999999999999999999TiB",
        "17179869185GiB"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char line[128];
        char message[256];
        const bool is_quoted = wrong[i][0] == '"';
        (void)snprintf(
            line, sizeof(line), "journal: {max_bytes: %s}", wrong[i]);
        (void)snprintf(message, sizeof(message),
            "journal.max_bytes: %s was given, expected a number of bytes such "
            "as 4294967296 or 4GiB",
            is_quoted ? "134217728" : wrong[i]);
        expect_refused(line, message);
    }
    for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
        char line[128];
        char message[256];
        (void)snprintf(
            line, sizeof(line), "journal: {max_bytes: %s}", outside[i]);
        (void)snprintf(message, sizeof(message),
            "journal.max_bytes: %s is out of range, expected 128MiB to 1TiB",
            outside[i]);
        expect_refused(line, message);
    }
}

static void
errors_say_what_was_expected(void **state)
{
    (void)state;
    expect_refused("journal: {sync_interval_ms: 5}",
        "journal.sync_interval_ms: 5 is out of range, expected 10 to 60000");
    expect_refused("journal: {sync_interval_ms: 60001}",
        "journal.sync_interval_ms: 60001 is out of range, expected 10 to "
        "60000");
    expect_refused(
        "workers: two", "workers: two was given, expected a whole number");
    expect_refused(
        "workers: \"2\"", "workers: 2 was given, expected a whole number");
    expect_refused(
        "workers:", "workers: nothing was given, expected a whole number");
    expect_refused(
        "workers: [1]", "workers: a list was given, expected a whole number");
    expect_refused("workers: 99999999999999999999",
        "workers: 99999999999999999999 is out of range, expected 1 to 256");
    expect_refused("log: {level: loud}",
        "log.level: loud was given, expected one of trace, debug, info, warn, "
        "error");
    expect_refused("record: {stdin: yes}",
        "record.stdin: yes was given, expected one of never, non-tty, always");
    expect_refused("admin: here",
        "admin: here was given, expected an address and a port such as "
        "127.0.0.1:8443");
    expect_refused("cluster: {}", "cluster: a map was given, expected a text");
    expect_refused("identity: local",
        "identity: local was given, expected a list of 1 to 2");
    expect_refused("identity: []",
        "identity: a list was given, expected a list of 1 to 2");
    expect_refused(
        "identity: [local, local]", "identity: local was given twice");
    expect_refused("identity: [oidc]",
        "identity: oidc was given, expected one of local, passthrough");
    expect_refused("tls: {names: [\"\"]}",
        "tls.names: nothing was given, expected a name");
    expect_refused(
        "tls: off", "tls: off was given, expected a map of settings");
}

static void
ages_have_units(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "90", "d", "0d", "1y", "1.5d",
        "-1d", "1 d", "1D", "36501d", "99999999999999999999s", "for ever"};
    uint32_t s = 0;
    assert_true(config_age_parse("90s", &s) && s == 90);
    assert_true(config_age_parse("5m", &s) && s == 300);
    assert_true(config_age_parse("2h", &s) && s == 7200);
    assert_true(config_age_parse("36500d", &s) && s == CONFIG_AGE_MAX_S);
    assert_true(config_age_parse("1w", &s) && s == 604800);
    assert_true(config_age_parse("forever", &s) && s == CONFIG_AGE_FOREVER);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(config_age_parse(wrong[i], &s));
    }
}

static void
rules_that_are_wrong_are_named(void **state)
{
    (void)state;
    expect_refused("retention: {rules: 90d}",
        "retention.rules: 90d was given, expected a list of 0 to 64 rules");
    expect_refused("retention: {rules: [90d]}",
        "retention.rules[0]: 90d was given, expected a map such as "
        "{namespace: \"prod-*\", max_age: 365d}");
    expect_refused("retention: {rules: [{max_age: 1d}, {user: a}]}",
        "retention.rules[1].max_age: missing, expected an age such as 90d, "
        "12h or forever");
    expect_refused("retention: {rules: [{max_age: 90}]}",
        "retention.rules[0].max_age: 90 was given, expected an age such as "
        "90d, 12h or forever (s, m, h, d, w; up to 36500d)");
    expect_refused("retention: {rules: [{max_age: 1d, type: shell}]}",
        "retention.rules[0].type: shell was given, expected one of \"*\", "
        "exec, attach, debug, run, cp, port-forward");
    expect_refused("retention: {rules: [{max_age: 1d, user: ''}]}",
        "retention.rules[0].user: nothing was given, expected a glob such as "
        "\"prod-*\" of up to 255 bytes");
    expect_refused("retention: {rules: [{max_age: 1d, namespace: [a]}]}",
        "retention.rules[0].namespace: a list was given, expected a glob such "
        "as \"prod-*\" of up to 255 bytes");
    expect_refused("retention: {rules: [{max_age: 1d, pod: a}]}",
        "retention.rules[0].pod: unknown key, expected one of namespace, "
        "user, type, max_age");
    expect_refused("retention: {max_bytes: 5}",
        "retention.max_bytes: 5 is out of range, expected 1MiB to 1024TiB");
    expect_error(MINIMAL "retention:\n  rules:\n  - max_age: 1d\n"
                         "  - user: bob\n    max_age: soon\n",
        "k.yaml:7: retention.rules[1].max_age: soon was given, expected an age "
        "such as 90d, 12h or forever (s, m, h, d, w; up to 36500d)");
}

static void
unknown_keys_are_errors(void **state)
{
    (void)state;
    expect_refused("jornal: {}",
        "jornal: unknown key, expected one of state, cluster, listen, admin, "
        "workers, identity, tls, upstream, journal, recorder, record, "
        "retention, "
        "log");
    expect_refused("log: {file: x}",
        "log.file: unknown key, expected one of level, format");
    expect_refused("record: {timeout_ms: 5000}",
        "record.timeout_ms: unknown key, expected one of stdin, mode");
    expect_refused("log.level: info",
        "log.level: unknown key, expected one of state, cluster, listen, "
        "admin, workers, identity, tls, upstream, journal, recorder, record, "
        "retention, log");
    expect_error(MINIMAL "workers: 1\nworkers: 2\n",
        "k.yaml:4: workers: key given twice");
}

static void
required_keys_are_named(void **state)
{
    (void)state;
    expect_error("", "k.yaml: state: missing, expected the folder that holds "
                     "everything");
    expect_error("state: /s\n",
        "k.yaml: upstream: missing, expected upstream.kubeconfig (a file) or "
        "upstream.in_cluster: true");
    expect_error("state: /s\nupstream:\n",
        "k.yaml: upstream: missing, expected upstream.kubeconfig (a file) or "
        "upstream.in_cluster: true");
    expect_error(
        "- a\n", "k.yaml:1: a list was given, expected a map of settings");
}

static void
keys_that_need_or_exclude_each_other(void **state)
{
    (void)state;
    expect_error("state: /s\nupstream:\n  kubeconfig: k\n  in_cluster: true\n",
        "k.yaml:4: upstream.in_cluster: true was given, expected it without "
        "upstream.kubeconfig");
    expect_error("state: /s\nupstream:\n  context: c\n  in_cluster: true\n",
        "k.yaml:3: upstream.context: c was given, expected it with "
        "upstream.kubeconfig");
    expect_refused(
        "tls: {cert: c}", "tls.cert: c was given, expected tls.key with it");
    expect_refused(
        "tls: {key: c}", "tls.key: c was given, expected tls.cert with it");
    expect_refused("listen: ''",
        "listen: nothing was given, expected an address and a port");
}

static void
too_many_names_are_refused(void **state)
{
    (void)state;
    char text[1024] = MINIMAL "tls: {names: [n";
    for (int i = 0; i < CONFIG_NAMES_MAX; i++) {
        const size_t len = strlen(text);
        (void)snprintf(text + len, sizeof(text) - len, ", n");
    }
    const size_t len = strlen(text);
    (void)snprintf(text + len, sizeof(text) - len, "]}\n");
    expect_error(text,
        "k.yaml:3: tls.names: a list was given, expected a list of 0 to 32");
}

static void
recipients_are_whole(void **state)
{
    (void)state;
    struct error err;
    struct config *c = NULL;
    assert_int_equal(
        config_parse(SPAN_LIT(MINIMAL "recorder: {encrypt_to: [" AGE_RECIPIENT_A
                                      ", " AGE_RECIPIENT_B "]}\n"),
            "k.yaml", &c, &err),
        STATUS_OK);
    assert_int_equal(c->recorder.encrypt_to_count, 2);
    assert_memory_not_equal(&c->recorder.encrypt_to[0],
        &c->recorder.encrypt_to[1], sizeof(c->recorder.encrypt_to[0]));
    config_free(&c);
    assert_int_equal(
        config_parse(SPAN_LIT(MINIMAL), "k.yaml", &c, &err), STATUS_OK);
    assert_int_equal(c->recorder.encrypt_to_count, 0);
    config_free(&c);
    expect_error(MINIMAL "recorder:\n  encrypt_to: [age1zvkyg]\n",
        "k.yaml:4: recorder.encrypt_to: age1zvkyg was given, expected an age "
        "recipient (age1…, X25519)");
    expect_error(MINIMAL "recorder: {encrypt_to: " AGE_RECIPIENT_A "}\n",
        "k.yaml:3: recorder.encrypt_to: " AGE_RECIPIENT_A
        " was given, expected a list of 0 to 16");
    /* Not repeated, since the message goes into logs. */
    expect_error(MINIMAL "recorder: {encrypt_to: [" AGE_IDENTITY_A "]}\n",
        "k.yaml:3: recorder.encrypt_to: a secret key was given, expected its "
        "recipient (age1…), as `age-keygen -y` says it");
}

static void
files_are_loaded_and_named(void **state)
{
    (void)state;
    char path[] = "/tmp/test_config.XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, MINIMAL "x: 1\n", sizeof(MINIMAL "x: 1\n") - 1),
        sizeof(MINIMAL "x: 1\n") - 1);
    struct config *c = NULL;
    struct error err = {0};
    assert_int_equal(config_load(path, &c, &err), STATUS_INVALID);
    assert_memory_equal(err.text, path, sizeof(path) - 1);
    assert_memory_equal(err.text + sizeof(path) - 1, ":3: x: unknown", 14);
    assert_int_equal(ftruncate(fd, sizeof(MINIMAL) - 1), 0);
    assert_int_equal(config_load(path, &c, &err), STATUS_OK);
    config_free(&c);
    close(fd);
    unlink(path);
    assert_int_equal(config_load(path, &c, &err), STATUS_NOT_FOUND);
    assert_null(c);
}

/* The schema says what the table says */

static json_t *
load_schema(void)
{
    json_error_t err;
    json_t *schema = json_load_file(SCHEMA_FILE, JSON_REJECT_DUPLICATES, &err);
    if (schema == NULL) {
        fail_msg("%s:%d: %s", SCHEMA_FILE, err.line, err.text);
    }
    return schema;
}

static json_t *
find_property(json_t *schema, const char *name)
{
    json_t *at = schema;
    char copy[64];
    (void)snprintf(copy, sizeof(copy), "%s", name);
    char *rest = copy;
    while (rest != NULL) {
        char *dot = strchr(rest, '.');
        if (dot != NULL) {
            *dot = '\0';
        }
        at = json_object_get(json_object_get(at, "properties"), rest);
        rest = dot == NULL ? NULL : dot + 1;
    }
    return at;
}

static void
check_type(const json_t *property, const char *type)
{
    assert_string_equal(
        json_string_value(json_object_get(property, "type")), type);
}

static void
check_range(const json_t *property, const struct config_key *key,
    const char *min, const char *max)
{
    assert_int_equal(
        json_integer_value(json_object_get(property, min)), key->min);
    assert_int_equal(
        json_integer_value(json_object_get(property, max)), key->max);
}

static void
check_words(const json_t *property, const struct config_word *words)
{
    const json_t *list = json_object_get(property, "enum");
    size_t count = 0;
    for (; words[count].word != NULL; count++) {
        assert_string_equal(
            json_string_value(json_array_get(list, count)), words[count].word);
    }
    assert_int_equal(json_array_size(list), count);
}

static void
check_bytes(const json_t *property, const struct config_key *key)
{
    const json_t *forms = json_object_get(property, "oneOf");
    assert_int_equal(json_array_size(forms), 2);
    check_type(json_array_get(forms, 0), "integer");
    check_range(json_array_get(forms, 0), key, "minimum", "maximum");
    check_type(json_array_get(forms, 1), "string");
}

static void
check_property(const json_t *property, const struct config_key *key)
{
    switch (key->type) {
    case CONFIG_TEXT:
    case CONFIG_PATH:
    case CONFIG_ADDRESS:
        check_type(property, "string");
        break;
    case CONFIG_BOOL:
        check_type(property, "boolean");
        break;
    case CONFIG_COUNT:
        check_type(property, "integer");
        check_range(property, key, "minimum", "maximum");
        break;
    case CONFIG_BYTES:
        check_bytes(property, key);
        break;
    case CONFIG_CHOICE:
    case CONFIG_STDIN:
        check_words(property, key->words);
        break;
    case CONFIG_CHOICES:
        check_type(property, "array");
        check_range(property, key, "minItems", "maxItems");
        check_words(json_object_get(property, "items"), key->words);
        break;
    case CONFIG_NAMES:
    case CONFIG_RECIPIENTS:
    case CONFIG_PATHS:
        check_type(property, "array");
        check_range(property, key, "minItems", "maxItems");
        check_type(json_object_get(property, "items"), "string");
        break;
    case CONFIG_RULES:
        check_type(property, "array");
        check_range(property, key, "minItems", "maxItems");
        check_type(json_object_get(property, "items"), "object");
        break;
    }
}

/* As the file would be written: a list of one word for a list's default. */
static void
check_default(const json_t *property, const struct config_key *key)
{
    json_t *def = json_object_get(property, "default");
    if (strcmp(key->name, "state") == 0 ||
        (key->type == CONFIG_BYTES && key->def == NULL)) {
        assert_null(def);
        return;
    }
    assert_non_null(def);
    if (json_is_array(def)) {
        assert_int_equal(json_array_size(def), key->def == NULL ? 0 : 1);
        def = json_array_get(def, 0);
    }
    char *text = def == NULL ? NULL : json_dumps(def, JSON_ENCODE_ANY);
    const char *expected = key->def == NULL ? "" : key->def;
    char quoted[128];
    (void)snprintf(quoted, sizeof(quoted), "\"%s\"", expected);
    if (text != NULL) {
        assert_string_equal(text, json_is_string(def) ? quoted : expected);
    }
    free(text);
}

static void
every_key_is_in_the_schema(void **state)
{
    (void)state;
    json_t *schema = load_schema();
    for (size_t i = 0; i < config_key_count; i++) {
        const json_t *property = find_property(schema, config_keys[i].name);
        if (property == NULL) {
            fail_msg("%s is not in the schema", config_keys[i].name);
        }
        assert_non_null(json_object_get(property, "description"));
        check_property(property, &config_keys[i]);
        check_default(property, &config_keys[i]);
    }
    json_decref(schema);
}

static bool
is_key(const char *name)
{
    for (size_t i = 0; i < config_key_count; i++) {
        if (strcmp(config_keys[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static size_t
check_properties(json_t *object, const char *prefix)
{
    size_t count = 0;
    const char *word;
    json_t *property;
    assert_true(json_is_false(json_object_get(object, "additionalProperties")));
    json_object_foreach(json_object_get(object, "properties"), word, property)
    {
        char name[64];
        (void)snprintf(name, sizeof(name), "%s%s", prefix, word);
        if (json_object_get(property, "properties") != NULL) {
            (void)snprintf(name, sizeof(name), "%s.", word);
            count += check_properties(property, name);
            continue;
        }
        if (!is_key(name)) {
            fail_msg("%s is not in the table", name);
        }
        count++;
    }
    return count;
}

static void
every_property_is_in_the_table(void **state)
{
    (void)state;
    json_t *schema = load_schema();
    assert_int_equal(check_properties(schema, ""), config_key_count);
    json_decref(schema);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_fill_what_is_not_given),
        cmocka_unit_test(every_key_is_read),
        cmocka_unit_test(in_cluster_stands_for_a_file),
        cmocka_unit_test(a_relative_state_is_made_absolute),
        cmocka_unit_test(sizes_have_suffixes),
        cmocka_unit_test(bad_sizes_are_refused),
        cmocka_unit_test(errors_say_what_was_expected),
        cmocka_unit_test(ages_have_units),
        cmocka_unit_test(rules_that_are_wrong_are_named),
        cmocka_unit_test(unknown_keys_are_errors),
        cmocka_unit_test(required_keys_are_named),
        cmocka_unit_test(keys_that_need_or_exclude_each_other),
        cmocka_unit_test(too_many_names_are_refused),
        cmocka_unit_test(recipients_are_whole),
        cmocka_unit_test(files_are_loaded_and_named),
        cmocka_unit_test(every_key_is_in_the_schema),
        cmocka_unit_test(every_property_is_in_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
