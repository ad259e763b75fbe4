import Admin
import ArgumentParser
import Config
import Core
import Gateway
import Identity

#if canImport(Glibc)
    import Glibc
#endif

/// Opens the control plane of a configuration, beside a gateway that runs or without one. Whoever can read the store and the master key
/// needs no key of the gateway.
struct ControlOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: "The configuration file, whose store and master key are used.")
    var config: String

    @Flag(help: "Print the control API's answer as JSON.")
    var json = false

    func open() async throws -> (desk: ControlDesk, config: ConfigSnapshot) {
        let loaded: LoadedConfig
        do throws(ConfigFailure) {
            loaded = try ConfigReader(path: config, listen: nil, allowPublicWithoutKeys: false).load()
        } catch {
            for line in error.errors { Output.error(line.description) }
            throw ExitCode(2)
        }
        let snapshot = loaded.snapshot
        guard snapshot.control.enabled, let path = snapshot.store.path else {
            throw ValidationError("\(config) has no control plane: it needs \"store.path\" and \"control.enabled\".")
        }
        do {
            let desk = try ControlDesk(
                path: path,
                surroundings: ControlDesk.Surroundings(config: { snapshot }, gateway: nil, logger: nil))
            if let key = try await desk.begin() { OwnerKey.tell(key) }
            return (desk, snapshot)
        } catch let error as ControlError {
            Output.error(error.message)
        } catch let error as GatewayError {
            Output.error(error.message)
        }
        throw ExitCode(1)
    }

    /// One call of the control API, with all permissions.
    func call(_ method: String, _ path: String, _ body: JSONObject? = nil) async throws -> JSONValue {
        let (desk, _) = try await open()
        let parts = path.split(separator: "?", maxSplits: 1)
        let request = ControlRequest(
            method: method, path: String(parts[0]), query: parts.count > 1 ? String(parts[1]) : nil,
            body: body.map { Bytes(JSONValue.object($0).bytes) } ?? .empty,
            principal: Principal(
                kind: .commandLine, id: "command-line", name: "command line", scopes: Scopes.all))
        switch await desk.answer(request) {
        case .success(let answer):
            guard let value = try? JSONValue(parsing: answer.body) else { throw ExitCode(1) }
            return value
        case .failure(let error):
            Output.error(
                ([error.message] + error.errors.filter { !error.message.contains($0) }).joined(separator: "\n  "))
            throw ExitCode(1)
        }
    }

    /// A list as a table, or as JSON.
    func show(_ value: JSONValue, _ columns: [String]) {
        guard !json else { return print(value.prettyText) }
        let rows = value["data"]?.array ?? []
        guard !rows.isEmpty else { return print("none") }
        func cell(_ row: JSONValue, _ name: String) -> String {
            guard let value = row[name], !value.isNull else { return "-" }
            return value.string ?? value.text
        }
        let lines =
            [columns.map { $0.replacing("_", with: " ").uppercased() }]
            + rows.map { row in columns.map { cell(row, $0) } }
        let widths = columns.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
        for line in lines {
            let cells = zip(line, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
            var text = cells.joined(separator: "  ")
            while text.hasSuffix(" ") { text.removeLast() }
            print(text)
        }
    }
}

enum OwnerKey {
    static func tell(_ key: String) {
        Output.error("the owner's key, which is shown only now and opens everything:\n\n    \(key)\n")
    }
}

