/* See exec_credential.h. client-go decodes a plugin's answer as JSON or YAML;
 * base/yaml reads both and wipes its tree. */
#include "proxy/exec_credential.h"

#include "base/yaml.h"
#include "proxy/http_head.h"

#include <string.h>
#include <time.h>

#define SECOND_US 1000000

void
exec_credential_init(struct exec_credential *c)
{
    buf_init(&c->token, EXEC_CREDENTIAL_MAX);
    buf_init(&c->cert_pem, EXEC_CREDENTIAL_MAX);
    buf_init(&c->key_pem, EXEC_CREDENTIAL_MAX);
    c->expires = false;
    c->expires_us = 0;
}

void
exec_credential_fini(struct exec_credential *c)
{
    buf_wipe(&c->token);
    buf_wipe(&c->cert_pem);
    buf_wipe(&c->key_pem);
}

enum status
exec_credential_info(const struct kubeconfig_exec *x, struct buf *out)
{
    const char *cluster = x->cluster_info;
    return buf_printf(out,
        "KUBERNETES_EXEC_INFO={\"kind\":\"ExecCredential\","
        "\"apiVersion\":\"%s\",\"spec\":{%s%s%s\"interactive\":false}}",
        x->api_version, cluster != NULL ? "\"cluster\":" : "",
        cluster != NULL ? cluster : "", cluster != NULL ? "," : "");
}

/* ---- time ---- */

/* Exactly `digits` digits. */
static bool
take_number(struct span *s, size_t digits, int *out)
{
    struct span text;
    uint64_t value = 0;
    if (!span_take(s, digits, &text) || !span_to_u64(text, 9999, &value)) {
        return false;
    }
    *out = (int)value;
    return true;
}

static bool
take_byte(struct span *s, uint8_t byte)
{
    return s->len > 0 && s->ptr[0] == byte && span_skip(s, 1);
}

static bool
take_letter(struct span *s, uint8_t lower)
{
    return s->len > 0 && (s->ptr[0] | 0x20u) == lower && span_skip(s, 1);
}

static bool
take_date(struct span *s, struct tm *t)
{
    return take_number(s, 4, &t->tm_year) && take_byte(s, '-') &&
           take_number(s, 2, &t->tm_mon) && take_byte(s, '-') &&
           take_number(s, 2, &t->tm_mday) && t->tm_mon >= 1 &&
           t->tm_mon <= 12 && t->tm_mday >= 1 && t->tm_mday <= 31;
}

static bool
take_time_of_day(struct span *s, struct tm *t)
{
    return take_number(s, 2, &t->tm_hour) && take_byte(s, ':') &&
           take_number(s, 2, &t->tm_min) && take_byte(s, ':') &&
           take_number(s, 2, &t->tm_sec) && t->tm_hour <= 23 &&
           t->tm_min <= 59 && t->tm_sec <= 60;
}

/* ".123456789": what is finer than a microsecond is dropped. */
static bool
take_fraction(struct span *s, int64_t *us)
{
    int64_t unit = SECOND_US / 10;
    if (!take_byte(s, '.')) {
        return true;
    }
    const size_t had = s->len;
    while (s->len > 0 && s->ptr[0] >= '0' && s->ptr[0] <= '9') {
        *us += (s->ptr[0] - '0') * unit;
        unit /= 10;
        (void)span_skip(s, 1);
    }
    return s->len < had;
}

