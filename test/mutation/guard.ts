// What a guard is, as data: the line that holds a promise, how it is taken away, and the test that must notice.

/** One edit of the source: `text` occurs exactly once in it. */
export interface Change {
  readonly text: string
  readonly instead: string
}

export interface Guard {
  /** A short name for the command line. */
  readonly name: string
  /** What would be possible without it. */
  readonly without: string
  readonly file: string
  readonly changes: readonly Change[]
  /** The test file, and the title of the one test that must go red. */
  readonly test: string
  readonly title: string
  /** What the test's titles are followed by: the database or the engine that it runs on. */
  readonly on?: 'PostgreSQL' | 'embedded' | 'Docker'
}

/** The title as ava tells it. */
export const titleOf = ({title, on}: Guard): string => (on ? `${title} (${on})` : title)

/** The text of a guard is not in its file exactly once: the guard moved, and the table must follow it. */
export class GuardMoved extends Error {
  override readonly name = 'GuardMoved'
}

/** The source without the guard. Throws GuardMoved. */
export function mutated(source: string, {file, changes}: Guard): string {
  return changes.reduce((text, change) => {
    const times = text.split(change.text).length - 1
    if (times !== 1)
      throw new GuardMoved(
        `the guard moved: ${file} has ${times === 0 ? 'no longer' : `${String(times)} times`} the text\n${change.text}`,
      )
    return text.replace(change.text, () => change.instead)
  }, source)
}
