// Features: what in a line speaks for a language. A keyword alone says little, since most of them are English words:
// it counts with the marks that go with it in code.

import PluginSDK

extension Line {
    /// What speaks for each language; nil: nothing speaks for code.
    func scores() -> Scores? {
        guard !text.isEmpty, !words.isEmpty || text.bytes[0] == UInt8(ascii: "}") else { return nil }
        // A word alone is none but the shell's and Ruby's ends of blocks.
        if isPlain, words.count == 1, text.count == 1 || text.count > 4 { return nil }
        var scores = Scores()
        addBeginnings(&scores)
        addFirstWord(&scores)
        addNames(&scores)
        addShapes(&scores)
        return scores.best == nil ? nil : scores
    }

    /// "from", one name without a space, "import".
    private var isImport: Bool {
        let parts = text.bytes.split(separator: 0x20, maxSplits: 3)
        return parts.count == 4 && Text(UnsafeBufferPointer(rebasing: parts[2])) == "import"
    }

    /// A line that may stand within code and says nothing itself: a comment.
    var isComment: Bool {
        begins("//") || begins("/*") || begins("*/") || begins("* ") || begins("# ") || begins("-- ") || begins("<!--")
    }

    private func addBeginnings(_ scores: inout Scores) {
        switch text.bytes[0] {
        case UInt8(ascii: "#"):
            if begins("#!/") { scores.add(8, .shell) }
            if begins("#include") { scores.add(5, .c, .cpp) }
            if begins("#define") || begins("#ifdef") || begins("#ifndef") || begins("#pragma") {
                scores.add(4, .c, .cpp)
            }
            if ends == "{" { scores.add(3, .css) }
        case UInt8(ascii: "<"):
            if begins("<?php") { scores.add(8, .php) }
            if begins("<!DOCTYPE") || begins("<html") || begins("<script") || begins("<style") { scores.add(6, .html) }
            if ends == ">" { scores.add(has(.closingTag) ? 4 : 2, .html) }
        case UInt8(ascii: "@"):
            if begins("@media") || begins("@import url") || begins("@keyframes") { scores.add(4, .css) }
            if begins("@Override") || begins("@Autowired") { scores.add(4, .java) }
            if words.count == 1, !has(.parenthesis) { scores.add(1, .java, .python, .kotlin, .swift) }
        case UInt8(ascii: "."): if ends == "{", words.count <= 4 { scores.add(3, .css) }
        case UInt8(ascii: "$"):
            if has(.variable), has(.assignment), ends == ";" { scores.add(5, .php) }
            if text.count > 2, text.bytes[1] == 0x20 { scores.add(3, .shell) }
        case UInt8(ascii: "}"): addClosing(&scores)
        default: break
        }
    }

    private func addClosing(_ scores: inout Scores) {
        if words.isEmpty {
            scores.add(1, .javascript, .typescript, .java, .c, .cpp, .csharp, .go, .rust, .swift, .kotlin, .php, .css)
        }
        if isWord(0, "else") || isWord(0, "catch") || isWord(0, "finally") {
            scores.add(2, .javascript, .typescript, .java, .c, .cpp, .csharp, .go, .rust, .swift, .kotlin, .php)
        }
        if has(.parenthesis), isWord(0, "else"), isWord(1, "if") {
            scores.add(1, .javascript, .java, .c, .cpp, .csharp, .php)
        }
    }

