/* Leaves: every kind there and back, the lines of LEDGER.md to the letter, and
 * no second way to write one. */
#include "schema/ledger.h"

#include "tests/support/guard_page.h"
#include "tests/support/test.h"

#include <string.h>

#define H16 "0123456789abcdef"
#define H32 "0123456789abcdef0123456789abcdef"
#define H64 H32 H32
#define ID  "019ab809-b7e0-7000-8000-000000000001"

#define RECORDING                                                         \
    "{\"kind\":\"recording\",\"time\":1764024241500000,\"id\":\"" ID      \
    "\",\"file\":\"recordings/2025/11/24/" ID                             \
    ".cast.zst\",\"text_len\":1629,\"text_hash\":\"" H64                  \
    "\",\"file_len\":2013,\"file_hash\":\"" H64 "\",\"last_seal\":\"" H64 \
    "\"}"
#define TOMBSTONE                                                    \
    "{\"kind\":\"tombstone\",\"time\":1764024241500000,\"id\":\"" ID \
    "\",\"who\":\"retention\",\"why\":\"older than 90d \\\"dev\\\" " \
    "\xE2\x82\xAC\"}"
#define HOLD                                     \
    "{\"kind\":\"hold\",\"time\":0,\"id\":\"" ID \
    "\",\"who\":\"alice\",\"why\":\"case 7\"}"
#define RELEASE                                                       \
    "{\"kind\":\"release\",\"time\":9223372036854775807,\"id\":\"" ID \
    "\",\"who\":\"\",\"why\":\"\"}"
#define KEY                                                          \
    "{\"kind\":\"key\",\"time\":1,\"key\":\"" H64 "\",\"by\":\"" H64 \
    "\",\"signature\":\"" H64 H64 "\"}"

static const char *const good[] = {RECORDING, TOMBSTONE, HOLD, RELEASE, KEY};
#define GOOD (sizeof good / sizeof *good)

static enum status
decode(const char *line, struct ledger_leaf *out)
{
    struct guard_page g = guard_page_copy(span_str(line));
    struct error err = {.code = STATUS_OK};
    const enum status st = ledger_leaf_decode(g.bytes, out, &err);
    assert_int_equal(st, err.code);
    guard_page_free(&g);
    return st;
}

static void
every_kind_goes_there_and_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOOD; i++) {
        struct ledger_leaf l;
        struct buf line;
        buf_init(&line, LEDGER_LEAF_MAX);
        assert_int_equal(decode(good[i], &l), STATUS_OK);
        assert_int_equal(l.kind, i);
        assert_int_equal(ledger_leaf_encode(&l, &line), STATUS_OK);
        assert_int_equal(line.len, strlen(good[i]) + 1);
        assert_memory_equal(line.data + line.off, good[i], line.len - 1);
        assert_int_equal(line.data[line.off + line.len - 1], '\n');
        buf_fini(&line);
    }
}

static void
members_arrive_where_they_belong(void **state)
{
    (void)state;
    struct ledger_leaf l;
    assert_int_equal(decode(RECORDING, &l), STATUS_OK);
    assert_int_equal(l.wall_us, 1764024241500000);
    assert_memory_equal(l.id.bytes, "\x01\x9a\xb8\x09", 4);
    assert_string_equal(l.file, "recordings/2025/11/24/" ID ".cast.zst");
    assert_int_equal(l.text_len, 1629);
    assert_int_equal(l.file_len, 2013);
    assert_memory_equal(l.last_seal.bytes, "\x01\x23\x45\x67", 4);
    assert_int_equal(l.who[0], '\0');
    assert_int_equal(decode(TOMBSTONE, &l), STATUS_OK);
    assert_string_equal(l.who, "retention");
    assert_string_equal(l.why, "older than 90d \"dev\" \xE2\x82\xAC");
    assert_int_equal(l.file[0], '\0');
    assert_int_equal(decode(KEY, &l), STATUS_OK);
    assert_true(uuid_is_nil(&l.id));
    assert_memory_equal(l.signature.bytes + 60, "\x89\xab\xcd\xef", 4);
    assert_string_equal(ledger_kind_name(LEDGER_RELEASE), "release");
}

static void
every_cut_and_every_changed_byte_outside_values_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOOD; i++) {
        char line[LEDGER_LEAF_MAX];
        const size_t len = strlen(good[i]);
        struct ledger_leaf l;
        for (size_t cut = 0; cut < len; cut++) {
            memcpy(line, good[i], cut);
            line[cut] = '\0';
            assert_int_equal(decode(line, &l), STATUS_INVALID);
        }
        memcpy(line, good[i], len);
        for (size_t at = 0; at < len; at++) {
            if (line[at] != '"' && line[at] != '{' && line[at] != ':') {
                continue;
            }
            const char kept = line[at];
            line[at] = '?';
            line[len] = '\0';
            assert_int_equal(decode(line, &l), STATUS_INVALID);
            line[at] = kept;
        }
    }
}

