// What every kind owes: an example that loads by itself, words for every option, a sentence about itself.
import type {ExecutionContext} from 'ava'
import {type z} from 'zod'
import {parse} from 'yaml'
import type {Kind} from '../../../config/kinds/kind.ts'

/** Fails the test where a kind's example or words are missing or wrong; gives the example's options. */
export function checkKind<S extends z.ZodObject>(t: ExecutionContext, kind: Kind<S>): z.output<S> {
  const read = kind.shape.safeParse(parse(kind.example))
  t.true(read.success, read.error?.message)
  t.regex(kind.summary, /\.$/)
  for (const [name, option] of Object.entries(kind.shape.shape)) {
    if (name !== 'kind')
      t.truthy((option as z.ZodType).description, `${kind.kind}.${name} has no description`)
  }
  return read.data as z.output<S>
}

/** The messages about one item's options. */
export const problemsOf = (kind: Kind, options: object): readonly string[] => {
  const read = kind.shape.safeParse({kind: kind.kind, ...options})
  const names = {
    builder: ['check'],
    source: ['project'],
    gitSource: ['project'],
    worker: [],
    rule: ['stable'],
  }
  const faults = read.success ? (kind.check?.(read.data, names) ?? []) : []
  return [...(read.error?.issues.map(({message}) => message) ?? []), ...faults.map(({message}) => message)]
}
