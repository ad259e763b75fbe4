// Metadata: what the client says about its request for routing and logging, in the x-portkey-metadata header and in the
// body.

package import Core

package struct Metadata: Sendable {
    /// In the order in which they came, each key once.
    package private(set) var pairs: [(key: String, value: String)] = []

    package init() {}

    /// A JSON object whose values are strings; others are taken as their JSON text. An empty header says nothing.
    package init(header: String) throws(GatewayError) {
        let text = Bytes(header)
        do throws(JSONError) {
            pairs = try withExtendedLifetime(text) { () throws(JSONError) in try Self.read(text.buffer) }
        } catch let error {
            throw GatewayError(
                .invalidRequest, status: 400,
                "invalid metadata: the header x-portkey-metadata must be a JSON object, and it is not: "
                    + "\(error.reason) (at byte \(error.offset))",
                type: "invalid_request_error", code: "invalid_metadata", param: "x-portkey-metadata")
        }
    }

    package subscript(key: String) -> String? { pairs.first { $0.key == key }?.value }

    /// The body's `metadata` under these: a key that is here stays, and only strings are taken. Anything else in the
    /// body's is the provider's to judge.
    package mutating func fold(under body: RequestFields) {
        guard let raw = body.raw(.metadata) else { return }
        let others = withExtendedLifetime(raw) { (try? Self.read(raw.buffer, onlyStrings: true)) ?? [] }
        for pair in others where self[pair.key] == nil { pairs.append(pair) }
    }

    private static func read(
        _ text: UnsafeRawBufferPointer, onlyStrings: Bool = false
    ) throws(JSONError) -> [(key: String, value: String)] {
        var reader = JSONReader(text)
        reader.skipSpace()
        if reader.isAtEnd { return [] }
        var pairs: [(key: String, value: String)] = []
        var known: Set<String> = []
        var first = true
        try reader.enterObject()
        while let range = try reader.nextKey(first: first) {
            first = false
            let key = text.decodedString(range)
            let value = try reader.skipValue()
            guard known.insert(key).inserted else {
                throw JSONError("duplicate member \"\(key)\"", at: range.lowerBound)
            }
            if text[value.lowerBound] == UInt8(ascii: "\"") {
                pairs.append((key, text.decodedString(value.lowerBound + 1..<value.upperBound - 1)))
            } else if !onlyStrings {
                pairs.append((key, String(decoding: text[value], as: UTF8.self)))
            }
        }
        try reader.finish()
        return pairs
    }
}
