// What promotion rules share: a source's branch that is carried into another.
import {z} from 'zod'
import type {PromotionRule} from '../config.ts'
import {branchName} from '../terms/globs.ts'
import {thingName} from '../terms/names.ts'
import type {Fault, Kind} from './kind.ts'

export interface RuleKind<S extends z.ZodObject = z.ZodObject> extends Kind<S> {
  /** The rule as the master reads it. */
  resolve(options: z.output<S>): PromotionRule
}

/** Defines a promotion kind, with its options typed by its schema. */
export const defineRule = <S extends z.ZodObject>(kind: RuleKind<S>): RuleKind<S> => kind

/** Options of every rule. */
export const ruleOptions = () => ({
  name: thingName().describe('Its name.'),
  source: thingName().describe('The git source whose branches these are; its credentials must be allowed to push.'),
  from: branchName().describe('The branch that is carried.'),
  to: branchName().describe('The branch that moves.'),
})

/** A branch cannot be carried into itself. */
export const sameBranch = ({from, to}: {readonly from?: string; readonly to?: string}): readonly Fault[] =>
  from !== undefined && from === to ? [{path: ['to'], message: `a branch is not promoted to itself, ${to}`}] : []
