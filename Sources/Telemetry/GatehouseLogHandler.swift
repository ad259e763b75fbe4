// GatehouseLogHandler: where swift-log's lines go. Text for people on a terminal, JSON lines elsewhere; both through
// a LogWriter, so that logging never waits for a disk. Messages and values are scrubbed of what looks like a secret.

import Core
package import Logging

#if canImport(Glibc)
    import Glibc
#endif

package struct GatehouseLogHandler: LogHandler {
    package var logLevel: Logger.Level
    package var metadata: Logger.Metadata = [:]
    package var metadataProvider: Logger.MetadataProvider?
    private let label: String
    private let format: LogFormat
    private let isColoured: Bool
    private let writer: LogWriter
    private let channel: LogChannel
    private let now: @Sendable () -> Int64

    /// - Parameters:
    ///   - channel: of `writer`; loggers may share one.
    ///   - isColoured: nil for "on a terminal, unless the environment says NO_COLOR (https://no-color.org)".
    package init(
        label: String, writer: LogWriter, channel: LogChannel, level: Logger.Level = .info, format: LogFormat? = nil,
        isColoured: Bool? = nil, now: @escaping @Sendable () -> Int64 = { WallClock.now() }
    ) {
        self.label = label
        self.writer = writer
        self.channel = channel
        self.format = format ?? writer.format
        self.isColoured = isColoured ?? (writer.isTerminal && Self.environmentAllowsColour)
        logLevel = level
        self.now = now
    }

    /// For `LoggingSystem.bootstrap`: handlers of all labels, on one channel.
    package static func factory(
        writer: LogWriter, level: Logger.Level = .info, format: LogFormat? = nil
    ) -> @Sendable (String) -> any LogHandler {
        let channel = writer.channel()
        return { GatehouseLogHandler(label: $0, writer: writer, channel: channel, level: level, format: format) }
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        let time = now()
        let message = Redaction.scrub(event.message.description)
        var fields = metadata
        if let provided = metadataProvider?.get() { fields.merge(provided) { $1 } }
        if let given = event.metadata { fields.merge(given) { $1 } }
        let error = event.error.map { Redaction.scrub(String(describing: $0)) }
        let sorted = fields.sorted { $0.key < $1.key }
        channel.line(isUrgent: event.level >= .error) { line in
            switch format {
            case .json: json(event.level, message, error, sorted, time, into: &line)
            case .text: text(event.level, message, error, sorted, time, into: &line)
            }
        }
    }

    private typealias Fields = [(key: String, value: Logger.MetadataValue)]
    private static let longestMessage = 8192

    // MARK: JSON

    private func json(
        _ level: Logger.Level, _ message: String, _ error: String?, _ fields: Fields, _ time: Int64,
        into line: inout LogBuffer
    ) {
        line.append("{\"time\":\"")
        line.append(timestamp: time)
        line.append("\",\"level\":\"")
        line.append(json: level.rawValue)
        line.append("\",\"logger\":\"")
        line.append(json: label)
        line.append("\",\"message\":\"")
        line.append(json: message, limit: Self.longestMessage)
        line.append(UInt8(ascii: "\""))
        if let error {
            line.append(",\"error\":\"")
            line.append(json: error, limit: Self.longestMessage)
            line.append(UInt8(ascii: "\""))
        }
        for field in fields {
            line.append(",\"")
            // A field must not pass for one of the line's own.
            if Self.ownNames.contains(field.key) || field.key == "error" && error != nil {
                line.append(UInt8(ascii: "_"))
            }
            line.append(json: field.key)
            line.append("\":")
            Self.json(field.value, depth: 0, into: &line)
        }
        line.append("}\n")
    }

    private static let ownNames: Set<String> = ["time", "level", "logger", "message"]

    private static func json(_ value: Logger.MetadataValue, depth: Int, into line: inout LogBuffer) {
        switch value {
        case .string(let text): json(text, into: &line)
        case .stringConvertible(let value): json(value.description, into: &line)
        case .array(let values) where depth < 4:
            line.append(UInt8(ascii: "["))
            for (index, value) in values.enumerated() {
                if index > 0 { line.append(UInt8(ascii: ",")) }
                json(value, depth: depth + 1, into: &line)
            }
            line.append(UInt8(ascii: "]"))
        case .dictionary(let values) where depth < 4:
            line.append(UInt8(ascii: "{"))
            for (index, field) in values.sorted(by: { $0.key < $1.key }).enumerated() {
                if index > 0 { line.append(UInt8(ascii: ",")) }
                json(field.key, into: &line)
                line.append(UInt8(ascii: ":"))
                json(field.value, depth: depth + 1, into: &line)
            }
            line.append(UInt8(ascii: "}"))
        default: json(value.description, into: &line)
        }
    }

    private static func json(_ text: String, into line: inout LogBuffer) {
        line.append(UInt8(ascii: "\""))
        line.append(json: Redaction.scrub(text), limit: longestMessage)
        line.append(UInt8(ascii: "\""))
    }

    // MARK: Text

    private func text(
        _ level: Logger.Level, _ message: String, _ error: String?, _ fields: Fields, _ time: Int64,
        into line: inout LogBuffer
    ) {
        if isColoured { line.append("\u{1B}[2m") }
        line.append(timeOfDay: time)
        if isColoured { line.append("\u{1B}[0m") }
        line.append(UInt8(ascii: " "))
        if isColoured { line.append(Self.colour(level)) }
        line.append(Self.name(level))
        if isColoured { line.append("\u{1B}[0m") }
        line.append(UInt8(ascii: " "))
        line.append(text: message, .free, limit: Self.longestMessage)
        if let error { Self.field("error", error, isColoured, into: &line) }
        for field in fields { Self.field(field.key, Redaction.scrub(field.value.description), isColoured, into: &line) }
        line.append(UInt8(ascii: "\n"))
    }

    private static func field(_ name: String, _ value: String, _ isColoured: Bool, into line: inout LogBuffer) {
        line.append(UInt8(ascii: " "))
        if isColoured { line.append("\u{1B}[2m") }
        line.append(text: name)
        line.append(UInt8(ascii: "="))
        if isColoured { line.append("\u{1B}[0m") }
        guard value.utf8.contains(UInt8(ascii: " ")) || value.isEmpty else {
            line.append(text: value, limit: longestMessage)
            return
        }
        line.append(UInt8(ascii: "\""))
        line.append(text: value, .quoted, limit: longestMessage)
        line.append(UInt8(ascii: "\""))
    }

    private static func name(_ level: Logger.Level) -> StaticString {
        switch level {
        case .trace: "TRACE   "
        case .debug: "DEBUG   "
        case .info: "INFO    "
        case .notice: "NOTICE  "
        case .warning: "WARNING "
        case .error: "ERROR   "
        case .critical: "CRITICAL"
        }
    }

    private static func colour(_ level: Logger.Level) -> StaticString {
        switch level {
        case .trace, .debug: "\u{1B}[2m"
        case .info: "\u{1B}[32m"
        case .notice: "\u{1B}[36m"
        case .warning: "\u{1B}[33m"
        case .error: "\u{1B}[31m"
        case .critical: "\u{1B}[1;31m"
        }
    }

    private static var environmentAllowsColour: Bool {
        if let value = getenv("NO_COLOR"), value[0] != 0 { return false }
        guard let terminal = getenv("TERM") else { return false }
        return strcmp(terminal, "dumb") != 0
    }
}
