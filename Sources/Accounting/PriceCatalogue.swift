// PriceCatalogue: which model costs what. Made once for each configuration, read by every exchange.
//
// The file, made by make-prices.py, is lines of words:
//
//     gatehouse-prices 1
//     version 2026-08-21-5f1c9e02
//     # a comment
//     provider openai
//     gpt-4o input=2.5 output=10 cache_read=1.25 context=128000
//
// The first line names the format and its version. A provider's models follow its line. Amounts are USD per million
// tokens with six decimals at most, web_search_per_call is USD per call, context and max_output count tokens.

package import Core

package struct PriceCatalogue: Sendable {
    package struct Model: Sendable {
        package var price: Price
        /// The version of the list that it stands in.
        package var version: String
    }

    /// Of the file.
    package private(set) var version: String
    private var providers: [String: [String: Model]] = [:]
    /// The configuration's, which go first.
    private var overrides: [String: [String: Model]] = [:]

    /// Knows no model.
    package init() { version = "" }

    package struct Malformed: Error, Sendable, Equatable {
        package var line: Int
        package var message: String
    }

    package init(parsing text: Bytes) throws(Malformed) {
        version = ""
        var provider = ""
        var models: [String: Model] = [:]
        var number = 0
        for line in String(text).split(separator: "\n", omittingEmptySubsequences: false) {
            number += 1
            let words = line.split(separator: " ")
            if number == 1 {
                guard words == ["gatehouse-prices", "1"] else {
                    throw Malformed(line: 1, message: "expected \"gatehouse-prices 1\"")
                }
                continue
            }
            guard let name = words.first, !name.hasPrefix("#") else { continue }
            if name == "version" || name == "provider", words.count == 2 {
                if name == "version" {
                    version = String(words[1])
                } else {
                    if !models.isEmpty { providers[provider] = models }
                    provider = String(words[1])
                    guard providers[provider] == nil else {
                        throw Malformed(line: number, message: "the provider \(provider) comes twice")
                    }
                    models = [:]
                }
                continue
            }
            guard !provider.isEmpty, !version.isEmpty else {
                throw Malformed(line: number, message: "a model before \"version\" and \"provider\"")
            }
            var price = Price()
            for word in words.dropFirst() {
                let parts = word.split(separator: "=", maxSplits: 1)
                guard parts.count == 2, price.set(parts[0], parts[1]) else {
                    throw Malformed(line: number, message: "\"\(word)\" is no price")
                }
            }
            guard models.updateValue(Model(price: price, version: version), forKey: String(name)) == nil else {
                throw Malformed(line: number, message: "the model \(name) comes twice")
            }
        }
        if !models.isEmpty { providers[provider] = models }
    }

    /// Puts a price over the catalogue's, for as much as it says.
    package mutating func override(_ provider: String, _ model: String, _ price: Price, version: String) {
        let known = providers[provider]?[model]?.price ?? Price()
        overrides[provider, default: [:]][model] = Model(price: known.merged(under: price), version: version)
    }

    /// The price of an answer. What the provider calls the model goes before what was asked for: that may be an alias
    /// or the name of a deployment. A name that ends in a date and is unknown is looked for without it. nil for a model
    /// that nobody has priced.
    package func find(_ provider: String, answered: String?, asked: String?) -> Model? {
        for table in [overrides[provider], providers[provider]] {
            guard let table else { continue }
            for name in [answered, asked] { if let name, let model = table[name] { return model } }
            for name in [answered, asked] {
                if let name, let short = Self.undated(name), let model = table[short] { return model }
            }
        }
        return nil
    }

    /// "gpt-4o-2024-08-06" and "claude-opus-4-20250514" without their dates; nil for a name that ends in none.
    static func undated(_ name: String) -> String? {
        let bytes = Array(name.utf8)
        func isDate(_ pattern: String) -> Bool {
            bytes.count > pattern.utf8.count
                && zip(bytes.suffix(pattern.utf8.count), pattern.utf8).allSatisfy { byte, wanted in
                    wanted == UInt8(ascii: "0") ? byte &- 0x30 < 10 : byte == wanted
                }
        }
        for pattern in ["-0000-00-00", "-00000000"] where isDate(pattern) {
            return String(decoding: bytes.dropLast(pattern.utf8.count), as: UTF8.self)
        }
        return nil
    }

    /// All that is known, overrides in the place of what they override, in the order of names.
    package var models: [(provider: String, name: String, model: Model)] {
        providers.merging(overrides) { known, own in known.merging(own) { _, own in own } }
            .sorted { $0.key < $1.key }
            .flatMap { provider, models in
                models.sorted { $0.key < $1.key }.map { (provider, $0.key, $0.value) }
            }
    }
}
