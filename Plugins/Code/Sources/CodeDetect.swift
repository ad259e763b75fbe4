// code.detect: the check.

import PluginSDK

struct CodeDetect: Guardrail {
    static let id = "detect"
    private let allowed: Set<String>?
    private let denied: Set<String>?
    private let finder: BlockFinder
    private let action: Action
    private let replacement: String

    private enum Action: String { case report, deny, redact }

    init(config: JSON, host: Host) throws(ConfigError) {
        allowed = Self.languages(config, "allow")
        denied = Self.languages(config, "deny")
        if let both = allowed?.intersection(denied ?? []).min() {
            throw ConfigError("\"\(both)\" is allowed and denied", at: "/deny")
        }
        finder = BlockFinder(
            findsFenced: config["fenced"]?.bool ?? true, findsUnfenced: config["unfenced"]?.bool ?? true,
            threshold: config["threshold"]?.int ?? 6)
        guard finder.findsFenced || finder.findsUnfenced else {
            throw ConfigError("Must be true where \"fenced\" is false: nothing would be looked for", at: "/unfenced")
        }
        action = config["action"]?.string.flatMap(Action.init(rawValue:)) ?? .report
        replacement = config["replacement"]?.string ?? "[CODE]"
    }

    private static func languages(_ config: JSON, _ key: String) -> Set<String>? {
        (config[key]?.array?.compactMap(\.string)).map { Set($0.map(Language.name)) }
    }

    /// Whether code in a language is what the check is about.
    private func isUnwanted(_ language: String) -> Bool {
        if denied?.contains(language) == true { return true }
        if let allowed { return !allowed.contains(language) }
        return denied == nil
    }

    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict { try judge(exchange, .request) }
    func onResponse(_ exchange: Exchange) throws(PluginFailure) -> Verdict { try judge(exchange, .response) }

    private func judge(_ exchange: Exchange, _ side: Side) throws(PluginFailure) -> Verdict {
        var found: [(language: String, isFenced: Bool, isUnwanted: Bool)] = []
        for segment in exchange.texts(side, .readable) {
            let blocks = finder.blocks(in: segment.text)
            for block in blocks { found.append((block.language, block.isFenced, isUnwanted(block.language))) }
            guard action == .redact else { continue }
            for block in few(blocks.filter { isUnwanted($0.language) }) {
                guard !segment.isReadOnly else { throw PluginFailure("Code is in a place that cannot be edited") }
                try exchange.edit(segment, block.range, with: replacement)
            }
        }
        let unwanted = found.filter(\.isUnwanted)
        if action == .deny, let first = unwanted.first {
            return .deny(
                Denial(
                    code: "code_found", message: "The text has code in it that is not allowed here: \(first.language).")
            )
        }
        let passed = unwanted.isEmpty || action == .redact
        try exchange.report(passed: passed, data: data(found, unwanted.isEmpty))
        return .proceed
    }

    /// Each edit costs the host a look at the others: very many become one, with what is between them.
    private func few(_ blocks: [Block]) -> [Block] {
        guard blocks.count > 256, let first = blocks.first, let last = blocks.last else { return blocks }
        return [
            Block(
                range: first.range.lowerBound..<last.range.upperBound, language: first.language,
                isFenced: first.isFenced)
        ]
    }

    private func data(_ found: [(language: String, isFenced: Bool, isUnwanted: Bool)], _ isFine: Bool) -> JSON {
        let blocks = found.prefix(50).map { block -> JSON in
            [
                "language": .string(block.language), "fenced": .bool(block.isFenced),
                "unwanted": .bool(block.isUnwanted),
            ]
        }
        let explanation =
            found.isEmpty
            ? "No code was found."
            : isFine ? "Only code that is allowed was found." : "Code was found that is not allowed."
        return ["explanation": .string(explanation), "count": .int(found.count), "blocks": .array(blocks)]
    }
}
