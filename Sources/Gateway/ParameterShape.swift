// ParameterShape: step 7a, what a target does to a request's parameters: default_params, then override_params, then drop_params.

import Config
import Core

struct ParameterShape: Sendable {
    private let defaults: [(key: String, value: [UInt8])]
    private let overrides: [(key: String, value: [UInt8])]
    private let drops: [[DropStep]]

    enum DropStep: Sendable, Equatable {
        case member(String)
        case index(Int)
        case every
    }

    /// `overrides` without the provider prefix of a model.
    init(defaults: JSONObject, overrides: JSONObject, drops: [String]) {
        self.defaults = defaults.members.map { ($0.key, $0.value.bytes) }
        self.overrides = overrides.members.map { ($0.key, $0.value.bytes) }
        self.drops = drops.map(Self.parse)
    }

    private init(overrides: [(key: String, value: [UInt8])]) {
        defaults = []
        self.overrides = overrides
        drops = []
    }

    /// What it does to the model alone.
    var ofModel: ParameterShape { ParameterShape(overrides: overrides.filter { $0.key == "model" }) }

    var isEmpty: Bool { defaults.isEmpty && overrides.isEmpty && drops.isEmpty }
    func overrides(_ key: String) -> Bool { overrides.contains { $0.key == key } }

    /// The body as this target wants it. `model` replaces the client's.
    func apply(to body: Bytes, model: String?) throws(JSONError) -> Bytes {
        var body = body
        if !defaults.isEmpty {
            let missing = defaults.filter { JSONPointer([$0.key]).find(in: body.buffer) == nil }
            body = try JSONEditor.merge(body, missing)
        }
        var replaced = overrides
        if let model, !overrides("model") { replaced.append(("model", JSONString.quoted(model))) }
        body = try JSONEditor.merge(body, replaced)
        for path in drops { body = drop(path[...], JSONPointer(), from: body) }
        return body
    }

    /// "tools[0].function.strict", "messages[*].content[*].cache_control".
    static func parse(_ path: String) -> [DropStep] {
        var steps: [DropStep] = []
        for part in path.split(separator: ".", omittingEmptySubsequences: true) {
            let pieces = part.split(separator: "[", omittingEmptySubsequences: true)
            for (number, piece) in pieces.enumerated() {
                if piece.hasSuffix("]"), number > 0 || part.hasPrefix("[") {
                    let inner = piece.dropLast()
                    steps.append(inner == "*" ? .every : Int(inner).map { .index($0) } ?? .member(String(inner)))
                } else {
                    steps.append(.member(String(piece)))
                }
            }
        }
        return steps
    }

    private func drop(_ steps: ArraySlice<DropStep>, _ pointer: JSONPointer, from body: Bytes) -> Bytes {
        guard let step = steps.first else { return JSONEditor.remove(pointer, from: body) }
        switch step {
        case .member(let name): return drop(steps.dropFirst(), pointer / name, from: body)
        case .index(let index): return drop(steps.dropFirst(), pointer / index, from: body)
        case .every:
            guard let range = pointer.find(in: body.buffer), body[range.lowerBound] == UInt8(ascii: "[") else {
                return body
            }
            var reader = JSONReader(body.buffer, at: range.lowerBound)
            var count = 0
            guard (try? reader.enterArray()) != nil else { return body }
            while (try? reader.nextElement(first: count == 0)) ?? false {
                count += 1
                guard (try? reader.skipValue()) != nil else { return body }
            }
            var body = body
            // From the end, so that removed elements do not move those that are still to be visited.
            for index in (0..<count).reversed() { body = drop(steps.dropFirst(), pointer / index, from: body) }
            return body
        }
    }
}
