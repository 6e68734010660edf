// Regular expressions that take linear time (RE2), so that no line of a log and no parameter can stall anyone.
import {RE2JS} from 're2js'
import {z} from 'zod'

/** What is wrong with a pattern; null when nothing is. */
export function patternFault(text: string): string | null {
  if (text.length > 2000) return 'expected a pattern of at most 2000 characters'
  try {
    RE2JS.compile(text)
    return null
  } catch (error) {
    return `not an RE2 pattern: ${error instanceof Error ? error.message : 'it cannot be read'}`
  }
}

/** A pattern's text. */
export const pattern = () =>
  z.string({error: "expected a pattern such as '^warning:'"}).superRefine((text, context) => {
    const message = patternFault(text)
    if (message !== null) context.addIssue({code: 'custom', message, input: text})
  })

/** Whether the whole text matches. */
export const matchesWhole = (text: string, made: string): boolean => RE2JS.compile(made).matches(text)
