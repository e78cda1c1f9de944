/* The Status object that carries a refusal to the client.
 *
 * Owns the mapping from HTTP code to reason and the JSON's shape, which is
 * what `kubectl` decodes before it prints "Error from server (Forbidden): …".
 * Refuses to know why anything was refused. A message may quote bytes of a
 * peer, so it is repaired to UTF-8 first: JSON carries nothing else.
 */
#include "proxy/api_status.h"

#include "schema/json_text.h"
#include "schema/utf8.h"

/* metav1.StatusReason, as apimachinery's errors package pairs them. */
static const char *
reason_of(unsigned code)
{
    static const struct {
        unsigned code;
        const char *reason;
    } table[] = {
        {400, "BadRequest"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "NotFound"},
        {413, "RequestEntityTooLarge"},
        {429, "TooManyRequests"},
        {500, "InternalError"},
        {502, "ServiceUnavailable"},
        {503, "ServiceUnavailable"},
        {504, "Timeout"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].code == code) {
            return table[i].reason;
        }
    }
    return "";
}

static enum status
append_message(struct span message, struct buf *out)
{
    struct buf text;
    buf_init(&text, 3 * message.len + 1); /* U+FFFD is three bytes */
    enum status st = utf8_repair(message, &text);
    if (st == STATUS_OK) {
        st = json_text_encode(buf_view(&text), out);
    }
    buf_fini(&text);
    return st;
}

enum status
api_status_encode(unsigned code, struct span message, struct buf *out)
{
    enum status st = buf_append_str(out,
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},"
        "\"status\":\"Failure\",\"message\":");
    if (st == STATUS_OK) {
        st = append_message(message, out);
    }
    if (st == STATUS_OK) {
        st = buf_printf(
            out, ",\"reason\":\"%s\",\"code\":%u}", reason_of(code), code);
    }
    return st;
}
