// Ownership: objects that lie at a provider under a credential which several workspaces may share: files, batches, responses and the
// like. The gateway remembers which workspace has made which; for the others they are not there, neither by id nor in lists nor as the
// input of something else. What nobody has made through this gateway is nobody's, and passes.

import Config
import Core
import Digests
import HTTPServer
import PluginHost
import Routing
import Synchronization
import Upstream
import Wire

package final class Ownership: Sendable {
    package struct Claim: Sendable, Equatable {
        package var account: String
        package var object: String
        package var workspace: String

        package init(account: String, object: String, workspace: String) {
            self.account = account
            self.object = object
            self.workspace = workspace
        }
    }

    private struct State {
        /// By a digest of account and id: a few dozen bytes each, for there may be a million responses.
        var owners: [UInt64: UInt32] = [:]
        var workspaces: [String] = []
        var numbers: [String: UInt32] = [:]
        var fresh: [Claim] = []
    }
    private let state = Mutex(State())

    private static func key(_ account: String, _ object: String) -> UInt64 {
        SHA256.hash(account + "/" + object).withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
    }

    func owner(of object: String, at account: String) -> String? {
        let key = Self.key(account, object)
        return state.withLock { state in state.owners[key].map { state.workspaces[Int($0)] } }
    }

    /// The first one stays.
    func claim(_ claim: Claim) { add([claim], isFresh: true) }

    package func load(_ claims: [Claim]) { add(claims, isFresh: false) }

    private func add(_ claims: [Claim], isFresh: Bool) {
        let keys = claims.map { Self.key($0.account, $0.object) }
        state.withLock { state in
            for (claim, key) in zip(claims, keys) where state.owners[key] == nil {
                let number = state.numbers[claim.workspace] ?? UInt32(state.workspaces.count)
                if state.numbers[claim.workspace] == nil {
                    state.numbers[claim.workspace] = number
                    state.workspaces.append(claim.workspace)
                }
                state.owners[key] = number
                if isFresh { state.fresh.append(claim) }
            }
        }
    }

    /// New ones, to be stored.
    package func drain() -> [Claim] {
        state.withLock { state in
            defer { state.fresh = [] }
            return state.fresh
        }
    }

    /// What was drained and could not be stored.
    package func restore(_ claims: [Claim]) { state.withLock { $0.fresh = claims + $0.fresh } }
}

/// A path of the families whose objects stay at the provider.
struct ObjectPath {
    /// nil for the family itself: a list, or the making of one.
    var id: String?

    private static let families: Set<String> = [
        "files", "batches", "responses", "uploads", "vector_stores", "assistants", "threads", "conversations",
        "containers", "evals", "videos",
    ]
    private static let words: Set<String> = ["compact", "input_tokens", "runs"]

    init?(_ path: CanonicalPath) {
        var segments = path.segments.dropFirst()
        guard let family = segments.popFirst() else { return nil }
        if family == "fine_tuning" {
            guard segments.popFirst() == "jobs" else { return nil }
        } else if family == "chat" {
            // Stored completions: the family itself is the endpoint that everybody uses.
            guard segments.popFirst() == "completions", !segments.isEmpty else { return nil }
        } else if !Self.families.contains(String(family)) {
            return nil
        }
        id = segments.first.map(String.init).flatMap { Self.words.contains($0) ? nil : $0 }
    }

    /// Members of bodies that name such an object.
    static let references = [
        "input_file_id", "training_file", "validation_file", "previous_response_id", "file_id", "assistant_id",
        "thread_id",
        "vector_store_id", "conversation",
    ]
}

extension Worker {
    /// What the provider knows the gateway as, at this target; nil where the client's own credential goes out, or there is one workspace
    /// only.
    private func account(_ exchange: Exchange, _ target: Target) -> String? {
        guard let directory = exchange.directory, exchange.tenant != nil else { return nil }
        guard case .configured(let secret) = target.credential else { return nil }
        return directory.account("\(target.slug) \(secret.reveal())")
    }

