// Sources: the repository's Swift files and their imports, as text.

import Foundation

enum Repository {
    /// The package's directory: this file is Tests/ArchitectureTests/Sources.swift.
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static func directories(in path: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(
            at: root.appending(path: path), includingPropertiesForKeys: [.isDirectoryKey], options: .skipsHiddenFiles
        )
        .filter { try $0.resourceValues(forKeys: [.isDirectoryKey]).isDirectory == true }
        .map(\.lastPathComponent).sorted()
    }

    static func swiftFiles(below path: String) throws -> [URL] {
        let files = FileManager.default.enumerator(
            at: root.appending(path: path), includingPropertiesForKeys: nil, options: .skipsHiddenFiles)
        return (files?.compactMap { $0 as? URL } ?? []).filter { $0.pathExtension == "swift" }
    }
}

struct Import: CustomStringConvertible {
    var file: String
    var line: Int
    var module: String

    var description: String { "\(file):\(line): import \(module)" }

    /// The imports of all Swift files below a directory of the repository.
    static func all(below path: String) throws -> [Import] {
        try Repository.swiftFiles(below: path).flatMap { url in
            let text = try String(contentsOf: url, encoding: .utf8)
            return text.split(separator: "\n", omittingEmptySubsequences: false).enumerated().compactMap {
                number, line in
                Import.module(in: line).map {
                    Import(file: "\(path)/\(url.lastPathComponent)", line: number + 1, module: $0)
                }
            }
        }
    }

    private static let kinds: Set<Substring> = [
        "struct", "class", "enum", "protocol", "typealias", "func", "var", "let", "actor",
    ]

    /// The module that a line imports: `package import struct Core.Bytes` is Core.
    static func module(in line: Substring) -> String? {
        var words = line.split(whereSeparator: \.isWhitespace)[...]
        while let word = words.first,
            word.hasPrefix("@") || ["public", "package", "internal", "private", "fileprivate"].contains(word)
        {
            words.removeFirst()
        }
        guard words.popFirst() == "import", var name = words.popFirst() else { return nil }
        if kinds.contains(name), let next = words.popFirst() { name = next }
        return name.split(separator: ".").first.map { String($0.prefix { $0 != ";" }) }
    }
}
