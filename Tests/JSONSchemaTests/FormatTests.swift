// Formats, where they are asserted.

import Core
import JSONSchema
import Testing

@Suite struct FormatTests {
    @Test func areAnnotationsUnlessAsked() throws {
        #expect(try schema(#"{"format": "email"}"#).isValid("x"))
        #expect(try !schema(#"{"format": "email"}"#, assertsFormats: true).isValid("x"))
        #expect(try schema(#"{"format": "email"}"#, assertsFormats: true).isValid(1))
        #expect(try schema(#"{"format": "idn-email"}"#, assertsFormats: true).isValid("x"))
    }

    @Test func sayWhatIsExpected() throws {
        let found = try schema(#"{"format": "email"}"#, assertsFormats: true).validate("x")
        #expect(found.map(\.message) == [#""x" is not an e-mail address"#])
    }

    @Test(arguments: [
        ("date-time", "2024-02-29T23:59:60Z", true), ("date-time", "1998-12-31T15:59:60.123-08:00", true),
        ("date-time", "2023-02-29T00:00:00Z", false), ("date-time", "2024-01-01T22:59:60Z", false),
        ("date-time", "2024-01-01 00:00:00Z", false), ("date-time", "2024-01-01T00:00:00", false),
        ("date", "2000-02-29", true), ("date", "1900-02-29", false), ("date", "2024-1-01", false),
        ("date", "2024-04-31", false),
        ("time", "08:30:06.283185Z", true), ("time", "08:30:06+05:30", true), ("time", "24:00:00Z", false),
        ("time", "08:30:06", false),
        ("duration", "P4DT12H30M5S", true), ("duration", "P2W", true), ("duration", "PT0S", true),
        ("duration", "P", false),
        ("duration", "P1Y2W", false), ("duration", "P1D2H", false), ("duration", "PT", false),
        ("duration", "P1YT", false),
        ("duration", "P1M1Y", false),
        ("email", "joe.bloggs@example.com", true), ("email", "\"joe bloggs\"@example.com", true),
        ("email", "joe@[127.0.0.1]", true), ("email", "joe@[IPv6:::1]", true), ("email", ".joe@example.com", false),
        ("email", "joe@", false), ("email", "joe@[127.0.0.300]", false),
        ("hostname", "www.example.com", true), ("hostname", "-a", false), ("hostname", "a_b", false),
        ("hostname", String(repeating: "a", count: 64), false), ("hostname", "", false),
        ("ipv4", "192.168.0.1", true), ("ipv4", "127.0.0.01", false), ("ipv4", "256.0.0.1", false),
        ("ipv4", "1.2.3", false),
        ("ipv6", "::1", true), ("ipv6", "1::d6:192.168.0.1", true), ("ipv6", "::", true),
        ("ipv6", "1:2:3:4:5:6:7::", true),
        ("ipv6", "1:2:3:4:5:6:7:8", true), ("ipv6", ":2:3:4:5:6:7:8", false), ("ipv6", "1::2::3", false),
        ("ipv6", "12345::", false), ("ipv6", "1:2:3:4:5:6:7:8:9", false), ("ipv6", "fe80::a%eth1", false),
        ("uri", "http://foo.bar/?baz=qux#quux", true), ("uri", "mailto:a@b.c", true),
        ("uri", "urn:isbn:0451450523", true),
        ("uri", "//foo.bar", false), ("uri", "http://a b", false), ("uri", "http://[::g]", false), ("uri", "/a", false),
        ("uri-reference", "/a?b#c", true), ("uri-reference", "\\\\WINDOWS", false), ("uri-reference", "%zz", false),
        ("iri", "http://ƒøø.ßår/", true), ("uri", "http://ƒøø.ßår/", false),
        ("uri-template", "http://a/{b}/{+c*}{?d:3,e}", true), ("uri-template", "http://a/{b", false),
        ("uuid", "2eb8aa08-aa98-11ea-b4aa-73b441d16380", true), ("uuid", "2eb8aa08aa9811eab4aa73b441d16380", false),
        ("json-pointer", "/a~1b/0", true), ("json-pointer", "a", false), ("json-pointer", "/~2", false),
        ("relative-json-pointer", "0#", true), ("relative-json-pointer", "1/a", true),
        ("relative-json-pointer", "01", false),
        ("relative-json-pointer", "/a", false),
        ("regex", "^(a|b)$", true), ("regex", "(", false),
    ])
    func know(_ format: String, _ text: String, _ isValid: Bool) throws {
        let schema = try Schema(["format": .string(format)], assertsFormats: true)
        #expect(schema.isValid(.string(text)) == isValid)
    }
}
