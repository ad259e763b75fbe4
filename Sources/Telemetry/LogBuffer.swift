// LogBuffer: bytes of log lines that wait for the writer, and how things are written into them.
//
// A line is made by appending to bytes that are there already: no String is built. Numbers and times are put out
// digit by digit, and the date is worked out once a second. What comes from outside is escaped here, so that nobody
// can forge a line, break the JSON, or send commands to the terminal that shows it.

package struct LogBuffer: ~Copyable, @unchecked Sendable {
    private var base: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    private(set) var count = 0
    /// "2026-01-31T09:05:00" of `second`.
    private var date: [UInt8] = []
    private var second = Int64.min

    init() {
        capacity = 4096
        base = .allocate(capacity: capacity)
    }

    deinit { base.deallocate() }

    var array: [UInt8] { Array(UnsafeBufferPointer(start: base, count: count)) }

    func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) { body(UnsafeRawBufferPointer(start: base, count: count)) }

    /// Empties the buffer. A burst's memory is not kept for ever.
    mutating func removeAll() {
        count = 0
        guard capacity > 1 << 20 else { return }
        base.deallocate()
        capacity = 4096
        base = .allocate(capacity: capacity)
    }

    @inline(__always)
    private mutating func reserve(_ extra: Int) {
        if count + extra > capacity { grow(extra) }
    }

    @inline(never)
    private mutating func grow(_ extra: Int) {
        capacity = max(capacity * 2, count + extra)
        let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
        larger.update(from: base, count: count)
        base.deallocate()
        base = larger
    }

    @inline(__always)
    mutating func append(_ text: StaticString) {
        append(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    @inline(__always)
    mutating func append(_ byte: UInt8) {
        reserve(1)
        base[count] = byte
        count += 1
    }

    @inline(__always)
    mutating func append(_ buffer: UnsafeBufferPointer<UInt8>) {
        guard let source = buffer.baseAddress else { return }
        reserve(buffer.count)
        (base + count).update(from: source, count: buffer.count)
        count += buffer.count
    }

    mutating func append(decimal value: Int) {
        if value < 0 { append(UInt8(ascii: "-")) }
        var rest = value.magnitude
        var width = 1
        var bound: UInt = 10
        while width < 20, rest >= bound {
            width += 1
            bound = width < 20 ? bound &* 10 : .max
        }
        reserve(width)
        count += width
        var at = count
        for _ in 0..<width {
            at -= 1
            let quotient = rest / 10
            base[at] = 0x30 + UInt8(truncatingIfNeeded: rest &- quotient &* 10)
            rest = quotient
        }
    }

    /// Nanoseconds as milliseconds with three decimals: 12.345.
    mutating func append(milliseconds nanoseconds: Int64) {
        let microseconds = Int(max(nanoseconds, 0) / 1000)
        append(decimal: microseconds / 1000)
        append(fraction: microseconds % 1000)
    }

    /// RFC 3339 with milliseconds, UTC: 2026-01-31T09:05:00.250Z.
    mutating func append(timestamp nanoseconds: Int64) {
        setDate(nanoseconds)
        date.withUnsafeBufferPointer { append($0) }
        append(fraction: Int(max(nanoseconds, 0) / 1_000_000 % 1000))
        append(UInt8(ascii: "Z"))
    }

    /// The time of day alone, UTC: 09:05:00.250.
    mutating func append(timeOfDay nanoseconds: Int64) {
        setDate(nanoseconds)
        date.withUnsafeBufferPointer { append(UnsafeBufferPointer(rebasing: $0[11...])) }
        append(fraction: Int(max(nanoseconds, 0) / 1_000_000 % 1000))
    }

    private mutating func append(fraction thousandths: Int) {
        reserve(4)
        base[count] = UInt8(ascii: ".")
        base[count + 1] = 0x30 + UInt8(truncatingIfNeeded: thousandths / 100)
        base[count + 2] = 0x30 + UInt8(truncatingIfNeeded: thousandths / 10 % 10)
        base[count + 3] = 0x30 + UInt8(truncatingIfNeeded: thousandths % 10)
        count += 4
    }

    private mutating func setDate(_ nanoseconds: Int64) {
        let now = max(nanoseconds, 0) / 1_000_000_000
        guard now != second else { return }
        second = now
        let (year, month, day) = Self.civil(days: now / 86400)
        let time = now % 86400
        date.removeAll(keepingCapacity: true)
        func pair(_ value: Int64) {
            date.append(0x30 + UInt8(truncatingIfNeeded: value / 10))
            date.append(0x30 + UInt8(truncatingIfNeeded: value % 10))
        }
        pair(year / 100)
        pair(year % 100)
        date.append(UInt8(ascii: "-"))
        pair(month)
        date.append(UInt8(ascii: "-"))
        pair(day)
        date.append(UInt8(ascii: "T"))
        pair(time / 3600)
        date.append(UInt8(ascii: ":"))
        pair(time / 60 % 60)
        date.append(UInt8(ascii: ":"))
        pair(time % 60)
    }

    /// The Gregorian date of a day after 1970 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    private static func civil(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }

    // MARK: What comes from outside

    /// `text` as the inside of a JSON string, at most about `limit` bytes of it.
    mutating func append(json text: String, limit: Int = 512) {
        let written: Void? = text.utf8.withContiguousStorageIfAvailable { append(json: $0, limit: limit) }
        // Not stored as UTF-8: Linux has no such strings.
        if written == nil { Array(text.utf8).withUnsafeBufferPointer { append(json: $0, limit: limit) } }
    }

    private mutating func append(json text: UnsafeBufferPointer<UInt8>, limit: Int) {
        let end = Self.end(of: text, limit: limit)
        // A byte takes at most six: \u001f.
        reserve(end * 6 + 3)
        var read = 0
        while read < end {
            // Eight bytes that stand for themselves are the rule.
            if read + 8 <= end {
                let word = UnsafeRawPointer(text.baseAddress.unsafelyUnwrapped + read).loadUnaligned(as: UInt64.self)
                if !Self.hasSpecial(word) {
                    UnsafeMutableRawPointer(base + count).storeBytes(of: word, as: UInt64.self)
                    read += 8
                    count += 8
                    continue
                }
            }
            let byte = text[read]
            if byte >= 0x20, byte != 0x22, byte != 0x5C, byte != 0x7F {
                base[count] = byte
                count += 1
            } else {
                escape(json: byte)
            }
            read += 1
        }
        if end < text.count { append("...") }
    }

    /// Whether a byte is below 0x20, a quotation mark, a backslash, or DEL (which JSON allows, but no log needs). May
    /// err on the side of yes. (Mycroft's trick, one lane for each byte.)
    @inline(__always)
    private static func hasSpecial(_ word: UInt64) -> Bool {
        let ones: UInt64 = 0x0101_0101_0101_0101
        func hasZero(_ lanes: UInt64) -> UInt64 { (lanes &- ones) & ~lanes }
        let control = (word &- ones &* 0x20) & ~word
        let special =
            control | hasZero(word ^ ones &* 0x22) | hasZero(word ^ ones &* 0x5C) | hasZero(word ^ ones &* 0x7F)
        return special & ones &* 0x80 != 0
    }

    /// A byte that cannot stand for itself.
    @inline(never)
    private mutating func escape(json byte: UInt8) {
        append(0x5C)
        switch byte {
        case 0x22, 0x5C: append(byte)
        case 0x0A: append(UInt8(ascii: "n"))
        case 0x09: append(UInt8(ascii: "t"))
        case 0x0D: append(UInt8(ascii: "r"))
        default:
            append("u00")
            append(hex(byte >> 4))
            append(hex(byte & 15))
        }
    }

    /// What must not stand in a text for people, beside control characters.
    enum Place {
        /// Up to the end of the sentence.
        case free
        /// Between quotation marks.
        case quoted
        /// Up to the next space.
        case word
    }

    /// `text` for people: what does not belong in its place becomes \x1b.
    mutating func append(text: String, _ place: Place = .word, limit: Int = 512) {
        let written: Void? = text.utf8.withContiguousStorageIfAvailable { append(text: $0, place, limit: limit) }
        if written == nil { Array(text.utf8).withUnsafeBufferPointer { append(text: $0, place, limit: limit) } }
    }

    private mutating func append(text: UnsafeBufferPointer<UInt8>, _ place: Place, limit: Int) {
        let end = Self.end(of: text, limit: limit)
        reserve(end * 4 + 3)
        for index in 0..<end {
            let byte = text[index]
            // U+0080 to U+009F are commands to some terminals; they are C2 80 to C2 9F.
            let isCommand = (0x80...0x9F).contains(byte) && index > 0 && text[index - 1] == 0xC2
            let isMark = byte == 0x22 && place != .free || byte == 0x20 && place == .word
            guard byte < 0x20 || byte == 0x7F || isCommand || isMark else {
                append(byte)
                continue
            }
            if isCommand { count -= 1 }
            append("\\x")
            append(hex(byte >> 4))
            append(hex(byte & 15))
        }
        if end < text.count { append("...") }
    }

    /// Where to cut `text` so that at most `limit` bytes remain: before a character.
    private static func end(of text: UnsafeBufferPointer<UInt8>, limit: Int) -> Int {
        guard text.count > limit else { return text.count }
        var end = limit
        while end > 0, text[end] & 0xC0 == 0x80 { end -= 1 }
        return end
    }
}

private func hex(_ nibble: UInt8) -> UInt8 { nibble < 10 ? 0x30 + nibble : 0x57 + nibble }