static void
a_second_way_to_write_it_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "{}",
        "null",
        HOLD "\n",
        HOLD " ",
        " " HOLD,
        "{ \"kind\":\"hold\",\"time\":0,\"id\":\"" ID
        "\",\"who\":\"alice\",\"why\":\"case 7\"}",
        "{\"kind\":\"hold\",\"time\":00,\"id\":\"" ID
        "\",\"who\":\"alice\",\"why\":\"case 7\"}",
        "{\"kind\":\"hold\",\"time\":-1,\"id\":\"" ID
        "\",\"who\":\"alice\",\"why\":\"case 7\"}",
        "{\"kind\":\"hold\",\"time\":9223372036854775808,\"id\":\"" ID
        "\",\"who\":\"alice\",\"why\":\"case 7\"}",
        "{\"kind\":\"hold\",\"time\":,\"id\":\"" ID
        "\",\"who\":\"alice\",\"why\":\"case 7\"}",
        "{\"kind\":\"hold\",\"id\":\"" ID
        "\",\"time\":0,\"who\":\"alice\",\"why\":\"case 7\"}",
        "{\"kind\":\"hold\",\"time\":0,\"id\":\"" ID
        "\",\"who\":\"alice\",\"why\":\"case\\u00207\"}",
        "{\"kind\":\"hold\",\"time\":0,\"id\":\"" ID
        "\",\"who\":\"alice\",\"why\":\"\\u0000\"}",
        "{\"kind\":\"hold\",\"time\":0,\"id\":\"" ID
        "\",\"who\":\"alice\",\"why\":\"\xff\"}",
        "{\"kind\":\"hold\",\"time\":0,\"id\":\"" ID
        "\",\"who\":\"alice\",\"why\":\"\\/\"}",
        "{\"kind\":\"hold\",\"time\":0,\"id\":\"019AB809-b7e0-7000-8000-"
        "000000000001\",\"who\":\"alice\",\"why\":\"\"}",
        "{\"kind\":\"hold\",\"time\":0,\"id\":\"" ID
        "\",\"who\":\"alice\",\"why\":\"\",\"more\":1}",
        "{\"kind\":\"view\",\"time\":0,\"id\":\"" ID
        "\",\"who\":\"alice\",\"why\":\"\"}",
        "{\"kind\":\"key\",\"time\":1,\"key\":\"" H64 "\",\"by\":\"" H64
        "\",\"signature\":\"" H64 H32 H16 "\"}",
        "{\"kind\":\"key\",\"time\":1,\"key\":\"ABCDEF6789abcdef" H16 H32
        "\",\"by\":\"" H64 "\",\"signature\":\"" H64 H64 "\"}",
    };
    struct ledger_leaf l;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (decode(bad[i], &l) != STATUS_INVALID) {
            fail_msg("line %zu was not refused: %s", i, bad[i]);
        }
    }
}

static void
a_file_stays_below_the_state_folder(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "/etc/passwd", "..", "../a", "a/../b",
        "a/..", "./a", "a/./b", "a//b", "a/", "."};
    struct ledger_leaf l;
    struct buf line;
    buf_init(&line, LEDGER_LEAF_MAX);
    assert_int_equal(decode(RECORDING, &l), STATUS_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        memset(l.file, 0, sizeof l.file);
        memcpy(l.file, bad[i], strlen(bad[i]));
        assert_int_equal(ledger_leaf_encode(&l, &line), STATUS_INVALID);
        assert_int_equal(line.len, 0);
    }
    memcpy(l.file, "a/..b", 6);
    assert_int_equal(ledger_leaf_encode(&l, &line), STATUS_OK);
    buf_fini(&line);
}

static void
texts_have_caps(void **state)
{
    (void)state;
    struct ledger_leaf l;
    struct buf line;
    buf_init(&line, 2 * LEDGER_LEAF_MAX);
    assert_int_equal(decode(HOLD, &l), STATUS_OK);
    memset(l.why, 'x', sizeof l.why - 1);
    l.why[sizeof l.why - 1] = '\0';
    assert_int_equal(ledger_leaf_encode(&l, &line), STATUS_OK);
    struct ledger_leaf again;
    const struct span written = span_of(buf_view(&line).ptr, line.len - 1);
    assert_int_equal(ledger_leaf_decode(written, &again, NULL), STATUS_OK);
    assert_string_equal(again.why, l.why);
    buf_clear(&line);
    l.why[sizeof l.why - 1] = 'x'; /* no zero behind it */
    assert_int_equal(ledger_leaf_encode(&l, &line), STATUS_LIMIT);
    /* Escaped, six bytes for one, the line would be too long. */
    memset(l.why, '\x01', sizeof l.why - 1);
    l.why[sizeof l.why - 1] = '\0';
    memcpy(l.who, l.why, sizeof l.who);
    assert_int_equal(ledger_leaf_encode(&l, &line), STATUS_LIMIT);
    memset(l.who, 0, sizeof l.who);
    memset(l.why, 0, sizeof l.why);
    l.why[0] = '\xff';
    assert_int_equal(ledger_leaf_encode(&l, &line), STATUS_INVALID);
    l.why[0] = '\0';
    l.wall_us = -1;
    assert_int_equal(ledger_leaf_encode(&l, &line), STATUS_INVALID);
    assert_int_equal(line.len, 0);
    buf_fini(&line);
}

static void
a_claim_names_both_keys(void **state)
{
    (void)state;
    struct ed25519_public by;
    struct ed25519_public key;
    uint8_t claim[LEDGER_CLAIM_LEN];
    memset(by.bytes, 0x11, sizeof by.bytes);
    memset(key.bytes, 0x22, sizeof key.bytes);
    ledger_key_claim(&by, &key, claim);
    assert_memory_equal(
        claim, "KUBETAPE-LEDGER-KEY-1\0\0\0\0\0\0\0\0\0\0\0", 32);
    assert_memory_equal(claim + 32, by.bytes, 32);
    assert_memory_equal(claim + 64, key.bytes, 32);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_goes_there_and_back),
        cmocka_unit_test(members_arrive_where_they_belong),
        cmocka_unit_test(
            every_cut_and_every_changed_byte_outside_values_is_refused),
        cmocka_unit_test(a_second_way_to_write_it_is_refused),
        cmocka_unit_test(a_file_stays_below_the_state_folder),
        cmocka_unit_test(texts_have_caps),
        cmocka_unit_test(a_claim_names_both_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
