/* A private certificate authority on libcrypto.
 *
 * Owns which certificates this project makes: their keys, lives, extensions.
 * Refuses to know where they are kept and who asks. Names enter subjectAltName
 * as values, never through OpenSSL's configuration syntax, in which a comma
 * would add a name.
 */
#include "base/pki.h"
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#define DAY_S            (24 * 60 * 60)
#define AUTHORITY_LIFE_S ((int64_t)3650 * DAY_S)
#define SERVER_LIFE_S    ((int64_t)365 * DAY_S)
/* Clocks of clients may be behind ours. */
#define BACKDATE_S 300
/* RFC 5280 4.1.2.2: at most 20 octets, positive; 127 bits fill 16. */
#define SERIAL_BITS  127
#define DNS_NAME_MAX 253 /* RFC 1035 2.3.4, as text */
#define CN_MAX       64  /* RFC 5280, ub-common-name */

static enum status
refuse(struct error *err, enum status code, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return error_set(err, code, "%s: %s", what,
        reason != NULL ? reason : "refused by libcrypto");
}

static bool
add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    const bool is_added = ext != NULL && X509_add_ext(cert, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    return is_added;
}

/* Constant values only: this is the syntax of openssl.cnf. */
struct extension {
    int nid;
    const char *value;
};

static const struct extension authority_extensions[] = {
    {NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
    {NID_key_usage, "critical,keyCertSign,cRLSign"},
    {NID_subject_key_identifier, "hash"},
    {NID_undef, NULL},
};

static const struct extension server_extensions[] = {
    {NID_basic_constraints, "critical,CA:FALSE"},
    {NID_key_usage, "critical,digitalSignature"},
    {NID_ext_key_usage, "serverAuth"},
    {NID_subject_key_identifier, "hash"},
    {NID_authority_key_identifier, "keyid"},
    {NID_undef, NULL},
};

static bool
add_extensions(X509 *cert, X509 *issuer, const struct extension *list)
{
    for (; list->value != NULL; list++) {
        if (!add_extension(cert, issuer, list->nid, list->value)) {
            return false;
        }
    }
    return true;
}

static bool
set_serial(X509 *cert)
{
    BIGNUM *number = BN_new();
    const bool is_set =
        number != NULL &&
        BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) ==
            1 &&
        BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;
    BN_free(number);
    return is_set;
}

static bool
set_common_name(X509 *cert, const char *common_name)
{
    return X509_NAME_add_entry_by_NID(X509_get_subject_name(cert),
               NID_commonName, MBSTRING_UTF8,
               (const unsigned char *)common_name, -1, -1, 0) == 1;
}

static bool
set_life(X509 *cert, int64_t now_s, int64_t life_s)
{
    return ASN1_TIME_set(X509_getm_notBefore(cert), now_s - BACKDATE_S) !=
               NULL &&
           ASN1_TIME_set(X509_getm_notAfter(cert), now_s + life_s) != NULL;
}

/* A version 3 certificate for `key`, without issuer, extensions, signature. */
static X509 *
draft(EVP_PKEY *key, const char *common_name, int64_t now_s, int64_t life_s)
{
    X509 *cert = X509_new();
    if (cert != NULL && X509_set_version(cert, X509_VERSION_3) == 1 &&
        set_serial(cert) && set_common_name(cert, common_name) &&
        set_life(cert, now_s, life_s) && X509_set_pubkey(cert, key) == 1) {
        return cert;
    }
    X509_free(cert);
    return NULL;
}

static bool
sign(X509 *cert, X509 *issuer, EVP_PKEY *issuer_key)
{
    return X509_set_issuer_name(cert, X509_get_subject_name(issuer)) == 1 &&
           X509_sign(cert, issuer_key, EVP_sha256()) > 0;
}

/* PEM out. A memory BIO wipes what it frees, so no copy of a key stays. */

static enum status
bio_into_buf(BIO *bio, struct buf *out)
{
    char *bytes = NULL;
    const long len = BIO_get_mem_data(bio, &bytes);
    return len < 0 ? STATUS_NO_MEMORY
                   : buf_append(out, span_of(bytes, (size_t)len));
}

static enum status
write_pem(X509 *cert, EVP_PKEY *key, struct buf *cert_pem, struct buf *key_pem,
    struct error *err)
{
    enum status st = STATUS_NO_MEMORY;
    BIO *cert_bio = BIO_new(BIO_s_mem());
    BIO *key_bio = BIO_new(BIO_s_mem());
    if (cert_bio != NULL && key_bio != NULL &&
        PEM_write_bio_X509(cert_bio, cert) == 1 &&
        PEM_write_bio_PKCS8PrivateKey(
            key_bio, key, NULL, NULL, 0, NULL, NULL) == 1) {
        st = bio_into_buf(cert_bio, cert_pem);
        if (st == STATUS_OK) {
            st = bio_into_buf(key_bio, key_pem);
        }
    }
    BIO_free(cert_bio);
    BIO_free(key_bio);
    return st == STATUS_OK ? st : error_set(err, st, "cannot write PEM");
}

/* PEM in. */

static int
no_passphrase(char *dst, int cap, int is_writing, void *ctx)
{
    (void)dst;
    (void)cap;
    (void)is_writing;
    (void)ctx;
    return 0;
}

static X509 *
read_certificate(struct span pem)
{
    BIO *bio =
        pem.len > INT32_MAX ? NULL : BIO_new_mem_buf(pem.ptr, (int)pem.len);
    X509 *cert =
        bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    return cert;
}

static EVP_PKEY *
read_key(struct span pem)
{
    BIO *bio =
        pem.len > INT32_MAX ? NULL : BIO_new_mem_buf(pem.ptr, (int)pem.len);
    EVP_PKEY *key =
        bio == NULL ? NULL
                    : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    return key;
}

