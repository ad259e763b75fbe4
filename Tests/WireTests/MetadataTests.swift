import Core
import Testing

@testable import Wire

@Suite struct MetadataTests {
    @Test func readsTheHeader() throws {
        let metadata = try Metadata(
            header: #" {"plan":"gold","n":1.50,"on":true,"no":null,"o":{"a":[1]},"\u00e9":"x\ny"} "#)
        #expect(metadata.pairs.map(\.key) == ["plan", "n", "on", "no", "o", "é"])
        #expect(metadata.pairs.map(\.value) == ["gold", "1.50", "true", "null", "{\"a\":[1]}", "x\ny"])
        #expect(metadata["plan"] == "gold" && metadata["absent"] == nil)
    }

    @Test(arguments: ["", "  ", "{}"])
    func takesNothingForNothing(_ header: String) throws {
        #expect(try Metadata(header: header).pairs.isEmpty)
    }

    @Test(arguments: ["[]", "nonsense", "\"x\"", "{", "{\"a\":1} x", "{\"a\":}", "{\"a\":\"1\",\"a\":\"2\"}", "null"])
    func refusesWhatIsNoObject(_ header: String) {
        let error = failure { () throws(GatewayError) in _ = try Metadata(header: header) }
        #expect(error?.status == 400 && error?.kind == .invalidRequest)
        #expect(error?.code == "invalid_metadata" && error?.param == "x-portkey-metadata")
        #expect(
            error?.message.hasPrefix("invalid metadata: the header x-portkey-metadata must be a JSON object") == true)
    }

    @Test func foldsTheBodyUnderTheHeader() throws {
        var metadata = try Metadata(header: #"{"a":"header"}"#)
        let fields = try RequestFields(reading: #"{"metadata":{"a":"body","b":"body","c":1}}"#, for: .chatCompletions)
        metadata.fold(under: fields)
        #expect(metadata.pairs.map { "\($0.key)=\($0.value)" } == ["a=header", "b=body"])
    }

    @Test(arguments: [
        "{}", #"{"metadata":null}"#, #"{"metadata":"x"}"#, #"{"metadata":[1]}"#, #"{"metadata":{"a":"1","a":"2"}}"#,
    ])
    func leavesOtherBodiesAlone(_ body: String) throws {
        var metadata = Metadata()
        metadata.fold(under: try RequestFields(reading: Bytes(body), for: .chatCompletions))
        #expect(metadata.pairs.isEmpty)
    }
}
