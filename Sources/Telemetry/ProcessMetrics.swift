// ProcessMetrics: what Prometheus's own clients say about their process, read when somebody scrapes
// (https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics).

import Core

#if canImport(Glibc)
    import Glibc
#endif

enum ProcessMetrics {
    static func define(in registry: Metrics) {
        let started = Double(WallClock.now()) * 1e-9
        registry.gauge("process_start_time_seconds", "When the process started, in seconds since 1970.") { started }
        registry.counter("process_cpu_seconds_total", "User and system time spent, in seconds.") {
            var usage = rusage()
            getrusage(RUSAGE_SELF.rawValue, &usage)
            func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) * 1e-6 }
            return seconds(usage.ru_utime) + seconds(usage.ru_stime)
        }
        registry.gauge("process_resident_memory_bytes", "Memory that is in RAM.") {
            Double(residentPages() * Int(sysconf(Int32(_SC_PAGESIZE))))
        }
        registry.gauge("process_open_fds", "Open file descriptors.") { Double(openDescriptors()) }
        registry.gauge("process_max_fds", "How many file descriptors may be open.") {
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            return Double(limit.rlim_cur)
        }
    }

    /// The second number of /proc/self/statm.
    private static func residentPages() -> Int {
        let file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return 0 }
        defer { close(file) }
        let text = [UInt8](unsafeUninitializedCapacity: 128) { buffer, count in
            count = max(0, Glibc.read(file, buffer.baseAddress, buffer.count))
        }
        let fields = text.split(separator: UInt8(ascii: " "))
        return fields.count > 1 ? Int(String(decoding: fields[1], as: UTF8.self)) ?? 0 : 0
    }

    private static func openDescriptors() -> Int {
        guard let directory = opendir("/proc/self/fd") else { return 0 }
        defer { closedir(directory) }
        // Neither "." and ".." nor the descriptor of the directory itself.
        var count = -3
        while readdir(directory) != nil { count += 1 }
        return max(count, 0)
    }
}
