// The names that the manifest has for kinds of segments.

import PluginSDK

extension Segment.Kinds {
    init(named names: [JSON]) {
        self = []
        for name in names {
            switch name.string {
            case "text": insert(.text)
            case "reasoning": insert(.reasoning)
            case "tool_arguments": insert(.toolArguments)
            case "tool_result": insert(.toolResult)
            case "tool_schema": insert(.toolSchema)
            case "other": insert(.other)
            default: break
            }
        }
    }
}

extension Segment.Kind {
    var asKinds: Segment.Kinds { Segment.Kinds(rawValue: 1 << UInt32(rawValue)) }
}
