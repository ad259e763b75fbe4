import Testing

@testable import Store

@Suite struct FeedbackTableTests {
    private let place = Workplace()

    @Test func feedbackIsChangedOnlyInItsWorkspace() throws {
        let database = try StoreFile.open(place.path)
        try FeedbackTable.insert(
            database, id: "f", workspace: "w", trace: "t", value: 3, weight: 0.5, metadata: "{}", at: 5, by: "k")
        #expect(
            try !FeedbackTable.update(
                database, id: "f", workspace: "x", value: 9, weight: nil, metadata: nil, at: 6))
        #expect(
            try !FeedbackTable.update(
                database, id: "g", workspace: "w", value: 9, weight: nil, metadata: nil, at: 6))
        #expect(
            try FeedbackTable.update(
                database, id: "f", workspace: "w", value: 9, weight: nil, metadata: #"{"a":"b"}"#, at: 7))
        let found = try #require(try FeedbackTable.list(database, trace: "t", workspace: "w").first)
        #expect(found.value == 9 && found.weight == 0.5 && found.metadata == #"{"a":"b"}"#)
        #expect(found.createdAt == 5 && found.updatedAt == 7 && found.createdBy == "k" && found.trace == "t")
        #expect(try FeedbackTable.list(database, trace: "t", workspace: "w") == [found])
        #expect(try FeedbackTable.list(database, trace: "t", workspace: "x").isEmpty)
        #expect(
            failure { () throws(StoreError) in
                try FeedbackTable.insert(
                    database, id: "f", workspace: "w", trace: "t", value: 3, weight: 0.5, metadata: "{}", at: 5, by: "k"
                )
            }?.kind == .row)
    }

    @Test func weightsCount() throws {
        try SmallLog.write(to: place.path)
        let database = try StoreFile.open(place.path)
        #expect(try FeedbackTable.weighted(database, trace: "t1", workspace: "a") == 8)
        #expect(try FeedbackTable.weighted(database, trace: "t1", workspace: "b") == -10)
        #expect(try FeedbackTable.weighted(database, trace: "t9", workspace: "a") == nil)
        try FeedbackTable.insert(
            database, id: "z", workspace: "a", trace: "t9", value: 3, weight: 0, metadata: "{}", at: 5, by: "k")
        #expect(try FeedbackTable.weighted(database, trace: "t9", workspace: "a") == nil)
    }
}
