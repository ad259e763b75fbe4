import Config
import Core
import Testing

#if canImport(Glibc)
    import Glibc
#endif

/// A directory that is gone after `body`.
private func withDirectory(_ body: (String) throws -> Void) throws {
    var template = Array("/tmp/gatehouse-config-XXXXXX".utf8CString)
    let path = try #require(mkdtemp(&template).map { String(cString: $0) })
    var made: [String] = []
    defer {
        if let directory = opendir(path) {
            while let entry = readdir(directory) {
                made.append(
                    withUnsafePointer(to: &entry.pointee.d_name) {
                        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                    })
            }
            closedir(directory)
        }
        for name in made { unlink(path + "/" + name) }
        rmdir(path)
    }
    try body(path + "/")
}

private func write(_ text: String, to path: String, mode: mode_t = 0o600) throws {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode)
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    try #require(
        Array(text.utf8).withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) } == text.utf8.count)
    try #require(fchmod(descriptor, mode) == 0)
}

@Suite struct ConfigLoaderTests {
    @Test(
        "An empty file is the defaults",
        arguments: ["", "{}", "listen:\nlimits:\nkeys:\nproviders:\n", "x-anchors: {a: 1}"])
    func empty(_ text: String) throws {
        let config = try snapshot(text)
        #expect(config.listen == Listen())
        #expect(config.limits == Limits())
        #expect(config.keys.isEmpty)
        #expect(config.defaults == Defaults())
        #expect(config.allowInline == AllowInline())
        #expect(config.log == Log())
        #expect(config.tls == nil)
    }

