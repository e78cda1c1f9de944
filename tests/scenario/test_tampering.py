#!/usr/bin/env python3
"""Every way we could think of in which a store could be made to lie, done to
a copy of one, and what `kubetape verify` must say of it.

The hand that does it may write everything but holds no signing key; a few
cases at the end hold one, to show what the ledger's rules say of that.
"""
import hashlib
import json
import os
import shutil
import unittest

import tampered_store as t
from tampered_store import (Key, Recorder, Scene, Store, cut, flip, groups,
                            recompress, seals, tape, text_of)

RECIPIENT = ("age1xmwwc06ly3ee5rytxm9mflaz2u56jjj36s0mypdrwsvlul66mv4q47ry"
             "ef")
NOT_THE_FILE = "is not the file that line {line} of the ledger tells of"
ALTERED = NOT_THE_FILE + ": its bytes were altered"


class Made:
    """The store that all cases copy: made once, by the real recorder."""

    def __init__(self, folder):
        self.folder = folder
        self.state = folder / "state"
        self.state.mkdir(mode=0o700)
        self.long, self.first = t.record(self.state, "long", "short")
        self.older = folder / "older"
        t.copy_store(self.state, self.older)
        self.short, self.refused, self.refused2 = t.record(
            self.state, "short", "refused", "refused")
        self.key = Key(self.state / "keys/seal.pem")
        self.other = Key(folder / "other.pem")
        self.other_public = self.other.write_public(folder / "other.pub.pem")
        self.count = 0

    def copy(self):
        self.count += 1
        path = self.folder / f"copy{self.count}"
        t.copy_store(self.state, path)
        return Store(path)


# ---- Hands, by what they touch. Each gets a Store and the Made. ----

def seal_field(name):
    def hand(s, m):
        path = s.file(m.long)
        flip(path, seals(path)[0] + t.SEAL_FIELDS[name])
    return hand


def last_seal_field(name):
    def hand(s, m):
        path = s.file(m.long)
        flip(path, seals(path)[-1] + t.SEAL_FIELDS[name])
    return hand


def rearrange(change):
    """`change` gets [[frame with its seals] …] of the long recording."""
    def hand(s, m):
        path = s.file(m.long)
        parts, table = groups(path)
        path.write_bytes(b"".join(change(parts, s, m)) + table)
    return hand


def drop_frame(parts, s, m):
    return parts[:1] + parts[2:]


def drop_seal(parts, s, m):
    return [parts[0], parts[1][:-t.SEAL_LEN], *parts[2:]]


def drop_text(parts, s, m):
    return [parts[0], parts[1][-t.SEAL_LEN:], *parts[2:]]


def reorder(parts, s, m):
    return [parts[0], parts[2], parts[1], *parts[3:]]


def duplicate(parts, s, m):
    return [*parts[:2], parts[1], *parts[2:]]


def swap_between_files(parts, s, m):
    others, _ = groups(s.file(m.short))
    return [parts[0], others[-1], *parts[2:]]


def truncate(where):
    def hand(s, m):
        path = s.file(m.long)
        size = path.stat().st_size
        seal = seals(path)[1]
        cut(path, {"behind a seal": seal + t.SEAL_LEN,
                   "behind a frame": seal,
                   "within a frame": seal - 100,
                   "within a seal": seal + 100,
                   "within the table": size - 5,
                   "at nothing": 0}[where])
    return hand


def header_bit(s, m):
    flip(s.file(m.long), 40)


def frame_bit(s, m):
    path = s.file(m.long)
    flip(path, seals(path)[1] - 5000)


def table_bit(s, m):
    path = s.file(m.long)
    flip(path, path.stat().st_size - 15)


def append_bytes(s, m):
    with s.file(m.long).open("ab") as f:
        f.write(b"more")


