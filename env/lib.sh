# shellcheck shell=bash
# What env/setup and env/exec share: where things lie, how they are named, how to stop with a plain sentence.
# Sourced, never run.

# A change in how roots or virtual environments are made, rather than in the lists, is a change of these.
ROOT_VERSION=1
VENV_VERSION=1
ENGINE_VERSION=1

say() { printf 'hemo: %s\n' "$*" >&2; }

# die CODE SENTENCE
die() {
    local code=$1
    shift
    say "$*"
    exit "$code"
}

# The lines of a list that count: no comments, no blanks, so that rewording a comment rebuilds nothing.
list() { sed -e 's/[[:space:]]*#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$1"; }

# What the root holds: what hemo stands on, and what its tests want besides.
packages_of_root() {
    list "$CHECKOUT/env/debian.txt"
    list "$CHECKOUT/env/debian-tests.txt"
}

digest() { sha256sum | cut -c1-12; }

# shellcheck disable=SC2034  # for those that source this file
# Sets CHECKOUT, CACHE, ROOT_ID, ENV_ID, ENGINE_ID, ROOT, VENV, DIRECT and ENGINE.
locate() {
    CHECKOUT=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
    local home=${HOME:-}
    [ -n "$home" ] || home=$(getent passwd "$(id -u)" | cut -d: -f6)
    # The home of XDG_CACHE_HOME outside an environment: inside one the variable names the working cache.
    CACHE=${HEMO_CACHE:-${XDG_CACHE_HOME:-$home/.cache}/hemo}
    case $CACHE in
    /*) ;;
    *) CACHE=$PWD/$CACHE ;;
    esac
    ROOT_ID=$({
        echo "root $ROOT_VERSION $(uname -m)"
        packages_of_root | LC_ALL=C sort -u
    } | digest)
    ENV_ID=$({
        echo "venv $VENV_VERSION $ROOT_ID"
        list "$CHECKOUT/env/requirements.txt"
        list "$CHECKOUT/env/constraints.txt"
    } | digest)
    ENGINE_ID=$({
        echo "engine $ENGINE_VERSION $ROOT_ID"
        list "$CHECKOUT/env/engine.txt"
    } | digest)
    ROOT=$CACHE/root-$ROOT_ID
    VENV=$CACHE/venv-$ENV_ID
    DIRECT=$CACHE/direct-$ENV_ID
    ENGINE=$CACHE/engine-$ENGINE_ID
}

# True inside the environment of these very lists (its root, or its direct virtual environment).
inside() { [ "${HEMO_ENV:-}" = "$ENV_ID" ] && [ -n "${HEMO_VENV:-}" ] && [ -e "$HEMO_VENV/.complete" ]; }

# What the host sets for its own compilers and libraries misleads those of the root.
forget_host() {
    unset LD_LIBRARY_PATH LD_PRELOAD CC CXX CFLAGS CXXFLAGS CPPFLAGS LDFLAGS CPATH LIBRARY_PATH C_INCLUDE_PATH \
        PETSC_DIR PETSC_ARCH SLEPC_DIR PYENV_VERSION PYENV_ROOT PYENV_DIR CONDA_PREFIX OPAL_PREFIX PKG_CONFIG_PATH
}

# The files of the host that the root's own would contradict: certificates, names, users, pip's settings.
host_files() {
    local file real
    for file in /etc/ssl /etc/resolv.conf /etc/hosts /etc/hostname /etc/passwd /etc/group /etc/pip.conf /etc/localtime; do
        [ -e "$file" ] || continue
        real=$(readlink -f -- "$file")
        # A link into /usr (the time zone) means the root's own file of that name, if it has one.
        case $real in
        /usr/*) [ "$file" != /etc/localtime ] || continue ;;
        esac
        [ -e "$ROOT$file" ] && [ ! -L "$ROOT$file" ] || continue
        mounts+=(--ro-bind "$real" "$file")
    done
}

# Every other top-level folder of the host, at its own path.
host_folders() {
    local path name target
    for path in /*; do
        name=${path#/}
        case $name in
        usr | etc | var | bin | sbin | lib | lib32 | lib64 | libx32 | dev | proc | sys | boot | lost+found) continue ;;
        esac
        if [ -L "$path" ]; then
            target=$(readlink -- "$path")
            mounts+=(--symlink "$target" "$path")
        elif [ -d "$path" ]; then
            mounts+=(--bind "$path" "$path")
        fi
    done
    [ ! -d /var/tmp ] || mounts+=(--bind /var/tmp /var/tmp)
}

links_of_root() {
    local name
    for name in bin sbin lib lib32 lib64 libx32; do
        [ ! -L "$ROOT/$name" ] || mounts+=(--symlink "$(readlink -- "$ROOT/$name")" "/$name")
    done
}

# Sets `mounts`, bwrap's arguments: /usr, /etc and /var of the root, read-only, and every folder of the host.
mounts_of_root() {
    mounts=(--ro-bind "$ROOT/usr" /usr --ro-bind "$ROOT/etc" /etc --ro-bind "$ROOT/var" /var)
    links_of_root
    # Each run has its own shared memory, as it has its own process numbers: two runs, each counting its
    # processes from 1, would otherwise give their MPI segments and session folders the same names.
    mounts+=(--dev-bind /dev /dev --perms 1777 --tmpfs /dev/shm --proc /proc --bind /sys /sys)
    host_folders
    host_files
    mounts+=(--remount-ro /)
}
