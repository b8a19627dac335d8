"""What the figures were measured on."""
import os
import platform
import re
import subprocess


def _first_line(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return (done.stdout.splitlines() or [""])[0].strip()


def _field(path, name):
    with open(path, encoding="utf-8") as file:
        found = re.search(rf"^{name}\s*:\s*(.*)$", file.read(), re.M)
    return found[1] if found else "unknown"


def largest_mapping_page_kib(pid):
    """The size of the pages of a process's largest mapping, which in one of PostgreSQL's is the shared memory; None for a process
    into which we may not look. proc_pid_smaps(5)."""
    try:
        with open(f"/proc/{pid}/smaps", encoding="utf-8") as file:
            found = re.findall(r"^Size:\s*(\d+) kB\nKernelPageSize:\s*(\d+) kB$", file.read(), re.M)
    except PermissionError:
        return None
    return max((int(size), int(page)) for size, page in found)[1]


def _npm_version(package):
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers", "fastify", "node_modules", package, "package.json")
    with open(path, encoding="utf-8") as file:
        return re.search(r'"version":\s*"([^"]+)"', file.read())[1]


def describe(bench):
    """{name: value}, in the order in which it reads best."""
    postgres = bench.postgres.settings()
    page_kib = largest_mapping_page_kib(bench.server_pids["postgres"])
    return {
        "processor": _field("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory": f"{int(_field('/proc/meminfo', 'MemTotal').split()[0]) / 1048576:.1f} GiB",
        "kernel": platform.release(),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", "unknown"),
        "load average at the start": f"{os.getloadavg()[0]:.2f}",
        "rsvpd": _first_line(bench.rsvpd, "version"),
        "PostgreSQL": postgres.pop("server_version"),
        "PostgreSQL's settings": ", ".join(f"{name} {value}" for name, value in postgres.items()),
        "pages of its shared memory": f"{page_kib} KiB" if page_kib else "unknown",
        "Redis": _first_line("redis-server", "--version"),
        "wrk": _first_line("wrk", "-v"),
    }


def describe_peers(bench):
    """The same of those that rsvpd is measured beside."""
    nginx = "/usr/sbin/nginx" if os.path.exists("/usr/sbin/nginx") else "nginx"
    return {
        "pgbench": _first_line(f"{bench.postgres.programs}/pgbench", "--version"),
        "nginx": _first_line(nginx, "-v"),
        "Node.js": _first_line("node", "--version"),
        "npm packages": ", ".join(f"{name} {_npm_version(name)}" for name in ("fastify", "pg", "ioredis")),
    }
