// Opens what `kubetape ledger` prints with golang.org/x/mod/sumdb/{note,tlog},
// unchanged.
//
//	tlog check KEY CHECKPOINT PROOF      a checkpoint and a proof from files
//	tlog grew KEY OLD NEW LEAVES KEY2    OLD is a beginning of NEW
//
// KEY is a line for note.NewVerifier; KEY2, the one that NEW is signed with.
package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	err := errors.New("usage: tlog check KEY CHECKPOINT PROOF | grew KEY OLD NEW LEAVES KEY2")
	if len(os.Args) == 5 && os.Args[1] == "check" {
		err = check(os.Args[2], read(os.Args[3]), read(os.Args[4]))
	} else if len(os.Args) == 7 && os.Args[1] == "grew" {
		err = grew(os.Args[2], os.Args[6], read(os.Args[3]), read(os.Args[4]), read(os.Args[5]))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "tlog:", err)
		os.Exit(1)
	}
}

func read(path string) []byte {
	data, err := os.ReadFile(path)
	if err != nil {
		fmt.Fprintln(os.Stderr, "tlog:", err)
		os.Exit(2)
	}
	return data
}

// open reads a checkpoint: its text is that of a tlog tree but for the first
// line, which names the log instead of the format.
func open(key string, msg []byte) (tlog.Tree, error) {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return tlog.Tree{}, err
	}
	n, err := note.Open(msg, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	origin, rest, ok := strings.Cut(n.Text, "\n")
	if !ok || origin != verifier.Name() {
		return tlog.Tree{}, fmt.Errorf("origin %q, signer %q", origin, verifier.Name())
	}
	return tlog.ParseTree([]byte("go.sum database tree\n" + rest))
}

type proof struct {
	leaf       []byte
	index      int64
	path       tlog.RecordProof
	checkpoint []byte
}

// parse reads a C2SP tlog-proof.
func parse(text []byte) (proof, error) {
	var p proof
	head, checkpoint, ok := strings.Cut(string(text), "\n\n")
	lines := strings.Split(head, "\n")
	if !ok || len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return p, errors.New("not a tlog-proof")
	}
	extra, ok := strings.CutPrefix(lines[1], "extra ")
	if !ok {
		return p, errors.New("no extra line")
	}
	var err error
	if p.leaf, err = base64.StdEncoding.DecodeString(extra); err != nil {
		return p, err
	}
	index, ok := strings.CutPrefix(lines[2], "index ")
	if !ok {
		return p, errors.New("no index line")
	}
	if p.index, err = strconv.ParseInt(index, 10, 64); err != nil {
		return p, err
	}
	for _, line := range lines[3:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return p, err
		}
		p.path = append(p.path, hash)
	}
	p.checkpoint = []byte(checkpoint)
	return p, nil
}

// check verifies the checkpoint and the proof, which carries one of its own.
func check(key string, checkpoint, proofText []byte) error {
	if _, err := open(key, checkpoint); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	p, err := parse(proofText)
	if err != nil {
		return err
	}
	tree, err := open(key, p.checkpoint)
	if err != nil {
		return fmt.Errorf("the proof's checkpoint: %w", err)
	}
	err = tlog.CheckRecord(p.path, tree.N, tree.Hash, p.index, tlog.RecordHash(p.leaf))
	if err != nil {
		return err
	}
	fmt.Printf("%d %d %s\n", tree.N, p.index, p.leaf)
	return nil
}

// stored holds the hashes of a tree, as tlog numbers them.
type stored []tlog.Hash

func (s stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var out []tlog.Hash
	for _, i := range indexes {
		if i >= int64(len(s)) {
			return nil, fmt.Errorf("no hash %d", i)
		}
		out = append(out, s[i])
	}
	return out, nil
}

func store(leaves []byte) (stored, error) {
	var s stored
	lines := strings.Split(strings.TrimSuffix(string(leaves), "\n"), "\n")
	for i, line := range lines {
		hashes, err := tlog.StoredHashes(int64(i), []byte(line), s)
		if err != nil {
			return nil, err
		}
		s = append(s, hashes...)
	}
	return s, nil
}

// grew makes the consistency proof with tlog and has tlog check it.
func grew(oldKey, newKey string, oldNote, newNote, leaves []byte) error {
	older, err := open(oldKey, oldNote)
	if err != nil {
		return fmt.Errorf("old checkpoint: %w", err)
	}
	newer, err := open(newKey, newNote)
	if err != nil {
		return fmt.Errorf("new checkpoint: %w", err)
	}
	hashes, err := store(leaves)
	if err != nil {
		return err
	}
	root, err := tlog.TreeHash(newer.N, hashes)
	if err != nil {
		return err
	}
	if root != newer.Hash {
		return errors.New("the leaves are not those of the new checkpoint")
	}
	proof, err := tlog.ProveTree(newer.N, older.N, hashes)
	if err != nil {
		return err
	}
	if err := tlog.CheckTree(proof, newer.N, newer.Hash, older.N, older.Hash); err != nil {
		return err
	}
	fmt.Printf("%d %d\n", older.N, newer.N)
	return nil
}
