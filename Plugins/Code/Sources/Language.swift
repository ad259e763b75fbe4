// Languages and the words by which people call them.

enum Language: Int, CaseIterable {
    case python, javascript, typescript, java, c, cpp, csharp, go, rust, swift, kotlin, ruby, php, sql, shell, html, css

    /// The name in reports and parameters.
    var name: String {
        switch self {
        case .cpp: "c++"
        case .csharp: "c#"
        default: "\(self)"
        }
    }

    /// What a block is in when neither its label nor its looks say so.
    static let unknown = "unknown"

    /// One name for a language, whatever the label of a block or the parameter calls it. Labels that are not known here
    /// stand for themselves, in lower case.
    static func name(of label: String) -> String {
        let label = label.lowercased()
        return others[label] ?? label
    }

    private static let others: [String: String] = [
        "py": "python", "python3": "python", "py3": "python", "pycon": "python", "ipython": "python",
        "js": "javascript",
        "jsx": "javascript", "mjs": "javascript", "node": "javascript", "nodejs": "javascript", "ts": "typescript",
        "tsx": "typescript", "h": "c", "cpp": "c++", "cxx": "c++", "cc": "c++", "hpp": "c++", "cs": "c#",
        "csharp": "c#",
        "golang": "go", "rs": "rust", "kt": "kotlin", "kts": "kotlin", "rb": "ruby", "php5": "php", "php7": "php",
        "postgresql": "sql", "postgres": "sql", "mysql": "sql", "sqlite": "sql", "plsql": "sql", "tsql": "sql",
        "sh": "shell", "bash": "shell", "zsh": "shell", "ksh": "shell", "console": "shell", "shell-session": "shell",
        "shellscript": "shell", "htm": "html", "xhtml": "html", "scss": "css", "less": "css", "yml": "yaml",
        "md": "markdown", "docker": "dockerfile", "ps1": "powershell", "pwsh": "powershell", "objc": "objective-c",
        "pl": "perl", "hs": "haskell", "ex": "elixir", "text": "text", "txt": "text", "plaintext": "text",
        "plain": "text",
    ]

    /// Labels of blocks that are no programs.
    static let prose: Set<String> = ["text", "markdown"]
}

/// How much speaks for each language.
struct Scores {
    /// A lane for each language; there is room for 32.
    private var values = SIMD32<Int32>()

    mutating func add(_ weight: Int32, _ languages: Language...) {
        for language in languages { values[language.rawValue] += weight }
    }

    static func += (a: inout Scores, b: Scores) { a.values &+= b.values }

    /// The language that most speaks for; nil when nothing speaks for any.
    var best: (language: Language, score: Int)? {
        let most = values.max()
        guard most > 0 else { return nil }
        return Language.allCases.first { values[$0.rawValue] == most }.map { ($0, Int(most)) }
    }
}
