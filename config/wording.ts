// What zod found, in words: what was expected and what was there, and the known word that a misspelt one is near.
import type {z} from 'zod'
import type {Fault} from './kinds/kind.ts'
import {optionsAt, valueAt} from './schema.ts'
import {didYouMean} from './terms/near.ts'

/** A fault with its place: at the value, or at the key itself. */
export interface Finding extends Fault {
  readonly atKey?: boolean
}

const nouns: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping',
  record: 'a mapping',
}

/** A value in a few characters, as a problem quotes it. */
export function quote(value: unknown): string {
  if (value === null) return 'nothing'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'object') return 'a mapping'
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint')
    return String(value)
  if (typeof value !== 'string') return typeof value
  const text = JSON.stringify(value)
  return text.length <= 80 ? text : `${text.slice(0, 76)}…"`
}

/** Every problem an issue of zod stands for. `kindsAt` knows the kinds that a list's items may have. */
export function findings(
  issue: z.core.$ZodIssue,
  schema: z.ZodType,
  data: unknown,
  kindsAt: (path: readonly PropertyKey[]) => readonly string[],
): readonly Finding[] {
  const {path} = issue
  if (issue.code === 'unrecognized_keys') {
    const known = optionsAt(schema, data, path)
    return issue.keys.map((key) => ({
      path: [...path, key],
      message: `unknown key${didYouMean(key, known)}`,
      atKey: true,
    }))
  }
  if (issue.code === 'invalid_key') {
    return [{path, message: issue.issues[0]?.message ?? 'not a name', atKey: true}]
  }
  if (issue.code === 'invalid_union' && issue.errors.length === 0) {
    const kinds = kindsAt(path)
    return [{path, message: expectedOneOf(kinds, valueAt(data, path))}]
  }
  if (issue.code === 'invalid_union') {
    const meant = issue.errors.find(
      (errors) => !errors.some((error) => error.path.length === 0 && isTypeIssue(error)),
    )
    if (meant)
      return meant.flatMap((error) =>
        findings({...error, path: [...path, ...error.path]}, schema, data, kindsAt),
      )
  }
  return [{path, message: worded(issue, valueAt(data, path))}]
}

const isTypeIssue = (issue: z.core.$ZodIssue): boolean =>
  issue.code === 'invalid_type' || issue.code === 'unrecognized_keys'

function expectedOneOf(known: readonly string[], got: unknown): string {
  const expected = `expected one of ${known.join(', ')}`
  if (got === undefined) return `missing; ${expected}`
  return `${expected}, got ${quote(got)}${typeof got === 'string' ? didYouMean(got, known) : ''}`
}

function worded(issue: z.core.$ZodIssue, got: unknown): string {
  if (issue.code === 'invalid_value') return expectedOneOf(issue.values.map(String), got)
  const isPlain = issue.code === 'invalid_type' && issue.message.startsWith('Invalid input')
  const message = isPlain ? `expected ${nouns[issue.expected] ?? issue.expected}` : issue.message
  if (!message.startsWith('expected ')) return message
  if (got === undefined) return `missing; ${message}`
  // Someone may have put a password where the name of a secret belongs.
  if (message.startsWith('expected {secret: NAME}')) return message
  const unquoted =
    issue.code === 'invalid_type' &&
    issue.expected === 'string' &&
    (typeof got === 'number' || typeof got === 'boolean')
  const isText = /^expected (?:text|a name|one line|the name)/.test(message)
  return `${message}, got ${quote(got)}${unquoted && isText ? '; put it in quotes' : ''}`
}

/** Without the options that are only missing because their key is misspelt: one slip is one problem. */
export function withoutEchoes(found: readonly Finding[]): readonly Finding[] {
  const slips = found.filter(
    ({message, atKey}) => atKey === true && message.startsWith('unknown key; did you mean '),
  )
  const meant = new Set(
    slips.map(({path, message}) => JSON.stringify([...path.slice(0, -1), message.slice(26, -1)])),
  )
  return found.filter(
    ({path, message}) => !(message.startsWith('missing; ') && meant.has(JSON.stringify(path))),
  )
}
