// "gh.schema/1": JSON Schema for plugins.

import CGatehouse
import Core
import JSONSchema

enum SchemaService {
    private final class Compiled: Sendable {
        let schema: Schema
        init(_ schema: Schema) { self.schema = schema }
    }

    nonisolated(unsafe) static let table: UnsafePointer<gh_schema> = {
        var table = gh_schema()
        table.struct_size = structSize(gh_schema.self)
        table.compile = { _, document, flags, onViolation, user in
            do {
                let value = try JSONValue(parsing: document.buffer)
                let isSilent = value["$schema"] == nil
                let schema = try Schema(
                    value, draft: isSilent && flags & UInt32(GH_SCHEMA_DRAFT_7) != 0 ? .draft7 : nil,
                    assertsFormats: flags & UInt32(GH_SCHEMA_FORMATS) != 0)
                return OpaquePointer(Unmanaged.passRetained(Compiled(schema)).toOpaque())
            } catch let error as SchemaError {
                for problem in error.problems { tell(onViolation, user, problem.schema.description, problem.message) }
                return nil
            } catch {
                tell(onViolation, user, "", "the schema is not JSON: \(error)")
                return nil
            }
        }
        table.validate = { compiled, document, onViolation, user in
            guard let compiled else { return Int32(GH_INVALID) }
            let schema = Unmanaged<Compiled>.fromOpaque(UnsafeRawPointer(compiled)).takeUnretainedValue().schema
            guard let value = try? JSONValue(parsing: document.buffer) else { return Int32(GH_INVALID) }
            let violations = schema.validate(value)
            for violation in violations { tell(onViolation, user, violation.instance.description, violation.message) }
            return violations.isEmpty ? 1 : 0
        }
        table.free_schema = { compiled in
            guard let compiled else { return }
            Unmanaged<Compiled>.fromOpaque(UnsafeRawPointer(compiled)).release()
        }
        return Extensions.immortal(table)
    }()

    private static func tell(
        _ callback: gh_schema_violation?, _ user: UnsafeMutableRawPointer?, _ pointer: String, _ message: String
    ) {
        guard let callback else { return }
        let pointer = Bytes(pointer)
        let message = Bytes(message)
        withExtendedLifetime((pointer, message)) { callback(user, gh_str(viewing: pointer), gh_str(viewing: message)) }
    }
}
