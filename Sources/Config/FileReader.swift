// FileReader: whole small files, the environment, and paths. The only file of this module that asks the system
// anything.

package import Core

#if canImport(Glibc)
    import Glibc
#endif

package struct FileError: Error, Sendable, Equatable, CustomStringConvertible {
    package var description: String
}

package enum FileReader {
    package static let configLimit = 16 << 20
    /// A price catalogue.
    static let priceLimit = 16 << 20
    static let secretLimit = 1 << 20

    package struct Content {
        package var bytes: Bytes
        /// True when somebody else than the owner may read it.
        package var isReadableByOthers: Bool
    }

    package static func read(_ path: String, limit: Int) throws(FileError) -> Content {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(path) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure(path) }
        guard status.st_mode & S_IFMT != S_IFDIR else {
            throw FileError(description: "cannot read \(path): it is a directory")
        }
        var builder = BytesBuilder(capacity: min(limit, max(4_096, Int(status.st_size))))
        let capacity = 1 << 16
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            let count = Glibc.read(descriptor, buffer.baseAddress, capacity)
            if count == 0 { break }
            if count < 0 {
                if errno == EINTR { continue }
                throw failure(path)
            }
            builder.append(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            if builder.count > limit {
                throw FileError(description: "cannot read \(path): it is larger than \(limit) bytes")
            }
        }
        return Content(bytes: builder.finish(), isReadableByOthers: status.st_mode & (S_IRGRP | S_IROTH) != 0)
    }

    private static func failure(_ path: String) -> FileError {
        let number = errno
        var text = [CChar](repeating: 0, count: 256)
        guard strerror_r(number, &text, text.count) == 0 else {
            return FileError(description: "cannot read \(path): error \(number)")
        }
        let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return FileError(description: "cannot read \(path): \(String(decoding: bytes, as: UTF8.self))")
    }

    // MARK: Paths

    /// "" for a name without a slash.
    static func directory(of path: String) -> String {
        path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    }

    static func resolve(_ path: String, in directory: String) -> String {
        path.hasPrefix("/") ? path : directory + path
    }
}

package enum Environment {
    package static func value(of name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }
}

enum IPText {
    enum Reach { case loopback, beyond, invalid }

    /// How far a listening address can be reached from.
    static func reach(of address: String) -> Reach {
        if address == "localhost" { return .loopback }
        var bytes = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, address, &bytes) == 1 { return bytes[0] == 127 ? .loopback : .beyond }
        guard inet_pton(AF_INET6, address, &bytes) == 1 else { return .invalid }
        return bytes.dropLast().allSatisfy { $0 == 0 } && bytes[15] == 1 ? .loopback : .beyond
    }
}
