import Config
import Core
import Testing

@Suite struct ConfigErrorTests {
    @Test(
        "Faults of the file: where, what, and what was meant",
        arguments: [
            // Unknown keys.
            ("listen:\n  prot: 1\n", ["test.yaml:2:3: /listen/prot: unknown key \"prot\"; did you mean \"port\"?"]),
            ("lisen: {}\n", ["test.yaml:1:1: /lisen: unknown key \"lisen\"; did you mean \"listen\"?"]),
            (
                "header_bytes: 1\n",
                ["test.yaml:1:1: /header_bytes: unknown key \"header_bytes\"; it belongs at /limits/header_bytes"]
            ),
            ("zebra: 1\n", ["test.yaml:1:1: /zebra: unknown key \"zebra\""]),
            (
                "keys:\n  - {name: a, workspce: w, key: abcdefghijklmnop}\n",
                ["test.yaml:2:15: /keys/0/workspce: unknown key \"workspce\"; did you mean \"workspace\"?"]
            ),
            (
                "plugins: {settings: {pii: {timeout: 5}}}",
                ["test.yaml:1:28: /plugins/settings/pii/timeout: unknown key \"timeout\"; did you mean \"timeout_ms\"?"]
            ),
            // Types and bounds.
            ("[1, 2]", ["test.yaml:1:1: expected the sections of a config, found an array"]),
            ("listen: 8787", ["test.yaml:1:9: /listen: expected an object, found a number"]),
            ("keys: {a: b}", ["test.yaml:1:7: /keys: expected a list, found an object"]),
            (
                "listen: {port: 70000}",
                ["test.yaml:1:16: /listen/port: expected an integer from 0 to 65535, found 70000"]
            ),
            ("listen: {port: 80.5}", ["test.yaml:1:16: /listen/port: expected an integer from 0 to 65535, found 80.5"]),
            (
                "listen: {port: \"80\"}",
                ["test.yaml:1:16: /listen/port: expected an integer from 0 to 65535, found a string"]
            ),
            ("listen:\n  port:\n", ["test.yaml:2:8: /listen/port: expected an integer from 0 to 65535, found null"]),
            (
                "listen: {address: \"\"}",
                [
                    "test.yaml:1:19: /listen/address: expected a string that is not empty, found an empty one"
                ]
            ),
            (
                "limits: {body_bytes: 5MB}",
                [
                    "test.yaml:1:22: /limits/body_bytes: expected a number of bytes (or \"20MiB\") from 1KiB to 1GiB, found a string"
                ]
            ),
            (
                "limits: {header_bytes: 10}",
                [
                    "test.yaml:1:24: /limits/header_bytes: expected a number of bytes (or \"20MiB\") from 1KiB to 1MiB, found 10"
                ]
            ),
            (
                "limits: {body_bytes: 2MiB, upload_bytes: 1MiB}",
                ["test.yaml:1:42: /limits/upload_bytes: \"upload_bytes\" must not be smaller than \"body_bytes\""]
            ),
            ("store: {}", ["test.yaml:1:8: /store: \"path\" is missing"]),
            (
                "store: {path: \"\"}",
                ["test.yaml:1:15: /store/path: expected a string that is not empty, found an empty one"]
            ),
            (
                "store: {path: x, log_bodies: all}",
                ["test.yaml:1:30: /store/log_bodies: expected one of none, redacted, full, found \"all\""]
            ),
            (
                "store: {path: x, queue_rows: 10}",
                ["test.yaml:1:30: /store/queue_rows: expected an integer from 1000 to 1000000, found 10"]
            ),
            ("metrics: {enabled: yes}", ["test.yaml:1:20: /metrics/enabled: expected true or false, found a string"]),
            (
                "log: {level: warn}",
                [
                    "test.yaml:1:14: /log/level: expected one of trace, debug, info, notice, warning, error, critical, found \"warn\""
                ]
            ),
            (
                "log: {level: debgu}",
                [
                    "test.yaml:1:14: /log/level: expected one of trace, debug, info, notice, warning, error, critical; did you mean \"debug\"?"
                ]
            ),
            (
                "plugins: {pins: {pii: abc}}",
                ["test.yaml:1:23: /plugins/pins/pii: expected a SHA-256: 64 hexadecimal digits, found a string"]
            ),
            (
                "plugins: {directories: [1]}",
                ["test.yaml:1:25: /plugins/directories/0: expected a string that is not empty, found a number"]
            ),
            (
                "providers: {a b: {provider: mock}}",
                ["test.yaml:1:13: /providers/a b: a name is made of letters, digits, '_', '-' and '.', found \"a b\""]
            ),
            // What is missing.
            ("tls: {certificate_file: /dev/null}", ["test.yaml:1:6: /tls: \"key_file\" is missing"]),
            ("providers:\n  a: {api_key: x}\n", ["test.yaml:2:6: /providers/a: \"provider\" is missing"]),
            (
                "keys: [{name: a}]",
                ["test.yaml:1:8: /keys/0: expected one of \"sha256\", \"key\" and \"key_file\", found none"]
            ),
            (
                "keys: [{name: a, key: abcdefghijklmnop, key_file: k}]",
                ["test.yaml:1:8: /keys/0: expected one of \"sha256\", \"key\" and \"key_file\", found key and key_file"]
            ),
            // Secrets.
            (
                "providers: {a: {provider: x, api_key: {env: NOPE}}}",
                ["test.yaml:1:39: /providers/a/api_key: the environment has no variable NOPE"]
            ),
            (
                "providers: {a: {provider: x, api_key: {env: EMPTY}}}",
                ["test.yaml:1:39: /providers/a/api_key: the environment's variable EMPTY is empty"]
            ),
            (
                "providers: {a: {provider: x, api_key: {evn: A}}}",
                [
                    "test.yaml:1:39: /providers/a/api_key: expected a string, {env: NAME} or {file: path}, found an object"
                ]
            ),
            (
                "providers: {a: {provider: x, api_key: 12345}}",
                ["test.yaml:1:39: /providers/a/api_key: expected a string, {env: NAME} or {file: path}, found a number"]
            ),
            (
                "providers: {a: {provider: x, api_key: \"a\\nb\"}}",
                ["test.yaml:1:39: /providers/a/api_key: the credential holds a line break or another control character"]
            ),
            (
                "providers: {a: {provider: x, aws_secret_access_key: {file: /no/such/file}}}",
                [
                    "test.yaml:1:53: /providers/a/aws_secret_access_key: cannot read /no/such/file: No such file or directory"
                ]
            ),
            (
                "keys: [{name: a, key_file: /no/such/file}]",
                ["test.yaml:1:28: /keys/0/key_file: cannot read /no/such/file: No such file or directory"]
            ),
            // Providers.
            (
                "providers: {a: {provider: \"@b\"}, b: {provider: x}}",
                ["test.yaml:1:27: /providers/a/provider: a provider cannot stand for another one: name its adapter"]
            ),
            (
                "providers: {a: {provider: x, base_url: host/v1}}",
                ["test.yaml:1:40: /providers/a/base_url: expected a URL like https://host/v1"]
            ),
            (
                "providers: {a: {provider: x, custom_host: \"https://h\"}}",
                ["test.yaml:1:30: /providers/a/custom_host: a provider's address is its \"base_url\""]
            ),
            (
                "providers: {a: {provider: x, baseUrl: \"https://h\"}}",
                ["test.yaml:1:30: /providers/a/baseUrl: write \"base_url\""]
            ),
            // References between sections.
            (
                "defaults: {config: man}\nconfigs: {main: {provider: ollama}}",
                ["test.yaml:1:20: /defaults/config: there is no config \"man\"; did you mean \"main\"?"]
            ),
            ("defaults: {provider: x}", ["test.yaml:1:22: /defaults/provider: there is no provider \"x\""]),
            (
                "defaults: {provider: \"@a\"}\nproviders: {a: {provider: x}}",
                ["test.yaml:1:22: /defaults/provider: write the name without \"@\""]
            ),
            (
                "keys:\n  - {name: a, key: abcdefghijklmnop, config: c}",
                ["test.yaml:2:46: /keys/0/config: there is no config \"c\""]
            ),
            (
                "keys:\n  - {name: a, key: abcdefghijklmnop}\n  - {name: a, key: abcdefghijklmnop}\n",
                [
                    "test.yaml:3:5: /keys/1: this is the same key as \"a\"",
                    "test.yaml:3:12: /keys/1/name: there is another key named \"a\"",
                ]
            ),
            (
                "defaults: {input_guardrails: [nokeys]}\nguardrails: {no-keys: {contains: {words: [a]}}}",
                [
                    "test.yaml:1:31: /defaults/input_guardrails/0: There is no guardrail \"nokeys\"; did you mean \"no-keys\"?"
                ]
            ),
            (
                "defaults: {output_guardrails: [{contains: 1}]}",
                ["test.yaml:1:43: /defaults/output_guardrails/0/contains: Expected object, received number"]
            ),
            // Configs.
            (
                "configs:\n  a:\n    strategy: {mode: best}\n    targets: [{provider: x}]\n",
                [
                    "test.yaml:3:22: /configs/a/strategy/mode: Invalid 'mode' value. Must be one of: single, loadbalance, fallback, conditional"
                ]
            ),
            (
                "configs:\n  a: {retry: {on_status_codes: [500]}}\n",
                ["test.yaml:2:14: /configs/a/retry/attempts: Required"]
            ),
            (
                "configs:\n  a:\n    provider: \"@opnai\"\nproviders:\n  openai: {provider: openai}\n",
                ["test.yaml:3:15: /configs/a/provider: There is no provider \"@opnai\"; did you mean \"@openai\"?"]
            ),
            (
                "configs:\n  a:\n    provider: \"@b\"\n    custom_host: https://h\nproviders:\n  b: {provider: openai}\n",
                [
                    "test.yaml:4:18: /configs/a/custom_host: 'custom_host' cannot be used with \"@b\": its credential goes only to the host it was configured with"
                ]
            ),
            (
                "configs:\n  a:\n    provider: openai\n    custom_host: h\n",
                ["test.yaml:4:18: /configs/a/custom_host: Invalid custom host"]
            ),
            (
                "configs:\n  a:\n    options: []\n",
                [
                    "test.yaml:3:5: /configs/a/options: This version of config is not supported in this route. Please migrate to the latest version"
                ]
            ),
            (
                "configs:\n  a:\n    strategy: {mode: conditional, conditions: [{query: {}, then: x}], default: y}\n    targets: [{name: z, provider: o}]\n",
                [
                    "test.yaml:3:66: /configs/a/strategy/conditions/0/then: Invalid target name found in the query router: x",
                    "test.yaml:3:80: /configs/a/strategy/default: Invalid target name found in the query router: y",
                ]
            ),
            (
                "configs:\n  a:\n    strategy: {mode: conditional}\n    targets: [{provider: o}]\n",
                ["test.yaml:3:15: /configs/a/strategy/conditions: No conditions passed in the query router"]
            ),
            (
                "configs:\n  a:\n    provider: o\n    before_request_hooks: [{id: h}]\n",
                [
                    "test.yaml:4:28: /configs/a/before_request_hooks/0/checks: Required",
                    "test.yaml:4:28: /configs/a/before_request_hooks/0/type: Required: 'guardrail' or 'mutator'",
                ]
            ),
            (
                "configs: {a: {provider: o, api_key: {env: NOPE}}}",
                ["test.yaml:1:37: /configs/a/api_key: the environment has no variable NOPE"]
            ),
            // Listening.
            (
                "listen: {address: 0.0.0.0}",
                [
                    "test.yaml:1:19: /listen/address: without keys the gateway listens on loopback only: add \"keys\", or set "
                        + "\"allow_public_without_keys\" if something in front of it asks for credentials"
                ]
            ),
            ("listen: {address: here}", ["test.yaml:1:19: /listen/address: expected an IP address or \"localhost\""]),
            // YAML itself.
            ("a: [", ["test.yaml:2:1: while parsing a flow node: did not find expected node content"]),
        ] as [(String, [String])])
    func faults(_ text: String, _ expected: [String]) {
        #expect(errors(text, environment: ["EMPTY": ""]) == expected)
    }

