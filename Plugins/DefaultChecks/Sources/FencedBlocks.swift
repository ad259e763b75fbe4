// Finding Markdown's fenced blocks (``` only) and what language they say they are in.

import PluginSDK

/// The languages of a text's fenced blocks, in order. A block that names none is passed over; one that never ends
/// counts.
struct FencedBlocks: Sequence, IteratorProtocol {
    private let text: Text
    private var position = 0

    init(_ text: Text) { self.text = text }

    mutating func next() -> String? {
        while let opening = nextFence() {
            position = opening + 3
            let start = position
            while position < text.count, text.bytes[position].isOfLanguageName { position += 1 }
            let language = text[start..<position]
            if let closing = nextFence() { position = closing + 3 } else { position = text.count }
            if !language.isEmpty { return language.string }
        }
        return nil
    }

    private func nextFence() -> Int? {
        text.bytes.firstOffset(of: Self.fence, from: position)
    }

    private static let fence = Array("```".utf8)

    /// The name that a language goes by in the `format` parameter.
    static func format(of language: String) -> String {
        formats[language.lowercased()] ?? language
    }

    private static let formats: [String: String] = [
        "sql": "SQL", "py": "Python", "python": "Python", "python3": "Python", "ts": "TypeScript", "tsx": "TypeScript",
        "typescript": "TypeScript", "js": "JavaScript", "jsx": "JavaScript", "javascript": "JavaScript", "java": "Java",
        "cs": "C#", "csharp": "C#", "c#": "C#", "cpp": "C++", "cxx": "C++", "c++": "C++", "c": "C", "rb": "Ruby",
        "ruby": "Ruby", "php": "PHP", "swift": "Swift", "kt": "Kotlin", "kotlin": "Kotlin", "go": "Go", "golang": "Go",
        "rs": "Rust", "rust": "Rust", "scala": "Scala", "r": "R", "pl": "Perl", "perl": "Perl", "sh": "Shell",
        "bash": "Shell", "zsh": "Shell", "shell": "Shell", "html": "HTML", "css": "CSS", "xml": "XML", "json": "JSON",
        "yml": "YAML", "yaml": "YAML", "md": "Markdown", "markdown": "Markdown", "dockerfile": "Dockerfile",
        "docker": "Dockerfile",
    ]
}

extension UInt8 {
    fileprivate var isOfLanguageName: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "+"), UInt8(ascii: "#"),
            UInt8(ascii: "-"):
            true
        default: false
        }
    }
}