/* The authority */

enum status
pki_make_authority(const char *common_name, int64_t now_s, struct buf *cert_pem,
    struct buf *key_pem, struct error *err)
{
    const size_t name_len = strlen(common_name);
    if (name_len == 0 || name_len > CN_MAX) {
        return error_set(err, STATUS_INVALID,
            "an authority's name has 1 to %d bytes, not %zu", CN_MAX, name_len);
    }
    ERR_clear_error();
    enum status st = STATUS_OK;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert =
        key == NULL ? NULL : draft(key, common_name, now_s, AUTHORITY_LIFE_S);
    if (cert == NULL || !add_extensions(cert, cert, authority_extensions) ||
        !sign(cert, cert, key)) {
        st = refuse(err, STATUS_IO, "cannot make an authority");
    } else {
        st = write_pem(cert, key, cert_pem, key_pem, err);
    }
    X509_free(cert);
    EVP_PKEY_free(key);
    return st;
}

/* Servers */

static bool
is_dns_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._*";
    const size_t len = strlen(name);
    return len > 0 && len <= DNS_NAME_MAX && strspn(name, allowed) == len;
}

/* The name as subjectAltName holds it: an address as 4 or 16 bytes. */
static GENERAL_NAME *
general_name(const char *name)
{
    uint8_t ip[sizeof(struct in6_addr)];
    int type = GEN_IPADD;
    const void *value = ip;
    int len = 0;
    if (inet_pton(AF_INET, name, ip) == 1) {
        len = sizeof(struct in_addr);
    } else if (inet_pton(AF_INET6, name, ip) == 1) {
        len = sizeof(struct in6_addr);
    } else {
        type = GEN_DNS;
        value = name;
        len = (int)strlen(name);
    }
    GENERAL_NAME *out = GENERAL_NAME_new();
    ASN1_STRING *text =
        type == GEN_DNS ? ASN1_IA5STRING_new() : ASN1_OCTET_STRING_new();
    if (out == NULL || text == NULL || ASN1_STRING_set(text, value, len) != 1) {
        GENERAL_NAME_free(out);
        ASN1_STRING_free(text);
        return NULL;
    }
    GENERAL_NAME_set0_value(out, type, text);
    return out;
}

static bool
add_names(X509 *cert, const char *const *names, size_t name_count)
{
    GENERAL_NAMES *list = GENERAL_NAMES_new();
    bool is_added = list != NULL;
    for (size_t i = 0; i < name_count && is_added; i++) {
        GENERAL_NAME *name = general_name(names[i]);
        is_added = name != NULL && sk_GENERAL_NAME_push(list, name) > 0;
        if (!is_added) {
            GENERAL_NAME_free(name);
        }
    }
    is_added = is_added && X509_add1_ext_i2d(cert, NID_subject_alt_name, list,
                               0, X509V3_ADD_DEFAULT) == 1;
    GENERAL_NAMES_free(list);
    return is_added;
}

static enum status
check_names(const char *const *names, size_t name_count, struct error *err)
{
    if (name_count == 0) {
        return error_set(
            err, STATUS_INVALID, "a server certificate needs a name");
    }
    for (size_t i = 0; i < name_count; i++) {
        uint8_t ip[sizeof(struct in6_addr)];
        if (!is_dns_name(names[i]) && inet_pton(AF_INET6, names[i], ip) != 1) {
            return error_set(err, STATUS_INVALID,
                "\"%s\" is neither a DNS name nor an IP address", names[i]);
        }
    }
    return STATUS_OK;
}

static enum status
issue(X509 *ca, EVP_PKEY *ca_key, const char *const *names, size_t name_count,
    int64_t now_s, struct buf *cert_pem, struct buf *key_pem, struct error *err)
{
    enum status st = STATUS_OK;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert =
        key == NULL ? NULL : draft(key, "kubetape", now_s, SERVER_LIFE_S);
    if (cert == NULL || !add_extensions(cert, ca, server_extensions) ||
        !add_names(cert, names, name_count) || !sign(cert, ca, ca_key)) {
        st = refuse(err, STATUS_IO, "cannot issue a server certificate");
    } else {
        st = write_pem(cert, key, cert_pem, key_pem, err);
    }
    X509_free(cert);
    EVP_PKEY_free(key);
    return st;
}

enum status
pki_issue_server(struct span ca_cert_pem, struct span ca_key_pem,
    const char *const *names, size_t name_count, int64_t now_s,
    struct buf *cert_pem, struct buf *key_pem, struct error *err)
{
    enum status st = check_names(names, name_count, err);
    if (st != STATUS_OK) {
        return st;
    }
    ERR_clear_error();
    X509 *ca = read_certificate(ca_cert_pem);
    EVP_PKEY *ca_key = read_key(ca_key_pem);
    if (ca == NULL) {
        st = refuse(err, STATUS_INVALID, "authority's certificate");
    } else if (ca_key == NULL || X509_check_private_key(ca, ca_key) != 1) {
        st = refuse(err, STATUS_INVALID, "authority's private key");
    } else {
        st =
            issue(ca, ca_key, names, name_count, now_s, cert_pem, key_pem, err);
    }
    X509_free(ca);
    EVP_PKEY_free(ca_key);
    return st;
}

enum status
pki_not_after(struct span pem, int64_t *out, struct error *err)
{
    ERR_clear_error();
    X509 *cert = read_certificate(pem);
    if (cert == NULL) {
        return refuse(err, STATUS_INVALID, "certificate");
    }
    struct tm tm;
    const bool is_time = ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) == 1;
    X509_free(cert);
    if (!is_time) {
        return refuse(err, STATUS_INVALID, "certificate's end");
    }
    *out = timegm(&tm);
    return STATUS_OK;
}
