// What an exchange leaves on /metrics.

import Core
import Testing

@testable import Telemetry

private func chat(_ model: String = "gpt-4o", status: Int = 200) -> ExchangeRecord {
    let record = ExchangeRecord(startedAt: 0, method: "POST", path: "/v1/chat/completions", status: status)
    record.endpoint = "chat_completions"
    record.operation = "chat"
    record.provider = "azure-openai"
    record.duration = 1_000_000_000
    record.upstreamDuration = 990_000_000
    record.requestModel = model
    record.attempts = [AttemptRecord(provider: "azure-openai", model: model, status: status, duration: 990_000_000)]
    return record
}

@Suite struct GatewayMetricsTests {
    let metrics = GatewayMetrics(loops: 2, version: "1.2.3")

    private func value(_ series: String) -> String? {
        for line in String(metrics.exposition()).split(separator: "\n") where line.hasPrefix(series + " ") {
            return String(line.dropFirst(series.utf8.count + 1))
        }
        return nil
    }

    private func finish(_ record: ExchangeRecord, loop: Int = 0, times: Int = 1) {
        let recorder = metrics.recorder(loop: loop)
        for _ in 0..<times {
            recorder.exchangeStarted()
            recorder.exchangeFinished(record)
        }
    }

    @Test func recordsAnAnswer() {
        let record = chat()
        record.inputTokens = 10
        record.outputTokens = 101
        record.isStream = true
        record.timeToFirstToken = 190_000_000
        record.cacheStatus = .semanticMiss
        let issuer = ReceiptIssuer(
            check: "default.wordCount", guardrail: "g", plugin: "default", version: "1.0.0", file: "", config: "")
        record.receipts = [
            Receipt(
                issuer: issuer, side: .request, mode: .enforced, attempt: 1, coverage: [], verdict: .timedOut, edits: 0,
                duration: 2_000_000)
        ]
        finish(record)
        let labels =
            "gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"azure.ai.openai\",gen_ai_request_model=\"gpt-4o\""
        #expect(value("gatehouse_requests_total{endpoint=\"chat_completions\",status=\"200\"}") == "1")
        #expect(value("gatehouse_request_duration_seconds_sum{endpoint=\"chat_completions\"}") == "1")
        #expect(value("gatehouse_overhead_seconds_sum{endpoint=\"chat_completions\"}") == "0.01")
        #expect(value("gatehouse_upstream_attempts_total{provider=\"azure-openai\",status=\"200\"}") == "1")
        #expect(value("gatehouse_upstream_duration_seconds_count{provider=\"azure-openai\"}") == "1")
        #expect(value("gen_ai_client_operation_duration_seconds_bucket{\(labels),le=\"0.64\"}") == "0")
        #expect(value("gen_ai_client_operation_duration_seconds_bucket{\(labels),le=\"1.28\"}") == "1")
        #expect(value("gen_ai_client_token_usage_sum{\(labels),gen_ai_token_type=\"input\"}") == "10")
        #expect(value("gen_ai_client_token_usage_sum{\(labels),gen_ai_token_type=\"output\"}") == "101")
        #expect(value("gen_ai_server_time_to_first_token_seconds_sum{\(labels)}") == "0.19")
        #expect(value("gen_ai_server_time_per_output_token_seconds_sum{\(labels)}") == "0.008")
        #expect(value("gatehouse_cache_total{status=\"semantic_miss\"}") == "1")
        #expect(value("gatehouse_guardrail_total{check=\"default.wordCount\",verdict=\"timed_out\"}") == "1")
        #expect(value("gatehouse_guardrail_duration_seconds_sum{check=\"default.wordCount\"}") == "0.002")
        #expect(value("gatehouse_requests_in_flight") == "0")
    }

    @Test func recordsEveryAttempt() {
        let record = chat()
        record.attempts.insert(
            AttemptRecord(provider: "openai", model: "gpt-4o", status: 0, duration: 5, errorKind: .upstreamUnreachable),
            at: 0)
        record.attempts.insert(AttemptRecord(provider: "openai", model: "gpt-4o", status: 503, duration: 5), at: 0)
        finish(record)
        #expect(value("gatehouse_upstream_attempts_total{provider=\"openai\",status=\"503\"}") == "1")
        #expect(value("gatehouse_upstream_attempts_total{provider=\"openai\",status=\"0\"}") == "1")
        // Nobody has seen this model answer there, so that its name is not a label yet.
        let labels = "gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"openai\",gen_ai_request_model=\"other\""
        let name = "gen_ai_client_operation_duration_seconds_count"
        #expect(value("\(name){\(labels),error_type=\"503\"}") == "1")
        #expect(value("\(name){\(labels),error_type=\"upstream_unreachable\"}") == "1")
    }

    @Test func errorsOfKnownModelsKeepTheirName() {
        finish(chat())
        let recorder = metrics.recorder(loop: 1)
        recorder.exchangeFinished(chat())
        recorder.exchangeFinished(chat(status: 429))
        let labels =
            "gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"azure.ai.openai\",gen_ai_request_model=\"gpt-4o\""
        #expect(value("gen_ai_client_operation_duration_seconds_count{\(labels),error_type=\"429\"}") == "1")
    }

