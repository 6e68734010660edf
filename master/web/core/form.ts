// The force form: what was typed becomes what the master takes, or every problem at its field.

export interface Parameter {
  readonly name: string
  readonly kind: 'string' | 'text' | 'integer' | 'boolean' | 'choice'
  readonly label: string
  readonly required: boolean
  readonly default: unknown
  readonly choices: readonly string[]
  readonly pattern: string | null
  readonly min: number | null
  readonly max: number | null
}

export interface Problem {
  readonly path: string
  readonly message: string
}

export type Typed = Readonly<Record<string, string | boolean>>

/** What stands in a field before anybody typed. */
export const typedDefault = ({kind, default: value, choices, required}: Parameter): string | boolean => {
  if (kind === 'boolean') return value === true
  if (typeof value === 'string' || typeof value === 'number') return String(value)
  return kind === 'choice' && required ? (choices[0] ?? '') : ''
}

/** Reads all fields. Optional ones left empty are not sent, so that the master's default holds. */
export function readForm(
  parameters: readonly Parameter[],
  typed: Typed,
): {values: Record<string, string | number | boolean>; problems: Problem[]} {
  const values: Record<string, string | number | boolean> = {}
  const problems: Problem[] = []
  for (const parameter of parameters) {
    const value = typed[parameter.name] ?? typedDefault(parameter)
    const message = problemOf(parameter, value)
    if (message !== null) problems.push({path: `parameters.${parameter.name}`, message})
    else if (value !== '') values[parameter.name] = parameter.kind === 'integer' ? Number(value) : value
  }
  return {values, problems}
}

function problemOf(parameter: Parameter, value: string | boolean): string | null {
  if (typeof value === 'boolean') return parameter.required && !value ? 'must be ticked' : null
  if (value === '') return parameter.required ? 'is required' : null
  if (parameter.kind === 'integer') return problemOfNumber(parameter, value)
  if (parameter.kind === 'choice' && !parameter.choices.includes(value)) return 'is not one of the choices'
  // A pattern this browser cannot read is left to the master.
  if (parameter.pattern !== null && matches(parameter.pattern, value) === false)
    return `must match ${parameter.pattern}`
  return null
}

function problemOfNumber({min, max}: Parameter, value: string): string | null {
  if (!/^[+-]?\d+$/.test(value.trim())) return 'must be a whole number'
  if (min !== null && Number(value) < min) return `must be at least ${String(min)}`
  if (max !== null && Number(value) > max) return `must be at most ${String(max)}`
  return null
}

function matches(pattern: string, value: string): boolean | null {
  try {
    return new RegExp(`^(?:${pattern})$`, 'u').test(value)
  } catch {
    return null
  }
}

/** The problems that belong to one field; a problem of no known field is shown above the form. */
export const problemsAt = (problems: readonly Problem[], path: string) =>
  problems
    .filter((problem) => problem.path === path || problem.path === path.replace(/^parameters\./, ''))
    .map(({message}) => message)
