// Which hosts and addresses a request may name. Tables: one line, one trick.

import Testing

@testable import Upstream

private func rules(_ texts: String...) throws -> [HostRule] { try texts.map { try HostRule(parsing: $0) } }

private func refusal(_ policy: AddressPolicy, _ url: String) -> String? {
    do {
        _ = try policy.checkURL(url)
        return nil
    } catch {
        return error.message
    }
}

private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

@Suite struct URLChecks {
    let policy = AddressPolicy()

    @Test func takesAURLApart() throws {
        let url = try policy.checkURL("HTTPS://API.Example.com:8443/v1/x?y=1&z=@")
        #expect(url.scheme == .https)
        #expect(url.host == "api.example.com")
        #expect(url.address == nil)
        #expect(url.port == 8443)
        #expect(url.path == "/v1/x")
        #expect(url.query == "y=1&z=@")
        #expect(url.text == "https://api.example.com:8443/v1/x?y=1&z=@")
    }

    @Test(arguments: [
        ("https://api.openai.com", "https://api.openai.com", 443),
        ("http://api.openai.com", "http://api.openai.com", 80),
        ("https://api.openai.com:443/v1", "https://api.openai.com/v1", 443),
        ("http://api.openai.com:443/", "http://api.openai.com:443/", 443),
        ("https://api.openai.com?x", "https://api.openai.com/?x", 443),
        ("https://8.8.8.8/", "https://8.8.8.8/", 443),
        ("https://[2606:4700:4700:0::1111]:8080/", "https://[2606:4700:4700::1111]:8080/", 8080),
        ("https://a_b.example.com/%41", "https://a_b.example.com/%41", 443),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/", 443),
        ("https://a.b.c.d.e.f.g.h.i.com/", "https://a.b.c.d.e.f.g.h.i.com/", 443),
        ("https://1password.com/", "https://1password.com/", 443),
    ])
    func opensPublicHosts(url: String, text: String, port: Int) throws {
        let checked = try policy.checkURL(url)
        #expect(checked.text == text)
        #expect(checked.port == UInt16(port))
    }

