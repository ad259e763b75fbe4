// AnalyticsGraphs: requests, errors, costs, tokens, times and users over time.

import Core

extension Analytics {
    private func zeros(_ buckets: TimeBuckets) -> [Int] { Array(repeating: 0, count: buckets.count) }

    func requests(_ query: LogQuery) throws(StoreError) -> Graph {
        let buckets = try buckets(query)
        var counts = zeros(buckets)
        try scan("started_at", query) { counts[buckets.index(of: $0.int64(0))] += 1 }
        return Graph([("total", JSONValue(counts.reduce(0, +)))], buckets) { [("total", JSONValue(counts[$0]))] }
    }

    // MARK: Errors

    func errors(_ query: LogQuery) throws(StoreError) -> Graph {
        let (buckets, _, errors) = try countErrors(query)
        return Graph([("total", JSONValue(errors.reduce(0, +)))], buckets) { [("total", JSONValue(errors[$0]))] }
    }

    /// Rates are percentages.
    func errorRate(_ query: LogQuery) throws(StoreError) -> Graph {
        let (buckets, all, errors) = try countErrors(query)
        let rate = Figures.percent(errors.reduce(0, +), of: all.reduce(0, +))
        return Graph([("rate", rate)], buckets) { [("rate", Figures.percent(errors[$0], of: all[$0]))] }
    }

    private func countErrors(_ query: LogQuery) throws(StoreError) -> (TimeBuckets, all: [Int], errors: [Int]) {
        let buckets = try buckets(query)
        var (all, errors) = (zeros(buckets), zeros(buckets))
        try scan("started_at, status", query) { row in
            let index = buckets.index(of: row.int64(0))
            all[index] += 1
            if Self.isError(row.int(1)) { errors[index] += 1 }
        }
        return (buckets, all, errors)
    }

    func errorStacks(_ query: LogQuery) throws(StoreError) -> Graph {
        let buckets = try buckets(query)
        var counts = Array(repeating: [Int: Int](), count: buckets.count)
        var total = 0
        try scan("started_at, status", query) { row in
            guard Self.isError(row.int(1)) else { return }
            counts[buckets.index(of: row.int64(0))][row.int(1), default: 0] += 1
            total += 1
        }
        return Graph([("total", JSONValue(total))], buckets) { index in
            let stats = counts[index].sorted { $0.key < $1.key }.map { status, count -> JSONValue in
                ["response_status_code": JSONValue(status), "count": JSONValue(count)]
            }
            return [("stats", .array(stats))]
        }
    }

    /// A point for each status, the most frequent first.
    func statusCodes(_ query: LogQuery) throws(StoreError) -> Graph {
        var counts: [Int: Int] = [:]
        try scan("status", query) { row in
            if Self.isError(row.int(0)) { counts[row.int(0), default: 0] += 1 }
        }
        let points = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { status, count -> JSONValue in
            ["status_code": JSONValue(status), "count": JSONValue(count)]
        }
        let total = JSONValue(counts.values.reduce(0, +))
        return Graph([("total_errors", total), ("unique_error_codes", JSONValue(counts.count))], points)
    }

    // MARK: Costs, tokens, times

    /// A sum and how many requests made it.
    private struct Total {
        var sum: Int128 = 0
        var count = 0

        mutating func add(_ value: Int64) {
            sum += Int128(value)
            count += 1
        }
    }

    private func total(_ column: String, _ query: LogQuery) throws(StoreError)
        -> (TimeBuckets, all: Total, each: [Total])
    {
        let buckets = try buckets(query)
        var each = Array(repeating: Total(), count: buckets.count)
        try scan("started_at, \(column)", query) { each[buckets.index(of: $0.int64(0))].add($0.int64(1)) }
        let all = each.reduce(into: Total()) {
            $0.sum += $1.sum
            $0.count += $1.count
        }
        return (buckets, all, each)
    }

    /// A request whose price is not known costs nothing here, and counts in the average.
    func cost(_ query: LogQuery) throws(StoreError) -> Graph {
        func members(_ total: Total) -> [(String, JSONValue)] {
            let mean = Figures.quotient(total.sum, total.count)
            return [
                ("total", Figures.cents(total.sum)), ("avg", Figures.cents(mean)),
                ("total_usd", Figures.dollars(total.sum)), ("avg_usd", Figures.dollars(mean)),
            ]
        }
        let (buckets, all, each) = try total("coalesce(cost_picodollars, 0)", query)
        return Graph(members(all), buckets) { members(each[$0]) }
    }

