// StoreError: why the store could not be opened, read or written, in a sentence for its operator.

import CSQLite

package struct StoreError: Error, Sendable, Equatable {
    package enum Kind: Sendable, Equatable {
        /// May pass by itself: the disk is full.
        case full
        /// May pass by itself: nothing can be written there.
        case readOnly
        /// May pass by itself: another process keeps the file.
        case locked
        /// May pass by itself: the disk or the file system failed.
        case input
        /// The file cannot be opened at all: it, or its directory, is missing or somebody else's.
        case unreachable
        /// A file of something else.
        case foreign
        /// Written by a newer version.
        case newer
        /// Written by an older version, where nothing may be changed.
        case older
        case corrupted
        /// The row, not the file, is at fault.
        case row
        /// A fault of this program, or a limit of SQLite's.
        case other
    }

    package let kind: Kind
    package let message: String

    package init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    /// Waiting may help.
    package var mayPass: Bool {
        switch kind {
        case .full, .readOnly, .locked, .input: true
        default: false
        }
    }

    /// From one of SQLite's result codes. `code` may be an extended one.
    init(code: Int32, message: String, path: String) {
        switch code & 0xFF {
        case SQLITE_FULL: self.init(.full, "\(path): the disk, or the space that the file may take, is full")
        case SQLITE_READONLY: self.init(.readOnly, "\(path): the file cannot be written to")
        case SQLITE_BUSY, SQLITE_LOCKED: self.init(.locked, "\(path): another process has locked the file")
        case SQLITE_IOERR, SQLITE_PROTOCOL: self.init(.input, "\(path): the disk failed (\(message), \(code))")
        case SQLITE_CANTOPEN, SQLITE_PERM, SQLITE_AUTH: self.init(.unreachable, "\(path): cannot be opened: \(message)")
        case SQLITE_NOTADB: self.init(.corrupted, "\(path): this is no SQLite file, or its beginning is damaged")
        case SQLITE_CORRUPT:
            self.init(.corrupted, "\(path): the file is damaged; restore a backup, or move it away to begin a new one")
        case SQLITE_CONSTRAINT, SQLITE_TOOBIG, SQLITE_MISMATCH: self.init(.row, "\(path): \(message)")
        default: self.init(.other, "\(path): \(message) (\(code))")
        }
    }
}
