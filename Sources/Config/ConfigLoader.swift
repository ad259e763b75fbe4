// ConfigLoader: a file to a snapshot, or to everything that is wrong with it.
//
// Read, parse (YAML.swift), interpolate (Interpolation.swift), check (CatalogueCheck.swift), build
// (SnapshotBuilder.swift). All steps run even when one finds faults, so that the operator sees them together; only a
// text that cannot be parsed ends early.

package import Core
import Digests

/// A fault in a config file, or a warning about it.
package struct ConfigError: Error, Sendable, Equatable, CustomStringConvertible {
    package var file: String
    /// nil when the file as a whole is at fault.
    package var position: Position?
    package var pointer: JSONPointer
    package var message: String

    package init(file: String, position: Position? = nil, pointer: JSONPointer = JSONPointer(), message: String) {
        self.file = file
        self.position = position
        self.pointer = pointer
        self.message = message
    }

    /// "gatehouse.yaml:3:9: /listen/port: expected …", as compilers write it.
    package var description: String {
        let place = position.map { ":\($0.line):\($0.column)" } ?? ""
        let pointer = pointer.tokens.isEmpty ? "" : "\(pointer): "
        return "\(file)\(place): \(pointer)\(message)"
    }
}

/// Why there is no snapshot.
package struct ConfigFailure: Error, Sendable, Equatable, CustomStringConvertible {
    /// In the file's order; never empty.
    package var errors: [ConfigError]
    package var warnings: [ConfigError]

    package init(errors: [ConfigError], warnings: [ConfigError] = []) {
        self.errors = errors
        self.warnings = warnings
    }

    package var description: String { errors.map(\.description).joined(separator: "\n") }
}

package struct LoadedConfig: Sendable {
    package var snapshot: ConfigSnapshot
    package var warnings: [ConfigError]
}

package struct ConfigLoader: Sendable {
    private let environment: @Sendable (String) -> String?
    private let overrides: ConfigOverrides

    package init(
        environment: @escaping @Sendable (String) -> String? = { Environment.value(of: $0) },
        overrides: ConfigOverrides = ConfigOverrides()
    ) {
        self.environment = environment
        self.overrides = overrides
    }

    /// Reads a file and everything that it refers to. Compare the snapshots' `contentHash` to see whether anything
    /// changed.
    package func load(_ path: String) throws(ConfigFailure) -> LoadedConfig {
        let text: Bytes
        do throws(FileError) { text = try FileReader.read(path, limit: FileReader.configLimit).bytes } catch {
            throw ConfigFailure(errors: [ConfigError(file: path, message: error.description)])
        }
        return try load(text, file: path)
    }

    /// The same for a text; `file` is its name in errors and the place where relative paths begin.
    package func load(_ text: Bytes, file: String) throws(ConfigFailure) -> LoadedConfig {
        let source: SourceDocument
        do throws(SourceError) { source = try SourceDocument(text, file: file) } catch {
            throw ConfigFailure(errors: [ConfigError(file: file, position: error.position, message: error.message)])
        }
        var interpolation = Interpolation(environment: environment)
        let document = overrides.apply(to: interpolation.apply(to: source.value))
        var check = CatalogueCheck(interpolated: interpolation.names)
        let checked = check.check(document)

        let builder = SnapshotBuilder(
            document: checked, draft: check.draft, directory: FileReader.directory(of: file), environment: environment)
        builder.build()

        // What an unset variable leaves behind is no second fault.
        let unresolved = Set(interpolation.issues.map(\.pointer.description))
        var issues = interpolation.issues.map { CatalogueCheck.Issue(pointer: $0.pointer, message: $0.message) }
        issues += (check.issues + builder.issues).filter { !unresolved.contains($0.pointer.description) }
        let located = Self.located(issues, in: source, file: file)
        let warnings = located.filter(\.isWarning).map(\.error)
        let errors = located.filter { !$0.isWarning }.map(\.error)
        guard errors.isEmpty else { throw ConfigFailure(errors: errors, warnings: warnings) }

        var hasher = SHA256.Hasher()
        hasher.update(text)
        for content in builder.contents { hasher.update(content) }
        let snapshot = ConfigSnapshot(
            builder.draft, contentHash: hasher.finish().hex, files: [file] + builder.files)
        return LoadedConfig(snapshot: snapshot, warnings: warnings)
    }

    /// Issues with their lines, in the file's order, each once.
    private static func located(
        _ issues: [CatalogueCheck.Issue], in source: SourceDocument, file: String
    ) -> [(error: ConfigError, isWarning: Bool)] {
        var result: [(error: ConfigError, isWarning: Bool)] = []
        for issue in issues {
            let position = issue.isAboutKey ? source.keyPosition(of: issue.pointer) : source.position(of: issue.pointer)
            let error = ConfigError(file: file, position: position, pointer: issue.pointer, message: issue.message)
            if !result.contains(where: { $0.error == error }) { result.append((error, issue.isWarning)) }
        }
        func order(_ error: ConfigError) -> (Int, Int, String) {
            (error.position?.line ?? 0, error.position?.column ?? 0, error.message)
        }
        return result.sorted { order($0.error) < order($1.error) }
    }
}

extension SHA256.Hasher {
    /// A part, told from its neighbours by its length.
    fileprivate mutating func update(_ bytes: Bytes) {
        withUnsafeBytes(of: bytes.count.littleEndian) { update($0) }
        withExtendedLifetime(bytes) { update(bytes.buffer) }
    }
}
