// A plan is everything a worker must know to run a build by itself: the step sequence with its conditions,
// limits and policies. The master resolves it once; it is stored with the attempt and never changes.
import {z} from 'zod'

/** A property's value: what JSON can say. */
export const propertyShape = z.json()
export type Property = z.infer<typeof propertyShape>

/**
 * Text with holes that only the worker can fill. `prop` is a build property as it stands when the step starts,
 * `take` cuts its text to that many characters, `otherwise` stands in when it is not set (without it, an unset
 * property ends the step as an exception). `secret` is filled from the values that came with the offer.
 */
export const templateShape = z.array(
  z.union([
    z.string(),
    z.object({
      prop: z.string(),
      take: z.int().positive().optional(),
      otherwise: z.string().optional(),
    }),
    z.object({secret: z.string()}),
  ]),
)
export type Template = z.infer<typeof templateShape>

const envShape = z.record(z.string(), templateShape)

/** Run a program. `argv` runs as it is; `script` runs under `sh -e -c`. The working directory is below the workspace. */
const spawnShape = z.object({
  command: z.literal('spawn'),
  argv: z.array(templateShape).nullable(),
  script: templateShape.nullable(),
  workdir: templateShape,
  /** Put what it prints on standard output into a property, with white space at the ends taken off. */
  capture: z.string().nullable(),
  /** Paths below the workspace (globs) of JUnit reports to read when it ends. */
  junit: z.array(templateShape),
})

/**
 * Bring the workspace to one revision of a repository. Sets the properties `gotRevision` and, in a workspace
 * of several repositories, `gotRevision.NAME`.
 */
const checkoutShape = z.object({
  command: z.literal('checkout'),
  /** The source's name in the configuration, for the property's name. */
  name: z.string(),
  url: templateShape,
  branch: templateShape,
  /** An object name, or empty for the branch's tip. */
  revision: templateShape,
  workdir: templateShape,
  /** incremental keeps untracked files, clean removes them (also ignored ones), fresh starts with an empty directory. */
  mode: z.enum(['incremental', 'clean', 'fresh']),
  depth: z.int().positive().nullable(),
  submodules: z.boolean(),
})

/** Keep files of the workspace on the master. */
const keepShape = z.object({
  command: z.literal('keep'),
  files: z.array(templateShape),
  artifact: templateShape,
  workdir: templateShape,
  /** Nothing to keep is a failure unless this is set. */
  optional: z.boolean(),
})

export const commandShape = z.discriminatedUnion('command', [spawnShape, checkoutShape, keepShape])
export type Command = z.infer<typeof commandShape>
export type Spawn = z.infer<typeof spawnShape>
export type Checkout = z.infer<typeof checkoutShape>
export type Keep = z.infer<typeof keepShape>

/** When a step is tried again: `on` names kinds of failure, see `failureKind` in worker/core. */
export const retryShape = z.object({
  times: z.int().min(0),
  delayMs: z.int().min(0),
  on: z.array(z.enum(['failure', 'timeout', 'temporary', 'exception'])),
})
export type Retry = z.infer<typeof retryShape>

export const planStepShape = z.object({
  name: z.string(),
  kind: z.string(),
  command: commandShape,
  env: envShape,
  /** A CEL condition over `result`, `props`, `steps`, `branch`, `revision`; null always holds. */
  when: z.string().nullable(),
  alwaysRun: z.boolean(),
  haltOnFailure: z.boolean(),
  flunkOnFailure: z.boolean(),
  warnOnFailure: z.boolean(),
  /** Milliseconds of silence, and in all, after which the step's processes are ended; null is no limit. */
  silenceMs: z.int().positive().nullable(),
  maxMs: z.int().positive().nullable(),
  retry: retryShape,
  /** A linear-time (RE2) pattern; each line it finds counts as a warning. */
  warningPattern: z.string().nullable(),
})
export type PlanStep = z.infer<typeof planStepShape>

export const containerShape = z.object({
  image: z.string(),
  memoryBytes: z.int().positive().nullable(),
  cpus: z.number().positive().nullable(),
  pids: z.int().positive().nullable(),
  network: z.string().nullable(),
  user: z.string().nullable(),
})
export type ContainerPlan = z.infer<typeof containerShape>

export const sourceStampShape = z.object({
  /** The source's name in the configuration, or the URL where there is none. */
  repository: z.string(),
  branch: z.string().nullable(),
  revision: z.string().nullable(),
})
export type SourceStamp = z.infer<typeof sourceStampShape>

export const planShape = z.object({
  build: z.string(),
  builder: z.string(),
  number: z.int(),
  /** The workspace's directory name: one per builder and worker, kept between builds. Letters, digits, `.`, `_`, `-`. */
  workspace: z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,120}$/),
  sourceStamps: z.array(sourceStampShape),
  properties: z.record(z.string(), propertyShape),
  env: envShape,
  /** null runs on the host. */
  container: containerShape.nullable(),
  /** Milliseconds for the whole build; null is no limit. */
  timeoutMs: z.int().positive().nullable(),
  /** Grace in milliseconds after INT, and after TERM, before the next harder signal. */
  intGraceMs: z.int().min(0),
  termGraceMs: z.int().min(0),
  /** Names of the secrets that templates refer to; their values come beside the plan and are masked in output. */
  secrets: z.array(z.string()),
  steps: z.array(planStepShape),
})
export type Plan = z.infer<typeof planShape>
