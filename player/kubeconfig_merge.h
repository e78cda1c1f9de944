/* Puts our entries into a kubeconfig that somebody else keeps.
 *
 * Text is spliced at the places that base/yaml gives, so comments, order,
 * unknown fields and spelling stay as they are, in block style and in JSON.
 * The result is parsed again and compared with what was there: whatever
 * unusual form the file has, either exactly our entries changed or the merge
 * is refused. Pure: no file is touched here.
 */
#ifndef PLAYER_KUBECONFIG_MERGE_H
#define PLAYER_KUBECONFIG_MERGE_H

#include "player/kubeconfig.h"

/* Appends the merged text to `out`. An entry of our name is replaced (a
 * context keeps its namespace), else ours is added at the end of its list;
 * current-context becomes ours. `file` names the text in messages. */
enum status kubeconfig_merge(struct span text, const char *file,
    const struct kubeconfig_access *a, struct buf *out,
    struct error *err) MUST_CHECK;

#endif
