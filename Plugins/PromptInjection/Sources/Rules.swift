// The rules: which meanings, close together, are how strong a signal. And the score of one text.

import PluginSDK

enum Signal: String, CaseIterable, Sendable {
    /// The instructions so far are not to count.
    case override
    /// The model is to play somebody without rules.
    case rolePlay = "role_play"
    /// The system prompt is to be shown.
    case extraction
    /// Marks that separate messages for the model stand in a message.
    case markup
    /// Encoded text that is an instruction, or is to be obeyed.
    case payload
    /// Characters that nobody sees.
    case invisible
    /// A document or a tool's answer gives orders to the model.
    case toolInstruction = "tool_instruction"
}

struct Rule: Sendable {
    let signal: Signal
    let points: Int
    /// All of these, in any order.
    let parts: [Meaning]
    /// Within so many symbols.
    let reach: Int
    /// Only in the results of tools.
    var isForTools = false

    static let all: [Rule] = [
        Rule(signal: .override, points: 60, parts: [.ignore, .earlier, .instructions], reach: 80),
        Rule(signal: .override, points: 60, parts: [.ignore, .whatWasSaid], reach: 50),
        Rule(signal: .override, points: 50, parts: [.ignore, .safety], reach: 60),
        Rule(signal: .override, points: 45, parts: [.freed, .instructions], reach: 70),
        Rule(signal: .override, points: 45, parts: [.freed, .safety], reach: 70),
        Rule(signal: .override, points: 45, parts: [.authority], reach: 0),
        Rule(signal: .override, points: 20, parts: [.newTask, .ignore], reach: 160),
        Rule(signal: .rolePlay, points: 55, parts: [.youAreNow, .unrestricted], reach: 120),
        Rule(signal: .rolePlay, points: 50, parts: [.pretend, .unrestricted], reach: 100),
        Rule(signal: .rolePlay, points: 55, parts: [.youAreNow, .noLimits], reach: 160),
        Rule(signal: .rolePlay, points: 50, parts: [.pretend, .noLimits], reach: 160),
        Rule(signal: .rolePlay, points: 60, parts: [.jailbreak], reach: 0),
        Rule(signal: .rolePlay, points: 20, parts: [.youAreNow, .pretend], reach: 120),
        Rule(signal: .extraction, points: 60, parts: [.reveal, .yourPrompt], reach: 60),
        Rule(signal: .extraction, points: 50, parts: [.ask, .yourPrompt], reach: 30),
        Rule(signal: .extraction, points: 50, parts: [.reveal, .systemPrompt], reach: 34),
        Rule(signal: .extraction, points: 30, parts: [.reveal, .verbatim, .systemPrompt], reach: 100),
        Rule(signal: .extraction, points: 30, parts: [.reveal, .verbatim, .yourPrompt], reach: 120),
        Rule(signal: .extraction, points: 50, parts: [.reveal, .verbatim, .textAbove], reach: 100),
        Rule(signal: .payload, points: 50, parts: [.decode, .obey], reach: 100),
        Rule(signal: .toolInstruction, points: 45, parts: [.machine, .hide], reach: 300),
        Rule(signal: .toolInstruction, points: 50, parts: [.hide, .send], reach: 200),
        Rule(signal: .toolInstruction, points: 50, parts: [.machine, .send, .privateData], reach: 200),
        Rule(signal: .toolInstruction, points: 30, parts: [.machine, .send], reach: 60, isForTools: true),
        Rule(signal: .toolInstruction, points: 30, parts: [.send, .privateData], reach: 80, isForTools: true),
        Rule(signal: .toolInstruction, points: 40, parts: [.hide], reach: 0, isForTools: true),
        Rule(signal: .toolInstruction, points: 30, parts: [.machine, .newTask], reach: 100, isForTools: true),
    ]
}

/// What was found in one text.
struct Score: Sendable {
    /// The points of each signal: its strongest rule, and half of each other one.
    private(set) var points: [Signal: Int] = [:]
    private var fired: Set<Int> = []

    var total: Int { points.values.reduce(0, +) }

    mutating func fire(rule index: Int) {
        guard fired.insert(index).inserted else { return }
        add(Rule.all[index].points, to: Rule.all[index].signal)
    }

    mutating func add(_ more: Int, to signal: Signal) {
        let known = points[signal] ?? 0
        points[signal] = max(known, more) + min(known, more) / 2
    }

    /// A text that talks about attacks is less likely one.
    mutating func halve() {
        for (signal, value) in points where signal != .markup && signal != .invisible { points[signal] = value / 2 }
    }
}

/// The words of all meanings in one finder, and the rules over what it finds.
struct PhraseRules: Sendable {
    static let shared = PhraseRules()
    private var finder = WordFinder(tricks: true)
    private var meanings: [Meaning] = []
    private static let bits = 27

    private init() {
        var places: [String: Int] = [:]
        for (meaning, words) in Phrases.all {
            for word in words.split(whereSeparator: { $0 == "," || $0 == "\n" }) {
                var key = String(word.drop { $0 == " " })
                // Korean words take endings without a space.
                if let last = key.unicodeScalars.last, 0xAC00...0xD7A3 ~= last.value { key += "*" }
                if let place = places[key] {
                    meanings[place].formUnion(meaning)
                } else {
                    places[key] = meanings.count
                    meanings.append(meaning)
                }
            }
        }
        // Words that fold to the same share their meanings: the finder keeps the first.
        var folded: [[UInt32]: Int] = [:]
        for (word, place) in places.sorted(by: { $0.value < $1.value }) {
            let symbols = Folding.symbols(of: word)
            if let first = folded[symbols] {
                meanings[first].formUnion(meanings[place])
            } else {
                folded[symbols] = place
                finder.add(word, finding: place)
            }
        }
    }

    /// Where each meaning was last seen, in bytes of the text.
    private struct Trail {
        var begins = [Int](repeating: -1, count: PhraseRules.bits)
        var negatedAt = -1
        var isAbout = false
    }

    /// Adds the signals of a text's words to a score.
    func judge(_ text: Text, isTool: Bool, _ folded: inout FoldedText, _ score: inout Score) {
        var trail = Trail()
        var scanner = TextScanner()
        var fresh = Score()
        _ = scanner.scan(text, isLast: true, for: finder, &folded) { range, _, finding in
            note(meanings[finding], range, isTool, &trail, &fresh)
        }
        if trail.isAbout { fresh.halve() }
        for (signal, points) in fresh.points { score.add(points, to: signal) }
    }

    private func note(
        _ meaning: Meaning, _ range: Range<Int>, _ isTool: Bool, _ trail: inout Trail, _ score: inout Score
    ) {
        if meaning.contains(.negation) { trail.negatedAt = range.upperBound }
        if meaning.contains(.about) { trail.isAbout = true }
        // "Do not ignore …" is no attempt.
        let isNegated = meaning.contains(.ignore) && trail.negatedAt >= 0 && range.lowerBound - trail.negatedAt <= 2
        for bit in 0..<Self.bits where meaning.rawValue & 1 << UInt32(bit) != 0 {
            if isNegated, bit == Meaning.ignore.rawValue.trailingZeroBitCount { continue }
            trail.begins[bit] = range.lowerBound
        }
        for (index, rule) in Rule.all.enumerated() where isTool || !rule.isForTools {
            guard rule.parts.contains(where: { meaning.contains($0) }) else { continue }
            let oldest = rule.parts.map { trail.begins[$0.rawValue.trailingZeroBitCount] }.min() ?? -1
            if oldest >= 0, range.lowerBound - oldest <= rule.reach { score.fire(rule: index) }
        }
    }
}
