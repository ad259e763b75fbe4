// What a hook of the operator's is sent: the exchange in Portkey's shape.

import PluginSDK

enum Document {
    /// `side`: the side that is judged.
    static func json(of exchange: Exchange, _ side: Side) -> [UInt8] {
        var out: [UInt8] = []
        out.append(literal: "{\"request\":{\"json\":")
        append(exchange.body(.request), to: &out)
        out.append(literal: ",\"text\":")
        out.append(quoted: lastMessage(exchange))
        out.append(literal: ",\"isStreamingRequest\":")
        out.append(bool: exchange.isStream)
        out.append(literal: ",\"isTransformed\":false},\"response\":{\"json\":")
        append(side == .response ? exchange.body(.response) : nil, to: &out)
        out.append(literal: ",\"text\":")
        out.append(quoted: side == .response ? exchange.text(.response, .readable) : "")
        out.append(literal: ",\"statusCode\":")
        let status = side == .response ? exchange.info(.status)?.string ?? "null" : "null"
        out.append(contentsOf: status.utf8)
        out.append(literal: ",\"isTransformed\":false},\"provider\":")
        if let provider = exchange.info(.provider) {
            out.append(quoted: provider.bytes)
        } else {
            out.append(literal: "null")
        }
        out.append(literal: ",\"requestType\":")
        out.append(quoted: requestType(exchange.endpoint))
        out.append(literal: ",\"metadata\":")
        append(exchange.info(.metadata), to: &out)
        out.append(literal: ",\"eventType\":")
        out.append(quoted: side == .request ? "beforeRequestHook" : "afterRequestHook")
        out.append(literal: "}")
        return out
    }

    private static func append(_ json: Text?, to out: inout [UInt8]) {
        if let json, !json.isEmpty { out.append(contentsOf: json.bytes) } else { out.append(literal: "{}") }
    }

    /// The texts of the last message that has any.
    private static func lastMessage(_ exchange: Exchange) -> String {
        var last = -1
        var texts: [String] = []
        for segment in exchange.texts(.request, [.text, .toolResult]) {
            if segment.index != last { texts = [] }
            last = segment.index
            texts.append(segment.text.string)
        }
        return texts.joined(separator: "\n")
    }

    private static func requestType(_ endpoint: String) -> String {
        switch endpoint {
        case "chat_completions": "chatComplete"
        case "completions": "complete"
        case "embeddings": "embed"
        default: endpoint
        }
    }
}
