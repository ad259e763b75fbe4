import Config
import Core
import Testing

@Suite struct InterpolationTests {
    private static let environment = ["NAME": "word", "EMPTY": "", "ODD": "${NAME}", "PORT": "9000"]

    @Test(
        "Variables, defaults and escapes",
        arguments: [
            ("plain", "plain"), ("${NAME}", "word"), ("a${NAME}b${NAME}", "awordbword"), ("${NONE:-other}", "other"),
            ("${EMPTY:-other}", "other"), ("${EMPTY}", ""), ("${NONE:-}", ""), ("${NAME:-other}", "word"),
            ("$${NAME}", "${NAME}"), ("$$${NAME}", "$${NAME}"), ("$NAME", "$NAME"), ("cost: 5$", "cost: 5$"),
            ("${ODD}", "${NAME}"), ("${NONE:-a:-b}", "a:-b"), ("$", "$"), ("^a$|${NAME}$", "^a$|word$"),
            ("${secret:a-b}", "${secret:a-b}"), ("${NAME}${secret:NAME}", "word${secret:NAME}"),
        ])
    func expands(_ text: String, _ expected: String) {
        var interpolation = Interpolation(environment: { Self.environment[$0] })
        #expect(interpolation.apply(to: ["${NAME}": .string(text)]) == ["${NAME}": .string(expected)])
        #expect(interpolation.issues.isEmpty)
    }

    @Test(
        "Faults",
        arguments: [
            ("${NONE}", "the environment has no variable NONE; ${NONE:-…} gives a default"),
            ("${NAME", "'${' has no '}'; write '$${' for a plain '${'"),
            ("${}", "'${}' is not '${NAME}' or '${NAME:-default}'; write '$${' for a plain '${'"),
            ("${1A}", "'${1A}' is not '${NAME}' or '${NAME:-default}'; write '$${' for a plain '${'"),
            ("${A:=b}", "'${A:=b}' is not '${NAME}' or '${NAME:-default}'; write '$${' for a plain '${'"),
            ("${secret:}", "'${secret:}' is not '${NAME}' or '${NAME:-default}'; write '$${' for a plain '${'"),
            ("${NONE:-${NAME}}", "the default of ${NONE} cannot hold another '${'"),
        ])
    func faults(_ text: String, _ expected: String) {
        var interpolation = Interpolation(environment: { Self.environment[$0] })
        _ = interpolation.apply(to: ["a": [1, .string(text)]])
        #expect(interpolation.issues.map(\.message) == [expected])
        #expect(interpolation.issues.map(\.pointer) == [JSONPointer(["a", "1"])])
    }

    @Test("A missing variable is one error, with its line")
    func missing() {
        #expect(
            errors("listen:\n  port: ${PORT}\n  address: ${ADDRESS}\n") == [
                "test.yaml:2:9: /listen/port: the environment has no variable PORT; ${PORT:-…} gives a default",
                "test.yaml:3:12: /listen/address: the environment has no variable ADDRESS; ${ADDRESS:-…} gives a default",
            ])
    }

    @Test("Where a number or a boolean is wanted the string is read as one; elsewhere it stays a string")
    func types() throws {
        let text = """
            listen: {port: "${PORT}"}
            limits: {body_bytes: "${SIZE}"}
            metrics: {enabled: "${ON}"}
            providers:
              a: {provider: openai, api_key: "${PORT}", api_version: "${PORT}"}
            configs:
              c: {provider: "@a", request_timeout: "${PORT}", override_params: {max_tokens: "${PORT}"}}
            """
        let environment = ["PORT": "9000", "SIZE": "2MiB", "ON": "false"]
        let config = try snapshot(text, environment: environment)
        #expect(config.listen.port == 9_000)
        #expect(config.limits.bodyBytes == 2 << 20)
        #expect(config.metrics.enabled == false)
        #expect(config.providers["a"]?.apiKey?.reveal() == "9000")
        #expect(config.providers["a"]?.options == JSONObject([("api_version", "9000")]))
        #expect(config.configs["c"]?.targets[0].requestTimeoutMilliseconds == 9_000)
        #expect(config.configs["c"]?.targets[0].overrideParams == JSONObject([("max_tokens", "9000")]))
    }

    @Test("What the environment says is not shown in errors: it may be a secret in the wrong place")
    func hidden() {
        #expect(
            errors("listen: {port: \"${KEY}\"}", environment: ["KEY": "sk-secret"]) == [
                "test.yaml:1:16: /listen/port: expected an integer from 0 to 65535, found what ${KEY} says"
            ])
    }
}
