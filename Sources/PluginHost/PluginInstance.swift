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
        context.calls.whenNone {
            ControlThread.run {
                library.descriptor.pointee.destroy?(pointer)
                host.free()
            }
        }
    }

    package enum Interface: String, Sendable {
        case hooks = "gh.hooks/1"
        case provider = "gh.provider/1"
        case auth = "gh.auth/1"
    }

    /// Calls create(). On the control thread only. `id` is the check's or provider's without the plugin's prefix.
    package static func create(
        library: PluginLibrary, interface: Interface, id: String, check: CheckManifest?, config: JSONValue,
        services: HostServices
    ) throws(PluginCreationError) -> PluginInstance {
        let name = "\(library.manifest.id).\(id)"
        let context = HostContext(
            name: name, pluginID: library.manifest.id,
            extensions: services.offersExtensions ? library.manifest.extensions : [],
            egress: library.manifest.egress, services: services)
        let host = HostCell(context)
        let texts = [Bytes(interface.rawValue), Bytes(id), Bytes(config.bytes)]
        var info = gh_create_info()
        info.struct_size = structSize(gh_create_info.self)
        info.interface_id = gh_str(viewing: texts[0])
        info.check = gh_str(viewing: texts[1])
        info.config_json = gh_str(viewing: texts[2])
        context.isCreating.withLock { $0 = true }
        let pointer = withExtendedLifetime(texts) { library.descriptor.pointee.create?(host.pointer, &info) }
        context.isCreating.withLock { $0 = false }
        guard let pointer else {
            let errors = context.configErrors.withLock { $0 }
            context.calls.whenNone { host.free() }
            throw PluginCreationError(
                name: name,
                errors: errors.isEmpty
                    ? [PluginConfigError(pointer: "", message: "create() failed and gave no reason")] : errors)
        }
        return PluginInstance(
            library: library, name: name, check: check, context: context, host: host, pointer: pointer)
    }
}

package struct PluginCreationError: Error, Sendable {
    package var name: String
    package var errors: [PluginConfigError]

    package init(name: String, errors: [PluginConfigError]) {
        self.name = name
        self.errors = errors
    }
}
