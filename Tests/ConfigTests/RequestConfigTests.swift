import Config
import Core
import Testing

/// A file with two providers, a guardrail and a config, for requests to refer to.
private func file() throws -> ConfigSnapshot {
    try snapshot(
        """
        providers:
          main: {provider: openai, api_key: sk-server, base_url: "https://models.example/v1"}
          spare: {provider: anthropic, api_key: sk-spare}
        guardrails:
          no-keys: {deny: true, regexMatch: {rule: "sk-[a-z]+", not: true}}
        configs:
          plain: {provider: "@main"}
        """)
}

private func parse(_ text: String, known: [String]? = nil, headers: HeaderOptions = HeaderOptions()) throws
    -> RequestConfig
{
    try RequestConfig(parsing: try json(text), in: try file(), headers: headers, knownProviders: known)
}

private func refusal(_ text: String, known: [String]? = nil) throws -> RequestConfigError? {
    do {
        _ = try parse(text, known: known)
        return nil
    } catch let error as RequestConfigError {
        return error
    }
}

private let useless =
    "Invalid configuration. It must have either 'provider' and 'api_key', or 'strategy' and 'targets', or 'cache', or 'retry', or "
    + "'request_timeout'"
private let named = "cannot be used with \"@main\": its credential goes only to the host it was configured with"