    @Test(arguments: [
        ("", "empty"),
        ("example.com", "must begin with http"),
        ("ftp://example.com", "must begin with http"),
        ("file:///etc/passwd", "must begin with http"),
        ("gopher://127.0.0.1:6379/_x", "must begin with http"),
        ("https:/example.com", "must begin with http"),
        (" https://example.com", "must begin with http"),
        ("https://", "host is missing"),
        ("https:///path", "host is missing"),
        ("https://:8080", "host is missing"),
        ("https://user@example.com", "user name"),
        ("https://user:pass@example.com", "user name"),
        ("https://example.com@10.0.0.1/", "user name"),
        ("https://example.com\\@10.0.0.1/", "does not belong"),
        ("https://10.0.0.1#@example.com/", "fragment"),
        ("https://example.com/#x", "fragment"),
        ("https://exa mple.com", "does not belong"),
        ("https://example.com/a b", "does not belong"),
        ("https://example.com/\r\nHost: x", "does not belong"),
        ("https://example.com/\u{0}", "does not belong"),
        ("https://example.com\t", "does not belong"),
        ("https://exämple.com", "must be ASCII"),
        ("https://①②⑦.com", "must be ASCII"),
        ("https://ex%61mple.com", "does not belong"),
        ("https://example.com.", "end with a dot"),
        ("https://127.0.0.1.", "end with a dot"),
        ("https://example..com", "empty label"),
        ("https://.example.com", "empty label"),
        ("https://-a.example.com", "hyphen"),
        ("https://a-.example.com", "hyphen"),
        ("https://a.b.c.d.e.f.g.h.i.j.com", "more than 10 labels"),
        ("https://" + String(repeating: "a", count: 64) + ".com", "63"),
        ("https://example.com:", "port"),
        ("https://example.com:0", "port"),
        ("https://example.com:65536", "port"),
        ("https://example.com:080", "port"),
        ("https://example.com:8080x", "port"),
        ("https://example.com:80:80", "port"),
        ("https://example.com:-1", "port"),
        ("https://2130706433/", "four decimal numbers"),
        ("https://0x7f000001/", "four decimal numbers"),
        ("https://0x7F.0x0.0x0.0x1/", "four decimal numbers"),
        ("https://0x/", "four decimal numbers"),
        ("https://017700000001/", "four decimal numbers"),
        ("https://0177.0.0.1/", "four decimal numbers"),
        ("https://127.1/", "four decimal numbers"),
        ("https://127.0.1/", "four decimal numbers"),
        ("https://127.0.0.01/", "four decimal numbers"),
        ("https://127.0.0.1.1/", "four decimal numbers"),
        ("https://127.0.0.256/", "four decimal numbers"),
        ("https://example.0x10/", "four decimal numbers"),
        ("https://[::1", "not closed"),
        ("https://[::1]x", "only a port"),
        ("https://[127.0.0.1]/", "no IPv6 address"),
        ("https://[example.com]/", "no IPv6 address"),
        ("https://[fe80::1%eth0]/", "no IPv6 address"),
        ("https://[fe80::1%25eth0]/", "no IPv6 address"),
        ("https://[::ffff:127.0.0.1]/", "without an IPv4 part"),
        ("https://[::ffff:7f00:1]/", "four decimal numbers"),
        ("https://[1:2:3:4:5:6:7:8:9]/", "no IPv6 address"),
        ("https://[1::2::3]/", "no IPv6 address"),
        ("https://[:]/", "no IPv6 address"),
        ("https://[]/", "no IPv6 address"),
        ("https://::1/", "port"),
        ("https://" + String(repeating: "a.", count: 1100) + "com", "longer than 2048"),
    ])
    func refusesWhatParsersReadDifferently(url: String, reason: String) {
        #expect(refusal(policy, url)?.contains(reason) == true, "\(url): \(refusal(policy, url) ?? "was accepted")")
    }

    @Test(arguments: [
        "localhost", "LOCALHOST", "foo.localhost", "printer.local", "x.localdomain", "host.docker.internal",
        "a.intranet",
        "nas.lan", "router.home", "x.home.arpa", "wiki.corp", "a.test", "a.invalid", "hidden.onion", "ollama",
        "vllm.models.svc.cluster.local", "vllm.models.svc", "metadata.google.internal", "metadata.goog", "metadata",
        "instance-data", "1.0.0.10.in-addr.arpa", "metadata.azure.com",
    ])
    func refusesInternalNames(host: String) {
        for scheme in ["http", "https"] {
            #expect(refusal(policy, "\(scheme)://\(host)/")?.contains("network.allow_hosts") == true)
        }
    }

    @Test(arguments: [
        ("10.0.0.5", "the address 10.0.0.5 is private; the operator can allow it with network.allow_hosts"),
        (
            "127.0.0.1",
            "the address 127.0.0.1 is a loopback address; the operator can allow it with network.allow_hosts"
        ),
        ("0.0.0.0", "the address 0.0.0.0 is unspecified; it cannot be allowed"),
        (
            "169.254.169.254",
            "the address 169.254.169.254 is a cloud metadata service; the operator can allow it with "
                + "network.allow_hosts, by the address itself"
        ),
        ("[::1]", "the address ::1 is a loopback address; the operator can allow it with network.allow_hosts"),
        ("[fd00::5]", "the address fd00::5 is private; the operator can allow it with network.allow_hosts"),
        (
            "[64:ff9b::a00:5]",
            "the address 64:ff9b::a00:5 leads to an IPv4 address that is private; the operator can allow it with "
                + "network.allow_hosts"
        ),
    ])
    func saysWhyAnAddressIsClosed(host: String, message: String) {
        #expect(refusal(policy, "http://\(host):8000/") == message)
    }
}