static bool
take_zone(struct span *s, int64_t *offset_s)
{
    int hours = 0;
    int minutes = 0;
    if (take_letter(s, 'z')) {
        return true;
    }
    const bool is_west = take_byte(s, '-');
    if ((!is_west && !take_byte(s, '+')) || !take_number(s, 2, &hours) ||
        !take_byte(s, ':') || !take_number(s, 2, &minutes) || hours > 23 ||
        minutes > 59) {
        return false;
    }
    *offset_s = (is_west ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

bool
exec_credential_time(struct span text, int64_t *us_out)
{
    struct tm t = {0};
    int64_t us = 0;
    int64_t offset_s = 0;
    if (!take_date(&text, &t) || !take_letter(&text, 't') ||
        !take_time_of_day(&text, &t) || !take_fraction(&text, &us) ||
        !take_zone(&text, &offset_s) || text.len > 0) {
        return false;
    }
    t.tm_year -= 1900;
    t.tm_mon -= 1;
    *us_out = ((int64_t)timegm(&t) - offset_s) * SECOND_US + us;
    return true;
}

/* ---- the answer ---- */

static enum status
take_text(const struct yaml_node *status, const char *key, struct buf *out,
    struct error *err)
{
    const struct yaml_node *node = yaml_get(status, key);
    if (node == NULL) {
        return STATUS_OK;
    }
    if (node->kind != YAML_SCALAR) {
        return error_set(err, STATUS_INVALID, "its status.%s is no text", key);
    }
    const char *text = yaml_text(node);
    if (text != NULL && buf_append_str(out, text) != STATUS_OK) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for its answer");
    }
    return STATUS_OK;
}

static enum status
take_expiry(const struct yaml_node *status, struct exec_credential *out,
    struct error *err)
{
    const struct yaml_node *node = yaml_get(status, "expirationTimestamp");
    if (node == NULL ||
        (node->kind == YAML_SCALAR && yaml_text(node) == NULL)) {
        return STATUS_OK;
    }
    if (node->kind != YAML_SCALAR ||
        !exec_credential_time(span_str(node->scalar), &out->expires_us)) {
        return error_set(err, STATUS_INVALID,
            "its status.expirationTimestamp is no RFC 3339 time");
    }
    out->expires = true;
    return STATUS_OK;
}

static enum status
check(const struct exec_credential *c, struct error *err)
{
    if (c->token.len == 0 && c->cert_pem.len == 0 && c->key_pem.len == 0) {
        return error_set(err, STATUS_INVALID,
            "it answered with neither a token nor a certificate");
    }
    if ((c->cert_pem.len == 0) != (c->key_pem.len == 0)) {
        return error_set(err, STATUS_INVALID,
            "it answered with only one of certificate and key");
    }
    if (!http_value_is_valid(buf_view(&c->token))) {
        return error_set(
            err, STATUS_INVALID, "its token has bytes that no token may have");
    }
    return STATUS_OK;
}

static enum status
check_kind(
    const struct yaml_node *root, const char *api_version, struct error *err)
{
    const char *kind = yaml_get_text(root, "kind");
    const char *version = yaml_get_text(root, "apiVersion");
    if (kind == NULL || strcmp(kind, "ExecCredential") != 0) {
        return error_set(
            err, STATUS_INVALID, "it did not answer with an ExecCredential");
    }
    if (version == NULL || strcmp(version, api_version) != 0) {
        return error_set(err, STATUS_INVALID,
            "it answered in another version than %s", api_version);
    }
    return STATUS_OK;
}

static enum status
read_answer(const struct yaml_node *root, const char *api_version,
    struct exec_credential *out, struct error *err)
{
    enum status st = check_kind(root, api_version, err);
    const struct yaml_node *status = yaml_get(root, "status");
    if (st == STATUS_OK && (status == NULL || status->kind != YAML_MAP)) {
        return error_set(err, STATUS_INVALID, "its answer has no status");
    }
    if (st == STATUS_OK) {
        st = take_text(status, "token", &out->token, err);
    }
    if (st == STATUS_OK) {
        st = take_text(status, "clientCertificateData", &out->cert_pem, err);
    }
    if (st == STATUS_OK) {
        st = take_text(status, "clientKeyData", &out->key_pem, err);
    }
    if (st == STATUS_OK) {
        st = take_expiry(status, out, err);
    }
    return st == STATUS_OK ? check(out, err) : st;
}

enum status
exec_credential_parse(struct span text, const char *api_version,
    struct exec_credential *out, struct error *err)
{
    struct yaml *tree = NULL;
    /* libyaml's own message could quote the answer, so it is not passed on. */
    enum status st = yaml_parse(text, "answer", &tree, NULL);
    if (st != STATUS_OK) {
        return error_set(err, st, "its answer is neither JSON nor YAML");
    }
    st = read_answer(yaml_root(tree), api_version, out, err);
    yaml_close(&tree);
    return st;
}
