// AnalyticsCache: how often the cache answered, how fast, and what that saved.

package import Core

extension Analytics {
    /// 1: an equal request's answer; 2: a similar one's; 3: the cache was asked and the provider answered.
    private static let cacheKind = """
        CASE cache WHEN 'HIT' THEN 1 WHEN 'SEMANTIC HIT' THEN 2 WHEN 'MISS' THEN 3 WHEN 'SEMANTIC MISS' THEN 3
        WHEN 'REFRESH' THEN 3 ELSE 0 END
        """

    /// Answers from the cache, and their share of all requests in percent. What a hit saved is not known, since no row
    /// says what its answer had cost once. It is taken to be the mean cost of the same model's successes that the cache
    /// had no answer for, within the same query; 0 where there are none. Savings add up from bucket to bucket.
    func hitRate(_ query: LogQuery) throws(StoreError) -> Graph {
        struct Model {
            var missCost: Int128 = 0
            var misses = 0
            var mean: Int128 { Figures.quotient(missCost, misses) }
        }
        struct Hits {
            var count = 0
            var models: [String: Int] = [:]
        }
        let buckets = try buckets(query)
        var requests = Array(repeating: 0, count: buckets.count)
        var hits = Array(repeating: (simple: Hits(), semantic: Hits()), count: buckets.count)
        var models: [String: Model] = [:]
        try scan("started_at, \(Self.cacheKind), \(Self.model), cost_picodollars, status", query) { row in
            let index = buckets.index(of: row.int64(0))
            requests[index] += 1
            let kind = row.int(1)
            guard kind != 0 else { return }
            let model = row.text(2) ?? ""
            switch kind {
            case 1:
                hits[index].simple.count += 1
                hits[index].simple.models[model, default: 0] += 1
            case 2:
                hits[index].semantic.count += 1
                hits[index].semantic.models[model, default: 0] += 1
            default:
                guard !row.isNull(3), !Self.isError(row.int(4)) else { return }
                models[model, default: Model()].missCost += Int128(row.int64(3))
                models[model, default: Model()].misses += 1
            }
        }
        func savings(_ hits: Hits) -> Int128 {
            hits.models.reduce(0) { $0 + Int128($1.value) * (models[$1.key]?.mean ?? 0) }
        }
        var saved: (simple: Int128, semantic: Int128) = (0, 0)
        let points = (0..<buckets.count).map { index -> JSONValue in
            let (simple, semantic) = hits[index]
            saved.simple += savings(simple)
            saved.semantic += savings(semantic)
            return [
                "timestamp": buckets.timestamp(index), "simple_hits": JSONValue(simple.count),
                "semantic_hits": JSONValue(semantic.count),
                "rate": Figures.percent(simple.count + semantic.count, of: requests[index]),
                "cumulative_simple_cache_savings": Figures.cents(saved.simple),
                "cumulative_semantic_cache_savings": Figures.cents(saved.semantic),
                "cumulative_simple_cache_savings_usd": Figures.dollars(saved.simple),
                "cumulative_semantic_cache_savings_usd": Figures.dollars(saved.semantic),
            ]
        }
        let total = hits.reduce(0) { $0 + $1.simple.count + $1.semantic.count }
        let rate = Figures.percent(total, of: requests.reduce(0, +))
        return Graph([("total", JSONValue(total)), ("rate", rate)], points)
    }

    /// Milliseconds that answers from the cache took.
    func cacheLatency(_ query: LogQuery) throws(StoreError) -> Graph {
        let buckets = try buckets(query)
        var times = Array(repeating: (sum: Int128(0), count: 0), count: buckets.count)
        try scan("started_at, duration", query, where: "cache IN ('HIT', 'SEMANTIC HIT')") { row in
            let index = buckets.index(of: row.int64(0))
            times[index].sum += Int128(row.int64(1))
            times[index].count += 1
        }
        return Graph([], buckets) { index in
            let mean = Figures.quotient(times[index].sum, times[index].count)
            return [("avg", Figures.milliseconds(Int64(clamping: mean)))]
        }
    }

    /// {summary, object}: hits, the milliseconds that they took, all requests, and by how many percent of the others'
    /// time hits were faster.
    package func cacheSummary(_ query: LogQuery) throws(StoreError) -> JSONValue {
        var hits: (sum: Int128, count: Int) = (0, 0)
        var others: (sum: Int128, count: Int) = (0, 0)
        try scan("duration, cache IN ('HIT', 'SEMANTIC HIT')", query) { row in
            if row.int(1) != 0 {
                hits.sum += Int128(row.int64(0))
                hits.count += 1
            } else {
                others.sum += Int128(row.int64(0))
                others.count += 1
            }
        }
        let (fast, slow) = (Figures.quotient(hits.sum, hits.count), Figures.quotient(others.sum, others.count))
        let isComparable = hits.count > 0 && slow > 0
        let speedup = isComparable ? Figures.percent(Int(clamping: slow - fast), of: Int(clamping: slow)) : 0
        return [
            "summary": [
                "hits": JSONValue(hits.count), "avg_latency": Figures.milliseconds(Int64(clamping: fast)),
                "total_requests": JSONValue(hits.count + others.count), "cache_speedup": speedup,
            ],
            "object": "analytics-summary",
        ]
    }
}
