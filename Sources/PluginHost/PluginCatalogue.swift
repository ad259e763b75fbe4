// PluginCatalogue: all that is loaded, by what configs call it. Immutable; a reload makes a new one, whose exchanges see new code while
// those that run keep the old.

package import Core
import Digests

package final class PluginCatalogue: Sendable {
    package let libraries: [PluginLibrary]
    package let refusals: [PluginRefusal]
    package let resident: ResidentLibraries
    /// Over all files that it was made of: equal fingerprints, equal plugins.
    package let fingerprint: String
    private let checks: [String: (library: PluginLibrary, check: CheckManifest)]
    private let providers: [String: ProviderDescriptor]

    package init(
        libraries: [PluginLibrary] = [], refusals: [PluginRefusal] = [],
        descriptions: [(file: String, document: JSONValue)] = [], resident: ResidentLibraries = ResidentLibraries()
    ) {
        self.resident = resident
        fingerprint = Self.fingerprint(libraries, refusals, descriptions)
        var refusals = refusals
        var kept: [PluginLibrary] = []
        var ids: [String: String] = [:]
        var checks: [String: (library: PluginLibrary, check: CheckManifest)] = [:]
        var providers: [String: ProviderDescriptor] = [:]
        for library in libraries {
            let id = library.manifest.id
            if let first = ids[id] {
                refusals.append(PluginRefusal(file: library.directory, reason: "its id \(id) is taken by \(first)"))
                continue
            }
            ids[id] = library.directory
            kept.append(library)
            for check in library.manifest.checks {
                for name in [id + "." + check.id] + check.aliases {
                    if let other = checks[name] {
                        refusals.append(
                            PluginRefusal(
                                file: library.directory,
                                reason: "the check name \(name) is taken by \(other.library.manifest.id)"))
                    } else {
                        checks[name] = (library, check)
                    }
                }
            }
            for provider in library.manifest.providers {
                if let other = providers[provider.id] {
                    refusals.append(
                        PluginRefusal(
                            file: library.directory,
                            reason: "the provider \(provider.id) is taken by \(other.library.manifest.id)"))
                    continue
                }
                providers[provider.id] = ProviderDescriptor(slug: provider.id, library: library, manifest: provider)
            }
        }
        for (file, document) in descriptions {
            Self.add(document, from: file, kept, &providers, &refusals)
        }
        self.libraries = kept
        self.refusals = refusals
        self.checks = checks
        self.providers = providers
    }

    private static func add(
        _ document: JSONValue, from file: String, _ libraries: [PluginLibrary],
        _ providers: inout [String: ProviderDescriptor],
        _ refusals: inout [PluginRefusal]
    ) {
        guard let id = document["id"]?.string, let adapter = document["adapter"]?.string else {
            refusals.append(PluginRefusal(file: file, reason: "a provider description needs \"id\" and \"adapter\""))
            return
        }
        guard let library = libraries.first(where: { $0.manifest.id == adapter }) else {
            refusals.append(PluginRefusal(file: file, reason: "its adapter \(adapter) is not loaded"))
            return
        }
        do throws(ManifestError) {
            let manifest = try ManifestReader.provider(id: id, document, file: file)
            // Later files win: the operator's directories come last.
            providers[id] = ProviderDescriptor(slug: id, library: library, manifest: manifest)
        } catch {
            refusals.append(PluginRefusal(file: file, reason: "\(error.pointer): \(error.message)"))
        }
    }

    /// A check by its full name or an alias.
    package func check(_ name: String) -> (library: PluginLibrary, check: CheckManifest)? { checks[name] }

    package func provider(_ slug: String) -> ProviderDescriptor? { providers[slug] }

    package var providerSlugs: [String] { providers.keys.sorted() }
    package var checkNames: [String] { checks.keys.sorted() }

    /// "; did you mean default.contains?", when a name is close.
    package func suggestion(for name: String) -> String {
        let close = checks.keys.filter { distance($0, name) <= 3 || $0.hasSuffix("." + name) }.min {
            distance($0, name) < distance($1, name)
        }
        return close.map { "; did you mean \($0)?" } ?? ""
    }

    private func distance(_ left: String, _ right: String) -> Int {
        let left = Array(left.utf8)
        let right = Array(right.utf8)
        guard abs(left.count - right.count) <= 3 else { return .max }
        var row = Array(0...right.count)
        for i in 1...max(left.count, 1) where !left.isEmpty {
            var diagonal = row[0]
            row[0] = i
            for j in 1...max(right.count, 1) where !right.isEmpty {
                let cost = left[i - 1] == right[j - 1] ? 0 : 1
                (diagonal, row[j]) = (row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + cost))
            }
        }
        return row[right.count]
    }

    /// Directories whose manifest or library is another than in `previous`.
    package func changed(since previous: PluginCatalogue) -> [String] {
        let known = Set(previous.libraries.map { $0.directory + $0.manifestSHA256 + $0.sha256 })
        return libraries.filter { !known.contains($0.directory + $0.manifestSHA256 + $0.sha256) }.map(\.directory)
    }

    // MARK: Loading

    /// Reads all directories. Control thread only. What `previous` has mapped is not opened again.
    package static func load(
        _ settings: PluginLoader.Settings, services: HostServices, previous: PluginCatalogue? = nil
    ) -> PluginCatalogue {
        let resident = previous?.resident ?? ResidentLibraries()
        let loader = PluginLoader(settings, services: services, resident: resident)
        var libraries: [PluginLibrary] = []
        var refusals: [PluginRefusal] = []
        var descriptions: [(file: String, document: JSONValue)] = []
        for directory in settings.directories {
            do throws(FileRefusal) {
                // Plain files, a README for example, are no plugins that somebody misses.
                for name in try PluginFiles.list(directory) where !PluginFiles.isFile(directory + "/" + name) {
                    let path = directory + "/" + name
                    do throws(PluginRefusal) {
                        guard let library = try loader.load(path) else { continue }
                        libraries.append(library)
                        if let folder = library.manifest.descriptions {
                            readDescriptions(path + "/" + folder, &descriptions, &refusals)
                        }
                    } catch {
                        refusals.append(error)
                    }
                }
            } catch {
                refusals.append(PluginRefusal(file: directory, reason: error.message))
            }
        }
        for directory in settings.providerDirectories { readDescriptions(directory, &descriptions, &refusals) }
        return PluginCatalogue(
            libraries: libraries, refusals: refusals, descriptions: descriptions, resident: resident)
    }

    private static func fingerprint(
        _ libraries: [PluginLibrary], _ refusals: [PluginRefusal], _ descriptions: [(file: String, document: JSONValue)]
    ) -> String {
        var hasher = SHA256.Hasher()
        func add(_ words: String...) {
            for word in words { hasher.update("\(word.utf8.count) \(word) ") }
        }
        for library in libraries {
            add("library", library.directory, library.manifestSHA256, library.sha256, library.trust.text)
        }
        for refusal in refusals { add("refusal", refusal.file, refusal.reason) }
        for description in descriptions { add("description", description.file, description.document.text) }
        return hasher.finish().hex
    }

    private static func readDescriptions(
        _ directory: String, _ descriptions: inout [(file: String, document: JSONValue)],
        _ refusals: inout [PluginRefusal]
    ) {
        do throws(FileRefusal) {
            for name in try PluginFiles.list(directory) where name.hasSuffix(".json") {
                let file = directory + "/" + name
                do {
                    descriptions.append((file, try JSONValue(parsing: try PluginFiles.read(file, limit: 1 << 20))))
                } catch let error as JSONError {
                    refusals.append(
                        PluginRefusal(file: file, reason: "is not valid JSON: \(error.reason) (byte \(error.offset))"))
                } catch let error as FileRefusal {
                    refusals.append(PluginRefusal(file: file, reason: error.message))
                } catch {
                    refusals.append(PluginRefusal(file: file, reason: "\(error)"))
                }
            }
        } catch {
            refusals.append(PluginRefusal(file: directory, reason: error.message))
        }
    }
}
