// A chat's messages as Anthropic's: instructions apart, calls and results as blocks. Blocks that OpenAI does not know
// go through untouched, and so does cache_control wherever the client put it.

import PluginSDK

struct Conversation {
    private(set) var system: [JSON] = []
    private(set) var messages: [JSON] = []
    private(set) var dropped: [String] = []
    /// The last message is one of tool results, which further results join.
    private var isCollectingResults = false

    init(_ list: JSON?) throws(Inexpressible) {
        guard let list = list?.array else { throw Inexpressible("messages must be a list") }
        for (index, message) in list.enumerated() {
            switch message["role"]?.string {
            case "system", "developer": system += Self.blocks(message["content"]).map { Self.marked($0, by: message) }
            case "user": append("user", Self.content(message["content"]))
            case "assistant": appendAssistant(message)
            case "tool": appendResult(message)
            case let role:
                throw Inexpressible("The role of messages[\(index)], \(role ?? "none"), is unknown to Anthropic")
            }
        }
    }

    private mutating func append(_ role: String, _ content: JSON) {
        isCollectingResults = false
        messages.append(["role": .string(role), "content": content])
    }

    // MARK: Assistant and tools

    private mutating func appendAssistant(_ message: JSON) {
        if message["reasoning_content"]?.unlessNull != nil, message["content_blocks"] == nil {
            // Thinking without its signature is refused.
            if !dropped.contains("messages[*].reasoning_content") { dropped.append("messages[*].reasoning_content") }
        }
        let calls = (message["tool_calls"]?.array ?? []).map(Self.call)
        if let blocks = message["content_blocks"]?.array {
            return append("assistant", .array(blocks + calls))
        }
        if calls.isEmpty { return append("assistant", Self.content(message["content"])) }
        append("assistant", .array(Self.blocks(message["content"]) + calls))
    }

    private static func call(_ call: JSON) -> JSON {
        let function = call["function"] ?? [:]
        var block: JSON = ["type": "tool_use"]
        block["id"] = call["id"]
        block["name"] = function["name"]
        block["input"] = input(function["arguments"]?.string ?? "")
        return marked(block, by: call)
    }

    /// Anthropic wants an object. Arguments that a model left broken are shown to it as they are.
    private static func input(_ arguments: String) -> JSON {
        guard !arguments.utf8.allSatisfy({ $0 <= 0x20 }) else { return [:] }
        guard let input = try? JSON(parsing: arguments), input.object != nil else {
            return ["arguments": .string(arguments)]
        }
        return input
    }

    /// All results of one turn belong in one message.
    private mutating func appendResult(_ message: JSON) {
        var block: JSON = ["type": "tool_result"]
        block["tool_use_id"] = message["tool_call_id"]
        block["content"] = Self.content(message["content"])
        block["is_error"] = message["is_error"]
        let result = Self.marked(block, by: message)
        if isCollectingResults, let last = messages.popLast() {
            messages.append(["role": "user", "content": .array((last["content"]?.array ?? []) + [result])])
        } else {
            append("user", [result])
        }
        isCollectingResults = true
    }

    private static func marked(_ block: JSON, by source: JSON) -> JSON {
        guard let mark = source["cache_control"]?.unlessNull, block["cache_control"] == nil else { return block }
        var block = block
        block["cache_control"] = mark
        return block
    }

    // MARK: Content

    /// A string stays one.
    private static func content(_ content: JSON?) -> JSON {
        switch content {
        case .string(let text): .string(text)
        case .array(let parts): .array(parts.compactMap(part))
        default: ""
        }
    }

    private static func blocks(_ content: JSON?) -> [JSON] {
        switch content {
        case .string(let text): text.isEmpty ? [] : [["type": "text", "text": .string(text)]]
        case .array(let parts): parts.compactMap(part)
        default: []
        }
    }

    /// nil: an empty text, which Anthropic refuses and which says nothing.
    private static func part(_ part: JSON) -> JSON? {
        switch part["type"]?.string {
        case "text" where part["text"] == "": return nil
        case "refusal": return marked(["type": "text", "text": part["refusal"] ?? ""], by: part)
        case "image_url":
            let url = part["image_url"]?["url"]?.string ?? part["image_url"]?.string
            return url.map { marked(picture($0), by: part) } ?? part
        case "file": return part["file"].flatMap(document).map { marked($0, by: part) } ?? part
        default: return part
        }
    }

    private static func picture(_ url: String) -> JSON {
        guard let data = DataURL(url) else {
            return ["type": "image", "source": ["type": "url", "url": .string(url)]]
        }
        guard data.mediaType.hasPrefix("image/") else { return document(data.data, data.mediaType) }
        return ["type": "image", "source": base64(data.data, data.mediaType)]
    }

    /// `file_url`, `file_data` as a data URL or bare base64 with `mime_type`, or an id of Anthropic's files.
    private static func document(_ file: JSON) -> JSON? {
        var block: JSON
        if let url = file["file_url"] {
            block = ["type": "document", "source": ["type": "url", "url": url]]
        } else if let text = file["file_data"]?.string {
            let data = DataURL(text)
            let type = data?.mediaType ?? file["mime_type"]?.string ?? "application/pdf"
            block = document(data?.data ?? text, type)
        } else if let id = file["file_id"] {
            block = ["type": "document", "source": ["type": "file", "file_id": id]]
        } else {
            return nil
        }
        if let name = (file["filename"] ?? file["file_name"])?.unlessNull { block["title"] = name }
        return block
    }

    private static func document(_ data: String, _ mediaType: String) -> JSON {
        if mediaType.hasPrefix("image/") { return ["type": "image", "source": base64(data, mediaType)] }
        guard mediaType == "text/plain" else { return ["type": "document", "source": base64(data, mediaType)] }
        let text = Base64.decode(data).map { String(decoding: $0, as: UTF8.self) } ?? data
        return ["type": "document", "source": ["type": "text", "media_type": "text/plain", "data": .string(text)]]
    }

    private static func base64(_ data: String, _ mediaType: String) -> JSON {
        ["type": "base64", "media_type": .string(mediaType), "data": .string(data)]
    }
}

/// `data:image/png;base64,iVBOR…` (RFC 2397); only base64 ones.
struct DataURL {
    let mediaType: String
    let data: String

    init?(_ url: String) {
        guard url.hasPrefix("data:"), let comma = url.utf8.firstIndex(of: UInt8(ascii: ",")) else { return nil }
        let header = url[..<comma].dropFirst(5).split(separator: ";", omittingEmptySubsequences: false)
        guard header.last == "base64", let type = header.first else { return nil }
        mediaType = type.lowercased()
        data = String(url[url.utf8.index(after: comma)...])
    }
}

enum Base64 {
    /// nil when it is none.
    static func decode(_ text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        var bits: UInt32 = 0
        var count = 0
        for character in text.utf8 where character != UInt8(ascii: "=") {
            let digit: UInt8
            switch character {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): digit = character - UInt8(ascii: "A")
            case UInt8(ascii: "a")...UInt8(ascii: "z"): digit = character - UInt8(ascii: "a") + 26
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = character - UInt8(ascii: "0") + 52
            case UInt8(ascii: "+"), UInt8(ascii: "-"): digit = 62
            case UInt8(ascii: "/"), UInt8(ascii: "_"): digit = 63
            case 0x0A, 0x0D, 0x20: continue
            default: return nil
            }
            bits = bits << 6 | UInt32(digit)
            count += 6
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
            }
        }
        return bytes
    }
}
