/* See identity_passthrough.h. A token that is being asked about keeps its
 * place, since others may wait for it: when all places are such, a new one is
 * turned away instead. */
#include "proxy/identity_passthrough.h"

#include "base/digest.h"
#include "proxy/subject.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 256

static const struct subject_terms terms = {
    .fresh_ms = 10000, /* like the API server's own token cache */
    .denied_ms = 2000,
};

struct entry {
    struct sha256 digest;
    struct subject *subject;
    struct list bucket;
    struct list age; /* oldest last */
};

struct passthrough {
    struct loop *loop;
    const struct identity_options *parts;
    struct list buckets[BUCKETS];
    struct list ages;
    size_t count;
};

static struct list *
bucket_of(struct passthrough *p, const struct sha256 *digest)
{
    return &p->buckets[digest->bytes[0]];
}

/* Digests are no secrets: who could choose them would have the tokens. */
static struct entry *
find(struct passthrough *p, const struct sha256 *digest)
{
    struct list *bucket = bucket_of(p, digest);
    for (struct list *hook = bucket->next; hook != bucket; hook = hook->next) {
        struct entry *e = LIST_ENTRY(hook, struct entry, bucket);
        if (memcmp(e->digest.bytes, digest->bytes, SHA256_LEN) == 0) {
            return e;
        }
    }
    return NULL;
}

static void
drop(struct passthrough *p, struct entry *e)
{
    list_drop(&e->bucket);
    list_drop(&e->age);
    subject_free(&e->subject);
    free(e);
    p->count--;
}

/* False: nobody can be spared. */
static bool
drop_oldest(struct passthrough *p)
{
    for (struct list *hook = p->ages.prev; hook != &p->ages;
         hook = hook->prev) {
        struct entry *e = LIST_ENTRY(hook, struct entry, age);
        if (!subject_is_busy(e->subject)) {
            drop(p, e);
            return true;
        }
    }
    return false;
}

static struct entry *
add(struct passthrough *p, const struct sha256 *digest)
{
    if (p->count >= PASSTHROUGH_TOKENS_MAX && !drop_oldest(p)) {
        return NULL;
    }
    struct entry *e = calloc(1, sizeof *e);
    if (e == NULL) {
        return NULL;
    }
    e->digest = *digest;
    list_init(&e->bucket);
    list_init(&e->age);
    e->subject = subject_new(&(struct subject_options){
        .loop = p->loop,
        .parts = p->parts,
        .terms = &terms,
        .power = CALLER_AS_SELF,
    });
    if (e->subject == NULL) {
        free(e);
        return NULL;
    }
    list_push(bucket_of(p, digest), &e->bucket);
    list_push(&p->ages, &e->age);
    p->count++;
    return e;
}

enum identity_answer
passthrough_ask(struct passthrough *p, struct span token,
    struct identity_wait *wait, struct caller **caller_out,
    const char **why_out)
{
    const struct sha256 digest = sha256_of(token);
    struct entry *e = find(p, &digest);
    if (e == NULL) {
        e = add(p, &digest);
    }
    if (e == NULL) {
        *why_out = "too many callers are being looked up at once";
        return IDENTITY_UNAVAILABLE;
    }
    return subject_ask(e->subject, token, wait, caller_out, why_out);
}

void
passthrough_forget(struct passthrough *p, struct span token)
{
    const struct sha256 digest = sha256_of(token);
    struct entry *e = find(p, &digest);
    if (e != NULL) {
        subject_forget(e->subject);
    }
}

struct passthrough *
passthrough_new(struct loop *loop, const struct identity_options *parts)
{
    struct passthrough *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return NULL;
    }
    p->loop = loop;
    p->parts = parts;
    list_init(&p->ages);
    for (size_t i = 0; i < BUCKETS; i++) {
        list_init(&p->buckets[i]);
    }
    return p;
}

void
passthrough_free(struct passthrough **pp)
{
    struct passthrough *p = *pp;
    *pp = NULL;
    if (p == NULL) {
        return;
    }
    while (!list_is_empty(&p->ages)) {
        drop(p, LIST_ENTRY(p->ages.next, struct entry, age));
    }
    free(p);
}
