#include "recorder/store_walk.h"

#include "base/file.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ID "019ab809-b7e0-7000-8000-000000000001"

static char dir[TEMP_DIR_MAX];

static int
set_up(void **state)
{
    (void)state;
    temp_dir_make(dir);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    temp_dir_remove(dir);
    return 0;
}

static void
put(const char *folder, const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", dir, folder);
    assert_int_equal(file_make_dirs(path, 0700, NULL), STATUS_OK);
    if (name != NULL) {
        temp_dir_put(path, name, "x", 0600);
    }
}

/* One letter an item: what was seen of which kind, as sums. */
struct seen {
    unsigned days;
    unsigned recordings;
    unsigned encrypted;
    unsigned attempts;
    int64_t day_us;
    char file[META_FILE_MAX];
};

static struct seen
walk(bool wants_days_only)
{
    struct store_walk *w = NULL;
    struct store_item item;
    struct error err;
    struct seen seen = {.days = 0};
    assert_int_equal(
        store_walk_open(dir, wants_days_only, &w, NULL), STATUS_OK);
    enum status st = store_walk_next(w, &item, &err);
    while (st == STATUS_OK) {
        seen.days += item.kind == STORE_DAY;
        seen.recordings += item.kind == STORE_RECORDING;
        seen.encrypted += item.kind == STORE_RECORDING && item.is_encrypted;
        seen.attempts += item.kind == STORE_ATTEMPTS;
        seen.day_us = item.day_us;
        memcpy(seen.file, item.file, sizeof seen.file);
        st = store_walk_next(w, &item, &err);
    }
    assert_int_equal(st, STATUS_CLOSED);
    store_walk_close(&w);
    return seen;
}

static void
an_empty_store_is_an_empty_walk(void **state)
{
    (void)state;
    const struct seen seen = walk(false);
    assert_int_equal(seen.days + seen.recordings + seen.attempts, 0);
}

static void
items_say_what_and_where(void **state)
{
    (void)state;
    put("recordings/2025/11/25", ID ".cast.zst");
    struct seen seen = walk(false);
    assert_int_equal(seen.recordings, 1);
    assert_true(seen.day_us == 1764028800000000);
    assert_string_equal(seen.file, "recordings/2025/11/25/" ID ".cast.zst");
    seen = walk(true);
    assert_int_equal(seen.recordings, 0);
    assert_int_equal(seen.days, 1);
    assert_string_equal(seen.file, "recordings/2025/11/25");
}

static void
all_days_are_walked_and_strange_names_passed_over(void **state)
{
    (void)state;
    put("recordings/2025/11/25", ID ".cast.zst");
    put("recordings/2025/11/25", ID ".cast.zst.age");
    put("recordings/2025/11/25", ID ".cast.zst.new");
    put("recordings/2025/11/25", ID);
    put("recordings/2025/11/25", "attempts.cast.zst");
    put("recordings/2025/11/25", "attempts.cast.zst.damaged-7");
    put("recordings/2025/11/25", "attempts.cast.zstx");
    put("recordings/2025/11/26", NULL);
    put("recordings/2026/01/02", ID ".cast.zst");
    put("recordings/2026/1/02", ID ".cast.zst");
    put("recordings/lost+found", ID ".cast.zst");
    put("recordings/2026", "01.txt");
    temp_dir_put(dir, "elsewhere", "x", 0600);
    char from[PATH_MAX];
    snprintf(from, sizeof from, "%s/recordings/2026/03", dir);
    assert_int_equal(symlink("01", from), 0);
    struct seen seen = walk(false);
    assert_int_equal(seen.days, 3);
    assert_int_equal(seen.recordings, 3);
    assert_int_equal(seen.encrypted, 1);
    assert_int_equal(seen.attempts, 2);
    seen = walk(true);
    assert_int_equal(seen.days, 3);
}

#define WALK(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WALK(an_empty_store_is_an_empty_walk),
        WALK(items_say_what_and_where),
        WALK(all_days_are_walked_and_strange_names_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
