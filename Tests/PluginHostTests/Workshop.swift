// Makes plugin directories for tests: compiles a source of Tests/ABITests/plugins with bare cc, writes a manifest beside it.

import CGatehouse
import Core
import Glibc
import Synchronization
import Testing

@testable import PluginHost

struct WorkshopError: Error { var message: String }

enum Workshop {
    static let root = String(
        #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/"))

    /// A directory of this process's own, gone when it ends.
    static let scratch: String = {
        var template = Array("/tmp/gatehouse-plugin-tests-XXXXXX".utf8CString)
        precondition(mkdtemp(&template) != nil, "/tmp cannot be written")
        atexit { _ = try? Workshop.run(["rm", "-rf", Workshop.scratch]) }
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }()

    private static let number = Atomic<Int>(0)

    /// A new empty directory that only this user can change.
    static func folder() -> String {
        let path = "\(scratch)/\(number.wrappingAdd(1, ordering: .relaxed).newValue)"
        precondition(mkdir(path, 0o700) == 0)
        return path
    }

    @discardableResult
    static func run(_ arguments: [String]) throws -> Int32 {
        var words = arguments.map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var child: pid_t = 0
        guard posix_spawnp(&child, arguments[0], nil, nil, &words, environ) == 0 else {
            throw WorkshopError(message: "\(arguments[0]) cannot be started")
        }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        return status
    }

    private static let compiled = Mutex<[String: [UInt8]]>([:])

    /// The library that `plugins/<source>` becomes with these definitions.
    static func compile(_ source: String, _ defines: [String] = []) throws -> [UInt8] {
        let key = ([source] + defines).joined(separator: " ")
        return try compiled.withLock { known in
            if let bytes = known[key] { return bytes }
            let output = folder() + "/plugin.so"
            let status = try run(
                [
                    "cc", "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wno-unused", "-fPIC", "-shared",
                    "-fvisibility=hidden",
                    "-I", root + "/include",
                ] + defines.map { "-D" + $0 } + [root + "/Tests/ABITests/plugins/" + source, "-o", output])
            guard status == 0 else { throw WorkshopError(message: "cc could not compile \(key)") }
            let bytes = try read(output)
            known[key] = bytes
            return bytes
        }
    }

    static func read(_ path: String) throws -> [UInt8] {
        guard let file = fopen(path, "r") else { throw WorkshopError(message: "\(path) cannot be read") }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = fread(&buffer, 1, buffer.count, file)
            if count == 0 { return bytes }
            bytes += buffer[..<count]
        }
    }

    /// Writes into the file that is there, as `cat new > old` does.
    static func write(_ bytes: [UInt8], to path: String, mode: mode_t = 0o644) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode)
        guard descriptor >= 0 else { throw WorkshopError(message: "\(path) cannot be written") }
        defer { close(descriptor) }
        fchmod(descriptor, mode)
        guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
            throw WorkshopError(message: "\(path) is full")
        }
    }
}

/// One plugin directory.
struct PluginFolder {
    let path: String
    private(set) var manifest: Bytes

    /// `source`: "behaviours" for plugins/behaviours/behaviours.c and its plugin.json.
    init(_ source: String, _ defines: [String] = [], in parent: String = Workshop.folder(), named name: String? = nil)
        throws
    {
        let file = source.split(separator: "-").joined(separator: "_")
        path = parent + "/" + (name ?? source)
        manifest = Bytes(try Self.manifest(of: source))
        guard mkdir(path, 0o700) == 0 else { throw WorkshopError(message: "\(path) cannot be made") }
        try Workshop.write(try Workshop.compile("\(source)/\(file).c", defines), to: library)
        try save()
    }

    private static func manifest(of source: String) throws -> [UInt8] {
        guard source == "refusals" else {
            return try Workshop.read("\(Workshop.root)/Tests/ABITests/plugins/\(source)/plugin.json")
        }
        return Array(
            """
            {"manifest": 1, "id": "refusals", "version": "1.0.0",
             "library": {"linux-x86_64": "plugin.so", "linux-aarch64": "plugin.so"}, "abi": {"major": 1, "min_minor": 0},
             "checks": {"check": {"hooks": {"on_request": {}}}}}
            """.utf8)
    }

    var library: String { path + "/plugin.so" }
    var manifestFile: String { path + "/plugin.json" }
    /// The directory that holds this one.
    var parent: String { String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)]) }

    private func save() throws { try Workshop.write(manifest.array, to: manifestFile) }

    /// Puts a JSON value into the manifest, or takes out what is there.
    mutating func put(_ pointer: String, _ json: String?) throws {
        let place = try #require(JSONPointer(parsing: pointer))
        if let json {
            manifest = try #require(JSONEditor.put(Array(json.utf8), at: place, in: manifest))
        } else {
            manifest = JSONEditor.remove(place, from: manifest)
        }
        try save()
    }

    mutating func writeManifest(_ text: String) throws {
        manifest = Bytes(text)
        try save()
    }
}

/// Plugins that many tests use are loaded once.
enum Loaded {
    private static let libraries = Mutex<[String: PluginLibrary]>([:])
    private static let state = Workshop.folder()

    static func library(_ source: String) throws -> PluginLibrary {
        try libraries.withLock { known in
            if let library = known[source] { return library }
            let loader = PluginLoader(PluginLoader.Settings(stateDirectory: state), services: Recorder().services)
            guard let library = try loader.load(try PluginFolder(source).path) else {
                throw WorkshopError(message: "\(source) is disabled")
            }
            known[source] = library
            return library
        }
    }
}
