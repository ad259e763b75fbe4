// What checks of streams have in common. A window is cut anywhere in a text: its end is no end and its start no start.

import PluginSDK

/// What a check remembers of a stream. Calls for one exchange and instance are serial.
class StreamProgress {
    private var isBroken = false
    /// Segments whose window begins with a character that has been searched already: the context that patterns such as
    /// `^` and `\b` look at.
    private var withContext: Set<UInt64> = []

    /// Whether it is time to say what was found. A broken rule is reported at once, once and for all: then the host can
    /// still hold back the text that broke it. A rule that more text can fulfil waits for the end of the answer's text.
    func mayReport(_ window: Window, isBroken: Bool, canOnlyBreak: Bool) -> Bool {
        guard !self.isBroken else { return false }
        self.isBroken = isBroken
        return isBroken || window.isLast && (canOnlyBreak || window.segment.kind == .text)
    }

    /// Where the search begins.
    func searchStart(_ window: Window) -> Int {
        guard withContext.contains(window.segment.id), !window.text.isEmpty else { return 0 }
        return min(window.text.bytes[0].characterSize.bytes, window.text.count)
    }

    /// Lets go what has been searched, less one character of context unless that has been edited.
    func release(_ window: inout Window, upTo end: Int, keepingContext: Bool) {
        guard !window.isLast else { return }
        window.releasedTo = end
        guard end > 0 else { return }
        if keepingContext {
            window.releasedTo = window.text.bytes.characterStart(atOrBefore: end - 1)
            withContext.insert(window.segment.id)
        } else {
            withContext.remove(window.segment.id)
        }
    }
}

extension Window {
    /// Leaves at least this many bytes for the next window, cut between characters.
    mutating func holdBack(_ bytes: Int) {
        guard !isLast else { return }
        releasedTo = text.bytes.characterStart(atOrBefore: max(0, min(releasedTo, text.count - bytes)))
    }
}

extension UnsafeBufferPointer<UInt8> {
    func characterStart(atOrBefore offset: Int) -> Int {
        var offset = offset
        while offset > 0, offset < count, self[offset] & 0xC0 == 0x80 { offset -= 1 }
        return offset
    }
}