    private func addFirstWord(_ scores: inout Scores) {
        guard let first = words.first, text.bytes[0].isOfWord else { return }
        // Short words of letters only: everything below is.
        guard first.count <= 12 else { return }
        switch first.string {
        // Python
        case "def":
            if ends == ":" { scores.add(6, .python) } else if words.count <= 8 { scores.add(3, .ruby) }
        case "from": if isImport { scores.add(6, .python) }
        case "elif", "except", "try", "finally": if ends == ":" { scores.add(4, .python) }
        case "if", "for", "while", "else", "with":
            if ends == ":", words.count <= 14 { scores.add(2, .python) }
            if ends == "{" {
                if text.count > first.count + 1, has(.parenthesis) {
                    scores.add(3, .javascript, .typescript, .java, .c, .cpp, .csharp, .php, .kotlin)
                } else {
                    scores.add(3, .go, .rust, .swift)
                }
            }
            if ends == "{", isWord(1, "let") { scores.add(3, .swift, .rust) }
            if begins("if [") || begins("while [") { scores.add(5, .shell) }
            if ends == "n", isWord(words.count - 1, "then") { scores.add(4, .shell) }
            if isWord(words.count - 1, "do"), has(.variable) { scores.add(4, .shell) }
            if has(.walrus), ends == "{" { scores.add(4, .go) }
        case "print": if has(.call) { scores.add(3, .python, .swift) }
        case "raise", "assert": if has(.call), !isPlain { scores.add(2, .python) }
        case "lambda", "yield", "await": if has(.call) { scores.add(1, .python) }
        case "class":
            if ends == ":" { scores.add(4, .python) }
            if ends == "{" { scores.add(4, .java, .javascript, .typescript, .cpp, .csharp, .swift, .kotlin, .php) }
            if has(.less), words.count == 3 { scores.add(4, .ruby) }
        case "import":
            if ends == ";" { scores.add(contains("from") || has(.quote) ? 1 : 4, .java) }
            if has(.quote), contains("from") { scores.add(5, .javascript, .typescript) }
            if text == "import (" || (has(.quote) && words.count == 2) { scores.add(5, .go) }
            if isPlain || has(.member), ends != ".", ends != ";" {
                if words.count == 2 { scores.add(3, .python, .swift, .kotlin) }
                if words.count > 2, contains("as") || text.bytes.contains(UInt8(ascii: ",")), words.count <= 6 {
                    scores.add(3, .python)
                }
            }
        // JavaScript and TypeScript
        case "function":
            if has(.parenthesis), ends == "{" || ends == "}" {
                scores.add(has(.variable) ? 2 : 5, .javascript, .typescript); scores.add(3, .php)
            }
            if has(.variable) { scores.add(3, .php) }
        case "const", "let", "var":
            guard has(.assignment) || has(.fatArrow) else {
                if first == "var", words.count <= 4, ends != "." { scores.add(2, .go, .swift) }
                break
            }
            scores.add(first == "const" ? 4 : 3, .javascript, .typescript)
            if has(.colon), words.count >= 3 { scores.add(2, .typescript, .swift, .rust) }
            if first == "let", isWord(1, "mut") { scores.add(6, .rust) }
            if first != "const" { scores.add(ends == ";" ? 1 : 3, .swift) }
            if first == "let" { scores.add(ends == ";" ? 3 : 0, .rust) }
            if first == "var" { scores.add(ends == ";" ? 3 : 1, .csharp); scores.add(1, .go, .kotlin) }
            if first == "const", isWord(1, "int") || isWord(1, "char") { scores.add(4, .c, .cpp) }
        case "export":
            if isWord(1, "default") || isWord(1, "const") || isWord(1, "function") {
                scores.add(5, .javascript, .typescript)
            }
            if isWord(1, "interface") || isWord(1, "type") { scores.add(6, .typescript) }
            if has(.assignment), words.count <= 4, ends != ";" { scores.add(4, .shell) }
        case "interface": if ends == "{" { scores.add(4, .typescript, .java, .csharp) }
        case "async":
            if contains("function") || has(.fatArrow) {
                scores.add(5, .javascript, .typescript)
            } else if isWord(1, "def") {
                scores.add(6, .python)
            }
        // Java and C#
        case "public", "private", "protected", "static", "abstract", "final", "override", "internal":
            guard has(.parenthesis) || ends == "{" || ends == ";" else { break }
            scores.add(4, .java, .csharp)
            scores.add(2, .php, .swift, .kotlin, .typescript)
            if contains("void"), contains("main") { scores.add(3, .java) }
            if contains("String") { scores.add(2, .java) }
            if contains("string") || contains("async") || contains("Task") { scores.add(3, .csharp) }
            if contains("function") { scores.add(4, .php) }
            if contains("func") { scores.add(4, .swift) }
        case "package":
            if words.count <= 6, ends != "." {
                scores.add(ends == ";" ? 4 : 0, .java); scores.add(words.count == 2 ? 4 : 1, .go, .kotlin)
            }
        case "using":
            if ends == ";" {
                scores.add(isWord(1, "namespace") ? 0 : 5, .csharp); scores.add(isWord(1, "namespace") ? 6 : 1, .cpp)
            }
        case "namespace": if ends == ";" || ends == "{" || words.count == 2 { scores.add(3, .csharp, .cpp, .php) }
        case "foreach":
            if has(.parenthesis) {
                scores.add(has(.variable) ? 0 : 4, .csharp); scores.add(has(.variable) ? 6 : 0, .php)
            }
        // C and C++
        case "int", "void", "char", "float", "double", "bool", "long", "size_t", "struct", "typedef", "unsigned",
            "auto":
            guard ends == ";" || ends == "{" || ends == ")" || ends == "," else { break }
            if first == "struct", ends == "{" {
                scores.add(3, .c, .cpp, .rust, .swift, .csharp)
            } else {
                scores.add(3, .c, .cpp, .java, .csharp)
            }
            if contains("main") { scores.add(3, .c, .cpp) }
            if has(.reference) || has(.colons) || first == "auto" { scores.add(2, .cpp) }
            if first == "size_t" || first == "typedef" || first == "unsigned" { scores.add(3, .c, .cpp) }
        case "template": if has(.less) { scores.add(6, .cpp) }
        case "cout", "cin": if has(.less) { scores.add(5, .cpp) }
        // Go
        case "func":
            guard has(.parenthesis) else { break }
            if has(.arrow) { scores.add(6, .swift) } else { scores.add(5, .go); scores.add(4, .swift) }
            if begins("func (") { scores.add(4, .go) }
            if has(.colon) { scores.add(3, .swift) }
        case "type":
            if ends == "{", contains("struct") || contains("interface") {
                scores.add(6, .go)
            } else if has(.assignment), ends == ";" {
                scores.add(4, .typescript)
            }
        case "defer", "go": if has(.call) { scores.add(3, .go) }
        // Rust
        case "fn": if has(.parenthesis) { scores.add(6, .rust) }
        case "pub":
            if contains("fn") || contains("struct") || contains("enum") || contains("mod") { scores.add(6, .rust) }
        case "impl": if ends == "{" { scores.add(6, .rust) }
        case "use":
            if has(.colons), ends == ";" {
                scores.add(6, .rust)
            } else if ends == ";", text.bytes.contains(UInt8(ascii: "\\")) {
                scores.add(5, .php)
            }
        case "match": if ends == "{" { scores.add(4, .rust) }
        // Swift and Kotlin
        case "guard": if contains("else") { scores.add(6, .swift) }
        case "extension", "protocol": if ends == "{" { scores.add(5, .swift) }
        case "fun": if has(.parenthesis) { scores.add(6, .kotlin) }
        case "val": if has(.assignment) || has(.colon) { scores.add(5, .kotlin) }
        case "data": if isWord(1, "class") { scores.add(6, .kotlin) }
        case "when": if ends == "{" { scores.add(4, .kotlin) }
        // Ruby
        case "end": if words.count == 1, text.count <= 4 { scores.add(2, .ruby) }
        case "puts", "attr_accessor", "attr_reader":
            scores.add(has(.quote) || has(.colon) || words.count <= 3 ? 4 : 0, .ruby)
        case "require", "require_once", "include":
            if has(.quote) {
                scores.add(has(.parenthesis) ? 0 : 4, .ruby); scores.add(first == "require" ? 1 : 4, .php)
            }
        case "module": if words.count == 2, isPlain { scores.add(3, .ruby) }
        // Shell
        case "set", "trap", "shift", "readonly", "local", "source", "exit":
            if begins("set -") || has(.variable) || has(.quote) || (has(.assignment) && first != "set") {
                scores.add(4, .shell)
            } else if first == "exit", words.count == 2, text.count <= 8 {
                scores.add(3, .shell)
            }
        case "printf": if has(.quote), !has(.call) { scores.add(4, .shell) }
        case "fi", "done", "esac": if words.count == 1 { scores.add(4, .shell) }
        case "sudo", "apt", "curl", "wget", "grep", "chmod", "mkdir", "cd", "rm", "ssh", "docker", "git", "pip", "npm",
            "kubectl", "sed", "awk", "tar":
            addCommand(&scores)
        case "echo":
            if has(.variable) {
                scores.add(ends == ";" ? 1 : 4, .shell); scores.add(ends == ";" ? 4 : 0, .php)
            } else if has(.quote) {
                scores.add(2, .shell, .php)
            }
        // Common to many
        case "return":
            if ends == ";" {
                scores.add(2, .javascript, .typescript, .java, .c, .cpp, .csharp, .rust, .php)
            } else if !isPlain, ends != "." {
                scores.add(1, .python, .go, .swift, .ruby, .kotlin, .javascript)
            }
        case "case", "default", "switch", "break", "continue":
            if ends == ":" || ends == ";" || ends == "{" {
                scores.add(2, .javascript, .java, .c, .cpp, .csharp, .go, .swift)
            }
        case "enum": if ends == "{" { scores.add(3, .java, .c, .cpp, .csharp, .rust, .swift, .typescript) }
        default: addQuery(first, &scores)
        }
    }