@Suite struct RequestConfigErrors {
    @Test(
        "Issues are Portkey's, with the path as written",
        arguments: [
            (
                #"{"strategy":{"mode":"best"},"targets":[{"provider":"openai","api_key":"k"}]}"#,
                [
                    "path: strategy,mode, message: Invalid 'mode' value. Must be one of: single, loadbalance, fallback, conditional"
                ]
            ),
            (
                #"{"strategy":{},"targets":[{"provider":"openai","api_key":"k"}]}"#,
                ["path: strategy,mode, message: Required"]
            ),
            (
                #"{"strategy":{"mode":1},"targets":[{"virtual_key":"main"}]}"#,
                ["path: strategy,mode, message: Expected string, received number"]
            ),
            (
                #"{"cache":{"mode":"fast"}}"#,
                ["path: cache,mode, message: Invalid 'cache.mode' value. Must be one of: simple, semantic"]
            ),
            (#"{"cache":{}}"#, ["path: cache,mode, message: Required"]),
            (#"{"cache":"simple"}"#, ["path: cache, message: Expected object, received string"]),
            (
                #"{"cache":{"mode":"simple","max_age":-1}}"#,
                ["path: cache,max_age, message: Number must be greater than 0"]
            ),
            (#"{"retry":{"on_status_codes":[429]}}"#, ["path: retry,attempts, message: Required"]),
            (#"{"retry":{"attempts":"3"}}"#, ["path: retry,attempts, message: Expected number, received string"]),
            (
                #"{"retry":{"attempts":1,"onStatusCodes":[429,"x"]}}"#,
                ["path: retry,onStatusCodes,1, message: Expected number, received string"]
            ),
            (#"{"provider":"openai"}"#, ["path: , message: " + useless]),
            (#"{"input_mutators":[]}"#, ["path: , message: " + useless]),
            (
                #"{"strategy":{"mode":"single"}}"#,
                ["path: , message: " + useless, "path: targets, message: Required: a 'strategy' needs 'targets'"]
            ),
            (
                #"{"strategy":{"mode":"fallback"},"targets":[{"provider":"openai","api_key":"k"},{"provider":"openai"}]}"#,
                ["path: targets,1, message: " + useless]
            ),
            (
                #"{"targets":[{"virtual_key":"main"}]}"#,
                ["path: strategy, message: Required: 'targets' need a 'strategy' with a 'mode'"]
            ),
            (
                #"{"strategy":{"mode":"single"},"targets":[]}"#,
                ["path: targets, message: 'targets' must have at least one target"]
            ),
            (
                #"{"strategy":{"mode":"single"},"targets":{}}"#,
                ["path: targets, message: Expected array, received object"]
            ),
            (
                #"{"strategy":{"mode":"single"},"targets":["@main"]}"#,
                ["path: targets,0, message: Expected object, received string"]
            ),
            (
                #"{"strategy":{"mode":"loadbalance"},"targets":[{"virtual_key":"main","weight":0},{"virtual_key":"spare","weight":0}]}"#,
                ["path: targets, message: The weights of the targets add up to 0"]
            ),
            (
                #"{"strategy":{"mode":"loadbalance"},"targets":[{"virtual_key":"main","weight":-1},{"virtual_key":"spare"}]}"#,
                ["path: targets,0,weight, message: Number must be greater than or equal to 0"]
            ),
            (
                #"{"strategy":{"mode":"conditional","conditions":[{"query":{}},{"then":"a","query":[]}]},"targets":[{"virtual_key":"main"}]}"#,
                [
                    "path: strategy,conditions,0,then, message: Required",
                    "path: strategy,conditions,1,query, message: Expected object, received array",
                ]
            ),
            (#"{"provider":"openai","api_key":"k","custom_host":"ftp://x"}"#, ["path: , message: Invalid custom host"]),
            (
                #"{"strategy":{"mode":"single"},"targets":[{"provider":"openai","apiKey":"k","customHost":"http://u@x"}]}"#,
                ["path: targets,0, message: Invalid custom host"]
            ),
            (
                #"{"provider":"@main","custom_host":"https://evil.example"}"#,
                ["path: custom_host, message: 'custom_host' " + named]
            ),
            (
                #"{"virtual_key":"main","custom_host":"https://evil.example"}"#,
                ["path: custom_host, message: 'custom_host' " + named]
            ),
            (
                #"{"custom_host":"https://evil.example","strategy":{"mode":"single"},"targets":[{"provider":"@main"}]}"#,
                ["path: targets,0,custom_host, message: 'custom_host' " + named]
            ),
            (
                #"{"provider":"openai","api_key":"k","custom_host":"https://evil.example","override_params":{"model":"@main/gpt"}}"#,
                ["path: custom_host, message: 'custom_host' " + named]
            ),
            (#"{"provider":"@mian"}"#, ["path: provider, message: There is no provider \"@mian\""]),
            (#"{"virtualKey":"none"}"#, ["path: virtualKey, message: There is no provider \"@none\""]),
            (
                #"{"provider":"openai","api_key":{"env":"HOME"}}"#,
                ["path: api_key, message: Expected string, received object"]
            ),
            (
                #"{"retry":{"attempts":1},"forward_headers":["X_Portkey_Forward_Headers"]}"#,
                [
                    "path: forward_headers, message: forward_headers must not contain the 'x-portkey-forward-headers' header"
                ]
            ),
            (
                #"{"virtual_key":"main","virtualKey":"main"}"#,
                ["path: virtualKey, message: 'virtualKey' and 'virtual_key' are the same"]
            ),
            (
                #"{"input_guardrails":["no-kyes"]}"#,
                ["path: input_guardrails,0, message: There is no guardrail \"no-kyes\""]
            ),
            (
                #"{"input_guardrails":[{"contains":true}]}"#,
                ["path: input_guardrails,0,contains, message: Expected object, received boolean"]
            ),
            (
                #"{"before_request_hooks":[{"type":"guard","checks":[{"parameters":{}}]}]}"#,
                [
                    "path: before_request_hooks,0,type, message: Invalid 'type' value. Must be one of: guardrail, mutator",
                    "path: before_request_hooks,0,checks,0,id, message: Required",
                ]
            ),
            (
                #"{"provider":"vertex-ai","vertex_region":"r"}"#,
                [
                    "path: , message: Invalid configuration. ('vertex_project_id' and 'vertex_region') or ('vertex_service_account_json' and "
                        + "'vertex_region') are required for 'vertex-ai' provider."
                ]
            ),
            (#"[]"#, ["path: , message: Expected object, received array"]),
        ])
    func issues(_ text: String, _ expected: [String]) throws {
        let error = try #require(try refusal(text))
        #expect(error.message == "Invalid config passed")
        #expect(error.errors == expected)
    }

    @Test("Known providers are listed when the config names another")
    func unknownProvider() throws {
        let error = try refusal(#"{"provider":"opanai","api_key":"k"}"#, known: ["openai", "mock"])
        #expect(error?.errors == ["path: provider, message: Invalid 'provider' value. Must be one of: openai, mock"])
        #expect(try refusal(#"{"provider":"@main"}"#, known: ["openai"]) == nil)
    }

    @Test("Two errors are messages of their own")
    func messages() throws {
        #expect(
            try refusal(#"{"mode":"fallback","options":[{"provider":"openai"}]}"#)
                == RequestConfigError(
                    "This version of config is not supported in this route. Please migrate to the latest version"))
        #expect(
            try refusal(#"{"strategy":{"mode":"conditional"},"targets":[{"virtual_key":"main"}]}"#)
                == RequestConfigError("No conditions passed in the query router"))
    }

    @Test(
        "One useful member is enough",
        arguments: [
            #"{}"#, #"{"provider":"openai","api_key":"k"}"#, #"{"retry":{"attempts":-1}}"#,
            #"{"cache":{"mode":"simple"}}"#,
            #"{"requestTimeout":100}"#, #"{"provider":"ollama"}"#, #"{"provider":"triton"}"#,
            #"{"virtual_key":"main"}"#,
            #"{"provider":"@main"}"#, #"{"passthrough":true}"#, #"{"override_params":{}}"#, #"{"drop_params":["a"]}"#,
            #"{"aws_access_key_id":"a","awsSecretAccessKey":"s","provider":"bedrock"}"#,
            #"{"provider":"vertex-ai","vertex_region":"r","vertex_project_id":"p"}"#,
            #"{"provider":"azure-openai","azure_auth_mode":"managed"}"#, #"{"after_request_hooks":[]}"#,
            #"{"output_guardrails":[]}"#, #"{"timeouts":{"first_token_ms":5}}"#,
        ])
    func useful(_ text: String) throws {
        #expect(try refusal(text) == nil)
    }

    @Test("An object with more members than any config has is refused")
    func manyMembers() throws {
        let members = (0..<600).map { "\"m\($0)\":1" }.joined(separator: ",")
        #expect(try refusal("{\(members)}")?.errors == ["path: , message: More than 512 members"])
    }

    @Test("Unknown conditions' targets are a request's own affair, until it gets there")
    func conditionTargets() throws {
        #expect(
            try refusal(
                #"{"strategy":{"mode":"conditional","conditions":[{"query":{},"then":"x"}],"default":"y"},"targets":[{"virtual_key":"main"}]}"#
            )
                == nil)
    }
}

@Suite struct RequestConfigTree {
    @Test("A config without targets is one leaf named config")
    func leaf() throws {
        let config = try parse(
            #"{"provider":"openai","apiKey":"sk","awsRegion":"eu","override_params":{"maxTokens":1},"weight":2,"strictOpenAiCompliance":false}"#
        )
        let target = try #require(config.targets.first)
        #expect(config.origin == .request)
        #expect(config.namesProvider)
        #expect(target.path == "config")
        #expect(target.provider == "openai")
        #expect(target.apiKey?.reveal() == "sk")
        #expect(target.options == JSONObject([("aws_region", "eu")]))
        // What is not a key of ours is not respelled.
        #expect(target.overrideParams == JSONObject([("maxTokens", 1)]))
        #expect(target.strictOpenAICompliance == false)
        #expect(target.weight == 2)
    }

    @Test("Features without a provider leave it to the headers", arguments: [#"{}"#, #"{"retry":{"attempts":2}}"#])
    func features(_ text: String) throws {
        #expect(try parse(text).namesProvider == false)
    }

    @Test("Strategies nest, and every leaf knows its place")
    func nesting() throws {
        let config = try parse(
            #"""
            {"strategy":{"mode":"fallback","on_status_codes":[429,246]},
             "targets":[{"name":"a","virtual_key":"main"},
                        {"name":"b","strategy":{"mode":"loadbalance","sticky":{"enabled":true,"hash_fields":["metadata.user"],"ttl":60}},"weight":3,
                         "targets":[{"virtual_key":"main","weight":0.5},{"virtual_key":"spare"}]}]}
            """#)
        guard case .strategy(let root) = config.root, case .strategy(let inner) = root.children[1] else {
            Issue.record("not a tree: \(config)")
            return
        }
        #expect(
            config.targets.map(\.path) == [
                "config.targets[0]", "config.targets[1].targets[0]", "config.targets[1].targets[1]",
            ])
        #expect(config.targets[2].pointer == JSONPointer(["targets", "1", "targets", "1"]))
        #expect(root.mode == .fallback)
        #expect(root.onStatusCodes == [429, 246])
        #expect(inner.path == "config.targets[1]")
        #expect(inner.name == "b")
        #expect(inner.weight == 3)
        #expect(inner.sticky == .init(hashFields: ["metadata.user"], seconds: 60))
        #expect(inner.children.map(\.weight) == [0.5, 1])
    }

    @Test("An empty list of codes is a list")
    func emptyCodes() throws {
        let config = try parse(
            #"{"strategy":{"mode":"fallback","on_status_codes":[]},"targets":[{"virtual_key":"main"}]}"#)
        guard case .strategy(let root) = config.root else { return }
        #expect(root.onStatusCodes == [])
    }

    @Test("Conditions keep their queries as written")
    func conditions() throws {
        let config = try parse(
            #"{"strategy":{"mode":"conditional","conditions":[{"query":{"metadata.planName":{"$eq":"pro"}},"then":"a"}],"default":"a"},"targets":[{"name":"a","virtual_key":"main"}]}"#
        )
        guard case .strategy(let root) = config.root else { return }
        #expect(root.conditions == [.init(query: ["metadata.planName": ["$eq": "pro"]], then: "a")])
        #expect(root.defaultTarget == "a")
    }

    @Test(
        "Both spellings of the retry header count",
        arguments: ["use_retry_after_header", "use_retry_after_headers", "useRetryAfterHeaders"])
    func retryHeader(_ key: String) throws {
        let target = try parse(#"{"retry":{"attempts":2,"\#(key)":true}}"#).targets[0]
        #expect(target.retry == RetryConfig(attempts: 2, useRetryAfterHeader: true))
    }

    @Test("Null is as if it were not there; 0 is no timeout")
    func null() throws {
        let target = try parse(#"{"virtual_key":"main","retry":null,"request_timeout":0,"cache":null,"x":null}"#)
            .targets[0]
        #expect(target.retry == nil)
        #expect(target.requestTimeoutMilliseconds == nil)
        #expect(target.options.isEmpty)
    }

    @Test("A model with a provider's name chooses it; another @ is part of the model")
    func modelNames() throws {
        let own = try parse(#"{"provider":"openai","api_key":"k","override_params":{"model":"@spare/claude/3"}}"#)
            .targets[0]
        #expect(own.namedProvider == "spare")
        #expect(own.apiKey == nil)
        #expect(own.overrideParams == JSONObject([("model", "claude/3")]))
        let other = try parse(#"{"provider":"workers-ai","api_key":"k","override_params":{"model":"@cf/meta/llama"}}"#)
            .targets[0]
        #expect(other.namedProvider == nil)
        #expect(other.overrideParams == JSONObject([("model", "@cf/meta/llama")]))
        #expect(ModelName.split("@a/b/c").map { [$0.provider, $0.model] } == ["a", "b/c"])
        #expect(ModelName.split("a/b") == nil)
        #expect(ModelName.split("@/b") == nil)
    }
}

@Suite struct RequestConfigInheritance {
    @Test("Parameters merge, with the child's over them")
    func parameters() throws {
        let targets = try parse(
            #"""
            {"override_params":{"a":1,"b":{"x":1}},"default_params":{"t":0},"drop_params":["user"],
             "strategy":{"mode":"fallback"},
             "targets":[{"virtual_key":"main","override_params":{"b":{"y":2}},"drop_params":["logprobs","user"]},{"virtual_key":"spare"}]}
            """#
        ).targets
        #expect(targets[0].overrideParams == JSONObject([("a", 1), ("b", ["y": 2])]))
        #expect(targets[0].defaultParams == JSONObject([("t", 0)]))
        #expect(targets[0].dropParams == ["user", "logprobs"])
        #expect(targets[1].overrideParams == JSONObject([("a", 1), ("b", ["x": 1])]))
    }

    @Test("Retry, cache, timeouts, host, headers and strictness go down; a child's own replace them whole")
    func features() throws {
        let targets = try parse(
            #"""
            {"retry":{"attempts":3,"on_status_codes":[500]},"cache":{"mode":"semantic","max_age":60},"request_timeout":1000,
             "timeouts":{"first_token_ms":10,"between_tokens_ms":20},"custom_host":"http://localhost:1/v1","forward_headers":["X_A","x-b"],
             "strict_open_ai_compliance":false,"strategy":{"mode":"fallback","cb_config":{"failure_threshold":2}},
             "targets":[{"provider":"ollama"},
                        {"provider":"ollama","retry":{"attempts":1},"cache":{"mode":"simple"},"request_timeout":5,"custom_host":"http://[::1]",
                         "forward_headers":["x-c"],"strict_open_ai_compliance":true,"timeouts":{"first_token_ms":1}},
                        {"strategy":{"mode":"single","cb_config":{"failure_threshold_percentage":50,"cooldown_interval":100}},"targets":[{"provider":"ollama"}]}]}
            """#
        ).targets
        #expect(targets[0].retry == RetryConfig(attempts: 3, onStatusCodes: [500]))
        #expect(targets[0].cache == CacheConfig(mode: .semantic, maximumAgeSeconds: 60))
        #expect(targets[0].requestTimeoutMilliseconds == 1_000)
        #expect(targets[0].customHost == "http://localhost:1/v1")
        #expect(targets[0].forwardHeaders == ["x-a", "x-b"])
        #expect(targets[0].strictOpenAICompliance == false)
        #expect(targets[0].circuitBreaker?.failureThreshold == 2)
        #expect(targets[0].circuitBreaker?.cooldownMilliseconds == 30_000)
        #expect(targets[1].retry == RetryConfig(attempts: 1))
        #expect(targets[1].cache == CacheConfig(mode: .simple))
        #expect(targets[1].requestTimeoutMilliseconds == 5)
        #expect(targets[1].customHost == "http://[::1]")
        #expect(targets[1].forwardHeaders == ["x-c"])
        #expect(targets[1].strictOpenAICompliance == true)
        #expect(targets[1].timeouts.firstTokenMilliseconds == 1)
        #expect(targets[1].timeouts.betweenTokensMilliseconds == 20)
        #expect(targets[2].circuitBreaker?.failureThreshold == nil)
        #expect(targets[2].circuitBreaker?.failureThresholdPercentage == 50)
        #expect(targets[2].circuitBreaker?.cooldownMilliseconds == 100)
    }

    @Test("Provider, credential and options stay where they are")
    func identity() throws {
        let targets = try parse(
            #"{"provider":"openai","api_key":"root","aws_region":"eu","virtual_key":"main","strategy":{"mode":"single"},"targets":[{"retry":{"attempts":1}}]}"#
        ).targets
        #expect(targets[0].provider == nil)
        #expect(targets[0].apiKey == nil)
        #expect(targets[0].virtualKey == nil)
        #expect(targets[0].options.isEmpty)
    }
}

@Suite struct GuardListTests {
    @Test("The short form: options and checks; ids without a dot are default's")
    func short() throws {
        let groups = try parse(
            #"""
            {"input_guardrails":[{"deny":true,"async":false,"sequential":true,"id":"mine","on_fail":{"feedback":{"value":-1}},
              "guardrail_version_id":"v","contains":{"words":["x"],"operator":"none"},"pii.scan":{"is_enabled":false},"notNull":null}]}
            """#
        ).targets[0].beforeGuards
        let group = try #require(groups.first)
        #expect(groups.count == 1)
        #expect(group.id == "mine")
        #expect(group.kind == .guardrail)
        #expect(group.stage == .before)
        #expect(group.origin == .request)
        #expect(group.deny && group.isSequential && !group.isAsync)
        #expect(group.onFail == ["feedback": ["value": -1]])
        #expect(group.checks.map(\.id) == ["default.contains", "pii.scan", "default.notNull"])
        #expect(group.checks.map(\.isEnabled) == [true, false, true])
        #expect(group.checks[0].parameters == ["words": ["x"], "operator": "none"])
        #expect(group.checks[0].pointer == JSONPointer(["input_guardrails", "0", "contains"]))
        #expect(group.checks[2].parameters == [:])
    }

    @Test("The long form")
    func long() throws {
        let groups = try parse(
            #"""
            {"after_request_hooks":[
              {"type":"mutator","id":"m","checks":[{"id":"regexReplace","parameters":{"rule":"a"},"is_enabled":false},{"id":"x.y"}]},
              {"id":"idle","checks":[{"id":"contains"}]}]}
            """#
        ).targets[0].afterGuards
        #expect(groups.map(\.id) == ["m", "idle"])
        #expect(groups.map(\.kind) == [.mutator, nil])
        #expect(groups.map(\.stage) == [.after, .after])
        #expect(groups[0].checks.map(\.id) == ["default.regexReplace", "x.y"])
        #expect(groups[0].checks.map(\.isEnabled) == [false, true])
        #expect(groups[0].checks[0].pointer.description == "/after_request_hooks/0/checks/0/parameters")
        #expect(groups[0].checks[1].pointer.description == "/after_request_hooks/0/checks/1")
        // Without a type it runs nothing, as in Portkey.
        #expect(groups[1].checks.isEmpty)
    }

    @Test("Long form, short form, mutators, the root's defaults: in this order")
    func order() throws {
        let targets = try parse(
            #"""
            {"default_input_guardrails":[{"id":"d","contains":{}}],"default_output_guardrails":["no-keys"],
             "input_mutators":[{"id":"m","addPrefix":{}}],"input_guardrails":[{"id":"s","contains":{}}],
             "before_request_hooks":[{"id":"l","type":"guardrail","checks":[]}],
             "strategy":{"mode":"fallback"},
             "targets":[{"virtual_key":"main"},{"virtual_key":"main","input_guardrails":[{"id":"own","contains":{}}]},
                        {"virtual_key":"main","input_guardrails":[]}]}
            """#
        ).targets
        #expect(targets.map { $0.beforeGuards.map(\.id) } == [["l", "s", "m", "d"], ["own", "d"], ["d"]])
        #expect(targets.map { $0.afterGuards.map(\.id) } == [["no-keys"], ["no-keys"], ["no-keys"]])
        #expect(targets[0].beforeGuards.map(\.kind) == [.guardrail, .guardrail, .mutator, .guardrail])
    }

    @Test("A name stands for the file's guardrail, which stays the operator's")
    func names() throws {
        let group = try parse(#"{"output_guardrails":["no-keys"]}"#).targets[0].afterGuards[0]
        #expect(group.origin == .file(""))
        #expect(group.stage == .after)
        #expect(group.kind == .guardrail)
        #expect(group.deny)
        #expect(group.checks.map(\.id) == ["default.regexMatch"])
        #expect(group.checks[0].pointer.description == "/guardrails/no-keys/regexMatch")
        #expect(
            try parse(#"{"virtual_key":"main","input_mutators":["no-keys"]}"#).targets[0].beforeGuards[0].kind
                == .mutator)
    }

    @Test("Ids that nobody gave are made up, the same for the same text")
    func madeUp() throws {
        let text = #"{"input_guardrails":[{"contains":{}},{"contains":{}}],"output_mutators":[{"regexReplace":{}}]}"#
        let target = try parse(text).targets[0]
        let ids = (target.beforeGuards + target.afterGuards).map(\.id)
        #expect(ids[0].wholeMatch(of: /input_guardrail_[0-9a-z]{3}/) != nil)
        #expect(ids[1] != ids[0])
        #expect(ids[2].wholeMatch(of: /output_mutator_[0-9a-z]{3}/) != nil)
        #expect(try parse(text).targets[0].beforeGuards.map(\.id) == Array(ids.prefix(2)))
    }
}

@Suite struct HeaderOptionTests {
    private func headers(_ change: (inout HeaderOptions) -> Void) -> HeaderOptions {
        var headers = HeaderOptions()
        change(&headers)
        return headers
    }

    @Test("Headers hold for every target and beat the config; the strictness is the lesser")
    func overlay() throws {
        let text = #"""
            {"request_timeout":1,"forward_headers":["a"],"cache":{"mode":"simple"},"strategy":{"mode":"fallback"},
             "targets":[{"provider":"ollama","custom_host":"http://localhost:1"},{"provider":"ollama","strict_open_ai_compliance":false}]}
            """#
        let config = try parse(
            text,
            headers: headers {
                $0.customHost = "http://localhost:2/v1"
                $0.requestTimeoutMilliseconds = 7
                $0.forwardHeaders = ["X_B", "x-c"]
                $0.strictOpenAICompliance = true
                $0.cache = CacheConfig(mode: .semantic)
                $0.defaultInputGuardrails = [["contains": [:]]]
            })
        #expect(config.targets.map(\.customHost) == ["http://localhost:2/v1", "http://localhost:2/v1"])
        #expect(config.targets.map(\.requestTimeoutMilliseconds) == [7, 7])
        #expect(config.targets[0].forwardHeaders == ["x-b", "x-c"])
        #expect(config.targets.map(\.strictOpenAICompliance) == [true, false])
        #expect(config.targets[0].cache?.mode == .simple)
        #expect(config.targets[0].beforeGuards.map { $0.checks.map(\.id) } == [["default.contains"]])
        #expect(
            config.targets[0].beforeGuards[0].checks[0].pointer.tokens == [
                "x-portkey-default-input-guardrails", "0", "contains",
            ])
    }

    @Test("A credential of the server goes only where it was configured to")
    func credentials() throws {
        let host = headers { $0.customHost = "https://evil.example" }
        let file = try file()
        #expect(throws: RequestConfigError(CredentialRule.customHostWithFileConfig)) {
            try #require(file.configs["plain"]).applying(host, in: file)
        }
        #expect(throws: RequestConfigError(CredentialRule.customHost(withNamed: "main"))) {
            try parse(#"{"virtual_key":"main"}"#, headers: host)
        }
    }

    @Test("Other faults of headers")
    func faults() throws {
        let file = try file()
        let empty = try parse("{}")
        #expect(throws: RequestConfigError("Invalid custom host")) {
            try empty.applying(headers { $0.customHost = "localhost:1" }, in: file)
        }
        #expect(throws: RequestConfigError("forward_headers must not contain the 'x-portkey-forward-headers' header")) {
            try empty.applying(headers { $0.forwardHeaders = ["x-portkey-forward_headers"] }, in: file)
        }
        #expect(
            throws: RequestConfigError(issues: [
                .init(["x-portkey-default-output-guardrails", "0"], "There is no guardrail \"x\"")
            ])
        ) {
            try empty.applying(headers { $0.defaultOutputGuardrails = ["x"] }, in: file)
        }
    }
}
