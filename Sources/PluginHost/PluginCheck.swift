// PluginCheck: the static checks of `gatehouse plugin check`: what can be said of a plugin directory without running its hooks.

import Core

package enum PluginCheck {
    package struct Result: Sendable {
        package var name: String
        package var passed: Bool
        package var detail: String
    }

    /// Runs all checks on one plugin directory, in order; later ones are left out when they cannot mean anything.
    package static func run(_ directory: String) -> [Result] {
        var results: [Result] = []
        func note(_ name: String, _ problem: String?) {
            results.append(Result(name: name, passed: problem == nil, detail: problem ?? ""))
        }
        let services = HostServices(
            version: HostVersion.text, log: { _, _, _, _ in }, metrics: NoMetrics(), fetcher: NoFetcher())
        let loader = PluginLoader(PluginLoader.Settings(stateDirectory: ""), services: services)
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
            let minor = glibcMinor(bytes)
            note(
                "it runs with glibc 2.\(oldestGlibc)",
                minor > oldestGlibc ? "it needs glibc 2.\(minor): build it on an older system" : nil)
            let isGo = !places(of: "Go buildinf:", in: bytes).isEmpty
            note(
                "a Go library asks for a process of its own",
                isGo && !manifest.isProcessOnly
                    ? "its manifest has neither \"runtime\": \"go\" nor \"isolation\": \"process-only\"" : nil)
        } catch {
            note("the library is a sound ELF file", "it \(error.message)")
        }
    }

    private static let known = [
        "libc.so", "libm.so", "libpthread.so", "libdl.so", "librt.so", "libgcc_s.so", "libstdc++.so", "ld-linux",
        "libswift", "libFoundation",
        "lib_Foundation", "libdispatch", "libBlocksRuntime",
    ]

    // MARK: What it was built with

    /// Of the oldest system that plugins are to run on, Debian 12.
    private static let oldestGlibc = 36

    /// The newest symbol version of glibc that the file names: "GLIBC_2.34" is 34.
    private static func glibcMinor(_ bytes: Bytes) -> Int {
        var newest = 0
        for at in places(of: "GLIBC_2.", in: bytes) {
            var minor = 0
            for index in (at + 8)..<(at + 11) {
                let byte = bytes[index]
                guard byte &- 0x30 < 10 else { break }
                minor = minor * 10 + Int(byte - 0x30)
            }
            newest = max(newest, minor)
        }
        return newest
    }

    private static func places(of text: StaticString, in bytes: Bytes) -> [Int] {
        let buffer = bytes.buffer
        let size = text.utf8CodeUnitCount
        guard buffer.count > size + 3 else { return [] }
        return withExtendedLifetime(bytes) {
            (0..<(buffer.count - size - 3)).filter { at in
                buffer[at] == text.utf8Start[0] && (1..<size).allSatisfy { buffer[at + $0] == text.utf8Start[$0] }
            }
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