@Suite struct AddressChecks {
    @Test(arguments: [
        // RFC 1918, loopback, link-local, shared, "this network"
        "10.0.0.0", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "127.0.0.1", "127.255.255.254",
        "169.254.0.1", "169.254.169.254", "169.254.170.2", "100.64.0.1", "100.127.255.255", "0.0.0.0", "0.1.2.3",
        // reserved, documentation, benchmark, multicast, broadcast
        "192.0.0.1", "192.0.0.192", "192.0.2.1", "198.51.100.7", "203.0.113.9", "192.88.99.1", "198.18.0.1",
        "198.19.255.255",
        "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
        // metadata in space that looks public
        "100.100.100.200", "168.63.129.16",
        "::", "::1", "fc00::1", "fdff::1", "fd00:ec2::254", "fe80::1", "febf::1", "fec0::1", "ff02::1", "2001:db8::1",
        "3fff::1", "100::1", "2001:2::1", "2001:20::1", "5f00::1", "4000::1", "::7f00:1", "64:ff9b:1::808:808",
        // IPv4 inside IPv6: mapped, NAT64, 6to4, Teredo (client inverted, server), ISATAP
        "::ffff:10.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::10.0.0.1", "64:ff9b::127.0.0.1",
        "64:ff9b::0.0.0.0", "2002:0a00:0001::1", "2002:7f00:0001::", "2002:a9fe:a9fe::1",
        "2001:0:808:808:0:0:f5ff:fffe", "2001:0:a00:1:0:0:f7f7:f7f7", "2606:4700::5efe:10.0.0.1",
        "2606:4700::200:5efe:127.0.0.1",
    ])
    func isClosedByDefault(text: String) throws {
        #expect(try !AddressPolicy().allows(address(text), port: 443, host: "models.example.com"))
    }

    @Test(arguments: [
        "8.8.8.8", "1.1.1.1", "9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255",
        "192.169.0.0",
        "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0",
        "198.17.255.255",
        "198.20.0.0", "223.255.255.255", "192.0.1.0", "2606:4700:4700::1111", "2a00:1450:4001:80b::200e",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8", "2002:0808:0808::1", "2001:0:808:808:0:0:f7f7:f7f7", "2001:4860:4860::8888",
    ])
    func isOpenByDefault(text: String) throws {
        #expect(try AddressPolicy().allows(address(text), port: 443, host: "models.example.com"))
    }

    @Test func theMessageForANameKeepsItsAddressSecret() throws {
        do {
            try AddressPolicy().check(try address("10.0.0.5"), port: 443, host: "rebind.example.com")
            Issue.record("was allowed")
        } catch let error as AddressRefusal {
            #expect(
                error.message == "the host 'rebind.example.com' leads to an address that is private; "
                    + "the operator can allow it with network.allow_hosts")
            #expect(error.detail == "rebind.example.com is 10.0.0.5")
        }
    }

    @Test func readsTheBytesOfSocketAddresses() {
        func read(_ bytes: [UInt8]) -> IPAddress? { bytes.withUnsafeBytes { IPAddress(networkBytes: $0) } }
        #expect(read([10, 0, 0, 5])?.description == "10.0.0.5")
        #expect(read([0xFD] + Array(repeating: 0, count: 14) + [5])?.description == "fd00::5")
        #expect(read([1, 2, 3]) == nil)
    }
}

@Suite struct AllowLists {
    @Test func aNameOpensItselfAndWhateverItLeadsTo() throws {
        let policy = try AddressPolicy(rules: rules("ollama", "host.docker.internal:11434"))
        #expect(refusal(policy, "http://ollama:11434/v1") == nil)
        #expect(refusal(policy, "http://OLLAMA/") == nil)
        #expect(try policy.allows(address("172.18.0.3"), port: 11434, host: "ollama"))
        #expect(try !policy.allows(address("172.18.0.3"), port: 11434, host: "other"))
        #expect(refusal(policy, "http://host.docker.internal:11434/") == nil)
        #expect(refusal(policy, "http://host.docker.internal:22/") != nil)
        #expect(try !policy.allows(address("172.18.0.1"), port: 22, host: "host.docker.internal"))
    }

