// GatewayMetrics: the catalogue of what the gateway itself measures. Whatever stands on /metrics and comes from no
// plugin is defined here, once; LoopMetrics.swift records it.

package import Core

/// The registry with typed handles. One for the process; any thread.
package struct GatewayMetrics: Sendable {
    package let registry: Metrics
    /// What plugins define (gh.metrics/1).
    package let plugins: PluginMetrics

    // One request of a client.
    let requests: Counter
    let requestDuration: Histogram
    let overhead: Histogram
    let errors: Counter
    let aborted: Counter
    let inFlight: Gauge
    let openConnections: Gauge

    // One try at one target.
    let attempts: Counter
    let upstreamDuration: Histogram
    let operationDuration: Histogram
    let tokenUsage: Histogram
    let tokens: Counter
    let cost: Counter
    let unpriced: Counter
    let timeToFirstToken: Histogram
    let timePerOutputToken: Histogram
    let interToken: Histogram

    // What stands beside the path.
    let cache: Counter
    let guardrails: Counter
    let guardrailDuration: Histogram
    let guardrailUnseen: Counter
    let guardrailStreamDelay: Histogram
    let loopStalls: Counter
    private let pluginGenerations: Gauge
    private let retiredInstances: Gauge
    private let reloads: Counter
    private let lastReload: Gauge

    /// - Parameter loops: how many event loops will record.
    package init(loops: Int, version: String) {
        let registry = Metrics(loops: loops)
        self.registry = registry
        plugins = PluginMetrics(registry: registry)

        requests = registry.counter(
            "gatehouse_requests_total", "Requests answered, by endpoint and the status that the client got.",
            labels: ["endpoint", "status"], limit: 600)
        requestDuration = registry.histogram(
            "gatehouse_request_duration_seconds", "From the first byte of the request to the last byte of the answer.",
            bounds: [
                0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320,
            ],
            labels: ["endpoint"])
        overhead = registry.histogram(
            "gatehouse_overhead_seconds",
            "What the gateway added to a request: its duration without the waits for the upstream and for the client.",
            bounds: [
                0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5,
            ],
            labels: ["endpoint"])
        errors = registry.counter(
            "gatehouse_errors_total", "Requests that ended in an error, by its kind.", labels: ["endpoint", "kind"],
            limit: 600)
        aborted = registry.counter(
            "gatehouse_aborted_requests_total", "Requests whose client was gone before the answer was complete.")
        inFlight = registry.gauge("gatehouse_requests_in_flight", "Requests that are being worked on.")
        openConnections = registry.gauge("gatehouse_open_connections", "Connections of clients that are open.")

        attempts = registry.counter(
            "gatehouse_upstream_attempts_total",
            "Tries at an upstream, by provider and its status; 0 where no status came.",
            labels: ["provider", "status"],
            limit: 600)
        upstreamDuration = registry.histogram(
            "gatehouse_upstream_duration_seconds", "From the start of an attempt to its end.",
            bounds: GenAIConventions.durationBounds + [163.84, 327.68], labels: ["provider"])
        let operation: [MetricLabel] = [
            "gen_ai_operation_name", "gen_ai_provider_name", .open("gen_ai_request_model"),
        ]
        operationDuration = registry.histogram(
            GenAIConventions.operationDuration, "GenAI operation duration.", bounds: GenAIConventions.durationBounds,
            labels: operation + ["error_type"])
        tokenUsage = registry.histogram(
            GenAIConventions.tokenUsage, "Number of input and output tokens used.",
            bounds: GenAIConventions.tokenBounds, labels: operation + ["gen_ai_token_type"])
        tokens = registry.counter(
            "gatehouse_tokens_total",
            "Tokens that providers charge for, by type: input (cached and cache_write are parts of it), output (reasoning "
                + "is part of it).",
            labels: ["provider", .open("model"), "type"], limit: 1000)
        cost = registry.amounts(
            "gatehouse_cost_usd_total", "What answers cost, in US dollars, as far as their models have prices.",
            labels: ["provider", .open("model")])
        unpriced = registry.counter(
            "gatehouse_unpriced_answers_total", "Answers that cost something unknown: the model has no price.",
            labels: ["provider", .open("model")])
        timeToFirstToken = registry.histogram(
            GenAIConventions.timeToFirstToken, "Time to generate the first token of successful answers.",
            bounds: GenAIConventions.firstTokenBounds, labels: operation)
        timePerOutputToken = registry.histogram(
            GenAIConventions.timePerOutputToken, "Time per output token after the first, of successful answers.",
            bounds: GenAIConventions.outputTokenBounds, labels: operation)
        interToken = registry.histogram(
            "gatehouse_inter_token_seconds", "Time between two pieces of a streamed answer, as they arrive.",
            bounds: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1, 2.5, 5],
            labels: ["provider"])

        cache = registry.counter(
            "gatehouse_cache_total", "Requests that a cache was configured for, by what it had to say.",
            labels: ["status"])
        guardrails = registry.counter(
            "gatehouse_guardrail_total", "Checks that were run, by check and verdict.", labels: ["check", "verdict"],
            limit: 600)
        guardrailDuration = registry.histogram(
            "gatehouse_guardrail_duration_seconds", "How long a check took in one request, over all its runs.",
            bounds: [0.00001, 0.0001, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
            labels: ["check"])
        guardrailUnseen = registry.counter(
            "gatehouse_guardrail_unseen_total", "Runs of a check that did not see all that there was to see.",
            labels: ["check"])
        guardrailStreamDelay = registry.histogram(
            "gatehouse_guardrail_stream_delay_seconds",
            "How long a check held a streamed event back: the first of its stream, and those that follow.",
            bounds: [0.00001, 0.0001, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
            labels: ["check", "event"])
        loopStalls = registry.counter(
            "gatehouse_loop_stalls_total", "Times an event loop's thread was busy for so long that requests felt it.")
        pluginGenerations = registry.gauge(
            "gatehouse_plugin_generations_resident", "Loaded plugin libraries, those of replaced generations included.")
        retiredInstances = registry.gauge(
            "gatehouse_plugin_instances_retired", "Instances of replaced generations that something still holds.")
        reloads = registry.counter(
            "gatehouse_config_reloads_total", "Times a new configuration was tried.", labels: ["result"])
        lastReload = registry.gauge(
            "gatehouse_config_last_reload_success_timestamp_seconds", "When the present configuration took effect.")
        registry.gauge("gatehouse_build_info", "Always 1.", labels: ["version"]).set(1, version)
        ProcessMetrics.define(in: registry)
    }

    /// The recorder of one event loop. Call it once for each, and let only that loop's thread use what it gives.
    package func recorder(loop: Int) -> LoopMetrics { LoopMetrics(self, loop: loop) }

    package func pluginGenerationsResident(_ count: Int) { pluginGenerations.set(Int64(count)) }

    package func pluginInstancesRetired(_ count: Int) { retiredInstances.set(Int64(count)) }

    package func configReloaded(succeeded: Bool, now: Int64 = WallClock.now()) {
        reloads.add(1, succeeded ? "success" : "failure")
        if succeeded { lastReload.set(now / 1_000_000_000) }
    }

    /// Shows what the log writers lost. Call it once.
    package func watch(_ writers: LogWriter...) {
        registry.counter("gatehouse_log_lines_dropped_total", "Log lines that were lost because nobody took them.") {
            writers.reduce(0) { $0 + Double($1.statistics.droppedLines) }
        }
    }

    /// What /metrics answers, with `MetricsExposition.contentType`.
    package func exposition() -> Bytes { registry.exposition() }
}
