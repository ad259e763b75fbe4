// PluginInstance: one use of a check or provider in a config, made by the library's create() and immutable afterwards.
//
// It is destroyed on the control thread when nothing refers to it any more: no plan, no exchange, no open token.

import CGatehouse
package import Core
import Synchronization

/// Serialises create() and destroy(), off the event loops.
package enum ControlThread {
    private static let pool = BlockingPool(threads: 1, queue: .max)

    package static func run(_ job: @escaping @Sendable () -> Void) { _ = pool.submit(job) }

    package static func call<Result: Sendable>(_ job: @escaping @Sendable () -> Result) async -> Result {
        await withUnsafeContinuation { continuation in
            run { continuation.resume(returning: job()) }
        }
    }
}

package final class PluginInstance: @unchecked Sendable {
    package let library: PluginLibrary
    /// "default.contains".
    package let name: String
    /// What the manifest says of the check; nil for providers.
    package let check: CheckManifest?
    let context: HostContext
    let host: HostCell
    let pointer: UnsafeMutableRawPointer

    private init(
        library: PluginLibrary, name: String, check: CheckManifest?, context: HostContext, host: HostCell,
        pointer: UnsafeMutableRawPointer
    ) {
        self.library = library
        self.name = name
        self.check = check
        self.context = context
        self.host = host
        self.pointer = pointer
    }

    deinit {
        nonisolated(unsafe) let pointer = pointer
        let library = library
        let host = host
        let name = name
        let ledger = context.services.ledger
        context.calls.whenNone {
            ControlThread.run {
                let running = CrashMarker.begin(.destroy, of: library.mark)
                library.descriptor.pointee.destroy?(pointer)
                running.end()
                host.free()
                ledger.died(name)
            }
        }
    }

    package enum Interface: String, Sendable {
        case hooks = "gh.hooks/1"
        case provider = "gh.provider/1"
        case auth = "gh.auth/1"
    }

    /// Calls create(). On the control thread only. `id` is the check's or provider's without the plugin's prefix. `isOperators`:
    /// `config` stands in the gateway's own file, so that its references to secrets count; a client's are refused.
    package static func create(
        library: PluginLibrary, interface: Interface, id: String, check: CheckManifest?, config: JSONValue,
        services: HostServices, isOperators: Bool = false
    ) throws(PluginCreationError) -> PluginInstance {
        let name = "\(library.manifest.id).\(id)"
        let config = try resolved(config, for: library.manifest, name, services, isOperators)
        let context = HostContext(
            name: name, pluginID: library.manifest.id,
            extensions: services.offersExtensions ? library.manifest.extensions : [],
            egress: library.manifest.egress,
            sight: Sight(library.manifest, services.grants[library.manifest.id]), isOperators: isOperators,
            services: services)
        let host = HostCell(context)
        let texts = [Bytes(interface.rawValue), Bytes(id), Bytes(config.bytes)]
        var info = gh_create_info()
        info.struct_size = structSize(gh_create_info.self)
        info.interface_id = gh_str(viewing: texts[0])
        info.check = gh_str(viewing: texts[1])
        info.config_json = gh_str(viewing: texts[2])
        context.isCreating.withLock { $0 = true }
        let running = CrashMarker.begin(.create, of: library.mark)
        let pointer = withExtendedLifetime(texts) { library.descriptor.pointee.create?(host.pointer, &info) }
        running.end()
        context.isCreating.withLock { $0 = false }
        guard let pointer else {
            let errors = context.configErrors.withLock { $0 }
            context.calls.whenNone { host.free() }
            throw PluginCreationError(
                name: name,
                errors: errors.isEmpty
                    ? [PluginConfigError(pointer: "", message: "create() failed and gave no reason")] : errors)
        }
        services.ledger.born(name)
        return PluginInstance(
            library: library, name: name, check: check, context: context, host: host, pointer: pointer)
    }

    /// The parameters as create() gets them.
    private static func resolved(
        _ config: JSONValue, for manifest: PluginManifest, _ name: String, _ services: HostServices, _ isOperators: Bool
    ) throws(PluginCreationError) -> JSONValue {
        let granted = services.grants[manifest.id]?.secrets ?? []
        do throws(PluginCreationError.Errors) {
            return try SecretReferences.resolve(config) { secret in
                func refused(_ message: String) -> Result<String, PluginConfigError> {
                    .failure(PluginConfigError(pointer: "", message: message))
                }
                guard isOperators else {
                    return refused("secrets can be named in the gateway's own configuration file only")
                }
                guard granted.contains(secret) else {
                    return refused(
                        "the secret \(secret) is not granted to \(manifest.id): plugins.settings.\(manifest.id).secrets lists those that are"
                    )
                }
                return services.secret(secret).map { .success($0) }
                    ?? refused("the configuration's secrets have no \(secret)")
            }
        } catch {
            throw PluginCreationError(name: name, errors: error.list)
        }
    }
}

package struct PluginCreationError: Error, Sendable {
    /// What is wrong, before there is a name to it.
    struct Errors: Error {
        var list: [PluginConfigError]
    }

    package var name: String
    package var errors: [PluginConfigError]

    package init(name: String, errors: [PluginConfigError]) {
        self.name = name
        self.errors = errors
    }
}
