// Embeddings, and what else is asked of a provider through the proxy.

import Glibc
import PluginSDK

/// Vectors of unit length whose places are the words' hashes: equal texts are equal, and texts that share words are
/// near.
struct EmbeddingsDouble {
    private let request: MockRequest

    init(_ request: MockRequest) {
        self.request = request
    }

    var answer: Answer {
        guard let inputs else { return request.failure(400, "input must be a string or a list") }
        guard let dimensions = (request.body["dimensions"] ?? 64).int, (1...4096).contains(dimensions) else {
            return request.failure(400, "dimensions must be a number from 1 to 4096")
        }
        let isBase64 = request.body["encoding_format"] == "base64"
        let data = inputs.enumerated().map { index, input -> JSON in
            let vector = Self.vector(input, dimensions)
            let embedding: JSON =
                isBase64 ? .string(Base64.encode(Self.bytes(vector))) : .array(vector.map { .double(Double($0)) })
            return ["object": "embedding", "index": .int(index), "embedding": embedding]
        }
        let tokens = inputs.reduce(0) { $0 + Tokens.count($1) }
        return Answer([
            "object": "list", "model": request.body["model"] ?? "mock-1", "data": .array(data),
            "usage": ["prompt_tokens": .int(tokens), "total_tokens": .int(tokens)],
        ])
    }

    /// A string, a list of strings, a list of token ids, or a list of such lists.
    private var inputs: [String]? {
        switch request.body["input"] {
        case .string(let text): return [text]
        case .array(let list):
            guard let first = list.first else { return nil }
            if first.int != nil { return [Self.words(list)] }
            return list.map { $0.string ?? Self.words($0.array ?? []) }
        default: return nil
        }
    }

    private static func words(_ ids: [JSON]) -> String {
        ids.map(\.description).joined(separator: " ")
    }

    private static func vector(_ text: String, _ dimensions: Int) -> [Float] {
        var vector = [Float](repeating: 0, count: dimensions)
        for word in text.lowercased().split(whereSeparator: { !$0.isLetter && !$0.isNumber }) {
            let hash = hash(word.utf8)
            vector[Int(hash % UInt64(dimensions))] += hash >> 63 == 0 ? 1 : -1
        }
        let length = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
        guard length > 0 else {
            vector[0] = 1
            return vector
        }
        return vector.map { $0 / length }
    }

    /// FNV-1a, whose last bits are good and whose first ones are after a multiplication.
    private static func hash(_ bytes: Substring.UTF8View) -> UInt64 {
        bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }

    /// float32, little-endian: what OpenAI's base64 holds.
    private static func bytes(_ vector: [Float]) -> [UInt8] {
        vector.flatMap { number -> [UInt8] in
            let bits = number.bitPattern
            return (0..<4).map { UInt8(truncatingIfNeeded: bits >> (8 * UInt32($0))) }
        }
    }
}

enum Base64 {
    static func encode(_ bytes: [UInt8]) -> String {
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            var bits = group.reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            bits <<= UInt32(8 * (3 - group.count))
            for place in 0..<4 {
                let digit = digits[Int(bits >> UInt32(18 - 6 * place) & 63)]
                text.append(place <= group.count ? digit : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}

/// The models, a token count, and of everything else what was asked: good for looking at what arrives.
struct ProxyDouble {
    private let request: MockRequest

    init(_ request: MockRequest) {
        self.request = request
    }

    private static let models = ["mock-1", "echo", "tool", "slow", "cut", "error-429", "error-500", "flaky-500-1"]

    var answer: Answer {
        let path = request.path.split(separator: "?", maxSplits: 1).first.map(String.init) ?? ""
        if request.method == "GET", path == "/v1/models" {
            return Answer(["object": "list", "data": .array(Self.models.map(Self.model))])
        }
        if request.method == "GET", path.hasPrefix("/v1/models/") {
            return Answer(Self.model(String(path.dropFirst("/v1/models/".count))))
        }
        if path == "/v1/messages/count_tokens" {
            let tokens = Tokens.count(request.body["messages"]) + Tokens.count(request.body["system"])
            return Answer(["input_tokens": .int(tokens + Tokens.count(request.body["tools"]))])
        }
        return Answer([
            "object": "mock.request", "method": .string(request.method), "path": .string(request.path),
            "body": request.body,
        ])
    }

    private static func model(_ id: String) -> JSON {
        ["id": .string(id), "object": "model", "created": 1_767_225_600, "owned_by": "gatehouse"]
    }
}