    @Test func aWildcardOpensWhatIsBelowIt() throws {
        let policy = try AddressPolicy(rules: rules("*.svc.cluster.local"))
        #expect(refusal(policy, "http://vllm.models.svc.cluster.local:8000/v1") == nil)
        #expect(try policy.allows(address("10.96.3.4"), port: 8000, host: "vllm.models.svc.cluster.local"))
        #expect(refusal(policy, "http://svc.cluster.local/") != nil)
        #expect(refusal(policy, "http://evilsvc.cluster.local/") != nil)
        #expect(refusal(policy, "http://x.svc.cluster.local.evil.internal/") != nil)
    }

    @Test func aBlockOpensItsAddressesForEveryName() throws {
        let policy = try AddressPolicy(rules: rules("10.20.0.0/16", "fd00::/8", "192.168.1.7:8000"))
        #expect(refusal(policy, "http://10.20.255.1/") == nil)
        #expect(refusal(policy, "http://10.21.0.1/") != nil)
        #expect(refusal(policy, "http://[fd12::1]:9000/") == nil)
        #expect(try policy.allows(address("10.20.0.1"), port: 1, host: "models.example.com"))
        #expect(try policy.allows(address("::ffff:10.20.0.1"), port: 1, host: "models.example.com"))
        #expect(refusal(policy, "http://192.168.1.7:8000/") == nil)
        #expect(refusal(policy, "http://192.168.1.7:8001/") != nil)
        #expect(refusal(policy, "http://192.168.1.8:8000/") != nil)
    }

    @Test func metadataServicesMustBeNamed() throws {
        let wide = try AddressPolicy(rules: rules("0.0.0.0/0", "::/0", "trap.example.com", "metadata.internal"))
        for text in [
            "169.254.169.254", "100.100.100.200", "168.63.129.16", "fd00:ec2::254", "64:ff9b::169.254.169.254",
        ] {
            #expect(try !wide.allows(address(text), port: 80, host: "trap.example.com"))
        }
        #expect(try wide.allows(address("10.0.0.1"), port: 80, host: "trap.example.com"))
        let named = try AddressPolicy(rules: rules("169.254.169.254"))
        #expect(try named.allows(address("169.254.169.254"), port: 80, host: "169.254.169.254"))
    }

