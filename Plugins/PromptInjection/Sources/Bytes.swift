// What is looked for in the bytes themselves: marks of chat formats, characters that nobody sees, and encoded text.

import PluginSDK

/// Marks that chat templates put between messages. A message of a user has no use for them.
enum Markup {
    private static let marks: [StaticString] = [
        "<|im_start|>", "<|im_end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|endoftext|>", "<|eot_id|>",
        "<|start_header_id|>", "<|end_header_id|>", "<|begin_of_text|>", "<start_of_turn>", "<end_of_turn>", "[inst]",
        "[/inst]",
        "<<sys>>", "<</sys>>", "<system>", "</system>", "<system_prompt>", "</system_prompt>", "</user_input>",
        "</user_message>",
        "</user_query>", "<admin>", "</instructions>", "<system-reminder>", "[system]", "[/system]", "[system message]",
        "[system override]", "### system", "###system", "### instruction:", "### new instructions", "### response:",
        "{{system}}", "-----begin system", "-----end of user", "--- end of user", "=== end of user",
        "--- new instructions",
        "=== system", "--- system prompt",
    ]
    private static let lines: [StaticString] = ["system:", "assistant:", "system prompt:", "developer:"]

    /// Points for what occurs: one mark is enough to look twice, two are no accident.
    static func points(in text: Text) -> Int {
        let bytes = text.bytes
        var found = 0
        var lineBegins = true
        for place in bytes.indices {
            let byte = bytes[place]
            switch byte {
            case UInt8(ascii: "<"), UInt8(ascii: "["), UInt8(ascii: "#"), UInt8(ascii: "{"), UInt8(ascii: "-"),
                UInt8(ascii: "="):
                if marks.contains(where: { bytes.has($0, at: place) }) { found += 1 }
            case UInt8(ascii: "s"), UInt8(ascii: "S"), UInt8(ascii: "a"), UInt8(ascii: "A"), UInt8(ascii: "d"),
                UInt8(ascii: "D"):
                if lineBegins, place > 0, lines.contains(where: { bytes.has($0, at: place) }) { found += 1 }
            default: break
            }
            if byte == 0x0A { lineBegins = true } else if byte != 0x20, byte != 0x2A { lineBegins = false }
            if found >= 3 { break }
        }
        return found == 0 ? 0 : 25 + 20 * (found - 1)
    }
}

extension UnsafeBufferPointer<UInt8> {
    /// Whether a literal, in small letters, stands at a place, whatever the case.
    fileprivate func has(_ literal: StaticString, at place: Int) -> Bool {
        guard count - place >= literal.utf8CodeUnitCount else { return false }
        for offset in 0..<literal.utf8CodeUnitCount {
            var byte = self[place + offset]
            if byte &- UInt8(ascii: "A") < 26 { byte |= 0x20 }
            if byte != literal.utf8Start[offset] { return false }
        }
        return true
    }
}

/// Characters that show nothing and that no script needs: tags, which can carry a whole hidden text, supplementary variation
/// selectors, zero-width spaces and overrides of the writing direction. Joiners are left alone.
enum Invisible {
    static func points(in text: Text) -> Int {
        let bytes = text.bytes
        var tags = 0
        var others = 0
        var place = 0
        while place + 2 < bytes.count {
            switch (bytes[place], bytes[place + 1]) {
            case (0xF3, 0xA0): tags += 1
            case (0xE2, 0x80):
                let last = bytes[place + 2]
                if last == 0x8B || 0xAA...0xAE ~= last { others += 1 }
            case (0xE2, 0x81):
                if 0xA0...0xA9 ~= bytes[place + 2] { others += 1 }
            default: break
            }
            place += 1
        }
        // Flags of regions are tags behind a black flag: six at most.
        if tags > 6 { return 60 }
        return others >= 4 ? 30 : 0
    }
}

/// Text in base64 or hexadecimal digits that is text again.
enum Payload {
    private static let leastDigits = 24
    private static let mostDigits = 1 << 16

    /// Calls `found` with each decoded text.
    static func texts(in text: Text, _ found: ([UInt8]) -> Void) {
        let bytes = text.bytes
        var place = 0
        while place < bytes.count {
            guard value(bytes[place]) != nil else {
                place += 1
                continue
            }
            var end = place
            while end < bytes.count, end - place < mostDigits, value(bytes[end]) != nil { end += 1 }
            if end - place >= leastDigits {
                let digits = UnsafeBufferPointer(rebasing: bytes[place..<end])
                for decoded in [hexadecimal(digits), base64(digits)] {
                    if let decoded, looksLikeText(decoded) { found(decoded) }
                }
            }
            place = end
        }
    }

    private static func value(_ byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(byte - 65)
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(byte - 71)
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte + 4)
        case UInt8(ascii: "+"), UInt8(ascii: "-"): 62
        case UInt8(ascii: "/"), UInt8(ascii: "_"): 63
        default: nil
        }
    }

    private static func base64(_ digits: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(digits.count * 3 / 4)
        var bits: UInt32 = 0
        var count = 0
        for digit in digits {
            guard let value = value(digit) else { return nil }
            bits = bits << 6 | value
            count += 6
            if count >= 8 {
                count -= 8
                decoded.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
            }
        }
        return decoded
    }

    private static func hexadecimal(_ digits: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        var decoded: [UInt8] = []
        var high: UInt8?
        for digit in digits {
            let value: UInt8
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = digit - 48
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = digit - 87
            case UInt8(ascii: "A")...UInt8(ascii: "F"): value = digit - 55
            default: return nil
            }
            if let first = high {
                decoded.append(first << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        return decoded
    }

    /// Letters, with some spaces between them. Random bytes are not like that.
    private static func looksLikeText(_ bytes: [UInt8]) -> Bool {
        var letters = 0
        var spaces = 0
        for byte in bytes {
            if (byte | 0x20) &- 0x61 < 26 || byte >= 0x80 { letters += 1 }
            if byte == 0x20 || byte == 0x0A { spaces += 1 }
        }
        return spaces > 0 && 10 * (letters + spaces) >= 8 * bytes.count
            && bytes.allSatisfy { $0 >= 0x20 || $0 == 0x0A || $0 == 0x0D || $0 == 9 }
    }
}
