# shellcheck shell=bash
# Images and containers by podman, for tests. Everything is in a directory of its own: images, containers and podman's state.
# No registry is asked: what images are made from comes from the distribution's packages. Root runs this.

source_dir=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd)
# shellcheck source=scripts/lib/packages.sh
. "$source_dir/scripts/lib/packages.sh"
# shellcheck source=scripts/lib/debian.sh
. "$source_dir/scripts/lib/debian.sh"

# containers_begin DIR: installs what is missing. DIR is the caller's own; it will hold some 2 GB, and containers_end removes it.
containers_begin() {
    containers_dir=$1
    packages_require "${packages_containers[@]}"
    # No systemd is asked for control groups or logs. Locks are files, because those in shared memory are all podmans' of the
    # machine. crun refuses the hybrid control groups that some machines have.
    cat >"$containers_dir/containers.conf" <<CONF
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
[network]
network_backend = "netavark"
network_config_dir = "$containers_dir/networks"
CONF
    export CONTAINERS_CONF=$containers_dir/containers.conf
    # shellcheck disable=SC2034 # for other programs that run podman
    containers_podman=(podman --root "$containers_dir/images" --runroot "$containers_dir/run" --tmpdir "$containers_dir/tmp")
}

containers_end() {
    local mount
    [[ -n ${containers_dir:-} ]] || return 0
    "${containers_podman[@]}" rm --all --force --time 0 >/dev/null 2>&1
    while read -r _ mount _; do
        [[ $mount != "$containers_dir"/* ]] || umount "$mount"
    done < <(tac /proc/mounts)
    rm -rf --one-file-system "$containers_dir"
}

# containers_keep_system RELEASE [NAME PACKAGE...]: makes a minimal Debian, with these packages; NAME tells it from one without. Sets
# containers_system, the archive. It is kept for a week in containers_cache, where more may be kept.
containers_keep_system() {
    local release=$1 name=$1${2:+-$2}
    containers_cache=${XDG_CACHE_HOME:-$HOME/.cache}/rsvpd/images
    containers_system=$containers_cache/$name.tar
    mkdir -p "$containers_cache"
    [[ -z $(find "$containers_system" -mtime -7 2>/dev/null) ]] || return 0
    echo "making a Debian for $name (a minute or more)"
    debian_make "$release" "$containers_system.new.tar" "${@:3}"
    mv "$containers_system.new.tar" "$containers_system"
}

# containers_make_base RELEASE: the base that docker/Dockerfile names, as its registry has it.
containers_make_base() {
    containers_keep_system "$1"
    "${containers_podman[@]}" import --quiet "$containers_system" "docker.io/library/debian:$1-slim"
}

# containers_build IMAGE RELEASE: from the sources here, as `docker build` would.
containers_build() {
    local image=$1 release=$2 revision packages=$containers_cache/$2.packages proxy=$containers_dir/proxy
    mkdir -p "$packages/partial"
    debian_proxy >"$proxy"
    revision=$(git -C "$source_dir" rev-parse HEAD 2>/dev/null) || revision=''
    "${containers_podman[@]}" build --isolation=chroot --format docker --volume "$packages:/var/cache/apt/archives" \
        --volume "$proxy:/etc/apt/apt.conf.d/90proxy:ro" \
        --file "$source_dir/docker/Dockerfile" --tag "$image" --build-arg RELEASE="$release" \
        --build-arg VERSION="$(containers_version)" --build-arg REVISION="$revision" "$source_dir"
}

# The version of the sources, which CMakeLists.txt alone tells.
containers_version() {
    sed -nE 's/^project\(.* VERSION ([0-9.]+) .*/\1/p' "$source_dir/CMakeLists.txt"
}
