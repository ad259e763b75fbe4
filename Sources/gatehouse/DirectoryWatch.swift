// DirectoryWatch: notices changes in directories and what is below them, by inotify. It says so when things have been quiet for a while:
// a plugin is more than one file, and who copies one does not do it at once.

import CLinux

#if canImport(Glibc)
    import Glibc
#endif

/// Confined to whoever made it.
final class DirectoryWatch {
    /// A plugin, its folder of descriptions, and one more.
    private static let depth = 3
    private static let limit = 4096
    /// Calls of `hasSettled` after which a directory that never rests is looked at nevertheless.
    private static let patience = 10

    private let descriptor: Int32
    private let roots: [String]
    private var isChanged = false
    private var unrest = 0

    /// nil when the system has no inotify instance left.
    init?(_ roots: [String]) {
        descriptor = linux_inotify_init()
        self.roots = roots
        guard descriptor >= 0 else { return nil }
        watchAll()
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// True once after changes, when there were none since the last call.
    func hasSettled() -> Bool {
        if drain() {
            isChanged = true
            unrest += 1
            // Folders that came are watched, too.
            watchAll()
            if unrest < Self.patience { return false }
        }
        guard isChanged else { return false }
        isChanged = false
        unrest = 0
        return true
    }

    /// Whether there were events. Which does not matter: everything is read again, and compared.
    private func drain() -> Bool {
        var isAny = false
        withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 8) { buffer in
            while read(descriptor, buffer.baseAddress, buffer.count) > 0 { isAny = true }
        }
        return isAny
    }

    private func watchAll() {
        var count = 0
        for root in roots { watch(root, Self.depth, &count) }
    }

    private func watch(_ path: String, _ depth: Int, _ count: inout Int) {
        guard count < Self.limit, linux_inotify_watch(descriptor, path) >= 0 else { return }
        count += 1
        guard depth > 1, let directory = opendir(path) else { return }
        defer { closedir(directory) }
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            // Plain files are refused by the system: they are seen through their directory.
            if !name.hasPrefix(".") { watch(path + "/" + name, depth - 1, &count) }
        }
    }
}
