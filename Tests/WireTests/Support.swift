// What several suites say about segments and errors.

import Core
import Testing

@testable import Wire

/// The segments of a request, each as "kind role index pointer: text".
func requestLines(_ endpoint: Endpoint, _ body: String) throws -> [String] {
    let bytes = Bytes(body)
    return try SegmentTable.request(endpoint, bytes).map { line($0, bytes) }
}

func responseLines(_ endpoint: Endpoint, _ body: String) -> [String] {
    let bytes = Bytes(body)
    return SegmentTable.response(endpoint, bytes).map { line($0, bytes) }
}

func line(_ segment: Segment, _ body: Bytes) -> String {
    "\(segment.kind) \(segment.role) \(segment.index) \(segment.pointer): \(String(SegmentTable.text(of: segment, in: body)))"
}

/// The error that `body` ends with.
func failure(_ body: () throws(GatewayError) -> Void) -> GatewayError? {
    do throws(GatewayError) {
        try body()
        return nil
    } catch let error {
        return error
    }
}

func json(_ bytes: Bytes?) throws -> JSONValue {
    try JSONValue(parsing: try #require(bytes))
}

func json(_ text: String) throws -> JSONValue { try JSONValue(parsing: text) }
