import Config
import Core
import Testing

private func yaml(_ text: String) throws(SourceError) -> JSONValue { try YAML.read(Bytes(text)).value }

private func problem(_ text: String, file: String = "a.yaml") -> String {
    do throws(SourceError) {
        _ = try SourceDocument(Bytes(text), file: file)
        return "none"
    } catch {
        return "\(error.position.line):\(error.position.column) \(error.message)"
    }
}

@Suite struct YAMLScalars {
    @Test(
        "Plain scalars follow the core schema of YAML 1.2",
        arguments: [
            ("null", "null"), ("~", "null"), ("Null", "null"), ("true", "true"), ("FALSE", "false"), ("yes", "\"yes\""),
            ("on", "\"on\""), ("12", "12"), ("+12", "12"), ("-12", "-12"), ("007", "7"), ("0", "0"), ("-0", "-0"),
            ("0x1F", "31"), ("0o17", "15"), ("0b11", "\"0b11\""), ("1_000", "\"1_000\""), ("1.50", "1.50"),
            (".5", "0.5"),
            ("1.", "1"), ("-.5e3", "-0.5e3"), ("1e+3", "1e+3"), ("1e", "\"1e\""), (".", "\".\""), ("-x", "\"-x\""),
            ("1:30", "\"1:30\""), ("2024-01-01", "\"2024-01-01\""), ("0x", "\"0x\""), ("0x+1", "\"0x+1\""),
            ("\"12\"", "\"12\""), ("'true'", "\"true\""), ("!!str 12", "\"12\""), ("! 12", "\"12\""),
            ("!!int 12", "12"),
            ("!!int \"12\"", "12"), ("!!float 1", "1"), ("|\n a\n b\n", "\"a\\nb\\n\""), (">\n a\n b\n", "\"a b\\n\""),
            ("\"\\u00e9\\x41\"", "\"éA\""), ("grün", "\"grün\""),
        ])
    func resolve(_ text: String, _ expected: String) throws {
        #expect(try yaml("value: " + text)["value"]?.text == expected)
    }

    @Test("What JSON has no word for is refused", arguments: [".inf", "-.Inf", ".nan"])
    func noJSON(_ text: String) {
        #expect(problem("a: \(text)") == "1:4 \(text) is not a number that JSON knows")
    }
}

@Suite struct YAMLStructure {
    @Test("Anchors, aliases and merge keys are expanded; own members win, then the earlier source")
    func aliases() throws {
        let value = try yaml(
            """
            x-a: &a {one: 1, two: 2}
            x-b: &b {two: 20, three: 30}
            list: [*a, *b]
            merged: {<<: [*a, *b], one: own}
            nested: {<<: {<<: *b, three: 3}}
            quoted: {"<<": 1}
            """)
        #expect(value["list"] == [["one": 1, "two": 2], ["two": 20, "three": 30]])
        #expect(value["merged"] == ["one": "own", "two": 2, "three": 30])
        #expect(value["nested"] == ["three": 3, "two": 20])
        #expect(value["quoted"] == ["<<": 1])
    }

    @Test("An empty text is null", arguments: ["", "# nothing\n", "---\n"])
    func empty(_ text: String) throws {
        #expect(try yaml(text) == .null)
    }

    @Test("A byte order mark and Windows line ends are no part of the text")
    func windows() throws {
        let text = Bytes("\u{FEFF}a: 1\r\nb: two\r\n")
        #expect(try SourceDocument(text, file: "a.yaml").value == ["a": 1, "b": "two"])
        #expect(try SourceDocument(Bytes("\u{FEFF}{}"), file: "a.json").value == [:])
    }

    @Test("Positions lead to keys and values, in YAML and in JSON")
    func positions() throws {
        let yaml = try SourceDocument(
            Bytes("listen:\n  port: 1\nkeys:\n  - name: ä\n    workspace: w\n"), file: "a.yaml")
        let json = try SourceDocument(
            Bytes("{\n  \"listen\": {\"port\": 1},\n\t\"a/b\": [\"ä\", 2]\n}"), file: "a.json")
        let port = JSONPointer(["listen", "port"])
        #expect(yaml.keyPosition(of: port) == Position(line: 2, column: 3))
        #expect(yaml.position(of: port) == Position(line: 2, column: 9))
        #expect(yaml.position(of: JSONPointer(["keys", "0", "workspace"])) == Position(line: 5, column: 16))
        // What is not there is where the thing around it is.
        #expect(yaml.position(of: JSONPointer(["keys", "0", "missing", "deep"])) == Position(line: 4, column: 5))
        #expect(json.keyPosition(of: port) == Position(line: 2, column: 14))
        #expect(json.position(of: port) == Position(line: 2, column: 22))
        #expect(json.position(of: JSONPointer(["a/b", "1"])) == Position(line: 3, column: 15))
    }

