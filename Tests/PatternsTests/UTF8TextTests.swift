// What counts as UTF-8 here is what the standard library takes for it.

import Patterns
import Testing

@Suite struct UTF8TextTests {
    @Test func agreesWithTheStandardLibrary() throws {
        let pattern = try Pattern("zz")
        let leads: [UInt8] = [
            0x41, 0x7F, 0x80, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4,
            0xF5,
            0xFF,
        ]
        let tails: [UInt8] = [0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0]
        func check(_ text: [UInt8]) {
            let isValid = String(validating: text, as: UTF8.self) != nil
            #expect((ranges(pattern, in: text).outcome != .invalidUTF8) == isValid, "\(text)")
        }
        for lead in leads {
            for first in tails {
                for second in tails {
                    for third in tails {
                        let sequence = [lead, first, second, third]
                        check(sequence)
                        // Cut off, and behind a block of ASCII.
                        check([UInt8](repeating: 0x20, count: 16) + sequence.dropLast(Int(third) % 4))
                    }
                }
            }
        }
    }
}
