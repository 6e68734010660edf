// What all steps share: when they run, what their failure means, their limits, and how they become part of a plan.
import {z} from 'zod'
import type {PlanStep, Retry, Template} from '../../worker/protocol/plan.ts'
import type {Expansion} from '../config.ts'
import {condition} from '../terms/conditions.ts'
import {duration, durationOrZero} from '../terms/durations.ts'
import {environment, template} from '../terms/interpolation.ts'
import {count, flag, line, list, someOf} from '../terms/names.ts'
import type {Fault, Kind} from './kind.ts'

export interface StepKind<S extends z.ZodObject = z.ZodObject> extends Kind<S> {
  /** Properties it sets when it has run. */
  sets?(options: Partial<z.output<S>>): readonly string[]
  /** What the worker is to do. */
  expand(options: z.output<S>, name: string, expansion: Expansion): PlanStep
}

/** Defines a step kind, with its options typed by its schema. */
export const defineStep = <S extends z.ZodObject>(kind: StepKind<S>): StepKind<S> => kind

/** Options of every step. */
export const flowOptions = (haltOnFailure: boolean) => ({
  name: line(100).optional().describe("The step's name, once in its builder. Default: its kind."),
  env: environment().prefault({}).describe("Environment variables, over the builder's. Text with holes."),
  when: condition()
    .nullable()
    .prefault(null)
    .describe(
      'A condition (CEL) over `result`, `props`, `steps`, `branch` and `revision`; where it is false the step is skipped.',
    ),
  alwaysRun: flag()
    .prefault(false)
    .describe('Run also after a step that halted the build, and after a cancel.'),
  haltOnFailure: flag()
    .prefault(haltOnFailure)
    .describe('When it fails, the steps after it are not run (but for those with `alwaysRun`).'),
  flunkOnFailure: flag().prefault(true).describe('When it fails, the build fails.'),
  warnOnFailure: flag().prefault(false).describe('When it fails, the build has warnings at least.'),
})

const failures = ['failure', 'timeout', 'temporary', 'exception'] as const

/** Options of a step whose work takes time or meets a network. */
export const limitOptions = () => ({
  timeout: duration('20m')
    .nullable()
    .prefault('20m')
    .describe('Silence allowed: without output for this long its processes are ended. `null` is no limit.'),
  maxTime: duration('2h')
    .nullable()
    .prefault(null)
    .describe('Time allowed in all, for each try. `null` is no limit.'),
  retry: z
    .strictObject(
      {
        times: count(0, 100).describe('How many more tries there may be.'),
        delay: durationOrZero('30s').prefault('0s').describe('Time between tries.'),
        on: list(z.enum(failures, {error: `expected one of ${failures.join(', ')}`}), 'kinds of failure')
          .prefault([...failures])
          .describe(
            'Which failures are tried again: `temporary` is exit code 75 or a server that does not answer, `exception` our own inability.',
          ),
      },
      {error: 'expected tries such as {times: 2, delay: 30s}'},
    )
    .optional()
    .describe('Try again when it fails.'),
})

interface FlowValues {
  readonly env: Record<string, Template>
  readonly when: string | null
  readonly alwaysRun: boolean
  readonly haltOnFailure: boolean
  readonly flunkOnFailure: boolean
  readonly warnOnFailure: boolean
  readonly timeout?: number | null
  readonly maxTime?: number | null
  readonly retry?: {times: number; delay: number; on: Retry['on']} | undefined
  readonly warningPattern?: string | null
}

/** The part of a plan step that all kinds fill alike. */
export const flowOf = (kind: string, name: string, options: FlowValues): Omit<PlanStep, 'command'> => ({
  name,
  kind,
  env: options.env,
  when: options.when,
  alwaysRun: options.alwaysRun,
  haltOnFailure: options.haltOnFailure,
  flunkOnFailure: options.flunkOnFailure,
  warnOnFailure: options.warnOnFailure,
  silenceMs: options.timeout ?? null,
  maxMs: options.maxTime ?? null,
  retry: options.retry
    ? {times: options.retry.times, delayMs: options.retry.delay, on: options.retry.on}
    : {times: 0, delayMs: 0, on: []},
  warningPattern: options.warningPattern ?? null,
})

/** A directory below the workspace. */
export const workdir = () =>
  template().prefault('.').describe('The directory it runs in, below the workspace. Text with holes.')

/** What is wrong with a directory that is known now: it must stay below the workspace. */
export function workdirFaults(made: Template | undefined): readonly Fault[] {
  const first = made?.[0]
  const climbs = made?.some((part) => typeof part === 'string' && part.split('/').includes('..'))
  if (!climbs && !(typeof first === 'string' && first.startsWith('/'))) return []
  return [{path: ['workdir'], message: 'expected a directory below the workspace'}]
}

/** One, or a list of them. */
export const oneOrMany = <T extends z.ZodType>(item: T, what: string) =>
  z.union([item.transform((one) => [one] as z.output<T>[]), someOf(item, what)], {
    error: `expected ${what}, or a list of at least one`,
  })

/** Options of a step that runs a program. */
export const commandOptions = () => ({
  command: z
    .union([template(), z.array(template())], {
      error: 'expected a command line, or a list of a program and its arguments',
    })
    .refine((command) => command.length > 0, {
      error: 'expected a command line, or a list of a program and its arguments',
    })
    .describe(
      'A command line for `sh -e -c`, or a list of a program and its arguments that runs as it is. Text with holes.',
    ),
  workdir: workdir(),
})

/** Whether a command is a command line, which the shell reads. */
const isScript = (command: Template | Template[]): command is Template =>
  !command.every((part) => Array.isArray(part)) || command.length === 0

/** The program or the script of a step. */
export const programOf = (command: Template | Template[]) =>
  isScript(command) ? {argv: null, script: command} : {argv: command, script: null}
