-- wrk's side of a stream of requests (bench/streams.py): `wrk ... -s stream.lua URL -- FILE THREADS`.
--
-- Each thread sends its own part of the file, and begins it again at its end; how often that happened is in the
-- result, because a user is new only once. The file is mapped, not read: wrk starts its threads one after the
-- other, each after its own init(), so time spent there would be time in which the first thread is alone at work
-- without the clock running.
local ffi = require("ffi")
ffi.cdef [[
int open(const char *path, int flags);
void *mmap(void *address, size_t size, int protection, int flags, int fd, int64_t offset);
int64_t lseek(int fd, int64_t offset, int from);
]]
local O_RDONLY, SEEK_END, PROT_READ, MAP_SHARED = 0, 2, 1, 1
local threads = {}

function setup(thread)
    thread:set("place", #threads)
    threads[#threads + 1] = thread
end

local bytes, offsets, first, last, current
wraps = 0

function init(arguments)
    local path, count = arguments[1], tonumber(arguments[2])
    local fd = ffi.C.open(path, O_RDONLY)
    assert(fd >= 0, "cannot open " .. path)
    local size = ffi.C.lseek(fd, 0, SEEK_END)
    local address = ffi.C.mmap(nil, size, PROT_READ, MAP_SHARED, fd, 0)
    assert(ffi.cast("intptr_t", address) ~= -1, "cannot map " .. path)
    bytes = ffi.cast("const char *", address)
    local records = tonumber(ffi.cast("const uint64_t *", address)[1])
    offsets = ffi.cast("const uint64_t *", address) + 2
    first = math.floor(records * place / count)
    last = math.floor(records * (place + 1) / count)
    current = first
end

function request()
    if current == last then
        current = first
        wraps = wraps + 1
    end
    local from, to = offsets[current], offsets[current + 1]
    current = current + 1
    return ffi.string(bytes + from, tonumber(to - from))
end

function done(summary, latency, requests)
    local wrapped = 0
    for _, thread in ipairs(threads) do
        wrapped = wrapped + thread:get("wraps")
    end
    local errors = summary.errors
    io.write(string.format('{"requests": %d, "duration_us": %d, "wraps": %d, "errors": {"connect": %d, "read": %d, ' ..
        '"write": %d, "status": %d, "timeout": %d}, "latency_us": {"p50": %d, "p95": %d, "p99": %d, "p99.9": %d, ' ..
        '"max": %d, "mean": %.1f}}\n', summary.requests, summary.duration, wrapped, errors.connect, errors.read,
        errors.write, errors.status, errors.timeout, latency:percentile(50), latency:percentile(95),
        latency:percentile(99), latency:percentile(99.9), latency.max, latency.mean))
end
