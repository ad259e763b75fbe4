// JSONEditor: byte-exact edits of JSON text. What is not named stays as it was, to the last space.

/// Replacements of byte ranges in one text. Ranges refer to the text before any of them.
package struct Splices: Sendable {
    private var list: [(range: Range<Int>, bytes: [UInt8])] = []

    package init() {}
    package var isEmpty: Bool { list.isEmpty }

    /// Ranges of one set may not overlap; two insertions at one place keep the order in which they were made.
    package mutating func replace(_ range: Range<Int>, with bytes: [UInt8]) {
        list.append((range, bytes))
    }

    package func apply(to text: Bytes) -> Bytes {
        if list.isEmpty { return text }
        let sorted = list.enumerated().sorted {
            ($0.element.range.lowerBound, $0.element.range.upperBound, $0.offset)
                < ($1.element.range.lowerBound, $1.element.range.upperBound, $1.offset)
        }.map(\.element)
        var output = BytesBuilder(capacity: text.count + list.reduce(0) { $0 + $1.bytes.count })
        var at = 0
        for (range, bytes) in sorted {
            guard range.lowerBound >= at else { continue }
            output.append(text[at..<range.lowerBound])
            bytes.withUnsafeBytes { output.append($0) }
            at = range.upperBound
        }
        output.append(text[at..<text.count])
        return output.finish()
    }
}

package enum JSONEditor {
    /// `text`, which must be valid JSON, without the white space between its tokens.
    package static func compact(_ text: UnsafeRawBufferPointer) -> Bytes {
        Bytes(capacity: text.count) { room in
            var count = 0
            var isString = false
            var isEscaped = false
            for byte in text {
                if isString {
                    if isEscaped {
                        isEscaped = false
                    } else if byte == UInt8(ascii: "\\") {
                        isEscaped = true
                    } else if byte == UInt8(ascii: "\"") {
                        isString = false
                    }
                } else {
                    if byte == 0x20 || (0x09...0x0D).contains(byte) { continue }
                    isString = byte == UInt8(ascii: "\"")
                }
                room[count] = byte
                count += 1
            }
            return count
        }
    }

    /// Puts members into the object that `text` is: those present are replaced where they stand, others are appended before
    /// the closing brace. `members` hold names and raw JSON values. `text` must be a valid JSON object.
    package static func merge(_ text: Bytes, _ members: [(key: String, value: [UInt8])]) throws(JSONError) -> Bytes {
        guard !members.isEmpty else { return text }
        return try withExtendedLifetime(text) { () throws(JSONError) in
            let buffer = text.buffer
            var reader = JSONReader(buffer)
            try reader.enterObject()
            var splices = Splices()
            var found = [Bool](repeating: false, count: members.count)
            var isEmpty = true
            while let key = try reader.nextKey(first: isEmpty) {
                isEmpty = false
                let value = try reader.skipValue()
                for (index, member) in members.enumerated() where buffer.stringEquals(key, member.key) {
                    splices.replace(value, with: member.value)
                    found[index] = true
                }
            }
            var tail: [UInt8] = []
            for (index, member) in members.enumerated() where !found[index] {
                if !isEmpty { tail.append(UInt8(ascii: ",")) }
                isEmpty = false
                tail += JSONString.quoted(member.key) + [UInt8(ascii: ":")] + member.value
            }
            let brace = reader.at - 1
            if !tail.isEmpty { splices.replace(brace..<brace, with: tail) }
            return splices.apply(to: text)
        }
    }

    /// What `put` does at a pointer.
    package enum Placement { case replace, insert }

    /// Puts a raw JSON value at a pointer: replaces what is there, or adds a member to an existing object. In arrays "-"
    /// appends; an index replaces, or with `.insert` inserts before. nil when the parent does not exist.
    package static func put(
        _ value: [UInt8], at pointer: JSONPointer, in text: Bytes, _ placement: Placement = .replace
    ) -> Bytes? {
        guard let last = pointer.tokens.last else { return Bytes(value) }
        return withExtendedLifetime(text) { () -> Bytes? in
            let buffer = text.buffer
            var splices = Splices()
            if let range = pointer.find(in: buffer) {
                let parentIsArray =
                    JSONPointer(pointer.tokens.dropLast()).find(in: buffer).map { buffer[$0.lowerBound] }
                    == UInt8(ascii: "[")
                if placement == .insert, parentIsArray {
                    splices.replace(range.lowerBound..<range.lowerBound, with: value + [UInt8(ascii: ",")])
                } else {
                    splices.replace(range, with: value)
                }
                return splices.apply(to: text)
            }
            guard let parent = JSONPointer(pointer.tokens.dropLast()).find(in: buffer) else { return nil }
            let open = buffer[parent.lowerBound]
            guard open == UInt8(ascii: "{") || open == UInt8(ascii: "[") else { return nil }
            let close = parent.upperBound - 1
            let isEmpty = !buffer[(parent.lowerBound + 1)..<close].contains { $0 > 0x20 }
            let comma: [UInt8] = isEmpty ? [] : [UInt8(ascii: ",")]
            if open == UInt8(ascii: "{") {
                splices.replace(close..<close, with: comma + JSONString.quoted(last) + [UInt8(ascii: ":")] + value)
            } else if open == UInt8(ascii: "["), last == "-" || (isEmpty && last == "0") {
                splices.replace(close..<close, with: comma + value)
            } else {
                return nil
            }
            return splices.apply(to: text)
        }
    }

    /// Removes the value at a pointer with its name and one comma. The text unchanged when there is none.
    package static func remove(_ pointer: JSONPointer, from text: Bytes) -> Bytes {
        guard let last = pointer.tokens.last else { return text }
        return withExtendedLifetime(text) { () -> Bytes in
            let buffer = text.buffer
            guard let parent = JSONPointer(pointer.tokens.dropLast()).find(in: buffer),
                let whole = try? memberRange(of: last, in: buffer, parent: parent)
            else { return text }
            var splices = Splices()
            splices.replace(whole, with: [])
            return splices.apply(to: text)
        }
    }

    /// The range to cut so that a member or element, and one comma beside it, are gone.
    private static func memberRange(of token: String, in buffer: UnsafeRawBufferPointer, parent: Range<Int>)
        throws(JSONError) -> Range<Int>?
    {
        var reader = JSONReader(buffer, at: parent.lowerBound)
        var index = 0
        var previousEnd = 0
        let isObject = reader.current == UInt8(ascii: "{")
        if isObject { try reader.enterObject() } else { try reader.enterArray() }
        previousEnd = reader.at
        while true {
            var start = reader.at
            var matches = false
            if isObject {
                guard let key = try reader.nextKey(first: index == 0) else { return nil }
                start = key.lowerBound - 1
                matches = buffer.stringEquals(key, token)
            } else {
                guard try reader.nextElement(first: index == 0) else { return nil }
                start = reader.at
                matches = String(index) == token
            }
            let value = try reader.skipValue()
            if matches {
                if index > 0 { return previousEnd..<value.upperBound }
                reader.skipSpace()
                guard reader.current == UInt8(ascii: ",") else { return start..<value.upperBound }
                var next = JSONReader(buffer, at: reader.at + 1)
                next.skipSpace()
                return start..<next.at
            }
            previousEnd = value.upperBound
            index += 1
        }
    }
}
