// SourceDocument: a config file as one JSON value, with the line and column of everything in it.
//
// YAML and JSON come out the same, so that nothing behind this file knows which it was. Positions are kept by JSON
// pointer: an error found much later still names its line.

package import Core

/// Line and column, both from 1.
package struct Position: Sendable, Equatable {
    package var line: Int
    package var column: Int

    package init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }
}

/// A text that is not YAML or not JSON, or that has something no config may have.
package struct SourceError: Error, Sendable, Equatable {
    package var position: Position
    package var message: String

    package init(_ message: String, at position: Position) {
        self.message = message
        self.position = position
    }
}

package struct SourceDocument: Sendable {
    package struct Place: Sendable, Equatable {
        /// Of the member's name; nil for elements and the root.
        package var key: Position?
        package var value: Position
    }

    package var value: JSONValue
    private var places: [String: Place]

    init(value: JSONValue, places: [String: Place]) {
        self.value = value
        self.places = places
    }

    /// Reads a whole file: JSON when its name ends in ".json", else YAML.
    package init(_ text: Bytes, file: String) throws(SourceError) {
        // A byte order mark is how some editors say UTF-8.
        let hasMark = text.count >= 3 && text[0] == 0xEF && text[1] == 0xBB && text[2] == 0xBF
        let text = hasMark ? text[3..<text.count] : text
        self = file.hasSuffix(".json") ? try JSONSource.read(text) : try YAML.read(text)
    }

    /// Where a value stands, or, if the document has none there, the nearest thing around it.
    package func position(of pointer: JSONPointer) -> Position {
        nearest(pointer).value
    }

    /// The same for a member's name.
    package func keyPosition(of pointer: JSONPointer) -> Position {
        let place = nearest(pointer)
        return place.key ?? place.value
    }

    private func nearest(_ pointer: JSONPointer) -> Place {
        var pointer = pointer
        while true {
            if let place = places[pointer.description] { return place }
            if pointer.tokens.isEmpty { return Place(key: nil, value: Position(line: 1, column: 1)) }
            pointer.tokens.removeLast()
        }
    }
}

// MARK: JSON

/// JSON text to a document. libyaml would read most of it, but not an escaped surrogate pair.
enum JSONSource {
    static func read(_ text: Bytes) throws(SourceError) -> SourceDocument {
        do throws(JSONError) {
            let value = try JSONValue(parsing: text)
            var places: [String: SourceDocument.Place] = [:]
            try withExtendedLifetime(text) { () throws(JSONError) in
                var reader = JSONReader(text.buffer)
                let lines = LineIndex(text.buffer)
                reader.skipSpace()
                try walk(&reader, text.buffer, lines, key: nil, pointer: "", into: &places)
            }
            return SourceDocument(value: value, places: places)
        } catch {
            let position = withExtendedLifetime(text) { LineIndex(text.buffer).position(of: error.offset) }
            throw SourceError(error.reason, at: position)
        }
    }

    private static func walk(
        _ reader: inout JSONReader, _ text: UnsafeRawBufferPointer, _ lines: LineIndex, key: Position?, pointer: String,
        into places: inout [String: SourceDocument.Place]
    ) throws(JSONError) {
        places[pointer] = SourceDocument.Place(key: key, value: lines.position(of: reader.at))
        switch reader.current {
        case UInt8(ascii: "{"):
            try reader.enterObject()
            var first = true
            while let range = try reader.nextKey(first: first) {
                first = false
                let name = JSONPointer.escape(text.decodedString(range))
                let position = lines.position(of: range.lowerBound - 1)
                try walk(&reader, text, lines, key: position, pointer: pointer + "/" + name, into: &places)
            }
        case UInt8(ascii: "["):
            try reader.enterArray()
            var index = 0
            while try reader.nextElement(first: index == 0) {
                reader.skipSpace()
                try walk(&reader, text, lines, key: nil, pointer: "\(pointer)/\(index)", into: &places)
                index += 1
            }
        default: try reader.skipValue()
        }
    }
}

/// Byte offsets to lines and columns (columns in characters, as editors count).
struct LineIndex {
    private let text: UnsafeRawBufferPointer
    private var starts = [0]
    /// How many characters begin before each block of bytes: a document may be one long line.
    private var charactersBefore: [Int] = []
    private static let block = 256

    /// `text` must outlive the index.
    init(_ text: UnsafeRawBufferPointer) {
        self.text = text
        var characters = 0
        for (index, byte) in text.enumerated() {
            if index % Self.block == 0 { charactersBefore.append(characters) }
            if byte & 0xC0 != 0x80 { characters += 1 }
            if byte == 0x0A { starts.append(index + 1) }
        }
    }

    private func characters(before offset: Int) -> Int {
        let block = min(offset / Self.block, charactersBefore.count - 1)
        guard block >= 0 else { return 0 }
        var characters = charactersBefore[block]
        for index in block * Self.block..<offset where text[index] & 0xC0 != 0x80 { characters += 1 }
        return characters
    }

    func position(of offset: Int) -> Position {
        let offset = min(offset, text.count)
        var low = 0
        var high = starts.count
        while low + 1 < high {
            let middle = (low + high) / 2
            if starts[middle] <= offset { low = middle } else { high = middle }
        }
        return Position(line: low + 1, column: characters(before: offset) - characters(before: starts[low]) + 1)
    }
}
