# shellcheck shell=bash
# What the programs of this folder share: where things are, how to say no, and
# how to name a process so that a reused pid is never taken for it.
#
# A cluster is one process tree in a PID and mount namespace of its own. Its
# root is the only process that anything here ever signals: when it dies the
# kernel ends the rest, shims and containers included, and with the last of
# them go the mounts. So a killed CI job leaves at most one pid to look at.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034  # for those who source this
manifests=$here/manifests config=$here/config

dir=${KUBETAPE_CLUSTER_DIR:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/kubetape-cluster}

me=${0##*/}

say()
{
    printf 'cluster: %s\n' "$*" >&2
}

die()
{
    printf '%s: %s\n' "$me" "$*" >&2
    exit 1
}

# Everything below $dir.
set_paths()
{
    [[ $dir == /* ]] || dir=$PWD/$dir
    # A unix socket's path fits in 108 bytes, and containerd's is the longest.
    ((${#dir} <= 70)) || die "folder name too long for a socket: $dir"
    case $dir/ in
    /run/* | /var/run/* | /var/lib/* | /var/log/*)
        # inside.sh covers these with file systems of the cluster's own.
        die "not below /run, /var/lib or /var/log, please: $dir"
        ;;
    esac
    # shellcheck disable=SC2034
    bin=$dir/bin run=$dir/run log=$dir/run/log
}

# What is not foreseen is told, too, and with its place.
set -E
trap 'say "${BASH_SOURCE[0]##*/}:$LINENO: failed: $BASH_COMMAND"' ERR

# Takes the lock that keeps two ups, or an up and a down, apart. It is held
# until this process ends; daemons are started with the descriptor closed.
take_lock()
{
    mkdir -p "$dir"
    exec 9>"$dir/lock"
    if ! flock -n 9; then
        say "waiting for another up or down in $dir"
        flock -w 900 9 || die "another up or down holds $dir/lock"
    fi
}

# What tells a process from an earlier or later one of the same pid: the boot,
# and its start time in that, which is field 22 of its stat line, counted from
# the command's closing bracket because a command may hold spaces.
identity()
{
    local stat boot
    boot=$(</proc/sys/kernel/random/boot_id)
    { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
    # shellcheck disable=SC2086
    set -- ${stat##*) }
    [[ $1 != Z ]] || return 1
    printf '%s/%s\n' "$boot" "${20}"
}

# Prints the pid of the cluster's root as this namespace sees it, or fails.
cluster_pid()
{
    local pid whose now
    { read -r pid whose <"$run/cluster.pid"; } 2>/dev/null || return 1
    now=$(identity "$pid") || return 1
    [[ $now == "$whose" ]] || return 1
    printf '%s\n' "$pid"
}

# Runs a command where the cluster's addresses are; see up --private-network.
in_cluster_network()
{
    local pid
    pid=$(cluster_pid) || return
    nsenter --net="/proc/$pid/ns/net" -- "$@"
}

# kubectl as the administrator. The caller's proxies and kuberc have no say.
kc()
{
    in_cluster_network env -u HTTP_PROXY -u HTTPS_PROXY -u http_proxy \
        -u https_proxy -u NO_PROXY -u no_proxy KUBERC=off \
        KUBECACHEDIR="$run/kubectl-cache" "$bin/kubectl" \
        --kubeconfig "$run/admin.kubeconfig" "$@"
}

set_paths
