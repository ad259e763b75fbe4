// OutgoingRequest: the upstream request that an adapter builds; what a plugin holds as gh_out. Behind it the functions of
// "gh.upstream/1".

import CGatehouse
package import Core

/// Confined to the loop; valid inside build() and sign().
package final class OutgoingRequest {
    package private(set) var method: String
    package private(set) var url = ""
    package private(set) var headers: [(name: String, value: String)] = []
    /// nil: the client's own body.
    package private(set) var body: Bytes?
    package private(set) var isPassthrough = false
    package private(set) var framing = Framing.auto
    package private(set) var droppedParameters: [String] = []
    package private(set) var answer: CannedAnswer?
    /// The adapter, while it builds: bytes of its own keep it alive.
    var instance: PluginInstance?
    private let credential: (String) -> String?
    private var views: [Bytes] = []

    package enum Framing: Int32, Sendable { case auto, sse, jsonLines }

    /// An answer without a network.
    package struct CannedAnswer: Sendable {
        package var status: Int
        package var contentType: String
        package var body: Bytes
        /// 0: in one piece.
        package var chunkBytes: Int
        package var delayMilliseconds: Int
    }

    /// `credential` gives the target's secret by its reference, "api_key".
    package init(method: String, credential: @escaping (String) -> String?) {
        self.method = method
        self.credential = credential
    }

    /// A request that is complete but for its signature.
    package init(
        method: String, url: String, headers: [(name: String, value: String)], body: Bytes?,
        credential: @escaping (String) -> String?
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.credential = credential
    }

    var pointer: OpaquePointer { OpaquePointer(Unmanaged.passUnretained(self).toOpaque()) }

    static func from(_ pointer: OpaquePointer?) -> OutgoingRequest? {
        guard let pointer else { return nil }
        return Unmanaged<OutgoingRequest>.fromOpaque(UnsafeRawPointer(pointer)).takeUnretainedValue()
    }

    private func set(_ name: String, _ value: String?) {
        headers.removeAll { $0.name.utf8.count == name.utf8.count && $0.name.lowercased() == name.lowercased() }
        if let value { headers.append((name, value)) }
    }

    private static func isValue(_ text: UnsafeRawBufferPointer) -> Bool {
        !text.contains { $0 < 0x20 && $0 != 9 || $0 == 0x7F }
    }

    nonisolated(unsafe) static let table: UnsafePointer<gh_upstream> = {
        var table = gh_upstream()
        table.struct_size = structSize(gh_upstream.self)
        table.out_target = { out, method, url in
            guard let out = from(out), let method = method.string, HookExchange.isToken(method), let url = url.string,
                !url.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7F })
            else { return gh_status(GH_INVALID) }
            out.method = method
            out.url = url
            return gh_status(GH_OK)
        }
        table.out_header = { out, name, value in
            guard let out = from(out), let name = name.string, HookExchange.isToken(name), isValue(value.buffer) else {
                return gh_status(GH_INVALID)
            }
            out.set(name, value.string)
            return gh_status(GH_OK)
        }
        table.out_body = { out, body in
            guard let out = from(out) else {
                body.discard()
                return gh_status(GH_INVALID)
            }
            guard let body = body.adopt(from: out.instance) else { return gh_status(GH_INVALID) }
            out.body = body
            return gh_status(GH_OK)
        }
        table.out_credential = { out, name, prefix, reference in
            guard let out = from(out), let name = name.string, HookExchange.isToken(name), isValue(prefix.buffer) else {
                return gh_status(GH_INVALID)
            }
            guard let secret = out.credential(reference.string ?? "api_key") else { return gh_status(GH_NOT_FOUND) }
            // Only a host that was given a broken secret gets here: no plugin's doing, but none may send it.
            guard secret.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else { return gh_status(GH_INVALID) }
            out.set(name, (prefix.string ?? "") + secret)
            return gh_status(GH_OK)
        }
        table.out_mode = { out, flags, framing in
            guard let out = from(out), let framing = Framing(rawValue: framing) else { return gh_status(GH_INVALID) }
            out.isPassthrough = flags & UInt32(GH_OUT_PASSTHROUGH) != 0
            out.framing = framing
            return gh_status(GH_OK)
        }
        table.out_dropped = { out, parameter in
            guard let out = from(out), let parameter = parameter.string else { return gh_status(GH_INVALID) }
            if !out.droppedParameters.contains(parameter) { out.droppedParameters.append(parameter) }
            return gh_status(GH_OK)
        }
        table.out_answer = { out, status, contentType, body, chunkBytes, delay in
            guard let out = from(out), (100...599).contains(status) else {
                body.discard()
                return gh_status(GH_INVALID)
            }
            out.answer = CannedAnswer(
                status: Int(status), contentType: contentType.string ?? "application/json",
                body: body.adopt(from: out.instance) ?? .empty,
                chunkBytes: Int(chunkBytes), delayMilliseconds: Int(delay))
            return gh_status(GH_OK)
        }
        table.out_get = { out, what, name in
            guard let out = from(out) else { return .absent }
            let text: Bytes?
            switch Int(what) {
            case GH_OUT_GET_METHOD: text = Bytes(out.method)
            case GH_OUT_GET_URL: text = Bytes(out.url)
            case GH_OUT_GET_BODY: text = out.body
            case GH_OUT_GET_HEADER:
                let wanted = name.string?.lowercased()
                text = out.headers.first { $0.name.lowercased() == wanted }.map { Bytes($0.value) }
            default: text = nil
            }
            guard let text else { return .absent }
            out.views.append(text)
            return gh_str(viewing: text)
        }
        return Extensions.immortal(table)
    }()
}
