// Catalogue: every key that a config file may have, once. Checking a file (CatalogueCheck.swift), the JSON Schema and
// the reference (CataloguePrint.swift) are made from this table; so are the scalars of a snapshot, which rows read into
// a draft.
//
// A pattern is a JSON pointer in which "*" stands for any name or index. "#config" begins a shape that keys refer to: a
// config nests in itself. A key's default is the one that ConfigSnapshot.swift gives its field.

package import Core

package struct CatalogueKey: Sendable {
    package indirect enum Kind: Sendable, Equatable {
        case boolean
        case integer(ClosedRange<Int>)
        /// An integer, or a string with a unit: "20MiB".
        case bytes(ClosedRange<Int>)
        case number(ClosedRange<Double>)
        /// Not empty.
        case string
        /// May be empty.
        case text
        case choice([String])
        /// 64 hexadecimal digits.
        case sha256
        /// 64 hexadecimal digits, an Ed25519 key.
        case publicKey
        /// A string, {env: NAME} or {file: path}.
        case secret
        case list(of: Kind)
        /// Names to values; the value's kind, or `object` with rows for its members.
        case map(of: Kind)
        /// What the rows below it say, and nothing else.
        case object
        /// The same and whatever else, as the string describes it.
        case open(String)
        case shape(String)
        /// A name from the file, or the shape.
        case nameOr(String)
        case json
    }

    package var pattern: String
    package var kind: Kind
    package var defaultValue: JSONValue?
    package var isRequired = false
    package var text: String
    /// Puts a value that has passed the check into a draft.
    package var store: (@Sendable (JSONValue, inout ConfigDraft) -> Void)?
}

