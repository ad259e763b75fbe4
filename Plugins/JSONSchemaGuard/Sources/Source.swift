// Source: where in a text JSON is looked for.

import PluginSDK

enum Source: String {
    /// The text is nothing but JSON.
    case whole
    /// Markdown's fenced blocks.
    case fenced
    /// The first object or array in the text.
    case firstObject = "first-object"
    /// The whole, else fenced blocks and the objects and arrays beside them.
    case any

    init(_ config: JSON) throws(ConfigError) {
        guard let word = config["source"]?.string else {
            self = .any
            return
        }
        guard let source = Source(rawValue: word) else {
            throw ConfigError("Must be \"whole\", \"fenced\", \"first-object\" or \"any\"", at: "/source")
        }
        self = source
    }

    /// More pieces of one text than these are not judged: the check fails to judge.
    static let maximumCount = 1000

    /// Shows pieces of a text that may be JSON until `isEnough` says so. `isEnough` tells whether a piece is JSON at all
    /// (nil: it is not) and whether to stop.
    func search(_ text: Text, _ isEnough: (Text) throws(PluginFailure) -> Bool?) throws(PluginFailure) {
        var count = 0
        func show(_ range: Range<Int>) throws(PluginFailure) -> Bool? {
            count += 1
            guard count <= Self.maximumCount else {
                throw PluginFailure("There are more than \(Self.maximumCount) pieces that may be JSON in one text")
            }
            return try isEnough(text[range])
        }
        switch self {
        case .whole: _ = try show(0..<text.count)
        case .fenced:
            for block in FencedBlocks(text) where try show(block) == true { return }
        case .firstObject:
            for span in JSONSpans(text) where try show(span) != nil { return }
        case .any:
            if try show(0..<text.count) != nil { return }
            var blocks: [Range<Int>] = []
            for block in FencedBlocks(text) {
                guard let isDone = try show(block) else { continue }
                if isDone { return }
                blocks.append(block)
            }
            var next = blocks[...]
            for span in JSONSpans(text) {
                while let block = next.first, block.upperBound <= span.lowerBound { next.removeFirst() }
                if let block = next.first, block.overlaps(span) { continue }
                if try show(span) == true { return }
            }
        }
    }
}
