# shellcheck shell=bash
# Starts and stops a private PostgreSQL and a private Redis, each in a directory of its own.
#
# They listen on Unix sockets alone, so they meet no other server and nobody else reaches them. A server's
# directory holds its log, its data, and `pid`: the process and when it started, which tells it from a
# later process under the same number. Servers are stopped by that and never by name. They lead sessions
# of their own, so that a Ctrl-C at the terminal reaches the script alone and the script stops them in order.
#
# Where root runs this, each server runs as an ordinary user, who could turn what root follows against it: a link in the
# place of the log, another process in `pid`. So a server's directory is root's own. The server owns `data` and `sockets` in
# it and nothing else, and root looks at nothing in these.
#
# File descriptor 9 is the caller's lock, if it has one: it is closed in everything started here.

# The time since boot at which the process started, in clock ticks; fails if it has ended.
process_start_time() {
    local stat fields
    { stat=$(<"/proc/$1/stat"); } 2>/dev/null && [[ -n $stat ]] || return 1
    read -r -a fields <<<"${stat##*) }" # past the name, which may hold anything: state is field 0
    [[ ${fields[0]} != [ZX] ]] && echo "${fields[19]}"
}

# server_spawn DIR COMMAND...: runs the command in the background; its process becomes the server's.
server_spawn() {
    local dir=$1 self
    shift
    : >"$dir/pid" # from here on server_stop knows that there is something to stop
    (
        self=$BASHPID
        echo "$self $(process_start_time "$self")" >"$dir/pid"
        exec setsid "$@" 9>&-
    ) </dev/null &
    while [[ ! -s $dir/pid ]] && kill -0 $!; do sleep 0.01; done
}

# Takes libpq's own variables out of the environment, which are about other servers: PGHOST and the like. Those of the
# service have an underscore after the PG.
forget_libpq_environment() {
    local variable
    for variable in "${!PG@}"; do
        [[ $variable == PG_* ]] || unset "$variable"
    done
}

# The process of the server in DIR; fails if it does not run. Somebody else's directory is not believed.
server_pid() {
    local pid started
    [[ -O $1 && ! -L $1 ]] || return 1
    { read -r pid started <"$1/pid"; } 2>/dev/null || return 1
    [[ $(process_start_time "$pid") == "$started" ]] && echo "$pid"
}

# server_stop DIR SIGNAL HARDER SECONDS: the second signal where the first does not end it in that time.
server_stop() {
    local dir=$1 signal pid tries
    for ((tries = 20; tries > 0; tries--)); do
        [[ -e $dir/pid && ! -s $dir/pid ]] || break
        sleep 0.05
    done
    pid=$(server_pid "$dir") || { rm -f "$dir/pid" && return; }
    for signal in "$2" "$3"; do
        kill -s "$signal" "$pid" || :
        for ((tries = $4 * 20; tries > 0; tries--)); do
            server_pid "$dir" >/dev/null || { rm -f "$dir/pid" && return; }
            sleep 0.05
        done
        echo "process $pid of $dir still runs $4 s after SIG$signal" >&2
    done
    return 1
}

# server_wait DIR SECONDS COMMAND...: until the command succeeds; fails at once if the server ends.
server_wait() {
    local dir=$1 tries
    for ((tries = $2 * 20; tries > 0; tries--)); do
        "${@:3}" >/dev/null 2>&1 && return
        server_pid "$dir" >/dev/null || break
        sleep 0.05
    done
    echo "the server of $dir did not come up" >&2
    [[ ! -e $dir/log ]] || tail -n 20 "$dir/log" >&2
    return 1
}

# server_make_directory DIR: DIR is an absolute path in a directory of the caller's own.
server_make_directory() {
    if [[ -L $1 ]]; then
        echo "$1 is a link, which may lead anywhere: remove it" >&2
        return 1
    fi
    [[ -d $1 ]] || mkdir -m 700 "$1" || return
    [[ -O $1 ]] || server_take_back "$1" || return
    ((EUID != 0)) || chmod 711 "$1" # the server passes through it
}

