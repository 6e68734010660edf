// force: people and programs ask for a build, with parameters of their own.
import {z} from 'zod'
import type {Force, Parameter, Property} from '../../config.ts'
import {branchName} from '../../terms/globs.ts'
import {builtinProperties} from '../../terms/interpolation.ts'
import {flag, line, list, propertyName, thingName} from '../../terms/names.ts'
import {didYouMean} from '../../terms/near.ts'
import {matchesWhole, pattern} from '../../terms/patterns.ts'
import type {Fault} from '../kind.ts'
import {defineScheduler, firstBranch, firstSource, schedulerOptions, sharedOf} from '../scheduler.ts'

const kinds = ['string', 'text', 'integer', 'boolean', 'choice'] as const
const limit = () => {
  const error = 'expected a whole number'
  return z.int({error})
}

const parameterShape = z.strictObject(
  {
    name: propertyName().describe('The property it sets.'),
    kind: z
      .enum(kinds, {error: `expected one of ${kinds.join(', ')}`})
      .prefault('string')
      .describe('`string` is one line, `text` has many, `choice` is one of `choices`.'),
    label: line().optional().describe('What the form calls it. Default: its name.'),
    required: flag().prefault(false).describe('It must be given.'),
    default: z
      .union([z.string(), z.number(), z.boolean()], {error: 'expected text, a number, true or false'})
      .nullable()
      .prefault(null)
      .describe('What it is when not given. `null`: the property is not set.'),
    choices: list(z.string({error: 'expected text'}), 'texts')
      .prefault([])
      .describe('What may be chosen.'),
    pattern: pattern()
      .nullable()
      .prefault(null)
      .describe('A linear-time (RE2) pattern that a text must match whole.'),
    min: limit().nullable().prefault(null).describe('The least integer, or the least length of a text.'),
    max: limit()
      .nullable()
      .prefault(null)
      .describe('The greatest integer, or the greatest length of a text.'),
  },
  {error: 'expected a parameter such as {name: issue, kind: integer}'},
)

const shape = z.strictObject({
  kind: z.literal('force'),
  ...schedulerOptions(),
  label: line().optional().describe('What the form calls it. Default: its name.'),
  source: thingName()
    .nullable()
    .prefault(null)
    .describe('What a branch and revision are of. Default: the source that its first builder checks out.'),
  branch: branchName()
    .nullable()
    .prefault(null)
    .describe("The branch when none is asked for. Default: the source's first."),
  trusted: flag()
    .prefault(false)
    .describe(
      'Whether its builds may make a commit green for a promotion, as those of a branch’s own scheduler do.',
    ),
  parameters: list(parameterShape, 'parameters')
    .prefault([])
    .describe('What may be given, each as a property of the build.'),
})

/** The scheduler kind `force`. */
export const force = defineScheduler({
  kind: 'force',
  summary: 'Build when a person or a program asks, with parameters.',
  shape,
  example: `kind: force
name: force
builders: [check]
parameters:
  - {name: issue, kind: integer, required: true, min: 1}
`,
  references: {builders: 'builder', source: 'source'},
  check: ({parameters}) =>
    (parameters ?? []).flatMap((parameter, at) => parameterFaults(asParameter(parameter), at)),
  sets: ({parameters}) => (parameters ?? []).map(({name}) => name),
  resolve: (options, surroundings) => {
    const source = options.source ?? firstSource(options.builders, surroundings)
    return {
      kind: 'force',
      ...sharedOf(options),
      label: options.label ?? options.name,
      source,
      branch: options.branch ?? firstBranch(source, surroundings),
      trusted: options.trusted,
      parameters: options.parameters.map(asParameter),
    }
  },
})

const asParameter = (parameter: z.output<typeof parameterShape>): Parameter => ({
  ...parameter,
  label: parameter.label ?? parameter.name,
})

