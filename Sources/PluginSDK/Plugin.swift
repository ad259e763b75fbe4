// PluginSDK: what a Gatehouse plugin in Swift is written against.
//
// A plugin is a shared library that exports one C function (include/gatehouse/plugin.h). This module turns that into
// Swift: a check is a type that conforms to `Guardrail`, a wire format one that conforms to `Provider`, and one line
// exports them:
//
//     public import CGatehouse
//     import PluginSDK
//
//     struct NoShouting: Guardrail {
//         static let id = "no-shouting"
//
//         init(config: JSON, host: Host) {}
//
//         func onRequest(_ exchange: Exchange) throws(PluginFailure) -> Verdict {
//             let shouts = exchange.texts(.request).contains { $0.text.bytes.allSatisfy { !(97...122 ~= $0) } }
//             try exchange.report(passed: !shouts, data: ["explanation": "Text without one small letter"])
//             return .proceed
//         }
//     }
//
//     private let plugin = Plugin(id: "manners", version: "1.0.0", checks: [NoShouting.self])
//
//     @c(gh_plugin_entry_v1)
//     public func entry(_ host: UnsafePointer<gh_host>?) -> UnsafePointer<gh_plugin>? { plugin.entry(host) }
//
// Rules of the house:
//   - An instance is immutable. What belongs to one exchange goes into `exchange.setState`.
//   - A hook that the manifest calls non-blocking has about a millisecond and must not wait. To ask a server, pend:
//     `exchange.pend(on:judge:)` needs no thread and no HTTP library.
//   - `Text` is a view of the host's memory. Compare its bytes; copy with `string` only what must outlive the hook. A
//     search with `String.contains` costs twenty times as much as one over the bytes.
//   - Errors thrown become GH_FAIL and the operator's failure policy decides. A trap (an index out of range, a forced
//     nil) takes the gateway down: nobody can catch it.
//   - No Foundation: it would bring 65 MB into every gateway.
//
// The module is linked statically into each plugin and depends on the C headers alone.

public import CGatehouse
import Synchronization

/// A plugin library: its name and what it offers. Make one, in a global constant, and export `entry`.
public final class Plugin: Sendable {
    private let checks: [String: any Guardrail.Type]
    private let providers: [String: any Provider.Type]
    nonisolated(unsafe) private let descriptor: UnsafePointer<gh_plugin>

    /// The plugin that this library is. C functions capture nothing, so create() finds it here.
    private static let current = Mutex<Plugin?>(nil)

    /// `id` and `version` are the manifest's. They and the tables live as long as the process.
    public init(
        id: StaticString, version: StaticString, checks: [any Guardrail.Type] = [],
        providers: [any Provider.Type] = []
    ) {
        self.checks = Dictionary(checks.map { ($0.id, $0) }) { first, _ in first }
        self.providers = Dictionary(providers.map { ($0.id, $0) }) { first, _ in first }
        var plugin = gh_plugin()
        plugin.struct_size = UInt32(MemoryLayout<gh_plugin>.size)
        plugin.abi_minor = UInt32(GH_ABI_MINOR)
        plugin.min_host_minor = 0
        plugin.flags = UInt32(GH_ABI_DRAFT)
        plugin.id = gh_str(id)
        plugin.version = gh_str(version)
        plugin.create = { host, info in
            guard let host, let info, let plugin = Plugin.current.withLock({ $0 }) else { return nil }
            return plugin.create(Host(host), copied(info, info.pointee.struct_size, gh_create_info()))
        }
        plugin.destroy = { instance in
            if let instance { Unmanaged<AnyObject>.fromOpaque(instance).release() }
        }
        plugin.query = { interface in
            guard let interface, let plugin = Plugin.current.withLock({ $0 }) else { return nil }
            return plugin.table(of: String(cString: interface))
        }
        descriptor = immortal(plugin)
    }

    /// The body of gh_plugin_entry_v1.
    public func entry(_ host: UnsafePointer<gh_host>?) -> UnsafePointer<gh_plugin>? {
        // The last member of 1.0: a host that has it has all others.
        guard let host, let last = MemoryLayout<gh_host>.offset(of: \gh_host.complete),
            Int(host.pointee.struct_size) >= last + MemoryLayout<UInt>.size
        else { return nil }
        Plugin.current.withLock { $0 = self }
        return descriptor
    }

    private func table(of interface: String) -> UnsafeRawPointer? {
        switch interface {
        case GH_INTERFACE_HOOKS where !checks.isEmpty: UnsafeRawPointer(guardrailTable)
        case GH_INTERFACE_PROVIDER where !providers.isEmpty: UnsafeRawPointer(providerTable())
        default: nil
        }
    }

