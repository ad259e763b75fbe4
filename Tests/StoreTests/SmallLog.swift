import Core

@testable import Store

/// Seven requests of two workspaces, with feedback. The numbers are those that tests expect.
enum SmallLog {
    /// 2026-01-05, a Monday, at 10:00.
    static let start: Int64 = 1_767_607_200_000_000_000

    static func time(_ minute: Int64) -> Int64 { start + minute * 60_000_000_000 }

    private static func row(
        _ number: Int, minute: Int64, _ status: Int, ms: Int64, tokens: (Int, Int)?, cost: Int64?, cache: String
    ) -> RequestRow {
        var row = Entry(trace: "t\(number)", startedAt: time(minute), status: status).row { time in
            RowID(high: UInt64(time / 1_000_000) << 16 | 0x7000, low: UInt64(number) | 1 << 63)
        }
        row.workspace = "a"
        row.model = "gpt"
        row.provider = "openai"
        row.attempts[0].provider = "openai"
        row.duration = ms * 1_000_000
        row.inputTokens = tokens?.0
        row.outputTokens = tokens?.1
        row.cost = cost
        row.cache = cache
        return row
    }

    static func write(to path: String) throws {
        let database = try StoreFile.open(path)
        // A cent is 10,000,000,000.
        var rows = [
            row(1, minute: 0, 200, ms: 100, tokens: (100, 20), cost: 1_000_000_000, cache: "MISS"),
            row(2, minute: 1, 200, ms: 300, tokens: (300, 200), cost: 3_000_000_000, cache: "MISS"),
            row(3, minute: 2, 429, ms: 50, tokens: nil, cost: nil, cache: "MISS"),
            row(4, minute: 2, 200, ms: 900, tokens: (100, 99), cost: 5_000_000_000, cache: "DISABLED"),
            row(5, minute: 3, 200, ms: 10, tokens: (100, 0), cost: 0, cache: "HIT"),
            row(6, minute: 3, 500, ms: 40, tokens: nil, cost: nil, cache: "DISABLED"),
            row(7, minute: 4, 200, ms: 7, tokens: (1_000, 1_000), cost: 70_000_000_000, cache: "SEMANTIC HIT"),
        ]
        rows[0].metadata = [("_user", "ann"), ("env", "prod")]
        rows[0].key = "k1"
        rows[0].virtualKey = "vk-1"
        rows[0].span = "s1"
        rows[0].spanName = "first"
        rows[0].bodies = .init(
            policy: "full", request: .init(bytes: Bytes(#"{"model":"gpt"}"#), size: 15),
            answer: .init(bytes: Bytes("data: {"), size: 70))
        rows[1].metadata = [("_user", "ann"), ("env", "dev"), ("_prompt", "greeting")]
        rows[1].key = "k1"
        rows[1].config = "c1"
        rows[1].attempts[0].retry = 2
        rows[3].metadata = [("_user", "bob"), ("env", "prod")]
        rows[3].model = nil
        rows[3].responseModel = "claude-1"
        rows[3].provider = "anthropic"
        rows[3].config = "c2"
        rows[3].route = "fallback 2/2"
        rows[3].attempts = [
            .init(
                provider: "azure", model: "gpt", target: "config.targets[0]", retry: 0, status: 503,
                duration: 5_000_000, error: "upstream_error"),
            .init(
                provider: "anthropic", model: "claude-1", target: "config.targets[1]", retry: 1, status: 200,
                duration: 800_000_000, error: nil),
        ]
        rows[5].model = nil
        rows[5].provider = nil
        rows[5].attempts = []
        rows[6].workspace = "b"
        rows[6].key = "k1"
        rows[6].virtualKey = "vk-1"
        rows[6].metadata = [("_user", "ann"), ("env", "prod")]
        _ = try RowWriter(database: database).write(rows[...])
        func give(_ id: String, _ workspace: String, _ trace: String, _ value: Int, _ weight: Double, _ minute: Int64)
            throws
        {
            try FeedbackTable.insert(
                database, id: id, workspace: workspace, trace: trace, value: value, weight: weight, metadata: "{}",
                at: time(minute), by: "k1")
        }
        try give("f1", "a", "t1", 10, 1, 1)
        try give("f2", "a", "t1", 4, 0.5, 2)
        try give("f3", "a", "t2", -5, 1, 2)
        try give("f4", "b", "t7", 7, 1, 4)
        // Of a trace that another workspace has.
        try give("f5", "b", "t1", -10, 1, 4)
    }
}
