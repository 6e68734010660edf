// The promotion kinds. A new one is a file beside this, and its line here.
import {z} from 'zod'
import {kindNamed, shapesOf} from '../kind.ts'
import type {RuleKind} from '../rule.ts'
import {fastForward} from './fastForward.ts'
import {gate} from './gate.ts'
import {merge} from './merge.ts'

export const ruleKinds = [fastForward, merge, gate] as const

export const ruleShape = z.discriminatedUnion('kind', shapesOf(ruleKinds))

/** The kind of that name; undefined for none. */
export const ruleKind = (kind: unknown): RuleKind | undefined => kindNamed<RuleKind>(ruleKinds, kind)
