// What every kind is made of: its schema, its words, an example and what it refers to. `load.ts` reads documents
// with these, `print.ts` prints the reference from them.
import {type z} from 'zod'

/** The named things a kind may refer to. */
export type Noun = 'builder' | 'source' | 'gitSource' | 'worker' | 'rule'

/** Something wrong with one item's options; `path` is below the item. */
export interface Fault {
  readonly path: readonly PropertyKey[]
  readonly message: string
}

/** Which names exist in the whole document, by noun, also where their owners have problems of their own. */
export type Names = Readonly<Record<Noun, readonly string[]>>

export interface Kind<S extends z.ZodObject = z.ZodObject> {
  readonly kind: string
  /** One sentence for the reference. */
  readonly summary: string
  /** The options; each is described. */
  readonly shape: S
  /** One item of the document's list, as YAML. It is loaded by the tests. */
  readonly example: string
  /** Options whose values name other things: `{builders: 'builder', 'green.builders': 'builder'}`. */
  readonly references?: Readonly<Record<string, Noun>>
  /** What the schema cannot say. Gets the options that could be read, also when others could not. */
  check?(options: Partial<z.output<S>>, names: Names): readonly Fault[]
}

/** The schemas of a folder's kinds, as the tuple that a discriminated union wants. */
export const shapesOf = <const T extends readonly [Kind, ...Kind[]]>(kinds: T) =>
  kinds.map(({shape}) => shape) as unknown as {readonly [K in keyof T]: T[K]['shape']}

/** The kind of that name; undefined for none. */
export const kindNamed = <T extends Kind>(kinds: readonly T[], kind: unknown): T | undefined =>
  kinds.find((candidate) => candidate.kind === kind)
