// What the host offers besides the exchange: the log, and the extensions for patterns, schemas, metrics, fetching and asking models.
// An extension must stand in the manifest's "needs" or "wants"; the initialisers say what happens when it is missing.

public import CGatehouse

/// The host as one instance sees it. Log lines and metrics carry the instance's name.
public struct Host: @unchecked Sendable {
    public let pointer: UnsafePointer<gh_host>

    public init(_ pointer: UnsafePointer<gh_host>) {
        self.pointer = pointer
    }

    public enum LogLevel: Int32, Sendable {
        case debug = 0, info, warning, error
    }

    /// One structured line. Never put prompt text in it.
    public func log(_ level: LogLevel, _ message: String, _ fields: KeyValuePairs<String, String> = [:]) {
        guard let log = pointer.pointee.log else { return }
        message.lend { message in
            withFields(fields.map { ($0.key, $0.value) }) {
                log(pointer, level.rawValue, message, $0.baseAddress, $0.count)
            }
        }
    }

    /// Refuses the configuration at a place. In `init(config:host:)` only: may be called many times, before throwing.
    public func configError(_ message: String, at pointer: String = "") {
        guard let refuse = self.pointer.pointee.config_error else { return }
        pointer.lend { place in message.lend { refuse(self.pointer, place, $0) } }
    }

    func configError(_ error: ConfigError) {
        configError(error.message, at: error.pointer)
    }

    /// An extension's table; nil when this host lacks it or the manifest did not ask for it.
    public func table<Table>(_ id: String, _ type: Table.Type) -> UnsafePointer<Table>? {
        pointer.pointee.extension?(pointer, id)?.assumingMemoryBound(to: Table.self)
    }
}

/// Lends fields, flattened into one allocation, to a call.
private func withFields<Result>(
    _ fields: [(String, String)], _ body: (UnsafeBufferPointer<gh_field>) -> Result
) -> Result {
    var flat: [UInt8] = []
    var lengths: [(key: Int, value: Int)] = []
    for (key, value) in fields {
        flat.append(contentsOf: key.utf8)
        flat.append(contentsOf: value.utf8)
        lengths.append((key.utf8.count, value.utf8.count))
    }
    return flat.withUnsafeBufferPointer { flat in
        var position = 0
        func view(_ length: Int) -> gh_str {
            defer { position += length }
            return gh_str(UnsafeBufferPointer(rebasing: flat[position..<position + length]))
        }
        let views = lengths.map { gh_field(key: view($0.key), value: view($0.value)) }
        return views.withUnsafeBufferPointer(body)
    }
}

// MARK: - Patterns

