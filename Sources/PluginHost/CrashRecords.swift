// CrashRecords: what the markers of dead processes say, and the list of plugins that a process died in. The list lives in the state
// directory, `crashes.json`, keyed by the library's hash: a mended library begins without a record.

import Core

#if canImport(Glibc)
    import Glibc
#endif

/// A process that ended inside of a plugin.
package struct CrashRecord: Sendable, Equatable {
    package var sha256: String
    package var plugin: String
    package var version: String
    /// As the headers spell it: "on_request".
    package var call: String
    /// "SIGSEGV".
    package var signal: String
    /// Seconds since 1970.
    package var time: Int

    package var text: String { "in \(call) of \(plugin) \(version) (\(signal))" }
}

/// How a process ended that did not stop in order.
package enum LastEnd: Sendable, Equatable {
    case inPlugin(CrashRecord)
    /// Of a signal, but not on a thread that was calling a plugin.
    case elsewhere(signal: String)
    /// Without a word (SIGKILL, out of memory, exit() in a plugin) while these calls ran. Nobody is to blame for certain.
    case silent(running: [CrashRecord])
}

package enum CrashRecords {
    private static let limit = 64

    /// Reads the markers of dead processes, removes them, and remembers who crashed. Control thread, before plugins are loaded.
    package static func collect(in stateDirectory: String) -> [LastEnd] {
        let folder = stateDirectory + "/running"
        var ends: [LastEnd] = []
        for name in (try? PluginFiles.list(folder)) ?? [] {
            let path = folder + "/" + name
            let descriptor = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
            guard descriptor >= 0 else { continue }
            defer { close(descriptor) }
            // Whoever lives holds the lock.
            guard flock(descriptor, LOCK_EX | LOCK_NB) == 0,
                let bytes = try? PluginFiles.read(path, limit: CrashMarker.fileSize)
            else { continue }
            guard bytes.count == CrashMarker.fileSize else { continue }
            if let end = end(bytes) { ends.append(end) }
            unlink(path)
        }
        var records = read(stateDirectory)
        for case .inPlugin(let record) in ends {
            records.removeAll { $0.sha256 == record.sha256 }
            records.append(record)
        }
        if ends.contains(where: { if case .inPlugin = $0 { true } else { false } }) {
            try? write(records.suffix(limit), stateDirectory)
        }
        return ends
    }

    /// Begins to mark the calls of this process.
    package static func begin(in stateDirectory: String) throws(FileRefusal) {
        try CrashMarker.open(in: stateDirectory)
    }

    /// Plugins that a process died in, latest last. An unreadable list is an empty one.
    package static func read(_ stateDirectory: String) -> [CrashRecord] {
        guard let bytes = try? PluginFiles.read(stateDirectory + "/crashes.json", limit: 1 << 20),
            let list = (try? JSONValue(parsing: bytes))?.array
        else { return [] }
        return list.compactMap { value in
            guard let sha256 = value["sha256"]?.string, let plugin = value["plugin"]?.string else { return nil }
            return CrashRecord(
                sha256: sha256, plugin: plugin, version: value["version"]?.string ?? "",
                call: value["call"]?.string ?? "",
                signal: value["signal"]?.string ?? "", time: value["time"]?.int ?? 0)
        }
    }

    /// Forgets what is known of a plugin; false when nothing is.
    package static func forget(_ plugin: String, in stateDirectory: String) throws(FileRefusal) -> Bool {
        let records = read(stateDirectory)
        let kept = records.filter { $0.plugin != plugin }
        guard kept.count < records.count else { return false }
        try write(kept[...], stateDirectory)
        return true
    }

    private static func write(_ records: ArraySlice<CrashRecord>, _ stateDirectory: String) throws(FileRefusal) {
        let list = records.map { record -> JSONValue in
            [
                "sha256": .string(record.sha256), "plugin": .string(record.plugin), "version": .string(record.version),
                "call": .string(record.call), "signal": .string(record.signal), "time": JSONValue(record.time),
            ]
        }
        try PluginFiles.writeOnce(
            Bytes(JSONValue.array(list).prettyText), to: stateDirectory + "/crashes.json", mode: 0o600)
    }

    // MARK: A marker

    private static func end(_ bytes: Bytes) -> LastEnd? {
        let raw = bytes.buffer
        guard raw.prefix(8).elementsEqual(CrashMarker.magic) else { return nil }
        let signal = raw.loadUnaligned(fromByteOffset: 8, as: Int32.self)
        let time = Int(raw.loadUnaligned(fromByteOffset: 16, as: Int64.self))
        guard signal == 0 else {
            let culprit = raw.loadUnaligned(fromByteOffset: 12, as: UInt32.self)
            guard let record = record(culprit, raw, name(signal), time) else { return .elsewhere(signal: name(signal)) }
            return .inPlugin(record)
        }
        let running = (0..<CrashMarker.slotCount).compactMap { number in
            record(
                raw.loadUnaligned(
                    fromByteOffset: CrashMarker.slotsOffset + number * CrashMarker.slotStride, as: UInt32.self),
                raw, "", 0)
        }
        return running.isEmpty ? nil : .silent(running: running)
    }

    private static func record(
        _ value: UInt32, _ raw: UnsafeRawBufferPointer, _ signal: String, _ time: Int
    ) -> CrashRecord? {
        let library = Int(value >> 8)
        guard (1...CrashMarker.nameCount).contains(library),
            let call = CrashMarker.Call(rawValue: UInt8(truncatingIfNeeded: value))
        else { return nil }
        let start = CrashMarker.namesOffset + (library - 1) * CrashMarker.nameSize
        let text = raw[start..<start + CrashMarker.nameSize].prefix { $0 != 0 }
        let words = String(decoding: text, as: UTF8.self).split(separator: " ", maxSplits: 2)
        guard words.count == 3 else { return nil }
        return CrashRecord(
            sha256: String(words[0]), plugin: String(words[1]), version: String(words[2]), call: call.name,
            signal: signal, time: time)
    }

    private static func name(_ signal: Int32) -> String {
        switch signal {
        case SIGSEGV: "SIGSEGV"
        case SIGBUS: "SIGBUS"
        case SIGILL: "SIGILL"
        case SIGFPE: "SIGFPE"
        case SIGABRT: "SIGABRT"
        case SIGTRAP: "SIGTRAP"
        default: "signal \(signal)"
        }
    }
}
