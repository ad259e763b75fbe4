// Prompts: /prompts: texts with variables under a slug, each change a version that stays; which of them is published, and which carry
// labels. Rendering and completions are the data path's (Gateway/RenderPrompt.swift).

import Core
import Gateway
import Identity
import Prompts
import Store

extension ControlDesk {
    func prompts(_ call: Call) async throws(GatewayError) -> JSONValue {
        var call = call
        if call.places.first == "partials" {
            call.places.removeFirst()
            return try await prompts(call, .partial)
        }
        return try await prompts(call, .prompt)
    }

    /// What both have in common.
    enum PromptKind {
        case prompt, partial

        var kind: String { self == .prompt ? Kind.prompt : Kind.partial }
        var word: String { self == .prompt ? "prompt" : "partial" }
        var prefix: String { self == .prompt ? "pp" : "ppl" }
        /// What a version consists of.
        var members: [String] {
            self == .prompt
                ? [
                    "string", "parameters", "model", "virtual_key", "config", "functions", "tools", "tool_choice",
                    "response_format", "template_metadata", "is_raw_template",
                ] : ["string"]
        }
    }

    private func prompts(_ call: Call, _ what: PromptKind) async throws(GatewayError) -> JSONValue {
        let places = call.places
        switch (call.request.method, places.count) {
        case ("GET", 0): return try list(call, what)
        case ("POST", 0): return try await create(call, what)
        case ("GET", 1):
            let found = try prompt(places[0], call, "read", what)
            return .object(try present(found, try version(of: found, number: found.published, what), what))
        case ("PUT", 1): return try await update(call, places[0], what)
        case ("DELETE", 1): return try await delete(call, places[0], what)
        case ("PUT", 2) where places[1] == "makeDefault": return try await publish(call, places[0], what)
        case ("GET", 2) where places[1] == "versions":
            let found = try prompt(places[0], call, "read", what)
            let versions = try read { store throws(StoreError) in try store.versions(of: what.kind, found.id) }
            return try call.list(
                try versions.map { version throws(GatewayError) in .object(try present(found, version, what)) })
        case ("GET", 3) where places[1] == "versions":
            let found = try prompt(places[0], call, "read", what)
            return .object(try present(found, try version(of: found, named: places[2], what), what))
        case ("PUT", 3) where places[1] == "versions" && what == .prompt:
            return try await label(call, places[0], places[2])
        default: throw call.unknown
        }
    }

    private func prompt(_ name: String, _ call: Call, _ action: String, _ what: PromptKind) throws(GatewayError)
        -> StoredObject
    {
        try find(what.kind, PromptReference.split(name).slug, call, "prompts." + action, called: what.word)
    }

    private func version(of object: StoredObject, number: Int, _ what: PromptKind) throws(GatewayError) -> StoredVersion
    {
        try version(of: object, named: String(number), what)
    }

    /// By its number or its id.
    private func version(of object: StoredObject, named name: String, _ what: PromptKind) throws(GatewayError)
        -> StoredVersion
    {
        let versions = try read { store throws(StoreError) in try store.versions(of: what.kind, object.id) }
        guard let found = versions.first(where: { String($0.version) == name || $0.id == name }) else {
            throw Call.missing("version of the \(what.word) \(object.slug):", name)
        }
        return found
    }

    private func present(_ object: StoredObject, _ version: StoredVersion, _ what: PromptKind) throws(GatewayError)
        -> JSONObject
    {
        var shown = object.common(what.word)
        shown["collection_id"] = object.document["collection_id"] ?? .null
        for name in what.members { shown[name] = version.document[name] ?? .null }
        let isPublished = version.version == object.published
        let label = object.labels.first { $0.value == version.version }?.key
        if what == .prompt {
            shown["prompt_id"] = .string(object.id)
            shown["prompt_template"] = version.document["string"] ?? .null
            shown["prompt_version"] = JSONValue(version.version)
            shown["prompt_version_id"] = .string(version.id)
            shown["prompt_version_status"] = isPublished ? "active" : "archived"
            shown["prompt_version_description"] = version.document["version_description"] ?? .null
            shown["prompt_description"] = version.document["version_description"] ?? .null
            shown["prompt_version_label_id"] = label.map { .string($0) } ?? .null
            shown["label_id"] = shown["prompt_version_label_id"]
            if version.document["is_raw_template"] == nil { shown["is_raw_template"] = 0 }
        } else {
            shown["version"] = JSONValue(version.version)
            shown["prompt_partial_version_id"] = .string(version.id)
            shown["version_description"] = version.document["version_description"] ?? .null
            shown["status"] = isPublished ? "active" : "archived"
        }
        return shown
    }

