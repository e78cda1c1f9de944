/* identity_bearer of identity.h: where in a request a bearer token is. Reads
 * like the API server does (k8s.io/apiserver/pkg/authentication/request,
 * bearertoken and websocket), and takes nothing that it would read
 * differently. */
#include "proxy/identity.h"

#include "base/base64.h"

#include <string.h>

#define BEARER_SCHEME "Bearer"

/* A space within would end the token for the API server; what else is refused
 * could not be written into a header. */
static bool
is_token(struct span token)
{
    for (size_t i = 0; i < token.len; i++) {
        if (token.ptr[i] <= 0x20 || token.ptr[i] == 0x7f) {
            return false;
        }
    }
    return token.len > 0;
}

/* "Bearer <token>", one space between. */
static bool
take_authorization(struct span value, struct span *token_out)
{
    struct span scheme;
    if (!span_take_until(&value, ' ', &scheme) ||
        !span_eq_nocase(scheme, BEARER_SCHEME) || !is_token(value)) {
        return false;
    }
    *token_out = value;
    return true;
}

/* What Sec-WebSocket-Protocol fields offer. */
struct offers {
    size_t bearers;
    size_t others;
    struct span encoded; /* of the last bearer */
};

static void
count_offer(struct span offer, struct offers *o)
{
    const size_t prefix = sizeof IDENTITY_WS_BEARER - 1;
    if (!span_starts_with(offer, IDENTITY_WS_BEARER)) {
        o->others += offer.len > 0;
        return;
    }
    o->bearers++;
    (void)span_skip(&offer, prefix);
    o->encoded = offer;
}

static struct offers
read_offers(const struct http_head *request)
{
    struct offers o = {0, 0, SPAN_EMPTY};
    for (size_t i = 0; i < request->field_count; i++) {
        const struct http_field *f = &request->fields[i];
        if (!span_eq_nocase(f->name, "Sec-WebSocket-Protocol")) {
            continue;
        }
        struct span rest = f->value;
        struct span offer;
        while (span_take_until(&rest, ',', &offer)) {
            count_offer(span_trim(offer), &o);
        }
        count_offer(span_trim(rest), &o);
    }
    return o;
}

/* Only a WebSocket request may carry one so, and beside another subprotocol,
 * which is what the answer will name. */
static bool
take_offer(const struct http_head *request, const struct offers *o,
    struct buf *scratch, struct span *token_out)
{
    if (o->others == 0 || !http_has_token(request, "Upgrade", "websocket") ||
        base64url_decode(o->encoded, scratch) != STATUS_OK ||
        !is_token(buf_view(scratch))) {
        return false;
    }
    *token_out = buf_view(scratch);
    return true;
}

bool
identity_bearer(const struct http_head *request, struct buf *scratch,
    struct span *token_out, bool *is_ambiguous_out)
{
    const struct offers offers = read_offers(request);
    const size_t fields = http_count(request, "Authorization");
    *is_ambiguous_out = fields + offers.bearers > 1;
    if (*is_ambiguous_out) {
        return false;
    }
    if (fields == 1) {
        return take_authorization(
            http_find(request, "Authorization")->value, token_out);
    }
    return offers.bearers == 1 &&
           take_offer(request, &offers, scratch, token_out);
}
