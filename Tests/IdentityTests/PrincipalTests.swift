// Who may do what: the table of roles as a whole, and what a principal makes of its scopes.

import Testing

@testable import Identity

@Suite struct RolesTests {
    @Test func eachRoleHasMoreThanTheOneBelow() {
        let (member, manager, admin) = (
            Scopes.of(WorkspaceRole.member), Scopes.of(WorkspaceRole.manager), Scopes.of(WorkspaceRole.admin)
        )
        #expect(member.isStrictSubset(of: manager))
        #expect(manager.isStrictSubset(of: admin))
        #expect(admin.isStrictSubset(of: Scopes.all))
        #expect(Scopes.of(OrganisationRole.member).isStrictSubset(of: Scopes.all))
        #expect(Scopes.of(OrganisationRole.admin) == Scopes.all)
        #expect(Scopes.of(OrganisationRole.owner) == Scopes.all)
    }

    @Test func noRoleOfAWorkspaceReachesTheOrganisation() {
        #expect(Scopes.organisation.isDisjoint(with: Scopes.workspace))
        #expect(Scopes.organisation.union(Scopes.workspace) == Scopes.all)
        for role in WorkspaceRole.allCases { #expect(Scopes.of(role).isDisjoint(with: Scopes.organisation)) }
    }

    @Test func membersChangeNothing() {
        for scope in Scopes.of(WorkspaceRole.member) where !scope.hasPrefix("feedback.") {
            #expect(!scope.hasSuffix(".create") && !scope.hasSuffix(".update") && !scope.hasSuffix(".delete"))
        }
        for resource in ["workspace_users", "workspace_service_api_keys", "workspace_user_api_keys", "policies"] {
            #expect(!Scopes.of(WorkspaceRole.member).contains { $0.hasPrefix(resource + ".") })
        }
        #expect(!Scopes.of(WorkspaceRole.member).contains("virtual_keys.read"))
    }

    @Test func managersLeaveTheWorkspaceAndItsUsersAsTheyAre() {
        #expect(
            Scopes.of(WorkspaceRole.admin).subtracting(Scopes.of(WorkspaceRole.manager))
                == [
                    "workspaces.update", "workspace_users.create", "workspace_users.update", "workspace_users.delete",
                ])
    }

    @Test func scopesAreAResourceAndAnAction() throws {
        let form = try Regex("[a-z_]+\\.(create|read|list|update|delete|view|export|write|publish|render)")
        for scope in Scopes.all { #expect(scope.wholeMatch(of: form) != nil, "\(scope)") }
    }
}

@Suite struct PrincipalTests {
    private let organisation = Principal(
        kind: .organisationService, id: "k1", name: "ci", scopes: ["configs.read", "workspaces.create"])
    private let workspace = Principal(
        kind: .workspaceUser, id: "k2", name: "ann", workspace: "w1", user: "u1",
        scopes: ["configs.read", "workspaces.create", "made.up"])

    @Test func aWorkspacesKeyKeepsTheScopesOfWorkspaces() {
        #expect(organisation.scopes == ["configs.read", "workspaces.create"])
        #expect(workspace.scopes == ["configs.read"])
        let everything = Principal(
            kind: .workspaceService, id: "k", name: "k", workspace: "w1", scopes: Scopes.all)
        #expect(everything.scopes == Scopes.workspace)
    }

    @Test func anOrganisationsKeyMayEverywhere() {
        for place in [nil, "w1", "w2", ""] {
            #expect(organisation.may("configs.read", in: place))
            #expect(organisation.may("workspaces.create", in: place))
            #expect(!organisation.may("configs.update", in: place))
        }
    }

    @Test func aWorkspacesKeyMayInItsWorkspace() {
        #expect(workspace.may("configs.read", in: "w1"))
        #expect(!workspace.may("configs.read", in: "w2"))
        #expect(!workspace.may("configs.read", in: "W1"))
        #expect(!workspace.may("configs.read", in: ""))
        #expect(!workspace.may("configs.read", in: nil))
        #expect(!workspace.may("configs.update", in: "w1"))
        #expect(!workspace.may("workspaces.create", in: "w1"))
        #expect(!workspace.may("", in: "w1"))
    }

    @Test func nobodyGivesWhatTheyDoNotHave() {
        #expect(organisation.mayGrant([]))
        #expect(organisation.mayGrant(["configs.read"]))
        #expect(organisation.mayGrant(["configs.read", "workspaces.create"]))
        #expect(!organisation.mayGrant(["configs.read", "configs.update"]))
        #expect(!workspace.mayGrant(["workspaces.create"]))
        #expect(!workspace.mayGrant(["made.up"]))
    }
}
