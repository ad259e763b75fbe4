// PluginDirectory: loads a plugin that is being written. Its files are copied to a directory of this process's own, so that a
// working tree need not be as closed as an installed one.

import Core
import PluginHost
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

package struct WorkbenchError: Error, Sendable {
    package var message: String
}

/// A directory that is gone when its owner is.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws(WorkbenchError) {
        let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array((base + "/gatehouse-XXXXXX").utf8CString)
        guard mkdtemp(&template) != nil else {
            throw WorkbenchError(message: "no directory can be made in \(base): \(String(cString: strerror(errno)))")
        }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { Self.remove(path) }

    /// Copies a plugin's manifest and library. The copy's place.
    func adopt(_ directory: String, library file: String?) throws(WorkbenchError) -> String {
        let place = path + "/plugin"
        mkdir(place, 0o700)
        let text = try Files.read(directory + "/plugin.json")
        try Files.write(text, to: place + "/plugin.json")
        #if arch(arm64)
            let platform = "linux-aarch64"
        #else
            let platform = "linux-x86_64"
        #endif
        let names = (try? JSONValue(parsing: text))?["library"]
        if let folder = (try? JSONValue(parsing: text))?["descriptions"]?.string, !folder.contains("/") {
            mkdir(place + "/" + folder, 0o700)
            for name in Files.list(directory + "/" + folder) {
                try Files.write(
                    try Files.read(directory + "/" + folder + "/" + name), to: place + "/" + folder + "/" + name)
            }
        }
        // A manifest that names none is refused when it is read.
        guard let name = names?[platform]?.string, !name.contains("/") else { return place }
        try Files.write(try Files.read(file ?? directory + "/" + name), to: place + "/" + name)
        return place
    }

    private static func remove(_ path: String) {
        for name in Files.list(path) { remove(path + "/" + name) }
        if unlink(path) != 0 { rmdir(path) }
    }
}

enum Files {
    /// Names in a directory, sorted; empty when it is none.
    static func list(_ path: String) -> [String] {
        var information = stat()
        guard lstat(path, &information) == 0, information.st_mode & S_IFMT == S_IFDIR, let directory = opendir(path)
        else {
            return []
        }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    static func read(_ path: String) throws(WorkbenchError) -> Bytes {
        guard let file = fopen(path, "rb") else {
            throw WorkbenchError(message: "\(path) cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { fclose(file) }
        var content: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = fread(&chunk, 1, chunk.count, file)
            if count == 0 { return Bytes(content) }
            content.append(contentsOf: chunk.prefix(count))
        }
    }

    static func write(_ bytes: Bytes, to path: String) throws(WorkbenchError) {
        guard let file = fopen(path, "wb") else {
            throw WorkbenchError(message: "\(path) cannot be written: \(String(cString: strerror(errno)))")
        }
        defer { fclose(file) }
        let written = withExtendedLifetime(bytes) { fwrite(bytes.buffer.baseAddress, 1, bytes.count, file) }
        guard written == bytes.count else { throw WorkbenchError(message: "\(path) cannot be written") }
    }
}

/// A loaded plugin with the services that stand for the gateway's.
struct PluginDirectory: Sendable {
    let library: PluginLibrary
    let log = BenchLog()
    let fetcher = BenchFetcher()
    let services: HostServices
    let pool = BlockingPool(threads: 4)
    private let copy: TemporaryDirectory
    /// What trials have taken away stays taken away.
    private let kept = Kept()

    /// `library`: the library's file where it does not lie beside the manifest.
    init(
        _ directory: String, library file: String?, offersExtensions: Bool = true, guardsTables: Bool = false
    ) throws(WorkbenchError) {
        copy = try TemporaryDirectory()
        var services = HostServices(
            version: HostVersion.text,
            log: { [log] _, plugin, message, fields in
                log.add(([plugin + ": " + message] + fields.map { "\($0.0)=\($0.1)" }).joined(separator: " "))
            }, metrics: BenchMetrics(), fetcher: fetcher, asker: fetcher)
        services.offersExtensions = offersExtensions
        services.guardsTables = guardsTables
        self.services = services
        let place = try copy.adopt(directory, library: file)
        let loader = PluginLoader(PluginLoader.Settings(stateDirectory: copy.path + "/state"), services: services)
        do throws(PluginRefusal) {
            guard let loaded = try loader.load(place) else {
                throw PluginRefusal(file: directory + "/plugin.json", reason: "was not loaded")
            }
            library = loaded
        } catch {
            throw WorkbenchError(
                message:
                    "\(error.file.replacing(place, with: directory)): \(error.reason.replacing(place, with: directory))"
            )
        }
    }

    private final class Kept: Sendable {
        let memory = Mutex<[GuardedMemory]>([])
    }

    func keep(_ memory: GuardedMemory...) { kept.memory.withLock { $0 += memory } }

    // MARK: Instances

    func create(_ check: CheckManifest, _ config: JSONValue) async -> Result<PluginInstance, PluginCreationError> {
        if let violations = check.validate(config) {
            return .failure(PluginCreationError(name: check.id, errors: violations))
        }
        return await createUnchecked(check, config)
    }

    /// Whatever its schema says.
    func createUnchecked(_ check: CheckManifest, _ config: JSONValue) async -> Result<
        PluginInstance, PluginCreationError
    > {
        let library = library
        let services = services
        return await ControlThread.call {
            do throws(PluginCreationError) {
                return .success(
                    try PluginInstance.create(
                        library: library, interface: .hooks, id: check.id, check: check, config: config,
                        services: services))
            } catch { return .failure(error) }
        }
    }

    /// Nil when a target needs more than nothing.
    func provider(_ manifest: ProviderManifest) async -> ProviderInstance? {
        let library = library
        let services = services
        let config: JSONValue = [
            "description": manifest.document, "target": ["base_url": "https://upstream.example/v1"],
        ]
        let made = await ControlThread.call { () -> PluginInstance? in
            try? PluginInstance.create(
                library: library, interface: .provider, id: manifest.id, check: nil, config: config, services: services)
        }
        return made.map {
            ProviderInstance(
                instance: $0, descriptor: ProviderDescriptor(slug: manifest.id, library: library, manifest: manifest))
        }
    }
}
