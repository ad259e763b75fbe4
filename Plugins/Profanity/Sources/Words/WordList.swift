// The form of the built-in lists: a line is a level (1 mild, 2 strong, 3 severe), then words and phrases with commas
// between them; "*" at the end stands for any letters. Level 3 is for slurs against groups of people and for what is as
// hard. `innocent` are phrases that begin with a listed word and mean no harm. Accents and case do not matter.

/// The words of one language.
struct WordList: Sendable {
    struct Entry: Sendable {
        let text: String
        let level: Int
    }

    let entries: [Entry]
    let innocent: [String]

    init(_ lines: String, innocent: String = "") {
        var entries: [Entry] = []
        for line in lines.split(separator: "\n") {
            guard let level = line.first?.wholeNumberValue else { continue }
            entries += Self.words(line.dropFirst()).map { Entry(text: $0, level: level) }
        }
        self.entries = entries
        self.innocent = Self.words(innocent[...])
    }

    private static func words(_ text: Substring) -> [String] {
        text.split { $0 == "," || $0 == "\n" }.map { part in
            String(part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
        }.filter { !$0.isEmpty }
    }

    /// By ISO 639-1 code.
    static let all: KeyValuePairs<String, WordList> = [
        "en": english, "de": german, "fr": french, "es": spanish, "it": italian, "pt": portuguese,
    ]
}