    @Test("All faults are told at once, in the file's order")
    func many() {
        let text = """
            listen: {port: x, adress: a}
            limits:
              body_bytes: -1
            providers:
              a: {provider: openai, api_key: "${NOPE}"}
            configs:
              c: {cache: {mode: fast}}
            defaults: {config: d, provider: b}
            """
        #expect(
            errors(text) == [
                "test.yaml:1:16: /listen/port: expected an integer from 0 to 65535, found a string",
                "test.yaml:1:19: /listen/adress: unknown key \"adress\"; did you mean \"address\"?",
                "test.yaml:3:15: /limits/body_bytes: expected a number of bytes (or \"20MiB\") from 1KiB to 1GiB, found -1",
                "test.yaml:5:34: /providers/a/api_key: the environment has no variable NOPE; ${NOPE:-…} gives a default",
                "test.yaml:7:21: /configs/c/cache/mode: Invalid 'cache.mode' value. Must be one of: simple, semantic",
                "test.yaml:8:20: /defaults/config: there is no config \"d\"",
                "test.yaml:8:33: /defaults/provider: there is no provider \"b\"",
            ])
    }

    @Test("JSON files have the same errors")
    func jsonFile() {
        #expect(
            errors("{\n  \"listen\": {\"prot\": 1}\n}", file: "a.json") == [
                "a.json:2:14: /listen/prot: unknown key \"prot\"; did you mean \"port\"?"
            ])
    }

    @Test("A file that is not there is an error without a line")
    func noFile() {
        #expect(
            throws: ConfigFailure(errors: [
                ConfigError(file: "/no/such.yaml", message: "cannot read /no/such.yaml: No such file or directory")
            ])
        ) { try ConfigLoader().load("/no/such.yaml") }
        #expect(
            throws: ConfigFailure(errors: [ConfigError(file: "/tmp", message: "cannot read /tmp: it is a directory")])
        ) {
            try ConfigLoader().load("/tmp")
        }
    }

    @Test("A file's own configs and providers may have any member; a typing error in one is a warning")
    func warnings() throws {
        let loaded = try load(
            """
            providers:
              a: {provider: openai, bas_url: "https://h", anthropic_version: "1", api_key: ""}
            configs:
              c: {provider: "@a", retyr: {attempts: 1}, virtualKey: a, aws_region: eu}
            keys: [{name: k, key: short}]
            """)
        #expect(
            loaded.warnings.map(\.description) == [
                "test.yaml:2:25: /providers/a/bas_url: \"bas_url\" is no key of ours (passed to the adapter; {env: NAME} and "
                    + "{file: path} keep secrets out of the file); did you mean \"base_url\"?",
                "test.yaml:2:80: /providers/a/api_key: the credential is empty",
                "test.yaml:4:23: /configs/c/retyr: \"retyr\" is no key of ours (passed to the provider's adapter: aws_region, "
                    + "resource_name, api_version, …); did you mean \"retry\"?",
                "test.yaml:5:23: /keys/0/key: the key has fewer than 16 characters: it could be guessed",
            ])
    }
}
