/* metav1.Status, the API's way to say no, so that kubectl prints the reason.
 * (k8s.io/apimachinery/pkg/apis/meta/v1/types.go) */
#ifndef PROXY_API_STATUS_H
#define PROXY_API_STATUS_H

#include "base/buf.h"

/* Appends {"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",
 * "message":…,"reason":…,"code":…}. The reason follows the code (400
 * BadRequest, 401 Unauthorized, 403 Forbidden, 404 NotFound, 413
 * RequestEntityTooLarge, 429 TooManyRequests, 500 InternalError, 502 and 503
 * ServiceUnavailable, 504 Timeout, else ""). `message` may hold any bytes. */
enum status api_status_encode(
    unsigned code, struct span message, struct buf *out) MUST_CHECK;

#endif
