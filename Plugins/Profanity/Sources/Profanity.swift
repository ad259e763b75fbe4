// profanity: finds swear words of several languages and of the operator's own lists, also disguised ones, as whole words.
// The lists are in Words/; the search is the SDK's WordFinder.

public import CGatehouse
import PluginSDK

struct Check: SpanGuard {
    static let id = "check"
    let finder: WordFinder
    let action: SpanAction
    let denial = Denial(code: "profanity_found", message: "The text has words that are not allowed here.")
    private let words: [Word]
    private let mask: Mask

    private struct Word: Sendable {
        let text: String
        let level: Int
        /// Of the built-in list that it is from; nil for the operator's own.
        let language: String?
    }

    /// What takes a word's place.
    private enum Mask: Sendable {
        /// The same character for each character of the word.
        case each(String)
        case whole(String)
    }

    init(config: JSON, host: Host) throws(ConfigError) {
        action = try SpanAction(config)
        mask = try Self.mask(config)
        let least = config["min_severity"]?.int ?? 2
        guard 1...3 ~= least else { throw ConfigError("Must be 1, 2 or 3", at: "/min_severity") }
        var finder = WordFinder(tricks: config["disguises"]?.bool ?? true)
        // What is added first counts: the operator's exceptions, then the operator's words, then the built-in ones.
        for word in config["allow"]?.array ?? [] { finder.addInnocent(word.string ?? "") }
        var words: [Word] = []
        for (index, entry) in (config["words"]?.array ?? []).enumerated() {
            let text = entry.string ?? entry["word"]?.string ?? ""
            let level = entry["severity"]?.int ?? 3
            guard finder.canFind(text) else {
                throw ConfigError("Must have a letter, and at most 200 characters", at: "/words/\(index)")
            }
            guard level >= least else { continue }
            finder.add(text, finding: words.count)
            words.append(Word(text: text, level: level, language: nil))
        }
        for (language, list) in try Self.lists(config) {
            for phrase in list.innocent { finder.addInnocent(phrase) }
            for entry in list.entries where entry.level >= least {
                finder.add(entry.text, finding: words.count)
                words.append(Word(text: entry.text, level: entry.level, language: language))
            }
        }
        guard !words.isEmpty else { throw ConfigError("There is no word to look for", at: "/languages") }
        self.finder = finder
        self.words = words
    }

    private static func mask(_ config: JSON) throws(ConfigError) -> Mask {
        if let text = config["replacement"]?.string { return .whole(text) }
        let mask = config["mask"]?.string ?? "*"
        guard mask.unicodeScalars.count == 1 else { throw ConfigError("Must be one character", at: "/mask") }
        return .each(mask)
    }

    private static func lists(_ config: JSON) throws(ConfigError) -> [(String, WordList)] {
        guard let chosen = config["languages"]?.array else { return WordList.all.map { ($0.key, $0.value) } }
        var lists: [(String, WordList)] = []
        for (index, language) in chosen.enumerated() {
            guard let list = WordList.all.first(where: { $0.key == language.string }) else {
                let known = WordList.all.map(\.key).joined(separator: ", ")
                throw ConfigError("Must be one of \(known)", at: "/languages/\(index)")
            }
            lists.append((list.key, list.value))
        }
        return lists
    }

    func replacement(of finding: Int, length: Int) -> String {
        switch mask {
        case .each(let character): String(repeating: character, count: length)
        case .whole(let text): text
        }
    }

    func report(_ counts: SpanCounts) -> JSON {
        let found = counts.counts.map { count -> JSON in
            let word = words[count.finding]
            return [
                "word": .string(word.text), "severity": .int(word.level),
                "language": word.language.map(JSON.string) ?? .null, "count": .int(count.count),
            ]
        }
        return [
            "explanation": .string(
                counts.total == 0
                    ? "No word of the lists was found."
                    : action == .redact ? "Words of the lists were blotted out." : "Words of the lists were found."),
            "count": .int(counts.total), "found": .array(found),
        ]
    }
}

private let plugin = Plugin(id: "profanity", version: "1.0.0", checks: [Check.self])

@c(gh_plugin_entry_v1)
public func entry(_ host: UnsafePointer<gh_host>?) -> UnsafePointer<gh_plugin>? { plugin.entry(host) }
