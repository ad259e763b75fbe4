package import Core

package enum SegmentTable {
    package static func request(_ endpoint: Endpoint, _ body: Bytes) throws(GatewayError) -> [Segment] { [] }
    package static func response(_ endpoint: Endpoint, _ body: Bytes) -> [Segment] { [] }
    /// What a segment says: a slice of the body when the raw text says itself.
    package static func text(of segment: Segment, in body: Bytes) -> Bytes { body[segment.textRange] }
}
