// StoreFile: a file is opened, made, checked and copied here. Whatever is wrong with one is said in words.

import CSQLite
import Core

#if canImport(Glibc)
    import Glibc
#endif

package enum StoreFile {
    /// Up to this size a file is checked page by page when it is opened for writing: some hundred milliseconds. `gatehouse store
    /// check` does it for larger ones.
    static let checkedSize: Int64 = 256 << 20

    // MARK: Opening

    /// For the writer. Makes the file where there is none, and brings its schema up to date.
    static func open(_ path: String) throws(StoreError) -> Database {
        // Strict tables (3.37) are the youngest of what is used here.
        guard sqlite3_libversion_number() >= 3_037_000 else {
            throw StoreError(
                .other, "a store needs SQLite 3.37 or newer; this is \(String(cString: sqlite3_libversion()))")
        }
        let isNew = try prepare(path)
        let database = try Database(path, .readWrite)
        guard !database.isReadOnly else { throw StoreError(.readOnly, "\(path): the file cannot be written to") }
        let version = try version(of: database)
        if version > 0 { try refuseDamaged(database) }
        // Only an empty file takes this: pages that rows leave can be given back in small steps.
        if isNew || version == 0 { try database.run("PRAGMA auto_vacuum = INCREMENTAL") }
        guard try database.text("PRAGMA journal_mode = WAL") == "wal" else {
            throw StoreError(
                .other, "\(path): write-ahead logging does not work there; a store needs a local file system")
        }
        // With WAL, NORMAL loses nothing when the process dies: what is committed is in the kernel's hands. Only when the machine
        // itself fails can the last transactions be gone, and the file is sound even then. FULL would wait for the disk at each
        // commit, ten times a second, to keep log rows that the next moment would have lost anyway.
        try database.run(
            """
            PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA cell_size_check = ON;
            PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192; PRAGMA journal_size_limit = 67108864;
            PRAGMA secure_delete = FAST;
            """)
        try Schema.migrate(database)
        return database
    }

    /// Which file a name stands for; nil where there is none.
    static func identity(_ path: String) -> Identity? {
        var info = stat()
        return stat(path, &info) == 0 ? Identity(device: UInt64(info.st_dev), inode: UInt64(info.st_ino)) : nil
    }

    struct Identity: Equatable {
        var device: UInt64
        var inode: UInt64
    }

    /// For queries, beside a gateway that writes or without one.
    static func openForQueries(_ path: String) throws(StoreError) -> Database {
        guard access(path, F_OK) == 0 else { throw StoreError(.unreachable, "\(path): \(reason(errno))") }
        let database = try Database(path, .queries)
        let version = try version(of: database)
        guard version == Schema.version else {
            throw StoreError(
                .older,
                "\(path): the file was written by an older version of Gatehouse (schema \(version), this one reads "
                    + "\(Schema.version)); a gateway that opens it brings it up to date")
        }
        return database
    }

    /// Makes an empty file that only its owner can read; SQLite gives its side files the same mode. True when there was none.
    private static func prepare(_ path: String) throws(StoreError) -> Bool {
        var info = stat()
        if stat(path, &info) != 0 {
            // The file is new: closing it here takes nobody's locks away, as it would with one that is in use.
            let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
            let code = errno
            guard descriptor >= 0 else {
                switch code {
                case EEXIST: return false
                case ENOSPC, EDQUOT: throw StoreError(.full, "\(path): cannot be made: the disk is full")
                case EROFS: throw StoreError(.readOnly, "\(path): cannot be made: \(reason(code))")
                default: throw StoreError(.unreachable, "\(path): cannot be made: \(reason(code))")
                }
            }
            close(descriptor)
            return true
        }
        guard info.st_mode & S_IFMT == S_IFREG else { throw StoreError(.unreachable, "\(path): this is no file") }
        if info.st_mode & 0o077 != 0, chmod(path, 0o600) != 0, errno != EROFS {
            throw StoreError(
                .unreachable, "\(path): others may read or write it, and its mode cannot be changed: \(reason(errno))")
        }
        return false
    }

    /// The schema's version; 0 for an empty file.
    private static func version(of database: Database) throws(StoreError) -> Int {
        let version = Int(try database.integer("PRAGMA user_version"))
        let isEmpty = try database.integer("SELECT count(*) FROM sqlite_schema") == 0
        if isEmpty, version == 0 { return 0 }
        guard try database.integer("PRAGMA application_id") == Schema.applicationID else {
            throw StoreError(.foreign, "\(database.path): this is a database of something else")
        }
        guard version <= Schema.version else {
            throw StoreError(
                .newer,
                "\(database.path): the file was written by a newer version of Gatehouse (schema \(version), this one knows "
                    + "\(Schema.version)); use that version, or another file")
        }
        return version
    }

    private static func refuseDamaged(_ database: Database) throws(StoreError) {
        let size = try database.integer("PRAGMA page_count") * database.integer("PRAGMA page_size")
        guard size <= checkedSize else { return }
        let found = try database.text("PRAGMA quick_check(1)") ?? "ok"
        guard found == "ok" else {
            throw StoreError(
                .corrupted,
                "\(database.path): the file is damaged (\(found)); restore a backup, or move it away to begin a new one"
            )
        }
    }

    private static func reason(_ code: Int32) -> String { String(cString: strerror(code)) }

    // MARK: Commands

    /// What `gatehouse store check` has to say.
    package struct Report: Sendable {
        package var schema: Int
        package var requests: Int
        package var bytes: Int
        /// What is wrong; empty for a sound file.
        package var faults: [String]
    }

    /// Reads every page and every row.
    package static func check(_ path: String) throws(StoreError) -> Report {
        let database = try openForQueries(path)
        var report = Report(schema: Schema.version, requests: 0, bytes: 0, faults: [])
        do {
            report.faults = try database.texts("PRAGMA integrity_check(100)").filter { $0 != "ok" }
            for orphan in try database.texts("PRAGMA foreign_key_check") {
                report.faults.append("a row of the table \(orphan) belongs to a request that is not there")
            }
            report.requests = Int(try database.integer("SELECT count(*) FROM requests"))
            report.bytes = Int(try database.integer("PRAGMA page_count") * database.integer("PRAGMA page_size"))
        } catch {
            guard error.kind == .corrupted else { throw error }
            report.faults.append(error.message)
        }
        return report
    }

    /// Copies `path`, which may be in use, to a new file. The name appears when the copy is complete and was checked.
    package static func backUp(_ path: String, to target: String) throws(StoreError) -> Report {
        guard access(target, F_OK) != 0 else {
            throw StoreError(.unreachable, "\(target): there is such a file already")
        }
        let source = try openForQueries(path)
        let partial = target + ".partial"
        unlink(partial)
        let isMade = try prepare(partial)
        guard isMade else { throw StoreError(.unreachable, "\(partial): there is such a file already") }
        do {
            let copy = try Database(partial, .readWrite)
            try source.copy(to: copy)
            // One file, to be moved and kept: the side files of WAL come back when a gateway opens it.
            _ = try copy.text("PRAGMA journal_mode = DELETE")
        } catch {
            unlink(partial)
            throw error
        }
        let report = try check(partial)
        guard report.faults.isEmpty else {
            unlink(partial)
            throw StoreError(
                .corrupted, "\(path): the copy is damaged, and so is most likely the file: \(report.faults[0])")
        }
        guard rename(partial, target) == 0 else {
            let code = errno
            unlink(partial)
            throw StoreError(.unreachable, "\(target): cannot be made: \(reason(code))")
        }
        return report
    }
}
