import Admin
import ArgumentParser
import Core
import Gateway

struct AuditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "The log of what administrators did.",
        subcommands: [List.self, Verify.self, Head.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the last entries, the newest first.")
        @OptionGroup var control: ControlOptions
        @Option(name: .shortAndLong, help: "How many.")
        var limit = 50

        func run() async throws {
            control.show(
                try await control.call("GET", "/audit-logs?page_size=\(limit)"),
                ["sequence", "timestamp", "user_name", "action", "resource", "workspace_id"])
        }
    }

    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Find out whether a row was changed, removed, reordered or cut off.",
            discussion: """
                Ends with status 1 if one was. Whoever can write the file could put an older state of the whole log back; \
                that is found out with a head that was written down elsewhere: --head.
                """)
        @OptionGroup var control: ControlOptions
        @Option(help: "A head from `gatehouse audit head`, which the log must hold.")
        var head: String?

        func run() async throws {
            var anchor: AuditAnchor?
            if let head {
                anchor = AuditAnchor(head)
                if anchor == nil { throw ValidationError("--head: expected what `gatehouse audit head` prints.") }
            }
            let (desk, _) = try await control.open()
            let found: (rows: Int, fault: String?, head: String)
            do throws(GatewayError) { found = try await desk.verifyAudit(anchor) } catch {
                Output.error(error.message)
                throw ExitCode(1)
            }
            if let fault = found.fault {
                Output.error("the audit log is not sound: \(fault)")
                throw ExitCode(1)
            }
            print("the audit log is sound: \(found.rows) rows, head \(found.head)")
        }
    }

    struct Head: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print the log's head, to be kept where nobody who can write the store can change it.")
        @OptionGroup var control: ControlOptions

        func run() async throws {
            let (desk, _) = try await control.open()
            do throws(GatewayError) { print(try await desk.verifyAudit(nil).head) } catch {
                Output.error(error.message)
                throw ExitCode(1)
            }
        }
    }
}

struct Rekey: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Put the store's data key under another master key.",
        discussion: """
            No stored credential is encrypted anew: only the key that they are under is. Stop the gateway first; afterwards \
            give it the new master key.
            """)
    @OptionGroup var control: ControlOptions
    @Option(help: "A file with the new master key; it is made where there is none.")
    var newKeyFile: String

    func run() async throws {
        let (desk, _) = try await control.open()
        do throws(ControlError) { try await desk.rekey(file: newKeyFile) } catch {
            Output.error(error.message)
            throw ExitCode(1)
        }
        print("the data key is under the master key in \(newKeyFile) now: name that file in control.master_key")
    }
}
