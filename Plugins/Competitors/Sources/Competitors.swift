// competitors: finds names of companies and products with their aliases and domains, as whole words, and reports them,
// takes them out, or refuses. The search is the SDK's WordFinder.

public import CGatehouse
import PluginSDK

struct Mentions: SpanGuard {
    static let id = "mentions"
    let finder: WordFinder
    let action: SpanAction
    let denial = Denial(code: "competitor_mentioned", message: "The text names a company that is not spoken of here.")
    private let names: [String]
    private let replacements: [String]
    /// Names that count only where they begin with a capital letter: "Apple", and not "apple".
    private let capitalized: Set<Int>

    init(config: JSON, host: Host) throws(ConfigError) {
        action = try SpanAction(config)
        let common = config["replacement"]?.string ?? "[COMPETITOR]"
        var finder = WordFinder(tricks: false)
        for phrase in config["ignore"]?.array ?? [] { finder.addInnocent(phrase.string ?? "") }
        var names: [String] = []
        var replacements: [String] = []
        var capitalized: Set<Int> = []
        for (index, entry) in (config["competitors"]?.array ?? []).enumerated() {
            let name = entry.string ?? entry["name"]?.string ?? ""
            for (word, place) in Self.spellings(of: entry, name: name, at: "/competitors/\(index)") {
                guard finder.canFind(word) else {
                    throw ConfigError("Must have a letter, and at most 200 characters", at: place)
                }
                finder.add(word, finding: names.count)
            }
            if entry["capitalized"]?.bool == true { capitalized.insert(names.count) }
            names.append(name)
            replacements.append(entry["replacement"]?.string ?? common)
        }
        guard !names.isEmpty else { throw ConfigError("Must have at least one name", at: "/competitors") }
        self.finder = finder
        self.names = names
        self.replacements = replacements
        self.capitalized = capitalized
    }

    func confirms(_ finding: Int, _ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        !capitalized.contains(finding) || !(UInt8(ascii: "a")...UInt8(ascii: "z") ~= bytes.first ?? 0)
    }

    /// The name, its aliases and its domains, with their places in the config. Possessives need none of their own: an
    /// apostrophe ends a word.
    private static func spellings(of entry: JSON, name: String, at place: String) -> [(String, String)] {
        var all = [(name, entry.string == nil ? "\(place)/name" : place)]
        for member in ["aliases", "domains"] {
            for (index, alias) in (entry[member]?.array ?? []).enumerated() {
                all.append((alias.string ?? "", "\(place)/\(member)/\(index)"))
            }
        }
        return all
    }

    func replacement(of finding: Int, length: Int) -> String { replacements[finding] }

    func report(_ counts: SpanCounts) -> JSON {
        let found = counts.counts.map { count -> JSON in
            ["name": .string(names[count.finding]), "count": .int(count.count)]
        }
        return [
            "explanation": .string(
                counts.total == 0
                    ? "No competitor is named."
                    : action == .redact ? "Names of competitors were taken out." : "Competitors are named."),
            "count": .int(counts.total), "competitors": .array(found),
        ]
    }
}

private let plugin = Plugin(id: "competitors", version: "1.0.0", checks: [Mentions.self])

@c(gh_plugin_entry_v1)
public func entry(_ host: UnsafePointer<gh_host>?) -> UnsafePointer<gh_plugin>? { plugin.entry(host) }
