// Finding: what a schema said of the JSON in one text.

import PluginSDK

struct Finding {
    let passed: Bool
    let not: Bool
    /// nil: there is no JSON.
    private let json: [UInt8]?
    let violations: [SchemaValidator.Violation]

    /// JSON beyond this size is not repeated in a report.
    private static let maximumSize = 64 << 10
    private static let maximumViolations = 20

    init(_ json: Text, _ violations: [SchemaValidator.Violation], not: Bool) {
        passed = violations.isEmpty != not
        self.not = not
        self.json = json.count <= Self.maximumSize ? Self.compact(json) : Array("null".utf8)
        self.violations = Array(violations.prefix(Self.maximumViolations))
    }

    /// Without the white space between tokens: reports go into one line of a stream.
    private static func compact(_ json: Text) -> [UInt8] {
        var compact: [UInt8] = []
        compact.reserveCapacity(json.count)
        var isInString = false
        var isEscaped = false
        for byte in json.bytes {
            if isInString {
                isInString = byte != UInt8(ascii: "\"") || isEscaped
                isEscaped = byte == UInt8(ascii: "\\") && !isEscaped
            } else {
                if [0x20, 0x0A, 0x0D, 0x09].contains(byte) { continue }
                isInString = byte == UInt8(ascii: "\"")
            }
            compact.append(byte)
        }
        return compact
    }

    private init(not: Bool) {
        passed = false
        self.not = not
        json = nil
        violations = []
    }

    /// There was no JSON: not passed, with or without `not`.
    static func nothing(_ not: Bool) -> Finding { Finding(not: not) }

    /// A line for each violation.
    var reasons: [String] {
        if json == nil { return ["there is no JSON in it"] }
        if not { return violations.isEmpty ? ["its JSON fits a schema that it must not fit"] : [] }
        return violations.map { $0.pointer.isEmpty ? $0.message : "\($0.pointer): \($0.message)" }
    }

    func report(to exchange: Exchange) throws(PluginFailure) {
        var data: [UInt8] = []
        data.append(literal: "{\"explanation\":")
        data.append(quoted: explanation)
        data.append(literal: ",\"not\":")
        data.append(bool: not)
        if let json {
            data.append(literal: ",\"matchedJson\":")
            data.append(contentsOf: json)
            data.append(literal: ",\"validationErrors\":[")
            for (index, violation) in violations.enumerated() {
                data.append(literal: index == 0 ? "{\"path\":" : ",{\"path\":")
                data.append(quoted: violation.pointer)
                data.append(literal: ",\"message\":")
                data.append(quoted: violation.message)
                data.append(UInt8(ascii: "}"))
            }
            data.append(UInt8(ascii: "]"))
        }
        data.append(UInt8(ascii: "}"))
        try exchange.report(passed: passed, data: data)
    }

    private var explanation: String {
        if json == nil { return "No JSON was found." }
        return violations.isEmpty
            ? "JSON was found that fits the schema." : "The JSON that was found does not fit the schema."
    }
}
