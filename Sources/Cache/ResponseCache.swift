// ResponseCache: what the data path knows of a cache. A step of the pipeline computes the key (tenant, provider,
// resolved URL, shaped body, namespace), asks here, and puts complete answers in. What may be cached, and for how
// long, is decided there.

package import Core

/// A digest over everything that makes two requests the same. Whoever computes it must use a cryptographic hash: the
/// cache compares keys, never requests.
package struct CacheKey: Hashable, Sendable {
    package let words: (UInt64, UInt64, UInt64, UInt64)

    package init(_ first: UInt64, _ second: UInt64, _ third: UInt64, _ fourth: UInt64) {
        words = (first, second, third, fourth)
    }

    /// Nil unless `digest` has 32 bytes.
    package init?(digest: UnsafeRawBufferPointer) {
        guard digest.count == 32 else { return nil }
        func word(_ at: Int) -> UInt64 { UInt64(bigEndian: digest.loadUnaligned(fromByteOffset: at, as: UInt64.self)) }
        self.init(word(0), word(8), word(16), word(24))
    }

    package static func == (left: CacheKey, right: CacheKey) -> Bool { left.words == right.words }

    /// A digest is evenly spread already: one of its words is as good a hash as all four.
    package func hash(into hasher: inout Hasher) { hasher.combine(words.0) }
}

package struct CachedHeader: Sendable, Equatable {
    package let name: String
    package let value: String

    package init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

/// A complete answer, as it can be given again.
package struct CacheEntry: Sendable, Equatable {
    /// The shape of `body`; the pipeline replays either shape from either.
    package enum Form: UInt8, Sendable {
        /// One whole body.
        case whole
        /// Server-sent events, as they were relayed.
        case events
    }

    package var status: Int
    package var contentType: String
    /// Those headers of the answer that still hold when it is given again.
    package var headers: [CachedHeader]
    package var body: Bytes
    package var form: Form
    /// On the wall clock, nanoseconds since 1970: for the `age` header and for people.
    package var storedAt: Int64

    package init(
        status: Int, contentType: String, headers: [CachedHeader] = [], body: Bytes, form: Form,
        storedAt: Int64 = WallClock.now()
    ) {
        self.status = status
        self.contentType = contentType
        self.headers = headers
        self.body = body
        self.form = form
        self.storedAt = storedAt
    }
}

package struct CacheStatistics: Sendable, Equatable {
    package var entries = 0
    /// Bodies, headers and bookkeeping.
    package var bytes = 0
    package var hits: UInt64 = 0
    package var misses: UInt64 = 0
    /// Entries that gave way to others.
    package var evictions: UInt64 = 0
    /// Entries whose time was over.
    package var expirations: UInt64 = 0
    /// Answers that were too large to be kept.
    package var refusals: UInt64 = 0

    package init() {}
}

/// Asynchronous, so that a cache on another machine fits; one in memory answers without suspending.
package protocol ResponseCache: Sendable {
    func get(_ key: CacheKey) async -> CacheEntry?
    /// Keeps `entry` for at most `seconds`; a cache may forget it earlier. Takes the place of what was there.
    func put(_ key: CacheKey, _ entry: CacheEntry, forSeconds seconds: Int) async
    func remove(_ key: CacheKey) async
    func removeAll() async
    func statistics() async -> CacheStatistics
}
