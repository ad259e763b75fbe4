// PluginProject: `gatehouse plugin new`: a template of the installed tree, under the name of the plugin that begins with it.

import Core

#if canImport(Glibc)
    import Glibc
#endif

package struct PluginProject: Sendable {
    package enum Language: String, CaseIterable, Sendable {
        case c, swift

        package var buildCommand: String { self == .c ? "make" : "./build.sh" }

        /// What of the template's texts and file names stands for the name: as an id, as a C name, as a Swift type.
        fileprivate var names: (id: String, snake: String, type: String, title: String) {
            switch self {
            case .c: ("no-links", "no_links", "NoLinks", "No links")
            case .swift: ("mask-digits", "mask_digits", "MaskDigits", "Mask digits")
            }
        }
    }

    private let name: String
    private let language: Language
    private let prefix: String
    private let template: String

    /// `prefix`: where Gatehouse is installed; nil: where this program lies, in PREFIX/bin.
    package init(name: String, language: Language, prefix: String?) throws(WorkbenchError) {
        guard Self.isName(name) else {
            throw WorkbenchError(
                message:
                    "\"\(name)\" is no name of a plugin: expected lower-case letters, digits and '-', a letter first, at most 64"
            )
        }
        self.name = name
        self.language = language
        let prefix = prefix ?? Self.ownPrefix()
        if let absolute = realpath(prefix, nil) {
            self.prefix = String(cString: absolute)
            free(absolute)
        } else {
            self.prefix = prefix
        }
        template = self.prefix + "/share/gatehouse/templates/" + language.rawValue
        guard !Files.list(template).isEmpty else {
            throw WorkbenchError(
                message: "there is no template in \(template); say with --prefix where Gatehouse is installed")
        }
    }

    private static func isName(_ name: String) -> Bool {
        let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        guard let first = name.utf8.first, letters ~= first, name.utf8.count <= 64 else { return false }
        return name.utf8.allSatisfy { letters ~= $0 || digits ~= $0 || $0 == UInt8(ascii: "-") } && !name.hasSuffix("-")
    }

    private static func ownPrefix() -> String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        let path = String(decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return path.split(separator: "/").dropLast(2).reduce("") { $0 + "/" + $1 }
    }

    /// Makes the directory, which must not be there yet.
    package func write(to directory: String) throws(WorkbenchError) {
        guard mkdir(directory, 0o755) == 0 else {
            throw WorkbenchError(
                message: errno == EEXIST
                    ? "\(directory) is there already; expected a directory to make"
                    : "\(directory) cannot be made: \(String(cString: strerror(errno)))")
        }
        try copy(template, directory)
    }

    private func copy(_ source: String, _ place: String) throws(WorkbenchError) {
        for entry in Files.list(source) {
            let (from, to) = (source + "/" + entry, place + "/" + renamed(entry))
            var information = stat()
            guard stat(from, &information) == 0 else { continue }
            if information.st_mode & S_IFMT == S_IFDIR {
                guard mkdir(to, 0o755) == 0 else {
                    throw WorkbenchError(message: "\(to) cannot be made: \(String(cString: strerror(errno)))")
                }
                try copy(from, to)
            } else {
                try Files.write(Bytes(renamed(try Files.read(from).string)), to: to)
                chmod(to, information.st_mode & 0o100 != 0 ? 0o755 : 0o644)
            }
        }
    }

    /// Names that the template's code means something else by: its module and its type may not be called so.
    private static let takenTypes: Set<String> = [
        "Any", "Config", "Error", "Exchange", "Glibc", "Guardrail", "Host", "Int", "Never", "Package", "Plugin",
        "Protocol",
        "Self", "String", "Swift", "Type", "UInt8", "UnsafePointer", "Verdict",
    ]

    private func renamed(_ text: String) -> String {
        let old = language.names
        let words = name.split(separator: "-")
        let snake = words.joined(separator: "_")
        var type = words.map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
        if Self.takenTypes.contains(type) { type += "Guard" }
        return text.replacing("\"name\": \"\(old.title)\"", with: "\"name\": \"\(name)\"")
            .replacing(old.id, with: name).replacing(old.snake, with: snake).replacing(old.type, with: type)
            .replacing("/usr/local", with: prefix)
    }
}
