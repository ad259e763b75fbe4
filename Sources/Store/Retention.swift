// Retention: rows that are too old, or too many, go; the pages they leave are given back to the file system. In small steps, so that
// rows which come in meanwhile do not wait long.

import Core

package struct Retention: Sendable, Equatable {
    /// Seconds; nil keeps rows whatever their age.
    package var maximumAge: Int?
    /// Of the file; nil is no bound. Free pages do not count: they are given back, or used again.
    package var maximumBytes: Int?

    package init(maximumAge: Int? = nil, maximumBytes: Int? = nil) {
        self.maximumAge = maximumAge
        self.maximumBytes = maximumBytes
    }

    static let rowsPerStep = 500
    static let pagesPerStep = 512

    struct Step {
        var removed = 0
        /// There is more to do.
        var isUnfinished = false
    }

    /// One step; `now` in nanoseconds since 1970.
    func step(_ database: Database, now: Int64) throws(StoreError) -> Step {
        var step = Step()
        if let maximumAge {
            let statement = try database.statement(
                """
                DELETE FROM requests WHERE id IN (SELECT id FROM requests WHERE id < ? ORDER BY id LIMIT \(Self.rowsPerStep))
                """)
            statement.bind(RowID.first(at: max(0, now - Int64(maximumAge) * 1_000_000_000)))
            try statement.run()
            step.removed += database.changes
        }
        if step.removed < Self.rowsPerStep, let maximumBytes {
            let pages = try database.integer("PRAGMA page_count") - database.integer("PRAGMA freelist_count")
            if try pages * database.integer("PRAGMA page_size") > Int64(maximumBytes) {
                try database.statement(
                    "DELETE FROM requests WHERE id IN (SELECT id FROM requests ORDER BY id LIMIT \(Self.rowsPerStep))"
                ).run()
                step.removed += database.changes
            }
        }
        // More than one step's worth, or a bound on size: look again soon.
        if step.removed > 0 { return Step(removed: step.removed, isUnfinished: true) }
        let free = try database.integer("PRAGMA freelist_count")
        guard free > 0 else { return step }
        try database.run("PRAGMA incremental_vacuum(\(Self.pagesPerStep))")
        step.isUnfinished = free > Self.pagesPerStep
        return step
    }
}
