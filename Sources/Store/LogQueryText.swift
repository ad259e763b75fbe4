// LogQueryText: filters as they are written in the query of a URL, or in the document of an export.

package import Core

extension LogQuery {
    /// Wrong values are `problems`: what is named, and what was expected. Of a name that comes twice, the last value
    /// counts.
    package init(_ query: [(name: String, value: String)], problems: inout [String]) {
        self.init()
        for (name, value) in query where !value.isEmpty { read(name, value, &problems) }
        refuseEmpty(time, "time_of_generation", &problems)
        refuseEmpty(totalTokens, "total_units", &problems)
        refuseEmpty(inputTokens, "prompt_token", &problems)
        refuseEmpty(outputTokens, "completion_token", &problems)
        refuseEmpty(cost, "cost", &problems)
        refuseEmpty(weightedFeedback, "weighted_feedback", &problems)
    }

    /// The same names as members of an object; numbers, lists and objects may stand for their texts.
    package init(filters: JSONObject, problems: inout [String]) {
        self.init(filters.members.map { ($0.key, Self.text(of: $0.value)) }, problems: &problems)
    }

    private static func text(of value: JSONValue) -> String {
        switch value {
        case .null: ""
        case .string(let text), .number(let text): text
        case .array(let list): list.map { text(of: $0) }.joined(separator: ",")
        case .bool, .object: value.text
        }
    }

    private mutating func read(_ name: String, _ value: String, _ problems: inout [String]) {
        func set<Value>(_ place: inout Value, _ read: Value?, _ expected: String) {
            if let read { place = read } else { problems.append("\(name): expected \(expected)") }
        }
        func setList(_ place: inout [String]) {
            let expected = "from 1 to \(Self.maximumValues) values, separated by commas"
            set(&place, Self.list(value), expected)
        }
        let time = "an ISO 8601 time like 2026-02-23T14:20:31+05:30"
        let count = "a whole number from 0"
        let cents = "a number of US cents from 0, with at most 10 decimals"
        let score = "a number from -10 to 10"
        switch name {
        case "time_of_generation_min": set(&self.time.least, ISOTime.parse(value).map { $0 }, time)
        case "time_of_generation_max": set(&self.time.most, ISOTime.parse(value).map { $0 }, time)
        case "total_units_min": set(&totalTokens.least, Self.count(value).map { $0 }, count)
        case "total_units_max": set(&totalTokens.most, Self.count(value).map { $0 }, count)
        case "prompt_token_min": set(&inputTokens.least, Self.count(value).map { $0 }, count)
        case "prompt_token_max": set(&inputTokens.most, Self.count(value).map { $0 }, count)
        case "completion_token_min": set(&outputTokens.least, Self.count(value).map { $0 }, count)
        case "completion_token_max": set(&outputTokens.most, Self.count(value).map { $0 }, count)
        case "cost_min": set(&cost.least, Self.cents(value).map { $0 }, cents)
        case "cost_max": set(&cost.most, Self.cents(value).map { $0 }, cents)
        case "weighted_feedback_min": set(&weightedFeedback.least, Self.score(value).map { $0 }, score)
        case "weighted_feedback_max": set(&weightedFeedback.most, Self.score(value).map { $0 }, score)
        case "status_code": set(&statuses, Self.statusCodes(value), "status codes like 401,403")
        case "virtual_keys": setList(&virtualKeys)
        case "configs": setList(&configs)
        case "api_key_ids": setList(&keys)
        case "trace_id": setList(&traces)
        case "span_id": setList(&spans)
        case "prompt_slug": setList(&prompts)
        case "metadata":
            set(
                &metadata, Self.pairs(value),
                "a JSON object of at most \(Self.maximumPairs) texts, numbers or booleans")
        case "ai_org_model": set(&models, Self.models(value), "provider__model, more of them separated by commas")
        case "ai_model":
            var names: [String] = []
            setList(&names)
            models = names.map { AIModel(provider: nil, model: $0) }
        case "workspace_slug": workspaceSlug = value
        case "current_page": set(&page, Self.count(value, upTo: 1_000_000).map { Int($0) }, count)
        case "page_size": set(&pageSize, Self.count(value, upTo: 50_000).map { Int($0) }, count)
        // The SDK sends these with groups; every reply has all columns and the total.
        case "columns", "include_total": break
        default: unknownNames.append(name)
        }
    }

    private func refuseEmpty<Value>(_ bounds: Bounds<Value>, _ name: String, _ problems: inout [String]) {
        guard let least = bounds.least, let most = bounds.most, least > most else { return }
        problems.append("\(name)_min: expected no more than \(name)_max")
    }

    // MARK: Values

    private static func list(_ text: String) -> [String]? {
        let values = text.split(separator: ",").map { trimmed($0) }.filter { !$0.isEmpty }
        return (1...maximumValues).contains(values.count) ? values : nil
    }

    private static func trimmed(_ text: Substring) -> String {
        var text = text
        while text.first == " " { text.removeFirst() }
        while text.last == " " { text.removeLast() }
        return String(text)
    }

    private static func count(_ text: String, upTo most: Int64 = .max) -> Int64? {
        guard text.utf8.allSatisfy({ $0 &- 0x30 < 10 }) else { return nil }
        return Int64(text).flatMap { $0 <= most ? $0 : nil }
    }

    private static func cents(_ text: String) -> Int64? {
        // 10⁻¹² dollars are 10⁻¹⁰ cents.
        FixedPoint.parse(text, places: 10).flatMap { $0 >= 0 ? $0 : nil }
    }

    private static func score(_ text: String) -> Double? {
        Double(text).flatMap { (-10...10).contains($0) ? $0 : nil }
    }

    private static func statusCodes(_ text: String) -> [Int]? {
        guard let texts = list(text) else { return nil }
        let codes = texts.compactMap { text in Int(text).flatMap { (100...599).contains($0) ? $0 : nil } }
        return codes.count == texts.count ? codes : nil
    }

    private static func models(_ text: String) -> [AIModel]? {
        guard let texts = list(text) else { return nil }
        let models = texts.compactMap { text -> AIModel? in
            let bytes = Array(text.utf8)
            let mark = UInt8(ascii: "_")
            guard let place = bytes.indices.dropLast().first(where: { bytes[$0] == mark && bytes[$0 + 1] == mark }),
                place > 0, place + 2 < bytes.count
            else { return nil }
            return AIModel(
                provider: String(decoding: bytes[..<place], as: UTF8.self),
                model: String(decoding: bytes[(place + 2)...], as: UTF8.self))
        }
        return models.count == texts.count ? models : nil
    }

    private static func pairs(_ text: String) -> [(key: String, value: String)]? {
        guard let members = (try? JSONValue(parsing: text))?.object?.members, members.count <= maximumPairs else {
            return nil
        }
        var pairs: [(key: String, value: String)] = []
        for member in members {
            switch member.value {
            case .string(let text), .number(let text): pairs.append((member.key, text))
            case .bool: pairs.append((member.key, member.value.text))
            default: return nil
            }
        }
        return pairs
    }
}
