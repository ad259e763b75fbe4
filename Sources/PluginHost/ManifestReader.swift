// ManifestReader: plugin.json to a PluginManifest, with errors that name the file, the place and what was expected.

package import Core
import JSONSchema
import Wire

package struct ManifestError: Error, Sendable {
    /// JSON pointer into plugin.json.
    package var pointer: String
    package var message: String
}

package enum ManifestReader {
    /// The key of `library` for this build.
    package static var platform: String {
        #if arch(arm64)
            "linux-aarch64"
        #else
            "linux-x86_64"
        #endif
    }

    package static func read(_ document: JSONValue) throws(ManifestError) -> PluginManifest {
        let top = Reader(document, JSONPointer())
        guard document.object != nil else { throw ManifestError(pointer: "", message: "expected an object") }
        let version = try top.int("manifest")
        guard version == 1 else { throw top.error("manifest", "expected 1, found \(version)") }
        let abi = try top.object("abi")
        let libraries = try top.object("library")
        let id = try top.text("id")
        guard isID(id) else {
            throw top.error("id", "expected lower-case letters, digits, '-', '_' and '.', found \"\(id)\"")
        }
        guard let library = libraries.value[platform]?.string else {
            throw top.error("library", "there is no library for \(platform)")
        }
        guard !library.contains("/"), !library.hasPrefix(".") else {
            throw ManifestError(
                pointer: "/library/\(platform)",
                message: "expected a file name beside plugin.json, found \"\(library)\"")
        }
        try unknown(
            top,
            [
                "manifest", "id", "name", "version", "license", "library", "abi", "interfaces", "runtime", "needs",
                "wants", "links", "grants",
                "isolation", "status", "security_posture", "checks", "providers", "descriptions", "defaults",
                "description", "homepage", "$schema",
            ])
        try unknown(abi, ["major", "min_minor"])
        let grants = try top.optionalObject("grants")
        if let grants { try unknown(grants, ["egress", "secrets", "headers", "text"]) }
        var manifest = PluginManifest(
            id: id, name: try top.optionalText("name") ?? id, version: try top.text("version"),
            license: try top.optionalText("license"),
            library: library, abiMajor: try abi.int("major"), minimumMinor: try abi.optionalInt("min_minor") ?? 0,
            runtime: try top.optionalText("runtime") ?? "c", needs: try extensions(top, "needs"),
            wants: try top.texts("wants"),
            egress: try grants?.texts("egress") ?? [], links: try top.texts("links"),
            status: try top.optionalText("status") ?? "unknown",
            securityPosture: try top.optionalText("security_posture") ?? "unknown",
            isProcessOnly: try isProcessOnly(top),
            checks: try checks(top), providers: try providers(top), descriptions: try top.optionalText("descriptions"),
            defaults: try defaults(top))
        manifest.libraries = (libraries.value.object?.members ?? []).compactMap(\.value.string)
        manifest.secrets = try grants?.texts("secrets") ?? []
        if let grants, grants.value["headers"] != nil { manifest.headers = try grants.texts("headers") }
        manifest.readsText = try grants?.optionalBool("text") ?? true
        if !manifest.readsText, let check = manifest.checks.first(where: { $0.hooks.contains(.stream) }) {
            throw top.error(
                "grants", "\"text\" is false, but the check \(check.id) has on_stream, which is about nothing else")
        }
        for name in manifest.libraries where name.contains("/") || name.hasPrefix(".") {
            throw top.error("library", "expected file names beside plugin.json, found \"\(name)\"")
        }
        return manifest
    }

    private static func isProcessOnly(_ top: Reader) throws(ManifestError) -> Bool {
        if try top.optionalText("isolation") == "process-only" { return true }
        return try top.optionalText("runtime") == "go"
    }

    private static func isID(_ text: String) -> Bool {
        guard let first = text.utf8.first, (0x61...0x7A).contains(first) || (0x30...0x39).contains(first) else {
            return false
        }
        return text.utf8.allSatisfy {
            (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || "-_.".utf8.contains($0)
        }
    }

    private static func unknown(_ reader: Reader, _ known: Set<String>) throws(ManifestError) {
        for key in reader.value.object?.keys ?? [] where !known.contains(key) {
            throw reader.error(key, "unknown member")
        }
    }

    private static func extensions(_ top: Reader, _ key: String) throws(ManifestError) -> [String] {
        let needs = try top.texts(key)
        for need in needs where !Extensions.ids.contains(need) {
            throw top.error(
                key, "this host does not offer \(need); it offers \(Extensions.ids.sorted().joined(separator: ", "))")
        }
        return needs
    }

    private static func defaults(_ top: Reader) throws(ManifestError) -> GuardDefaults {
        guard let reader = try top.optionalObject("defaults") else { return GuardDefaults() }
        try unknown(reader, ["timeout_ms", "on_failure", "on_timeout"])
        for key in ["on_failure", "on_timeout"] {
            if let word = try reader.optionalText(key), !["open", "closed", "retry"].contains(word) {
                throw reader.error(key, "expected open, closed or retry, found \"\(word)\"")
            }
        }
        return GuardDefaults(
            timeoutMilliseconds: try reader.optionalInt("timeout_ms"), onFailure: try reader.optionalText("on_failure"),
            onTimeout: try reader.optionalText("on_timeout"))
    }

    // MARK: Checks

    private static func checks(_ top: Reader) throws(ManifestError) -> [CheckManifest] {
        guard let all = try top.optionalObject("checks") else { return [] }
        var checks: [CheckManifest] = []
        for key in all.value.object?.keys ?? [] { checks.append(try check(key, try all.object(key))) }
        return checks
    }

    private static func check(_ id: String, _ reader: Reader) throws(ManifestError) -> CheckManifest {
        try unknown(
            reader,
            [
                "title", "description", "aliases", "hooks", "blocking", "mutates", "restores", "coverage", "segments",
                "schema",
            ])
        let hooks = try reader.object("hooks")
        var names: Set<CheckManifest.HookName> = []
        for key in hooks.value.object?.keys ?? [] {
            guard let name = CheckManifest.HookName(rawValue: key) else {
                throw hooks.error(
                    key,
                    "unknown hook; known are \(CheckManifest.HookName.allCases.map(\.rawValue).joined(separator: ", "))"
                )
            }
            names.insert(name)
        }
        for name in names {
            try unknown(
                try hooks.object(name.rawValue),
                name == .stream ? ["mode", "window_bytes", "overlap_bytes", "hold_bytes", "end"] : [])
        }
        let stream = try hooks.optionalObject("on_stream")
        var mode = CheckManifest.StreamMode.off
        if let stream {
            let word = try stream.optionalText("mode") ?? "window"
            guard let known = CheckManifest.StreamMode(rawValue: word) else {
                throw stream.error(
                    "mode",
                    "expected \(CheckManifest.StreamMode.allCases.map(\.rawValue).joined(separator: ", ")), found \"\(word)\""
                )
            }
            mode = known
        }
        var kinds: Set<Segment.Kind> = []
        for word in try reader.texts("segments") {
            guard let kind = segmentKinds[word] else {
                throw reader.error(
                    "segments",
                    "unknown kind \"\(word)\"; known are \(segmentKinds.keys.sorted().joined(separator: ", "))")
            }
            kinds.insert(kind)
        }
        var schema: Schema?
        if let document = reader.value["schema"] {
            do throws(SchemaError) { schema = try Schema(document) } catch {
                throw reader.error("schema", "not a valid JSON Schema: \(error)")
            }
        }
        return CheckManifest(
            id: id, title: try reader.optionalText("title") ?? id, aliases: try reader.texts("aliases"), hooks: names,
            isBlocking: try reader.optionalBool("blocking") ?? false,
            mutates: try reader.optionalBool("mutates") ?? false,
            restores: try reader.optionalBool("restores") ?? false,
            coverage: try coverage(reader), segments: kinds,
            streamMode: mode, windowBytes: try stream?.optionalInt("window_bytes") ?? 64,
            overlapBytes: try stream?.optionalInt("overlap_bytes") ?? 0,
            holdBytes: try stream?.optionalInt("hold_bytes"), wantsEnd: try stream?.optionalBool("end") ?? false,
            schema: schema, schemaDocument: reader.value["schema"])
    }

    /// A check that says it wants no segments judges no text.
    private static func coverage(_ reader: Reader) throws(ManifestError) -> CheckManifest.Coverage {
        guard let word = try reader.optionalText("coverage") else {
            return reader.value["segments"]?.array?.isEmpty == true ? .declared : .everything
        }
        guard let coverage = CheckManifest.Coverage(rawValue: word) else {
            throw reader.error("coverage", "expected everything or declared, found \"\(word)\"")
        }
        return coverage
    }

    private static let segmentKinds = Dictionary(
        uniqueKeysWithValues: Segment.Kind.allCases.map { ("\($0.name)", $0) })

    // MARK: Providers

    private static func providers(_ top: Reader) throws(ManifestError) -> [ProviderManifest] {
        guard let all = try top.optionalObject("providers") else { return [] }
        var providers: [ProviderManifest] = []
        for key in all.value.object?.keys ?? [] {
            providers.append(
                try provider(id: key, try all.object(key).value, file: "plugin.json", at: all.pointer / key))
        }
        return providers
    }

    /// One provider out of a manifest or a description file.
    package static func provider(
        id: String, _ document: JSONValue, file: String, at pointer: JSONPointer = JSONPointer()
    ) throws(ManifestError) -> ProviderManifest {
        let reader = Reader(document, pointer)
        var endpoints: [Endpoint: EndpointSupport] = [:]
        let listed = try reader.object("endpoints")
        for member in listed.value.object?.members ?? [] {
            guard let endpoint = Endpoint(rawValue: member.key), endpoint.adapted == endpoint else {
                let known = Endpoint.allCases.filter { $0.adapted == $0 }.map(\.rawValue)
                throw listed.error(member.key, "unknown endpoint; known are \(known.joined(separator: ", "))")
            }
            guard let support = member.value.string.flatMap(EndpointSupport.init(rawValue:)) else {
                throw listed.error(member.key, "expected native or translate")
            }
            endpoints[endpoint] = support
        }
        // A provider that is reached at all can be asked for its models.
        if endpoints[.proxy] != nil, endpoints[.models] == nil { endpoints[.models] = endpoints[.proxy] }
        return ProviderManifest(id: id, document: document, endpoints: endpoints, file: file)
    }

    /// Typed access with errors that name the place.
    private struct Reader {
        let value: JSONValue
        let pointer: JSONPointer

        init(_ value: JSONValue, _ pointer: JSONPointer) {
            self.value = value
            self.pointer = pointer
        }

        func error(_ key: String, _ message: String) -> ManifestError {
            ManifestError(pointer: (pointer / key).description, message: message)
        }

        private func missing(_ key: String, _ expected: String) -> ManifestError {
            error(
                key,
                value[key].map { "expected \(expected), found \($0.kindName)" } ?? "expected \(expected); it is missing"
            )
        }

        func text(_ key: String) throws(ManifestError) -> String {
            guard let text = value[key]?.string, !text.isEmpty else { throw missing(key, "a text") }
            return text
        }
        func optionalText(_ key: String) throws(ManifestError) -> String? { value[key] == nil ? nil : try text(key) }
        func int(_ key: String) throws(ManifestError) -> Int {
            guard let number = value[key]?.int else { throw missing(key, "a whole number") }
            return number
        }
        func optionalInt(_ key: String) throws(ManifestError) -> Int? {
            guard value[key] != nil else { return nil }
            let number = try int(key)
            guard (0...(1 << 30)).contains(number) else {
                throw error(key, "expected a number from 0 to \(1 << 30), found \(number)")
            }
            return number
        }
        func optionalBool(_ key: String) throws(ManifestError) -> Bool? {
            guard value[key] != nil else { return nil }
            guard let bool = value[key]?.bool else { throw missing(key, "true or false") }
            return bool
        }
        func texts(_ key: String) throws(ManifestError) -> [String] {
            guard let list = value[key] else { return [] }
            guard let array = list.array else { throw missing(key, "an array of texts") }
            var texts: [String] = []
            for element in array {
                guard let text = element.string else {
                    throw error(key, "expected an array of texts, found \(element.kindName) in it")
                }
                texts.append(text)
            }
            return texts
        }
        func object(_ key: String) throws(ManifestError) -> Reader {
            guard let member = value[key], member.object != nil else { throw missing(key, "an object") }
            return Reader(member, pointer / key)
        }
        func optionalObject(_ key: String) throws(ManifestError) -> Reader? {
            value[key] == nil ? nil : try object(key)
        }
    }
}
