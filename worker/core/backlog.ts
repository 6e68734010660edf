// What is done about a step's output that lies unread on the worker's disk, because nobody takes what was read before it.
//
// A build has so much room for it. Beyond that a step is held (its processes are stopped) as long as the master takes
// anything at all; when it takes nothing, the policy says whether the step waits on or the middle of its output is cut out.

/** `truncate` cuts the middle out and lets builds go on; `block` holds the step until its output is taken. */
export const spoolPolicies = ['truncate', 'block'] as const
export type SpoolPolicy = (typeof spoolPolicies)[number]

export interface Backlog {
  /** Bytes of output that are on the disk and not read yet, and how many may be. */
  readonly unread: number
  readonly room: number
  /** The master takes nothing. */
  readonly isStalled: boolean
  /** The step is held for it. */
  readonly isHeld: boolean
  readonly policy: SpoolPolicy
}

export interface Measures {
  readonly cuts: boolean
  readonly holds: boolean
}

/** A step that was held goes on below this part of the room, so that it is not held again at once. */
const calmPart = 0.75
/** A step that prints faster than its output is cut is held meanwhile. */
const hastyTimes = 2

/** What to do about a step's output. Of what is cut, a quarter of the room is kept at the beginning and one at the end. */
export function measuresFor({unread, room, isStalled, isHeld, policy}: Backlog): Measures {
  if (unread <= (isHeld ? room * calmPart : room)) return {cuts: false, holds: false}
  if (policy === 'block' || !isStalled) return {cuts: false, holds: true}
  return {cuts: true, holds: unread > room * hastyTimes}
}

/** The bytes that a cut keeps at either end. */
export const keptAtEnds = (room: number): number => Math.floor(room / 4)
