// ResidentLibraries: what dlopen has mapped, by content. It stays mapped as long as the process lives, so a library that comes back is
// not opened, and its entry not called, a second time. Control thread only.

import CGatehouse
import Synchronization

package final class ResidentLibraries: Sendable {
    /// A library whose entry gave a descriptor.
    struct Resident: @unchecked Sendable {
        var descriptor: UnsafePointer<gh_plugin>
        /// Its number in the crash marker.
        var mark: UInt32
        /// Calls the entry function again.
        var enter: @Sendable () -> UnsafePointer<gh_plugin>?
    }

    private let residents = Mutex<[String: Resident]>([:])

    package init() {}

    subscript(sha256: String) -> Resident? { residents.withLock { $0[sha256] } }

    func keep(_ resident: Resident, sha256: String) { residents.withLock { $0[sha256] = resident } }

    /// Mapped libraries, those of replaced generations included.
    package var count: Int { residents.withLock { $0.count } }
}
