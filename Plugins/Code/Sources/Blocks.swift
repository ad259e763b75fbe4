// Blocks: where in a text there is code. One pass, line by line: fenced blocks by their fences, other code by runs of
// lines that speak for it.

import PluginSDK

struct Block {
    /// With its fences.
    let range: Range<Int>
    let language: String
    let isFenced: Bool
}

struct BlockFinder {
    let findsFenced: Bool
    let findsUnfenced: Bool
    /// What must speak for code that has no fence.
    let threshold: Int

    /// More are not told of one by one: they end as one block.
    private static let maximumBlocks = 10_000

    func blocks(in text: Text) -> [Block] {
        var walk = Walk(text: text, finder: self)
        while let line = walk.nextLine() { walk.take(line) }
        return walk.finish()
    }

    private struct Walk {
        let text: Text
        let finder: BlockFinder
        var position = 0
        var blocks: [Block] = []
        var run = Run()

        /// Lines that speak for code, with what may stand between them.
        struct Run {
            var start = 0
            var end = 0
            var lines = 0
            var gap = 0
            var scores = Scores()
            /// Of the strongest line.
            var most = 0
        }

        init(text: Text, finder: BlockFinder) {
            self.text = text
            self.finder = finder
        }

        mutating func nextLine() -> Range<Int>? {
            guard position < text.count else { return nil }
            let start = position
            while position < text.count, text.bytes[position] != 0x0A { position += 1 }
            defer { position = min(position + 1, text.count) }
            return start..<position
        }

        mutating func take(_ line: Range<Int>) {
            if let fence = fence(in: line) {
                endRun()
                takeFenced(fence)
            } else if finder.findsUnfenced {
                takeUnfenced(line)
            }
        }

        mutating func finish() -> [Block] {
            endRun()
            return blocks
        }

        // MARK: Fences

        /// Three backticks anywhere in a line, or three tildes at its beginning.
        private func fence(in line: Range<Int>) -> Range<Int>? {
            var at = line.lowerBound
            while at + 3 <= line.upperBound {
                if isMark(at, UInt8(ascii: "`")) { return run(at, line) }
                at += 1
            }
            at = line.lowerBound
            while at < line.upperBound, text.bytes[at] == 0x20 { at += 1 }
            return at + 3 <= line.upperBound && isMark(at, UInt8(ascii: "~")) ? run(at, line) : nil
        }

        private func isMark(_ at: Int, _ mark: UInt8) -> Bool {
            text.bytes[at] == mark && text.bytes[at + 1] == mark && text.bytes[at + 2] == mark
        }

        private func run(_ start: Int, _ line: Range<Int>) -> Range<Int> {
            var end = start
            while end < line.upperBound, text.bytes[end] == text.bytes[start] { end += 1 }
            return start..<end
        }

        /// From the opening fence to the closing one, or to the end.
        private mutating func takeFenced(_ fence: Range<Int>) {
            let mark = text.bytes[fence.lowerBound]
            var at = fence.upperBound
            while at < text.count, text.bytes[at].isOfLabel { at += 1 }
            let label = text[fence.upperBound..<at]
            let start = at
            var end = text.count
            var next = text.count
            while at < text.count {
                var length = 0
                while at + length < text.count, text.bytes[at + length] == mark { length += 1 }
                if length >= fence.count {
                    end = at
                    next = at + length
                    break
                }
                at += max(length, 1)
            }
            position = next
            guard finder.findsFenced else { return }
            // Where the rest of the opening line is a name with a space in it or attributes, the label is its first word.
            let language = label.isEmpty ? guess(text[start..<end]) : Language.name(of: label.string)
            guard !Language.prose.contains(language) else { return }
            add(Block(range: fence.lowerBound..<next, language: language, isFenced: true))
        }

        /// What an unlabelled block looks like, by its first lines.
        private func guess(_ content: Text) -> String {
            guard content.count >= 8 else { return Language.unknown }
            var scores = Scores()
            var lines = 0
            var at = 0
            while at < content.count, lines < 200 {
                let start = at
                while at < content.count, content.bytes[at] != 0x0A { at += 1 }
                if let found = Line(content[start..<at]).scores() { scores += found }
                at += 1
                lines += 1
            }
            guard let best = scores.best, best.score >= 3 else { return Language.unknown }
            return best.language.name
        }

        // MARK: Without fences

        private mutating func takeUnfenced(_ place: Range<Int>) {
            let line = Line(text[place])
            if let scores = line.scores(), let best = scores.best {
                if run.lines == 0 { run.start = place.lowerBound }
                run.scores += scores
                run.lines += 1
                run.most = max(run.most, best.score)
                run.end = place.upperBound
                run.gap = 0
            } else if run.lines > 0 {
                // Blank lines, comments and a line that says nothing may stand within code.
                run.gap += line.isBlank || line.isComment ? 1 : 2
                if run.gap > 3 || (!line.isBlank && !line.isComment && line.words.count > 6) { endRun() }
            }
        }

        private mutating func endRun() {
            defer { run = Run() }
            guard run.lines > 0, let best = run.scores.best, best.score >= finder.threshold else { return }
            // One line is enough only when it says much.
            guard run.lines >= 2 || run.most >= finder.threshold else { return }
            add(Block(range: run.start..<run.end, language: best.language.name, isFenced: false))
        }

        private mutating func add(_ block: Block) {
            if blocks.count >= BlockFinder.maximumBlocks, let last = blocks.popLast() {
                blocks.append(
                    Block(
                        range: last.range.lowerBound..<block.range.upperBound, language: last.language,
                        isFenced: last.isFenced))
            } else {
                blocks.append(block)
            }
        }
    }
}

extension UInt8 {
    fileprivate var isOfLabel: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "+"), UInt8(ascii: "#"),
            UInt8(ascii: "-"):
            true
        default: false
        }
    }
}