    private func addCommand(_ scores: inout Scores) {
        guard words.count >= 2 else { return }
        let hasOption = text.bytes.indices.dropLast().contains { place in
            text.bytes[place] == 0x20 && text.bytes[place + 1] == UInt8(ascii: "-")
        }
        let hasPath = text.bytes.contains(UInt8(ascii: "/"))
        if hasOption || has(.pipe) || has(.variable) { scores.add(4, .shell) } else if hasPath { scores.add(3, .shell) }
        if isWord(0, "sudo") || (isWord(0, "git") && ends != "." && words.count <= 5) { scores.add(2, .shell) }
        if isWord(1, "install"), ends != "." { scores.add(4, .shell) }
    }

    /// SQL, whose keywords come in any case.
    private func addQuery(_ first: Text, _ scores: inout Scores) {
        guard let second = word(1) else { return }
        switch first.string.uppercased() {
        case "SELECT":
            let isUpper = first == "SELECT"
            let hasFrom = words.contains { $0 == "FROM" || $0 == "from" || $0 == "From" }
            if hasFrom {
                scores.add(isUpper || ends == ";" || text.bytes.contains(UInt8(ascii: "*")) ? 7 : 2, .sql)
            } else if isUpper {
                scores.add(3, .sql)
            }
        case "INSERT":
            if second.string.uppercased() == "INTO" { scores.add(has(.parenthesis) || first == "INSERT" ? 7 : 2, .sql) }
        case "UPDATE":
            if words.contains(where: { $0 == "SET" }) || (has(.assignment) && contains("set")) { scores.add(7, .sql) }
        case "DELETE":
            if second.string.uppercased() == "FROM" { scores.add(first == "DELETE" || ends == ";" ? 7 : 2, .sql) }
        case "CREATE", "ALTER", "DROP", "TRUNCATE":
            switch second.string.uppercased() {
            case "TABLE", "INDEX", "VIEW", "DATABASE", "TRIGGER", "FUNCTION", "PROCEDURE":
                scores.add(
                    first == "CREATE" || first == "ALTER" || first == "DROP" || ends == ";" || ends == "(" ? 7 : 2, .sql
                )
            default: break
            }
        case "FROM", "WHERE", "JOIN", "LEFT", "INNER", "GROUP", "ORDER", "HAVING", "LIMIT", "VALUES", "UNION":
            if first.bytes.allSatisfy({ $0 < UInt8(ascii: "a") }) { scores.add(3, .sql) }
        default: break
        }
    }

