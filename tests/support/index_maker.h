/* An index made by the schema's own migrations, without the recorder. */
#ifndef SUPPORT_INDEX_MAKER_H
#define SUPPORT_INDEX_MAKER_H

#include <stdint.h>

struct index_row {
    const char *id;
    const char *status;
    const char *type;
    const char *user;
    const char *namespace;
    const char *pod;
    const char *container;
    const char *command; /* JSON */
    int64_t start_us;
    int64_t end_us; /* 0: none yet */
    int exit_code;  /* -1: none */
    const char *file;
    int sealed;
};

/* Aborts on failure. WAL, as the recorder has it. */
void index_make(const char *path, const struct index_row *rows, int count);

/* One statement, as whoever can write the file might. */
void index_forge(const char *path, const char *sql);

#endif
