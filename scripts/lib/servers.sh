# shellcheck shell=bash
# Starts and stops a private PostgreSQL and a private Redis, each in a directory of its own.
#
# They listen on Unix sockets alone, so they meet no other server and nobody else reaches them. A server's
# directory holds its log, its data, and `pid`: the process and when it started, which tells it from a
# later process under the same number. Servers are stopped by that and never by name. They lead sessions
# of their own, so that a Ctrl-C at the terminal reaches the script alone and the script stops them in order.
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

# The process of the server in DIR; fails if it does not run.
server_pid() {
    local pid started
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

# Where the server in DIR puts its socket: in DIR, or where a socket's path (107 bytes at most) or a URL
# would not take that, in a temporary directory that DIR/socket points to.
server_socket_directory() {
    if [[ $1 =~ ^[A-Za-z0-9/._-]{1,80}$ ]]; then
        echo "$1"
    else
        server_remove_socket_directory "$1"
        ln -s "$(mktemp -d /tmp/rsvpd.XXXXXX)" "$1/socket"
        readlink "$1/socket"
    fi
}

server_remove_socket_directory() {
    local link
    link=$(readlink "$1/socket") || return 0
    [[ $link != /tmp/rsvpd.* ]] || rm -rf "$link"
    rm -f "$1/socket"
}

# postgres_start DIR [SETTING=VALUE...]: DIR is an absolute path, made if need be; the settings override those
# here. Sets postgres_socket, the directory of the socket, and postgres_programs. Whoever can open the socket
# is let in under any name; the directory is closed to everyone else.
postgres_start() {
    local dir=$1 prefix=()
    shift
    postgres_stop "$dir"
    [[ -d $dir ]] || mkdir -m 700 "$dir"
    postgres_socket=$(server_socket_directory "$dir")
    postgres_programs=$(postgres_find_programs "$dir/data")
    ((EUID != 0)) || postgres_lower_privileges "$dir"

    if [[ ! -e $dir/data ]]; then
        rm -rf "$dir/data.new"
        "${prefix[@]}" env -C / "$postgres_programs/initdb" -D "$dir/data.new" -U postgres --auth=trust \
            --encoding=UTF8 --locale=C.UTF-8 --data-checksums >"$dir/log" 2>&1 9>&- || {
            cat "$dir/log" >&2
            return 1
        }
        mv "$dir/data.new" "$dir/data"
    fi
    server_spawn "$dir" "${prefix[@]}" env -C / "$postgres_programs/postgres" -D "$dir/data" \
        -c listen_addresses= -c port=5432 -c unix_socket_directories="$postgres_socket" \
        -c unix_socket_permissions=0700 -c fsync=on -c full_page_writes=on -c synchronous_commit=on \
        -c shared_buffers=128MB -c max_connections=200 -c logging_collector=off "${@/#/-c}" >>"$dir/log" 2>&1
    # A server that was killed replays its log first.
    server_wait "$dir" 120 "$postgres_programs/pg_isready" -U postgres -h "$postgres_socket" -p 5432 -d postgres
}

# The directory of PostgreSQL's programs: those that wrote the data, if there are any, or the newest.
postgres_find_programs() {
    local version
    if [[ -e $1/PG_VERSION ]]; then
        version=$(<"$1/PG_VERSION")
    else
        version=$(printf '%s\n' /usr/lib/postgresql/*/bin/postgres | cut -d/ -f5 | sort -n | tail -n 1)
    fi
    if [[ ! -x /usr/lib/postgresql/$version/bin/postgres ]]; then
        echo "$1 needs PostgreSQL $version, which is not installed" >&2
        return 1
    fi
    echo "/usr/lib/postgresql/$version/bin"
}

# Sets prefix, what a command is run under: PostgreSQL refuses to run as root, so root runs it as the
# system user `postgres`, who may need leave to pass through the directories above DIR (such as /root).
postgres_lower_privileges() {
    local capability
    chown postgres: "$1" "$postgres_socket"
    for capability in '' +dac_read_search +dac_override; do
        prefix=(setpriv --reuid=postgres --regid=postgres --init-groups
            ${capability:+--inh-caps="$capability" --ambient-caps="$capability"})
        "${prefix[@]}" ls "$1/." >/dev/null 2>&1 && return # access(2), as in `test -r`, knows no capabilities
    done
    echo "the user postgres cannot reach $1" >&2
    return 1
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
    local dir=$1
    redis_stop "$dir"
    [[ -d $dir ]] || mkdir -m 700 "$dir"
    redis_socket=$(server_socket_directory "$dir")/redis.sock
    server_spawn "$dir" redis-server --port 0 --unixsocket "$redis_socket" --unixsocketperm 700 \
        --save '' --appendonly no --maxmemory 256mb --maxmemory-policy allkeys-lru \
        --dir "$dir" --daemonize no >>"$dir/log" 2>&1
    server_wait "$dir" 30 redis_answers
}

redis_answers() {
    [[ $(redis-cli -s "$redis_socket" ping) == PONG ]]
}

redis_stop() {
    server_stop "$1" TERM KILL 10
    server_remove_socket_directory "$1"
}