# A directory that the server's user owned, as this script once made it: the server's data stays, if it is no link.
server_take_back() {
    if ((EUID != 0)); then
        echo "$1 belongs to $(stat -c %U "$1"): run this as that user, or remove it" >&2
        return 1
    fi
    chown root: "$1"
    chmod 711 "$1"
    [[ ! -L $1/data ]] || rm "$1/data"
    find "$1" -mindepth 1 -maxdepth 1 ! -name data -exec rm -rf {} +
}

# server_own PATH USER MODE: makes a directory that is the server's, in one that is the caller's own.
server_own() {
    [[ -d $1 ]] || mkdir -m 700 "$1"
    if ((EUID == 0)); then
        chown "$2:" "$1"
        [[ $3 != 710 ]] || chgrp "$(id -g "$service_user")" "$1"
        chmod "$3" "$1"
    fi
}

# Where the server in DIR puts its socket: DIR/sockets, or where a socket's path (107 bytes at most) or a URL would
# not take that, the same in a temporary directory that DIR/socket points to. The service's group may enter.
server_socket_directory() {
    local base=$1
    if [[ ! $1 =~ ^[A-Za-z0-9/._-]{1,72}$ ]]; then
        server_remove_socket_directory "$1"
        base=$(mktemp -d /tmp/rsvpd.XXXXXX)
        ((EUID != 0)) || chmod 711 "$base"
        ln -s "$base" "$1/socket"
    fi
    server_own "$base/sockets" "$2" 710
    echo "$base/sockets"
}

server_remove_socket_directory() {
    local link
    [[ -O $1 ]] && link=$(readlink "$1/socket") || return 0
    if [[ $link =~ ^/tmp/rsvpd\.[A-Za-z0-9]{6}$ && -O $link && ! -L $link ]]; then
        rm -rf "$link"
    fi
    rm -f "$1/socket"
}

# Who may open a socket: in a directory that only the service's group can enter all who come so far, else its owner.
server_socket_mode() {
    if ((EUID == 0)); then echo 777; else echo 700; fi
}

# server_become USER CAPABILITIES PATH...: sets prefix, what a command is run under; it is empty where the caller is not
# root. The user may need leave to pass through the directories above the paths (such as /root) and to read them. CAPABILITIES,
# separated by commas, are further ones to keep.
server_become() {
    local user=$1 keep=$2 capability capabilities path look
    shift 2
    prefix=()
    ((EUID == 0)) || return 0
    for capability in '' +dac_read_search +dac_override; do
        capabilities=$keep${keep:+${capability:+,}}$capability
        prefix=(setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups
            ${capabilities:+--inh-caps="$capabilities" --ambient-caps="$capabilities"})
        for path in "$@"; do
            # access(2), as in `test -r`, knows no capabilities.
            if [[ -d $path ]]; then look=(ls -d "$path/."); else look=(head -c 1 -- "$path"); fi
            "${prefix[@]}" "${look[@]}" >/dev/null 2>&1 || continue 2
        done
        return
    done
    echo "the user $user cannot reach $*" >&2
    return 1
}

# The ordinary users that root runs Redis and the service as. PostgreSQL's is its package's.
service_user=nobody
redis_user() {
    if id redis >/dev/null 2>&1; then echo redis; else echo "$service_user"; fi
}

