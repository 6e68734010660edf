// Text with holes, as people write it, and the template that the plan carries.
//
//   ${branch}              a property that every build has (see `builtinProperties`)
//   ${props.version}       any property
//   ${revision:12}         its first twelve characters
//   ${props.x:-none}       what stands in where it is not set; also ${props.x:12:-none}
//   ${secret.NAME}         a secret's value, masked in every log
//   $${HOME}               ${HOME} itself, for the shell
import {z} from 'zod'
import type {Property, Template} from '../../worker/protocol/plan.ts'
import {didYouMean} from './near.ts'
import {secretNamePattern, secretRef} from './secrets.ts'

/** The properties the master gives to every build; null where the build has no such thing. */
export interface BuiltinProperties {
  readonly branch: string | null
  readonly revision: string | null
  readonly repository: string | null
  readonly builder: string
  readonly buildNumber: number
  readonly build: string
  readonly worker: string
  readonly reason: string
  readonly scheduler: string | null
}

/** The names of `BuiltinProperties`, with what each one says. */
export const builtinProperties: Readonly<Record<keyof BuiltinProperties, string>> = {
  branch: 'the branch being built',
  revision: 'the revision asked for; not set when the tip of the branch was asked for (see gotRevision)',
  repository: "the source's name, or its URL where it has none",
  builder: "the builder's name",
  buildNumber: "the build's number within its builder",
  build: "the build's id",
  worker: 'the worker it runs on',
  reason: 'why it is built',
  scheduler: 'the scheduler that asked for it; not set when none did',
}

/** What the git step sets; before it these are not set. `gotRevision.NAME` is one repository's. */
export const checkoutProperties: Readonly<Record<'gotRevision', string>> = {
  gotRevision: 'the revision the git step found',
}

type Hole = Exclude<Template[number], string>
const holePattern = /^(?:(props|secret)\.)?([A-Za-z_0-9][A-Za-z0-9_.-]*)(?::([1-9]\d{0,5}))?(?::-(.*))?$/s

export interface Parsed {
  readonly template: Template
  readonly faults: readonly string[]
}

/** Reads text with holes. `bare` are the names that may stand without `props.`; `secrets` says whether secrets may. */
export function parseTemplate(text: string, bare: readonly string[], secrets: boolean): Parsed {
  const template: Template = []
  const faults: string[] = []
  let literal = ''
  let at = 0
  while (at < text.length) {
    const open = text.indexOf('${', at)
    if (open === -1) break
    if (text[open - 1] === '$' && open - 1 >= at) {
      literal += `${text.slice(at, open - 1)}\${`
      at = open + 2
      continue
    }
    literal += text.slice(at, open)
    const close = text.indexOf('}', open)
    if (close === -1) {
      faults.push(`"\${" is never closed; write $\${ for the characters themselves`)
      return {template, faults}
    }
    const hole = readHole(text.slice(open + 2, close), bare, secrets)
    if (typeof hole === 'string') faults.push(hole)
    else {
      if (literal !== '') template.push(literal)
      literal = ''
      template.push(hole)
    }
    at = close + 1
  }
  literal += text.slice(at)
  if (literal !== '') template.push(literal)
  return {template, faults}
}

/** One hole, or what is wrong with it. */
function readHole(inside: string, bare: readonly string[], secrets: boolean): Hole | string {
  const found = holePattern.exec(inside)
  // Where no secrets may be used no shell reads the text either, and only the given names can be filled.
  const remedy = secrets
    ? `; \${props.NAME} is a property, $\${${inside}} is for the shell`
    : `; there are ${bare.join(', ')}`
  if (!found) return `\${${inside}} cannot be read${remedy}`
  const [, scope, name = '', take, otherwise] = found
  if (scope === 'secret') {
    if (!secrets) return `\${${inside}}: no secret may be used here`
    if (take !== undefined || otherwise !== undefined)
      return `\${${inside}}: a secret is neither cut nor replaced`
    return secretNamePattern.test(name) ? {secret: name} : `\${${inside}}: no secret can have this name`
  }
  if ((scope === undefined || !secrets) && !bare.includes(name)) {
    return `\${${inside}} is not known here${didYouMean(name, bare)}${remedy}`.replace('?;', '?')
  }
  return {
    prop: name,
    ...(take === undefined ? {} : {take: Number(take)}),
    ...(otherwise === undefined ? {} : {otherwise}),
  }
}

/** Text whose holes are properties and secrets; as a template. */
export const template = () =>
  templateOf([...Object.keys(builtinProperties), ...Object.keys(checkoutProperties)], true)

/** Text whose holes are only the given names. */
export const templateOf = (bare: readonly string[], secrets = false) =>
  z
    .string({error: 'expected text'})
    .meta({title: 'template'})
    .transform((text, context) => {
      const {template: made, faults} = parseTemplate(text, bare, secrets)
      for (const message of faults) context.addIssue({code: 'custom', message, input: text})
      return made
    })

/** A template, or `{secret: NAME}` for a value that is a secret as a whole. */
const templateOrSecret = () =>
  z.union([template(), secretRef().transform(({secret}): Template => [{secret}])], {
    // Of text, the template's own fault is the one that helps.
    error: (issue) => {
      const fault = typeof issue.input === 'string' ? issue.errors[0]?.[0]?.message : undefined
      return fault ?? 'expected text such as C.UTF-8, or {secret: NAME}'
    },
  })

/** Environment variables whose values are templates. */
export const environment = () => {
  const error = "expected a variable's name: letters, digits and '_'"
  return z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,199}$/, {error}), templateOrSecret(), {
    error: 'expected variables such as {LANG: C.UTF-8}',
  })
}

/** Whether a value is a template, as opposed to a list of them. */
const isHole = (value: unknown): value is Hole =>
  typeof value === 'object' && value !== null && ('prop' in value || 'secret' in value)

/** Every hole in the templates of any value, such as a list of plan steps, each with the path to its template. */
export function holesIn(
  value: unknown,
  path: readonly PropertyKey[] = [],
): readonly {hole: Hole; path: readonly PropertyKey[]}[] {
  if (typeof value !== 'object' || value === null) return []
  if (Array.isArray(value)) {
    const items: readonly unknown[] = value
    return items.flatMap((item, at) => (isHole(item) ? [{hole: item, path}] : holesIn(item, [...path, at])))
  }
  return Object.entries(value).flatMap(([key, inner]) => holesIn(inner, [...path, key]))
}

/** The secrets that the templates of any value refer to, in order and once: what a plan's `secrets` must name. */
export function secretsIn(value: unknown): string[] {
  return [...new Set(holesIn(value).flatMap(({hole}) => ('secret' in hole ? [hole.secret] : [])))].sort()
}

/** The template filled with values that are known here, such as a promotion's message; what is not set stays empty. */
export function fill(made: Template, values: Readonly<Record<string, Property>>): string {
  return made
    .map((part) =>
      typeof part === 'string' ? part : 'secret' in part ? '' : fillHole(part, values[part.prop]),
    )
    .join('')
}

function fillHole(hole: Extract<Hole, {prop: string}>, value: Property | undefined): string {
  if (value === undefined || value === null) return hole.otherwise ?? ''
  return propertyText(value).slice(0, hole.take)
}

/** A property's value as text: text as it is, all else as JSON. */
export const propertyText = (value: Property): string =>
  typeof value === 'string' ? value : JSON.stringify(value)
