// RequestFields: the one pass over a request body. It proves that all of it is JSON, and finds the members that the
// gateway reads.
//
// What the gateway and its guards read must be what the provider's parser will read. Parsers differ about a byte order
// mark, about which of two members of one name counts, about names spelled with escapes, and some take names in any
// case: bodies that depend on such a difference are refused.

package import Core

package final class RequestFields {
    package enum Member: Int, Sendable, CaseIterable {
        case model, stream, metadata, user, messages, prompt, input, system, tools, n, streamOptions, maxTokens,
            maxCompletionTokens

        package var name: StaticString {
            switch self {
            case .model: "model"
            case .stream: "stream"
            case .metadata: "metadata"
            case .user: "user"
            case .messages: "messages"
            case .prompt: "prompt"
            case .input: "input"
            case .system: "system"
            case .tools: "tools"
            case .n: "n"
            case .streamOptions: "stream_options"
            case .maxTokens: "max_tokens"
            case .maxCompletionTokens: "max_completion_tokens"
            }
        }
    }

    package let body: Bytes
    /// Start and end of each member's value, in one word; 0 when it is absent.
    private var places = InlineArray<13, UInt64>(repeating: 0)

    /// Checks `body`, all of it, and finds its members.
    package init(reading body: Bytes, for endpoint: Endpoint) throws(GatewayError) {
        self.body = body
        guard !body.isEmpty else {
            throw Self.refused("the request body is empty: it must be a JSON object", code: "invalid_json")
        }
        guard body.count < Int(UInt32.max) else {
            throw GatewayError(.payloadTooLarge, status: 413, "the request body is larger than 4 GiB")
        }
        let buffer = body.buffer
        if buffer[0] == 0xEF {
            throw Self.refused(
                "the request body starts with a byte order mark: send UTF-8 without one", code: "invalid_json")
        }
        do throws(JSONError) {
            try find(in: buffer)
        } catch let error {
            throw explained(error)
        }
        try checkTypes(buffer)
        withExtendedLifetime(body) {}
    }

    // MARK: Reading

    /// The range of a member's value, nil when it is absent.
    package subscript(member: Member) -> Range<Int>? {
        let place = places[member.rawValue]
        return place == 0 ? nil : Int(place >> 32)..<Int(place & 0xFFFF_FFFF)
    }

    /// A member's raw value.
    package func raw(_ member: Member) -> Bytes? { self[member].map { body[$0] } }

    package var model: String? { string(.model) }
    package var user: String? { string(.user) }

    /// `stream` is true.
    package var isStream: Bool { self[.stream].map { body[$0.lowerBound] == UInt8(ascii: "t") } ?? false }

    /// A member that is a whole number from 0 to 99,999,999,999.
    package func count(_ member: Member) -> Int? {
        guard let range = self[member], range.count < 12, let number = Int(String(body[range])), number >= 0 else {
            return nil
        }
        return number
    }

    /// `stream_options.include_usage` is true.
    package var includesUsage: Bool {
        guard let options = raw(.streamOptions) else { return false }
        return withExtendedLifetime(options) {
            let place = JSONPointer(["include_usage"]).find(in: options.buffer)
            return place.map { options[$0.lowerBound] == UInt8(ascii: "t") } ?? false
        }
    }

    /// What a member says when it is a string.
    private func string(_ member: Member) -> String? {
        guard let range = self[member], body[range.lowerBound] == UInt8(ascii: "\"") else { return nil }
        return withExtendedLifetime(body) { body.buffer.decodedString(range.lowerBound + 1..<range.upperBound - 1) }
    }

    // MARK: Finding

    private func find(in buffer: UnsafeRawBufferPointer) throws(JSONError) {
        var reader = JSONReader(buffer)
        reader.skipSpace()
        try reader.enterObject()
        var names = MemberNames()
        var first = true
        while let key = try reader.nextKey(first: first) {
            first = false
            guard names.insert(key, in: buffer) else { throw Self.violation(.duplicate, at: key) }
            let member = Self.member(buffer, key)
            if member == nil, Self.isDisguised(buffer, key) { throw Self.violation(.disguised, at: key) }
            let value = try reader.skipValue(depth: 1)
            if let member { places[member.rawValue] = UInt64(value.lowerBound) << 32 | UInt64(value.upperBound) }
        }
        try reader.finish()
    }

    @inline(__always)
    private static func member(_ buffer: UnsafeRawBufferPointer, _ key: Range<Int>) -> Member? {
        func named(_ member: Member) -> Member? { buffer.rawEquals(key, member.name) ? member : nil }
        switch key.count {
        case 1: return named(.n)
        case 4: return named(.user)
        case 5: return named(.model) ?? named(.input) ?? named(.tools)
        case 6: return named(.stream) ?? named(.prompt) ?? named(.system)
        case 8: return named(.messages) ?? named(.metadata)
        case 10: return named(.maxTokens)
        case 14: return named(.streamOptions)
        case 21: return named(.maxCompletionTokens)
        default: return nil
        }
    }

    /// True when a name that is none of the members' might be one to another parser.
    private static func isDisguised(_ buffer: UnsafeRawBufferPointer, _ key: Range<Int>) -> Bool {
        guard MemberNames.isUnusual(buffer, key) else { return false }
        let folded = MemberNames.folded(buffer, key)
        return Member.allCases.contains { $0.name.description == folded }
    }

    // MARK: Refusing

    private enum Violation: String { case duplicate, disguised }

    /// Passed as an error of the JSON, so that the pass has one kind of error; `explained` tells them apart.
    private static func violation(_ violation: Violation, at key: Range<Int>) -> JSONError {
        JSONError(violation.rawValue, at: key.lowerBound)
    }

    private func explained(_ error: JSONError) -> GatewayError {
        let buffer = body.buffer
        let (line, column) = error.position(in: buffer)
        let place = "(line \(line), column \(column))"
        if let violation = Violation(rawValue: error.reason) {
            var reader = JSONReader(buffer, at: error.offset - 1)
            let name = (try? reader.skipString()).map { MemberNames.folded(buffer, $0) } ?? ""
            return switch violation {
            case .duplicate:
                Self.refused(
                    "the request body has the member \"\(name)\" twice \(place)", param: name, code: "duplicate_member")
            case .disguised:
                Self.refused(
                    "the name of the member \"\(name)\" must be spelled exactly so, without escapes \(place)",
                    param: name,
                    code: "disguised_member")
            }
        }
        return Self.refused("the request body is not valid JSON: \(error.reason) \(place)", code: "invalid_json")
    }

    private func checkTypes(_ buffer: UnsafeRawBufferPointer) throws(GatewayError) {
        try check(.model, buffer, "a string", UInt8(ascii: "\""), UInt8(ascii: "n"))
        try check(.stream, buffer, "a boolean", UInt8(ascii: "t"), UInt8(ascii: "f"), UInt8(ascii: "n"))
        try check(.messages, buffer, "an array", UInt8(ascii: "["))
        try check(.streamOptions, buffer, "an object", UInt8(ascii: "{"), UInt8(ascii: "n"))
    }

    /// `starts`: the first bytes of the values that will do. null counts as absent where it is among them.
    @inline(__always)
    private func check(
        _ member: Member, _ buffer: UnsafeRawBufferPointer, _ wanted: StaticString, _ start: UInt8, _ other: UInt8 = 0,
        _ third: UInt8 = 0
    ) throws(GatewayError) {
        guard let range = self[member] else { return }
        let byte = buffer[range.lowerBound]
        if byte == start || byte == other || byte == third { return }
        throw Self.refused("\(member.name) must be \(wanted)", param: member.name.description, code: "invalid_type")
    }

    private static func refused(_ message: String, param: String? = nil, code: String) -> GatewayError {
        GatewayError(.invalidRequest, status: 400, message, type: "invalid_request_error", code: code, param: param)
    }
}
