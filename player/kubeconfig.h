/* What makes a client come through the proxy: cluster, user and context of a
 * kubeconfig, as YAML.
 *
 * Owns the three entries and their two spellings, block and flow; merging
 * them into somebody's file is kubeconfig_merge's. Every value is written as a
 * JSON string, which YAML reads as a quoted scalar.
 */
#ifndef PLAYER_KUBECONFIG_H
#define PLAYER_KUBECONFIG_H

#include "base/buf.h"

struct kubeconfig_access {
    const char *name;    /* of all three entries */
    const char *server;  /* https://… */
    const char *ca_data; /* base64 of PEM; NULL: the system's authorities */
    const char *token;
};

struct kubeconfig_field {
    const char *key;
    const char *value; /* NULL: left out */
};

#define KUBECONFIG_FIELDS 3
struct kubeconfig_entry {
    const char *list; /* "clusters" */
    const char *kind; /* "cluster" */
    const char *name;
    struct kubeconfig_field fields[KUBECONFIG_FIELDS];
};

#define KUBECONFIG_ENTRIES 3
/* Borrows from `a`. Order: clusters, users, contexts. */
void kubeconfig_entries(const struct kubeconfig_access *a,
    struct kubeconfig_entry out[KUBECONFIG_ENTRIES]);

/* `name: …` and `cluster:` with its fields, each line but the first indented
 * by `indent` spaces; no newline at the end. */
enum status kubeconfig_entry_block(const struct kubeconfig_entry *e,
    size_t indent, struct buf *out) MUST_CHECK;
/* The same as JSON. */
enum status kubeconfig_entry_flow(
    const struct kubeconfig_entry *e, struct buf *out) MUST_CHECK;

/* A whole kubeconfig with these entries, its context current. */
enum status kubeconfig_render(
    const struct kubeconfig_access *a, struct buf *out) MUST_CHECK;

#endif
