// The one protocol that a guard conforms to.

/// A check. One instance per use in a config, immutable: hooks run concurrently for different exchanges. The manifest
/// says which hooks the host calls; the others need not be written.
///
/// A guard that only judges reports what it found and proceeds (`exchange.report`): the operator's config decides what
/// a failed check does. A hook that cannot judge throws.
public protocol Guardrail: Sendable {
    /// The check's id in the manifest, without the plugin's prefix.
    static var id: String { get }

    /// The parameters are valid by the manifest's schema.
    init(config: JSON, host: Host) throws(ConfigError)

    /// Before the request goes out, once per attempt.
    func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict
    /// After a whole answer came.
    func onResponse(_ exchange: Exchange) throws(PluginFailure) -> Verdict
    /// For each window of a streamed answer.
    func onStream(_ exchange: Exchange, _ window: inout Window) throws(PluginFailure) -> Verdict
    /// After each failed attempt.
    func onError(_ exchange: Exchange, _ failure: Failure) throws(PluginFailure) -> Verdict
    /// The host stopped waiting for a pending call, which must still be completed.
    func onCancel(_ exchange: Exchange, token: UInt64)
    /// Once, when the exchange is over. Read only.
    func onDone(_ exchange: Exchange)
}

extension Guardrail {
    public func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict { .proceed }
    public func onResponse(_ exchange: Exchange) throws(PluginFailure) -> Verdict { .proceed }
    public func onStream(_ exchange: Exchange, _ window: inout Window) throws(PluginFailure) -> Verdict { .proceed }
    public func onError(_ exchange: Exchange, _ failure: Failure) throws(PluginFailure) -> Verdict { .proceed }
    public func onCancel(_ exchange: Exchange, token: UInt64) {}
    public func onDone(_ exchange: Exchange) {}
}