struct AdminCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "admin",
        abstract: "Manage workspaces, keys, stored credentials and configs.",
        discussion: """
            Works on the store of a configuration, whether a gateway runs on it or not; one that runs takes changes over \
            within a second. What has no command of its own is reached by `call`, which speaks the control API:

              gatehouse admin call --config gatehouse.yaml GET /audit-logs
            """,
        subcommands: [Workspaces.self, Keys.self, VirtualKeys.self, Configs.self, Call.self])

    // MARK: Workspaces

    struct Workspaces: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Teams, each with its own keys, credentials and configs.",
            subcommands: [List.self, Create.self, Delete.self])

        struct List: AsyncParsableCommand {
            static let configuration = CommandConfiguration(abstract: "List the workspaces.")
            @OptionGroup var control: ControlOptions

            func run() async throws {
                control.show(
                    try await control.call("GET", "/admin/workspaces?page_size=1000"),
                    ["slug", "name", "status", "created_at"])
            }
        }

        struct Create: AsyncParsableCommand {
            static let configuration = CommandConfiguration(abstract: "Make a workspace.")
            @OptionGroup var control: ControlOptions
            @OptionGroup var limits: LimitOptions
            @Option(help: "Its slug; made of its name where it is not given.")
            var slug: String?
            @Argument(help: "Its name.")
            var name: String

            func run() async throws {
                var body = JSONObject([("name", .string(name))])
                body["slug"] = slug.map { .string($0) }
                try limits.add(to: &body)
                let made = try await control.call("POST", "/admin/workspaces", body)
                print(control.json ? made.prettyText : made["slug"]?.string ?? "")
            }
        }

        struct Delete: AsyncParsableCommand {
            static let configuration = CommandConfiguration(abstract: "Delete an empty workspace.")
            @OptionGroup var control: ControlOptions
            @Argument(help: "Its slug.")
            var slug: String

            func run() async throws { _ = try await control.call("DELETE", "/admin/workspaces/\(slug)") }
        }
    }

    struct LimitOptions: ParsableArguments {
        @Option(help: "How much may be spent, in USD: 100, or 100/daily, /weekly, /monthly.")
        var budget: String?
        @Option(help: "How many requests may pass: 60/rpm, or /rps, /rph, /rpd, /rpw.")
        var rate: String?

        func add(to body: inout JSONObject) throws {
            if let budget {
                let parts = budget.split(separator: "/", maxSplits: 1).map(String.init)
                var limit = JSONObject([("type", "cost"), ("credit_limit", .number(parts[0]))])
                guard Double(parts[0]) != nil else {
                    throw ValidationError("--budget: expected an amount, found \(budget)")
                }
                if parts.count > 1 { limit["periodic_reset"] = .string(parts[1]) }
                body["usage_limits"] = .object(limit)
            }
            if let rate {
                let parts = rate.split(separator: "/", maxSplits: 1).map(String.init)
                guard parts.count == 2, Int(parts[0]) != nil else {
                    throw ValidationError("--rate: expected a number and a unit, as in 60/rpm, found \(rate)")
                }
                body["rate_limits"] = [
                    ["type": "requests", "unit": .string(parts[1]), "value": .number(parts[0])]
                ]
            }
        }
    }

    // MARK: Keys

    struct Keys: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Gateway keys, for applications and administrators.",
            subcommands: [List.self, Create.self, Rotate.self, Delete.self])

        struct List: AsyncParsableCommand {
            static let configuration = CommandConfiguration(abstract: "List the keys; none is shown whole.")
            @OptionGroup var control: ControlOptions
            @Option(help: "Only this workspace's.")
            var workspace: String?

            func run() async throws {
                let place = workspace.map { "&workspace_id=\($0)" } ?? ""
                control.show(
                    try await control.call("GET", "/api-keys?page_size=1000" + place),
                    ["id", "name", "type", "workspace_id", "status", "key", "expires_at", "last_used_at"])
            }
        }

        struct Create: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Make a key and print it. It cannot be shown again.")
            @OptionGroup var control: ControlOptions
            @OptionGroup var limits: LimitOptions
            @Option(help: "Its workspace.")
            var workspace = "default"
            @Flag(help: "A key of the organisation, which reaches every workspace.")
            var organisation = false
            @Option(help: "What it may do, separated by commas; `all` for everything. Without it: send requests.")
            var scopes: String?
            @Option(help: "Not valid from this moment on, as in 2026-12-31T00:00:00Z.")
            var expires: String?
            @Option(help: "The config for requests that name none.")
            var defaultConfig: String?
            @Argument(help: "Its name.")
            var name: String

            func run() async throws {
                var body = JSONObject([("name", .string(name))])
                if !organisation { body["workspace_id"] = .string(workspace) }
                if let scopes {
                    let wanted =
                        scopes == "all"
                        ? (organisation ? Scopes.all : Scopes.workspace).sorted()
                        : scopes.split(separator: ",").map(String.init)
                    body["scopes"] = .array(wanted.map { .string($0) })
                }
                body["expires_at"] = expires.map { .string($0) }
                if let defaultConfig { body["defaults"] = ["config_id": .string(defaultConfig)] }
                try limits.add(to: &body)
                let made = try await control.call(
                    "POST", organisation ? "/api-keys/organisation/service" : "/api-keys/workspace/service", body)
                print(control.json ? made.prettyText : made["key"]?.string ?? "")
            }
        }

        struct Rotate: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Give a key a new text and print it. The old one opens for some time yet.")
            @OptionGroup var control: ControlOptions
            @Option(help: "Minutes for which the old text opens, at least 30.")
            var graceMinutes = 30
            @Argument(help: "The key's id.")
            var id: String

            func run() async throws {
                let made = try await control.call(
                    "POST", "/api-keys/\(id)/rotate",
                    JSONObject([("key_transition_period_ms", JSONValue(graceMinutes * 60_000))]))
                print(control.json ? made.prettyText : made["key"]?.string ?? "")
            }
        }

        struct Delete: AsyncParsableCommand {
            static let configuration = CommandConfiguration(abstract: "Delete a key. It opens nothing from then on.")
            @OptionGroup var control: ControlOptions
            @Argument(help: "The key's id.")
            var id: String

            func run() async throws { _ = try await control.call("DELETE", "/api-keys/\(id)") }
        }
    }

    // MARK: Virtual keys

    struct VirtualKeys: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Stored credentials of providers.",
            subcommands: [List.self, Create.self, Rotate.self, Disable.self, Enable.self, Delete.self])

        /// From standard input, so that it is in no shell's history.
        static func credential() throws -> String {
            if isatty(0) != 0 { Output.error("type the credential and press return") }
            guard let line = readLine(), !line.isEmpty else {
                throw ValidationError("The credential is read from standard input, and there is none.")
            }
            return line
        }

        struct List: AsyncParsableCommand {
            static let configuration = CommandConfiguration(abstract: "List the stored credentials; none is shown.")
            @OptionGroup var control: ControlOptions
            @Option(help: "Only this workspace's.")
            var workspace: String?

            func run() async throws {
                let place = workspace.map { "&workspace_id=\($0)" } ?? ""
                control.show(
                    try await control.call("GET", "/virtual-keys?page_size=1000" + place),
                    ["slug", "name", "provider", "workspace_id", "status", "expires_at", "last_updated_at"])
            }
        }

        struct Create: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Store a credential, which is read from standard input.")
            @OptionGroup var control: ControlOptions
            @OptionGroup var limits: LimitOptions
            @Option(help: "Its workspace.")
            var workspace = "default"
            @Option(help: "The provider: openai, anthropic, …")
            var provider: String
            @Option(help: "What requests call it; made of its name where it is not given.")
            var slug: String?
            @Option(help: "The provider's address, where it is not the usual one.")
            var baseURL: String?
            @Option(help: "A model that it may be used for; may be given more than once. Without it: any.")
            var model: [String] = []
            @Argument(help: "Its name.")
            var name: String

            func run() async throws {
                var body = JSONObject([
                    ("name", .string(name)), ("provider", .string(provider)), ("workspace_id", .string(workspace)),
                    ("key", .string(try VirtualKeys.credential())),
                ])
                body["slug"] = slug.map { .string($0) }
                body["custom_host"] = baseURL.map { .string($0) }
                if !model.isEmpty { body["allowed_models"] = .array(model.map { .string($0) }) }
                try limits.add(to: &body)
                let made = try await control.call("POST", "/virtual-keys", body)
                print(control.json ? made.prettyText : made["slug"]?.string ?? "")
            }
        }

        struct Rotate: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Replace a credential by one from standard input.")
            @OptionGroup var control: ControlOptions
            @Argument(help: "Its slug.")
            var slug: String

            func run() async throws {
                let body = JSONObject([("key", .string(try VirtualKeys.credential()))])
                _ = try await control.call("PUT", "/virtual-keys/\(slug)", body)
            }
        }

        struct Disable: AsyncParsableCommand {
            static let configuration = CommandConfiguration(abstract: "Refuse requests that use it.")
            @OptionGroup var control: ControlOptions
            @Argument(help: "Its slug.")
            var slug: String

            func run() async throws {
                _ = try await control.call("PUT", "/virtual-keys/\(slug)", JSONObject([("status", "disabled")]))
            }
        }

        struct Enable: AsyncParsableCommand {
            static let configuration = CommandConfiguration(abstract: "Allow requests to use it again.")
            @OptionGroup var control: ControlOptions
            @Argument(help: "Its slug.")
            var slug: String

            func run() async throws {
                _ = try await control.call("PUT", "/virtual-keys/\(slug)", JSONObject([("status", "active")]))
            }
        }

        struct Delete: AsyncParsableCommand {
            static let configuration = CommandConfiguration(abstract: "Delete a credential that no config uses.")
            @OptionGroup var control: ControlOptions
            @Argument(help: "Its slug.")
            var slug: String

            func run() async throws { _ = try await control.call("DELETE", "/virtual-keys/\(slug)") }
        }
    }

    // MARK: Configs

    struct Configs: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Stored configs.", subcommands: [List.self, Show.self, Create.self, Update.self, Delete.self])

        static func document(_ path: String) throws -> JSONValue {
            let bytes: Bytes
            do throws(FileError) { bytes = try FileReader.read(path, limit: FileReader.configLimit).bytes } catch {
                throw ValidationError(error.description)
            }
            guard let value = try? JSONValue(parsing: bytes) else { throw ValidationError("\(path) is not JSON.") }
            return value
        }

        struct List: AsyncParsableCommand {
            static let configuration = CommandConfiguration(abstract: "List the configs, the file's among them.")
            @OptionGroup var control: ControlOptions
            @Option(help: "Only this workspace's.")
            var workspace: String?

            func run() async throws {
                let place = workspace.map { "&workspace_id=\($0)" } ?? ""
                control.show(
                    try await control.call("GET", "/configs?page_size=1000" + place),
                    ["slug", "name", "workspace_id", "version", "is_default", "source", "last_updated_at"])
            }
        }

        struct Show: AsyncParsableCommand {
            static let configuration = CommandConfiguration(abstract: "Print a config.")
            @OptionGroup var control: ControlOptions
            @Argument(help: "Its slug.")
            var slug: String

            func run() async throws {
                let found = try await control.call("GET", "/configs/\(slug)")
                print(control.json ? found.prettyText : (found["config"] ?? found).prettyText)
            }
        }

        struct Create: AsyncParsableCommand {
            static let configuration = CommandConfiguration(abstract: "Store a config from a JSON file.")
            @OptionGroup var control: ControlOptions
            @Option(help: "Its workspace.")
            var workspace = "default"
            @Option(help: "Its slug; made of its name where it is not given.")
            var slug: String?
            @Option(help: "The JSON file.")
            var file: String
            @Argument(help: "Its name.")
            var name: String

            func run() async throws {
                var body = JSONObject([
                    ("name", .string(name)), ("workspace_id", .string(workspace)),
                    ("config", try Configs.document(file)),
                ])
                body["slug"] = slug.map { .string($0) }
                let made = try await control.call("POST", "/configs", body)
                print(control.json ? made.prettyText : made["slug"]?.string ?? "")
            }
        }

        struct Update: AsyncParsableCommand {
            static let configuration = CommandConfiguration(abstract: "Make a new version of a config.")
            @OptionGroup var control: ControlOptions
            @Option(help: "The JSON file.")
            var file: String
            @Argument(help: "Its slug.")
            var slug: String

            func run() async throws {
                let body = JSONObject([("config", try Configs.document(file))])
                _ = try await control.call("PUT", "/configs/\(slug)", body)
            }
        }

        struct Delete: AsyncParsableCommand {
            static let configuration = CommandConfiguration(abstract: "Delete a config that nothing uses.")
            @OptionGroup var control: ControlOptions
            @Argument(help: "Its slug.")
            var slug: String

            func run() async throws { _ = try await control.call("DELETE", "/configs/\(slug)") }
        }
    }

    struct Call: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Call the control API and print what it answers.",
            discussion: "Paths are those of the API without /v1. A body is JSON; `-` reads it from standard input.")
        @OptionGroup var control: ControlOptions
        @Argument(help: "GET, POST, PUT or DELETE.")
        var method: String
        @Argument(help: "As in /policies/rate-limits.")
        var path: String
        @Argument(help: "JSON, or - for standard input.")
        var body: String?

        func run() async throws {
            var text = body
            if body == "-" {
                text = ""
                while let line = readLine(strippingNewline: false) { text? += line }
            }
            var object: JSONObject?
            if let text {
                guard let value = try? JSONValue(parsing: text), let members = value.object else {
                    throw ValidationError("The body is not a JSON object.")
                }
                object = members
            }
            let path = path.hasPrefix("/v1/") ? String(path.dropFirst(3)) : path
            print(try await control.call(method.uppercased(), path, object).prettyText)
        }
    }
}
