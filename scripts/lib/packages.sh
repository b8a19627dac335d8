#!/usr/bin/env bash
# Installs the Debian packages that are missing, and asks nothing of anyone when none is.
#
# Sourced, it gives packages_require. Run by itself, as root, with package names, it installs those:
# that is how packages_require gets them through sudo. The servers are only wanted as programs:
# installing them starts none, enables none and creates no database cluster.

# What scripts/run needs to build and to talk to the service.
# shellcheck disable=SC2034 # the scripts that source this file use them
packages_build=(gcc libc6-dev cmake ninja-build pkg-config curl
    libmicrohttpd-dev libpq-dev libssl-dev libhiredis-dev libjansson-dev libuv1-dev zlib1g-dev
    libcurl4-openssl-dev)
# What scripts/test needs on top.
# shellcheck disable=SC2034
packages_test=(git clang llvm clang-format clang-tidy cppcheck libclang-rt-dev shellcheck libcmocka-dev
    nginx-light python3 python3-yaml python3-jsonschema python3-kubernetes pgbouncer openssl
    dnsmasq-base prometheus)
# What scripts/fuzz needs on top of packages_build.
# shellcheck disable=SC2034
packages_fuzz=(clang llvm libclang-rt-dev)
# What scripts/coverage needs on top of packages_build.
# shellcheck disable=SC2034
packages_coverage=(gcovr libcmocka-dev python3 python3-yaml python3-jsonschema pgbouncer openssl
    dnsmasq-base)
# What scripts/bench needs on top, and what besides: whom it measures rsvpd beside, and what --scale builds of the tests.
# shellcheck disable=SC2034
packages_bench=(postgresql redis-server wrk python3)
# shellcheck disable=SC2034
packages_peers=(nginx-light nodejs npm)
# shellcheck disable=SC2034
packages_scale=(libcmocka-dev)
# What scripts/oidc and scripts/webhooks need on top of packages_build.
# shellcheck disable=SC2034
packages_npm=(postgresql redis-server nodejs npm python3)
# What scripts/browser needs on top of packages_build.
# shellcheck disable=SC2034
packages_browser=(postgresql redis-server chromium python3)

# What the fault suite needs on top of packages_test: scripts/fault, scripts/soak, and its short form in scripts/test.
# shellcheck disable=SC2034
packages_fault=(haproxy libfaketime)
# What scripts/drill needs on top of packages_build.
# shellcheck disable=SC2034
packages_drill=(haproxy prometheus pgbackrest dnsmasq-base openssl libcmocka-dev python3 python3-yaml
    etcd-server patroni python3-etcd nftables iproute2)
# What images are made and run with (scripts/lib/containers.sh): runc, because crun refuses hybrid control groups.
# shellcheck disable=SC2034
packages_containers=(podman runc netavark mmdebstrap)
# What scripts/image needs besides.
# shellcheck disable=SC2034
packages_image=(git postgresql redis-server dnsmasq-base iproute2 openssl python3)
# What scripts/stack needs, and what it has in the system with Docker.
# shellcheck disable=SC2034
packages_stack=(git mmdebstrap slirp4netns)
# shellcheck disable=SC2034
packages_stack_system=(docker.io docker-cli docker-compose docker-buildx iptables iproute2 procps curl python3 python3-yaml)
# What the Debian package is made with (cpack -G DEB), and what scripts/package tests it with.
# shellcheck disable=SC2034
packages_package=(python3 dpkg-dev file lintian mandoc systemd mmdebstrap)

packages_file=$(readlink -f "${BASH_SOURCE[0]}")