package enum Catalogue {
    /// Names of providers, configs, guardrails and keys.
    package static func isName(_ text: String) -> Bool {
        guard let first = text.utf8.first, isNameByte(first), first != UInt8(ascii: "."), first != UInt8(ascii: "-")
        else {
            return false
        }
        return text.utf8.allSatisfy(isNameByte)
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."): true
        default: false
        }
    }

    package static let keys: [CatalogueKey] =
        listening + limits + identity + plugins + providers + configs + defaults + rest + prices + store + control
        + configShape
        + guardShapes

    // MARK: Sections

    private static let listening: [CatalogueKey] = [
        section("/listen", "Where the gateway listens."),
        text("/listen/address", \.listen.address, "The address: an IP address or \"localhost\"."),
        integer("/listen/port", \.listen.port, 0...65_535, "The port; 0 lets the system choose."),
        integer("/listen/loops", \.listen.loops, 0...1_024, "Event loops, each a thread; 0 is one per core."),
        boolean(
            "/listen/allow_public_without_keys", \.listen.allowPublicWithoutKeys,
            "Without keys anyone who can connect can spend. A gateway without keys therefore refuses to listen beyond "
                + "loopback, unless this says that something in front of it asks for credentials."),

        section("/tls", "TLS on the listener. Without this section it speaks plain HTTP."),
        key("/tls/certificate_file", .string, required: true, "The certificate chain (PEM), leaf first."),
        key("/tls/key_file", .string, required: true, "The private key (PEM)."),
    ]

    private static let limits: [CatalogueKey] = [
        section("/limits", "What a client, an upstream and a request may take."),
        bytes(
            "/limits/header_bytes", \.limits.headerBytes, 1_024...1_048_576,
            "A request's head, all header lines together."),
        integer("/limits/header_count", \.limits.headerCount, 8...1_000, "A request's header lines."),
        bytes(
            "/limits/body_bytes", \.limits.bodyBytes, 1_024...(1 << 30),
            "A request body that the gateway holds in memory."),
        bytes(
            "/limits/upload_bytes", \.limits.uploadBytes, 1_024...(1 << 40),
            "A request body that is streamed through: files and audio."),
        integer(
            "/limits/header_timeout_ms", \.limits.headerTimeoutMilliseconds, 100...600_000,
            "Until a request's head is complete."),
        integer(
            "/limits/body_timeout_ms", \.limits.bodyTimeoutMilliseconds, 100...3_600_000,
            "Between two pieces of a request body."),
        integer(
            "/limits/idle_timeout_ms", \.limits.idleTimeoutMilliseconds, 100...3_600_000,
            "A connection without a request."),
        integer("/limits/connections", \.limits.connections, 1...1_000_000, "Client connections at a time."),
        integer(
            "/limits/pipelined", \.limits.pipelined, 1...1_000,
            "Requests that a connection may send ahead of their answers."),
        bytes(
            "/limits/upstream_body_bytes", \.limits.upstreamBodyBytes, 1_024...(1 << 34),
            "An upstream's answer that is not streamed."),
        integer(
            "/limits/decompression_ratio", \.limits.decompressionRatio, 1...100_000,
            "How many times its size an upstream's compressed answer may become."),
        integer(
            "/limits/request_deadline_ms", \.limits.requestDeadlineMilliseconds, 100...86_400_000,
            "The whole exchange, with all attempts and the streamed answer."),
        integer(
            "/limits/max_guard_retries", \.limits.guardRetries, 0...10,
            "Further attempts that plugins may ask for in one request."),
        integer(
            "/limits/attempts", \.limits.attempts, 1...1_000,
            "Calls of upstreams in one exchange, all targets and retries together; the last one's answer stands."),
        integer(
            "/limits/plan_cache_entries", \.limits.planCacheEntries, 0...1_000_000,
            "Parsed request configs that are kept."),
        integer(
            "/limits/shutdown_grace_ms", \.limits.shutdownGraceMilliseconds, 0...3_600_000,
            "How long running exchanges may go on after SIGTERM."),
    ]

    private static let identity: [CatalogueKey] = [
        key("/keys", .list(of: .object), "Gateway keys: who may ask. Only hashes are kept in memory."),
        key("/keys/*/name", .string, required: true, "For the log."),
        key("/keys/*/workspace", .string, default: "default", "Caches and counters are kept apart by workspace."),
        key("/keys/*/sha256", .sha256, "The SHA-256 of the key, in hex. This, `key` or `key_file`."),
        key("/keys/*/key", .secret, "The key itself, best as `${NAME}`; hashed when the file is read."),
        key("/keys/*/key_file", .string, "A file that holds the key."),
        key("/keys/*/config", .string, "The config for requests with this key that name none."),
        key("/keys/*/metadata", .open("any"), "Metadata for requests with this key, under their own."),
        key(
            "/keys/*/role", .choice(KeyRole.allCases.map(\.rawValue)), default: "member",
            "What the key may do in the control API: `owner` everything, the others what the role says in its workspace."
        ),
        key("/keys/*/allow_inline", .object, "This key's doors, over `allow_inline`."),
        key("/keys/*/allow_inline/config", .boolean, "See `allow_inline.config`."),
        key("/keys/*/allow_inline/provider", .boolean, "See `allow_inline.provider`."),
        key("/keys/*/allow_inline/custom_host", .boolean, "See `allow_inline.custom_host`."),
        key("/keys/*/allow_inline/forward_headers", .boolean, "See `allow_inline.forward_headers`."),
        key("/keys/*/allow_inline/plugins", .list(of: .string), "See `allow_inline.plugins`."),

        section("/allow_inline", "What a request may bring along. Close what your callers do not need."),
        boolean(
            "/allow_inline/config", \.allowInline.config,
            "A config as JSON in `x-portkey-config`. Configs of this file can always be named."),
        boolean(
            "/allow_inline/provider", \.allowInline.provider,
            "A provider with the client's own credential. Providers of this file can always be named (`@name`)."),
        boolean("/allow_inline/custom_host", \.allowInline.customHost, "`x-portkey-custom-host` and `custom_host`."),
        boolean(
            "/allow_inline/forward_headers", \.allowInline.forwardHeaders,
            "`x-portkey-forward-headers` and `forward_headers`."),
        strings(
            "/allow_inline/plugins", \.allowInline.plugins,
            "Checks that a client's config may use: ids, `plugin.*`, or `*` for all."),
    ]

    private static let plugins: [CatalogueKey] = [
        section("/plugins", "Plugins: checks and provider adapters."),
        strings(
            "/plugins/directories", \.plugins.directories,
            "Directories of plugin directories. None: `../lib/gatehouse/plugins` beside the executable."),
        strings(
            "/plugins/provider_directories", \.plugins.providerDirectories,
            "The same for providers that are data, not code."),
        optional("/plugins/state_directory", \.plugins.stateDirectory, "Where copies of loaded libraries are kept."),
        key("/plugins/pins", .map(of: .sha256), "Plugin id to the SHA-256 that its library must have."),
        strings("/plugins/disabled", \.plugins.disabled, "Ids of plugins that are not loaded."),
        boolean(
            "/plugins/watch", \.plugins.watch,
            "Pick up new, changed and removed plugins without a signal, about a second after the last change in the directories. "
                + "As with SIGHUP, whatever cannot be loaded leaves everything as it was."),
        boolean(
            "/plugins/allow_unsigned", \.plugins.allowUnsigned,
            "Load plugins without a signature by one of `trusted_keys`, too. True until you sign what you install: the plugins "
                + "of this distribution carry no signature that you would trust."),
        key(
            "/plugins/trusted_keys", .map(of: .publicKey),
            "Names to Ed25519 public keys, as `gatehouse plugin keygen` prints them. `plugin.sig` beside a plugin's manifest "
                + "must be right wherever there is one."),
        choice(
            "/plugins/after_crash", \.plugins.afterCrash,
            "What becomes of a plugin that the gateway died in: it is loaded and named in the log and by `gatehouse plugin "
                + "list`, or it is not loaded until its library changes or `gatehouse plugin enable` lifts that. A mandatory "
                + "guardrail that is not loaded keeps the gateway from starting."),
        integer(
            "/plugins/retire_grace_ms", \.plugins.retireGraceMilliseconds, 0...3_600_000,
            "After a reload, how long old instances may be in use before the log says so."),
        integer(
            "/plugins/blocking_threads", \.plugins.blockingThreads, 1...256, "Threads for hooks that may block."),
        integer(
            "/plugins/create_timeout_ms", \.plugins.createTimeoutMilliseconds, 1...600_000,
            "How long a request waits for the plugins of a config that it is the first to use; then it gets a 503."),
        key(
            "/plugins/settings", .map(of: .object), "Plugin id to the operator's words over its manifest."),
        key("/plugins/settings/*/timeout_ms", .integer(1...600_000), "For one call."),
        key("/plugins/settings/*/on_failure", policies, "When a check cannot judge."),
        key("/plugins/settings/*/on_timeout", policies, "When it does not judge in time."),
        key(
            "/plugins/settings/*/egress", .list(of: .string),
            "Hosts and addresses beyond public ones that it may fetch from. Its manifest only asks."),
        key(
            "/plugins/settings/*/secrets", .list(of: .string),
            "Names from `secrets` that `${secret:name}` in its parameters may stand for, in this file only."),
        key(
            "/plugins/settings/*/headers", .list(of: .string),
            "Headers that it may read beside what its manifest lists: credentials are visible by name only."),
        key(
            "/plugins/settings/*/text", .boolean, default: true,
            "False withholds texts, bodies and streams from its hooks."),

        key(
            "/secrets", .map(of: .secret),
            "Names to secrets that plugins can be given: see `secrets` in `plugins.settings`."),
    ]

    private static let providers: [CatalogueKey] = [
        key(
            "/providers",
            .map(of: .open("passed to the adapter; {env: NAME} and {file: path} keep secrets out of the file")),
            "Named targets. `@name` uses one, with its credential, at its address and no other. `auth` names a plugin that signs "
                + "its requests: the plugin's id, or `{plugin: id, …}` with its parameters."),
        key("/providers/*/provider", .string, required: true, "The adapter: openai, anthropic, …"),
        key(
            "/providers/*/base_url", .string,
            "Replaces the adapter's address; with the version prefix, as in `https://host/v1`."),
        key("/providers/*/api_key", .secret, "The credential."),
        key("/providers/*/models", .list(of: .string), "What `/v1/models` lists and requests may use. None: anything."),
        key(
            "/providers/*/request_timeout", .integer(1...3_600_000),
            "Milliseconds to the head of an answer, unless a config says."),
        key("/providers/*/timeouts", .object, "For streams, unless a config says."),
        key("/providers/*/timeouts/first_token_ms", .integer(1...3_600_000), "Until the first token of a stream."),
        key("/providers/*/timeouts/between_tokens_ms", .integer(1...3_600_000), "Between two tokens of a stream."),
    ]

    private static let configs: [CatalogueKey] = [
        key(
            "/configs", .map(of: .shape("config")),
            "Named configs, Portkey-shaped. A request names one in `x-portkey-config`."),
        key(
            "/guardrails", .map(of: .shape("named_guardrail")),
            "Named guardrails, for the guardrail lists of configs and requests."),
    ]

    private static let defaults: [CatalogueKey] = [
        section("/defaults", "For every request."),
        optional(
            "/defaults/config", \.defaults.config, "The config for requests that name none and whose key names none."),
        optional(
            "/defaults/provider", \.defaults.provider, "A name from `providers`, for requests that name no provider."),
        key(
            "/defaults/input_guardrails", .list(of: .nameOr("guardrail")),
            "Mandatory: they judge every request, whatever its config says."),
        key("/defaults/output_guardrails", .list(of: .nameOr("guardrail")), "Mandatory: they judge every answer."),
        strings(
            "/defaults/allow_unscannable", \.defaults.allowUnscannable,
            "Paths that mandatory guardrails let pass although they cannot read them, as in `/v1/files` or `/v1/audio/*`. "
                + "Without it, a guardrail that may refuse or change requests refuses every path that it cannot read."),
        key(
            "/defaults/on_failure", policies,
            "When a check cannot judge and `plugins.settings` says nothing; over its manifest."),
        key(
            "/defaults/request_timeout", .integer(1...3_600_000),
            "Milliseconds to the head of an answer, unless a config says."),
        key("/defaults/metadata", .open("any"), "Metadata of every request, under the key's and its own."),
    ]

    private static let rest: [CatalogueKey] = [
        section("/network", "How the gateway reaches out."),
        strings(
            "/network/allow_hosts", \.network.allowHosts,
            "Private hosts that a client's custom host may be: names, `*.suffix`, addresses, CIDR ranges, each with "
                + "`:port` or for all ports."),
        optional("/network/ca_file", \.network.caFile, "Certificate authorities (PEM) instead of the system's."),
        optional("/network/ca_directory", \.network.caDirectory, "The same as a hashed directory."),
        key(
            "/network/proxy", .text,
            "A proxy's URL. Default: as the environment says (`https_proxy`), but for hosts that clients name or plugins "
                + "fetch from, which are asked directly; \"\" is none. Since the proxy looks names up, such a host goes "
                + "through it only where `allow_hosts` lists it or where it is an address; others are refused."),
        key("/network/no_proxy", .text, "Hosts that are reached without it, separated by commas."),
        integer(
            "/network/connect_timeout_ms", \.network.connectTimeoutMilliseconds, 1...600_000,
            "Until an upstream is connected."),
        boolean("/network/http2", \.network.http2, "Offer HTTP/2 to upstreams."),
        integer(
            "/network/max_idle_connections", \.network.maximumIdleConnections, 0...100_000,
            "Idle upstream connections that each event loop keeps."),

        section("/cache", "The response cache. Configs ask for it (`cache`); these are its bounds."),
        bytes("/cache/max_bytes", \.cache.maximumBytes, 0...(1 << 40), "All entries together; 0 turns the cache off."),
        integer("/cache/max_age", \.cache.maximumAgeSeconds, 1...31_536_000, "Seconds, for configs that say none."),
        bytes("/cache/max_entry_bytes", \.cache.maximumEntryBytes, 0...(1 << 34), "One entry."),

        section("/log", "The log."),
        choice("/log/level", \.log.level, "The least that is written."),
        choice("/log/format", \.log.format, "`auto` is text on a terminal and JSON elsewhere."),
        boolean("/log/access", \.log.access, "A line per exchange."),
        optional("/log/file", \.log.file, "A file instead of standard error."),

        section("/metrics", "Metrics in Prometheus' format at `/metrics`."),
        boolean("/metrics/enabled", \.metrics.enabled, "Count and serve them."),
    ]

    private static let store: [CatalogueKey] = [
        section(
            "/store",
            "The request log: a row for each exchange in an SQLite file. Without this section nothing is stored."),
        optional(
            "/store/path", \.store.path, required: true,
            "The file, on a local disk. It is made where there is none; its directory must be there. Another path takes effect "
                + "with the next start."),
        choice(
            "/store/log_bodies", \.store.bodies,
            "Texts of requests and answers. redacted: the request as its last guardrail left it, and the answer before anything "
                + "was restored in it; nothing of what the guardrails could not judge. full: as the client sent and got them. "
                + "What looks like a credential is masked in both."),
        bytes("/store/body_bytes", \.store.bodyBytes, 256...(16 << 20), "How much of each text is kept."),
        choice(
            "/store/log_loss", \.store.logLoss,
            "While rows cannot be written (the disk is full, the file is locked), `continue` serves requests and counts the rows "
                + "that are lost; `refuse` answers new requests with 503."),
        integer("/store/queue_rows", \.store.queueRows, 1_000...1_000_000, "Rows that may wait to be written."),
        bytes("/store/queue_bytes", \.store.queueBytes, (1 << 20)...(1 << 34), "The memory that they may take."),
        integer("/store/retention_days", \.store.retentionDays, 0...36_500, "Older rows are removed; 0 keeps all."),
        bytes(
            "/store/max_bytes", \.store.maximumBytes, 0...(1 << 44),
            "When the file is larger, the oldest rows are removed; 0 is no bound."),
    ]

    private static let control: [CatalogueKey] = [
        section(
            "/control",
            "The control plane: workspaces, keys, stored credentials, configs, limits and budgets, managed by the control API and "
                + "kept in the store's file."),
        boolean(
            "/control/enabled", \.control.enabled,
            "Needs `store.path`. It takes effect with the next start, as all of this section does."),
        choice(
            "/control/access", \.control.access,
            "`keys`: every request needs a gateway key; the first start makes one for the owner and prints it. `local`: programs "
                + "on this machine need none and may do everything; only for a gateway that listens on loopback."),
        key(
            "/control/master_key", .secret,
            "The key that encrypts the stored credentials: 32 bytes, as 64 hexadecimal digits or in base64. Without it, and without "
                + "`master_key_command`, one is made in a file beside the store's, which only its owner can read."),
        key("/control/master_key_command", .string, "A shell command that prints the master key."),
        key(
            "/control/owner_key", .secret,
            "The owner's key at the first start, of at least 32 characters. Without it one is made and printed once."),
        integer(
            "/control/flush_ms", \.control.flushMilliseconds, 100...60_000,
            "How often spend is written: what a crash may lose of it."),
        choice(
            "/control/missing_variables", \.control.missingVariables,
            "A variable of a stored prompt that has no value: `strict` refuses the request, `lenient` leaves it empty, as Mustache does."
        ),
        optional(
            "/control/alert_webhook", \.control.alertWebhook,
            "A URL to which a JSON object is posted when a budget reaches its alert threshold or is exhausted. The log has both, too."
        ),
        integer(
            "/control/estimate_tokens", \.control.estimateTokens, 1...10_000_000,
            "What a budget reserves for the answer of a request that does not bound it. A budget can be overspent by as much as "
                + "requests in flight use beyond their estimates."),
    ]

    private static let prices: [CatalogueKey] = [
        section("/prices", "What answers cost."),
        optional(
            "/prices/file", \.prices.file,
            "A price catalogue. Default: `../share/gatehouse/prices.txt` beside the executable."),
        boolean(
            "/prices/ask_for_stream_usage", \.prices.asksForStreamUsage,
            "Add `stream_options.include_usage` to streams whose clients have not asked, where the provider is known to "
                + "understand it; the chunk that comes of it is kept from the client. Without it such streams are estimated."
        ),
        key(
            "/prices/models", .map(of: .object),
            "Prices over the catalogue's, by `provider/model` as in `openai/gpt-4o`: USD per million tokens, with at most six "
                + "decimals."),
        key("/prices/models/*/input", .number(0...1_000_000), "Input."),
        key("/prices/models/*/output", .number(0...1_000_000), "Output."),
        key("/prices/models/*/cache_read", .number(0...1_000_000), "Input that the provider had cached."),
        key("/prices/models/*/cache_write", .number(0...1_000_000), "Input that the provider put into its cache."),
        key("/prices/models/*/cache_write_1h", .number(0...1_000_000), "The same, to stay for an hour."),
        key("/prices/models/*/input_audio", .number(0...1_000_000), "Audio in."),
        key("/prices/models/*/output_audio", .number(0...1_000_000), "Audio out."),
        key("/prices/models/*/cache_read_audio", .number(0...1_000_000), "Audio that the provider had cached."),
        key("/prices/models/*/input_image", .number(0...1_000_000), "Images in."),
        key("/prices/models/*/output_image", .number(0...1_000_000), "Images out."),
        key("/prices/models/*/reasoning", .number(0...1_000_000), "Output that is thought and not said."),
        key("/prices/models/*/batch_input", .number(0...1_000_000), "Input in batches."),
        key("/prices/models/*/batch_output", .number(0...1_000_000), "Output in batches."),
        key(
            "/prices/models/*/web_search_per_call", .number(0...1_000),
            "USD per search that the provider makes, at most twelve decimals."),
        key("/prices/models/*/context", .integer(0...1_000_000_000), "Tokens of a request with its answer."),
        key("/prices/models/*/max_output", .integer(0...1_000_000_000), "Tokens of an answer."),
    ]

    // MARK: Shapes

    private static let configShape: [CatalogueKey] = [
        key(
            "#config", .open("passed to the provider's adapter: aws_region, resource_name, api_version, …"),
            "A Portkey config. It and its targets have the same members; camelCase spellings are read, too."),
        key("#config/strategy", .object, "How to choose among `targets`."),
        key(
            "#config/strategy/mode", .choice(StrategyConfig.Mode.allCases.map(\.rawValue)), required: true,
            "single: the first. fallback: one after the other. loadbalance: by weight. conditional: by `conditions`."),
        key(
            "#config/strategy/on_status_codes", .list(of: .integer(100...599)),
            "Statuses at which fallback moves on. Default: whatever is not 2xx."),
        key("#config/strategy/conditions", .list(of: .object), "Tried in order; the first that holds decides."),
        key(
            "#config/strategy/conditions/*/query", .open("any"), required: true,
            "On `metadata.…`, `params.…`, `url.pathname`."),
        key("#config/strategy/conditions/*/then", .string, required: true, "The name of a target."),
        key("#config/strategy/default", .string, "The name of the target when no condition holds."),
        key("#config/strategy/sticky", .object, "Keep a caller at the target that the weights chose first."),
        key("#config/strategy/sticky/enabled", .boolean, "Whether to."),
        key(
            "#config/strategy/sticky/hash_fields", .list(of: .string),
            "What tells callers apart, as in `metadata.user_id`."),
        key("#config/strategy/sticky/ttl", .integer(1...31_536_000), default: 3_600, "Seconds."),
        key("#config/strategy/cb_config", .object, "A circuit breaker for each target."),
        key("#config/strategy/cb_config/failure_threshold", .integer(1...1_000_000), "Opens after so many failures."),
        key(
            "#config/strategy/cb_config/failure_threshold_percentage", .number(0...100),
            "Opens at this rate of failures."),
        key(
            "#config/strategy/cb_config/cooldown_interval", .integer(1...86_400_000), default: 30_000,
            "Milliseconds until it closes."),
        key(
            "#config/strategy/cb_config/failure_status_codes", .list(of: .integer(100...599)),
            "Which statuses are failures. Default: above 500."),
        key("#config/strategy/cb_config/minimum_requests", .integer(0...1_000_000), "Before a rate counts."),
        key("#config/targets", .list(of: .shape("config")), "What the strategy chooses from."),
        key("#config/name", .string, "For `conditions`."),
        key("#config/weight", .number(0...1_000_000_000), default: 1, "For loadbalance; 0 is never."),
        key("#config/provider", .string, "An adapter, or `@name` from `providers`."),
        key("#config/api_key", .secret, "The provider's credential."),
        key("#config/virtual_key", .string, "The older spelling of `provider: \"@name\"`."),
        key("#config/custom_host", .string, "Replaces the provider's address. Not with `@name`."),
        key("#config/passthrough", .boolean, default: false, "Take the provider from the request."),
        key("#config/override_params", .open("any"), "Replace these members of the request body."),
        key("#config/default_params", .open("any"), "Add these members where the client sent none."),
        key("#config/drop_params", .list(of: .string), "Remove these, as in `messages[*].content[*].cache_control`."),
        key("#config/retry", .object, "Try the same target again."),
        key("#config/retry/attempts", .integer(0...1_000), required: true, "Calls after the first: at most ten."),
        key("#config/retry/on_status_codes", .list(of: .integer(100...599)), "Default: 429, 500, 502, 503, 504, 529."),
        key("#config/retry/use_retry_after_header", .boolean, default: false, "Wait as long as a 429 says."),
        key("#config/retry/use_retry_after_headers", .boolean, default: false, "The same."),
        key("#config/cache", .object, "Keep answers."),
        key(
            "#config/cache/mode", .choice(CacheConfig.Mode.allCases.map(\.rawValue)), required: true,
            "simple: for equal requests."),
        key("#config/cache/max_age", .integer(1...31_536_000), "Seconds."),
        key(
            "#config/request_timeout", .integer(1...3_600_000),
            "Milliseconds to the head of an answer, for each attempt."),
        key("#config/timeouts", .object, "For streams."),
        key("#config/timeouts/first_token_ms", .integer(1...3_600_000), "Until the first token."),
        key("#config/timeouts/between_tokens_ms", .integer(1...3_600_000), "Between two tokens."),
        key("#config/forward_headers", .list(of: .string), "Headers of the client that go upstream as they are."),
        key("#config/strict_open_ai_compliance", .boolean, "False lets answers hold more than OpenAI's."),
        key(
            "#config/receipts", .boolean, default: false,
            "The guardrails' receipts go into the answer (member `receipts`)."),
        key("#config/before_request_hooks", .list(of: .nameOr("hook")), "Checks on the request, long form."),
        key("#config/after_request_hooks", .list(of: .nameOr("hook")), "Checks on the answer, long form."),
        key("#config/input_guardrails", .list(of: .nameOr("guardrail")), "Checks on the request."),
        key("#config/output_guardrails", .list(of: .nameOr("guardrail")), "Checks on the answer."),
        key("#config/input_mutators", .list(of: .nameOr("guardrail")), "Edits of the request."),
        key("#config/output_mutators", .list(of: .nameOr("guardrail")), "Edits of the answer."),
        key(
            "#config/default_input_guardrails", .list(of: .nameOr("guardrail")),
            "At the root: after those of every target."),
        key("#config/default_output_guardrails", .list(of: .nameOr("guardrail")), "The same for answers."),
    ]

    private static let guardShapes: [CatalogueKey] =
        [
            key(
                "#guardrail", .open("a check's id, and its parameters: `contains: {words: [x], operator: none}`"),
                "A guardrail in short form. An id without a dot is one of `default`'s.")
        ] + groupOptions("#guardrail") + [
            key("#hook", .open("ignored"), "A guardrail in long form."),
            key(
                "#hook/type", .choice(GuardGroup.Kind.allCases.map(\.rawValue)), required: true,
                "What its checks may do."),
            key("#hook/checks", .list(of: .shape("check")), required: true, "The checks."),
        ] + groupOptions("#hook", withType: false) + [
            key(
                "#named_guardrail", .open("in the short form, a check's id and its parameters"),
                "A guardrail in either form: with `checks`, or with check ids as members."),
            key("#named_guardrail/checks", .list(of: .shape("check")), "The checks, in the long form."),
        ] + groupOptions("#named_guardrail") + [
            key("#check", .open("ignored"), "A check."),
            key("#check/id", .string, required: true, "`plugin.check`; without a dot it is one of `default`'s."),
            key("#check/parameters", .open("as the check's plugin says"), "What it is to look for."),
            key("#check/is_enabled", .boolean, default: true, "False skips it."),
        ]

    private static func groupOptions(_ shape: String, withType: Bool = true) -> [CatalogueKey] {
        let type = key(shape + "/type", .choice(GuardGroup.Kind.allCases.map(\.rawValue)), "What its checks may do.")
        return (withType ? [type] : []) + [
            key(shape + "/id", .string, "Its name in `hook_results`."),
            key(
                shape + "/deny", .boolean, default: false,
                "Refuse with 446 when a check fails; else the status becomes 246."),
            key(shape + "/async", .boolean, default: false, "Judge when the answer has gone out, without a say in it."),
            key(
                shape + "/sequential", .boolean, default: false,
                "One check after the other. Else checks that change nothing are asked at the same time."),
            key(
                shape + "/shadow", .boolean, default: false,
                "Record the verdict and never apply it: to try a guardrail on live traffic."),
            key(
                shape + "/direction", .choice(GuardPolicy.Direction.allCases.map(\.rawValue)),
                "`both`: one instance judges the request and its answer."),
            key(
                shape + "/run", .choice(["before", "beside"]), default: "before",
                "`beside`: while the upstream works; the answer's first byte waits for the verdict. Not for checks that "
                    + "change the request."),
            key(
                shape + "/scope", .json,
                "What of the conversation is judged: `all`, `last` (message), or a list of roles: "
                    + "\(GuardPolicy.roles.joined(separator: ", "))."),
            key(
                shape + "/on_failure", policies,
                "When a check cannot judge. Default: `closed` with `deny`, else `open`."),
            key(shape + "/on_timeout", policies, "When a check does not judge in time."),
            key(shape + "/timeout_ms", .integer(1...600_000), "For one call of a check."),
            key(
                shape + "/max_guard_retries", .integer(0...100),
                "Attempts that its checks may ask for; `limits.max_guard_retries` holds besides."),
            key(
                shape + "/require_full_coverage", .json,
                "A check that did not see all there was has failed to judge. `true`, `false`, or a list of the kinds "
                    + "that it must see. Default: true with `deny`."),
            key(
                shape + "/allow_unseen", .list(of: .string),
                "Kinds that may pass unseen all the same, as in `[image, file]`."),
            key(
                shape + "/breaker", .object,
                "Stops asking a check that keeps failing; its failure policy holds meanwhile."),
            key(shape + "/breaker/failures", .integer(1...1_000_000), default: 5, "In a row."),
            key(shape + "/breaker/open_ms", .integer(1...86_400_000), default: 30_000, "Before it is asked again."),
            key(shape + "/stream", .object, "How streamed answers are judged, over the check's manifest."),
            key(
                shape + "/stream/mode", .choice(GuardPolicy.StreamMode.allCases.map(\.rawValue)),
                "`window`: text is held back until judged; `event`: each event; `full`: all until the end; `observe`: "
                    + "nothing; `off`: not judged."),
            key(shape + "/stream/window_bytes", .integer(1...1_048_576), "Fresh text for each call."),
            key(shape + "/stream/overlap_bytes", .integer(0...1_048_576), "Text that is shown again with the next."),
            key(shape + "/on_success", .open("any"), "`{feedback: {value, weight, metadata}}`"),
            key(shape + "/on_fail", .open("any"), "`{feedback: {value, weight, metadata}}`"),
            key(shape + "/guardrail_version_id", .string, "Portkey's; ignored."),
        ]
    }

    // MARK: Rows

    private static let policies = CatalogueKey.Kind.choice(FailurePolicy.allCases.map(\.rawValue))
    private static let draft = ConfigDraft()

    private static func section(_ pattern: String, _ text: String) -> CatalogueKey {
        CatalogueKey(pattern: pattern, kind: .object, text: text)
    }

    /// A key that the builder reads by itself (ConfigLoader.swift).
    private static func key(
        _ pattern: String, _ kind: CatalogueKey.Kind, default value: JSONValue? = nil, required: Bool = false,
        _ text: String
    ) -> CatalogueKey {
        CatalogueKey(pattern: pattern, kind: kind, defaultValue: value, isRequired: required, text: text)
    }

    private typealias Field<Value> = any WritableKeyPath<ConfigDraft, Value> & Sendable

    private static func boolean(_ pattern: String, _ field: Field<Bool>, _ text: String) -> CatalogueKey {
        CatalogueKey(pattern: pattern, kind: .boolean, defaultValue: .bool(draft[keyPath: field]), text: text) {
            value, draft in
            if let value = value.bool { draft[keyPath: field] = value }
        }
    }

    private static func integer(
        _ pattern: String, _ field: Field<Int>, _ range: ClosedRange<Int>, _ text: String
    ) -> CatalogueKey {
        CatalogueKey(
            pattern: pattern, kind: .integer(range), defaultValue: JSONValue(draft[keyPath: field]), text: text
        ) {
            if let value = $0.int { $1[keyPath: field] = value }
        }
    }

    private static func bytes(_ pattern: String, _ field: Field<Int>, _ range: ClosedRange<Int>, _ text: String)
        -> CatalogueKey
    {
        CatalogueKey(pattern: pattern, kind: .bytes(range), defaultValue: JSONValue(draft[keyPath: field]), text: text)
        {
            if let value = $0.int { $1[keyPath: field] = value }
        }
    }

    private static func text(_ pattern: String, _ field: Field<String>, _ text: String) -> CatalogueKey {
        CatalogueKey(pattern: pattern, kind: .string, defaultValue: .string(draft[keyPath: field]), text: text) {
            if let value = $0.string { $1[keyPath: field] = value }
        }
    }

    private static func optional(
        _ pattern: String, _ field: Field<String?>, required: Bool = false, _ text: String
    ) -> CatalogueKey {
        CatalogueKey(pattern: pattern, kind: .string, isRequired: required, text: text) {
            if let value = $0.string { $1[keyPath: field] = value }
        }
    }

    private static func strings(_ pattern: String, _ field: Field<[String]>, _ text: String) -> CatalogueKey {
        let value = JSONValue.array(draft[keyPath: field].map { .string($0) })
        return CatalogueKey(pattern: pattern, kind: .list(of: .string), defaultValue: value, text: text) {
            if let value = $0.array { $1[keyPath: field] = value.compactMap(\.string) }
        }
    }

    private static func choice<Value: RawRepresentable<String> & CaseIterable & SendableMetatype>(
        _ pattern: String, _ field: Field<Value>, _ text: String
    ) -> CatalogueKey {
        CatalogueKey(
            pattern: pattern, kind: .choice(Value.allCases.map(\.rawValue)),
            defaultValue: .string(draft[keyPath: field].rawValue), text: text
        ) {
            if let value = $0.string.flatMap(Value.init(rawValue:)) { $1[keyPath: field] = value }
        }
    }
}
