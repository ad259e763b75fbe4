package import Core

package struct Metadata: Sendable {
    /// In the order in which they came, each key once.
    package private(set) var pairs: [(key: String, value: String)] = []
    package init() {}
    package init(header: String) throws(GatewayError) {}
    package subscript(key: String) -> String? { pairs.first { $0.key == key }?.value }
    /// The body's `metadata` under these: a key that is here already stays.
    package mutating func fold(under body: RequestFields) {}
}
