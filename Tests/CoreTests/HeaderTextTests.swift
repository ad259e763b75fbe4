import Core
import Testing

@Suite struct HeaderTextTests {
    private func copied(_ text: String) -> [UInt8] {
        var place = [UInt8](repeating: 0xAA, count: text.utf8.count + 1)
        let count = place.withUnsafeMutableBytes { HeaderText.copy(text, to: $0.baseAddress!) }
        #expect(place.last == 0xAA, "nothing is written behind the text")
        return Array(place[..<count])
    }

    @Test func findsControlCharactersAtEveryPlace() {
        for length in 0...40 {
            let plain = [UInt8]((0..<length).map { [0x20, 0x7E, 0x80, 0xFF, 0x41, 0x09][$0 % 6] })
            #expect(!plain.withUnsafeBytes { HeaderText.hasControl($0) })
            for index in 0..<length {
                for control: UInt8 in [0x00, 0x08, 0x0A, 0x0D, 0x1F, 0x7F] {
                    var text = plain
                    text[index] = control
                    #expect(text.withUnsafeBytes { HeaderText.hasControl($0) })
                }
            }
        }
    }

    @Test func copiesWithSpacesForControlCharacters() {
        #expect(copied("") == [])
        #expect(copied("a\tb") == Array("a\tb".utf8))
        #expect(copied("naïve text that is stored on the heap") == Array("naïve text that is stored on the heap".utf8))
        #expect(copied("x\r\nset-cookie: a=b; path=/\u{7F}") == Array("x  set-cookie: a=b; path=/ ".utf8))
    }

    @Test func comparesWithoutCase() {
        #expect("Content-Type".equalsIgnoringCase("content-type"))
        #expect(!"Content-Typ".equalsIgnoringCase("content-type"))
        #expect(!"content-type2".equalsIgnoringCase("content-type"))
        // 0x0D is no '-' with another case.
        #expect(!"content\rtype".equalsIgnoringCase("content-type"))
        #expect("X-Portkey-Config".hasPrefixIgnoringCase("x-portkey-"))
        #expect(!"X-Portke".hasPrefixIgnoringCase("x-portkey-"))
        #expect("".hasPrefixIgnoringCase(""))
    }
}