# packages_require WHAT...: WHAT is a package, or one of those that count as there when a recent enough
# program is, wherever it came from: postgresql, redis-server, nginx-light, nodejs, npm.
packages_require() {
    local what missing=()
    for what in "$@"; do
        case $what in
        postgresql) package_has_postgresql || missing+=("$what") ;;
        redis-server | npm) [[ -n $(type -P "$what") ]] || missing+=("$what") ;;
        nginx-light) [[ -n $(PATH=$PATH:/usr/sbin type -P nginx) ]] || missing+=("$what") ;;
        nodejs) package_has_node || missing+=("$what") ;;
        *) package_is_installed "$what" || missing+=("$what") ;;
        esac
    done
    ((${#missing[@]})) || return 0

    if ! command -v apt-get >/dev/null; then
        echo "missing: ${missing[*]}. Only Debian 12 and newer can install them by themselves (no apt-get here)." >&2
        return 1
    elif ((EUID == 0)); then
        bash "$packages_file" "${missing[@]}"
    elif command -v sudo >/dev/null; then
        sudo bash "$packages_file" "${missing[@]}"
    else
        echo "missing: ${missing[*]}. Run this as root, or install sudo, or install them yourself." >&2
        return 1
    fi
}

package_is_installed() {
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed* ]]
}

package_has_postgresql() {
    local program version
    for program in /usr/lib/postgresql/*/bin/postgres; do
        version=${program#/usr/lib/postgresql/}
        version=${version%%/*}
        [[ -x $program ]] && ((version >= 15)) && return
    done
    return 1
}

package_has_node() {
    local version
    version=$(node --version 2>/dev/null) || return 1
    version=${version#v}
    ((${version%%.*} >= 18))
}

# Everything below runs as root.

# Keeps this installation from starting the services that it brings, and no others.
package_hold_services() {
    local service name=/usr/sbin/policy-rc.d
    if [[ ! -e $name ]]; then
        undo+=("$name")
        {
            echo '#!/bin/sh'
            for service in "${services[@]}"; do
                echo "case \"\$1\" in $service*) exit 101 ;; esac"
            done
        } >"$name"
        chmod 755 "$name"
    fi
    name=/etc/postgresql-common/createcluster.d/rsvpd-install.conf
    undo+=("$name")
    mkdir -p "${name%/*}"
    echo 'create_main_cluster = false' >"$name"
}

package_release_services() {
    local service
    rm -f "$log" "${undo[@]}"
    rmdir --ignore-fail-on-non-empty /etc/postgresql-common/createcluster.d 2>/dev/null || :
    for service in "${services[@]}"; do
        [[ -e /etc/init.d/$service ]] || continue
        update-rc.d "$service" disable
        # It runs only if there was a policy-rc.d before and that one let it start.
        service "$service" stop >/dev/null 2>&1 || :
    done
}

package_install() {
    local attempt
    for attempt in 1 2 3; do
        ((attempt == 1)) || sleep 5
        # A list that cannot be fetched matters only if a package then cannot be had.
        apt-get "${apt_options[@]}" update || :
        apt-get "${apt_options[@]}" install -y --no-install-recommends "$@" && return
    done
    return 1
}

package_main() {
    local apt_options=(-q -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold)
    local service
    export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
    undo=() services=()
    for service in postgresql redis-server haproxy pgbouncer podman prometheus patroni; do
        [[ -e /etc/init.d/$service || " $* " != *" $service "* ]] || services+=("$service")
    done
    [[ -e /etc/init.d/etcd || " $* " != *" etcd-server "* ]] || services+=(etcd)
    [[ -e /etc/init.d/nginx || " $* " != *" nginx-light "* ]] || services+=(nginx)
    log=$(mktemp)
    trap package_release_services EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    ((${#services[@]} == 0)) || package_hold_services

    echo "installing $* (this can take a few minutes)"
    package_install "$@" </dev/null >"$log" 2>&1 || {
        tail -n 30 "$log" >&2
        echo "could not install: $*" >&2
        return 1
    }
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
    set -euo pipefail
    if (($# == 0 || EUID != 0)); then
        echo "usage (as root): $0 PACKAGE..." >&2
        exit 2
    fi
    package_main "$@"
fi
