// PluginFiles: reading what operators put into plugin directories, with the checks that sshd makes of its files: the right owner, and
// nobody else who could write.

import Core

#if canImport(Glibc)
    import Glibc
#endif

package struct FileRefusal: Error, Sendable {
    package var message: String
    package init(_ message: String) { self.message = message }
}

enum PluginFiles {
    /// A regular file's content, after the checks of `check`.
    static func read(_ path: String, limit: Int) throws(FileRefusal) -> Bytes {
        // Without O_NONBLOCK a pipe would be waited for.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { throw FileRefusal("cannot be opened: \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        var info = stat()
        guard fstat(descriptor, &info) == 0 else {
            throw FileRefusal("cannot be examined: \(String(cString: strerror(errno)))")
        }
        guard info.st_mode & S_IFMT == S_IFREG else { throw FileRefusal("is not a regular file") }
        try checkOwner(info)
        guard Int(info.st_size) <= limit else {
            throw FileRefusal("has \(info.st_size) bytes; at most \(limit) are read")
        }
        var builder = BytesBuilder(capacity: Int(info.st_size) + 1)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw FileRefusal("cannot be read: \(String(cString: strerror(errno)))") }
            if count == 0 { break }
            builder.append(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            guard builder.count <= limit else { throw FileRefusal("has more than \(limit) bytes") }
        }
        return builder.finish()
    }

    /// The owner must be root or this process's user; group and others must not be able to write.
    private static func checkOwner(_ info: stat) throws(FileRefusal) {
        guard info.st_uid == 0 || info.st_uid == geteuid() else {
            throw FileRefusal("belongs to user \(info.st_uid); expected root or user \(geteuid())")
        }
        guard info.st_mode & (S_IWGRP | S_IWOTH) == 0 else {
            throw FileRefusal(
                "has mode \(octal(info.st_mode & 0o7777)), so that others can change it; expected no write permission for group and others"
            )
        }
    }

    private static func octal(_ mode: mode_t) -> String { "0" + String(mode, radix: 8) }

    static func checkDirectory(_ path: String) throws(FileRefusal) {
        var info = stat()
        guard stat(path, &info) == 0 else {
            throw FileRefusal("cannot be examined: \(String(cString: strerror(errno)))")
        }
        guard info.st_mode & S_IFMT == S_IFDIR else { throw FileRefusal("is not a directory") }
        try checkOwner(info)
    }

    /// Names in a directory, sorted, without hidden ones.
    static func list(_ path: String) throws(FileRefusal) -> [String] {
        guard let directory = opendir(path) else {
            throw FileRefusal("cannot be listed: \(String(cString: strerror(errno)))")
        }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                tuple.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }

    static func isDirectory(_ path: String) -> Bool {
        var info = stat()
        return stat(path, &info) == 0 && info.st_mode & S_IFMT == S_IFDIR
    }

    static func isFile(_ path: String) -> Bool {
        var info = stat()
        return stat(path, &info) == 0 && info.st_mode & S_IFMT == S_IFREG
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// Writes a file that only this user can change, in one step: who reads its name finds all of the old or all of the new.
    static func writeOnce(_ bytes: Bytes, to path: String, mode: mode_t = 0o500) throws(FileRefusal) {
        let temporary = path + ".\(getpid()).tmp"
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard descriptor >= 0 else {
            throw FileRefusal("\(temporary) cannot be written: \(String(cString: strerror(errno)))")
        }
        var offset = 0
        while offset < bytes.count {
            let count = write(descriptor, bytes.pointer + offset, bytes.count - offset)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let reason = String(cString: strerror(errno))
                close(descriptor)
                unlink(temporary)
                throw FileRefusal("\(temporary) cannot be written: \(reason)")
            }
            offset += count
        }
        close(descriptor)
        guard rename(temporary, path) == 0 else {
            let reason = String(cString: strerror(errno))
            unlink(temporary)
            throw FileRefusal("\(path) cannot be written: \(reason)")
        }
    }

    /// Makes a directory and its parents, for this user alone.
    static func makeDirectory(_ path: String) throws(FileRefusal) {
        if isDirectory(path) { return }
        if let slash = path.lastIndex(of: "/"), slash != path.startIndex { try makeDirectory(String(path[..<slash])) }
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
            throw FileRefusal("\(path) cannot be made: \(String(cString: strerror(errno)))")
        }
    }
}
