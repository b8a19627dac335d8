# shellcheck shell=bash
# What scripts/fault, scripts/soak and scripts/drill share.

source_dir=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd)
# shellcheck source=scripts/lib/packages.sh
. "$source_dir/scripts/lib/packages.sh"

# faults_build PROGRAM PACKAGE...: installs what is missing and builds; PROGRAM may be a target of several. Sets faults_dir,
# where it is, faults_program, and the environment that it wants.
faults_build() {
    local program=$1 build_dir=$source_dir/build-fault log=$source_dir/.fault/build.log
    packages_require "${packages_build[@]}" postgresql redis-server "${@:2}"
    mkdir -p "$source_dir/.fault"
    if ! cmake -S "$source_dir" -B "$build_dir" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo >"$log" 2>&1 ||
        ! cmake --build "$build_dir" -j 2 --target rsvpd "$program" >>"$log" 2>&1; then
        cat "$log" >&2
        return 1
    fi
    export RSVPD_BINARY=$build_dir/rsvpd RSVPD_SOURCE_DIR=$source_dir
    # shellcheck disable=SC2034 # whoever sources this file runs it
    faults_dir=$build_dir faults_program=$build_dir/$program
}