    /// Names that few write but in one language.
    private func addNames(_ scores: inout Scores) {
        guard !isPlain else { return }
        for word in words where word.count >= 2 && word.count <= 10 {
            switch (word.bytes[0], word.count) {
            case (UInt8(ascii: "c"), 7): if word == "console", has(.member) { scores.add(5, .javascript, .typescript) }
            case (UInt8(ascii: "d"), 8): if word == "document", has(.member), has(.call) { scores.add(4, .javascript) }
            case (UInt8(ascii: "s"), 4):
                if word == "self", has(.member) { scores.add(3, .python); scores.add(2, .rust, .swift) }
            case (UInt8(ascii: "s"), 3): if word == "std", has(.colons) { scores.add(5, .cpp); scores.add(2, .rust) }
            case (UInt8(ascii: "S"), 6):
                if word == "System", has(.member) { scores.add(3, .java); scores.add(1, .csharp) }
            case (UInt8(ascii: "C"), 7): if word == "Console", has(.member), has(.call) { scores.add(5, .csharp) }
            case (UInt8(ascii: "f"), 3): if word == "fmt", has(.member) { scores.add(5, .go) }
            case (UInt8(ascii: "_"), 8):
                if word == "__init__" || word == "__name__" || word == "__main__" { scores.add(5, .python) }
            case (UInt8(ascii: "p"), 7):
                if word == "println" {
                    scores.add(has(.macro) ? 6 : 2, .rust); scores.add(has(.macro) ? 0 : 3, .kotlin, .java)
                }
            case (UInt8(ascii: "p"), 6):
                if word == "printf", has(.call) { scores.add(5, .c); scores.add(3, .cpp, .php) }
            case (UInt8(ascii: "m"), 6): if word == "malloc", has(.call) { scores.add(5, .c) }
            case (UInt8(ascii: "r"), 7): if word == "require", has(.call), has(.quote) { scores.add(4, .javascript) }
            default: break
            }
        }
    }

