// Principal: who asks, as far as permissions go.

package struct Principal: Sendable, Equatable {
    package enum Kind: String, Sendable {
        case organisationService = "organisation-service"
        case workspaceService = "workspace-service"
        case workspaceUser = "workspace-user"
        /// A key of the configuration file.
        case file
        /// A program on this machine, where no key is asked for.
        case local
        /// Whoever can open the store.
        case commandLine = "command-line"
    }

    package var kind: Kind
    /// What the audit log calls it: a key's id, a name of the file.
    package var id: String
    package var name: String
    /// nil: all of them.
    package var workspace: String?
    package var user: String?
    package var scopes: Set<String>

    package init(
        kind: Kind, id: String, name: String, workspace: String? = nil, user: String? = nil, scopes: Set<String>
    ) {
        self.kind = kind
        self.id = id
        self.name = name
        self.workspace = workspace
        self.user = user
        self.scopes = workspace == nil ? scopes : scopes.intersection(Scopes.workspace)
    }

    /// Whether it may do something to what belongs to a workspace, or, with nil, to the organisation.
    package func may(_ scope: String, in place: String?) -> Bool {
        guard scopes.contains(scope) else { return false }
        return workspace == nil || workspace == place
    }

    /// What it may hand on to a key: nobody gives what they do not have.
    package func mayGrant(_ wanted: Set<String>) -> Bool { wanted.isSubset(of: scopes) }
}