function parameterFaults(parameter: Parameter, at: number): readonly Fault[] {
  const fault = (option: keyof Parameter, message: string): Fault => ({
    path: ['parameters', at, option],
    message,
  })
  const faults: Fault[] = []
  if (Object.hasOwn(builtinProperties, parameter.name))
    faults.push(fault('name', `every build has its own ${parameter.name}; choose another name`))
  if (parameter.kind === 'choice' && parameter.choices.length === 0)
    faults.push(fault('choices', 'a choice needs choices'))
  if (parameter.kind !== 'choice' && parameter.choices.length > 0)
    faults.push(fault('choices', `only a choice has choices, not ${parameter.kind}`))
  if (parameter.pattern !== null && !isText(parameter))
    faults.push(fault('pattern', `only string and text have a pattern, not ${parameter.kind}`))
  if (parameter.min !== null && !isMeasured(parameter))
    faults.push(fault('min', `a ${parameter.kind} has no least value`))
  if (parameter.max !== null && !isMeasured(parameter))
    faults.push(fault('max', `a ${parameter.kind} has no greatest value`))
  if (parameter.min !== null && parameter.max !== null && parameter.min > parameter.max)
    faults.push(fault('max', `the greatest value is below the least, ${String(parameter.min)}`))
  if (parameter.default !== null && faults.length === 0) {
    const wrong = valueFault(parameter, parameter.default)
    if (wrong !== null) faults.push(fault('default', wrong))
  }
  return faults
}

const isText = ({kind}: Parameter): boolean => kind === 'string' || kind === 'text'
const isMeasured = (parameter: Parameter): boolean => isText(parameter) || parameter.kind === 'integer'

/** What is wrong with a value of the right type; null when nothing is. */
function valueFault(parameter: Parameter, value: Property): string | null {
  const {kind, choices, min, max} = parameter
  if (kind === 'boolean') return typeof value === 'boolean' ? null : 'expected true or false'
  if (kind === 'integer') {
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) return 'expected a whole number'
    if (min !== null && value < min) return `expected at least ${String(min)}`
    return max !== null && value > max ? `expected at most ${String(max)}` : null
  }
  if (typeof value !== 'string') return 'expected text'
  if (kind === 'choice')
    return choices.includes(value)
      ? null
      : `expected one of ${choices.join(', ')}${didYouMean(value, choices)}`
  return textFault(parameter, value)
}

function textFault({kind, pattern: wanted, min, max}: Parameter, value: string): string | null {
  if (kind === 'string' && /[\r\n]/.test(value)) return 'expected one line'
  if (value.includes('\0')) return 'expected text without NUL'
  if (value.length > 100_000) return 'expected at most 100000 characters'
  if (min !== null && value.length < min) return `expected at least ${String(min)} characters`
  if (max !== null && value.length > max) return `expected at most ${String(max)} characters`
  return wanted !== null && !matchesWhole(value, wanted) ? `expected what matches ${wanted}` : null
}

/** The value a text from a form or a command line stands for; anything else stays as it is. */
function typed({kind}: Parameter, value: unknown): unknown {
  if (typeof value !== 'string') return value
  if (kind === 'integer' && /^\s*[+-]?\d{1,16}\s*$/.test(value)) return Number(value)
  if (kind === 'boolean' && /^(?:true|on|yes|1)$/i.test(value)) return true
  if (kind === 'boolean' && /^(?:false|off|no|0|)$/i.test(value)) return false
  return kind === 'string' ? value.trim() : kind === 'text' ? value.replaceAll('\r\n', '\n') : value
}

export type ReadParameters =
  | {readonly properties: Readonly<Record<string, Property>>; readonly problems: readonly []}
  | {
      readonly properties: null
      readonly problems: readonly {readonly path: string; readonly message: string}[]
    }

/** The properties that given parameters come to, or every problem. Texts are read as a form's fields. */
export function readParameters(scheduler: Force, input: Readonly<Record<string, unknown>>): ReadParameters {
  const problems: {path: string; message: string}[] = []
  const properties: [string, Property][] = []
  const known = scheduler.parameters.map(({name}) => name)
  for (const name of Object.keys(input)) {
    if (!known.includes(name))
      problems.push({path: `parameters.${name}`, message: `unknown parameter${didYouMean(name, known)}`})
  }
  for (const parameter of scheduler.parameters) {
    const given = Object.hasOwn(input, parameter.name) ? typed(parameter, input[parameter.name]) : undefined
    // An empty field of a form is nothing given.
    const value = given === undefined || given === null || given === '' ? parameter.default : given
    if (value === null) {
      if (parameter.required) problems.push({path: `parameters.${parameter.name}`, message: 'missing'})
      continue
    }
    const wrong = valueFault(parameter, value as Property)
    if (wrong === null) properties.push([parameter.name, value as Property])
    else problems.push({path: `parameters.${parameter.name}`, message: wrong})
  }
  return problems.length > 0
    ? {properties: null, problems}
    : {properties: Object.fromEntries(properties), problems: []}
}