    /// What marks say without words.
    private func addShapes(_ scores: inout Scores) {
        if has(.walrus) { scores.add(3, .go) }
        if has(.identity) { scores.add(4, .javascript, .typescript, .php) }
        if has(.fatArrow), has(.parenthesis) || ends == "{" { scores.add(3, .javascript, .typescript) }
        if has(.variable), has(.arrow) { scores.add(4, .php) }
        if has(.macro) { scores.add(3, .rust) }
        if has(.variable), ends != ";" { scores.add(has(.quote) || has(.assignment) ? 3 : 2, .shell) }
        if begins("[ ") || begins("[[ ") || (ends == ";" && text.count > 2 && text.bytes[text.count - 2] == last) {
            scores.add(3, .shell)
        }
        if ends == ";" {
            if has(.call) || has(.assignment) {
                scores.add(2, .javascript, .typescript, .java, .c, .cpp, .csharp, .php, .rust)
            }
            if has(.colon), words.count <= 6, !has(.assignment), !has(.parenthesis), text.bytes[0].isOfWord {
                scores.add(2, .css)
            }
        } else if has(.assignment), has(.call), ends == ")" {
            scores.add(2, .python, .ruby, .swift, .kotlin, .go)
        } else if has(.call), has(.member), ends == ")", words.count <= 6 {
            scores.add(1, .python, .ruby, .swift, .kotlin, .go)
        } else if has(.assignment), words.count >= 2, words.count <= 4, text.bytes[0].isOfWord, ends != ".", ends != "?"
        {
            scores.add(1, .python, .ruby, .shell)
        }
        if ends == "|", has(.pipe), contains("do") { scores.add(5, .ruby) }
    }
}
