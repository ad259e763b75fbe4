import Config
import Core
import Testing

#if canImport(JSONSchema)
    import JSONSchema

    /// What editors are told is what the gateway does.
    @Suite struct SchemaTests {
        private static let schema = Result { try Schema(Catalogue.schema()) }

        private func violations(_ text: String) throws -> [String] {
            let document = try SourceDocument(Bytes(text), file: "test.yaml").value
            return try Self.schema.get().validate(document).map(\.instance.description)
        }

        @Test("Files that load are valid by the published schema")
        func valid() throws {
            let text = """
                $schema: https://example.com/schema.json
                x-common: &common {request_timeout: 100}
                listen: {address: 0.0.0.0, port: "${PORT:-1}", allow_public_without_keys: true}
                tls:
                limits: {body_bytes: 20MiB, upload_bytes: 1073741824}
                plugins: {settings: {pii: {on_failure: closed}}}
                keys: [{name: a, key: {env: KEY}, metadata: {a: b}}]
                providers:
                  main: {provider: openai, api_key: {env: KEY}, models: [a], any: {thing: 1}}
                guardrails:
                  short: {deny: true, contains: {words: [a]}, notNull: }
                  long: {checks: [{id: contains, parameters: {words: [a]}}]}
                configs:
                  c:
                    <<: *common
                    strategy: {mode: conditional, conditions: [{query: {metadata.a: b}, then: x}], cb_config: {failure_threshold: 1}}
                    targets:
                      - {name: x, provider: "@main", input_guardrails: [short, {deny: true, pii.scan: {}}], retry: {attempts: 1}}
                      - strategy: {mode: loadbalance}
                        targets: [{virtualKey: main, weight: 0.5}]
                    before_request_hooks: [{type: mutator, checks: [{id: addPrefix}]}]
                defaults: {input_guardrails: [long], metadata: {}}
                network: {proxy: ""}
                """
            #expect(try load(text, environment: ["KEY": "0123456789abcdef"]).snapshot.configs.count == 1)
            #expect(try violations(text) == [])
        }

        @Test(
            "What the gateway refuses by type, bounds or name the schema refuses at the same place",
            arguments: [
                "listen: {port: 70000}", "listen: {port: a}", "listen: 1", "listen: {prot: 1}", "zebra: 1",
                "log: {level: loud}",
                "limits: {body_bytes: 5MB}", "limits: {body_bytes: 1}", "metrics: {enabled: 1}", "keys: {}",
                "keys: [{key: abcdefghijklmnop}]",
                "plugins: {pins: {a: b}}", "plugins: {directories: [1]}", "providers: {a: {api_key: x}}",
                "providers: {a: {provider: x, api_key: 1}}", "configs: {a: {retry: {on_status_codes: [500]}}}",
                "configs: {a: {cache: {mode: x}}}", "defaults: {input_guardrails: [1]}",
                "defaults: {on_failure: maybe}",
            ])
        func invalid(_ text: String) throws {
            #expect(!errors(text).isEmpty)
            #expect(try !violations(text).isEmpty)
        }
    }
#endif
