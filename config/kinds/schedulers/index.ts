// The scheduler kinds. A new one is a file beside this, and its line here.
import {z} from 'zod'
import {kindNamed, shapesOf} from '../kind.ts'
import type {SchedulerKind} from '../scheduler.ts'
import {force} from './force.ts'
import {nightly} from './nightly.ts'
import {singleBranch} from './singleBranch.ts'

export const schedulerKinds = [singleBranch, nightly, force] as const

export const schedulerShape = z.discriminatedUnion('kind', shapesOf(schedulerKinds))

/** The kind of that name; undefined for none. */
export const schedulerKind = (kind: unknown): SchedulerKind | undefined =>
  kindNamed<SchedulerKind>(schedulerKinds, kind)
