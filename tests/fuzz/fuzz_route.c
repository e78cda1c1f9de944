/* Any request head that parses. Property: a path which somebody upstream could
 * read as a session, after cleaning it the most generous way (decoded once,
 * slashes merged, dot segments resolved), is never plain; and an upgrade never
 * is. The reading here is written apart from proxy/route.c on purpose. */
#include "proxy/route.h"

#include <stdlib.h>
#include <string.h>

#define SEGMENTS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static bool
is_hex(uint8_t c)
{
    return c != '\0' && strchr("0123456789abcdefABCDEF", c) != NULL;
}

/* Decodes what can be decoded and keeps the rest. */
static size_t
decode(struct span in, char *out)
{
    size_t n = 0;
    while (in.len > 0 && in.ptr[0] != '?') {
        if (in.len > 2 && in.ptr[0] == '%' && is_hex(in.ptr[1]) &&
            is_hex(in.ptr[2])) {
            const char digits[3] = {(char)in.ptr[1], (char)in.ptr[2], '\0'};
            out[n++] = (char)strtoul(digits, NULL, 16);
            span_skip(&in, 3);
        } else {
            out[n++] = (char)in.ptr[0];
            span_skip(&in, 1);
        }
    }
    out[n] = '\0';
    return n;
}

/* Like path.Clean: -1 when there are more segments than a session has. */
static int
clean(char *text, const char *segments[SEGMENTS_MAX])
{
    int n = 0;
    char *rest = text;
    for (char *s = strsep(&rest, "/"); s != NULL; s = strsep(&rest, "/")) {
        if (strcmp(s, "..") == 0) {
            n -= n > 0 ? 1 : 0;
        } else if (*s != '\0' && strcmp(s, ".") != 0) {
            if (n == SEGMENTS_MAX) {
                return -1;
            }
            segments[n++] = s;
        }
    }
    return n;
}

static bool
is_word(const char *s, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (strcmp(s, *words) == 0) {
            return true;
        }
    }
    return false;
}

static bool
could_be_session(const char *const *s, int n)
{
    static const char *const pod[] = {"exec", "attach", "portforward", NULL};
    static const char *const node[] = {
        "exec", "attach", "run", "portForward", "cri", NULL};
    if (n < 6 || strcmp(s[0], "api") != 0 || strcmp(s[1], "v1") != 0) {
        return false;
    }
    if (strcmp(s[2], "nodes") == 0 && strcmp(s[4], "proxy") == 0) {
        return is_word(s[5], node);
    }
    return n == 7 && strcmp(s[2], "namespaces") == 0 &&
           strcmp(s[4], "pods") == 0 && is_word(s[6], pod);
}

static void
check(const struct http_head *h, const struct route *r)
{
    static char text[LIMIT_TARGET_BYTES + 1];
    const char *segments[SEGMENTS_MAX];
    decode(h->target, text);
    const int n = clean(text, segments);
    if (h->is_upgrade || could_be_session(segments, n)) {
        require(r->kind != ROUTE_PLAIN);
    }
    if (r->kind == ROUTE_REFUSED) {
        require(r->why[0] != '\0');
    }
    if (r->kind == ROUTE_SESSION || r->kind == ROUTE_PORT_FORWARD ||
        r->kind == ROUTE_NODE_SESSION) {
        require(could_be_session(segments, n) ||
                (n >= 6 && strcmp(segments[2], "proxy") == 0));
        require(r->namespace != NULL && r->pod != NULL);
        require(r->container != NULL && r->node != NULL);
    }
    require((r->upgrade == ROUTE_UPGRADE_NONE) == !h->is_upgrade);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_head head;
    struct http_head_reader reader;
    struct span in = span_of(data, size);
    http_head_init(&reader, HTTP_REQUEST);
    if (http_head_next(&reader, &in, &head) == FEED_PIECE) {
        struct route r;
        if (route_classify(&head, &r) == STATUS_OK) {
            check(&head, &r);
        }
        route_fini(&r);
    }
    http_head_fini(&reader);
    return 0;
}
