// Globs over branches and files: `*` stays within one name, `**` crosses slashes, `{a,b}` is either.
import picomatch from 'picomatch'
import {z} from 'zod'

const options = {dot: true, strictBrackets: true, nonegate: true}

/** Whether a text is a glob rather than a plain name. */
export const isGlob = (text: string): boolean => /[*?[\]{}()!]/.test(text)

/** What is wrong with a glob; null when nothing is. */
export function globFault(text: string): string | null {
  if (text === '' || text.length > 500) return 'expected a glob such as release/* of 1 to 500 characters'
  try {
    picomatch.makeRe(text.replace(/^!/, ''), options)
    return null
  } catch (error) {
    return `not a glob: ${error instanceof Error ? error.message : 'it cannot be read'}`
  }
}

/** A glob's text. */
export const glob = () =>
  z.string({error: 'expected a name or glob'}).superRefine((text, context) => {
    const message = globFault(text)
    if (message !== null) context.addIssue({code: 'custom', message, input: text})
  })

const compiled = new Map<string, (text: string) => boolean>()

/** Whether the text matches the glob. */
export function matchesGlob(text: string, made: string): boolean {
  let match = compiled.get(made)
  if (match === undefined) {
    match = picomatch(made, options)
    // A configuration has a few globs; the bound only keeps years of reloads from adding up.
    if (compiled.size >= 1000) compiled.clear()
    compiled.set(made, match)
  }
  return match(text)
}

/** A branch's name or a glob of them. A leading `-` would be an option to git, and is never a branch. */
export const branchGlob = () =>
  glob().refine((text) => branchFault(text, true) === null, {
    error: (issue) => branchFault(String(issue.input), true) ?? undefined,
  })

/** One branch's name. */
export const branchName = () => {
  const error = 'expected the name of a branch'
  return z.string({error}).refine((text) => branchFault(text, false) === null, {
    error: (issue) => branchFault(String(issue.input), false) ?? undefined,
  })
}

/** What keeps a text from being a branch's name, by the rules of git-check-ref-format; null when nothing does. */
export function branchFault(text: string, globs: boolean): string | null {
  if (text === '' || text.length > 250) return 'expected the name of a branch'
  if (text.startsWith('-')) return `expected the name of a branch; none begins with "-"`
  if (text.startsWith('refs/')) return `expected the name of a branch without refs/heads/`

  if (/[\u0000- \u007f~^:\\]|\.\.|@\{|\/\/|^\/|\/$|\.$|\.lock$|(?:^|\/)\./.test(text))
    return 'expected a name that git allows for a branch'
  if (!globs && isGlob(text)) return 'expected the name of one branch, not a glob'
  return null
}
