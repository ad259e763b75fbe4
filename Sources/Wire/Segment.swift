// Segment: one piece of what a person or a model wrote, and where it stands in a body. It holds places, not text: the
// text is cut out of the body when somebody asks (SegmentTable.text), and changed there (SegmentEdits).

package struct Segment: Sendable {
    /// The raw values are GH_SEGMENT_* of include/gatehouse/host.h.
    package enum Kind: Int32, Sendable, CaseIterable {
        case text = 0
        case reasoning = 1
        /// One decoded string leaf of a tool call's arguments; in a stream, their JSON text.
        case toolArguments = 2
        case toolResult = 3
        /// A description in a tool's declaration or in a schema.
        case toolSchema = 4
        case image = 5
        case audio = 6
        case file = 7
        case tokenIDs = 8
        /// A member that the table does not know: presented, so that nothing passes unseen.
        case other = 9

        /// As manifests, configurations and receipts write it: "tool_arguments".
        package var name: StaticString {
            switch self {
            case .text: "text"
            case .reasoning: "reasoning"
            case .toolArguments: "tool_arguments"
            case .toolResult: "tool_result"
            case .toolSchema: "tool_schema"
            case .image: "image"
            case .audio: "audio"
            case .file: "file"
            case .tokenIDs: "token_ids"
            case .other: "other"
            }
        }
    }

    /// The raw values are GH_ROLE_*.
    package enum Role: Int32, Sendable, CaseIterable {
        case none = 0
        case system = 1
        case user = 2
        case assistant = 3
        case tool = 4
    }

    package enum Flags {
        /// GH_SEGMENT_BINARY: base64 data, nothing to read as text.
        package static let binary: UInt32 = 2
        /// GH_SEGMENT_READ_ONLY: cannot be edited.
        package static let readOnly: UInt32 = 4
    }

    package var kind: Kind
    package var role: Role
    /// Of the message (request) or the choice (answer) that it belongs to; 0 outside of them.
    package var index: Int
    /// Stable for the exchange and the side: the place in the order of the walk. Below 2^62.
    package var id: UInt64
    package var flags: UInt32
    /// JSON pointer of the member in the body. The leaves of arguments have one that goes on inside of the string.
    package var pointer: String
    /// The raw text in the body, between the quotes; for token ids the whole array.
    package var textRange: Range<Int>
    /// How many JSON strings are around the text: 1, for the leaves of arguments 2, for token ids 0.
    package var depth: UInt8
    /// True when the raw text says something other than itself.
    package var isEscaped: Bool
    /// Of images, audio and files, where the body says.
    package var mediaType: String?
    /// The tool's name, for tool kinds.
    package var name: String?
    /// A value in the body that repeats the text token by token (`logprobs`): an edit makes it null, or it would still
    /// tell.
    package var shadow: Range<Int>?

    /// What should be text and is not, as thinking that the provider has encrypted: nobody can have seen what it says.
    package var isSealed: Bool {
        guard flags & Flags.binary != 0 else { return false }
        return switch kind {
        case .text, .reasoning, .toolArguments, .toolResult, .toolSchema, .other: true
        case .image, .audio, .file, .tokenIDs: false
        }
    }

    package init(
        kind: Kind, role: Role, index: Int, id: UInt64, flags: UInt32 = 0, pointer: String, textRange: Range<Int>,
        depth: UInt8 = 1, isEscaped: Bool, mediaType: String? = nil, name: String? = nil,
        shadow: Range<Int>? = nil
    ) {
        self.kind = kind
        self.role = role
        self.index = index
        self.id = id
        self.flags = flags
        self.pointer = pointer
        self.textRange = textRange
        self.depth = depth
        self.isEscaped = isEscaped
        self.mediaType = mediaType
        self.name = name
        self.shadow = shadow
    }
}
