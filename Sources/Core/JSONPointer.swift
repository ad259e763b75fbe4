// JSONPointer (RFC 6901): its text, and where it leads in JSON text.

package struct JSONPointer: Sendable, Equatable, CustomStringConvertible {
    package var tokens: [String]

    package init(_ tokens: [String] = []) { self.tokens = tokens }

    /// nil when `text` is neither empty nor starts with a slash, or has a bad escape.
    package init?(parsing text: String) {
        if text.isEmpty {
            tokens = []
            return
        }
        guard text.hasPrefix("/") else { return nil }
        var tokens: [String] = []
        for part in text.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
            var token: [UInt8] = []
            var tilde = false
            for byte in part.utf8 {
                switch (tilde, byte) {
                case (true, UInt8(ascii: "0")): token.append(UInt8(ascii: "~"))
                case (true, UInt8(ascii: "1")): token.append(UInt8(ascii: "/"))
                case (true, _): return nil
                case (false, UInt8(ascii: "~")):
                    tilde = true
                    continue
                case (false, _): token.append(byte)
                }
                tilde = false
            }
            if tilde { return nil }
            tokens.append(String(decoding: token, as: UTF8.self))
        }
        self.tokens = tokens
    }

    package static func / (pointer: JSONPointer, token: String) -> JSONPointer { JSONPointer(pointer.tokens + [token]) }
    package static func / (pointer: JSONPointer, index: Int) -> JSONPointer { pointer / String(index) }

    package var description: String {
        tokens.map { "/" + Self.escape($0) }.joined()
    }

    package static func escape(_ token: String) -> String {
        guard token.utf8.contains(where: { $0 == UInt8(ascii: "~") || $0 == UInt8(ascii: "/") }) else { return token }
        var output: [UInt8] = []
        for byte in token.utf8 {
            switch byte {
            case UInt8(ascii: "~"): output.append(contentsOf: "~0".utf8)
            case UInt8(ascii: "/"): output.append(contentsOf: "~1".utf8)
            default: output.append(byte)
            }
        }
        return String(decoding: output, as: UTF8.self)
    }

    /// The range of the value this pointer leads to in valid JSON `text`; nil when there is none.
    package func find(in text: UnsafeRawBufferPointer) -> Range<Int>? {
        var reader = JSONReader(text)
        return (try? Self.descend(&reader, text, tokens[...])) ?? nil
    }

    private static func descend(
        _ reader: inout JSONReader, _ text: UnsafeRawBufferPointer, _ tokens: ArraySlice<String>
    ) throws(JSONError) -> Range<Int>? {
        guard let token = tokens.first else { return try reader.skipValue() }
        reader.skipSpace()
        switch reader.current {
        case UInt8(ascii: "{"):
            try reader.enterObject()
            var first = true
            while let key = try reader.nextKey(first: first) {
                first = false
                if text.stringEquals(key, token) { return try descend(&reader, text, tokens.dropFirst()) }
                try reader.skipValue()
            }
            return nil
        case UInt8(ascii: "["):
            guard let wanted = Int(token), wanted >= 0, String(wanted) == token else { return nil }
            try reader.enterArray()
            var index = 0
            while try reader.nextElement(first: index == 0) {
                if index == wanted { return try descend(&reader, text, tokens.dropFirst()) }
                try reader.skipValue()
                index += 1
            }
            return nil
        default: return nil
        }
    }
}

extension UnsafeRawBufferPointer {
    /// True when the JSON string whose raw text is at `range` says `text`.
    package func stringEquals(_ range: Range<Int>, _ text: String) -> Bool {
        let raw = UnsafeRawBufferPointer(rebasing: self[range])
        if JSONString.hasEscapes(raw) { return JSONString.decode(raw).elementsEqual(text.utf8) }
        return raw.elementsEqual(text.utf8)
    }

    /// The same for a literal, without allocation.
    @inline(__always)
    package func rawEquals(_ range: Range<Int>, _ text: StaticString) -> Bool {
        guard range.count == text.utf8CodeUnitCount else { return false }
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "bytes \(range) of \(count)")
        guard let base = baseAddress else { return range.isEmpty }
        let known = text.utf8Start
        let own = base.advanced(by: range.lowerBound).assumingMemoryBound(to: UInt8.self)
        var index = 0
        while index < range.count {
            if own[index] != known[index] { return false }
            index &+= 1
        }
        return true
    }
}

extension JSONValue {
    package func value(at pointer: JSONPointer) -> JSONValue? {
        var value = self
        for token in pointer.tokens {
            switch value {
            case .object(let object):
                guard let next = object[token] else { return nil }
                value = next
            case .array(let array):
                guard let index = Int(token), array.indices.contains(index), String(index) == token else { return nil }
                value = array[index]
            default: return nil
            }
        }
        return value
    }
}
