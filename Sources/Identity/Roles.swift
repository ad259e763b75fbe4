// Roles: who may do what. One table, from which the control API decides and which the tests read cell by cell.
//
// A scope is a resource and an action, "configs.create", in Portkey's spelling. Keys carry scopes; a user's role in the organisation
// or in a workspace says which ones a key of theirs may carry at most.

/// In the organisation, which is all of a gateway.
package enum OrganisationRole: String, Sendable, CaseIterable {
    case owner, admin, member
}

package enum WorkspaceRole: String, Sendable, CaseIterable {
    case admin, manager, member
}

package enum Scopes {
    /// Resources with the five actions, by where they live.
    private static let everything = ["create", "read", "list", "update", "delete"]

    /// Of the organisation: keys of a workspace never reach them.
    package static let organisation: Set<String> = all([
        "organisation_users": everything, "organisation_service_api_keys": everything, "integrations": everything,
        "workspaces": ["create", "delete"], "audit_logs": ["list"],
    ])

    /// Of a workspace.
    package static let workspace: Set<String> = all([
        "workspaces": ["read", "list", "update"], "workspace_users": everything,
        "workspace_service_api_keys": everything, "workspace_user_api_keys": everything, "configs": everything,
        "virtual_keys": everything, "providers": everything, "guardrails": everything, "policies": everything,
        "prompts": everything + ["publish", "render"], "collections": everything, "labels": everything,
        "logs": ["list", "view", "export", "write"], "analytics": ["view"], "feedback": ["create", "update"],
        "completions": ["write"],
    ])

    package static let all = organisation.union(workspace)

    package static func of(_ role: OrganisationRole) -> Set<String> {
        switch role {
        case .owner, .admin: all
        case .member: ["workspaces.list"]
        }
    }

    package static func of(_ role: WorkspaceRole) -> Set<String> {
        switch role {
        case .admin: workspace
        case .manager:
            workspace.subtracting(["workspaces.update"]).subtracting(
                ["create", "update", "delete"].map { "workspace_users.\($0)" })
        case .member:
            // What one needs to use the gateway and to see what came of it: no credential, no policy, nobody else's keys.
            [
                "workspaces.read", "workspaces.list", "configs.read", "configs.list", "virtual_keys.list",
                "providers.list", "guardrails.read", "guardrails.list", "logs.list", "logs.view", "logs.write",
                "prompts.read", "prompts.list", "prompts.render", "collections.read", "collections.list",
                "labels.read", "labels.list", "analytics.view", "feedback.create", "feedback.update",
                "completions.write",
            ]
        }
    }

    private static func all(_ table: [String: [String]]) -> Set<String> {
        Set(table.flatMap { resource, actions in actions.map { "\(resource).\($0)" } })
    }
}
