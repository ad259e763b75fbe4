// ECMAPattern: the regular expressions of schemas, which are ECMA-262's, for PCRE2.
//
// `Pattern.Options.ecmaScript` settles most of what the two read differently. The rest is rewritten here: `\s` has
// Unicode's spaces too, `\v` is one character, and Unicode's categories may be spelled out.

internal import Patterns

enum ECMAPattern {
    static func compile(_ text: String) throws(PatternError) -> Pattern {
        try Pattern(translated(text), options: .ecmaScript)
    }

    private static let spaces = #"\s\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"#

    static func translated(_ text: String) -> String {
        guard text.utf8.contains(UInt8(ascii: "\\")) else { return text }
        var output = ""
        var isInClass = false
        var rest = text[...]
        while let character = rest.unicodeScalars.popFirst() {
            guard character == "\\", let escaped = rest.unicodeScalars.popFirst() else {
                if character == "[" { isInClass = true }
                if character == "]" { isInClass = false }
                output.unicodeScalars.append(character)
                continue
            }
            switch escaped {
            case "s": output += isInClass ? spaces : "[\(spaces)]"
            // Inside a class it stays PCRE2's: one cannot write what is left when Unicode's spaces are taken away.
            case "S" where !isInClass: output += "[^\(spaces)]"
            case "v": output += #"\u000b"#
            case "p", "P":
                output += "\\" + String(escaped)
                if let name = takeProperty(&rest) { output += "{\(categories[name] ?? name)}" }
            default: output += "\\" + String(escaped)
            }
        }
        return output
    }

    /// The name in braces, without "General_Category=".
    private static func takeProperty(_ rest: inout Substring) -> String? {
        guard rest.first == "{", let end = rest.firstIndex(of: "}") else { return nil }
        let name = rest[rest.index(after: rest.startIndex)..<end]
        rest = rest[rest.index(after: end)...]
        for prefix in ["General_Category=", "gc="] where name.hasPrefix(prefix) {
            return String(name.dropFirst(prefix.count))
        }
        return String(name)
    }

    /// Unicode's long names of general categories (PropertyValueAliases.txt), and the short ones that PCRE2 knows.
    private static let categories: [String: String] = [
        "Letter": "L", "Cased_Letter": "L&", "LC": "L&", "Lowercase_Letter": "Ll", "Uppercase_Letter": "Lu",
        "Titlecase_Letter": "Lt", "Modifier_Letter": "Lm", "Other_Letter": "Lo",
        "Mark": "M", "Combining_Mark": "M", "Nonspacing_Mark": "Mn", "Spacing_Mark": "Mc", "Enclosing_Mark": "Me",
        "Number": "N", "Decimal_Number": "Nd", "digit": "Nd", "Letter_Number": "Nl", "Other_Number": "No",
        "Punctuation": "P", "punct": "P", "Connector_Punctuation": "Pc", "Dash_Punctuation": "Pd",
        "Open_Punctuation": "Ps", "Close_Punctuation": "Pe", "Initial_Punctuation": "Pi", "Final_Punctuation": "Pf",
        "Other_Punctuation": "Po",
        "Symbol": "S", "Math_Symbol": "Sm", "Currency_Symbol": "Sc", "Modifier_Symbol": "Sk", "Other_Symbol": "So",
        "Separator": "Z", "Space_Separator": "Zs", "Line_Separator": "Zl", "Paragraph_Separator": "Zp",
        "Other": "C", "Control": "Cc", "cntrl": "Cc", "Format": "Cf", "Surrogate": "Cs", "Private_Use": "Co",
        "Unassigned": "Cn",
    ]
}
