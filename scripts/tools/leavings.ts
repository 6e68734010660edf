// Which containers and images may be removed: decided from their labels and from what they hold, which is all that is told here.

export interface Seen {
  readonly id: string
  readonly labels: Readonly<Record<string, string>>
  readonly isRunning: boolean
  readonly createdAtMs: number
  /** Where the host keeps the attempt that the container belongs to; null when it has none. */
  readonly attempt: string | null
}

export type Fate = {readonly remove: boolean; readonly because: string}

/** Whether a folder of the host is there, is gone, or cannot be looked at from here. */
export type Look = (folder: string) => 'there' | 'gone' | 'hidden'

/** Marks what a worker made; the number of its attempt, and whose it is. */
export const isOurs = ({labels}: Pick<Seen, 'labels'>): boolean =>
  'ostler.state' in labels || 'ostler.tool' in labels

/**
 * What is to become of a container of ours. A build's is held as long as its attempt lies in the worker's state directory, whether
 * the worker runs or not: it goes on with it. Only when that is gone for certain does nobody know of the container any more.
 */
export function fateOf(
  seen: Seen,
  {look, now, olderThanMs}: {look: Look; now: number; olderThanMs: number},
): Fate {
  if (now - seen.createdAtMs < olderThanMs) return {remove: false, because: 'too young'}
  if (seen.attempt === null)
    return seen.isRunning
      ? {remove: false, because: 'it runs'}
      : {remove: true, because: 'it has ended and belongs to no build'}
  switch (look(seen.attempt)) {
    case 'there':
      return {
        remove: false,
        because: `build ${seen.labels['ostler.build'] ?? '?'} of worker ${seen.labels['ostler.worker'] ?? '?'} is held`,
      }
    case 'hidden':
      return {remove: false, because: `${seen.attempt} cannot be looked at from here`}
    case 'gone':
      return {remove: true, because: 'no worker holds its build any more'}
  }
}