    @Test(arguments: ["0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "ff02::1"])
    func someAddressesStayClosed(text: String) throws {
        let policy = try AddressPolicy(rules: rules("0.0.0.0/0", "::/0", "x.example.com"))
        #expect(try !policy.allows(address(text), port: 80, host: "x.example.com"))
    }

    @Test(arguments: [
        ("Example.COM", "example.com"), ("*.Example.com:80", "*.example.com:80"), ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.0.0.0/8:8000", "10.0.0.0/8:8000"), ("10.1.2.3", "10.1.2.3"), ("::1", "::1"), ("[::1]:8080", "[::1]:8080"),
        ("[fd00::/8]:443", "[fd00::/8]:443"), ("fd00:0::/8", "fd00::/8"), ("0.0.0.0/0", "0.0.0.0/0"),
        ("ollama", "ollama"),
    ])
    func readsRules(text: String, spelling: String) throws {
        #expect(try HostRule(parsing: text).description == spelling)
    }

    @Test(arguments: [
        "", "*", "*.", "**.example.com", "a.*.com", "*example.com", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/-1",
        "10.0.0.0/08",
        "fd00::/129", "fd00::1/64", "http://example.com", "example.com/v1", "example.com:0", "example.com:99999",
        "[::1", "[::1]80",
        "a b", "exämple.com", "127.1", "0x7f.1", "example.com.", "a:b:c", "300.1.2.3",
    ])
    func refusesOtherRules(text: String) {
        #expect(throws: AddressRefusal.self) { try HostRule(parsing: text) }
    }
}

@Suite struct LoopbackMode {
    let policy = AddressPolicy(allowsLoopback: true, ownPorts: [8787, 9090])

    @Test(arguments: ["localhost", "127.0.0.1", "127.8.9.10", "[::1]"])
    func opensTheHostItself(host: String) {
        #expect(refusal(policy, "http://\(host):11434/v1") == nil)
        #expect(refusal(policy, "http://\(host):8787/v1")?.hasSuffix("is this gateway itself") == true)
        #expect(refusal(policy, "http://\(host):9090/v1") != nil)
    }

    @Test func opensNothingElse() {
        for host in ["10.0.0.1", "0.0.0.0", "[::]", "foo.localhost", "[::ffff:127.0.0.1]", "169.254.169.254", "ollama"]
        {
            #expect(refusal(policy, "http://\(host):11434/") != nil, "\(host)")
        }
    }

    @Test func aNameThatLeadsToLoopbackStaysClosed() throws {
        #expect(try !policy.allows(address("127.0.0.1"), port: 11434, host: "rebind.example.com"))
        #expect(try policy.allows(address("127.0.0.1"), port: 11434, host: "localhost"))
        #expect(try policy.allows(address("::1"), port: 11434, host: "localhost"))
        #expect(try !policy.allows(address("127.0.0.1"), port: 8787, host: "localhost"))
        #expect(try !policy.allows(address("10.0.0.1"), port: 11434, host: "localhost"))
    }

    @Test func aRuleOpensTheGatewaysOwnPortOnlyByNamingIt() throws {
        let wide = try AddressPolicy(rules: rules("127.0.0.0/8", "localhost"), ownPorts: [8787])
        #expect(try wide.allows(address("127.0.0.1"), port: 80, host: "localhost"))
        #expect(try !wide.allows(address("127.0.0.1"), port: 8787, host: "localhost"))
        #expect(refusal(wide, "http://127.0.0.1:8787/") != nil)
        let exact = try AddressPolicy(rules: rules("127.0.0.1:8787"), ownPorts: [8787])
        #expect(refusal(exact, "http://127.0.0.1:8787/") == nil)
    }
}

@Suite struct IPAddressText {
    @Test(arguments: [
        ("1.2.3.4", "1.2.3.4"), ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"), ("::", "::"),
        ("::1", "::1"),
        ("1::", "1::"), ("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("1:0:0:2:0:0:0:3", "1:0:0:2::3"),
        ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"), ("::ffff:1.2.3.4", "::ffff:1.2.3.4"),
        ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"),
        ("64:ff9b::1.2.3.4", "64:ff9b::102:304"), ("1:0:3:4:5:6:7:8", "1:0:3:4:5:6:7:8"),
        ("1::3:4:5:6:7:8", "1:0:3:4:5:6:7:8"),
    ])
    func readsAndWrites(text: String, canonical: String) {
        #expect(IPAddress(text)?.description == canonical)
    }

    @Test(arguments: [
        "", ".", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.4 ", "1..3.4", "1.2.3.", ".1.2.3", "256.1.1.1", "1.2.3.4x",
        ":", ":::",
        "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:", ":1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8:9", "12345::", "g::", "1::2::3",
        "::1.2.3", "1.2.3.4::",
        "1:2:3:4:5:6:7::8:9", "1:2:3:4:5:6:7:1.2.3.4", "::ffff:01.2.3.4", "1:2:3:4:5:6:7:8::",
    ])
    func refusesOtherText(text: String) {
        #expect(IPAddress(text) == nil)
    }
}
