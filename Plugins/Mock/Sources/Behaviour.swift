// What the double does, chosen by the target's `mode` or else by the model's name.

import PluginSDK

enum Behaviour: Equatable {
    /// The fixed text, or a tool call where tools are offered.
    case text
    /// The last user message, in pieces of so many characters (0: words).
    case echo(Int)
    /// A tool call, also when no tool is offered.
    case tool
    /// A long answer, slowly.
    case slow
    /// A stream that breaks off.
    case cut
    /// This status, for so many attempts (0: always).
    case failure(Int, attempts: Int)

    /// nil: the name says nothing.
    init?(named name: String) {
        let words = name.split(separator: "-", omittingEmptySubsequences: false)
        let numbers = words.dropFirst().map { Int($0) ?? -1 }
        switch (words.first ?? "", numbers.count) {
        case ("text", 0): self = .text
        case ("echo", 0): self = .echo(0)
        case ("echo", 1) where numbers[0] > 0: self = .echo(numbers[0])
        case ("tool", 0): self = .tool
        case ("slow", 0): self = .slow
        case ("cut", 0): self = .cut
        case ("error", 1), ("err", 1):
            guard Self.statuses.contains(numbers[0]) else { return nil }
            self = .failure(numbers[0], attempts: 0)
        case ("flaky", 2):
            guard Self.statuses.contains(numbers[0]), numbers[1] > 0 else { return nil }
            self = .failure(numbers[0], attempts: numbers[1])
        default: return nil
        }
    }

    private static let statuses = 400...599

    /// The status that an attempt fails with.
    func failure(ofAttempt attempt: Int) -> Int? {
        guard case .failure(let status, let attempts) = self else { return nil }
        return attempts == 0 || attempt <= attempts ? status : nil
    }

    /// The text as it is streamed.
    func pieces(of text: String) -> [String] {
        if case .echo(let length) = self, length > 0 {
            var rest = Substring(text)
            var pieces: [String] = []
            while !rest.isEmpty {
                pieces.append(String(rest.prefix(length)))
                rest = rest.dropFirst(length)
            }
            return pieces
        }
        return Self.words(text)
    }

    /// Words with the space behind them: together they are the text.
    private static func words(_ text: String) -> [String] {
        var words: [String] = []
        var word = ""
        for character in text {
            word.append(character)
            if character == " " {
                words.append(word)
                word = ""
            }
        }
        if !word.isEmpty { words.append(word) }
        return words
    }

    /// Milliseconds before each piece of a stream, and before a whole answer.
    func delay(_ configured: Int, isStream: Bool) -> Int {
        guard self == .slow else { return configured }
        return isStream ? max(configured, 50) : max(configured, 5000)
    }

    /// What `slow` says: 200 words of one length.
    static var longText: String {
        (0..<200).map { number in
            let digits = String(number)
            return "w" + String(repeating: "0", count: 3 - digits.count) + digits
        }.joined(separator: " ")
    }
}

/// Rough counts, so that accounting has something to count: a token is four bytes.
enum Tokens {
    static func count(_ text: String) -> Int { (text.utf8.count + 3) / 4 }

    /// All strings of a value.
    static func count(_ json: JSON?) -> Int {
        switch json {
        case .string(let text): count(text)
        case .array(let elements): elements.reduce(0) { $0 + count($1) }
        case .object(let members): members.reduce(0) { $0 + count($1.value) }
        default: 0
        }
    }
}
