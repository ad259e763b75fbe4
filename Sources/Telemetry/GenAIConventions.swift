// GenAIConventions: names, values and bucket bounds of OpenTelemetry's conventions for generative AI
// (https://github.com/open-telemetry/semantic-conventions-genai, docs/gen-ai/gen-ai-metrics.md), in Prometheus's
// spelling: dots become underscores, and the unit is the name's end where it is one.

package enum GenAIConventions {
    /// gen_ai.client.operation.duration
    package static let operationDuration = "gen_ai_client_operation_duration_seconds"
    /// gen_ai.client.token.usage; its unit {token} is an annotation, which Prometheus names leave out.
    package static let tokenUsage = "gen_ai_client_token_usage"
    /// gen_ai.server.time_to_first_token
    package static let timeToFirstToken = "gen_ai_server_time_to_first_token_seconds"
    /// gen_ai.server.time_per_output_token
    package static let timePerOutputToken = "gen_ai_server_time_per_output_token_seconds"

    static let durationBounds = [
        0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
    ]
    static let tokenBounds: [Double] = [
        1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864,
    ]
    static let firstTokenBounds = [
        0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
    ]
    static let outputTokenBounds = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5]

    /// `gen_ai.provider.name` of a provider's slug: where the conventions have a word, it must be used.
    package static func providerName(_ slug: String) -> String {
        switch slug {
        case "azure-openai": "azure.ai.openai"
        case "azure-ai": "azure.ai.inference"
        case "bedrock": "aws.bedrock"
        case "google": "gcp.gemini"
        case "vertex-ai": "gcp.vertex_ai"
        case "mistral-ai": "mistral_ai"
        case "moonshot": "moonshot_ai"
        case "perplexity-ai": "perplexity"
        case "x-ai": "x_ai"
        default: slug
        }
    }
}