    @Test("Columns count characters, also far along one line")
    func longLine() throws {
        let words = (0..<1_000).map { $0.isMultiple(of: 3) ? "\"wört\($0)\"" : "\"w\($0)\"" }
        let text = "{\"words\": [" + words.joined(separator: ",") + "]}"
        let json = try SourceDocument(Bytes(text), file: "a.json")
        var column = #"{"words": ["#.count + 1
        for (index, word) in words.enumerated() {
            let position = json.position(of: JSONPointer(["words", "\(index)"]))
            #expect(position == Position(line: 1, column: column))
            column += word.count + 1
        }
        #expect(problem(text + "!", file: "a.json").hasPrefix("1:\(text.count + 1) "))
        #expect(problem(text.replacing("]}", with: "]"), file: "a.json").hasPrefix("1:\(text.count) "))
    }

    @Test("JSON files may have tabs and surrogate pairs")
    func jsonFile() throws {
        let document = try SourceDocument(Bytes("{\n\t\"a\": \"\\ud83d\\ude00\"\n}"), file: "a.json")
        #expect(document.value == ["a": "😀"])
    }

    @Test(
        "Faults name their line and column",
        arguments: [
            ("a: 1\nb: 2\na: 3\n", "3:1 duplicate key \"a\" (the first is on line 1)"),
            ("a: {b: 1, b: 2}", "1:11 duplicate key \"b\" (the first is on line 1)"),
            ("a: &x {<<: *y}", "1:12 *y refers to no anchor before it that is complete"),
            ("a: &x [*x]", "1:8 *x refers to no anchor before it that is complete"),
            ("a: 1\n---\nb: 2\n", "2:1 a config is one document: a second one begins here"),
            ("? [a, b]\n: 1\n", "1:3 a key must be a plain value, not a list, a mapping or an alias"),
            ("a:\n\tb: 1\n", "2:1 a tab cannot indent: use spaces"),
            ("a: [1, 2\nb: 3\n", "2:2 while parsing a flow sequence: did not find expected ',' or ']'"),
            ("a: 1\n b: 2\n", "2:3 mapping values are not allowed in this context"),
            ("a: \"x\n", "2:1 while scanning a quoted scalar: found unexpected end of stream"),
            ("a: !secret x", "1:4 the tag !secret is not supported"),
            ("a: !!binary aGk=", "1:4 the tag tag:yaml.org,2002:binary is not supported"),
            ("a: !!set {x}", "1:4 the tag tag:yaml.org,2002:set is not supported"),
            ("a: !!int x", "1:4 \"x\" is not what its tag says"),
            ("a: {<<: 1}", "1:9 '<<' merges mappings only"),
            ("a: {<<: [{}, 1]}", "1:14 '<<' merges mappings only"),
            ("?\n: 1\n", "1:2 a key is missing before ':'"),
        ])
    func faults(_ text: String, _ expected: String) {
        #expect(problem(text) == expected)
    }

    @Test("A byte that is not UTF-8 is found")
    func notUTF8() {
        let text = Bytes(Array("a: 1\nb: é".utf8) + [0xFF])
        #expect(throws: SourceError("the text is not UTF-8", at: Position(line: 2, column: 5))) { try YAML.read(text) }
    }

    @Test("Control characters are refused where they stand")
    func control() {
        #expect(problem("a: 1\nb: x\u{1}y").hasPrefix("2:5 control characters are not allowed"))
    }

    @Test(
        "Faults of JSON files, too",
        arguments: [
            ("{\"a\": 1,\n \"a\": 2}", "2:3 duplicate member \"a\""),
            ("{\n  a: 1}", "2:3 expected a member name in quotes"),
            ("{\"a\": 1} x", "1:10 expected the end of the text after the JSON value"),
        ])
    func jsonFaults(_ text: String, _ expected: String) {
        #expect(problem(text, file: "a.json") == expected)
    }
}

@Suite struct YAMLBombs {
    @Test("Aliases of aliases end at the limit")
    func billionLaughs() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...9 {
            let list = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
            text += "a\(level): &a\(level) [\(list)]\n"
        }
        #expect(problem(text).hasSuffix(" aliases expand to more than 100000 values"))
    }

    @Test("So do merges of merges")
    func merges() {
        var text = "a0: &a0 {}\n"
        for level in 1...40 { text += "a\(level): &a\(level) {<<: [*a\(level - 1), *a\(level - 1)]}\n" }
        #expect(problem(text).contains("expand to more than 100000 values"))
    }

    @Test("And deep nesting", arguments: ["[", "{a: "])
    func depth(_ open: String) {
        #expect(problem("a: " + String(repeating: open, count: 5_000)).hasSuffix(" nested deeper than 100 levels"))
    }
}
