# shellcheck shell=bash
# The cache of the forms that FFCx compiles, $XDG_CACHE_HOME/fenics. Sourced by env/exec.

# FFCx marks a form being compiled by a .c file and a compiled one by .c.cached beside it: a killed run leaves
# the first without the second, and every later run waits for it and fails. Each run holds a shared lock on
# the cache, so whoever gets it alone knows that nobody compiles and that such files are stale. With others
# at work, those are that no compilation takes as long as.
# clear_stale_forms MINUTES  -- those of that age or more
clear_stale_forms() {
    local source
    [ -d "$XDG_CACHE_HOME/fenics" ] || return 0
    while IFS= read -r -d '' source; do
        [ -e "$source.cached" ] || rm -f -- "$source" "${source%.c}".*
    done < <(find "$XDG_CACHE_HOME/fenics" -maxdepth 1 -name 'libffcx_*.c' -mmin "+$(($1 - 1))" -print0)
}

lock_forms() {
    exec 8>>"$XDG_CACHE_HOME/forms.lock" || return 0
    if flock -n -x 8; then clear_stale_forms 0; else clear_stale_forms 60; fi
    # Not for ever: the lock only guards the clearing.
    flock -w 60 -s 8 || true
}
