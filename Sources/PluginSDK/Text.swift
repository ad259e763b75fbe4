// A lent view of text, and the two ways over the border: gh_str to Swift and Swift to gh_str. No copies are made here
// unless `string` is asked for.

public import CGatehouse

/// UTF-8 bytes that the host lends: valid until the hook returns or, when it pended, until the call is completed.
///
/// Look at `bytes` where it matters how long that takes; `string` makes a copy that may be kept.
public struct Text {
    public let bytes: UnsafeBufferPointer<UInt8>

    public init(_ bytes: UnsafeBufferPointer<UInt8>) {
        self.bytes = bytes
    }

    /// nil when the view is absent.
    public init?(_ view: gh_str) {
        guard let pointer = view.ptr else { return nil }
        bytes = UnsafeBufferPointer(
            start: UnsafeRawPointer(pointer).assumingMemoryBound(to: UInt8.self), count: view.len)
    }

    public var count: Int { bytes.count }
    public var isEmpty: Bool { bytes.isEmpty }

    /// A copy. Malformed bytes become U+FFFD.
    public var string: String { String(decoding: bytes, as: UTF8.self) }

    /// The part between two byte offsets.
    public subscript(range: Range<Int>) -> Text {
        Text(UnsafeBufferPointer(rebasing: bytes[range]))
    }

    /// Byte by byte, without a copy.
    public static func == (text: Text, word: StaticString) -> Bool {
        guard word.hasPointerRepresentation, text.count == word.utf8CodeUnitCount else { return false }
        return text.bytes.elementsEqual(UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount))
    }

    public static func != (text: Text, word: StaticString) -> Bool { !(text == word) }

    /// Byte by byte, without a copy.
    public static func == (text: Text, word: String) -> Bool { text.bytes.elementsEqual(word.utf8) }
    public static func != (text: Text, word: String) -> Bool { !(text == word) }
}

extension gh_str {
    /// A present view, also of no bytes.
    init(_ bytes: UnsafeBufferPointer<UInt8>) {
        let start = bytes.baseAddress.map(UnsafeRawPointer.init) ?? UnsafeRawPointer(emptyText.utf8Start)
        self.init(ptr: start.assumingMemoryBound(to: CChar.self), len: bytes.count)
    }

    init(_ literal: StaticString) {
        self.init(UnsafeBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount))
    }
}

private let emptyText: StaticString = " "

extension String {
    /// Lends the string's bytes to a call.
    func lend<Result>(_ body: (gh_str) -> Result) -> Result {
        var copy = self
        return copy.withUTF8 { body(gh_str($0)) }
    }
}

extension Optional<String> {
    /// Lends the string's bytes to a call, or an absent view.
    func lend<Result>(_ body: (gh_str) -> Result) -> Result {
        switch self {
        case .some(let string): string.lend(body)
        case .none: body(gh_str())
        }
    }
}

extension [UInt8] {
    /// Lends the bytes to a call.
    func lend<Result>(_ body: (gh_str) -> Result) -> Result {
        withUnsafeBufferPointer { body(gh_str($0)) }
    }
}
