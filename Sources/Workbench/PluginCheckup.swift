// PluginCheckup: `gatehouse plugin check`: what can be said of a plugin's files, then trials of its code, each in a process of its own:
// a crash or a hang is that trial's failure and nobody else's.

import Core
import PluginHost

package struct PluginCheckup {
    private let directory: String
    private let file: String?

    package init(_ directory: String, library: String? = nil) {
        self.directory = directory
        file = library
    }

    package struct Result: Sendable {
        package var name: String
        /// nil: passed.
        package var problem: String?
    }

    private static let seconds = 120

    /// All checks. `inProcess`: the trials run here, where a debugger sees them.
    package func run(inProcess: Bool, report: (Result) -> Void) async throws(WorkbenchError) {
        // A library from elsewhere is looked at as if it lay beside the manifest.
        let copy = try file.map { (file) throws(WorkbenchError) in
            let copy = try TemporaryDirectory()
            return (copy, try copy.adopt(directory, library: file))
        }
        let files = withExtendedLifetime(copy) { PluginCheck.run(copy?.1 ?? directory) }
        for result in files { report(Result(name: result.name, problem: result.passed ? nil : result.detail)) }
        guard files.allSatisfy(\.passed) else { return }
        for (number, trial) in PluginTrials.all.enumerated() {
            let problem = inProcess ? try await self.trial(number) : try trialElsewhere(number)
            report(Result(name: trial.name, problem: problem))
        }
    }

    /// One trial, here.
    package func trial(_ number: Int) async throws(WorkbenchError) -> String? {
        guard PluginTrials.all.indices.contains(number) else {
            throw WorkbenchError(message: "there is no trial \(number)")
        }
        do { return try await PluginTrials.all[number].trial(PluginTrials(directory: directory, file: file)) } catch {
            throw error as? WorkbenchError ?? WorkbenchError(message: "\(error)")
        }
    }

    private func trialElsewhere(_ number: Int) throws(WorkbenchError) -> String? {
        var arguments = ["plugin", "check", directory, "--trial", String(number)]
        if let file { arguments += ["--library", file] }
        let (output, end) = try ChildProcess.run(arguments, seconds: Self.seconds)
        switch end {
        case .exited(0): return nil
        case .exited: return output.split(separator: "\n").last.map { String($0) } ?? "it ended without a word"
        case .killed(let signal): return "it crashed: \(ChildProcess.name(of: signal))"
        case .tookTooLong: return "it did not end within \(Self.seconds) s"
        }
    }
}

enum Memory {
    /// Resident bytes of this process.
    static func resident() -> Int {
        guard let text = try? Files.read("/proc/self/statm") else { return 0 }
        let pages = text.string.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        return pages * 4096
    }
}