    /// Part of 7e: what belongs to another workspace is not asked for.
    func checkOwnership(_ exchange: Exchange, _ target: Target) throws(GatewayError) {
        guard exchange.endpoint == .proxy, let path = exchange.path, let tenant = exchange.tenant,
            let place = ObjectPath(path), let account = account(exchange, target)
        else { return }
        var names = place.id.map { [$0] } ?? []
        if exchange.upload == nil, !exchange.body.isEmpty {
            for member in ObjectPath.references {
                guard let range = JSONPointer([member]).find(in: exchange.body.buffer), range.count > 2,
                    exchange.body[range.lowerBound] == UInt8(ascii: "\"")
                else { continue }
                names.append(exchange.body.buffer.decodedString(range.lowerBound + 1..<range.upperBound - 1))
            }
        }
        for name in names {
            guard let owner = services.ownership.owner(of: name, at: account), owner != tenant.slug else { continue }
            throw GatewayError(
                .notFound, status: 404, "there is no such object: \(name.prefix(128))", type: "invalid_request_error",
                code: "not_found")
        }
    }

    /// A provider's answer, read where it tells of objects; nil where it does not, and is passed on unread.
    func ownedAnswer(
        _ head: UpstreamHead, _ source: AnswerSource, _ exchange: Exchange, _ target: Target
    ) async throws(UpstreamFailure) -> AttemptResult? {
        guard exchange.endpoint == .proxy, let path = exchange.path, let tenant = exchange.tenant,
            let place = ObjectPath(path), place.id == nil, let account = account(exchange, target),
            head.value("content-type")?.hasPrefixIgnoringCase("application/json") == true
        else { return nil }
        let isList = exchange.client.head.method == "GET"
        guard isList || exchange.client.head.method == "POST" else { return nil }
        var body = try await source.body(
            limit: exchange.snapshot.config.limits.upstreamBodyBytes, by: exchange.deadline,
            timeoutMessage: "The request exceeded the gateway's deadline")
        if isList {
            body = withoutOthers(body, tenant.slug, account)
        } else if let range = JSONPointer(["id"]).find(in: body.buffer), range.count > 2,
            body[range.lowerBound] == UInt8(ascii: "\"")
        {
            claim(body.buffer.decodedString(range.lowerBound + 1..<range.upperBound - 1), account, tenant)
        }
        return .answer(
            Answer(
                status: head.status, contentType: head.value("content-type") ?? "application/json",
                headers: Self.relayed(head.headers), body: body))
    }

    private func claim(_ object: String, _ account: String, _ tenant: Tenant) {
        guard !object.isEmpty, object.utf8.count <= 256 else { return }
        services.ownership.claim(Ownership.Claim(account: account, object: object, workspace: tenant.slug))
    }

    /// A list without what other workspaces have made.
    private func withoutOthers(_ body: Bytes, _ workspace: String, _ account: String) -> Bytes {
        guard let value = try? JSONValue(parsing: body), var object = value.object, let items = value["data"]?.array
        else {
            return body
        }
        let own = items.filter { item in
            guard let id = item["id"]?.string, let owner = services.ownership.owner(of: id, at: account) else {
                return true
            }
            return owner == workspace
        }
        guard own.count < items.count else { return body }
        object["data"] = .array(own)
        for (name, item) in [("first_id", own.first), ("last_id", own.last)] where object[name] != nil {
            object[name] = item?["id"] ?? .null
        }
        return Bytes(JSONValue.object(object).bytes)
    }

    /// The first piece of a stream of /v1/responses tells the response's id.
    func noteOwner(of piece: Bytes, _ exchange: Exchange, _ target: Target) {
        guard let path = exchange.path, let tenant = exchange.tenant, ObjectPath(path) != nil,
            let account = account(exchange, target)
        else { return }
        let text = String(piece[0..<min(piece.count, 4_096)])
        guard let mark = text.utf8.firstRange(of: "\"id\":\"".utf8) ?? text.utf8.firstRange(of: "\"id\": \"".utf8)
        else { return }
        let id = text[mark.upperBound...].prefix { $0 != "\"" }
        claim(String(id), account, tenant)
    }
}
