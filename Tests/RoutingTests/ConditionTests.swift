// Conditional routing (Portkey specification, §4.5 with its "→ ours").

import Core
import Routing
import Testing

@Suite struct ConditionTests {
    private static let request: JSONValue = [
        "metadata": ["plan": "pro", "age": "5", "empty": "", "accent": "\u{E9}", "none": nil, "junk": "5 apples"],
        "params": [
            "model": "gpt-4o-mini", "temperature": 0.5, "max_tokens": 100, "stream": true,
            "messages": [
                ["role": "user", "content": "Hello there"], ["role": "user", "content": [["text": "deep"]]],
            ],
            "null": nil, "object": ["a": 1],
        ],
        "url": ["pathname": "/v1/chat/completions"],
    ]

    private func isTrue(_ query: String) throws -> Bool {
        try Condition(JSONValue(parsing: query)).isTrue(Walk.lookup(in: Self.request))
    }

    @Test(arguments: [
        // Bare values: strict equality.
        (#"{"metadata.plan": "pro"}"#, true),
        (#"{"metadata.plan": "Pro"}"#, false),
        (#"{"metadata.age": 5}"#, false),
        (#"{"params.max_tokens": 100}"#, true),
        (#"{"params.max_tokens": 1e2}"#, true),
        (#"{"params.max_tokens": "100"}"#, false),
        (#"{"params.stream": true}"#, true),
        (#"{"params.stream": "true"}"#, false),
        (#"{"params.null": null}"#, true),
        (#"{"params.missing": null}"#, false),
        (#"{"metadata.accent": "e\u0301"}"#, false),
        (#"{"params.missing": "undefined"}"#, false),
        // $eq, $ne
        (#"{"metadata.plan": {"$eq": "pro"}}"#, true),
        (#"{"metadata.plan": {"$eq": "free"}}"#, false),
        (#"{"metadata.plan": {"$ne": "free"}}"#, true),
        (#"{"metadata.plan": {"$ne": "pro"}}"#, false),
        (#"{"metadata.missing": {"$ne": "pro"}}"#, true),
        (#"{"metadata.missing": {"$eq": "pro"}}"#, false),
        (#"{"params.object": {"$eq": {"a": 1}}}"#, false),
        (#"{"params.object": {"$ne": {"a": 1}}}"#, true),
        // $gt, $gte, $lt, $lte: both sides read as numbers.
        (#"{"params.temperature": {"$gt": 0.4}}"#, true),
        (#"{"params.temperature": {"$gt": 0.5}}"#, false),
        (#"{"params.temperature": {"$gte": 0.5}}"#, true),
        (#"{"params.temperature": {"$lt": 0.6}}"#, true),
        (#"{"params.temperature": {"$lt": 0.5}}"#, false),
        (#"{"params.temperature": {"$lte": "0.5"}}"#, true),
        (#"{"metadata.age": {"$gt": 4}}"#, true),
        (#"{"metadata.age": {"$gt": "4.5e0"}}"#, true),
        (#"{"metadata.junk": {"$gte": 5}}"#, true),
        (#"{"metadata.plan": {"$gt": 0}}"#, false),
        (#"{"metadata.plan": {"$lte": 0}}"#, false),
        (#"{"metadata.empty": {"$lt": 1}}"#, false),
        (#"{"params.stream": {"$gte": 0}}"#, false),
        (#"{"params.null": {"$gte": 0}}"#, false),
        (#"{"params.missing": {"$lt": 1}}"#, false),
        (#"{"params.temperature": {"$lt": "many"}}"#, false),
        (#"{"params.temperature": {"$lt": "Infinity"}}"#, true),
        (#"{"params.temperature": {"$gt": "-Infinity"}}"#, true),
        (#"{"params.temperature": {"$gt": " \t-.5"}}"#, true),
        (#"{"params.temperature": {"$lt": "+1.e"}}"#, true),
        // $in, $nin
        (#"{"metadata.plan": {"$in": ["free", "pro"]}}"#, true),
        (#"{"metadata.plan": {"$in": []}}"#, false),
        (#"{"metadata.age": {"$in": [5]}}"#, false),
        (#"{"metadata.plan": {"$nin": ["free"]}}"#, true),
        (#"{"metadata.plan": {"$nin": ["pro"]}}"#, false),
        (#"{"metadata.missing": {"$in": ["pro"]}}"#, false),
        (#"{"metadata.missing": {"$nin": ["pro"]}}"#, true),
        (#"{"metadata.plan": {"$in": "pro"}}"#, false),
        (#"{"metadata.plan": {"$nin": "free"}}"#, false),
        // $regex
        (#"{"params.model": {"$regex": "4o"}}"#, true),
        (#"{"params.model": {"$regex": "^4o"}}"#, false),
        (#"{"params.model": {"$regex": "^gpt-4o(-mini)?$"}}"#, true),
        (#"{"params.model": {"$regex": "(["}}"#, false),
        (#"{"params.model": {"$regex": 4}}"#, false),
        (#"{"params.missing": {"$regex": "undefined"}}"#, false),
        (#"{"params.missing": {"$regex": ".*"}}"#, false),
        (#"{"params.null": {"$regex": ".*"}}"#, false),
        (#"{"params.object": {"$regex": ".*"}}"#, false),
        (#"{"params.max_tokens": {"$regex": "^10+$"}}"#, true),
        (#"{"params.stream": {"$regex": "true"}}"#, true),
        (#"{"params.model": {"$regex": "^gpt", "$ne": "gpt-4o-mini"}}"#, true),
        (#"{"params.model": {"$ne": "gpt-4o-mini", "$regex": "^gpt"}}"#, false),
        // Several operators, several keys.
        (#"{"params.temperature": {"$gt": 0, "$lt": 1}}"#, true),
        (#"{"params.temperature": {"$gt": 0, "$lt": 0.2}}"#, false),
        (#"{"params.temperature": {}}"#, true),
        (#"{"metadata.plan": "pro", "params.stream": true}"#, true),
        (#"{"metadata.plan": "pro", "params.stream": false}"#, false),
        (#"{}"#, true),
        // $and, $or, together with their siblings.
        (#"{"$and": [{"metadata.plan": "pro"}, {"params.stream": true}]}"#, true),
        (#"{"$and": [{"metadata.plan": "pro"}, {"params.stream": false}]}"#, false),
        (#"{"$or": [{"metadata.plan": "free"}, {"params.stream": true}]}"#, true),
        (#"{"$or": [{"metadata.plan": "free"}, {"params.stream": false}]}"#, false),
        (#"{"$or": [{"params.stream": true}], "metadata.plan": "free"}"#, false),
        (#"{"metadata.plan": "free", "$or": [{"params.stream": true}]}"#, false),
        (#"{"$and": [{"params.stream": true}], "$or": [{"metadata.plan": "free"}]}"#, false),
        (#"{"$or": [{"$and": [{"metadata.plan": "pro"}, {"$or": [{"params.stream": true}]}]}]}"#, true),
        (#"{"$and": []}"#, true),
        (#"{"$or": []}"#, false),
        // Places.
        (#"{"url.pathname": "/v1/chat/completions"}"#, true),
        (#"{"url.pathname": {"$regex": "^/v1/"}}"#, true),
        (#"{"params.messages.0.content": {"$regex": "^Hello"}}"#, true),
        (#"{"params.messages.1.content.0.text": "deep"}"#, true),
        (#"{"params.messages.2.content": {"$ne": "x"}}"#, true),
        (#"{"params.object.a": 1}"#, true),
        (#"{"params.model.length": {"$gt": 0}}"#, false),
        (#"{"header.host": "x"}"#, false),
        (#"{"header.host": {"$ne": "x"}}"#, true),
        (#"{"metadata": {"$ne": 1}}"#, true),
        (#"{"url.host": {"$ne": 1}}"#, true),
        (#"{"": {"$ne": 1}}"#, true),
    ]) func evaluates(query: String, expected: Bool) throws {
        #expect(try isTrue(query) == expected)
    }

    @Test(arguments: [
        (#"{"params.x": {"$like": 1}}"#, "Unsupported operator used in the query router: $like", "/q/params.x/$like"),
        (#"{"params.x": {"a": 1}}"#, "Unsupported operator used in the query router: a", "/q/params.x/a"),
        (#"{"$nor": []}"#, "Unsupported operator used in the query router: $nor", "/q/$nor"),
        (
            #"{"$or": [{}, {"a/b": {"$not": 1}}]}"#, "Unsupported operator used in the query router: $not",
            "/q/$or/1/a~1b/$not"
        ),
        (
            #"{"params.x": {"$regex": "a", "$x": 1}}"#, "Unsupported operator used in the query router: $x",
            "/q/params.x/$x"
        ),
        (#"{"$and": {}}"#, "'$and' needs an array of queries, not an object", "/q/$and"),
        (#"{"$or": [1]}"#, "A query must be an object, not a number", "/q/$or/0"),
        (#"[]"#, "A query must be an object, not an array", "/q"),
        (#"{"params.x": [1]}"#, "A field is compared with a value or operators, not with an array", "/q/params.x"),
    ]) func refuses(query: String, message: String, pointer: String) throws {
        let document = try JSONValue(parsing: query)
        let error = #expect(throws: RoutingError.self) { _ = try Condition(document, at: JSONPointer(["q"])) }
        #expect(error?.message == message)
        #expect(error?.pointer?.description == pointer)
        #expect(error?.status == 400)
        #expect(error?.gatewayError.status == 400)
    }

    @Test(arguments: [
        (#"{"params.x": {"$regex": "(["}}"#, "/params.x/$regex", "not a regular expression, so it never matches: "),
        (#"{"params.x": {"$regex": 1}}"#, "/params.x/$regex", "'$regex' needs a text, not a number: it never matches"),
        (#"{"params.x": {"$in": 1}}"#, "/params.x/$in", "'$in' needs an array, not a number: it never holds"),
        (#"{"params.x": {"$regex": "a", "$eq": 1}}"#, "/params.x/$eq", "ignored: '$regex' before it decides alone"),
        (#"{"header.x": 1}"#, "/header.x", "only metadata.*, params.* and url.pathname exist: this is always missing"),
    ]) func notices(query: String, pointer: String, message: String) throws {
        let notices = try Condition(JSONValue(parsing: query)).notices
        #expect(notices.map(\.pointer.description) == [pointer])
        #expect(notices.first?.message.hasPrefix(message) == true)
    }

    @Test func hasNoticesOnlyForOddities() throws {
        let query = #"{"params.model": {"$ne": 1, "$regex": "a"}, "$or": [{"url.pathname": {"$in": ["/"]}}]}"#
        #expect(try Condition(JSONValue(parsing: query)).notices == [])
    }
}

@Suite struct ConditionalStrategyTests {
    private func condition(_ plan: String) throws -> Condition {
        try Condition(["metadata.plan": .string(plan)])
    }

    private func route(_ cases: [(String, String)]?, default otherwise: String? = nil) throws -> Route {
        let cases = try cases?.map { Route.Case(try condition($0.0), then: $0.1) }
        return try Route(
            .strategy(
                .conditional(cases, default: otherwise),
                [
                    .leaf(0, name: "first"), .leaf(1, name: "second"), .leaf(2),
                    .strategy(.fallback(), name: "chain", [.leaf(3), .leaf(4, name: "inner")]),
                    .leaf(5, name: "second"),
                ]))
    }

    private func targets(_ route: Route, plan: String?, _ statuses: [Int] = [200]) throws(RoutingError) -> [Int] {
        var walk = Walk()
        if let plan { walk.request = ["metadata": ["plan": .string(plan)]] }
        return try walk.run(route, statuses.map { AttemptOutcome(status: $0) }).targets
    }

    @Test func takesTheFirstTrueCaseThenTheDefault() throws {
        let route = try route([("a", "first"), ("b", "second"), ("a", "second")], default: "chain")
        #expect(try targets(route, plan: "a") == [0])
        #expect(try targets(route, plan: "b") == [1])
        #expect(try targets(route, plan: "c") == [3])
        #expect(try targets(route, plan: nil) == [3])
    }

    @Test func emptyConditionsFallToTheDefault() throws {
        #expect(try targets(route([], default: "second"), plan: "a") == [1])
    }

    @Test func aNamedTargetCanBeAStrategy() throws {
        let route = try route([("a", "chain")])
        var walk = Walk(request: ["metadata": ["plan": "a"]])
        let trace = try walk.run(route, 500, 200)
        #expect(trace.paths == ["config.targets[3].targets[0]", "config.targets[3].targets[1]"])
    }

    @Test func anAnswerDoesNotMoveTheRequestOn() throws {
        #expect(try targets(route([("a", "first")], default: "second"), plan: "a", [500]) == [0])
    }

    @Test func saysInPortkeysWordsWhatIsWrong() throws {
        #expect(throws: RoutingError("Query router did not resolve to any valid target")) {
            _ = try targets(route([("a", "first")]), plan: "b")
        }
        #expect(throws: RoutingError("Invalid target name found in the query router: nobody")) {
            _ = try targets(route([("a", "nobody")], default: "first"), plan: "a")
        }
        #expect(throws: RoutingError("Invalid target name found in the query router: gone")) {
            _ = try targets(route([("a", "first")], default: "gone"), plan: "b")
        }
        #expect(throws: RoutingError("No conditions passed in the query router")) {
            _ = try targets(route(nil, default: "first"), plan: "a")
        }
        // Only the strategy's own targets can be named.
        #expect(throws: RoutingError("Invalid target name found in the query router: inner")) {
            _ = try targets(route([("a", "inner")]), plan: "a")
        }
    }

    @Test func aNameThatIsWrongOnlyMattersWhenChosen() throws {
        #expect(try targets(route([("a", "nobody")], default: "first"), plan: "b") == [0])
    }

    @Test func canFailInTheMiddleOfAFallback() throws {
        let conditional = Route.Node.strategy(.conditional([], default: nil), [.leaf(1)])
        let route = try Route(.strategy(.fallback(), [.leaf(0), conditional]))
        #expect(try targets(route, plan: nil, [200]) == [0])
        #expect(throws: RoutingError.noTargetResolved) { _ = try targets(route, plan: nil, [500]) }
    }
}
