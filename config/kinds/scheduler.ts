// What schedulers share: whom they ask to build, and with which properties.
import {type z} from 'zod'
import type {Builder, ChangeSource, Scheduler} from '../config.ts'
import {isGlob} from '../terms/globs.ts'
import {count, line, properties, someOf, thingName} from '../terms/names.ts'
import type {Kind} from './kind.ts'

/** What a scheduler may look at to find its defaults. */
export interface Surroundings {
  readonly timezone: string
  readonly sources: readonly ChangeSource[]
  readonly builders: readonly Builder[]
}

export interface SchedulerKind<S extends z.ZodObject = z.ZodObject> extends Kind<S> {
  /** Properties that its builds have. */
  sets?(options: Partial<z.output<S>>): readonly string[]
  /** The scheduler as the master reads it. */
  resolve(options: z.output<S>, surroundings: Surroundings): Scheduler
}

/** Defines a scheduler kind, with its options typed by its schema. */
export const defineScheduler = <S extends z.ZodObject>(kind: SchedulerKind<S>): SchedulerKind<S> => kind

/** Options of every scheduler. */
export const schedulerOptions = () => ({
  name: thingName().describe('Its name.'),
  builders: someOf(thingName(), 'builder').describe('The builders to ask.'),
  properties: properties().prefault({}).describe('Properties of its builds.'),
  priority: count(-1000, 1000).prefault(0).describe("Higher first; added to the builder's."),
  reason: line().nullable().prefault(null).describe('Why it builds, for people. Default: what happened.'),
})

interface Shared {
  readonly name: string
  readonly builders: readonly string[]
  readonly properties: Scheduler['properties']
  readonly priority: number
  readonly reason: string | null
}

/** The part that all schedulers fill alike. */
export const sharedOf = ({name, builders, properties, priority, reason}: Shared): Shared => ({
  name,
  builders: [...new Set(builders)],
  properties,
  priority,
  reason,
})

/** The first source that the named builders check out; null for none. */
export function firstSource(
  builders: readonly string[],
  {builders: all, sources}: Surroundings,
): string | null {
  for (const name of builders) {
    for (const {kind, options} of all.find((each) => each.name === name)?.steps ?? []) {
      const {repository} = options as {repository?: unknown}
      if (kind === 'git' && sources.some((source) => source.name === repository)) return repository as string
    }
  }
  return null
}

/** The first branch of a source that is a name and no glob; null for none. */
export function firstBranch(source: string | null, {sources}: Surroundings): string | null {
  const found = sources.find(({name}) => name === source)
  return found?.kind === 'git' ? (found.branches.find((branch) => !isGlob(branch)) ?? null) : null
}