    func tokens(_ query: LogQuery) throws(StoreError) -> Graph {
        func members(_ total: Total) -> [(String, JSONValue)] {
            [("total", JSONValue(Int(clamping: total.sum))), ("avg", Figures.mean(total.sum, total.count))]
        }
        let (buckets, all, each) = try total("coalesce(input_tokens, 0) + coalesce(output_tokens, 0)", query)
        return Graph(members(all), buckets) { members(each[$0]) }
    }

    /// How long exchanges took, in milliseconds. Percentiles are exact: each duration is kept, eight bytes of it, and
    /// sorted.
    func latency(_ query: LogQuery) throws(StoreError) -> Graph {
        func members(_ sample: Sample) -> [(String, JSONValue)] {
            [("avg", Figures.milliseconds(sample.mean))]
                + [50, 90, 99].map { ("p\($0)", Figures.milliseconds(sample.percentile($0))) }
        }
        let buckets = try buckets(query)
        var all = Sample()
        var each = Array(repeating: Sample(), count: buckets.count)
        try scan("started_at, duration", query) { row in
            all.add(row.int64(1))
            each[buckets.index(of: row.int64(0))].add(row.int64(1))
        }
        all.sort()
        for index in each.indices { each[index].sort() }
        return Graph(members(all), buckets) { members(each[$0]) }
    }

    // MARK: Rescue

    /// Successes that took a retry of their target, by how many it took, and those that another target had failed
    /// before. One may be both.
    func rescued(_ query: LogQuery) throws(StoreError) -> Graph {
        let buckets = try buckets(query)
        var retries = Array(repeating: [Int: Int](), count: buckets.count)
        var fallbacks = zeros(buckets)
        var retried = 0
        try scan("started_at, retries, fallbacks", query, where: "(retries > 0 OR fallbacks > 0)") { row in
            let index = buckets.index(of: row.int64(0))
            if row.int(1) > 0 {
                retries[index][row.int(1), default: 0] += 1
                retried += 1
            }
            if row.int(2) > 0 { fallbacks[index] += 1 }
        }
        let summary = [("retry", JSONValue(retried)), ("fallback", JSONValue(fallbacks.reduce(0, +)))]
        return Graph(summary, buckets) { index in
            let list = retries[index].sorted { $0.key < $1.key }.map { tries, count -> JSONValue in
                ["retry_success_count": JSONValue(tries), "count": JSONValue(count)]
            }
            return [("retry", .array(list)), ("fallback", JSONValue(fallbacks[index]))]
        }
    }

    // MARK: Users

    /// Who asked, and when: users are what requests name in the metadata `_user`.
    private struct Users {
        var numbers: [String: UInt32] = [:]
        var seen: [Set<UInt32>]
        var requests: [Int]
    }

    private func users(_ query: LogQuery, _ buckets: TimeBuckets) throws(StoreError) -> Users {
        var users = Users(seen: Array(repeating: [], count: buckets.count), requests: zeros(buckets))
        try scan("started_at, user", query, where: "user IS NOT NULL") { row in
            let user = row.text(1) ?? ""
            let number = users.numbers[user] ?? UInt32(users.numbers.count)
            if number == users.numbers.count { users.numbers[user] = number }
            let index = buckets.index(of: row.int64(0))
            users.seen[index].insert(number)
            users.requests[index] += 1
        }
        return users
    }

    func users(_ query: LogQuery) throws(StoreError) -> Graph {
        let buckets = try buckets(query)
        let users = try users(query, buckets)
        return Graph([("total", JSONValue(users.numbers.count))], buckets) {
            [("total", JSONValue(users.seen[$0].count))]
        }
    }

    /// Of requests that name a user: how many they are for each.
    func requestsOfUsers(_ query: LogQuery) throws(StoreError) -> Graph {
        let buckets = try buckets(query)
        let users = try users(query, buckets)
        let total = users.requests.reduce(0, +)
        let summary = [
            ("total", JSONValue(total)), ("unique", JSONValue(users.numbers.count)),
            ("avg", Figures.mean(Int128(total), users.numbers.count)),
        ]
        return Graph(summary, buckets) {
            [("avg", Figures.mean(Int128(users.requests[$0]), users.seen[$0].count))]
        }
    }
}
