/* The index: SQL texts and names, one place for writer and readers.
 * The recorder is the only writer; see RECORDING.md, "Index". */
#ifndef SCHEMA_INDEX_H
#define SCHEMA_INDEX_H

#define INDEX_VERSION 3 /* PRAGMA user_version */
#define INDEX_FILE    "index.db"

/* Statements that bring an index from version i to i + 1, to be run in one
 * transaction; the last of them sets user_version. NULL from INDEX_VERSION on,
 * and for what never was a version. Embedded from index.sql, index-2.sql and
 * so on at build time. */
const char *index_migration(int from_version);

#endif