    @Test func inventedModelsDoNotBecomeLabels() {
        let recorder = metrics.recorder(loop: 0)
        for number in 0..<2000 { recorder.exchangeFinished(chat("invented-\(number)", status: 404)) }
        #expect(!String(metrics.exposition()).contains("invented"))
        finish(chat("real"))
        #expect(String(metrics.exposition()).contains("gen_ai_request_model=\"real\""))
    }

    @Test func evenRealModelsAreBounded() {
        let recorder = metrics.recorder(loop: 0)
        for number in 0..<5000 { recorder.exchangeFinished(chat("model-\(number)")) }
        let text = String(metrics.exposition())
        #expect(text.utf8.count < 1_000_000)
        #expect(text.contains("gen_ai_request_model=\"other\""))
        #expect(value("gatehouse_requests_total{endpoint=\"chat_completions\",status=\"200\"}") == "5000")
    }

    @Test func aRefusedRequestHasNoOperation() {
        let record = ExchangeRecord(startedAt: 0, method: "GET", path: "/x", status: 404)
        record.errorKind = .notFound
        record.isAborted = true
        finish(record, times: 3)
        #expect(value("gatehouse_requests_total{endpoint=\"unknown\",status=\"404\"}") == "3")
        #expect(value("gatehouse_errors_total{endpoint=\"unknown\",kind=\"not_found\"}") == "3")
        #expect(value("gatehouse_aborted_requests_total") == "3")
        #expect(!String(metrics.exposition()).contains("gen_ai_operation_name"))
    }

    @Test func aCachedAnswerUsesNoTokens() {
        let record = chat()
        record.attempts = []
        record.inputTokens = 10
        record.cacheStatus = .hit
        finish(record)
        #expect(value("gatehouse_cache_total{status=\"hit\"}") == "1")
        #expect(!String(metrics.exposition()).contains("gen_ai_token_type"))
    }

    @Test func oddStatusesAreOther() {
        finish(chat(status: 4711))
        #expect(value("gatehouse_requests_total{endpoint=\"chat_completions\",status=\"other\"}") == "1")
    }

    @Test func showsLostLogLines() throws {
        let writer = try LogWriter(.file("/dev/null"))
        let log = AccessLog(writer: writer)
        metrics.watch(writer)
        #expect(value("gatehouse_log_lines_dropped_total") == "0")
        writer.shutDown()
        log.write(chat())
        #expect(value("gatehouse_log_lines_dropped_total") == "1")
    }

    @Test func connectionsGapsAndProcess() {
        let recorder = metrics.recorder(loop: 1)
        recorder.connectionOpened()
        recorder.connectionOpened()
        recorder.connectionClosed()
        recorder.loopStalled()
        recorder.interTokenGaps(provider: "openai").observe(nanoseconds: 3_000_000)
        metrics.pluginGenerationsResident(4)
        metrics.configReloaded(succeeded: true, now: 5_000_000_000)
        metrics.configReloaded(succeeded: false)
        #expect(value("gatehouse_open_connections") == "1")
        #expect(value("gatehouse_loop_stalls_total") == "1")
        #expect(value("gatehouse_inter_token_seconds_bucket{provider=\"openai\",le=\"0.005\"}") == "1")
        #expect(value("gatehouse_plugin_generations_resident") == "4")
        #expect(value("gatehouse_config_reloads_total{result=\"failure\"}") == "1")
        #expect(value("gatehouse_config_last_reload_success_timestamp_seconds") == "5")
        #expect(value("gatehouse_build_info{version=\"1.2.3\"}") == "1")
        #expect(value("process_resident_memory_bytes").flatMap(Double.init).map { $0 > 1_000_000 } == true)
        #expect(value("process_open_fds").flatMap(Double.init).map { $0 > 2 } == true)
        #expect(value("process_cpu_seconds_total") != nil)
    }

    /// The rules of the format that promtool checks: each family once, HELP before TYPE before samples, no sample
    /// twice.
    @Test func theWholePageIsWellFormed() {
        finish(chat())
        finish(chat("a\"b\\c\nd"))
        var families: Set<String> = []
        var samples: Set<String> = []
        var present = ""
        for line in String(metrics.exposition()).split(separator: "\n", omittingEmptySubsequences: true) {
            let words = line.split(separator: " ", maxSplits: 3)
            if line.hasPrefix("# HELP ") {
                present = String(words[2])
                #expect(families.insert(present).inserted)
                #expect(words.count == 4)
            } else if line.hasPrefix("# TYPE ") {
                #expect(words[2] == present)
                if words[3] == "counter" { #expect(present.hasSuffix("_total")) }
            } else {
                #expect(line.hasPrefix(present))
                let end = line.lastIndex(of: " ") ?? line.startIndex
                #expect(samples.insert(String(line[..<end])).inserted)
                #expect(Double(line[line.index(after: end)...]) != nil)
            }
        }
        #expect(families.count > 15)
    }
}

@Suite struct LabelTableTests {
    @Test func findsWhatWasAdded() {
        var table = LabelTable<Int>(limit: 300)
        for number in 0..<300 {
            table.add(number, for: "a\(number % 7)", "provider", String(repeating: "m", count: number))
        }
        for number in 0..<300 {
            #expect(table.find("a\(number % 7)", "provider", String(repeating: "m", count: number)) == number)
        }
        #expect(table.isFull)
        #expect(table.find("a1", "provider", "other") == nil)
        #expect(table.find("") == nil)
    }
}