    private func list(_ call: Call, _ what: PromptKind) throws(GatewayError) -> JSONValue {
        let all = try visible(what.kind, call, "prompts.list")
        let search = call.query("search")?.lowercased()
        let collection = try call.query("collection_id").map { name throws(GatewayError) in
            try read { store throws(StoreError) in try store.objects(Kind.collection) }
                .first { $0.id == name || $0.slug == name }?.id ?? name
        }
        let shown = all.filter { object in
            if let collection, object.document["collection_id"]?.string != collection { return false }
            guard let search else { return true }
            return object.name.lowercased().contains(search) || object.slug.lowercased().contains(search)
        }
        if what == .partial {
            return try call.list(
                try shown.map { object throws(GatewayError) in
                    .object(try present(object, try version(of: object, number: object.published, what), what))
                })
        }
        return try call.list(
            try shown.map { object throws(GatewayError) in
                var item = object.common(what.word)
                let version = try version(of: object, number: object.published, what)
                item["collection_id"] = object.document["collection_id"] ?? .null
                item["model"] = version.document["model"] ?? .null
                item["prompt_version"] = JSONValue(version.version)
                return .object(item)
            })
    }

    // MARK: Changes

    /// Reads what a version consists of; only what the body names.
    private func readVersion(_ fields: inout Fields, _ what: PromptKind, into document: inout JSONObject) {
        for name in what.members where fields.has(name) {
            switch name {
            case "string":
                guard let value = fields.value("string") else { continue }
                // Messages may come as they are, or as their text.
                let text = value.string ?? (value.array == nil ? nil : value.text)
                if text == nil { fields.problem("string", "expected a text, or an array of messages") }
                document["string"] = text.map { .string($0) }
            case "parameters", "template_metadata": document[name] = fields.object(name).map { .object($0) }
            case "is_raw_template": document[name] = fields.flag(name).map { JSONValue($0 ? 1 : 0) }
            case "model", "virtual_key", "config": document[name] = fields.text(name).map { .string($0) }
            default: document[name] = fields.value(name)
            }
        }
        for name in ["version_description", "description"] where fields.has(name) {
            document["version_description"] = fields.text(name, limit: 1_000).map { .string($0) }
        }
        fields.ignore("workspace_id", "organisation_id", "patch", "status", "slug")
    }

    /// Whatever would fail when the prompt is used.
    private func check(_ document: JSONObject, _ what: PromptKind, slug: String, in place: String) throws(GatewayError)
    {
        let text = document["string"]?.string ?? ""
        let body: PromptVersion.Body
        do throws(TemplateError) {
            body = try PromptVersion.Body(parsing: text, isRaw: document["is_raw_template"]?.int == 1)
        } catch {
            throw GatewayError(
                .invalidRequest, status: 400, "string: \(error.description)", code: "invalid_template", param: "string")
        }
        guard what == .partial else { return }
        // A partial that asks for itself outside of any section would never end.
        let partials = current.tenants[place]?.partials ?? [:]
        var path = [slug]
        func follow(_ templates: [Template]) throws(GatewayError) {
            for name in templates.flatMap({ $0.partials.always }).sorted() {
                let bare = PromptReference.split(name).slug
                if path.contains(bare) {
                    throw GatewayError(
                        .invalidRequest, status: 400,
                        "string: this partial would be part of itself: \((path + [bare]).joined(separator: " → "))",
                        code: "partial_cycle", param: "string")
                }
                guard let next = partials[name] else { continue }
                path.append(bare)
                try follow([next])
                path.removeLast()
            }
        }
        try follow(body.templates)
    }

