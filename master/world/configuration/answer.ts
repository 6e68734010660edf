// What the program that evaluates a configuration answers, on its file descriptor 3, as one JSON text.

/** A place in a source file; lines and columns from 1. */
export interface SourcePlace {
  readonly file: string
  readonly line: number
  readonly column: number
}

/** A literal that made a value: where it is, and where its keys and their values are. */
export interface SourceLiteral {
  readonly place: SourcePlace | null
  readonly keys: Readonly<Record<string, {readonly key: SourcePlace; readonly value: SourcePlace}>>
}

export type Answer =
  | {
      readonly answer: 'data'
      readonly data: unknown
      readonly inputs: readonly string[]
      /** For each object and list, by its path as JSON, the literals that it was made from: its own first. */
      readonly made: Readonly<Record<string, readonly number[]>>
      readonly literals: Readonly<Record<string, SourceLiteral>>
      /** What is no data. */
      readonly faults: readonly {readonly path: readonly (string | number)[]; readonly message: string}[]
    }
  | {
      readonly answer: 'problems'
      readonly inputs: readonly string[]
      readonly problems: readonly {readonly place: SourcePlace | null; readonly message: string}[]
    }
