// Conditions: the Common Expression Language over what a build knows. Checked here, evaluated by the worker.
import {Environment} from '@marcbachmann/cel-js'
import {z} from 'zod'

const environment = new Environment()
  .registerVariable('result', 'string')
  .registerVariable('props', 'map<string, dyn>')
  .registerVariable('steps', 'map<string, dyn>')
  .registerVariable('branch', 'dyn')
  .registerVariable('revision', 'dyn')

/** What is wrong with a condition; null when nothing is. */
export function conditionFault(text: string): string | null {
  if (text.length > 2000) return 'expected a condition of at most 2000 characters'
  try {
    const {valid, type, error} = environment.check(text)
    if (!valid) return `not a condition: ${(error?.message.split('\n')[0] ?? 'it cannot be read').trim()}`
    if (type !== undefined && type !== 'bool' && type !== 'dyn')
      return `a condition must be true or false, not ${type}`
    return null
  } catch (error) {
    return `not a condition: ${error instanceof Error ? (error.message.split('\n')[0] ?? '') : 'it cannot be read'}`
  }
}

/** A condition's text. */
export const condition = () =>
  z
    .string({error: `expected a condition such as "result == 'success'"`})
    .meta({title: 'condition'})
    .superRefine((text, context) => {
      const message = conditionFault(text)
      if (message !== null) context.addIssue({code: 'custom', message, input: text})
    })
