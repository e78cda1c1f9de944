/* A private certificate authority and server certificates, for first start.
 *
 * ECDSA P-256, PEM. The authority lives ten years, a server certificate one;
 * serial numbers are random.
 */
#ifndef BASE_PKI_H
#define BASE_PKI_H

#include "base/buf.h"

enum status pki_make_authority(const char *common_name, int64_t now_s,
    struct buf *cert_pem, struct buf *key_pem, struct error *err) MUST_CHECK;

/* `names`: DNS names and IP addresses, for subjectAltName. */
enum status pki_issue_server(struct span ca_cert_pem, struct span ca_key_pem,
    const char *const *names, size_t name_count, int64_t now_s,
    struct buf *cert_pem, struct buf *key_pem, struct error *err) MUST_CHECK;

/* When the first certificate of `pem` ends, Unix seconds. */
enum status pki_not_after(
    struct span pem, int64_t *out, struct error *err) MUST_CHECK;

#endif
