import ArgumentParser
import Config
import Core
import Store

#if canImport(Glibc)
    import Glibc
#endif

/// Which file to read.
struct StoreOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: "The configuration file, whose store.path is read.")
    var config: String?

    @Option(help: "The store's file, in the place of a configuration.")
    var store: String?

    func path() throws -> String {
        if let store { return store }
        guard let config else { throw ValidationError("Name the store: --config FILE or --store FILE.") }
        let loaded: LoadedConfig
        do throws(ConfigFailure) {
            loaded = try ConfigReader(path: config, listen: nil, allowPublicWithoutKeys: false).load()
        } catch {
            for line in error.errors { Output.error(line.description) }
            throw ExitCode(1)
        }
        guard let path = loaded.snapshot.store.path else {
            throw ValidationError("\(config) has no \"store\" section: nothing is stored.")
        }
        return path
    }

    /// Opens the file for `body`; what is wrong with it is said and ends the command.
    func read<Value>(_ body: (LogReader) throws(StoreError) -> Value) throws -> Value {
        let path = try path()
        do throws(StoreError) { return try body(try LogReader(path)) } catch {
            Output.error(error.message)
            throw ExitCode(1)
        }
    }
}

struct FilterOptions: ParsableArguments {
    @Option(help: "Not before: 90s, 15m, 2h, 7d ago, or a moment like 2026-01-31T09:05:00Z (UTC).")
    var since: String?

    @Option(help: "A status, or a class or range of them: 429, 5xx, 400-499.")
    var status: String?

    @Option(help: "The model that was asked for, or that answered.")
    var model: String?

    @Option(help: "A provider that was tried.")
    var provider: String?

    @Option(help: "A trace id.")
    var trace: String?

    @Option(help: "A workspace.")
    var workspace: String?

    @Option(help: "key=value; may be given more than once, for all of them.")
    var metadata: [String] = []

    @Flag(help: "One JSON object for each exchange, on a line of its own.")
    var json = false

    func filter() throws -> LogFilter {
        var filter = LogFilter()
        if let since {
            guard let moment = LogFilter.moment(since, now: WallClock.now()) else {
                throw ValidationError(
                    "--since: \"\(since)\" is neither a span like 15m nor a moment like 2026-01-31T09:05:00Z.")
            }
            filter.since = moment
        }
        if let status {
            guard let range = LogFilter.statuses(status) else {
                throw ValidationError("--status: \"\(status)\" is none of 429, 5xx, 400-499.")
            }
            filter.statuses = range
        }
        filter.model = model
        filter.provider = provider
        filter.trace = trace
        filter.workspace = workspace
        for text in metadata {
            guard let pair = LogFilter.pair(text) else { throw ValidationError("--metadata: write key=value.") }
            filter.metadata.append(pair)
        }
        return filter
    }

    /// Written at once, also into a pipe.
    func show(_ request: StoredRequest) { Self.write(json ? LogText.json(request) : LogText.line(request)) }

    static func write(_ line: String) {
        var rest = Array((line + "\n").utf8)[...]
        while !rest.isEmpty {
            let done = rest.withUnsafeBytes { Glibc.write(1, $0.baseAddress, $0.count) }
            guard done > 0 || errno == EINTR else { return }
            rest = rest.dropFirst(max(done, 0))
        }
    }
}

