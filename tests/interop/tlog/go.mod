// The ledger as Go's own packages see it, for tests/interop/test_tlog.py.
module kubetape/tests/interop/tlog

go 1.25.0

require golang.org/x/mod v0.32.0
