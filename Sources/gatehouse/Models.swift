import Accounting
import ArgumentParser
import Config
import Core
import Gateway

struct Models: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the models that have a price, with their prices.",
        discussion: """
            USD per million tokens, with the names of the configuration (`prices.models`); web_search_per_call is USD per \
            call, context and max_output count tokens. The first line is the catalogue's version, which each cost is \
            stamped with; models that the configuration prices are marked with the version that their costs get.
            """)

    @Option(name: .shortAndLong, help: "The configuration file, whose prices go over the catalogue's.")
    var config: String?

    @Option(name: .shortAndLong, help: "Only this provider's models.")
    var provider: String?

    @Flag(help: "Print JSON: one object with the version and the models.")
    var json = false

    func run() throws {
        let loaded: LoadedConfig
        do throws(ConfigFailure) {
            loaded = try ConfigReader(path: config, listen: nil, allowPublicWithoutKeys: false).load()
        } catch {
            for line in error.errors { Output.error(line.description) }
            throw ExitCode(2)
        }
        let catalogue: PriceCatalogue
        do throws(GatewayError) { catalogue = try Gateway.prices(loaded.snapshot) } catch {
            Output.error(error.message)
            throw ExitCode(1)
        }
        let models = catalogue.models.filter { provider == nil || $0.provider == provider }
        if let provider, models.isEmpty {
            let known = Set(catalogue.models.map(\.provider)).sorted()
            let hint = known.isEmpty ? "there is no catalogue" : "those with one: \(known.joined(separator: ", "))"
            Output.error("no model of \(provider) has a price; \(hint)")
            throw ExitCode(1)
        }
        if json { printJSON(catalogue.version, models) } else { printLines(catalogue.version, models) }
    }

    private typealias Row = (provider: String, name: String, model: PriceCatalogue.Model)

    private func printLines(_ version: String, _ models: [Row]) {
        print("version \(version.isEmpty ? "none" : version)")
        var provider: String?
        for row in models {
            if row.provider != provider { print("\(row.provider)") }
            provider = row.provider
            let amounts = row.model.price.amounts.map { "\($0.name) \($0.value)" }.joined(separator: ", ")
            print("  \(row.name): \(amounts)\(row.model.version == version ? "" : " [\(row.model.version)]")")
        }
    }

    private func printJSON(_ version: String, _ models: [Row]) {
        let rows = models.map { row -> JSONValue in
            var object = JSONObject([("provider", .string(row.provider)), ("model", .string(row.name))])
            for amount in row.model.price.amounts { object[amount.name] = .number(amount.value) }
            object["price_version"] = .string(row.model.version)
            return .object(object)
        }
        print(JSONValue.object(JSONObject([("version", .string(version)), ("models", .array(rows))])).prettyText)
    }
}