struct Logs: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Read the request log.", subcommands: [List.self, Tail.self, Show.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List exchanges, the newest first.")

        @OptionGroup var store: StoreOptions
        @OptionGroup var filters: FilterOptions

        @Option(name: [.customShort("n"), .long], help: "How many.")
        var limit = 50

        func run() throws {
            guard (1...1_000_000).contains(limit) else { throw ValidationError("--limit: from 1 to 1000000.") }
            let filter = try filters.filter()
            let rows = try store.read { (log) throws(StoreError) in try log.list(filter, limit: limit) }
            if !filters.json { FilterOptions.write(LogText.heading) }
            for row in rows { filters.show(row) }
        }
    }

    struct Tail: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the last exchanges, and new ones as they are written, until Ctrl-C.")

        @OptionGroup var store: StoreOptions
        @OptionGroup var filters: FilterOptions

        @Option(name: [.customShort("n"), .long], help: "How many of those that are there already.")
        var last = 10

        func run() throws {
            guard (0...1_000_000).contains(last) else { throw ValidationError("--last: from 0 to 1000000.") }
            let filter = try filters.filter()
            try store.read { (log) throws(StoreError) in
                var sequence = try log.lastSequence()
                if !filters.json { FilterOptions.write(LogText.heading) }
                for row in try log.list(filter, limit: last).reversed() where row.sequence <= sequence {
                    filters.show(row)
                }
                while true {
                    let rows = try log.follow(after: sequence, filter)
                    for row in rows { filters.show(row) }
                    sequence = rows.last?.sequence ?? sequence
                    if rows.isEmpty { usleep(200_000) }
                }
            }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show everything that is kept of an exchange, texts included.")

        @OptionGroup var store: StoreOptions

        @Flag(help: "One JSON object for each exchange, on a line of its own.")
        var json = false

        @Argument(help: "The id of an exchange, or a trace id.")
        var name: String

        func run() throws {
            let found = try store.read { (log) throws(StoreError) in
                var found: [(StoredRequest, RequestRow.Bodies?)] = []
                for row in try log.find(name) { found.append((row, try log.bodies(of: row.row.id))) }
                return found
            }
            guard !found.isEmpty else {
                Output.error("there is no exchange \(name) in the log")
                throw ExitCode(1)
            }
            for (index, (row, bodies)) in found.enumerated() {
                if json {
                    print(LogText.json(row, bodies))
                } else {
                    print((index > 0 ? "\n" : "") + LogText.page(row, bodies))
                }
            }
        }
    }
}

struct Explain: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Tell in sentences what became of a request, and why.",
        discussion: "Who asked, which config held, why that target, what the cache and the guardrails said.")

    @OptionGroup var store: StoreOptions

    @Argument(help: "A trace id (x-portkey-trace-id of the answer), or the id of an exchange.")
    var trace: String

    func run() throws {
        let found = try store.read { (log) throws(StoreError) in
            var found = try log.find(trace)
            for index in found.indices {
                guard let key = found[index].row.key, let name = try log.nameOfKey(key) else { continue }
                found[index].row.key = "\"\(name)\" (\(key))"
            }
            return found
        }
        guard !found.isEmpty else {
            Output.error("there is no exchange \(trace) in the log")
            throw ExitCode(1)
        }
        print(found.map { Explanation.text(of: $0.row) }.joined(separator: "\n\n"))
    }
}

struct StoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "store", abstract: "Look after the store's file.",
        subcommands: [Check.self, Backup.self, Rekey.self])

    struct Check: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Read every page of a store and say what is wrong with it, if anything.",
            discussion: "A gateway may be using it meanwhile. Ends with status 1 if there is a fault.")

        @Argument(help: "The store's file.")
        var file: String

        func run() throws {
            do throws(StoreError) {
                let report = try StoreFile.check(file)
                for fault in report.faults { print("fault: \(fault)") }
                guard report.faults.isEmpty else { throw StoreError(.corrupted, "\(file): the file is damaged") }
                print("\(file) is sound: \(report.requests) requests, \(report.bytes) bytes, schema \(report.schema)")
            } catch {
                Output.error(error.message)
                throw ExitCode(1)
            }
        }
    }

    struct Backup: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Copy a store, which a gateway may be using, to a new file.",
            discussion: "The copy is of one moment. It is checked before its name appears.")

        @Argument(help: "The store's file.")
        var file: String

        @Argument(help: "The copy. It must not exist.")
        var target: String

        func run() throws {
            do throws(StoreError) {
                let report = try StoreFile.backUp(file, to: target)
                print("\(target): \(report.requests) requests, \(report.bytes) bytes")
            } catch {
                Output.error(error.message)
                throw ExitCode(1)
            }
        }
    }
}
