// Format: the names that "format" may have, as far as they are checked, and what they mean. Others are never asserted.

internal import Core
internal import Patterns

enum Format: String, Sendable {
    case dateTime = "date-time"
    case date
    case time
    case duration
    case email
    case hostname
    case ipv4
    case ipv6
    case uri
    case uriReference = "uri-reference"
    case iri
    case iriReference = "iri-reference"
    case uriTemplate = "uri-template"
    case uuid
    case jsonPointer = "json-pointer"
    case relativeJSONPointer = "relative-json-pointer"
    case regex

    var words: String {
        switch self {
        case .dateTime: "a date and time (RFC 3339)"
        case .date: "a date (RFC 3339)"
        case .time: "a time (RFC 3339)"
        case .duration: "a duration (RFC 3339)"
        case .email: "an e-mail address"
        case .hostname: "a host name"
        case .ipv4: "an IPv4 address"
        case .ipv6: "an IPv6 address"
        case .uri: "a URI"
        case .uriReference: "a URI reference"
        case .iri: "an IRI"
        case .iriReference: "an IRI reference"
        case .uriTemplate: "a URI template"
        case .uuid: "a UUID"
        case .jsonPointer: "a JSON pointer"
        case .relativeJSONPointer: "a relative JSON pointer"
        case .regex: "a regular expression"
        }
    }

    func accepts(_ text: String) -> Bool {
        var scan = Scan(text)
        return switch self {
        case .dateTime: scan.dateTime() && scan.isAtEnd
        case .date: scan.date() && scan.isAtEnd
        case .time: scan.time() && scan.isAtEnd
        case .duration: scan.duration() && scan.isAtEnd
        case .email: NetworkNames.isEmail(scan.rest)
        case .hostname: NetworkNames.isHostname(scan.rest)
        case .ipv4: NetworkNames.isIPv4(scan.rest)
        case .ipv6: NetworkNames.isIPv6(scan.rest)
        case .uri: URISyntax.isReference(scan.rest, absolute: true, ascii: true)
        case .uriReference: URISyntax.isReference(scan.rest, absolute: false, ascii: true)
        case .iri: URISyntax.isReference(scan.rest, absolute: true, ascii: false)
        case .iriReference: URISyntax.isReference(scan.rest, absolute: false, ascii: false)
        case .uriTemplate: URISyntax.isTemplate(scan.rest)
        case .uuid: scan.uuid() && scan.isAtEnd
        case .jsonPointer: JSONPointer(parsing: text) != nil
        case .relativeJSONPointer: scan.relativeJSONPointer()
        case .regex: (try? ECMAPattern.compile(text)) != nil
        }
    }
}

/// A cursor over the bytes of a text.
struct Scan {
    private(set) var rest: ArraySlice<UInt8>

    init(_ text: String) { rest = Array(text.utf8)[...] }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard let first = rest.first, UInt32(first) == character.value else { return false }
        rest.removeFirst()
        return true
    }

    /// Either case of a letter.
    mutating func take(letter: Unicode.Scalar) -> Bool {
        guard let first = rest.first, UInt32(first | 0x20) == letter.value else { return false }
        rest.removeFirst()
        return true
    }

    mutating func number(digits: Int) -> Int? {
        guard rest.count >= digits, rest.prefix(digits).allSatisfy(\.isDigit) else { return nil }
        let value = rest.prefix(digits).reduce(0) { $0 * 10 + Int($1 - 0x30) }
        rest = rest.dropFirst(digits)
        return value
    }

    /// One digit or more.
    mutating func digits() -> Bool {
        let count = rest.prefix(while: \.isDigit).count
        rest = rest.dropFirst(count)
        return count > 0
    }

    // MARK: RFC 3339

    mutating func date() -> Bool {
        guard let year = number(digits: 4), take("-"), let month = number(digits: 2), take("-"),
            let day = number(digits: 2), (1...12).contains(month)
        else { return false }
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        return (1...days[month - 1]).contains(day)
    }

    mutating func time() -> Bool {
        guard let hour = number(digits: 2), take(":"), let minute = number(digits: 2), take(":"),
            let second = number(digits: 2), hour < 24, minute < 60, second <= 60
        else { return false }
        if take("."), !digits() { return false }
        guard let offset = offset() else { return false }
        // A leap second is the last of a UTC day.
        return second < 60 || (hour * 60 + minute - offset + 2880) % 1440 == 1439
    }

    /// Minutes east of UTC.
    private mutating func offset() -> Int? {
        if take(letter: "z") { return 0 }
        let sign = take("+") ? 1 : take("-") ? -1 : 0
        guard sign != 0, let hours = number(digits: 2), take(":"), let minutes = number(digits: 2), hours < 24,
            minutes < 60
        else { return nil }
        return sign * (hours * 60 + minutes)
    }

    mutating func dateTime() -> Bool { date() && take(letter: "t") && time() }

    /// RFC 3339, appendix A: weeks alone, or units from large to small, without one left out in between.
    mutating func duration() -> Bool {
        guard take("P") else { return false }
        var weeks = self
        if weeks.digits(), weeks.take("W") {
            self = weeks
            return true
        }
        let hasDate = units("YMD")
        guard take("T") else { return hasDate }
        return units("HMS")
    }

    private mutating func units(_ letters: String) -> Bool {
        var left = Array(letters.unicodeScalars)[...]
        var isFirst = true
        while rest.first?.isDigit == true {
            guard digits(), let place = left.firstIndex(where: { take($0) }), isFirst || place == left.startIndex else {
                return false
            }
            left = left[(place + 1)...]
            isFirst = false
        }
        return !isFirst
    }

    // MARK: Others

    mutating func uuid() -> Bool {
        for (index, count) in [8, 4, 4, 4, 12].enumerated() {
            if index > 0, !take("-") { return false }
            guard rest.count >= count, rest.prefix(count).allSatisfy(\.isHexDigit) else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    mutating func relativeJSONPointer() -> Bool {
        if !take("0"), !(rest.first != UInt8(ascii: "0") && digits()) { return false }
        if take("#") { return isAtEnd }
        return JSONPointer(parsing: String(decoding: rest, as: UTF8.self)) != nil
    }
}

extension UInt8 {
    var isDigit: Bool { self &- 0x30 < 10 }
    var isLetter: Bool { (self | 0x20) &- 0x61 < 26 }
    var isHexDigit: Bool { isDigit || (self | 0x20) &- 0x61 < 6 }
}
