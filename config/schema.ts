// Walking zod's schemas beside the data they describe: which options there are at a place, and which of an item's
// options can be read although others cannot.
import {z} from 'zod'

type Path = readonly PropertyKey[]
type Shape = Readonly<Record<string, z.core.$ZodType | undefined>>

/** The value at a path; undefined where there is none. */
export function valueAt(data: unknown, path: Path): unknown {
  let value = data
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined
    value = (value as Record<PropertyKey, unknown>)[key]
  }
  return value
}

/** A schema without defaults, transforms and the like around it. */
export function bare(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodPipe) return bare(schema.def.in)
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault
  ) {
    return bare(schema.def.innerType)
  }
  return schema
}

/** The object schemas that a value may have: those of a union, or of the union's member with the value's kind. */
function objectsFor(schema: z.core.$ZodType, value: unknown): readonly z.ZodObject[] {
  const inner = bare(schema)
  if (inner instanceof z.ZodObject) return [inner]
  if (!(inner instanceof z.ZodUnion)) return []
  const members = inner.def.options.flatMap((option) => objectsFor(option, value))
  const kind = valueAt(value, ['kind'])
  const exact = members.filter((member) => {
    const tag = (member.shape as Shape)['kind']
    return tag instanceof z.ZodLiteral && tag.value === kind
  })
  return exact.length > 0 ? exact : members
}

/** The names of the options that there are at a path. */
export function optionsAt(schema: z.core.$ZodType, data: unknown, path: Path): readonly string[] {
  const [key, ...rest] = path
  if (key === undefined) return objectsFor(schema, data).flatMap((object) => Object.keys(object.shape))
  const inner = bare(schema)
  const below = valueAt(data, [key])
  if (inner instanceof z.ZodArray) return optionsAt(inner.def.element, below, rest)
  if (inner instanceof z.ZodRecord) return optionsAt(inner.def.valueType, below, rest)
  for (const object of objectsFor(inner, data)) {
    const member = (object.shape as Shape)[String(key)]
    if (member) return optionsAt(member, below, rest)
  }
  return []
}

/** The options of one item that can be read, each for itself. */
export function readable(shape: z.ZodObject, item: unknown): Record<string, unknown> {
  const found: Record<string, unknown> = {}
  for (const [name, schema] of Object.entries(shape.shape)) {
    const read = (schema as z.ZodType).safeParse(valueAt(item, [name]))
    if (read.success) found[name] = read.data
  }
  return found
}
