# shellcheck shell=bash
# What scripts/fault and scripts/soak share.

source_dir=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd)
# shellcheck source=scripts/lib/packages.sh
. "$source_dir/scripts/lib/packages.sh"

# Installs what is missing and builds. Sets faults_program, and the environment that it wants.
faults_build() {
    local build_dir=$source_dir/build-fault log=$source_dir/.fault/build.log
    packages_require "${packages_build[@]}" postgresql redis-server "${packages_test[@]}" "${packages_fault[@]}"
    mkdir -p "$source_dir/.fault"
    if ! cmake -S "$source_dir" -B "$build_dir" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo >"$log" 2>&1 ||
        ! cmake --build "$build_dir" -j 2 --target rsvpd rsvpd_fault >>"$log" 2>&1; then
        cat "$log" >&2
        return 1
    fi
    export RSVPD_BINARY=$build_dir/rsvpd RSVPD_SOURCE_DIR=$source_dir
    # shellcheck disable=SC2034 # whoever sources this file runs it
    faults_program=$build_dir/rsvpd_fault
}
