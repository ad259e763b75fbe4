// Exports: /logs/exports: the log's rows as a file of JSON lines. An export is made, started, and fetched by a link that says for itself
// that it may.

package import Core
import Digests
package import Gateway
import Identity
import Store

#if canImport(Glibc)
    import Glibc
#endif

extension ControlDesk {
    /// Of a link to a file.
    private static let linkSeconds: Int64 = 3_600

    func exports(_ call: Call) async throws(GatewayError) -> JSONValue {
        guard call.places.first == "exports" else { throw call.unknown }
        let places = Array(call.places.dropFirst())
        switch (call.request.method, places.count) {
        case ("GET", 0):
            let all = try visible(Kind.export, call, "logs.export")
            return try call.list(all.map { .object(item($0)) })
        case ("POST", 0): return try await createExport(call)
        case ("GET", 1): return .object(item(try export(places[0], call)))
        case ("PUT", 1): return try await updateExport(call, places[0])
        case ("POST", 2) where places[1] == "start": return try await startExport(call, places[0])
        case ("POST", 2) where places[1] == "cancel": return try await cancelExport(call, places[0])
        case ("GET", 2) where places[1] == "download": return try link(call, places[0])
        default: throw call.unknown
        }
    }

    private func export(_ id: String, _ call: Call) throws(GatewayError) -> StoredObject {
        try find(Kind.export, id, call, "logs.export", called: "export")
    }

    private func item(_ export: StoredObject) -> JSONObject {
        var object = export.common("export")
        object["slug"] = nil
        object["name"] = nil
        object["created_by"] = .string(export.createdBy)
        for name in ["filters", "requested_data", "description", "total_records", "error"] {
            object[name] = export.document[name] ?? .null
        }
        return object
    }

    private func apply(_ fields: inout Fields, to document: inout JSONObject) {
        if let filters = fields.object("filters") {
            var problems: [String] = []
            _ = LogQuery(filters: filters, problems: &problems)
            for problem in problems { fields.problem("filters", problem) }
            document["filters"] = .object(filters)
        }
        if let data = fields.texts("requested_data") { document["requested_data"] = .array(data.map { .string($0) }) }
        if fields.has("description") {
            document["description"] = fields.text("description", limit: 1_000).map { .string($0) }
        }
        fields.ignore("workspace_id")
    }

    private func createExport(_ call: Call) async throws(GatewayError) -> JSONValue {
        var fields = try call.fields()
        let place = try place(call, named: fields.text("workspace_id"))
        try call.require("logs.export", in: place)
        var document = JSONObject([("filters", .object(JSONObject())), ("requested_data", [])])
        apply(&fields, to: &document)
        try fields.finish()
        let id = Identifier.make()
        let total = try await logDesk.count(Self.query(document, in: place))
        document["total_records"] = JSONValue(total)
        let final = document
        try await change(call, "logs.export", "export/" + id, in: place, detail: document) {
            store, now throws(StoreError) in
            try store.insert(
                StoredObject(
                    kind: Kind.export, id: id, workspace: place, slug: id, status: "draft", document: final, at: now,
                    by: call.principal.id))
        }
        return Call.done(JSONObject([("id", .string(id)), ("total", JSONValue(total)), ("object", "export")]))
    }

    private static func query(_ document: JSONObject, in place: String) -> LogQuery {
        var problems: [String] = []
        var query = LogQuery(filters: document["filters"]?.object ?? JSONObject(), problems: &problems)
        query.workspaces = [place]
        return query
    }

    private func updateExport(_ call: Call, _ id: String) async throws(GatewayError) -> JSONValue {
        var export = try export(id, call)
        guard export.status == "draft" else {
            throw GatewayError(.conflict, status: 409, "the export was started already", code: "already_started")
        }
        var fields = try call.fields()
        apply(&fields, to: &export.document)
        try fields.finish()
        let total = try await logDesk.count(Self.query(export.document, in: export.workspace))
        export.document["total_records"] = JSONValue(total)
        try await set(export, call)
        return Call.done(JSONObject([("id", .string(id)), ("total", JSONValue(total)), ("object", "export")]))
    }

    private func set(_ export: StoredObject, _ call: Call) async throws(GatewayError) {
        try await change(
            call, "logs.export", "export/" + export.id, in: export.workspace,
            detail: JSONObject([("status", .string(export.status))])
        ) { store, now throws(StoreError) in
            var changed = export
            changed.touch(call, at: now)
            try store.update(changed)
        }
    }

    // MARK: Files

    private func file(_ export: StoredObject) -> String { "\(logDesk.path).export-\(export.id).jsonl" }

    private func startExport(_ call: Call, _ id: String) async throws(GatewayError) -> JSONValue {
        var export = try export(id, call)
        guard export.status == "draft" || export.status == "stopped" || export.status == "failed" else {
            throw GatewayError(.conflict, status: 409, "the export was started already", code: "already_started")
        }
        export.status = "in_progress"
        try await set(export, call)
        let started = export
        Task { await write(started, call) }
        return Call.done(JSONObject([("message", "the export was started"), ("object", "export")]))
    }

