// Text with places for the target's options: "https://{snowflake_account}.snowflakecomputing.com/api/v2". Options may
// come from a client, so what goes into a URL must not change its origin or climb out of its path.

import PluginSDK

/// `{name}` is the option, `{name|other}` the option or else the text; `{model}` is the model of the attempt.
struct Template: Sendable {
    private enum Piece: Sendable {
        case text(String)
        case option(String, otherwise: String?)
    }

    private let pieces: [Piece]

    init(_ text: String) {
        var pieces: [Piece] = []
        var rest = Substring(text)
        while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
            pieces.append(.text(String(rest[..<open])))
            let parts = rest[rest.index(after: open)..<close].split(
                separator: "|", maxSplits: 1, omittingEmptySubsequences: false)
            pieces.append(.option(String(parts[0]), otherwise: parts.count > 1 ? String(parts[1]) : nil))
            rest = rest[rest.index(after: close)...]
        }
        pieces.append(.text(String(rest)))
        self.pieces = pieces
    }

    /// The name of an option that is missing.
    struct Missing: Error {
        let option: String
    }

    /// The text with the options put in. `{model}` stays for `filled(model:)`.
    func filled(_ option: (String) -> String?) throws(Missing) -> String {
        var text = ""
        for piece in pieces {
            switch piece {
            case .text(let literal): text += literal
            case .option("model", _): text += "{model}"
            case .option(let name, let otherwise):
                guard let value = option(name) ?? otherwise else { throw Missing(option: name) }
                text += value
            }
        }
        return text
    }

    /// The option that the whole text begins with, if it does: it decides where requests go.
    var leadingOption: String? {
        for piece in pieces {
            switch piece {
            case .text(""): continue
            case .text: return nil
            case .option(let name, _): return name
            }
        }
        return nil
    }
}

/// The parts of a URL that are made of others' texts.
enum URLText {
    /// A letter, a digit, or one of `-._~`: what RFC 3986 calls unreserved.
    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            true
        default: false
        }
    }

    /// One path segment or a part of a host name. Nothing else may stand there.
    static func isSegment(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy(isPlain) && text != "." && text != ".."
    }

    static func isOrigin(_ text: String) -> Bool {
        guard text.hasPrefix("https://") || text.hasPrefix("http://") else { return false }
        return text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") && $0 != UInt8(ascii: "@") }
    }

    /// A model's name within a path: `/` and `:` belong to many names, steps upwards to none. nil: it cannot stand
    /// there.
    static func path(ofModel model: String) -> String? {
        let segments = model.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        let isSafe = segments.allSatisfy { !$0.isEmpty && !$0.elementsEqual(".".utf8) && !$0.elementsEqual("..".utf8) }
        return isSafe ? escaped(model) { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: ":") } : nil
    }

    static func query(_ text: String) -> String {
        escaped(text) { _ in false }
    }

    private static func escaped(_ text: String, except isFine: (UInt8) -> Bool) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            if isPlain(byte) || isFine(byte) {
                bytes.append(byte)
            } else {
                bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
