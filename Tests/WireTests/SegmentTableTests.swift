import Core
import Testing

@testable import Wire

@Suite struct SegmentTableTests {
    // MARK: Chat requests

    @Test func findsMessagesOfAllRoles() throws {
        let lines = try requestLines(
            .chatCompletions,
            """
            {"model":"m","messages":[
              {"role":"system","content":"s"}, {"role":"developer","content":"d"},
              {"content":"role behind","role":"user","name":"bob"}, {"role":"assistant","content":null,"refusal":"no"},
              {"role":"tool","tool_call_id":"c1","content":"result"}, {"role":"function","name":"f","content":"r2"}, {"role":"x","content":"y"}
            ]}
            """)
        #expect(
            lines == [
                "text system 0 /messages/0/content: s", "text system 1 /messages/1/content: d",
                "text user 2 /messages/2/content: role behind", "other user 2 /messages/2/name: bob",
                "text assistant 3 /messages/3/refusal: no", "toolResult tool 4 /messages/4/content: result",
                "other tool 5 /messages/5/name: f", "toolResult tool 5 /messages/5/content: r2",
                "text none 6 /messages/6/content: y",
            ])
    }

    @Test func findsPartsOfContent() throws {
        let body = """
            {"messages":[{"role":"user","content":[
              {"type":"text","text":"t"}, {"type":"input_text","text":"u"}, {"type":"refusal","refusal":"r"},
              {"type":"image_url","image_url":{"url":"https://e.x/a.png","detail":"low"}},
              {"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}, {"type":"image_url","image_url":"https://e.x/b"},
              {"type":"input_audio","input_audio":{"format":"mp3","data":"BBBB"}},
              {"type":"file","file":{"filename":"a b.pdf","file_data":"data:application/pdf;base64,CCCC"}}, {"type":"file","file":{"file_id":"f1"}},
              "bare", {"type":"new","body":{"deep":["x"]}}
            ]}]}
            """
        let at = "/messages/0/content"
        #expect(
            try requestLines(.chatCompletions, body) == [
                "text user 0 \(at)/0/text: t", "text user 0 \(at)/1/text: u", "text user 0 \(at)/2/refusal: r",
                "image user 0 \(at)/3/image_url/url: https://e.x/a.png",
                "image user 0 \(at)/4/image_url/url: data:image/png;base64,AAAA",
                "image user 0 \(at)/5/image_url: https://e.x/b", "audio user 0 \(at)/6/input_audio/data: BBBB",
                "other user 0 \(at)/7/file/filename: a b.pdf",
                "file user 0 \(at)/7/file/file_data: data:application/pdf;base64,CCCC",
                "file user 0 \(at)/8/file/file_id: f1",
                "text user 0 \(at)/9: bare", "other user 0 \(at)/10/body/deep/0: x",
            ])
        let segments = try SegmentTable.request(.chatCompletions, Bytes(body))
        #expect(
            segments.map(\.mediaType) == [
                nil, nil, nil, nil, "image/png", nil, "audio/mpeg", nil, "application/pdf", nil, nil, nil,
            ])
        let binary = segments.map { $0.flags & Segment.Flags.binary != 0 }
        #expect(binary == [false, false, false, false, true, false, true, false, true, true, false, false])
        #expect(segments.map(\.id) == Array(0..<12))
    }

    @Test func findsTheStringsInArguments() throws {
        let body = #"""
            {"messages":[{"role":"assistant","tool_calls":[
              {"id":"c1","type":"function","function":{"arguments":"{\"to\":\"bob\",\"n\":3,\"tags\":[\"a\\nb\",{\"x/y~\":\"\u00e9\"}],\"e\":\"\"}","name":"mail"}},
              {"id":"c2","type":"function","function":{"name":"broken","arguments":"{\"to\":"}},
              {"id":"c3","type":"function","function":{"name":"empty","arguments":""}},
              {"id":"c4","type":"function","function":{"name":"none","arguments":"{}"}},
              {"id":"c5","type":"custom","custom":{"name":"shell","input":"ls -l"}}
            ]},{"role":"assistant","function_call":{"name":"old","arguments":"{\"q\":\"v\"}"}}]}
            """#
        let at = "/messages/0/tool_calls"
        #expect(
            try requestLines(.chatCompletions, body) == [
                "toolArguments assistant 0 \(at)/0/function/arguments/to: bob",
                "toolArguments assistant 0 \(at)/0/function/arguments/tags/0: a\nb",
                "toolArguments assistant 0 \(at)/0/function/arguments/tags/1/x~1y~0: é",
                "toolArguments assistant 0 \(at)/0/function/arguments/e: ",
                "toolArguments assistant 0 \(at)/1/function/arguments: {\"to\":",
                "toolArguments assistant 0 \(at)/4/custom/input: ls -l",
                "toolArguments assistant 1 /messages/1/function_call/arguments/q: v",
            ])
        let names = try SegmentTable.request(.chatCompletions, Bytes(body)).map(\.name)
        #expect(names == ["mail", "mail", "mail", "mail", "broken", "shell", "old"])
    }

    @Test func findsDescriptionsOfTools() throws {
        let body = """
            {"tools":[{"type":"function","function":{"name":"w","description":"Weather","strict":true,"parameters":{
              "type":"object","description":"Args","required":["city"],"properties":{
                "city":{"type":"string","description":"City name","examples":["Bonn"],"enum":["Bonn","Rome"],"format":"city"},
                "description":{"type":"string","title":"A title"}},
              "$defs":{"type":{"type":"string","description":"in defs"}}}}},
             {"type":"custom","custom":{"name":"c","description":"Free","format":{"type":"grammar","grammar":{"syntax":"lark","definition":"start: x"}}}}],
             "functions":[{"name":"old","description":"Old one","parameters":{"type":"object","properties":{"a":{"type":"say this aloud","description":"A"}}}}]}
            """
        let at = "/tools/0/function/parameters"
        #expect(
            try requestLines(.chatCompletions, body) == [
                "toolSchema none 0 /tools/0/function/description: Weather", "toolSchema none 0 \(at)/description: Args",
                "toolSchema none 0 \(at)/properties/city/description: City name",
                "toolSchema none 0 \(at)/properties/city/examples/0: Bonn",
                "toolSchema none 0 \(at)/properties/city/enum/0: Bonn",
                "toolSchema none 0 \(at)/properties/city/enum/1: Rome",
                "toolSchema none 0 \(at)/properties/description/title: A title",
                "toolSchema none 0 \(at)/$defs/type/description: in defs",
                "toolSchema none 0 /tools/1/custom/description: Free",
                "toolSchema none 0 /tools/1/custom/format/grammar/definition: start: x",
                "toolSchema none 0 /functions/0/description: Old one",
                "toolSchema none 0 /functions/0/parameters/properties/a/type: say this aloud",
                "toolSchema none 0 /functions/0/parameters/properties/a/description: A",
            ])
        #expect(try SegmentTable.request(.chatCompletions, Bytes(body)).map(\.name).prefix(3) == ["w", "w", "w"])
    }

    @Test func findsTheRestOfAChatRequest() throws {
        let lines = try requestLines(
            .chatCompletions,
            """
            {"model":"gpt-4o","stream":true,"user":"bob@example.com","metadata":{"a":"b"},"seed":1,"logit_bias":{"1":2},"tool_choice":"auto",
             "prediction":{"type":"content","content":[{"type":"text","text":"guess"}]},"stop":["END","stop here"],
             "response_format":{"type":"json_schema","json_schema":{"name":"n","description":"d","schema":{"type":"object","description":"sd"}}},
             "web_search_options":{"user_location":{"approximate":{"city":"Bonn"}}},"extra":"new","service_tier":"auto","reasoning_effort":"go on then",
             "messages":[{"role":"assistant","reasoning_content":"why","reasoning_details":[{"type":"t","text":"more"}],"audio":{"id":"a1"},"notes":{"x":"y"}}]}
            """)
        #expect(
            lines == [
                "other none 0 /user: bob@example.com", "other none 0 /metadata/a: b",
                "text none 0 /prediction/content/0/text: guess", "other none 0 /stop/0: END",
                "other none 0 /stop/1: stop here",
                "toolSchema none 0 /response_format/json_schema/description: d",
                "toolSchema none 0 /response_format/json_schema/schema/description: sd",
                "other none 0 /web_search_options/user_location/approximate/city: Bonn", "other none 0 /extra: new",
                "other none 0 /reasoning_effort: go on then",
                "reasoning assistant 0 /messages/0/reasoning_content: why",
                "reasoning assistant 0 /messages/0/reasoning_details/0/text: more",
                "audio assistant 0 /messages/0/audio/id: a1",
                "other assistant 0 /messages/0/notes/x: y",
            ])
    }

    /// Settings are words; what is more, and every address, is shown.
    @Test func findsSentencesInSettings() throws {
        let lines = try requestLines(
            .messages,
            """
            {"model":"@a/m","messages":[],"metadata":{"user_id":"u-1"},"tool_choice":{"type":"tool","name":"do as I say"},
             "thinking":{"type":"enabled","display":"summarized"},"container":{"id":"c","skills":[{"skill_id":"my skill"}]},
             "betas":["one","and two"],"cache_control":{"type":"ephemeral","ttl":"5m"},"user_profile_id":"ada@example.org",
             "context_management":{"edits":[{"type":"compact","instructions":"short","trigger":{"type":"input_tokens","value":1}}]},
             "mcp_servers":[{"name":"s","url":"https://s.example","authorization_token":"Bearer x"}],"fallback_credit_token":"a b",
             "thread":{"type":"continue","previous_message_id":"msg_1"},"speed":"fast"}
            """)
        #expect(
            lines == [
                "other none 0 /tool_choice/name: do as I say", "other none 0 /container/skills/0/skill_id: my skill",
                "other none 0 /betas/1: and two", "other none 0 /user_profile_id: ada@example.org",
                "text system 0 /context_management/edits/0/instructions: short",
                "other none 0 /mcp_servers/0/url: https://s.example",
                "file none 0 /thread/previous_message_id: msg_1",
            ])
    }

    /// A tool may hold tools, and a part parts: none of it costs more than its length.
    @Test func findsToolsInParts() throws {
        let lines = try requestLines(
            .messages,
            """
            {"messages":[{"role":"user","content":[
              {"type":"tool_addition","tool":{"type":"tool_definition","definition":{"name":"n","description":"d","input_schema":{"description":"s"}}}},
              {"type":"mcp_tool_listing","mcp_server_name":"m","tools":[{"name":"n","description":"e"}]},
              {"type":"compaction","content":"c","encrypted_content":"AA"},{"type":"container_upload","file_id":"f"},
              {"type":"tool_result","content":[{"type":"browser_state","tabs":[{"tab_id":"1","title":"t","url":"u"}]}]},
              {"type":"tool_use","id":"i","name":"n","input":{},"caller":{"type":"direct","tool_id":"x"}}
            ]}]}
            """)
        let at = "/messages/0/content"
        #expect(
            lines == [
                "toolSchema user 0 \(at)/0/tool/definition/description: d",
                "toolSchema user 0 \(at)/0/tool/definition/input_schema/description: s",
                "toolSchema user 0 \(at)/1/tools/0/description: e", "text user 0 \(at)/2/content: c",
                "file user 0 \(at)/2/encrypted_content: AA", "file user 0 \(at)/3/file_id: f",
                "toolResult tool 0 \(at)/4/content/0/tabs/0/title: t",
                "other tool 0 \(at)/4/content/0/tabs/0/url: u",
            ])
    }

    // MARK: Prompts and inputs

    @Test(arguments: [
        (#"{"prompt":"p","suffix":"s"}"#, ["text user 0 /prompt: p", "text user 0 /suffix: s"]),
        (#"{"prompt":["a","b"]}"#, ["text user 0 /prompt/0: a", "text user 0 /prompt/1: b"]),
        (#"{"prompt":[1,2 , 3]}"#, ["tokenIDs user 0 /prompt: [1,2 , 3]"]),
        (#"{"prompt":[[1,2],[3]]}"#, ["tokenIDs user 0 /prompt/0: [1,2]", "tokenIDs user 0 /prompt/1: [3]"]),
        (#"{"prompt":[]}"#, []), (#"{"prompt":null}"#, []),
    ])
    func findsPrompts(_ body: String, _ lines: [String]) throws {
        #expect(try requestLines(.completions, body) == lines)
        let input = body.replacing("prompt", with: "input").replacing(",\"suffix\":\"s\"", with: "")
        let expected = lines.filter { !$0.contains("suffix") }.map { $0.replacing("/prompt", with: "/input") }
        #expect(try requestLines(.embeddings, input) == expected)
    }

    @Test func marksTokensAsReadOnly() throws {
        let segment = try #require(try SegmentTable.request(.embeddings, "{\"input\":[1,2]}").first)
        #expect(segment.flags == Segment.Flags.readOnly && segment.depth == 0 && !segment.isEscaped)
    }

    @Test func findsPartsInEmbeddingInputs() throws {
        #expect(
            try requestLines(
                .embeddings, #"{"input":[{"text":"t"},{"image_url":{"url":"u"}}],"encoding_format":"float"}"#) == [
                    "text user 0 /input/0/text: t", "image user 0 /input/1/image_url/url: u",
                ])
    }

    // MARK: Messages

    @Test func findsAMessagesRequest() throws {
        let body = #"""
            {"model":"c","max_tokens":5,"system":"sys","metadata":{"user_id":"u"},"stop_sequences":["X"],"messages":[
              {"role":"user","content":"hi"},
              {"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"c2ln"},{"type":"redacted_thinking","data":"ZGF0"},
                {"type":"text","text":"t","citations":[{"type":"char_location","cited_text":"cited","document_title":"dt"}]},
                {"type":"tool_use","id":"tu","name":"get","input":{"a":"v","n":[1,"w"]}}]},
              {"role":"user","content":[
                {"type":"tool_result","tool_use_id":"tu","content":"plain"},
                {"type":"tool_result","tool_use_id":"tu","content":[{"type":"text","text":"block"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"QQ=="}}]},
                {"type":"document","title":"T","context":"C","source":{"type":"text","media_type":"text/plain","data":"doc text"}},
                {"type":"document","source":{"data":"UERG","media_type":"application/pdf","type":"base64"}},
                {"type":"document","source":{"type":"url","url":"https://e.x/d.pdf"}},
                {"type":"document","source":{"type":"content","content":[{"type":"text","text":"inner"}]}},
                {"type":"image","source":{"type":"url","url":"https://e.x/i"}},
                {"type":"search_result","source":"https://e.x","title":"ST","content":[{"type":"text","text":"found"}]}]}],
             "tools":[{"name":"get","description":"Gets","input_schema":{"type":"object","properties":{"a":{"type":"string","description":"the a"}}}}],
             "mcp_servers":[{"type":"url","url":"https://m.x","name":"m","authorization_token":"secret"}]}
            """#
        let third = "/messages/2/content"
        #expect(
            try requestLines(.messages, body) == [
                "text system 0 /system: sys", "other none 0 /stop_sequences/0: X",
                "text user 0 /messages/0/content: hi",
                "reasoning assistant 1 /messages/1/content/0/thinking: hm",
                "reasoning assistant 1 /messages/1/content/1/data: ZGF0",
                "text assistant 1 /messages/1/content/2/text: t",
                "text assistant 1 /messages/1/content/2/citations/0/cited_text: cited",
                "text assistant 1 /messages/1/content/2/citations/0/document_title: dt",
                "toolArguments assistant 1 /messages/1/content/3/input/a: v",
                "toolArguments assistant 1 /messages/1/content/3/input/n/1: w",
                "toolResult tool 2 \(third)/0/content: plain", "toolResult tool 2 \(third)/1/content/0/text: block",
                "image tool 2 \(third)/1/content/1/source/data: QQ==", "text user 2 \(third)/2/title: T",
                "text user 2 \(third)/2/context: C",
                "text user 2 \(third)/2/source/data: doc text", "file user 2 \(third)/3/source/data: UERG",
                "file user 2 \(third)/4/source/url: https://e.x/d.pdf",
                "text user 2 \(third)/5/source/content/0/text: inner",
                "image user 2 \(third)/6/source/url: https://e.x/i", "other user 2 \(third)/7/source: https://e.x",
                "text user 2 \(third)/7/title: ST", "text user 2 \(third)/7/content/0/text: found",
                "toolSchema none 0 /tools/0/description: Gets",
                "toolSchema none 0 /tools/0/input_schema/properties/a/description: the a",
                "other none 0 /mcp_servers/0/url: https://m.x",
            ])
        let segments = try SegmentTable.request(.messages, Bytes(body))
        #expect(segments.first { $0.kind == .toolArguments }?.name == "get")
        #expect(segments.first { $0.pointer.hasSuffix("/3/source/data") }?.mediaType == "application/pdf")
        #expect(segments.first { $0.pointer.hasSuffix("/3/source/data") }?.flags == Segment.Flags.binary)
        #expect(segments.first { $0.pointer.hasSuffix("/2/source/data") }?.flags == 0)
    }

    @Test func findsSystemBlocks() throws {
        #expect(
            try requestLines(
                .messages,
                #"{"system":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}},{"type":"text","text":"b"}]}"#
            )
                == ["text system 0 /system/0/text: a", "text system 0 /system/1/text: b"])
    }

    // MARK: Answers

    @Test func findsAChatAnswer() {
        let lines = responseLines(
            .chatCompletions,
            #"""
            {"id":"x","object":"chat.completion","created":1,"model":"m","system_fingerprint":"f","usage":{"prompt_tokens":1},"choices":[
              {"message":{"role":"assistant","content":"hello","reasoning_content":"why","reasoning":"r","refusal":null,
                "tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"a\":\"b\"}"}}],
                "audio":{"id":"a","data":"AAAA","transcript":"said","expires_at":1}},"finish_reason":"stop","index":1,"logprobs":null},
              {"index":0,"message":{"role":"assistant","refusal":"no"}}],"citations":["https://e.x"]}
            """#)
        #expect(
            lines == [
                "text assistant 1 /choices/0/message/content: hello",
                "reasoning assistant 1 /choices/0/message/reasoning_content: why",
                "reasoning assistant 1 /choices/0/message/reasoning: r",
                "toolArguments assistant 1 /choices/0/message/tool_calls/0/function/arguments/a: b",
                "audio assistant 1 /choices/0/message/audio/data: AAAA",
                "text assistant 1 /choices/0/message/audio/transcript: said",
                "text assistant 0 /choices/1/message/refusal: no", "other assistant 0 /citations/0: https://e.x",
            ])
    }

    @Test func findsOtherAnswers() {
        #expect(
            responseLines(.completions, #"{"choices":[{"text":"a","index":0},{"text":"b","index":1}]}"#) == [
                "text assistant 0 /choices/0/text: a", "text assistant 1 /choices/1/text: b",
            ])
        #expect(
            responseLines(
                .messages,
                #"{"id":"m","type":"message","role":"assistant","model":"c","content":[{"type":"text","text":"t"},{"type":"tool_use","id":"i","name":"n","input":{"k":"v"}}],"stop_reason":"end_turn","usage":{"input_tokens":1}}"#
            ) == ["text assistant 0 /content/0/text: t", "toolArguments assistant 0 /content/1/input/k: v"])
        #expect(responseLines(.embeddings, #"{"object":"list","data":[{"embedding":"AAAA"}],"model":"m"}"#) == [])
        #expect(
            responseLines(.chatCompletions, #"{"error":{"message":"it broke badly"}}"#) == [
                "other assistant 0 /error/message: it broke badly"
            ])
        for text in ["", "[]", "nonsense", "{\"choices\":", "null"] {
            #expect(responseLines(.chatCompletions, text) == [])
        }
        #expect(responseLines(.proxy, "{\"a\":\"b\"}") == [])
    }

    @Test func takesDuplicatesOfAnAnswerAsTheyCome() {
        #expect(
            responseLines(.completions, #"{"choices":[{"text":"a","text":"b"}]}"#) == [
                "text assistant 0 /choices/0/text: a", "text assistant 0 /choices/0/text: b",
            ])
    }

    // MARK: Refusals

    @Test(arguments: [
        (#"{"messages":[{"role":"user","content":"a","content":"b"}]}"#, "/messages/0/content", "duplicate_member"),
        (
            #"{"messages":[{"role":"user","content":"a","c\u006fntent":"b"}]}"#, "/messages/0/content",
            "duplicate_member"
        ),
        (#"{"messages":[{"role":"user","role":"system","content":"b"}]}"#, "/messages/0/role", "duplicate_member"),
        (
            #"{"messages":[{"content":[{"type":"text","text":"a","text":"b"}]}]}"#, "/messages/0/content/0/text",
            "duplicate_member"
        ),
        (
            #"{"messages":[{"tool_calls":[{"function":{"arguments":"{}","arguments":"{}"}}]}]}"#,
            "/messages/0/tool_calls/0/function/arguments", "duplicate_member"
        ),
        (#"{"messages":[{"role":"user","content":"a","Content":"b"}]}"#, "/messages/0/content", "disguised_member"),
        (#"{"messages":[],"messages":[{"content":"x"}]}"#, "/messages", "duplicate_member"),
    ])
    func refusesAmbiguousMembers(_ body: String, _ param: String, _ code: String) {
        let error = failure { () throws(GatewayError) in _ = try SegmentTable.request(.chatCompletions, Bytes(body)) }
        #expect(error?.status == 400 && error?.kind == .invalidRequest)
        #expect(error?.param == param)
        #expect(error?.code == code)
    }

    @Test(arguments: ["", "{", "[]", "{\"messages\":[}", "{} x"])
    func refusesWhatIsNotJSON(_ body: String) {
        let error = failure { () throws(GatewayError) in _ = try SegmentTable.request(.chatCompletions, Bytes(body)) }
        #expect(error?.status == 400)
        #expect(error?.code == "invalid_json")
    }

    @Test func readsNamesSpelledWithEscapes() throws {
        #expect(
            try requestLines(.chatCompletions, #"{"messages":[{"r\u006fle":"user","c\u006fntent":"x"}]}"#) == [
                "text user 0 /messages/0/content: x"
            ])
    }

    @Test func presentsValuesOfUnexpectedTypes() throws {
        #expect(
            try requestLines(
                .chatCompletions,
                #"{"messages":[{"role":{"x":"y"},"content":{"text":"t"}},"bare",["l"]],"tools":"none of it","model":"two words"}"#
            ) == [
                "other none 0 /messages/0/role/x: y", "text none 0 /messages/0/content/text: t",
                "other none 1 /messages/1: bare",
                "other none 2 /messages/2/0: l", "other none 0 /tools: none of it", "other none 0 /model: two words",
            ])
    }

    @Test func presentsPartsThatAreNestedDeep() throws {
        var content = "\"deep\""
        for _ in 0..<30 { content = "[{\"type\":\"tool_result\",\"content\":\(content)}]" }
        let lines = try requestLines(.messages, "{\"messages\":[{\"role\":\"user\",\"content\":\(content)}]}")
        #expect(lines.contains { $0.hasSuffix(": deep") })
    }

    @Test func endpointsWithoutTableHaveNoSegments() throws {
        #expect(try SegmentTable.request(.proxy, "not json").isEmpty)
        #expect(try SegmentTable.request(.models, "").isEmpty)
    }

    @Test func kindsAndRolesHaveTheNumbersOfTheHeader() {
        #expect(Segment.Kind.allCases.map(\.rawValue) == Array(0...9))
        #expect(Segment.Role.allCases.map(\.rawValue) == Array(0...4))
    }

    @Test func everyShapeFitsTheBitsThatFindDuplicates() {
        for entries in SegmentTable.entries {
            #expect(entries.count <= 64)
            #expect(Set(entries.map { $0.name.description }).count == entries.count)
        }
    }
}
