// HostCell: the gh_host table that one library or instance gets, with what the host needs to know when it is called.

import CGatehouse
import Core
import Synchronization

/// A refusal of create(): where in the configuration, and why.
package struct PluginConfigError: Error, Sendable, Equatable {
    /// JSON pointer into the check's parameters.
    package var pointer: String
    package var message: String

    package init(pointer: String, message: String) {
        self.pointer = pointer
        self.message = message
    }
}

/// Who speaks when a table's function is called.
final class HostContext: Sendable {
    /// "default.contains", or the plugin's id for its library.
    let name: String
    let pluginID: String
    /// Extensions that the manifest asked for.
    let extensions: Set<String>
    let egress: [String]
    let sight: Sight
    let services: HostServices
    let configErrors = Mutex<[PluginConfigError]>([])
    /// True while create() runs: config_error and metric definitions are valid only then.
    let isCreating = Mutex(false)
    /// Fetches whose `done` has not run.
    let calls = OpenCalls()

    init(
        name: String, pluginID: String, extensions: Set<String>, egress: [String], sight: Sight = Sight(),
        services: HostServices
    ) {
        self.name = name
        self.pluginID = pluginID
        self.extensions = extensions
        self.egress = egress
        self.sight = sight
        self.services = services
    }

    func misbehaved(_ what: String) {
        services.log(.error, name, "PLUGIN_MISBEHAVING: \(what)", [])
    }
}

/// Counts what will still call into an instance, so that it is destroyed after the last of it.
final class OpenCalls: Sendable {
    private let state = Mutex<(count: Int, whenNone: (@Sendable () -> Void)?)>((0, nil))

    func begin() { state.withLock { $0.count += 1 } }

    func end() {
        let job = state.withLock { state -> (@Sendable () -> Void)? in
            state.count -= 1
            guard state.count == 0 else { return nil }
            defer { state.whenNone = nil }
            return state.whenNone
        }
        job?()
    }

    /// Runs `job` at once when nothing is open, else after the last has ended.
    func whenNone(_ job: @escaping @Sendable () -> Void) {
        let isIdle = state.withLock { state in
            if state.count > 0 { state.whenNone = job }
            return state.count == 0
        }
        if isIdle { job() }
    }
}

/// The table's memory: a gh_host, and behind it a reference to its context. It must not move while a plugin has its address.
struct HostCell: @unchecked Sendable {
    let pointer: UnsafePointer<gh_host>
    private let memory: UnsafeMutableRawPointer

    init(_ context: HostContext) {
        let tableSize = MemoryLayout<gh_host>.stride
        memory = .allocate(byteCount: tableSize + MemoryLayout<UnsafeRawPointer>.size, alignment: 16)
        let table = memory.bindMemory(to: gh_host.self, capacity: 1)
        table.initialize(to: HostTable.template)
        memory.storeBytes(
            of: Unmanaged.passRetained(context).toOpaque(), toByteOffset: tableSize, as: UnsafeMutableRawPointer.self)
        pointer = UnsafePointer(table)
    }

    /// The context of a table that a plugin passed back.
    static func context(_ host: UnsafePointer<gh_host>?) -> HostContext? {
        guard let host else { return nil }
        let raw = UnsafeRawPointer(host).load(fromByteOffset: MemoryLayout<gh_host>.stride, as: UnsafeRawPointer.self)
        return Unmanaged<HostContext>.fromOpaque(raw).takeUnretainedValue()
    }

    func free() {
        let raw = memory.load(fromByteOffset: MemoryLayout<gh_host>.stride, as: UnsafeRawPointer.self)
        Unmanaged<HostContext>.fromOpaque(raw).release()
        memory.deallocate()
    }
}
