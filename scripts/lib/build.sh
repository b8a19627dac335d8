# shellcheck shell=bash
# The service for a test that brings its own. What sources this stands at the root of the sources.

# build_service DIRECTORY [SOURCES]: builds the service alone, of these sources or those here, as DIRECTORY/build/rsvpd.
build_service() {
    local dir=$1 sources=${2:-.} log=$1/build.log
    mkdir -p "$dir"
    cmake -S "$sources" -B "$dir/build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DRSVPD_TESTS=OFF >"$log" 2>&1 &&
        cmake --build "$dir/build" -- --quiet >>"$log" 2>&1 && return
    cat "$log" >&2
    return 1
}
