// ExactValue: equality as JSON Schema has it. Numbers by value, objects without order, strings code point by code point
// (Swift's own equality takes "é" in one and in two code points for the same).

internal import Core
internal import Glibc

/// A string that equals another only when their bytes do.
struct ExactKey: Sendable, Hashable {
    let text: String

    init(_ text: String) { self.text = text }

    static func == (left: ExactKey, right: ExactKey) -> Bool { left.text.isExactly(right.text) }

    func hash(into hasher: inout Hasher) { text.hashExactly(into: &hasher) }
}

extension String {
    func isExactly(_ other: String) -> Bool {
        guard utf8.count == other.utf8.count else { return false }
        let isEqual = utf8.withContiguousStorageIfAvailable { left in
            other.utf8.withContiguousStorageIfAvailable { right in
                guard let left = left.baseAddress, let base = right.baseAddress else { return true }
                return memcmp(left, base, right.count) == 0
            }
        }
        return (isEqual ?? nil) ?? utf8.elementsEqual(other.utf8)
    }

    func hashExactly(into hasher: inout Hasher) {
        let isDone: Void? = utf8.withContiguousStorageIfAvailable { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        if isDone == nil { for byte in utf8 { hasher.combine(byte) } }
        hasher.combine(0xFF as UInt8)
    }

    var codePointCount: Int {
        utf8.withContiguousStorageIfAvailable { bytes in
            var count = 0
            for byte in bytes where byte & 0xC0 != 0x80 { count += 1 }
            return count
        } ?? unicodeScalars.count
    }
}

extension JSONObject {
    /// The member of exactly this name.
    func exactly(_ name: String) -> JSONValue? {
        members.first { $0.key.isExactly(name) }?.value
    }
}

struct ExactValue: Sendable, Hashable {
    let value: JSONValue

    init(_ value: JSONValue) { self.value = value }

    static func == (left: ExactValue, right: ExactValue) -> Bool { areEqual(left.value, right.value) }

    func hash(into hasher: inout Hasher) { Self.hash(value, into: &hasher) }

    static func areEqual(_ left: JSONValue, _ right: JSONValue) -> Bool {
        switch (left, right) {
        case (.null, .null): true
        case (.bool(let left), .bool(let right)): left == right
        case (.number(let left), .number(let right)): areEqual(numbers: left, right)
        case (.string(let left), .string(let right)): left.isExactly(right)
        case (.array(let left), .array(let right)):
            left.count == right.count && zip(left, right).allSatisfy { areEqual($0, $1) }
        case (.object(let left), .object(let right)): areEqual(left.members, right.members)
        default: false
        }
    }

    private static func areEqual(numbers left: String, _ right: String) -> Bool {
        if left == right { return true }
        guard let left = ExactNumber(left), let right = ExactNumber(right) else { return false }
        return left == right
    }

    private static func areEqual(_ left: [JSONObject.Member], _ right: [JSONObject.Member]) -> Bool {
        guard left.count == right.count else { return false }
        if left.count > 16 {
            let index = Dictionary(right.map { (ExactKey($0.key), $0.value) }) { first, _ in first }
            return left.allSatisfy { member in index[ExactKey(member.key)].map { areEqual(member.value, $0) } ?? false }
        }
        return left.allSatisfy { member in
            right.first { $0.key.isExactly(member.key) }.map { areEqual(member.value, $0.value) } ?? false
        }
    }

    private static func hash(_ value: JSONValue, into hasher: inout Hasher) {
        switch value {
        case .null: hasher.combine(0 as UInt8)
        case .bool(let value): hasher.combine(value ? 1 : 2 as UInt8)
        case .number(let text):
            hasher.combine(3 as UInt8)
            hasher.combine(ExactNumber(text))
        case .string(let text):
            hasher.combine(4 as UInt8)
            text.hashExactly(into: &hasher)
        case .array(let elements):
            hasher.combine(5 as UInt8)
            hasher.combine(elements.count)
            for element in elements { hash(element, into: &hasher) }
        case .object(let object):
            hasher.combine(6 as UInt8)
            hasher.combine(hash(object))
        }
    }

    /// A sum, since the order of members is of no account.
    private static func hash(_ object: JSONObject) -> Int {
        object.members.reduce(object.members.count) { sum, member in
            var hasher = Hasher()
            member.key.hashExactly(into: &hasher)
            hash(member.value, into: &hasher)
            return sum &+ hasher.finalize()
        }
    }
}
