// What a configuration in TypeScript imports, as 'ostler/config': `defineConfig`, one function for each kind (it only
// adds the kind's name), and the types. What they make is data, the same that YAML says.
import type {z} from 'zod'
import type {Document} from './document.ts'
import type {fastForward as fastForwardKind} from './kinds/promotions/fastForward.ts'
import type {gate as gateKind} from './kinds/promotions/gate.ts'
import type {merge as mergeKind} from './kinds/promotions/merge.ts'
import type {mail as mailReporterKind} from './kinds/reporters/mail.ts'
import type {webhook as webhookReporterKind} from './kinds/reporters/webhook.ts'
import type {force as forceKind} from './kinds/schedulers/force.ts'
import type {nightly as nightlyKind} from './kinds/schedulers/nightly.ts'
import type {singleBranch as singleBranchKind} from './kinds/schedulers/singleBranch.ts'
import type {git as gitSourceKind} from './kinds/sources/git.ts'
import type {webhook as webhookSourceKind} from './kinds/sources/webhook.ts'
import type {git as gitKind} from './kinds/steps/git.ts'
import type {setPropertyFromCommand as setPropertyKind} from './kinds/steps/setPropertyFromCommand.ts'
import type {shell as shellKind} from './kinds/steps/shell.ts'
import type {upload as uploadKind} from './kinds/steps/upload.ts'

/** The whole document, as a user writes it. */
export type ConfigInput = Omit<Document, '$schema'>
export type BuilderInput = NonNullable<ConfigInput['builders']>[number]
export type StepInput = BuilderInput['steps'][number]
export type WorkerInput = NonNullable<ConfigInput['workers']>[number]
export type SchedulerInput = NonNullable<ConfigInput['schedulers']>[number]
export type ChangeSourceInput = NonNullable<ConfigInput['changeSources']>[number]
export type ReporterInput = NonNullable<ConfigInput['reporters']>[number]
export type PromotionRuleInput = NonNullable<NonNullable<ConfigInput['promotions']>['rules']>[number]

type Input<K extends {readonly shape: z.ZodType}> = z.input<K['shape']>
type Options<K extends {readonly shape: z.ZodType}> = Omit<Input<K>, 'kind'>

/** The configuration, with its types checked by the editor. */
export const defineConfig = (config: ConfigInput): ConfigInput => config

/** A step that brings the workspace to the revision being built. */
export const git = (options: Options<typeof gitKind>): Input<typeof gitKind> => ({kind: 'git', ...options})

/** A step that runs a command. */
export const shell = (options: Options<typeof shellKind>): Input<typeof shellKind> => ({
  kind: 'shell',
  ...options,
})

/** A step that keeps what a command prints as a property. */
export const setPropertyFromCommand = (
  options: Options<typeof setPropertyKind>,
): Input<typeof setPropertyKind> => ({
  kind: 'setPropertyFromCommand',
  ...options,
})

/** A step that keeps files on the master. */
export const upload = (options: Options<typeof uploadKind>): Input<typeof uploadKind> => ({
  kind: 'upload',
  ...options,
})

/** A change source: a polled git repository. */
export const gitSource = (options: Options<typeof gitSourceKind>): Input<typeof gitSourceKind> => ({
  kind: 'git',
  ...options,
})

/** A change source: a forge's hook. */
export const webhookSource = (
  options: Options<typeof webhookSourceKind>,
): Input<typeof webhookSourceKind> => ({
  kind: 'webhook',
  ...options,
})

/** A scheduler that builds the changes of a branch. */
export const singleBranch = (options: Options<typeof singleBranchKind>): Input<typeof singleBranchKind> => ({
  kind: 'singleBranch',
  ...options,
})

/** A scheduler that builds at times of a calendar. */
export const nightly = (options: Options<typeof nightlyKind>): Input<typeof nightlyKind> => ({
  kind: 'nightly',
  ...options,
})

/** A scheduler that builds when asked. */
export const force = (options: Options<typeof forceKind>): Input<typeof forceKind> => ({
  kind: 'force',
  ...options,
})

/** A promotion that moves a branch forward to a tested commit. */
export const fastForward = (options: Options<typeof fastForwardKind>): Input<typeof fastForwardKind> => ({
  kind: 'fastForward',
  ...options,
})

/** A promotion that merges a branch into another. */
export const merge = (options: Options<typeof mergeKind>): Input<typeof mergeKind> => ({
  kind: 'merge',
  ...options,
})

/** A promotion that tests the merge of two branches before it lands. */
export const gate = (options: Options<typeof gateKind>): Input<typeof gateKind> => ({
  kind: 'gate',
  ...options,
})

/** A reporter that sends mail. */
export const mailReporter = (options: Options<typeof mailReporterKind>): Input<typeof mailReporterKind> => ({
  kind: 'mail',
  ...options,
})

/** A reporter that posts JSON, or a chat's message. */
export const webhookReporter = (
  options: Options<typeof webhookReporterKind>,
): Input<typeof webhookReporterKind> => ({
  kind: 'webhook',
  ...options,
})

/** `{secret: NAME}`: a value that lives in the secrets overlay. */
export const secret = (name: string): {secret: string} => ({secret: name})