    private func create(_ call: Call, _ what: PromptKind) async throws(GatewayError) -> JSONValue {
        var fields = try call.fields()
        let place = try place(call, named: fields.text("workspace_id"))
        try call.require("prompts.create", in: place)
        let name = fields.requiredText("name")
        let given = fields.slug()
        let collection = fields.text("collection_id")
        var version = JSONObject()
        readVersion(&fields, what, into: &version)
        if version["string"] == nil, !fields.has("string") { fields.problem("string", "it is required") }
        try fields.finish()
        // A partial is referred to by its name, where that can be a slug.
        let slug = given ?? (what == .partial && Self.isSlug(name) ? name : Identifier.slug(what.prefix, name))
        try check(version, what, slug: slug, in: place)
        let known = try read { store throws(StoreError) in try store.object(what.kind, slug: slug, in: place) }
        if let known {
            // The same partial again is its next version.
            guard what == .partial, given == nil else { throw Self.taken(what.word, slug) }
            return try await add(version, to: known, call, what, isPublished: true)
        }
        let (id, versionID) = (Identifier.make(), Identifier.make())
        let home = try collection.map { name throws(GatewayError) in try self.collection(name, in: place) }
        let content = version
        try await change(call, "prompts.create", "\(what.word)/\(slug)", in: place) { store, now throws(StoreError) in
            if let home, home.isNew {
                try store.insert(
                    StoredObject(
                        kind: Kind.collection, id: home.id, workspace: place, slug: home.slug,
                        document: JSONObject([("name", .string(home.slug))]), at: now, by: call.principal.id))
            }
            var document = JSONObject([("name", .string(name)), ("published", 1)])
            document["collection_id"] = home.map { .string($0.id) }
            let object = StoredObject(
                kind: what.kind, id: id, workspace: place, slug: slug, document: document, at: now,
                by: call.principal.id)
            try store.insert(object)
            try store.insert(
                StoredVersion(
                    id: versionID, version: 1, document: content, createdAt: now, createdBy: call.principal.id),
                of: object)
        }
        return Call.done(
            JSONObject([
                ("id", .string(id)), ("slug", .string(slug)), ("version_id", .string(versionID)),
                ("object", .string(what.word)),
            ]))
    }

    private static func isSlug(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 64
            && text.utf8.allSatisfy {
                $0 &- 0x30 < 10 || $0 | 0x20 &- 0x61 < 26 || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
                    || $0 == UInt8(ascii: ".")
            }
    }

    private struct Home {
        var id: String
        var slug: String
        var isNew: Bool
    }

    /// The collection that is meant; one that is not there is made with the prompt.
    private func collection(_ name: String, in place: String) throws(GatewayError) -> Home {
        let all = try read { store throws(StoreError) in try store.objects(Kind.collection, in: place) }
        if let found = all.first(where: { $0.id == name || $0.slug == name }) {
            return Home(id: found.id, slug: found.slug, isNew: false)
        }
        return Home(id: Identifier.make(), slug: name, isNew: true)
    }

    private func add(
        _ document: JSONObject, to known: StoredObject, _ call: Call, _ what: PromptKind, isPublished: Bool
    ) async throws(GatewayError) -> JSONValue {
        var object = known
        object.version += 1
        if isPublished { object.document["published"] = JSONValue(object.version) }
        let id = Identifier.make()
        let changed = object
        try await change(
            call, "prompts.update", "\(what.word)/\(object.slug)", in: object.workspace,
            detail: JSONObject([("version", JSONValue(object.version))])
        ) { store, now throws(StoreError) in
            var changed = changed
            changed.touch(call, at: now)
            try store.update(changed)
            try store.insert(
                StoredVersion(
                    id: id, version: changed.version, document: document, createdAt: now, createdBy: call.principal.id),
                of: changed)
        }
        return Call.done(
            JSONObject([
                ("id", .string(object.id)), ("slug", .string(object.slug)), ("version_id", .string(id)),
                ("prompt_version_id", .string(id)), ("prompt_partial_version_id", .string(id)),
                ("version", JSONValue(object.version)), ("object", .string(what.word)),
            ]))
    }

    /// A new version, from the newest one where `patch` says so. It is not published by that.
    private func update(_ call: Call, _ name: String, _ what: PromptKind) async throws(GatewayError) -> JSONValue {
        var object = try prompt(name, call, "update", what)
        var fields = try call.fields()
        let renamed = fields.text("name")
        if let renamed { object.document["name"] = .string(renamed) }
        let isPatch = fields.flag("patch") ?? true
        let newest = try version(of: object, number: object.version, what)
        var document = isPatch ? newest.document : JSONObject()
        document["version_description"] = nil
        let collection = fields.text("collection_id")
        let says = what.members.contains { fields.has($0) }
        readVersion(&fields, what, into: &document)
        if document["string"] == nil { fields.problem("string", "it is required") }
        try fields.finish()
        if let collection {
            let home = try self.collection(collection, in: object.workspace)
            guard !home.isNew else { throw Call.missing("collection", collection) }
            object.document["collection_id"] = .string(home.id)
        }
        try check(document, what, slug: object.slug, in: object.workspace)
        guard says else {
            let changed = object
            try await change(call, "prompts.update", "\(what.word)/\(object.slug)", in: object.workspace) {
                store, now throws(StoreError) in
                var changed = changed
                changed.touch(call, at: now)
                try store.update(changed)
            }
            return Call.done(
                JSONObject([
                    ("id", .string(object.id)), ("slug", .string(object.slug)),
                    ("prompt_version_id", .string(newest.id)), ("prompt_partial_version_id", .string(newest.id)),
                ]))
        }
        return try await add(document, to: object, call, what, isPublished: false)
    }

