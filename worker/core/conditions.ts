// The conditions of steps (`when`): CEL over the build so far. Never `eval`; the library bounds what an expression can do.
import {evaluate} from '@marcbachmann/cel-js'
import type {Property} from '../protocol/plan.ts'
import type {Result} from '../protocol/results.ts'

export interface Scene {
  /** The build's result so far. */
  readonly result: Result
  readonly props: Readonly<Record<string, Property>>
  /** The steps that have ended, by name. */
  readonly steps: Readonly<Record<string, {readonly result: Result}>>
  readonly branch: string
  readonly revision: string
}

export type Verdict = {readonly holds: boolean} | {readonly error: string}

/** Whether a condition holds; an expression that is wrong or gives no boolean is an error, never a guess. */
export function holds(condition: string, scene: Scene): Verdict {
  try {
    const value: unknown = evaluate(condition, {...scene, props: celValue(scene.props)})
    if (typeof value === 'boolean') return {holds: value}
    return {error: `condition "${condition}" gives no boolean`}
  } catch (error) {
    const [message = 'malformed'] = (error as Error).message.split('\n', 1)
    return {error: `condition "${condition}": ${message}`}
  }
}

/** JSON has one kind of number, CEL has two: whole ones become integers, so that `props.n / 2` means what it says. */
function celValue(value: unknown): unknown {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value
  if (Array.isArray(value)) return value.map(celValue)
  if (value !== null && typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, celValue(inner)]))
  return value
}
