import Config
import Core

#if canImport(Glibc)
    import Glibc
#endif

/// Reads the configuration as the command line says: its file, with the options over it.
struct ConfigReader: Sendable {
    var path: String?
    var listen: String?
    var allowPublicWithoutKeys: Bool

    func load() throws(ConfigFailure) -> LoadedConfig {
        var overrides = ConfigOverrides()
        overrides.listen = listen
        overrides.allowPublicWithoutKeys = allowPublicWithoutKeys
        overrides.defaultPluginDirectory = Installation.pluginDirectory
        overrides.defaultPriceFile = Installation.priceFile
        guard let path else {
            return try ConfigLoader(overrides: overrides).load(Bytes("{}"), file: "(no configuration)")
        }
        return try ConfigLoader(overrides: overrides).load(path)
    }
}

/// Where an installed gateway keeps its parts, seen from the executable.
enum Installation {
    static var executable: String {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        return count > 0 ? String(decoding: buffer.prefix(count), as: UTF8.self) : ""
    }

    /// <prefix>/lib/gatehouse/plugins beside <prefix>/bin/gatehouse.
    static var pluginDirectory: String? { part("lib/gatehouse/plugins") }

    /// The price catalogue: <prefix>/share/gatehouse/prices.txt.
    static var priceFile: String? { part("share/gatehouse/prices.txt") }

    private static func part(_ path: String) -> String? {
        let parts = executable.split(separator: "/").dropLast(2)
        guard !parts.isEmpty else { return nil }
        let place = "/" + parts.joined(separator: "/") + "/" + path
        return access(place, R_OK) == 0 ? place : nil
    }
}

/// Standard error, for what is said before there is a log.
enum Output {
    static func error(_ text: String) {
        let line = "gatehouse: " + text + "\n"
        _ = line.withCString { write(2, $0, strlen($0)) }
    }
}

/// Notices changes of files by their times and sizes.
struct FileWatch {
    private struct Stamp: Equatable {
        var seconds: Int
        var nanoseconds: Int
        var size: Int
        var inode: UInt
    }

    private let files: [String]
    private var stamps: [Stamp?]

    init(_ files: [String]) {
        self.files = files
        stamps = files.map(Self.stamp)
    }

    private static func stamp(_ path: String) -> Stamp? {
        var info = stat()
        guard stat(path, &info) == 0 else { return nil }
        return Stamp(
            seconds: info.st_mtim.tv_sec, nanoseconds: info.st_mtim.tv_nsec, size: Int(info.st_size),
            inode: UInt(info.st_ino))
    }

    mutating func hasChanged() -> Bool {
        let now = files.map(Self.stamp)
        defer { stamps = now }
        return now != stamps
    }
}
