// What a shell may offer for an option or an argument: a list of words, files, directories, or nothing.
import type {UsageArgument, UsageOption} from './usage.ts'

export type Offer =
  | {readonly offer: 'words'; readonly words: readonly string[]}
  | {readonly offer: 'files' | 'directories' | 'nothing'}

/** What fits a value; its name tells when there are no choices. */
export function offerFor({choices, ...value}: UsageOption | UsageArgument): Offer {
  if (choices.length > 0) return {offer: 'words', words: choices}
  const name = 'name' in value ? value.name : (value.takes ?? '')
  if (/^(dir|directory|folder)$/.test(name)) return {offer: 'directories'}
  return {offer: /^(file|path|source|target|archive)$/.test(name) ? 'files' : 'nothing'}
}