    @Test("Secrets come from files, without their line break; paths begin at the config's directory")
    func secretFiles() throws {
        try withDirectory { directory in
            try write("sk-from-file\n", to: directory + "openai")
            try write("gateway-key-of-a-file\r\n", to: directory + "key", mode: 0o644)
            try write("cert", to: directory + "cert.pem", mode: 0o644)
            try write("private", to: directory + "key.pem")
            try write(
                """
                tls: {certificate_file: cert.pem, key_file: key.pem}
                plugins: {directories: [plugins, /opt/plugins]}
                log: {file: access.log}
                keys: [{name: k, key_file: key}]
                providers:
                  a: {provider: openai, api_key: {file: openai}, aws_secret_access_key: {env: AWS}}
                """, to: directory + "gatehouse.yaml")
            let loader = ConfigLoader(environment: { ["AWS": "aws-secret"][$0] })
            let loaded = try loader.load(directory + "gatehouse.yaml")
            let config = loaded.snapshot
            let provider = try #require(config.providers["a"])
            #expect(provider.apiKey?.reveal() == "sk-from-file")
            #expect(provider.options["aws_secret_access_key"] == "aws-secret")
            #expect(provider.secretOptions == ["aws_secret_access_key"])
            #expect(config.key(presented: "gateway-key-of-a-file")?.name == "k")
            #expect(config.tls == TLSFiles(certificateFile: directory + "cert.pem", keyFile: directory + "key.pem"))
            #expect(config.plugins.directories == [directory + "plugins", "/opt/plugins"])
            #expect(config.log.file == directory + "access.log")
            #expect(
                config.files == ["gatehouse.yaml", "cert.pem", "key.pem", "openai", "key"].map { directory + $0 })
            #expect(
                loaded.warnings.map(\.description) == [
                    "\(directory)gatehouse.yaml:4:28: /keys/0/key_file: \(directory)key holds a secret and others than its owner "
                        + "may read it (chmod 600)"
                ])
        }
    }

    @Test("The hash changes with the file and with every file it refers to, and with nothing else")
    func contentHash() throws {
        try withDirectory { directory in
            let path = directory + "gatehouse.yaml"
            try write("one", to: directory + "secret")
            try write("providers: {a: {provider: x, api_key: {file: secret}}}", to: path)
            let loader = ConfigLoader(environment: noEnvironment)
            let first = try loader.load(path).snapshot.contentHash
            #expect(first.utf8.count == 64)
            #expect(try loader.load(path).snapshot.contentHash == first)
            try write("two", to: directory + "secret")
            let second = try loader.load(path).snapshot.contentHash
            #expect(second != first)
            try write("providers: {a: {provider: y, api_key: {file: secret}}}", to: path)
            #expect(try loader.load(path).snapshot.contentHash != second)
        }
    }

    @Test("Keys are found by what clients present, and only their hashes are kept")
    func keys() throws {
        let config = try snapshot(
            """
            listen: {address: 0.0.0.0}
            allow_inline: {custom_host: false, plugins: ["pii.*", default.contains]}
            configs: {c: {provider: ollama}}
            keys:
              - {name: plain, workspace: w, key: "${KEY}", config: c, metadata: {team: a}}
              - name: hashed
                sha256: 1FE91748DAB3F452EB1C48FAC6CA24B9A5FE7EEBDD628493402E2283FC3FA68B
                allow_inline: {config: false, custom_host: true}
            """, environment: ["KEY": "a-gateway-key-of-ours"])
        let plain = try #require(config.key(presented: "a-gateway-key-of-ours"))
        let hashed = try #require(config.key(presented: "another-gateway-key"))
        #expect(plain.name == "plain")
        #expect(plain.workspace == "w")
        #expect(plain.config == "c")
        #expect(plain.metadata == JSONObject([("team", "a")]))
        #expect(plain.allowInline == config.allowInline)
        #expect(hashed.workspace == "default")
        #expect(hashed.allowInline.config == false)
        #expect(hashed.allowInline.customHost == true)
        #expect(hashed.allowInline.plugins == ["pii.*", "default.contains"])
        for other in ["", "a-gateway-key-of-our", "a-gateway-key-of-ours "] {
            #expect(config.key(presented: other) == nil)
        }
        #expect(!String(reflecting: config.keys).contains("a-gateway-key"))
    }

    @Test(
        "Check ids are allowed by name, by plugin, or all",
        arguments: [
            (["*"], "pii.scan", true), (["pii.*"], "pii.scan", true), (["pii.*"], "piix.scan", false),
            (["pii.scan"], "pii.scan", true), (["pii.scan"], "pii.scans", false), ([], "pii.scan", false),
        ])
    func allowInlineChecks(_ plugins: [String], _ id: String, _ expected: Bool) {
        var doors = AllowInline()
        doors.plugins = plugins
        #expect(doors.allows(check: id) == expected)
    }

    @Test("Every section lands in the snapshot")
    func sections() throws {
        let config = try snapshot(
            """
            listen: {address: "::1", port: 0, loops: 2}
            limits: {header_bytes: 8KiB, body_bytes: 1048576, request_deadline_ms: 5000, plan_cache_entries: 0}
            plugins:
              disabled: [webhook]
              pins: {pii: "\(String(repeating: "AB", count: 32))"}
              settings: {pii: {timeout_ms: 5, on_failure: closed, on_timeout: retry}}
              blocking_threads: 9
            network: {proxy: "", no_proxy: a.example, allow_hosts: [10.0.0.0/8], http2: false, max_idle_connections: 3}
            cache: {max_bytes: 512KiB, max_age: 60}
            log: {level: debug, format: json, access: false}
            metrics: {enabled: false}
            providers:
              main: {provider: openai, models: [a, b], request_timeout: 9, timeouts: {first_token_ms: 8}, resourceName: r}
            guardrails:
              long: {deny: true, checks: [{id: contains, parameters: {words: [x]}}]}
            configs:
              c: {provider: "@main", input_guardrails: [long]}
            defaults:
              config: c
              provider: main
              input_guardrails: [long, {deny: true, id: keys, regexMatch: {rule: sk-, not: true}}]
              output_guardrails: [{pii.scan: {}}]
              on_failure: open
              request_timeout: 30000
              metadata: {env: test}
            """)
        #expect(config.listen.address == "::1" && config.listen.port == 0 && config.listen.loops == 2)
        #expect(config.limits.headerBytes == 8_192 && config.limits.bodyBytes == 1 << 20)
        #expect(config.limits.requestDeadlineMilliseconds == 5_000 && config.limits.planCacheEntries == 0)
        #expect(config.plugins.disabled == ["webhook"] && config.plugins.blockingThreads == 9)
        #expect(config.plugins.pins == ["pii": String(repeating: "ab", count: 32)])
        let settings = try #require(config.plugins.settings["pii"])
        #expect(settings.timeoutMilliseconds == 5 && settings.onFailure == .closed && settings.onTimeout == .retry)
        #expect(config.network.proxy == "" && config.network.noProxy == "a.example" && !config.network.http2)
        #expect(config.network.allowHosts == ["10.0.0.0/8"] && config.network.maximumIdleConnections == 3)
        #expect(config.cache.maximumBytes == 512 << 10 && config.cache.maximumAgeSeconds == 60)
        #expect(config.cache.maximumEntryBytes == 512 << 10)
        #expect(config.log.level == .debug && config.log.format == .json && !config.log.access)
        #expect(!config.metrics.enabled)
        let provider = try #require(config.providers["main"])
        #expect(provider.models == ["a", "b"] && provider.requestTimeoutMilliseconds == 9)
        #expect(provider.timeouts.firstTokenMilliseconds == 8)
        #expect(provider.options == JSONObject([("resource_name", "r")]))
        #expect(provider.pointer.description == "/providers/main")
        let target = try #require(config.configs["c"]?.targets.first)
        #expect(config.configs["c"]?.origin == .file("c"))
        #expect(target.pointer.description == "/configs/c")
        #expect(target.beforeGuards.map(\.id) == ["long"])
        #expect(target.beforeGuards[0].checks[0].pointer.description == "/guardrails/long/checks/0/parameters")
        #expect(config.defaults.config == "c" && config.defaults.provider == "main")
        #expect(config.defaults.inputGuards.map(\.id) == ["long", "keys"])
        #expect(
            config.defaults.inputGuards[1].checks[0].pointer.description == "/defaults/input_guardrails/1/regexMatch")
        #expect(config.defaults.outputGuards.map(\.stage) == [.after])
        #expect(config.defaults.onFailure == .open && config.defaults.requestTimeoutMilliseconds == 30_000)
        #expect(config.defaults.metadata == JSONObject([("env", "test")]))
    }

    @Test("Configs of the file take secrets by reference")
    func configSecrets() throws {
        let config = try snapshot(
            "configs: {c: {provider: bedrock, api_key: {env: A}, aws_secret_access_key: {env: B}}}",
            environment: ["A": "key", "B": "aws"])
        let target = try #require(config.configs["c"]?.targets.first)
        #expect(target.apiKey?.reveal() == "key")
        #expect(target.options["aws_secret_access_key"] == "aws")
        #expect(target.secretOptions == ["aws_secret_access_key"])
    }

    @Test(
        "Who may listen where",
        arguments: [
            ("127.0.0.1", "", true), ("127.9.9.9", "", true), ("::1", "", true), ("localhost", "", true),
            ("0.0.0.0", "", false),
            ("::", "", false), ("192.168.1.2", "", false), ("0.0.0.0", ", allow_public_without_keys: true", true),
        ])
    func listening(_ address: String, _ rest: String, _ isFine: Bool) {
        #expect(errors("listen: {address: \"\(address)\"\(rest)}").isEmpty == isFine)
        #expect(errors("listen: {address: \"\(address)\"}\nkeys: [{name: a, key: abcdefghijklmnop}]").isEmpty)
    }

    @Test("A secret never prints itself")
    func secrets() throws {
        let config = try snapshot("providers: {a: {provider: openai, api_key: sk-hidden}}")
        let provider = try #require(config.providers["a"])
        var dumped = ""
        dump(provider, to: &dumped)
        for text in ["\(provider)", String(reflecting: provider), dumped, "\(Secret("sk-hidden"))"] {
            #expect(!text.contains("sk-hidden"))
        }
        #expect("\(Secret("sk-hidden"))" == "‹secret›")
        #expect(Secret("a") == Secret("a") && Secret("a") != Secret("b"))
    }

    @Test(
        "The command line's words stand over the file's and meet the same rules",
        arguments: [
            ("", "9000", "127.0.0.1", 9_000), ("listen: {address: 127.0.0.2, port: 1}", ":9000", "127.0.0.2", 9_000),
            ("listen: {port: 1}", "localhost:2", "localhost", 2), ("{}", "[::1]:0", "::1", 0),
        ])
    func overrides(_ text: String, _ listen: String, _ address: String, _ port: Int) throws {
        var overrides = ConfigOverrides()
        overrides.listen = listen
        let loader = ConfigLoader(environment: noEnvironment, overrides: overrides)
        let config = try loader.load(Bytes(text), file: "test.yaml").snapshot
        #expect(config.listen.address == address && config.listen.port == port)
        overrides.listen = "0.0.0.0:x"
        let error = #expect(throws: ConfigFailure.self) {
            try ConfigLoader(environment: noEnvironment, overrides: overrides).load(Bytes(text), file: "test.yaml")
        }
        #expect(error?.errors.map(\.pointer.description).sorted() == ["/listen/address", "/listen/port"])
    }
}