    private func publish(_ call: Call, _ name: String, _ what: PromptKind) async throws(GatewayError) -> JSONValue {
        var object = try prompt(name, call, "publish", what)
        var fields = try call.fields()
        let number = fields.integer("version", 1...1_000_000)
        if number == nil, !fields.has("version") { fields.problem("version", "it is required") }
        fields.ignore("slug", "prompt_id")
        try fields.finish()
        _ = try version(of: object, number: number ?? 0, what)
        object.document["published"] = number.map { JSONValue($0) }
        let changed = object
        try await change(
            call, "prompts.publish", "\(what.word)/\(object.slug)", in: object.workspace,
            detail: JSONObject([("version", number.map { JSONValue($0) } ?? .null)])
        ) { store, now throws(StoreError) in
            var changed = changed
            changed.touch(call, at: now)
            try store.update(changed)
        }
        return Call.done(JSONObject([("slug", .string(object.slug))]))
    }

    private func delete(_ call: Call, _ name: String, _ what: PromptKind) async throws(GatewayError) -> JSONValue {
        let object = try prompt(name, call, "delete", what)
        if what == .partial {
            let users = current.tenants[object.workspace]?.promptsUsing(partial: object.slug) ?? []
            if !users.isEmpty, call.query("force") != "true" {
                throw Self.inUse("the partial \(object.slug)", "prompt " + users.joined(separator: ", "))
            }
        }
        try await change(call, "prompts.delete", "\(what.word)/\(object.slug)", in: object.workspace) {
            store, _ throws(StoreError) in try store.delete(what.kind, id: object.id)
        }
        return Call.done(JSONObject([("slug", .string(object.slug))]))
    }

    // MARK: Labels on versions

    /// {"label_id": …} moves a label to this version; null takes it away.
    private func label(_ call: Call, _ name: String, _ number: String) async throws(GatewayError) -> JSONValue {
        var object = try prompt(name, call, "update", .prompt)
        let version = try version(of: object, named: number, .prompt)
        var fields = try call.fields()
        let wanted = fields.text("label_id")
        if !fields.has("label_id") { fields.problem("label_id", "it is required: a version itself never changes") }
        try fields.finish()
        let all = try read { store throws(StoreError) in try store.objects(Kind.label) }
        var labels = object.labels
        func label(_ name: String) throws(GatewayError) -> StoredObject {
            let mine = all.filter { $0.workspace == object.workspace || $0.workspace.isEmpty }
            guard let found = mine.first(where: { $0.id == name || $0.slug == name || $0.name == name }) else {
                throw Call.missing("label", name)
            }
            if found.document["protected"] == true { try call.require("labels.update", in: object.workspace) }
            return found
        }
        if let wanted {
            labels[try label(wanted).id] = version.version
        } else {
            for (id, number) in labels where number == version.version {
                _ = try label(id)
                labels[id] = nil
            }
        }
        object.document["labels"] = .object(
            JSONObject(labels.sorted { $0.key < $1.key }.map { ($0.key, JSONValue($0.value)) }))
        let changed = object
        try await change(
            call, "prompts.update", "prompt/\(object.slug)", in: object.workspace,
            detail: JSONObject([
                ("label", wanted.map { .string($0) } ?? .null), ("version", JSONValue(version.version)),
            ])
        ) { store, now throws(StoreError) in
            var changed = changed
            changed.touch(call, at: now)
            try store.update(changed)
        }
        return Call.done(JSONObject([("id", .string(version.id))]))
    }

    // MARK: Collections and labels

    func collections(_ call: Call) async throws(GatewayError) -> JSONValue {
        try await shelf(call, Kind.collection, "collections", "collection", ["parent_collection_id"])
    }

