#include "tests/support/index_maker.h"

#include "schema/index.h"
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

static void
must(sqlite3 *db, int code)
{
    if (code != SQLITE_OK && code != SQLITE_DONE) {
        fprintf(stderr, "index_maker: %s\n", sqlite3_errmsg(db));
        abort();
    }
}

static const char insert_sql[] =
    "INSERT INTO sessions (id, status, type, user, namespace, pod, container,"
    " command, start_us, end_us, exit_code, file, sealed, groups, uid, source,"
    " cluster, tty, protocol, subprotocol, reason, bytes_stdin, bytes_stdout,"
    " bytes_stderr, size, user_agent, kubectl_session, kubectl_command,"
    " stdin_recorded) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,"
    " nullif(?10, 0), nullif(?11, -1), ?12, ?13, '[\"dev\",\"ops\"]', 'u-1',"
    " '10.0.0.1:5000', 'c1', 1, 'websocket', 'v5.channel.k8s.io', 'why', 1, 2,"
    " 3, 4, 'kubectl/v1.36', 'ks', 'kubectl exec', 0)";

static void
insert(sqlite3 *db, sqlite3_stmt *s, const struct index_row *r)
{
    const char *const texts[] = {r->id, r->status, r->type, r->user,
        r->namespace, r->pod, r->container, r->command};
    for (int i = 0; i < 8; i++) {
        must(db, sqlite3_bind_text(s, i + 1, texts[i], -1, SQLITE_STATIC));
    }
    must(db, sqlite3_bind_int64(s, 9, r->start_us));
    must(db, sqlite3_bind_int64(s, 10, r->end_us));
    must(db, sqlite3_bind_int(s, 11, r->exit_code));
    must(db, sqlite3_bind_text(s, 12, r->file, -1, SQLITE_STATIC));
    must(db, sqlite3_bind_int(s, 13, r->sealed));
    must(db, sqlite3_step(s));
    must(db, sqlite3_reset(s));
}

void
index_make(const char *path, const struct index_row *rows, int count)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    must(db, sqlite3_open(path, &db));
    must(db, sqlite3_exec(db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL));
    for (int v = 0; index_migration(v) != NULL; v++) {
        must(db, sqlite3_exec(db, index_migration(v), NULL, NULL, NULL));
    }
    must(db, sqlite3_prepare_v2(db, insert_sql, -1, &s, NULL));
    for (int i = 0; i < count; i++) {
        insert(db, s, &rows[i]);
    }
    sqlite3_finalize(s);
    must(db, sqlite3_close(db));
}

void
index_forge(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    must(db, sqlite3_open(path, &db));
    must(db, sqlite3_exec(db, sql, NULL, NULL, NULL));
    must(db, sqlite3_close(db));
}
