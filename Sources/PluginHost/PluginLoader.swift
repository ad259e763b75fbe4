// PluginLoader: from a directory to a loaded library. The manifest is read and checked before any code; the library is copied to a
// file named by its content, the copy is hashed again and opened; every refusal names the file, the reason and both values.

import CGatehouse
import Core
import Digests

#if canImport(Glibc)
    import Glibc
#endif

/// Why a plugin was not loaded.
package struct PluginRefusal: Error, Sendable {
    package var file: String
    package var reason: String

    package init(file: String, reason: String) {
        self.file = file
        self.reason = reason
    }
}

package struct PluginLoader {
    package struct Settings: Sendable {
        package var directories: [String] = []
        package var providerDirectories: [String] = []
        /// Where copies of libraries are kept.
        package var stateDirectory: String
        /// Plugin id to hex SHA-256.
        package var pins: [String: String] = [:]
        package var disabled: Set<String> = []
        package var trust = TrustSettings()
        /// Libraries that are not loaded since a process died in them, by SHA-256.
        package var crashed: [String: CrashRecord] = [:]

        package init(stateDirectory: String) { self.stateDirectory = stateDirectory }
    }

    private let settings: Settings
    private let services: HostServices
    private let resident: ResidentLibraries

    package init(_ settings: Settings, services: HostServices, resident: ResidentLibraries = ResidentLibraries()) {
        self.settings = settings
        self.services = services
        self.resident = resident
    }

    private static let manifestLimit = 1 << 20
    private static let libraryLimit = 256 << 20

    /// What is known of a plugin before its library's tables are.
    private struct Plugin {
        var directory: String
        var manifest: PluginManifest
        var manifestSHA256: String
        var sha256: String
        var trust: PluginTrust
        /// Of the library.
        var file: String { directory + "/" + manifest.library }
    }

    /// Loads one plugin directory. A library that is resident is not opened again. nil: the operator disabled it.
    package func load(_ directory: String) throws(PluginRefusal) -> PluginLibrary? {
        let manifestFile = directory + "/plugin.json"
        let (manifest, manifestDigest) = try Self.manifest(directory)
        if settings.disabled.contains(manifest.id) { return nil }
        try checkVersions(manifest, manifestFile)
        let libraryFile = directory + "/" + manifest.library
        let bytes: Bytes
        do throws(FileRefusal) { bytes = try PluginFiles.read(libraryFile, limit: Self.libraryLimit) } catch {
            throw PluginRefusal(file: libraryFile, reason: error.message)
        }
        let digest = withExtendedLifetime(bytes) { SHA256.hash(bytes.buffer).hex }
        if let pin = settings.pins[manifest.id], pin.lowercased() != digest {
            throw PluginRefusal(file: libraryFile, reason: "its SHA-256 is \(digest); the configuration pins \(pin)")
        }
        if let crash = settings.crashed[digest] {
            throw PluginRefusal(
                file: libraryFile,
                reason:
                    "is disabled: the gateway died \(crash.text), and plugins.after_crash is disable; `gatehouse plugin enable \(manifest.id)` lifts that"
            )
        }
        let digests =
            [("plugin.json", manifestDigest), (manifest.library, digest)]
            + (try Self.descriptionDigests(directory, manifest))
        let plugin = Plugin(
            directory: directory, manifest: manifest, manifestSHA256: manifestDigest, sha256: digest,
            trust: try settings.trust.judge(directory, digests))
        try checkELF(bytes, libraryFile)
        // The manifest may have changed beside the same library: it is held against it again.
        let library: ResidentLibraries.Resident
        if let known = resident[digest] { library = known } else { library = try open(plugin, bytes) }
        try checkDescriptor(library.descriptor, manifest, libraryFile)
        resident.keep(library, sha256: digest)
        return try tables(library, plugin)
    }

    /// What a signature is over: all files that the plugin consists of, with their SHA-256.
    static func digests(of directory: String) throws(PluginRefusal) -> [(file: String, sha256: String)] {
        let (manifest, manifestDigest) = try manifest(directory)
        var digests = [("plugin.json", manifestDigest)]
        for name in Set(manifest.libraries).sorted()
        where name == manifest.library || PluginFiles.exists(directory + "/" + name) {
            digests.append((name, try digest(directory + "/" + name, limit: libraryLimit)))
        }
        return digests + (try descriptionDigests(directory, manifest))
    }

    private static func descriptionDigests(
        _ directory: String, _ manifest: PluginManifest
    ) throws(PluginRefusal) -> [(file: String, sha256: String)] {
        guard let folder = manifest.descriptions else { return [] }
        let names: [String]
        do throws(FileRefusal) { names = try PluginFiles.list(directory + "/" + folder) } catch {
            throw PluginRefusal(file: directory + "/" + folder, reason: error.message)
        }
        var digests: [(file: String, sha256: String)] = []
        for name in names where name.hasSuffix(".json") {
            let file = folder + "/" + name
            digests.append((file, try digest(directory + "/" + file, limit: manifestLimit)))
        }
        return digests
    }

    private static func digest(_ file: String, limit: Int) throws(PluginRefusal) -> String {
        do throws(FileRefusal) {
            let bytes = try PluginFiles.read(file, limit: limit)
            return withExtendedLifetime(bytes) { SHA256.hash(bytes.buffer).hex }
        } catch {
            throw PluginRefusal(file: file, reason: error.message)
        }
    }

    package func readManifest(_ directory: String) throws(PluginRefusal) -> PluginManifest {
        try Self.manifest(directory).manifest
    }

    /// The manifest and its SHA-256.
    private static func manifest(
        _ directory: String
    ) throws(PluginRefusal) -> (manifest: PluginManifest, sha256: String) {
        let file = directory + "/plugin.json"
        do {
            try PluginFiles.checkDirectory(directory)
            let text = try PluginFiles.read(file, limit: manifestLimit)
            return (
                try ManifestReader.read(try JSONValue(parsing: text)),
                withExtendedLifetime(text) { SHA256.hash(text.buffer).hex }
            )
        } catch let error as FileRefusal {
            throw PluginRefusal(file: file, reason: error.message)
        } catch let error as JSONError {
            throw PluginRefusal(file: file, reason: "is not valid JSON: \(error.reason) (byte \(error.offset))")
        } catch let error as ManifestError {
            throw PluginRefusal(file: file, reason: "\(error.pointer.isEmpty ? "/" : error.pointer): \(error.message)")
        } catch {
            throw PluginRefusal(file: file, reason: "\(error)")
        }
    }

    private func checkVersions(_ manifest: PluginManifest, _ file: String) throws(PluginRefusal) {
        guard manifest.abiMajor == GH_ABI_MAJOR else {
            throw PluginRefusal(
                file: file,
                reason:
                    "\(manifest.id) is for ABI \(manifest.abiMajor).x; this host speaks \(GH_ABI_MAJOR).\(GH_ABI_MINOR)"
            )
        }
        guard manifest.minimumMinor <= GH_ABI_MINOR else {
            throw PluginRefusal(
                file: file,
                reason:
                    "\(manifest.id) needs ABI \(manifest.abiMajor).\(manifest.minimumMinor); this host speaks \(GH_ABI_MAJOR).\(GH_ABI_MINOR)"
            )
        }
        guard !manifest.isProcessOnly else {
            throw PluginRefusal(
                file: file,
                reason:
                    "\(manifest.id) must run in a process of its own, which this version of the gateway does not offer")
        }
    }

    private func checkELF(_ bytes: Bytes, _ file: String) throws(PluginRefusal) {
        do throws(ELFError) {
            let image = try ELFImage(bytes)
            guard image.machine == ELFImage.hostMachine else {
                throw ELFError(
                    "is for \(ELFImage.name(image.machine)); this host is \(ELFImage.name(ELFImage.hostMachine))")
            }
            guard image.isSharedObject else { throw ELFError("is an ELF file, but no shared library") }
        } catch {
            throw PluginRefusal(file: file, reason: error.message)
        }
    }

    private func open(_ plugin: Plugin, _ bytes: Bytes) throws(PluginRefusal) -> ResidentLibraries.Resident {
        let manifest = plugin.manifest
        let digest = plugin.sha256
        let file = plugin.file
        let copy = settings.stateDirectory + "/plugins/\(digest).so"
        do throws(FileRefusal) {
            try PluginFiles.makeDirectory(settings.stateDirectory + "/plugins")
            for folder in [settings.stateDirectory, settings.stateDirectory + "/plugins"] {
                do throws(FileRefusal) { try PluginFiles.checkDirectory(folder) } catch {
                    throw FileRefusal("cannot be copied: the state directory \(folder) \(error.message)")
                }
            }
            if !PluginFiles.exists(copy) { try PluginFiles.writeOnce(bytes, to: copy) }
            // What is opened is what was checked: the copy is hashed again.
            let copied = try PluginFiles.read(copy, limit: Self.libraryLimit)
            let again = withExtendedLifetime(copied) { SHA256.hash(copied.buffer).hex }
            guard again == digest else {
                throw FileRefusal("its copy \(copy) has the SHA-256 \(again), expected \(digest)")
            }
        } catch {
            throw PluginRefusal(file: file, reason: error.message)
        }
        guard let handle = dlopen(copy, RTLD_NOW | RTLD_LOCAL | Int32(RTLD_NODELETE)) else {
            throw PluginRefusal(
                file: file, reason: "cannot be loaded: \(dlerror().map { String(cString: $0) } ?? "no reason given")")
        }
        guard let symbol = dlsym(handle, GH_PLUGIN_ENTRY) else {
            throw PluginRefusal(file: file, reason: "does not export \(GH_PLUGIN_ENTRY)")
        }
        typealias Entry = @convention(c) (UnsafePointer<gh_host>?) -> UnsafePointer<gh_plugin>?
        let entry = unsafeBitCast(symbol, to: Entry.self)
        // The table belongs to the library and lives as long as it: it is never freed.
        let host = HostCell(
            HostContext(
                name: manifest.id, pluginID: manifest.id,
                extensions: services.offersExtensions ? manifest.extensions : [], egress: manifest.egress,
                services: services))
        let mark = CrashMarker.register(sha256: digest, id: manifest.id, version: manifest.version)
        let running = CrashMarker.begin(.entry, of: mark)
        let given = entry(host.pointer)
        running.end()
        guard let descriptor = given else {
            throw PluginRefusal(file: file, reason: "its entry function returned NULL")
        }
        return ResidentLibraries.Resident(descriptor: descriptor, mark: mark) { entry(host.pointer) }
    }

    private func checkDescriptor(_ descriptor: UnsafePointer<gh_plugin>, _ manifest: PluginManifest, _ file: String)
        throws(PluginRefusal)
    {
        let size = Int(descriptor.pointee.struct_size)
        guard size >= MemoryLayout<gh_plugin>.size else {
            throw PluginRefusal(
                file: file,
                reason: "its descriptor has struct_size \(size); expected at least \(MemoryLayout<gh_plugin>.size)")
        }
        let plugin = descriptor.pointee
        guard Int(plugin.min_host_minor) <= GH_ABI_MINOR else {
            throw PluginRefusal(
                file: file,
                reason:
                    "\(manifest.id) needs ABI 1.\(plugin.min_host_minor); this host speaks \(GH_ABI_MAJOR).\(GH_ABI_MINOR)"
            )
        }
        guard Int(plugin.flags) == GH_ABI_DRAFT else {
            throw PluginRefusal(
                file: file,
                reason:
                    "was compiled with draft \(plugin.flags) of the ABI's headers; this host has the released \(HostVersion.abi): build it again"
            )
        }
        let id = plugin.id.string ?? ""
        guard id == manifest.id else {
            throw PluginRefusal(
                file: file, reason: "says that its id is \"\(id)\"; plugin.json says \"\(manifest.id)\"")
        }
        let version = plugin.version.string ?? ""
        guard version == manifest.version else {
            throw PluginRefusal(
                file: file, reason: "says that its version is \"\(version)\"; plugin.json says \"\(manifest.version)\"")
        }
        guard plugin.create != nil, plugin.destroy != nil, plugin.query != nil else {
            throw PluginRefusal(file: file, reason: "its descriptor lacks create, destroy or query")
        }
    }

    /// A check whose hook is missing from the table would let everything pass unseen.
    private func checkHooks(_ table: gh_hooks, _ manifest: PluginManifest, _ file: String) throws(PluginRefusal) {
        for check in manifest.checks {
            for hook in CheckManifest.HookName.allCases where check.hooks.contains(hook) {
                let isThere =
                    switch hook {
                    case .request: table.on_request != nil
                    case .response: table.on_response != nil
                    // Whole answers are judged by on_response, streamed or not.
                    case .stream where check.streamMode == .full: table.on_response != nil
                    case .stream: table.on_stream != nil || check.streamMode == .off
                    case .error: table.on_error != nil
                    case .done: table.on_done != nil
                    }
                guard isThere else {
                    throw PluginRefusal(
                        file: file,
                        reason:
                            "plugin.json promises \(hook.rawValue) for the check \(check.id), but the table \(GH_INTERFACE_HOOKS) has none"
                    )
                }
            }
        }
    }

    private func tables(
        _ library: ResidentLibraries.Resident, _ plugin: Plugin
    ) throws(PluginRefusal) -> PluginLibrary {
        let descriptor = library.descriptor
        let manifest = plugin.manifest
        let file = plugin.file
        func table<Table>(_ id: String, _ type: Table.Type, isNeeded: Bool) throws(PluginRefusal) -> UnsafePointer<
            Table
        >? {
            guard let raw = descriptor.pointee.query?(id) else {
                if isNeeded {
                    throw PluginRefusal(
                        file: file, reason: "plugin.json promises \(id), but query(\"\(id)\") returned NULL")
                }
                return nil
            }
            // Every table starts with its size.
            let size = Int(raw.load(as: UInt32.self))
            guard size >= MemoryLayout<Table>.size else {
                throw PluginRefusal(
                    file: file,
                    reason: "its table \(id) has struct_size \(size); expected at least \(MemoryLayout<Table>.size)")
            }
            return raw.assumingMemoryBound(to: Table.self)
        }
        let speaks = !manifest.providers.isEmpty || manifest.descriptions != nil
        let hooks = try table(GH_INTERFACE_HOOKS, gh_hooks.self, isNeeded: !manifest.checks.isEmpty)
        if let hooks { try checkHooks(hooks.pointee, manifest, file) }
        return PluginLibrary(
            manifest: manifest, manifestSHA256: plugin.manifestSHA256, sha256: plugin.sha256,
            directory: plugin.directory, descriptor: descriptor, hooks: hooks,
            provider: try table(GH_INTERFACE_PROVIDER, gh_provider.self, isNeeded: speaks),
            auth: try table(GH_INTERFACE_AUTH, gh_auth.self, isNeeded: false), trust: plugin.trust, mark: library.mark,
            enter: library.enter)
    }
}
