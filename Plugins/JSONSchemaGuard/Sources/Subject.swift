// Subject: the texts that are judged together. In an answer each choice has its own; a request is one.

import PluginSDK

struct Subject {
    /// Each is searched by itself.
    let texts: [Text]

    private init(_ texts: [Text]) {
        self.texts = texts
    }

    /// Everything that was written in the messages of a request.
    static func request(_ exchange: Exchange) -> Subject {
        Subject(exchange.texts(.request, .text).map(\.text))
    }

    /// Calls `judge` with the answer's text of each choice: its text blocks in one, since JSON may go over several of
    /// them. Titles, citations and transcripts beside it are no answer.
    static func forEachChoice(
        _ exchange: Exchange, _ judge: (Subject) throws(PluginFailure) -> Void
    ) throws(PluginFailure) {
        var choices: [(index: Int, texts: [Text])] = []
        for segment in exchange.texts(.response, .text) where segment.isOfAnswer {
            if choices.last?.index != segment.index { choices.append((segment.index, [])) }
            choices[choices.count - 1].texts.append(segment.text)
        }
        for choice in choices {
            if choice.texts.count == 1 {
                try judge(Subject(choice.texts))
            } else {
                let joined = choice.texts.flatMap { $0.bytes }
                try joined.withUnsafeBufferPointer { bytes throws(PluginFailure) in try judge(Subject([Text(bytes)])) }
            }
        }
    }

    var isBlank: Bool {
        texts.allSatisfy { $0.bytes.allSatisfy { $0 == 0x20 || (0x09...0x0D).contains($0) } }
    }
}

extension Segment {
    /// The member is the message's content or one of its text parts.
    fileprivate var isOfAnswer: Bool {
        guard let pointer else { return true }
        let name = pointer.bytes.reversed().prefix { $0 != UInt8(ascii: "/") }.reversed()
        guard name.elementsEqual("content".utf8) || name.elementsEqual("text".utf8) else { return false }
        return !pointer.contains("/citations/") && !pointer.contains("/annotations/")
    }
}

extension Text {
    fileprivate func contains(_ word: StaticString) -> Bool {
        let length = word.utf8CodeUnitCount
        guard count >= length else { return false }
        return (0...(count - length)).contains { self[$0..<$0 + length] == word }
    }

    /// The first 100 characters.
    var excerpt: String {
        var end = 0
        var characters = 0
        while end < count, characters < 100 {
            end += 1
            while end < count, bytes[end] & 0xC0 == 0x80 { end += 1 }
            characters += 1
        }
        return self[0..<end].string + (end < count ? "..." : "")
    }
}
