// The step kinds. A new one is a file beside this, and its line here.
import {z} from 'zod'
import type {PlanStep} from '../../../worker/protocol/plan.ts'
import type {Builder, Expansion, Step} from '../../config.ts'
import {kindNamed, shapesOf} from '../kind.ts'
import type {StepKind} from '../step.ts'
import {git} from './git.ts'
import {setPropertyFromCommand} from './setPropertyFromCommand.ts'
import {shell} from './shell.ts'
import {upload} from './upload.ts'

export const stepKinds = [git, shell, setPropertyFromCommand, upload] as const

export const stepShape = z.discriminatedUnion('kind', shapesOf(stepKinds))

/** The kind of that name; undefined for none. */
export const stepKind = (kind: unknown): StepKind | undefined => kindNamed<StepKind>(stepKinds, kind)

/** One configured step as part of a plan. */
export function expandStep(step: Step, expansion: Expansion): PlanStep {
  const kind = stepKind(step.kind)
  if (!kind) throw new Error(`there is no step kind ${step.kind}`)
  return kind.expand(step.options as Record<string, unknown>, step.name, expansion)
}

/** All of a builder's steps as parts of a plan. */
export const expandSteps = (builder: Builder, expansion: Omit<Expansion, 'builder'>): PlanStep[] =>
  builder.steps.map((step) => expandStep(step, {...expansion, builder}))