# postgres_start DIR [SETTING=VALUE...]: DIR is an absolute path, made if need be; the settings override those
# here. Sets postgres_socket, the directory of the socket, and postgres_programs. Whoever can open the socket
# is let in under any name; the directory is closed to everyone but the service.
postgres_start() {
    local dir=$1 prefix=()
    shift
    postgres_stop "$dir" || return
    server_make_directory "$dir" || return
    postgres_socket=$(server_socket_directory "$dir" postgres) || return
    server_become postgres '' "$dir" "$postgres_socket" || return
    postgres_programs=$(postgres_find_programs "$dir/data") || return

    if [[ ! -e $dir/data ]]; then
        rm -rf "$dir/data.new"
        server_own "$dir/data.new" postgres 700
        "${prefix[@]}" env -C / "$postgres_programs/initdb" -D "$dir/data.new" -U postgres --auth=trust \
            --encoding=UTF8 --locale=C.UTF-8 --data-checksums >"$dir/log" 2>&1 9>&- || {
            cat "$dir/log" >&2
            return 1
        }
        mv -T "$dir/data.new" "$dir/data"
    fi
    server_spawn "$dir" "${prefix[@]}" env -C / "$postgres_programs/postgres" -D "$dir/data" \
        -c listen_addresses= -c port=5432 -c unix_socket_directories="$postgres_socket" \
        -c unix_socket_permissions="0$(server_socket_mode)" -c fsync=on -c full_page_writes=on -c synchronous_commit=on \
        -c shared_buffers=128MB -c max_connections=200 -c logging_collector=off "${@/#/-c}" >>"$dir/log" 2>&1
    # A server that was killed replays its log first.
    server_wait "$dir" 120 "$postgres_programs/pg_isready" -U postgres -h "$postgres_socket" -p 5432 -d postgres
}

# The directory of PostgreSQL's programs: those that wrote the data, if there are any, or the newest. Read as who owns the data:
# it may hold a link.
postgres_find_programs() {
    local version
    if [[ -e $1 ]]; then
        version=$("${prefix[@]}" head -c 16 "$1/PG_VERSION")
    else
        version=$(printf '%s\n' /usr/lib/postgresql/*/bin/postgres | cut -d/ -f5 | sort -n | tail -n 1)
    fi
    if [[ ! $version =~ ^[0-9]+$ || ! -x /usr/lib/postgresql/$version/bin/postgres ]]; then
        echo "$1 was written by a version of PostgreSQL that is not installed" >&2
        return 1
    fi
    echo "/usr/lib/postgresql/$version/bin"
}

# postgres_create_database NAME: the database and a role of the same name that owns it, if not there.
# Call it after postgres_start.
postgres_create_database() {
    local psql=("$postgres_programs/psql" -X -q -v ON_ERROR_STOP=1 -h "$postgres_socket" -p 5432 -U postgres -d postgres)
    "${psql[@]}" -v name="$1" <<'SQL'
SELECT format('CREATE ROLE %I LOGIN', :'name')
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'name') \gexec
SELECT format('CREATE DATABASE %I OWNER %I', :'name', :'name')
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \gexec
SQL
}

# Fast shutdown: sessions are ended, everything is on disk. Immediate, if that takes too long.
postgres_stop() {
    server_stop "$1" INT QUIT 60
    server_remove_socket_directory "$1"
}

# redis_start DIR: as postgres_start; sets redis_socket, the path of the socket. It is a cache: nothing
# is kept on disk.
redis_start() {
    local dir=$1 user prefix=()
    user=$(redis_user)
    redis_stop "$dir" || return
    server_make_directory "$dir" || return
    redis_socket=$(server_socket_directory "$dir" "$user")/redis.sock || return
    server_become "$user" '' "$dir" "${redis_socket%/*}" || return
    server_own "$dir/data" "$user" 700
    server_spawn "$dir" "${prefix[@]}" redis-server --port 0 --unixsocket "$redis_socket" \
        --unixsocketperm "$(server_socket_mode)" --save '' --appendonly no --maxmemory 256mb \
        --maxmemory-policy allkeys-lru --dir "$dir/data" --daemonize no >>"$dir/log" 2>&1
    server_wait "$dir" 30 redis_answers
}

redis_answers() {
    [[ $(redis-cli -s "$redis_socket" ping) == PONG ]]
}

redis_stop() {
    server_stop "$1" TERM KILL 10
    server_remove_socket_directory "$1"
}
