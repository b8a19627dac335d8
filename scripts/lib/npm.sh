# shellcheck shell=bash
# npm packages of a test, outside of the sources. What sources this stands at the root of the sources.

# npm_install SOURCE DIRECTORY: installs into DIRECTORY what SOURCE/package-lock.json names, unless it is there.
npm_install() {
    local source=$1 dir=$2
    mkdir -p "$dir"
    if ! cmp -s "$source/package-lock.json" "$dir/installed-lock.json"; then
        echo "installing the npm packages of $source"
        cp "$source/package.json" "$source/package-lock.json" "$dir"
        if ! (cd "$dir" && npm ci --no-audit --no-fund --ignore-scripts --omit=dev) >"$dir/npm.log" 2>&1; then
            cat "$dir/npm.log" >&2
            return 1
        fi
        cp "$source/package-lock.json" "$dir/installed-lock.json"
    fi
}