/// A PCRE2 pattern, compiled once by the host (gh.regex/1). Offsets are in bytes.
public final class Pattern: @unchecked Sendable {
    public struct Flags: OptionSet, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        public static let caseless = Flags(rawValue: UInt32(GH_REGEX_CASELESS))
        public static let multiline = Flags(rawValue: UInt32(GH_REGEX_MULTILINE))
        public static let dotAll = Flags(rawValue: UInt32(GH_REGEX_DOTALL))
        public static let extended = Flags(rawValue: UInt32(GH_REGEX_EXTENDED))
    }

    private let table: UnsafePointer<gh_regex>
    private let pattern: OpaquePointer

    /// Refuses an invalid pattern as an error of the parameter at `pointer`.
    public init(_ source: String, _ flags: Flags = [], at pointer: String = "", host: Host) throws(ConfigError) {
        guard let table = host.table(GH_EXT_REGEX, gh_regex.self), let compile = table.pointee.compile else {
            throw ConfigError("The host does not offer \(GH_EXT_REGEX)", at: pointer)
        }
        var offset: UInt64 = 0
        var sentence = [CChar](repeating: 0, count: 160)
        let compiled = source.lend {
            compile(host.pointer, $0, flags.rawValue, &offset, &sentence, sentence.count)
        }
        guard let compiled else {
            let reason = String(decoding: sentence.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            throw ConfigError("The pattern is invalid at byte \(offset): \(reason)", at: pointer)
        }
        self.table = table
        pattern = compiled
    }

    deinit {
        table.pointee.free_pattern?(pattern)
    }

    /// The first match at or after a byte offset.
    public func firstRange(in text: Text, from start: Int = 0) throws(PluginFailure) -> Range<Int>? {
        var span = gh_regex_span()
        let count = try search(text, start, &span, 1)
        return count > 0 ? Self.range(span) : nil
    }

    /// The first match with its groups: element 0 is the whole match, nil a group that took no part.
    public func firstMatch(in text: Text, from start: Int = 0) throws(PluginFailure) -> [Range<Int>?]? {
        var spans = [gh_regex_span](repeating: gh_regex_span(), count: 16)
        var count = try search(text, start, &spans, spans.count)
        if count > spans.count {
            spans = [gh_regex_span](repeating: gh_regex_span(), count: count)
            count = try search(text, start, &spans, spans.count)
        }
        return count > 0 ? spans.prefix(count).map(Self.range) : nil
    }

    public func groupName(_ number: Int) -> String? {
        table.pointee.group_name.flatMap { Text($0(pattern, UInt32(clamping: number)))?.string }
    }

    private func search(
        _ text: Text, _ start: Int, _ spans: UnsafeMutablePointer<gh_regex_span>, _ count: Int
    ) throws(PluginFailure) -> Int {
        let found = table.pointee.match?(pattern, gh_str(text.bytes), UInt64(start), spans, count) ?? -1
        guard found >= 0 else {
            throw PluginFailure(
                Int(found) == GH_OVER_LIMIT
                    ? "The match limit was reached: the pattern takes too many steps on this text"
                    : "The pattern could not be matched: status \(found)")
        }
        return Int(found)
    }

    private static func range(_ span: gh_regex_span) -> Range<Int>? {
        span.begin <= span.end && span.end != .max ? Int(span.begin)..<Int(span.end) : nil
    }
}

// MARK: - Schemas

/// A JSON Schema, compiled once by the host (gh.schema/1).
public final class SchemaValidator: @unchecked Sendable {
    /// What is wrong, and where in the document.
    public struct Violation: Sendable {
        public let pointer: String
        public let message: String
    }

    public struct Options: OptionSet, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        /// "format" is a rule; else it is a remark.
        public static let formats = Options(rawValue: UInt32(GH_SCHEMA_FORMATS))
        /// The dialect of a schema without "$schema"; else 2020-12.
        public static let draft7 = Options(rawValue: UInt32(GH_SCHEMA_DRAFT_7))
    }

    private let table: UnsafePointer<gh_schema>
    private let schema: OpaquePointer

    /// Refuses an invalid schema as an error of the parameter at `pointer`.
    public init(
        _ source: JSON, _ options: Options = [], at pointer: String = "", host: Host
    ) throws(ConfigError) {
        guard let table = host.table(GH_EXT_SCHEMA, gh_schema.self), let compile = table.pointee.compile else {
            throw ConfigError("The host does not offer \(GH_EXT_SCHEMA)", at: pointer)
        }
        let (compiled, violations) = Self.collecting { collect, user in
            source.bytes.lend { compile(host.pointer, $0, options.rawValue, collect, user) }
        }
        guard let compiled else {
            let first = violations.first ?? Violation(pointer: "", message: "it is not valid")
            throw ConfigError("The schema is refused: \(first.message)", at: pointer + first.pointer)
        }
        self.table = table
        schema = compiled
    }

    deinit {
        table.pointee.free_schema?(schema)
    }

    /// Empty: valid. nil: the document is not JSON.
    public func violations(in document: Text) -> [Violation]? {
        guard let validate = table.pointee.validate else { return nil }
        let (status, violations) = Self.collecting { collect, user in
            validate(schema, gh_str(document.bytes), collect, user)
        }
        switch status {
        case 1: return []
        case 0: return violations.isEmpty ? [Violation(pointer: "", message: "not valid")] : violations
        default: return nil
        }
    }

    /// Makes a call with a callback that collects violations.
    private static func collecting<Result>(
        _ call: (gh_schema_violation, UnsafeMutableRawPointer) -> Result
    ) -> (Result, [Violation]) {
        let list = List()
        let result = withExtendedLifetime(list) {
            call(
                { user, pointer, message in
                    guard let user else { return }
                    Unmanaged<List>.fromOpaque(user).takeUnretainedValue().violations.append(
                        Violation(pointer: Text(pointer)?.string ?? "", message: Text(message)?.string ?? ""))
                }, Unmanaged.passUnretained(list).toOpaque())
        }
        return (result, list.violations)
    }

    private final class List {
        var violations: [Violation] = []
    }
}

