// HostCell: the gh_host table that one library or instance gets, with what the host needs to know when it is called.

import CGatehouse
import Core
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

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
    /// Its config stands in the gateway's own file.
    let isOperators: Bool
    let services: HostServices
    let configErrors = Mutex<[PluginConfigError]>([])
    /// True while create() runs: config_error and metric definitions are valid only then.
    let isCreating = Mutex(false)
    /// Fetches whose `done` has not run.
    let calls = OpenCalls()

    init(
        name: String, pluginID: String, extensions: Set<String>, egress: [String], sight: Sight = Sight(),
        isOperators: Bool = false, services: HostServices
    ) {
        self.name = name
        self.pluginID = pluginID
        self.extensions = extensions
        self.egress = egress
        self.sight = sight
        self.isOperators = isOperators
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

/// The table's memory: a reference to its context, and behind it a gh_host. It must not move while a plugin has its address.
struct HostCell: @unchecked Sendable {
    let pointer: UnsafePointer<gh_host>
    private let memory: UnsafeMutableRawPointer
    private let isGuarded: Bool
    private static let contextSize = 16

    init(_ context: HostContext) {
        let size = Self.contextSize + MemoryLayout<gh_host>.size
        isGuarded = context.services.guardsTables
        memory = isGuarded ? Self.atPageEnd(size) : .allocate(byteCount: size, alignment: 16)
        memory.storeBytes(of: Unmanaged.passRetained(context).toOpaque(), as: UnsafeMutableRawPointer.self)
        let table = (memory + Self.contextSize).bindMemory(to: gh_host.self, capacity: 1)
        table.initialize(to: HostTable.template)
        pointer = UnsafePointer(table)
    }

    private static func atPageEnd(_ size: Int) -> UnsafeMutableRawPointer {
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let flags = MAP_PRIVATE | MAP_ANONYMOUS
        guard let pages = mmap(nil, 2 * page, PROT_READ | PROT_WRITE, flags, -1, 0), pages != MAP_FAILED else {
            return .allocate(byteCount: size, alignment: 16)
        }
        mprotect(pages + page, page, PROT_NONE)
        return pages + page - size
    }

    /// The context of a table that a plugin passed back.
    static func context(_ host: UnsafePointer<gh_host>?) -> HostContext? {
        guard let host else { return nil }
        let raw = (UnsafeRawPointer(host) - contextSize).load(as: UnsafeRawPointer.self)
        return Unmanaged<HostContext>.fromOpaque(raw).takeUnretainedValue()
    }

    func free() {
        Unmanaged<HostContext>.fromOpaque(memory.load(as: UnsafeRawPointer.self)).release()
        // Guarded memory is a trial's, which ends soon.
        if !isGuarded { memory.deallocate() }
    }
}
