// CanonicalPath: the one spelling of a request target, on which everything that guards a path decides and which goes
// upstream.
//
// Whatever a server behind the gateway might read as the same path has to be the same here, or be refused: letters,
// digits and -._~ are decoded (RFC 3986, 6.2.2.2), other escapes are put in upper case, "//" and dot segments are
// resolved, a trailing slash goes. An escaped slash, a backslash, a control character or NUL in any spelling is
// refused: servers disagree about them.

package import Core

package struct CanonicalPath: Sendable, Equatable {
    /// Starts with a slash, and ends with one only when it is the root. Case stays.
    package let path: String
    /// What stands behind the question mark, as it came; nil without one.
    package let query: String?
    /// True when the target began with /v1/proxy/, which stands as /v1/ in `path`.
    package let isProxyPrefixed: Bool

    package var segments: [Substring] { path.split(separator: "/") }

    /// `target` as it stands in the request line: "/path?query", or with scheme and authority in front (RFC 9112,
    /// 3.2.2).
    package init(target: String) throws(GatewayError) {
        if let known = Self.common(target) {
            path = known
            query = nil
            isProxyPrefixed = false
            return
        }
        var rest = target.utf8[...]
        if rest.first != UInt8(ascii: "/") { rest = try Self.withoutOrigin(rest) }
        if let mark = rest.firstIndex(of: UInt8(ascii: "?")) {
            let text = rest[rest.index(after: mark)...]
            for byte in text where byte <= 0x20 || byte >= 0x7F || byte == UInt8(ascii: "#") {
                throw Self.refused("its query has a character that must be escaped")
            }
            query = String(Substring(text))
            rest = rest[..<mark]
        } else {
            query = nil
        }
        (path, isProxyPrefixed) = Self.withoutProxyPrefix(try Self.resolved(rest))
    }

    /// The targets of nearly all requests, which need no work and no allocation.
    private static func common(_ target: String) -> String? {
        let known =
            switch target.utf8.count {
            case 20: "/v1/chat/completions"
            case 15: "/v1/completions"
            case 14: "/v1/embeddings"
            case 12: "/v1/messages"
            case 10: "/v1/models"
            default: "/"
            }
        return target == known ? known : nil
    }

    private static func refused(_ reason: String) -> GatewayError {
        GatewayError(
            .invalidRequest, status: 400, "the request target is not acceptable: \(reason)", code: "invalid_path")
    }

    /// The path and query of an absolute-form target.
    private static func withoutOrigin(_ target: Substring.UTF8View) throws(GatewayError) -> Substring.UTF8View {
        let text = Substring(target)
        guard let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")),
            ["http", "https"].contains(text[..<colon].lowercased()), text[colon...].hasPrefix("://")
        else { throw refused("it is neither a path nor an http or https URL") }
        let authority = text.utf8[text.index(colon, offsetBy: 3)...]
        let slash = authority.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? authority.endIndex
        guard slash > authority.startIndex else { throw refused("its URL names no host") }
        if slash == authority.endIndex || authority[slash] == UInt8(ascii: "?") {
            return Substring("/" + Substring(authority[slash...])).utf8
        }
        return authority[slash...]
    }

    /// The path's segments, each in its one spelling, with the dots worked off.
    private static func resolved(_ path: Substring.UTF8View) throws(GatewayError) -> [[UInt8]] {
        var segments: [[UInt8]] = []
        for part in path.split(separator: UInt8(ascii: "/")) {
            let segment = try canonical(part)
            // A server that cuts parameters off a segment (";x") would see a dot segment.
            let name = segment.prefix { $0 != UInt8(ascii: ";") }
            let dots = name.allSatisfy { $0 == UInt8(ascii: ".") } ? name.count : 0
            if dots == 1 || dots == 2, name.count < segment.count {
                throw refused("it has a dot segment with parameters")
            }
            switch dots {
            case 1: break
            case 2: _ = segments.popLast()
            default: segments.append(segment)
            }
        }
        return segments
    }

    private static func canonical(_ segment: Substring.UTF8View) throws(GatewayError) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(segment.count)
        var bytes = segment.makeIterator()
        while let byte = bytes.next() {
            guard byte == UInt8(ascii: "%") else {
                try append(byte, isEscaped: false, to: &output)
                continue
            }
            guard let high = bytes.next().flatMap(JSONString.hexValue),
                let low = bytes.next().flatMap(JSONString.hexValue)
            else {
                throw refused("it has a percent sign that two hexadecimal digits do not follow")
            }
            try append(UInt8(high << 4 | low), isEscaped: true, to: &output)
        }
        return output
    }

    private static func append(_ byte: UInt8, isEscaped: Bool, to output: inout [UInt8]) throws(GatewayError) {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            output.append(byte)
        case UInt8(ascii: "/"): throw refused("it has an escaped slash")
        case UInt8(ascii: "\\"): throw refused("it has a backslash")
        case 0..<0x20, 0x7F: throw refused("it has a control character")
        case 0x80... where !isEscaped: throw refused("it has a character outside of ASCII that is not escaped")
        case UInt8(ascii: "#") where !isEscaped: throw refused("it has a fragment")
        case UInt8(ascii: "!"), UInt8(ascii: "$"), UInt8(ascii: "&"), UInt8(ascii: "'"), UInt8(ascii: "("),
            UInt8(ascii: ")"),
            UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: "="),
            UInt8(ascii: ":"),
            UInt8(ascii: "@"):
            // Reserved ones may mean something else when escaped: both spellings stay.
            if isEscaped { appendEscape(of: byte, to: &output) } else { output.append(byte) }
        default: appendEscape(of: byte, to: &output)
        }
    }

    private static func appendEscape(of byte: UInt8, to output: inout [UInt8]) {
        let digits: StaticString = "0123456789ABCDEF"
        output += [UInt8(ascii: "%"), digits.utf8Start[Int(byte >> 4)], digits.utf8Start[Int(byte & 15)]]
    }

    /// /v1/proxy/x is the older spelling of /v1/x, and nothing else: a guard on /v1/chat/completions holds for both.
    private static func withoutProxyPrefix(_ segments: [[UInt8]]) -> (String, Bool) {
        var segments = segments
        var isPrefixed = false
        // As often as it stands there: another gateway behind this one would read a second one the same way.
        while segments.count > 2, segments[0].elementsEqual("v1".utf8), segments[1].elementsEqual("proxy".utf8) {
            segments.remove(at: 1)
            isPrefixed = true
        }
        let text = segments.isEmpty ? [UInt8(ascii: "/")] : segments.flatMap { [UInt8(ascii: "/")] + $0 }
        return (String(decoding: text, as: UTF8.self), isPrefixed)
    }

    /// The path as the most forgiving server might read it: in lower case, parameters cut off, escapes worked off to
    /// the last. Two paths of one skeleton may be one path to somebody, so only the plain spelling may name something
    /// that is guarded.
    package var skeleton: String {
        var output: [UInt8] = []
        for segment in segments {
            var bytes = Array(segment.utf8)
            while true {
                let decoded = Self.decodedOnce(bytes)
                if decoded == bytes { break }
                bytes = decoded
            }
            let name = bytes.prefix { $0 != UInt8(ascii: ";") }
            output.append(UInt8(ascii: "/"))
            for byte in name where byte > 0x20 { output.append((0x41...0x5A).contains(byte) ? byte | 0x20 : byte) }
        }
        return String(decoding: output, as: UTF8.self)
    }

    private static func decodedOnce(_ bytes: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count,
                let high = JSONString.hexValue(bytes[index + 1]),
                let low = JSONString.hexValue(bytes[index + 2])
            {
                output.append(UInt8(high << 4 | low))
                index += 3
            } else {
                output.append(bytes[index])
                index += 1
            }
        }
        return output
    }
}