    func labels(_ call: Call) async throws(GatewayError) -> JSONValue {
        try await shelf(call, Kind.label, "labels", "label", ["description", "color_code"])
    }

    /// Both are little more than names.
    private func shelf(_ call: Call, _ kind: String, _ resource: String, _ word: String, _ members: [String])
        async throws(GatewayError) -> JSONValue
    {
        func item(_ object: StoredObject) -> JSONObject {
            var shown = object.common(word)
            for name in members { shown[name] = object.document[name] ?? .null }
            if kind == Kind.label {
                shown["is_universal"] = .bool(object.workspace.isEmpty)
                shown["protected"] = object.document["protected"] ?? false
            } else {
                shown["is_default"] = 0
                shown["collection_details"] = .object(JSONObject())
            }
            return shown
        }
        func readMembers(_ fields: inout Fields, into document: inout JSONObject) {
            for name in members where fields.has(name) {
                document[name] = fields.text(name, limit: 1_000).map { .string($0) }
            }
            if kind == Kind.label, let isProtected = fields.flag("protected") {
                document["protected"] = .bool(isProtected)
            }
            fields.ignore("organization_id", "organisation_id", "workspace_id")
        }
        switch (call.request.method, call.places.count) {
        case ("GET", 0):
            let search = call.query("search")?.lowercased()
            let all = try visible(kind, call, resource + ".list").filter {
                search == nil || $0.name.lowercased().contains(search ?? "")
            }
            return try call.list(all.map { .object(item($0)) })
        case ("POST", 0):
            var fields = try call.fields()
            let place = try place(call, named: fields.text("workspace_id"))
            try call.require(resource + ".create", in: place)
            let name = fields.requiredText("name")
            let given = fields.slug()
            var document = JSONObject([("name", .string(name))])
            readMembers(&fields, into: &document)
            try fields.finish()
            let slug = given ?? (kind == Kind.label ? name : Identifier.slug("", name))
            if try read({ store throws(StoreError) in try store.object(kind, slug: slug, in: place) }) != nil {
                throw Self.taken(word, slug)
            }
            let id = Identifier.make()
            let final = document
            try await change(call, resource + ".create", "\(word)/\(slug)", in: place) {
                store, now throws(StoreError) in
                try store.insert(
                    StoredObject(
                        kind: kind, id: id, workspace: place, slug: slug, document: final, at: now,
                        by: call.principal.id))
            }
            return Call.done(JSONObject([("id", .string(id)), ("slug", .string(slug)), ("object", .string(word))]))
        case ("GET", 1): return .object(item(try find(kind, call.places[0], call, resource + ".read", called: word)))
        case ("PUT", 1):
            var object = try find(kind, call.places[0], call, resource + ".update", called: word)
            var fields = try call.fields()
            if let name = fields.text("name") { object.document["name"] = .string(name) }
            readMembers(&fields, into: &object.document)
            try fields.finish()
            let changed = object
            try await change(call, resource + ".update", "\(word)/\(object.slug)", in: object.workspace) {
                store, now throws(StoreError) in
                var changed = changed
                changed.touch(call, at: now)
                try store.update(changed)
            }
            return Call.done(JSONObject([("id", .string(object.id))]))
        case ("DELETE", 1):
            let object = try find(kind, call.places[0], call, resource + ".delete", called: word)
            let prompts = try read { store throws(StoreError) in try store.objects(Kind.prompt, in: object.workspace) }
            let users = prompts.filter {
                $0.document["collection_id"]?.string == object.id || $0.labels[object.id] != nil
            }
            if !users.isEmpty {
                throw Self.inUse("the \(word) \(object.name)", "prompt " + users.map(\.slug).joined(separator: ", "))
            }
            try await change(call, resource + ".delete", "\(word)/\(object.slug)", in: object.workspace) {
                store, _ throws(StoreError) in try store.delete(kind, id: object.id)
            }
            return Call.done(JSONObject([("id", .string(object.id))]))
        default: throw call.unknown
        }
    }
}

extension StoredObject {
    /// The version that a reference without a suffix means.
    var published: Int { document["published"]?.int ?? version }

    /// Label's id to version.
    var labels: [String: Int] {
        Dictionary(
            (document["labels"]?.object?.members ?? []).compactMap { member in member.value.int.map { (member.key, $0) }
            },
            uniquingKeysWith: { one, _ in one })
    }
}
