// RequestLog: where the rows of exchanges go. The data path sees this protocol and no database.

/// A row to be, made by the log's own thread: the path only hands its facts over.
package protocol RequestLogEntry: Sendable {
    /// What it keeps in memory, about.
    var size: Int { get }
    /// Called once.
    func row(id: (_ startedAt: Int64) -> RowID) -> RequestRow
}

/// What happens to exchanges whose rows cannot be written.
package enum LogLoss: String, Sendable, CaseIterable {
    /// They go on; rows that find no room are lost, counted and reported.
    case `continue`
    /// New requests are refused until rows can be written again.
    case refuse
}

package protocol RequestLog: Sendable {
    /// Takes an entry; never waits. An entry for which there is no room is counted as lost.
    func append(_ entry: some RequestLogEntry)

    /// False while rows cannot be written, or wait in such numbers that one more might be lost.
    var takesRows: Bool { get }

    var statistics: RequestLogStatistics { get }

    /// For a configuration that was read again.
    func keep(_ retention: Retention)

    /// Waits until everything that was appended before is written. False when that did not happen by `milliseconds`.
    @discardableResult
    func flush(milliseconds: Int) -> Bool

    /// Writes what waits and ends. What cannot be written by then is lost.
    func shutDown(milliseconds: Int)
}

package struct RequestLogStatistics: Sendable, Equatable {
    package var written: UInt64 = 0
    package var lost: UInt64 = 0
    /// Transactions that failed.
    package var failures: UInt64 = 0
    /// Rows that retention removed.
    package var removed: UInt64 = 0
    package var waiting = 0
}

/// What the log's operator should know. Sent at a bounded rate.
package enum RequestLogNotice: Sendable, Equatable {
    case failing(String, waiting: Int)
    /// Rows since the last notice.
    case lost(UInt64)
    case recovered(waiting: Int)
}