// MARK: - Metrics

/// A counter on the gateway's /metrics (gh.metrics/1). Make it in `init(config:host:)`. Without the extension it counts
/// nothing.
public struct Counter: Sendable {
    private let host: Host
    private let metric: gh_metric

    public init(_ name: String, help: String, host: Host) {
        self.host = host
        let define = host.table(GH_EXT_METRICS, gh_metrics.self)?.pointee.counter
        metric = define.map { define in name.lend { name in help.lend { define(host.pointer, name, $0) } } } ?? 0
    }

    public func add(_ amount: Double = 1) {
        guard metric != 0 else { return }
        host.table(GH_EXT_METRICS, gh_metrics.self)?.pointee.add?(host.pointer, metric, amount)
    }
}

/// A histogram on the gateway's /metrics (gh.metrics/1). `bounds` ascend. Make it in `init(config:host:)`.
public struct Histogram: Sendable {
    private let host: Host
    private let metric: gh_metric

    public init(_ name: String, help: String, bounds: [Double], host: Host) {
        self.host = host
        let define = host.table(GH_EXT_METRICS, gh_metrics.self)?.pointee.histogram
        metric =
            define.map { define in
                name.lend { name in help.lend { define(host.pointer, name, $0, bounds, bounds.count) } }
            } ?? 0
    }

    public func observe(_ value: Double) {
        guard metric != 0 else { return }
        host.table(GH_EXT_METRICS, gh_metrics.self)?.pointee.observe?(host.pointer, metric, value)
    }
}

// MARK: - Fetching

public struct HTTPRequest: Sendable {
    public var method: String
    public var url: String
    public var headers: [(String, String)]
    public var body: [UInt8]?
    /// 0: the host's default; never more than what the exchange has left.
    public var timeoutMilliseconds: Int

    public init(
        _ method: String, _ url: String, headers: [(String, String)] = [], body: [UInt8]? = nil,
        timeoutMilliseconds: Int = 0
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.timeoutMilliseconds = timeoutMilliseconds
    }
}

/// An answer as it came. Views live as long as the call that brought it.
public struct HTTPAnswer {
    private let raw: gh_http_in

    public init(_ raw: gh_http_in) { self.raw = raw }

    init(_ place: UnsafePointer<gh_http_in>?) {
        raw = place.map { copied($0, $0.pointee.struct_size, gh_http_in()) } ?? gh_http_in()
    }

    /// 0: there was none, and `transportError` says why.
    public var status: Int { Int(raw.status) }
    public var body: Text { Text(raw.body) ?? Text(UnsafeBufferPointer(start: nil, count: 0)) }
    public var transportError: Text? { Text(raw.transport_error) }

    /// The first header of a name, whatever its case.
    public func header(_ name: String) -> Text? {
        let headers = UnsafeBufferPointer(start: raw.headers, count: raw.headers == nil ? 0 : raw.header_count)
        let name = name.utf8
        return headers.lazy.compactMap { field in
            Text(field.key).flatMap { $0.bytes.elementsEqual(name, by: sameLetter) ? Text(field.value) : nil }
        }.first
    }
}

private func sameLetter(_ a: UInt8, _ b: UInt8) -> Bool {
    func lower(_ byte: UInt8) -> UInt8 { byte &- UInt8(ascii: "A") < 26 ? byte | 0x20 : byte }
    return lower(a) == lower(b)
}

/// A fetch under way.
public struct Fetch: Sendable {
    let token: gh_token
    let stop: @convention(c) (gh_token) -> gh_status

    /// `done` runs soon, with status 0, unless it already has.
    public func cancel() {
        _ = stop(token)
    }
}

