// The kinds of change sources. A new one is a file beside this, and its line here.
import {z} from 'zod'
import {kindNamed, shapesOf} from '../kind.ts'
import type {SourceKind} from '../source.ts'
import {git} from './git.ts'
import {webhook} from './webhook.ts'

export const sourceKinds = [git, webhook] as const

export const sourceShape = z.discriminatedUnion('kind', shapesOf(sourceKinds))

/** The kind of that name; undefined for none. */
export const sourceKind = (kind: unknown): SourceKind | undefined => kindNamed<SourceKind>(sourceKinds, kind)