    private func write(_ export: StoredObject, _ call: Call) async {
        var done = export
        do throws(GatewayError) {
            let wanted = (export.document["requested_data"]?.array ?? []).compactMap(\.string)
            let count = try await logDesk.export(
                Self.query(export.document, in: export.workspace), to: file(export), columns: wanted)
            done.status = "success"
            done.document["total_records"] = JSONValue(count)
        } catch {
            done.status = "failed"
            done.document["error"] = .string(error.message)
        }
        // Somebody may have stopped it meanwhile.
        let now = try? store.object(Kind.export, id: export.id)
        guard now?.status == "in_progress" else {
            unlink(file(export))
            return
        }
        try? await set(done, call)
    }

    private func cancelExport(_ call: Call, _ id: String) async throws(GatewayError) -> JSONValue {
        var export = try export(id, call)
        guard export.status == "in_progress" || export.status == "draft" else {
            throw GatewayError(.conflict, status: 409, "the export is over", code: "already_over")
        }
        export.status = "stopped"
        try await set(export, call)
        return Call.done(JSONObject([("message", "the export was stopped"), ("object", "export")]))
    }

    private func link(_ call: Call, _ id: String) throws(GatewayError) -> JSONValue {
        let export = try export(id, call)
        guard export.status == "success" else {
            throw GatewayError(
                .conflict, status: 409, "the export is not there yet: it is \(export.status)", code: "not_ready")
        }
        let end = WallClock.now() / 1_000_000_000 + Self.linkSeconds
        let url = "\(call.request.origin)/v1/logs/exports/\(id)/file?expires=\(end)&signature=\(signature(id, end))"
        return Call.done(JSONObject([("signed_url", .string(url))]))
    }

    private func signature(_ id: String, _ end: Int64) -> String { linkCodes.authenticate("export \(id) \(end)").hex }

    /// The file behind a link; nil for a path that is no link. Whoever has the link needs no key.
    nonisolated package func linked(_ request: ControlRequest) async -> Result<ControlAnswer, GatewayError>? {
        let parts = request.path.split(separator: "/")
        guard request.method == "GET", parts.count == 4, parts[0] == "logs", parts[1] == "exports", parts[3] == "file"
        else { return nil }
        return await exported(String(parts[2]), request)
    }

    private func exported(_ id: String, _ request: ControlRequest) async -> Result<ControlAnswer, GatewayError> {
        let query = Call.read(query: request.query ?? "")
        func value(_ name: String) -> String { query.first { $0.name == name }?.value ?? "" }
        guard let end = Int64(value("expires")), Secrets.areEqual(value("signature"), signature(id, end)),
            end > WallClock.now() / 1_000_000_000,
            let export = try? store.object(Kind.export, id: id), export.status == "success"
        else { return .failure(GatewayError(.notFound, status: 404, "this link opens nothing", code: "not_found")) }
        guard let bytes = await logDesk.file(file(export)) else {
            return .failure(GatewayError(.notFound, status: 404, "the export's file is gone", code: "not_found"))
        }
        return .success(ControlAnswer(status: 200, contentType: "application/x-ndjson", body: bytes))
    }
}

extension LogDesk {
    /// Larger files are taken from the disk by whoever runs the gateway.
    private static let fileLimit = 1 << 30

    func count(_ query: LogQuery) throws(GatewayError) -> Int {
        let path = path
        return try read { () throws(StoreError) in try LogReader(path).count(query) }
    }

    /// Writes the rows, the newest first. The file has its name when it is complete.
    func export(_ query: LogQuery, to file: String, columns: [String]) throws(GatewayError) -> Int {
        func failed() -> GatewayError {
            GatewayError(
                .internalError, status: 500, "the export cannot be written: \(String(cString: strerror(errno)))",
                code: "export_failed")
        }
        let partial = file + ".partial"
        let descriptor = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failed() }
        defer {
            close(descriptor)
            unlink(partial)
        }
        let path = path
        var problem: GatewayError?
        let count = try read { () throws(StoreError) in
            try LogReader(path).forEach(query) { row, bodies throws(StoreError) in
                var line = LogJSON.exportLine(row, bodies, requested: columns).bytes
                line.append(0x0A)
                if !Self.write(line, to: descriptor) { problem = failed() }
                return problem == nil
            }
        }
        if let problem { throw problem }
        guard rename(partial, file) == 0 else { throw failed() }
        return count
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        var written = 0
        while written < bytes.count {
            let step = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress.map { $0 + written }, $0.count - written)
            }
            guard step > 0 else { return false }
            written += step
        }
        return true
    }

    func file(_ path: String) -> Bytes? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var info = stat()
        guard fstat(descriptor, &info) == 0, Int(info.st_size) <= Self.fileLimit else { return nil }
        var bytes = [UInt8](repeating: 0, count: Int(info.st_size))
        var count = 0
        while count < bytes.count {
            let step = bytes.withUnsafeMutableBytes {
                Glibc.read(descriptor, $0.baseAddress! + count, $0.count - count)
            }
            guard step > 0 else { return nil }
            count += step
        }
        return Bytes(bytes)
    }
}
