// A plan: all that a worker needs to run a build by itself, resolved once from the configuration and the request.
import type {Builder, Config} from '../../config/config.ts'
import {expandStep} from '../../config/kinds/steps/index.ts'
import {secretsIn} from '../../config/terms/interpolation.ts'
import type {Plan, Property, SourceStamp} from '../../worker/protocol/plan.ts'

export interface BuildToPlan {
  readonly id: string
  readonly number: number
  readonly sourceStamps: readonly SourceStamp[]
  readonly properties: Readonly<Record<string, Property>>
  readonly reason: string
  readonly scheduler: string | null
}

/** The plan of a build. The properties that every build has stand over those of the request. */
export function makePlan(config: Config, builder: Builder, build: BuildToPlan): Plan {
  const properties = buildProperties(builder, build)
  const source = (name: string) => config.changeSources.find((candidate) => candidate.name === name)
  const steps = builder.steps.map((step) =>
    expandStep(step, {builder, sourceStamps: build.sourceStamps, source}),
  )
  return {
    build: build.id,
    builder: builder.name,
    number: build.number,
    workspace: workspaceName(builder.name),
    sourceStamps: [...build.sourceStamps],
    properties,
    env: {...builder.env},
    container: builder.container,
    timeoutMs: builder.timeoutMs,
    intGraceMs: builder.intGraceMs,
    termGraceMs: builder.termGraceMs,
    secrets: secretsIn({env: builder.env, steps}),
    steps,
  }
}

/** What a build knows of itself before its first step. */
export function buildProperties(builder: Builder, build: BuildToPlan): Record<string, Property> {
  const [stamp] = build.sourceStamps
  return {
    ...builder.properties,
    ...build.properties,
    builder: builder.name,
    buildNumber: build.number,
    repository: stamp?.repository ?? '',
    branch: stamp?.branch ?? '',
    revision: stamp?.revision ?? '',
    reason: build.reason,
    scheduler: build.scheduler ?? '',
  }
}

/** A directory name that differs whenever the builder's name does: what is not plain is written as its code. */
export function workspaceName(builder: string): string {
  const plain = Array.from(builder)
    .map((c) => (/[A-Za-z0-9-]/.test(c) ? c : `_${(c.codePointAt(0) ?? 0).toString(16)}_`))
    .join('')
  return plain.startsWith('-') ? `_${plain}` : plain.slice(0, 120)
}