def recompress_altered(s, m):
    path = s.file(m.long)
    text = bytearray(text_of(path))
    at = text.index(b"e", len(text) // 2)
    text[at:at + 1] = b"a"
    recompress(path, bytes(text))


def recompress_shorter(s, m):
    path = s.file(m.short)
    lines = text_of(path).splitlines(keepends=True)
    recompress(path, b"".join(lines[:1] + lines[3:]))


def recompress_only(s, m):
    path = s.file(m.short)
    recompress(path, text_of(path))


def remove_file(s, m):
    s.file(m.short).unlink()


def remove_file_and_row(s, m):
    remove_file(s, m)
    delete_row(s, m)


def replace_file(s, m):
    shutil.copy(s.file(m.first), s.file(m.short))


def exchange_files(s, m):
    one, other = s.file(m.first), s.file(m.short)
    a, b = one.read_bytes(), other.read_bytes()
    one.write_bytes(b)
    other.write_bytes(a)


def older_prefix(s, m):
    truncate("behind a seal")(s, m)


def older_prefix_called_active(s, m):
    older_prefix(s, m)
    s.sql("UPDATE sessions SET status = 'active', sealed = 0, end_us = NULL"
          " WHERE id = ?", m.long)


def link_file(s, m):
    path = s.file(m.short)
    moved = s.path / "elsewhere.zst"
    path.rename(moved)
    path.symlink_to(moved)


def put_instead(make):
    """Something that is no file, of the name of one."""
    def hand(s, m):
        path = s.file(m.short)
        path.unlink()
        make(path)
    return hand


def grow(s, m):
    """Reading it to the end would take hours."""
    os.truncate(s.file(m.short), 1 << 42)


def put_fifo_for_running(s, m):
    """Of a session that a verifier must read, for it has no leaf."""
    drop_last_leaf(s, m)
    put_instead(os.mkfifo)(s, m)


# -- the index --

def delete_row(s, m):
    s.sql("DELETE FROM sessions WHERE id = ?", m.short)


def set_row(assignment):
    def hand(s, m):
        s.sql(f"UPDATE sessions SET {assignment} WHERE id = ?", m.short)
    return hand


def other_session_row(s, m):
    s.sql("UPDATE sessions SET id = '019ab000-0000-7000-8000-00000000000a'"
          " WHERE id = ?", m.short)


def exchange_facts(s, m):
    """The row of one session with the facts of another."""
    s.sql("UPDATE sessions SET (tty, start_us, end_us, bytes_stdout) ="
          " (SELECT tty, start_us, end_us, bytes_stdout FROM sessions"
          " WHERE id = ?) WHERE id = ?", m.long, m.short)


def invent_row(columns):
    def hand(s, m):
        values = {"id": "'019ab000-0000-7000-8000-00000000000a'", **columns}
        chosen = ", ".join(values.get(name, name) for name in s.columns())
        s.sql(f"INSERT INTO sessions SELECT {chosen} FROM sessions"
              " WHERE id = ?", m.short)
    return hand


def spoil_index(s, m):
    (s.path / "index.db").write_bytes(b"not a database at all" * 500)


def remove_index(s, m):
    (s.path / "index.db").unlink()


# -- the ledger --

def edit_leaf(s, m):
    lines = s.lines()
    at = s.line_of(m.short)
    lines[at] = lines[at].replace(b'"time":1', b'"time":2', 1)
    s.put_lines(lines)


def spoil_leaf(s, m):
    lines = s.lines()
    lines[s.line_of(m.short)] = b'{"kind":"nothing"}'
    s.put_lines(lines)


def fit_leaf_to_altered_file(s, m):
    """A thorough hand: file and leaf agree, and no key signed it."""
    path = s.file(m.short)
    recompress_shorter(s, m)
    data, text = path.read_bytes(), text_of(path)
    lines = s.lines()
    at = s.line_of(m.short)
    leaf = json.loads(lines[at])
    leaf.update(text_len=len(text), file_len=len(data),
                text_hash=hashlib.sha256(text).hexdigest(),
                file_hash=hashlib.sha256(data).hexdigest())
    lines[at] = json.dumps(leaf, separators=(",", ":")).encode()
    s.put_lines(lines)


def drop_leaf(s, m):
    lines = s.lines()
    del lines[s.line_of(m.first)]
    s.put_lines(lines)


def drop_last_leaf(s, m):
    s.put_lines(s.lines()[:-1])


def exchange_leaves(s, m):
    lines = s.lines()
    lines[1], lines[2] = lines[2], lines[1]
    s.put_lines(lines)


def tombstone(session):
    return (b'{"kind":"tombstone","time":1764024236000000,"id":"%s",'
            b'"who":"rule 1","why":"older than 30 days"}' % session.encode())


def append_tombstone(s, m):
    """Behind the checkpoint, where no line counts."""
    remove_file_and_row(s, m)
    with s.leaves.open("ab") as f:
        f.write(tombstone(m.short) + b"\n")


def forge_tombstone(s, m):
    """In place of another leaf, so that the count is right."""
    remove_file_and_row(s, m)
    lines = s.lines()
    lines[s.line_of(m.first)] = tombstone(m.short)
    s.put_lines(lines)


def put_in_leaf(s, m):
    lines = s.lines()
    s.put_lines(lines[:2] + [tombstone(m.short)] + lines[2:])


def remove_ledger(s, m):
    shutil.rmtree(s.path / "ledger")


def remove_checkpoint(s, m):
    s.checkpoint.unlink()


def remove_leaves(s, m):
    s.leaves.unlink()


def edit_checkpoint(s, m):
    lines = s.checkpoint.read_text().split("\n")
    lines[1] = str(int(lines[1]) - 1)
    s.put_lines(s.lines()[:-1])
    s.checkpoint.write_text("\n".join(lines))


def spoil_checkpoint(s, m):
    s.checkpoint.write_text("nothing\n")


def sign_with_other_key(s, m):
    remove_file_and_row(s, m)
    lines = s.lines()
    del lines[s.line_of(m.short)]
    s.put_lines(lines)
    s.sign(m.other)


def roll_back(s, m):
    """All of the store as it was: nothing in it contradicts anything."""
    shutil.rmtree(s.path)
    shutil.copytree(m.older, s.path)


def roll_back_ledger(s, m):
    shutil.rmtree(s.path / "ledger")
    shutil.copytree(m.older / "ledger", s.path / "ledger")


def rewrite_with_own_key(s, m):
    """Another ledger, with another first key, over the same files."""
    lines = s.lines()
    lines[0] = lines[0].replace(m.key.public.hex().encode(),
                                m.other.public.hex().encode())
    s.put_lines(lines)
    s.sign(m.other)


# -- attempts --

def attempts_bit(s, m):
    flip(s.attempts, seals(s.attempts)[-1] - 20)


def attempts_seal(s, m):
    flip(s.attempts, seals(s.attempts)[-1] + t.SEAL_FIELDS["time"])


def remove_attempts(s, m):
    s.attempts.unlink()


def cut_attempts(s, m):
    """Back to its first seal, as it was before the attempts came."""
    cut(s.attempts, seals(s.attempts)[0] + t.SEAL_LEN)


def delete_refused_row(s, m):
    s.sql("DELETE FROM sessions WHERE id = ?", m.refused)


def alter_refused_row(s, m):
    s.sql("UPDATE sessions SET user = 'mallory' WHERE id = ?", m.refused)


# -- strays --

def plant(name, content=b"x"):
    def hand(s, m):
        path = s.file(m.short).parent / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return hand


def plant_at_top(s, m):
    (s.path / "recordings/notes.txt").write_text("x")


def plant_copy(s, m):
    path = s.file(m.short)
    shutil.copy(path, path.with_name(
        "019ab000-0000-7000-8000-00000000000a.cast.zst"))


def plant_in_other_day(s, m):
    path = s.file(m.short)
    day = s.path / "recordings/2020/01/01"
    day.mkdir(parents=True)
    shutil.copy(path, day / path.name)


def plant_temporary(s, m):
    path = s.file(m.short)
    shutil.copy(path, path.with_name(path.name + ".tmp"))


# ---- The table: name, hand, what --all must say, more flags ----

INDEX = "the index tells something else of the session than its recording: "

CASES = [
    # bits of one file
    ("bit of the header's frame", header_bit, [ALTERED]),
    ("bit of a later frame", frame_bit, [ALTERED]),
    ("bit of the seek table", table_bit,
     [ALTERED, "the seek table at byte"]),
    ("bit of a seal's magic", seal_field("magic"),
     [ALTERED, "the seal at byte", "is damaged"]),
    ("bit of a seal's id", seal_field("id"),
     [ALTERED, "was altered: its signature does not match"]),
    ("bit of a seal's sequence", seal_field("sequence"),
     [ALTERED, "was altered: its signature does not match"]),
    ("bit of a seal's flags", seal_field("flags"),
     [ALTERED, "was altered: its signature does not match"]),
    ("bit of a seal's zeros", seal_field("zeros"),
     [ALTERED, "the seal at byte", "is damaged"]),
    ("bit of a seal's text length", seal_field("text length"),
     [ALTERED, "was altered: its signature does not match"]),
    ("bit of a seal's text hash", seal_field("text hash"),
     [ALTERED, "was altered: its signature does not match"]),
    ("bit of a seal's previous", last_seal_field("previous"),
     [ALTERED, "was altered: its signature does not match"]),
    ("bit of a seal's time", seal_field("time"),
     [ALTERED, "was altered: its signature does not match"]),
    ("bit of a seal's writer", seal_field("writer"),
     [ALTERED, "was altered: its signature does not match"]),
    ("bit of a seal's key", seal_field("key"),
     [ALTERED, "was made with the key"]),
    ("bit of a seal's signature", seal_field("signature"),
     [ALTERED, "was altered: its signature does not match"]),
    ("bit of the last seal's signature", last_seal_field("signature"),
     [ALTERED, "was altered: its signature does not match"]),
    ("bytes behind the end", append_bytes,
     [NOT_THE_FILE + ": its length is another", "not at the end"]),
    # cuts
    *[(f"cut {where}", truncate(where),
       [NOT_THE_FILE + ": its length is another", *found]) for where, found in [
           ("behind a seal", ["but its end is missing"]),
           ("behind a frame", ["but its end is missing"]),
           ("within a frame", ["but its end is missing"]),
           ("within a seal", ["but its end is missing"]),
           ("within the table", ["the file ends within a frame"]),
           ("at nothing", ["the file is empty"])]],
    # frames
    ("frame and seal dropped", rearrange(drop_frame),
     [NOT_THE_FILE, "stands where seal"]),
    ("seal dropped", rearrange(drop_seal),
     [NOT_THE_FILE, "stands where seal"]),
    ("text dropped, seal kept", rearrange(drop_text),
     [NOT_THE_FILE, "bytes of text where there are"]),
    ("frames reordered", rearrange(reorder), [NOT_THE_FILE]),
    ("frame repeated", rearrange(duplicate), [NOT_THE_FILE]),
    ("frame of another session", rearrange(swap_between_files),
     [NOT_THE_FILE, "belongs to session"]),
    # text
    ("text altered, recompressed, old seals", recompress_altered,
     [NOT_THE_FILE, "the text was altered between byte"]),
    ("lines removed, recompressed, old seals", recompress_shorter,
     [NOT_THE_FILE, "of the ledger tells of another text"]),
    ("recompressed, the same text", recompress_only, [NOT_THE_FILE]),
    # files
    ("file removed", remove_file,
     ["is missing, of which line {line} of the ledger tells"]),
    ("file and row removed", remove_file_and_row,
     ["is missing, of which line {line} of the ledger tells",
      "the index does not know it"]),
    ("FIFO instead of a file", put_instead(os.mkfifo),
     ["{short}: ", ".cast.zst is no regular file"]),
    ("folder instead of a file", put_instead(os.mkdir),
     ["{short}: ", ".cast.zst is no regular file"]),
    ("FIFO instead of a file without a leaf", put_fifo_for_running,
     ["{short}: ", ".cast.zst: it is no regular file"]),
    ("file grown to 4 TiB", grow,
     [NOT_THE_FILE + ": its length is another"]),
    ("file replaced by another session's", replace_file,
     [NOT_THE_FILE, "is of another session than line {line}"]),
    ("files of two sessions exchanged", exchange_files,
     [NOT_THE_FILE, "is of another session than line {line}"]),
    ("file replaced by an older prefix", older_prefix,
     [NOT_THE_FILE, "but its end is missing"]),
    ("older prefix, and its row says active", older_prefix_called_active,
     [NOT_THE_FILE, "the index says that it is active"]),
    ("file replaced by a link", link_file, ["neither a file nor a folder"]),
    # index
    ("row deleted", delete_row, ["the index does not know it"]),
    *[(f"row's {name} altered", set_row(f"{name} = {value}"),
       [INDEX + (shown or name)]) for name, value, shown in [
           ("user", "'mallory'", None), ("groups", "'[\"admin\"]'", None),
           ("uid", "'0'", None), ("source", "'10.0.0.1:1'", None),
           ("cluster", "'other'", None), ("namespace", "'other'", None),
           ("pod", "'other'", None), ("container", "'other'", None),
           ("command", "'[\"true\"]'", None), ("tty", "0", None),
           ("type", "'cp'", None), ("protocol", "'websocket'", None),
           ("subprotocol", "'x'", None), ("start_us", "start_us + 1", "start"),
           ("end_us", "end_us + 1", "end"), ("exit_code", "1", None),
           ("reason", "'x'", None), ("bytes_stdin", "7", "bytes"),
           ("bytes_stdout", "7", "bytes"), ("bytes_stderr", "7", "bytes"),
           ("user_agent", "'x'", None), ("kubectl_session", "'x'", None),
           ("kubectl_command", "'x'", None), ("stdin_recorded", "1", None),
           ("status", "'failed'", None)]],
    ("row's status set active", set_row("status = 'active'"),
     ["the index says that it is active, line {line} of the ledger"]),
    ("row's seal taken away", set_row("sealed = 0"),
     ["the index says that it was not finished"]),
    ("row's file altered", set_row("file = '../../etc/passwd'"),
     ["the index says that its file is \"../../etc/passwd\""]),
    ("row's size altered", set_row("size = 7"),
     ["the index says that its file has 7 bytes"]),
    ("row's ID altered", other_session_row,
     ["the index does not know it",
      "019ab000-0000-7000-8000-00000000000a: "]),
    ("row with another session's facts", exchange_facts, [INDEX]),
    ("row invented", invent_row({}),
     ["019ab000-0000-7000-8000-00000000000a: "]),
    ("refusal invented",
     invent_row({"status": "'refused'", "file": "''", "sealed": "0"}),
     ["019ab000-0000-7000-8000-00000000000a: the index says that it was "
      "refused, no day's attempts do"]),
    ("index spoiled", spoil_index, ["index: "]),
    ("index removed", remove_index, ["index: it is missing"]),
    # ledger
    ("leaf edited", edit_leaf,
     ["ledger: the first 4 lines are not what the checkpoint signs"]),
    ("leaf spoiled", spoil_leaf, ["ledger: line {line} is no leaf"]),
    ("file altered, and its leaf to fit", fit_leaf_to_altered_file,
     ["ledger: the first 4 lines are not what the checkpoint signs"]),
    ("leaf dropped", drop_leaf, ["ledger: behind line 3 it is cut"]),
    ("last leaf dropped", drop_last_leaf, ["ledger: behind line 3 it is cut"]),
    ("leaves exchanged", exchange_leaves,
     ["ledger: the first 4 lines are not what the checkpoint signs"]),
    ("leaf put in", put_in_leaf,
     ["ledger: the first 4 lines are not what the checkpoint signs"]),
    ("file removed, tombstone appended", append_tombstone,
     ["is missing, of which line"]),
    ("file removed, tombstone in another leaf's place", forge_tombstone,
     ["ledger: the first 4 lines are not what the checkpoint signs"]),
    ("ledger removed", remove_ledger, ["ledger: it is missing"]),
    ("checkpoint removed", remove_checkpoint,
     ["ledger: it cannot be read as one"]),
    ("leaves removed", remove_leaves, ["ledger: it cannot be read as one"]),
    ("checkpoint edited", edit_checkpoint, ["ledger: the checkpoint was forged"]),
    ("checkpoint spoiled", spoil_checkpoint,
     ["ledger: it cannot be read as one"]),
    ("removed everywhere, signed with another key", sign_with_other_key,
     ["ledger: the checkpoint was forged"]),
    ("ledger of another first key", rewrite_with_own_key,
     ["ledger: the checkpoint is by the key", "is not trusted",
      "of another ledger"]),
    ("ledger rolled back", roll_back_ledger,
     ["{short}: the ledger has no leaf of it"]),
    ("all rolled back", roll_back,
     ["ledger: it was rolled back: it had 4 lines at the older checkpoint, "
      "and has 3"], "--checkpoint", "{checkpoint}"),
    ("ledger removed, an older checkpoint kept", remove_ledger,
     ["ledger: it is missing"], "--checkpoint", "{checkpoint}"),
    ("leaf edited, an older checkpoint kept", edit_leaf,
     ["not what the older checkpoint signs"], "--checkpoint", "{checkpoint}"),
    ("wrong key", lambda s, m: None,
     ["ledger: the checkpoint is by the key", "is not trusted"], "--key",
     "{other}"),
    ("wrong key, all text", lambda s, m: None, ["was made with the key"],
     "--key", "{other}", "--full"),
    # attempts
    ("bit of the attempts", attempts_bit, ["attempts.cast.zst: "]),
    ("bit of the attempts' seal", attempts_seal,
     ["was altered: its signature does not match"]),
    ("attempts removed", remove_attempts,
     ["{refused}: the index says that it was refused, no day's attempts do"]),
    ("attempts cut at a seal", cut_attempts,
     ["{refused}: the index says that it was refused, no day's attempts do"]),
    ("refused row deleted", delete_refused_row,
     ["the index does not know the attempt {refused}"]),
    ("refused row altered", alter_refused_row,
     ["the index tells something else of the attempt {refused}: user"]),
    # strays
    ("file planted", plant("notes.txt"), ["no recording, by its name"]),
    ("file planted above the days", plant_at_top,
     ["a file where no recording belongs"]),
    ("file planted below the days", plant("more/x.cast.zst"),
     ["no recording, by its name"]),
    ("recording planted", plant_copy,
     ["neither the ledger nor the index knows"]),
    ("recording planted in another day", plant_in_other_day,
     ["not at its session's place"]),
    ("file in the making planted", plant_temporary,
     ["of no running session"]),
]


class Tampering(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = t.folder()
        cls.addClassCleanup(folder.__exit__, None, None, None)
        cls.made = Made(folder.__enter__())

    def fill(self, words, line=0):
        m = self.made
        return [w.format(line=line, short=m.short, refused=m.refused,
                         other=m.other_public,
                         checkpoint=m.state / "ledger/checkpoint")
                for w in words]

    def check(self, store, expected, flags):
        """`{line}` in what is expected is a leaf's line, whichever."""
        code, said = store.verify(*self.fill(flags))
        self.assertEqual(1, code, said)
        self.assertTrue(any(all(w in said for w in self.fill(expected, line))
                            for line in range(1, 5)),
                        f"wanted {expected}, not in:\n{said}")

    def green(self, store, *words):
        for more in ([], ["--full"], ["--checkpoint", store.checkpoint]):
            code, said = store.verify(*more)
            self.assertEqual(0, code, said)
            for w in words:
                self.assertIn(w, said)

    def test_table(self):
        self.assertGreaterEqual(len(CASES), 40)
        for name, hand, expected, *flags in CASES:
            with self.subTest(name):
                store = self.made.copy()
                hand(store, self.made)
                self.check(store, expected, flags)
                shutil.rmtree(store.path)

    def test_untouched(self):
        store = self.made.copy()
        self.green(store, "3 recordings", "2 refused", ": as recorded")
        for session in (self.made.long, self.made.short):
            code, said = tape("verify", "--state", store.path, session)
            self.assertEqual(0, code, said)
            self.assertIn("as recorded, and complete", said)

    def test_a_finding_names_its_recording(self):
        store = self.made.copy()
        remove_file(store, self.made)
        code, said = store.verify("--json")
        self.assertEqual(1, code)
        finding, summary = map(json.loads, said.splitlines())
        self.assertEqual(self.made.short, finding["where"])
        self.assertIn("is missing", finding["finding"])
        self.assertEqual((2, 1), (summary["recordings"], summary["findings"]))

    def test_what_only_an_older_checkpoint_shows(self):
        """A store that was rolled back whole contradicts itself nowhere."""
        store = self.made.copy()
        roll_back(store, self.made)
        self.assertEqual(0, store.verify()[0])

    def test_one_recording(self):
        """The same by ID: index and ledger of the store count there too."""
        for name, hand, words in [
                ("frame", lambda s, m: frame_bit(s, m), ["wrong: "]),
                ("prefix", older_prefix, ["but its end is missing"]),
                ("file", remove_file, ["wrong: its file", "is missing"]),
                ("file and row", remove_file_and_row,
                 ["the index does not know", "is missing"]),
                ("row", set_row("user = 'mallory'"), [INDEX + "user"]),
                ("row deleted", delete_row, ["the index does not know"]),
                ("leaf", edit_leaf, ["wrong: ledger: the first 4 lines"]),
                ("ledger cut", drop_last_leaf, ["ledger: behind line 3"])]:
            with self.subTest(name):
                store = self.made.copy()
                hand(store, self.made)
                session = (self.made.long if name in ("frame", "prefix")
                           else self.made.short)
                code, said = tape("verify", "--state", store.path, session)
                self.assertEqual(1, code, said)
                for w in words:
                    self.assertIn(w, said)
                self.assertIn("NOT AS RECORDED", said)

    # -- exported text --

    def export(self, session):
        folder = self.made.folder / f"export-{session}"
        folder.mkdir(exist_ok=True)
        text, beside = folder / "x.cast", folder / "x.cast.seals"
        code, said = tape("export", "--state", self.made.state, "--format",
                          "cast", "-o", text, "--seals", beside, session)
        self.assertEqual(0, code, said)
        return text, beside

    def verify_export(self, text, *more):
        """Offline: no store, the public key alone."""
        return tape("verify", "--state", self.made.folder / "nowhere", "--key",
                    self.made.state / "keys/seal.pub.pem", text, *more)

    def test_exported(self):
        text, beside = self.export(self.made.long)
        other_text, other = self.export(self.made.short)
        code, said = self.verify_export(text)
        self.assertEqual(0, code, said)
        self.assertIn("as recorded, and complete", said)
        whole, signed = text.read_bytes(), beside.read_bytes()
        middle = whole.index(b"e", len(whole) // 2)
        for name, new_text, new_seals, words in [
                ("text edited", whole[:middle] + b"a" + whole[middle + 1:],
                 signed, "the text was altered between byte"),
                ("text cut", whole[:middle], signed,
                 "bytes of text where there are"),
                ("text goes on", whole + b'[99.000000, "o", "x"]\n', signed,
                 "bytes of text follow the final seal"),
                ("seal edited", whole, signed[:100] + b"x" + signed[101:],
                 "was altered: its signature does not match"),
                ("seal dropped", whole, signed[t.SEAL_LEN:],
                 "stands where seal 0 belongs"),
                ("seal cut", whole, signed[:-1], "begins no whole seal"),
                ("no seals", whole, b"",  "nothing is proved"),
                ("seals exchanged", whole, other.read_bytes(),
                 "belongs to session")]:
            with self.subTest(name):
                text.write_bytes(new_text)
                beside.write_bytes(new_seals)
                code, said = self.verify_export(text)
                self.assertEqual(3 if name == "no seals" else 1, code, said)
                self.assertIn(words, said)
        self.assertEqual(1, self.verify_export(text, "--seals", other)[0])
        self.assertEqual(0, self.verify_export(other_text, "--seals", other)[0])

    # -- encrypted --

    def test_encrypted(self):
        """No private key anywhere: the ledger's digest of the file."""
        with t.folder() as folder:
            state = folder / "state"
            state.mkdir()
            one, other = t.record(state, "short", "short", config=[
                f"encrypt_to: [{RECIPIENT}]"])
            store = Store(state)
            self.green(store, "2 encrypted (by their files' digests alone)")
            code, said = tape("verify", "--state", state, one)
            self.assertEqual(0, code, said)
            self.assertIn("as recorded: the encrypted file is the one", said)
            paths = [next(state.glob(f"recordings/*/*/*/{i}.cast.zst.age"))
                     for i in (one, other)]
            flip(paths[0], 400)
            code, said = store.verify()
            self.assertEqual(1, code, said)
            self.assertIn(f"{one}: recordings/", said)
            self.assertIn("of the ledger tells of: its bytes were altered",
                          said)
            code, said = tape("verify", "--state", state, one)
            self.assertEqual(1, code, said)
            shutil.copy(paths[1], paths[0])
            self.assertEqual(1, store.verify()[0])
            paths[0].unlink()
            code, said = store.verify()
            self.assertEqual(1, code, said)
            self.assertIn("is missing, of which line", said)

    # -- whoever holds the key --

    def remove_lawfully(self, store):
        store.put_lines(store.lines() + [tombstone(self.made.short)])
        store.sign(self.made.key)
        remove_file_and_row(store, self.made)

    def test_lawful_removal(self):
        store = self.made.copy()
        kept = store.file(self.made.short)
        data = kept.read_bytes()
        self.remove_lawfully(store)
        self.green(store, "2 recordings", "1 lawfully removed")
        code, said = tape("verify", "--state", store.path, self.made.short)
        self.assertEqual(0, code, said)
        self.assertIn("removed on 2025-11-24", said)
        self.assertIn("by rule 1 (older than 30 days), as line 5", said)
        kept.write_bytes(data)
        code, said = store.verify()
        self.assertEqual(1, code, said)
        self.assertIn("is back: it was removed on 2025-11-24", said)

    def test_removal_of_what_is_held(self):
        """Whoever takes a hold out of the index gets a recorder to sign a
        tombstone: the ledger keeps both."""
        store = self.made.copy()
        held = tombstone(self.made.short).replace(b"tombstone", b"hold")
        released = held.replace(b"hold", b"release")
        store.put_lines(store.lines() + [held])
        self.remove_lawfully(store)
        for more in (["--all"], [self.made.short]):
            code, said = tape("verify", "--state", store.path, *more)
            self.assertEqual(1, code, said)
            self.assertIn("line 6 of the ledger removes what line 5 holds",
                          said)
        store = self.made.copy()
        store.put_lines(store.lines() + [held, released])
        self.remove_lawfully(store)
        self.green(store, "1 lawfully removed")

    def test_tombstone_that_was_edited(self):
        store = self.made.copy()
        self.remove_lawfully(store)
        store.put_lines([line.replace(b"rule 1", b"rule 2")
                         for line in store.lines()])
        code, said = store.verify()
        self.assertEqual(1, code, said)
        self.assertIn("the first 5 lines are not what the checkpoint", said)

    def change_key(self, store, signer):
        old, new = self.made.key.public, self.made.other.public
        claim = b"KUBETAPE-LEDGER-KEY-1".ljust(32, b"\0") + old + new
        leaf = {"kind": "key", "time": 1764024236000000, "key": new.hex(),
                "by": old.hex(), "signature": signer.sign(claim).hex()}
        store.put_lines(store.lines() +
                        [json.dumps(leaf, separators=(",", ":")).encode()])
        store.sign(self.made.other)

    def test_change_of_key(self):
        """Whoever trusts the first key follows the chain; whoever trusts
        only the new one learns that the old seals are by another."""
        store = self.made.copy()
        self.change_key(store, self.made.key)
        self.green(store, "3 recordings")
        forged = self.made.copy()
        self.change_key(forged, self.made.other)
        code, said = forged.verify()
        self.assertEqual(1, code, said)
        self.assertIn("line 5 names a key that nobody vouches for", said)
        self.assertIn("the checkpoint is by the key", said)

    def bare_key(self, key):
        return json.dumps({
            "kind": "key", "time": 1764024236000000, "key": key.public.hex(),
            "by": "0" * 64, "signature": "0" * 128},
            separators=(",", ":")).encode()

    def red_after_a_start(self, store, words):
        """The real recorder goes on with what was forged: it may not make
        the forger's key one that verifiers trust."""
        Recorder(store.path).end()
        code, said = store.verify()
        self.assertEqual(1, code, said)
        self.assertIn(words, said)
        code, said = tape("verify", "--state", store.path, self.made.short)
        self.assertEqual(1, code, said)
        self.assertIn(words, said)
        self.assertIn("NOT AS RECORDED", said)
        self.assertNotIn("lawfully", said)

    def test_recorder_does_not_launder_a_key(self):
        store = self.made.copy()
        store.put_lines(store.lines() + [self.bare_key(self.made.other),
                                         tombstone(self.made.short)])
        store.sign(self.made.other)
        remove_file(store, self.made)
        self.red_after_a_start(
            store, "line 5 names a key that nobody vouches for")

    def test_recorder_does_not_launder_a_ledger(self):
        """As if it had always been so, but for the first key."""
        store = self.made.copy()
        lines = store.lines()
        lines[0] = self.bare_key(self.made.other)
        lines.append(tombstone(self.made.short))
        store.put_lines(lines)
        store.rename(self.made.other)
        store.sign(self.made.other)
        remove_file(store, self.made)
        self.red_after_a_start(store, "line 1 names the key")

    # -- stores that live --

    def green_until(self, store, claim):
        """Verified all the while."""
        def is_so():
            self.green(store)
            return claim(t.rows(store.path).values())
        t.wait_for("the recorder", is_so)

    def tended(self, process):
        self.addCleanup(process.end)
        return process

    def test_empty(self):
        with t.folder() as folder:
            state = folder / "state"
            state.mkdir()
            recorder = self.tended(Recorder(state))
            self.green(Store(state), "0 recordings")
            recorder.end()
            self.green(Store(state), "0 recordings")

    def test_running(self):
        """Not a finding while sessions run, end, and the recorder is killed
        and comes back."""
        with t.folder() as folder:
            state = folder / "state"
            state.mkdir()
            recorder = self.tended(Recorder(state))
            scene = self.tended(Scene(state, "short", "running", "long",
                                      "refused", "running"))
            store = Store(state)
            self.green_until(store, lambda status: sorted(status) == [
                "active", "active", "complete", "complete", "refused"])
            recorder.end(kill=True)
            self.green(store, "2 running")
            self.alter_running(store, folder, scene.ids[1])
            recorder = self.tended(Recorder(state))
            scene.end()
            self.green_until(store, lambda status: "active" not in status)
            self.green(store, "4 recordings", "1 refused")
            recorder.end()

    def alter_running(self, store, folder, session):
        copy = Store(folder / "copy")
        t.copy_store(store.path, copy.path)
        path = copy.file(session)
        flip(path, seals(path)[-1] - 10)
        code, said = copy.verify()
        self.assertEqual(1, code, said)
        self.assertIn(f"{session}: ", said)
        shutil.copy(store.file(session), path)
        self.assertEqual(0, copy.verify()[0])
        path.unlink()
        code, said = copy.verify()
        self.assertIn(f"{session}: its file", said)
        self.assertEqual(1, code, said)


if __name__ == "__main__":
    unittest.main()
