# shellcheck shell=bash
# Another release of Debian, from where this machine has its own. Wants mmdebstrap.

# debian_make RELEASE TARGET [PACKAGE...]: a minimal system with these packages: a directory, or a file where TARGET ends
# in .tar.
debian_make() {
    local release=$1 target=$2 lines from=()
    shift 2
    lines=$(debian_sources "$release")
    [[ -z $lines ]] || from=(-)
    mmdebstrap --quiet --variant=minbase "${@/#/--include=}" --include=ca-certificates "$release" "$target" "${from[@]}" <<<"$lines"
}

# The lines of sources.list for the release, at the mirrors that this machine has for its own; none on another system
# than Debian, or on one without package lists: mmdebstrap then goes by its own.
debian_sources() {
    local release=$1 own line signed=/usr/share/keyrings/debian-archive-keyring.gpg
    # shellcheck disable=SC1091
    own=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    # shellcheck disable=SC2016 # apt-get's variables
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' |
        while read -r line; do
            [[ $line != *" $own"* ]] || echo "deb [signed-by=$signed] ${line/ $own/ $release}"
        done
}

# The proxies that apt is configured with here, as it wants to read them.
debian_proxy() {
    apt-config dump | grep -E '^Acquire::[a-z]+::Proxy' || :
}