private final class FetchCompletion: Sendable {
    let done: @Sendable (HTTPAnswer) -> Void
    init(_ done: @escaping @Sendable (HTTPAnswer) -> Void) { self.done = done }

    /// Gives the closure to a call as a C function with its user pointer; takes it back when the call gives no token.
    static func handOver(
        _ done: @escaping @Sendable (HTTPAnswer) -> Void,
        to call: (
            @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<gh_http_in>?) -> Void, UnsafeMutableRawPointer
        )
            -> gh_token
    ) -> gh_token? {
        let completion = Unmanaged.passRetained(FetchCompletion(done))
        let token = call(
            { user, answer in
                guard let user else { return }
                let completion = Unmanaged<FetchCompletion>.fromOpaque(user).takeRetainedValue()
                completion.done(HTTPAnswer(answer))
            }, completion.toOpaque())
        if token == 0 { completion.release() }
        return token == 0 ? nil : token
    }
}

extension Host {
    /// Fetches over the host's own client (gh.http/1): its connections, its proxies, its egress rules. `done` runs
    /// exactly once, on a thread of the host's, unless this throws. Without an exchange: for key sets and the like.
    @discardableResult
    public func fetch(
        _ request: HTTPRequest, for exchange: Exchange? = nil, done: @escaping @Sendable (HTTPAnswer) -> Void
    ) throws(PluginFailure) -> Fetch {
        guard let http = table(GH_EXT_HTTP, gh_http.self)?.pointee, let fetch = http.fetch, let stop = http.cancel
        else {
            throw PluginFailure("The host does not offer \(GH_EXT_HTTP)")
        }
        let token = FetchCompletion.handOver(done) { done, user in
            request.lend { fetch(pointer, exchange?.pointer, $0, done, user) }
        }
        guard let token else { throw PluginFailure("The host refused to fetch \(request.url)") }
        return Fetch(token: token, stop: stop)
    }

    /// Asks another target of the operator's (gh.gateway/1): the name of a saved config, "@" and a provider's name, or a
    /// config as a JSON object. `body` is a chat completion request. `done` runs exactly once, on a thread of the host's,
    /// unless this throws. `timeoutMilliseconds` 0: the host's default.
    @discardableResult
    public func ask(
        _ target: String, _ body: JSON, timeoutMilliseconds: Int = 0, for exchange: Exchange? = nil,
        done: @escaping @Sendable (HTTPAnswer) -> Void
    ) throws(PluginFailure) -> Fetch {
        guard let gateway = table(GH_EXT_GATEWAY, gh_gateway.self)?.pointee, let ask = gateway.ask,
            let stop = gateway.cancel
        else { throw PluginFailure("The host does not offer \(GH_EXT_GATEWAY)") }
        let token = FetchCompletion.handOver(done) { done, user in
            target.lend { target in
                body.bytes.lend { body in
                    var raw = gh_gateway_request()
                    raw.struct_size = UInt32(MemoryLayout<gh_gateway_request>.size)
                    raw.timeout_ms = UInt32(clamping: timeoutMilliseconds)
                    raw.target = target
                    raw.body = body
                    return ask(pointer, exchange?.pointer, &raw, done, user)
                }
            }
        }
        guard let token else { throw PluginFailure("The host refused to ask \(target)") }
        return Fetch(token: token, stop: stop)
    }
}

extension HTTPRequest {
    fileprivate func lend<Result>(_ call: (UnsafePointer<gh_http_request>) -> Result) -> Result {
        method.lend { method in
            url.lend { url in
                withFields(headers) { fields in
                    (body ?? []).lend { bytes in
                        var raw = gh_http_request()
                        raw.struct_size = UInt32(MemoryLayout<gh_http_request>.size)
                        raw.timeout_ms = UInt32(clamping: timeoutMilliseconds)
                        raw.method = method
                        raw.url = url
                        raw.headers = fields.baseAddress
                        raw.header_count = fields.count
                        raw.body = body == nil ? gh_str() : bytes
                        return call(&raw)
                    }
                }
            }
        }
    }
}
