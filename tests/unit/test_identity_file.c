#include "player/identity_file.h"

#include "player/limits.h"
#include "tests/support/age_keys.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char folder[TEMP_DIR_MAX];
static char path[TEMP_DIR_MAX + 16];

static void
put(const char *text)
{
    temp_dir_put(folder, "key.txt", text, 0600);
    snprintf(path, sizeof path, "%s/key.txt", folder);
}

static void
test_none(void **state)
{
    (void)state;
    struct age_identities *ids = NULL;
    struct error err;
    unsetenv("KUBETAPE_IDENTITY");
    assert_int_equal(identity_file_load(NULL, &ids, &err), STATUS_OK);
    assert_null(ids);
}

static void
test_flag_and_environment(void **state)
{
    (void)state;
    struct age_identities *ids = NULL;
    struct error err;
    put("# mine\n" AGE_IDENTITY_A "\n");
    assert_int_equal(identity_file_load(path, &ids, &err), STATUS_OK);
    assert_non_null(ids);
    age_identities_free(&ids);
    setenv("KUBETAPE_IDENTITY", path, 1);
    assert_int_equal(identity_file_load(NULL, &ids, &err), STATUS_OK);
    assert_non_null(ids);
    age_identities_free(&ids);
    /* The flag wins. */
    assert_int_equal(
        identity_file_load("/nonexistent", &ids, &err), STATUS_NOT_FOUND);
    assert_null(ids);
    unsetenv("KUBETAPE_IDENTITY");
}

static void
test_refused(void **state)
{
    (void)state;
    struct age_identities *ids = NULL;
    struct error err;
    put(AGE_RECIPIENT_A "\n");
    assert_int_equal(identity_file_load(path, &ids, &err), STATUS_INVALID);
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, "line 1"));
    static char big[PLAYER_IDENTITY_FILE_MAX + 2];
    memset(big, '\n', sizeof big - 1);
    put(big);
    assert_int_equal(identity_file_load(path, &ids, &err), STATUS_LIMIT);
    assert_null(ids);
}

static int
make_folder(void **state)
{
    (void)state;
    temp_dir_make(folder);
    return 0;
}

static int
drop_folder(void **state)
{
    (void)state;
    temp_dir_remove(folder);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_flag_and_environment),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
