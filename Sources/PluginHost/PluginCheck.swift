// PluginCheck: the static checks of `gatehouse plugin check`: what can be said of a plugin directory without running its hooks.

import Core
import JSONSchema

#if canImport(Glibc)
    import Glibc
#endif

package enum PluginCheck {
    package struct Result: Sendable {
        package var name: String
        package var passed: Bool
        package var detail: String
    }

    /// Runs all checks on one plugin directory, in order; later ones are left out when they cannot mean anything.
    package static func run(_ directory: String) async -> [Result] {
        await ControlThread.call { check(directory) }
    }

    private static func check(_ directory: String) -> [Result] {
        var results: [Result] = []
        func note(_ name: String, _ problem: String?) {
            results.append(Result(name: name, passed: problem == nil, detail: problem ?? ""))
        }
        let services = HostServices(
            version: HostVersion.text, log: { _, _, _, _ in }, metrics: NoMetrics(), fetcher: NoFetcher())
        var template = Array("/tmp/gatehouse-check-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            note("a directory for the copy can be made", String(cString: strerror(errno)))
            return results
        }
        let state = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let loader = PluginLoader(PluginLoader.Settings(stateDirectory: state), services: services)
        let manifest: PluginManifest
        do throws(PluginRefusal) { manifest = try loader.readManifest(directory) } catch {
            note("the manifest is valid", "\(error.file): \(error.reason)")
            return results
        }
        note("the manifest is valid", nil)
        note(
            "it has checks or providers",
            manifest.checks.isEmpty && manifest.providers.isEmpty && manifest.descriptions == nil
                ? "it has neither" : nil)
        let file = directory + "/" + manifest.library
        do throws(FileRefusal) {
            let bytes = try PluginFiles.read(file, limit: 256 << 20)
            checkImage(bytes, manifest, note)
        } catch {
            note("the library can be read", "\(file) \(error.message)")
            return results
        }
        do throws(PluginRefusal) {
            guard let library = try loader.load(directory) else { return results }
            note("it loads, and says the same as its manifest", nil)
            checkInstances(library, services, note)
        } catch {
            note("it loads, and says the same as its manifest", "\(error.file) \(error.reason)")
        }
        return results
    }

    private static func checkImage(_ bytes: Bytes, _ manifest: PluginManifest, _ note: (String, String?) -> Void) {
        do throws(ELFError) {
            let image = try ELFImage(bytes)
            note(
                "the library is for this machine",
                image.machine == ELFImage.hostMachine && image.isSharedObject
                    ? nil : "it is for \(ELFImage.name(image.machine))")
            let exports = try image.exportedSymbols().filter {
                !["__bss_start", "_edata", "_end", "_init", "_fini"].contains($0)
            }
            note(
                "it exports gh_plugin_entry_v1 and nothing else",
                exports == ["gh_plugin_entry_v1"]
                    ? nil : "it exports \(exports.isEmpty ? "nothing" : exports.prefix(8).joined(separator: ", "))")
            let dynamic = try image.dynamicSection()
            let foreign = dynamic.needed.filter { name in
                !known.contains { name.hasPrefix($0) } && !manifest.links.contains { name.hasPrefix($0) }
            }
            note(
                "it links only libc, the Swift runtime and what \"links\" declares",
                foreign.isEmpty ? nil : "it also links \(foreign.joined(separator: ", "))")
            let paths = dynamic.runPaths.flatMap { $0.split(separator: ":") }.filter { !$0.hasPrefix("$ORIGIN") }
            note("its run path stays beside it", paths.isEmpty ? nil : "it searches \(paths.joined(separator: ", "))")
            note("it has no text relocations", dynamic.hasTextRelocations ? "it has" : nil)
            note("its stack is not executable", image.hasExecutableStack ? "it is" : nil)
        } catch {
            note("the library is a sound ELF file", "it \(error.message)")
        }
    }

    private static let known = [
        "libc.so", "libm.so", "libpthread.so", "libdl.so", "librt.so", "libgcc_s.so", "libstdc++.so", "ld-linux",
        "libswift", "libFoundation",
        "lib_Foundation", "libdispatch", "libBlocksRuntime",
    ]

    /// Life of instances: created with nothing, with wrong types, and many times.
    private static func checkInstances(
        _ library: PluginLibrary, _ services: HostServices, _ note: (String, String?) -> Void
    ) {
        for check in library.manifest.checks {
            func create(_ config: JSONValue) -> String? {
                do throws(PluginCreationError) {
                    _ = try PluginInstance.create(
                        library: library, interface: .hooks, id: check.id, check: check, config: config,
                        services: services)
                    return nil
                } catch {
                    return error.errors.first.map { $0.message }
                }
            }
            let required = check.schemaDocument?["required"]?.array ?? []
            let empty = create([:])
            if required.isEmpty { note("\(check.id): can be created without parameters", empty) }
            for member in check.schemaDocument?["properties"]?.object?.members ?? [] {
                let wrong: JSONValue = .object(JSONObject([(member.key, .array([.null]))]))
                _ = create(wrong)
            }
            note("\(check.id): parameters of wrong types do not crash it", nil)
        }
    }
}

private struct NoMetrics: PluginMetrics {
    func defineCounter(plugin: String, name: String, help: String) -> UInt32 { 1 }
    func defineHistogram(plugin: String, name: String, help: String, bounds: [Double]) -> UInt32 { 1 }
    func add(_ metric: UInt32, _ amount: Double) {}
    func observe(_ metric: UInt32, _ value: Double) {}
}

private struct NoFetcher: PluginFetcher {
    func fetch(_ request: PluginFetch, done: @escaping @Sendable (PluginFetchAnswer) -> Void) -> @Sendable () -> Void {
        ControlThread.run {
            done(PluginFetchAnswer(status: 0, headers: [], body: .empty, error: "there is no network in a check"))
        }
        return {}
    }
}
