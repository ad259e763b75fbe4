import Core
import Testing

@testable import Wire

@Suite struct CanonicalPathTests {
    @Test(arguments: [
        ("/v1/chat/completions", "/v1/chat/completions"),
        ("/", "/"),
        ("//", "/"),
        ("/v1/chat/completions/", "/v1/chat/completions"),
        ("//v1///chat//completions//", "/v1/chat/completions"),
        ("/v1/./chat/completions", "/v1/chat/completions"),
        ("/v1/x/../chat/completions", "/v1/chat/completions"),
        ("/../../v1/models", "/v1/models"),
        ("/v1/x/%2e%2E/chat/completions", "/v1/chat/completions"),
        ("/v1/%63hat/completion%73", "/v1/chat/completions"),
        ("/v1/files/a%20b", "/v1/files/a%20b"),
        ("/v1/files/a%c3%a9", "/v1/files/a%C3%A9"),
        ("/v1/files/a{b}", "/v1/files/a%7Bb%7D"),
        ("/v1beta/models/gemini-pro:generateContent", "/v1beta/models/gemini-pro:generateContent"),
        ("/v1beta/models/gemini-pro%3AgenerateContent", "/v1beta/models/gemini-pro%3AgenerateContent"),
        ("/v1/files/100%25", "/v1/files/100%25"),
        ("http://gateway.example/v1/models", "/v1/models"),
        ("HTTPS://gateway.example:8443/v1/x/../models", "/v1/models"),
        ("http://gateway.example", "/"),
        ("http://gateway.example?x=1", "/"),
        ("/v1/proxy/chat/completions", "/v1/chat/completions"),
        ("/v1/proxy/rerank", "/v1/rerank"),
        ("/v1//proxy/./rerank", "/v1/rerank"),
        ("/v1/proxy", "/v1/proxy"),
        ("/v1/v1/models", "/v1/v1/models"),
        ("/chat/completions", "/chat/completions"),
        ("/V1/Chat/Completions", "/V1/Chat/Completions"),
        ("/v1/...", "/v1/..."),
    ])
    func hasOneSpelling(_ target: String, _ path: String) throws {
        #expect(try CanonicalPath(target: target).path == path)
    }

    @Test(arguments: [
        "/v1/chat%2fcompletions", "/v1/chat%2Fcompletions", "/v1/chat\\completions", "/v1/chat%5ccompletions",
        "/v1/a%00b", "/v1/a%0ab",
        "/v1/a%7f", "/v1/a\u{1}b", "/v1/é", "/v1/a#b", "/v1/a%", "/v1/a%2", "/v1/a%zz", "", "*", "v1/models",
        "ftp://x/v1", "http:///v1",
        "http://", "gateway.example:443", "/v1/..;/models", "/v1/.;x/models", "/v1/models?a b", "/v1/models?é",
        "/v1/models?a#b",
        "/v1/models?a\u{0}",
    ])
    func refuses(_ target: String) {
        let error = failure { () throws(GatewayError) in _ = try CanonicalPath(target: target) }
        #expect(error?.status == 400)
        #expect(error?.kind == .invalidRequest)
        #expect(error?.code == "invalid_path")
    }

    @Test func keepsTheQueryAsItCame() throws {
        #expect(try CanonicalPath(target: "/v1/models").query == nil)
        #expect(try CanonicalPath(target: "/v1/models?").query == "")
        #expect(try CanonicalPath(target: "/v1/files/?a=%2F..&b=/../c?d").query == "a=%2F..&b=/../c?d")
        #expect(try CanonicalPath(target: "http://h?x=1").query == "x=1")
    }

    @Test func tellsWhenTheProxyPrefixWasThere() throws {
        #expect(try CanonicalPath(target: "/v1/proxy/models").isProxyPrefixed)
        #expect(try !CanonicalPath(target: "/v1/models").isProxyPrefixed)
    }

    @Test func isItsOwnCanonicalForm() throws {
        for target in ["/v1/proxy/a%20b/../c//d/", "/v1/x;y=1/%7E%41", "/%2e%2e/v1/chat/completions?x"] {
            let once = try CanonicalPath(target: target)
            #expect(try CanonicalPath(target: once.path).path == once.path)
        }
    }

    @Test func hasSegments() throws {
        #expect(try CanonicalPath(target: "/v1//a%20b/").segments == ["v1", "a%20b"])
        #expect(try CanonicalPath(target: "/").segments == [])
    }
}
