// What a check says in hook_results, written member by member into memory of its own: a JSON value, or appends to an
// Array, would cost more than the check.

import PluginSDK

/// Verdict and data of one check.
struct Findings: ~Copyable {
    let passed: Bool
    private var data = Buffer()

    /// `explanation` must need no escapes, nor may keys.
    init(_ passed: Bool, _ explanation: StaticString) {
        self.passed = passed
        data.append("{\"explanation\":\"")
        data.append(explanation)
        data.append("\"")
    }

    mutating func add(_ key: StaticString, _ value: Bool) {
        begin(key)
        data.append(value ? "true" : "false")
    }

    mutating func add(_ key: StaticString, _ value: Int) {
        begin(key)
        var digits = String(value)
        digits.withUTF8 { data.append($0) }
    }

    mutating func add(_ key: StaticString, _ value: String) {
        begin(key)
        data.append(quoted: value)
    }

    mutating func add(_ key: StaticString, _ values: some Sequence<String>) {
        begin(key)
        data.append("[")
        var isFirst = true
        for value in values {
            if !isFirst { data.append(",") }
            isFirst = false
            data.append(quoted: value)
        }
        data.append("]")
    }

    /// A JSON value that is at hand as bytes.
    mutating func add(_ key: StaticString, raw json: [UInt8]) {
        begin(key)
        json.withUnsafeBufferPointer { data.append($0) }
    }

    /// The first 100 characters, counted in UTF-16 units as Portkey does, of the texts joined by newlines.
    mutating func addExcerpt(_ texts: some Sequence<Text>) {
        begin("textExcerpt")
        data.append("\"")
        var room = 100
        var isFirst = true
        for text in texts {
            if !isFirst {
                if room > 0 { data.append("\\n") }
                room -= 1
            }
            isFirst = false
            let end = text.bytes.endOfPrefix(utf16: &room)
            data.append(escaping: UnsafeBufferPointer(rebasing: text.bytes[..<end]))
            if end < text.count { room = -1 }
            if room < 0 { break }
        }
        data.append(room < 0 ? "...\"" : "\"")
    }

    mutating func addExcerpt(_ segments: Segments) {
        addExcerpt(segments.lazy.map(\.text))
    }

    private mutating func begin(_ key: StaticString) {
        data.append(",\"")
        data.append(key)
        data.append("\":")
    }

    consuming func report(to exchange: Exchange) throws(PluginFailure) {
        data.append("}")
        try exchange.report(passed: passed, data: data.text)
    }
}

/// Memory that bytes are appended to.
private struct Buffer: ~Copyable {
    private var start = UnsafeMutablePointer<UInt8>.allocate(capacity: 512)
    private var capacity = 512
    private var count = 0

    deinit { start.deallocate() }

    /// What has been written, for as long as nothing more is.
    var text: Text { Text(UnsafeBufferPointer(start: start, count: count)) }

    mutating func append(_ literal: StaticString) {
        append(UnsafeBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount))
    }

    mutating func append(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard let source = bytes.baseAddress else { return }
        if count + bytes.count > capacity { grow(for: bytes.count) }
        (start + count).update(from: source, count: bytes.count)
        count += bytes.count
    }

    private mutating func grow(for more: Int) {
        capacity = max(2 * capacity, count + more)
        let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
        larger.update(from: start, count: count)
        start.deallocate()
        start = larger
    }

    mutating func append(quoted text: String) {
        append("\"")
        var text = text
        text.withUTF8 { append(escaping: $0) }
        append("\"")
    }

    mutating func append(escaping text: UnsafeBufferPointer<UInt8>) {
        guard text.contains(where: { $0 < 0x20 || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") }) else {
            return append(text)
        }
        var escaped: [UInt8] = []
        escaped.append(escaping: text)
        escaped.withUnsafeBufferPointer { append($0) }
    }
}

extension UnsafeBufferPointer<UInt8> {
    /// How many bytes of whole characters fit into a number of UTF-16 units, which is lessened by what they take.
    func endOfPrefix(utf16 room: inout Int) -> Int {
        var end = 0
        while end < count, room > 0 {
            let (bytes, units) = self[end].characterSize
            guard units <= room else { break }
            room -= units
            end = Swift.min(end + bytes, count)
        }
        return end
    }
}

extension UInt8 {
    /// Of the character that begins with this byte: its size in UTF-8 and in UTF-16.
    var characterSize: (bytes: Int, units: Int) {
        switch self {
        case ..<0xC0: (1, 1)
        case ..<0xE0: (2, 1)
        case ..<0xF0: (3, 1)
        default: (4, 2)
        }
    }
}