    private func create(_ host: Host, _ info: gh_create_info) -> UnsafeMutableRawPointer? {
        do throws(ConfigError) {
            let id = Text(info.check)?.string ?? ""
            let config = try Plugin.parse(Text(info.config_json))
            switch Text(info.interface_id)?.string {
            case GH_INTERFACE_HOOKS:
                guard let type = checks[id] else { throw ConfigError("This plugin has no check \"\(id)\"") }
                return handOver(GuardrailBox(try type.init(config: config, host: host), host: host))
            case GH_INTERFACE_PROVIDER:
                guard let type = providers[id] ?? providers["*"] else {
                    throw ConfigError("This plugin has no provider \"\(id)\"")
                }
                return handOver(ProviderBox(try type.init(config: config, host: host), host: host))
            case let other:
                throw ConfigError("This plugin has no interface \"\(other ?? "")\"")
            }
        } catch {
            host.configError(error)
            return nil
        }
    }

    private static func parse(_ text: Text?) throws(ConfigError) -> JSON {
        guard let text else { return [:] }
        do throws(JSON.SyntaxError) {
            return try JSON(parsing: text)
        } catch {
            throw ConfigError("The parameters are not JSON: \(error)")
        }
    }
}

/// The host owns the instance until destroy().
private func handOver(_ instance: AnyObject) -> UnsafeMutableRawPointer {
    Unmanaged.passRetained(instance).toOpaque()
}

/// A struct of the host's. One of an earlier minor ends before `blank` does, and is not read past its end.
func copied<Struct>(_ place: UnsafePointer<Struct>, _ size: UInt32, _ blank: Struct) -> Struct {
    var copy = blank
    withUnsafeMutableBytes(of: &copy) { bytes in
        bytes.copyMemory(from: UnsafeRawBufferPointer(start: place, count: min(Int(size), bytes.count)))
    }
    return copy
}

/// A table that lives as long as the process.
func immortal<Table>(_ table: Table) -> UnsafePointer<Table> {
    let place = UnsafeMutablePointer<Table>.allocate(capacity: 1)
    place.initialize(to: table)
    return UnsafePointer(place)
}

// MARK: - gh.hooks/1

/// What the host holds as the `self` of a check's hooks.
private final class GuardrailBox: Sendable {
    let guardrail: any Guardrail
    let host: Host

    init(_ guardrail: any Guardrail, host: Host) {
        self.guardrail = guardrail
        self.host = host
    }
}

/// One table for all checks: the manifest says which hooks of a check the host calls.
nonisolated(unsafe) private let guardrailTable: UnsafePointer<gh_hooks> = {
    var hooks = gh_hooks()
    hooks.struct_size = UInt32(MemoryLayout<gh_hooks>.size)
    hooks.on_request = { instance, exchange, decision in
        judge(instance, exchange, decision) { guardrail, exchange, _ throws(PluginFailure) in
            try guardrail.onRequest(exchange)
        }
    }
    hooks.on_response = { instance, exchange, decision in
        judge(instance, exchange, decision) { guardrail, exchange, _ throws(PluginFailure) in
            try guardrail.onResponse(exchange)
        }
    }
    hooks.on_stream = { instance, exchange, window, decision in
        judge(instance, exchange, decision) { guardrail, exchange, decision throws(PluginFailure) in
            guard let window, let segment = window.pointee.segment else { throw PluginFailure("A window without text") }
            var view = Window(
                copied(window, window.pointee.struct_size, gh_window()),
                segment: copied(segment, segment.pointee.struct_size, gh_segment()), releasedTo: decision.released_to)
            defer { decision.released_to = UInt64(clamping: view.releasedTo) }
            return try guardrail.onStream(exchange, &view)
        }
    }
    hooks.on_error = { instance, exchange, failure, decision in
        judge(instance, exchange, decision) { guardrail, exchange, _ throws(PluginFailure) in
            try guardrail.onError(
                exchange, Failure(failure.map { copied($0, $0.pointee.struct_size, gh_failure()) } ?? gh_failure()))
        }
    }
    hooks.on_cancel = { instance, exchange, token in
        tell(instance, exchange) { $0.onCancel($1, token: token) }
    }
    hooks.on_done = { instance, exchange in
        tell(instance, exchange) { $0.onDone($1) }
    }
    return immortal(hooks)
}()

private func judge(
    _ instance: UnsafeMutableRawPointer?, _ exchange: OpaquePointer?, _ decision: UnsafeMutablePointer<gh_decision>?,
    _ hook: (any Guardrail, Exchange, inout gh_decision) throws(PluginFailure) -> Verdict
) -> gh_verdict {
    guard let instance, let exchange, let decision else { return gh_verdict(GH_FAIL) }
    let box = Unmanaged<GuardrailBox>.fromOpaque(instance).takeUnretainedValue()
    let view = Exchange(exchange, host: box.host)
    do throws(PluginFailure) {
        return try hook(box.guardrail, view, &decision.pointee).write(to: &decision.pointee, of: view)
    } catch {
        return error.write(to: &decision.pointee, of: view)
    }
}

private func tell(
    _ instance: UnsafeMutableRawPointer?, _ exchange: OpaquePointer?, _ hook: (any Guardrail, Exchange) -> Void
) {
    guard let instance, let exchange else { return }
    let box = Unmanaged<GuardrailBox>.fromOpaque(instance).takeUnretainedValue()
    hook(box.guardrail, Exchange(exchange, host: box.host))
}
