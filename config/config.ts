// What a loaded configuration is: every default filled in, every name resolved, every unit in the base unit
// (milliseconds, bytes). `load.ts` is the only maker; the master and its stages are the readers.
import type {Freeze} from './terms/freezes.ts'
import type {ContainerPlan, Plan, PlanStep, Property, SourceStamp, Template} from '../worker/protocol/plan.ts'

/** A value that lives in the secrets overlay, by name. */
export interface SecretRef {
  readonly secret: string
}

export interface Config {
  readonly title: string
  /** Where people reach the master, with a final slash; null: the address it listens on. */
  readonly url: string | null
  readonly timezone: string
  readonly secrets: {readonly directory: string | null}
  /** Who may look without a token. Changing anything always needs one. */
  readonly access: {readonly read: 'open' | 'closed'}
  readonly changeSources: readonly ChangeSource[]
  readonly workers: readonly WorkerConfig[]
  readonly builders: readonly Builder[]
  readonly schedulers: readonly Scheduler[]
  readonly promotions: Promotions
  readonly reporters: readonly Reporter[]
  readonly retention: Retention
}

export type ChangeSource = GitSource | WebhookSource

export interface GitSource {
  readonly kind: 'git'
  readonly name: string
  readonly url: string
  /** Branch names or globs (`release/*`). */
  readonly branches: readonly string[]
  readonly pollIntervalMs: number
  /** What polls and checkouts open it with; checkouts carry it to workers. */
  readonly credentials: Credentials
  /** What promotions push with: it never leaves the master. null: no promotion pushes here, or nothing is needed. */
  readonly pushCredentials: Credentials | null
}

/** User name and password (or token) for HTTP, or a private key file's content for ssh. */
export interface Credentials {
  readonly user: string | null
  readonly password: SecretRef | null
  readonly sshKey: SecretRef | null
  /** Lines as in a `known_hosts` file; null accepts a server's key at first sight and keeps to it. */
  readonly knownHosts: string | null
}

export interface WebhookSource {
  readonly kind: 'webhook'
  readonly name: string
  readonly dialect: 'github' | 'gitea' | 'gitlab'
  readonly secret: SecretRef
  /** Repositories (clone URLs or `owner/name`) it accepts; empty accepts every one. */
  readonly repositories: readonly string[]
  /** A git source that the hook wakes instead of recording changes itself: one list of changes, no poll to wait for. */
  readonly wakes: string | null
}

export interface WorkerConfig {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  /** null leaves it to the worker. */
  readonly maxBuilds: number | null
  /** How long it may be away, in milliseconds, before its builds are tried elsewhere; null: ten minutes. */
  readonly missingTimeoutMs: number | null
}

export interface Builder {
  readonly name: string
  readonly tags: readonly string[]
  readonly description: string
  readonly requires: Readonly<Record<string, string>>
  /** Workers that may build it, by name; empty: every worker with the labels. */
  readonly workers: readonly string[]
  readonly container: ContainerPlan | null
  readonly env: Readonly<Record<string, Template>>
  readonly properties: Readonly<Record<string, Property>>
  readonly timeoutMs: number | null
  /** Merge waiting requests of the same branch into the newest. */
  readonly collapseRequests: boolean
  readonly priority: number
  /** Grace after INT and after TERM. */
  readonly intGraceMs: number
  readonly termGraceMs: number
  readonly steps: readonly Step[]
}

/** A step as configured; its kind's own file knows the options and expands it. */
export interface Step {
  readonly kind: string
  readonly name: string
  readonly options: unknown
}

/** What a step kind may use to make its part of a plan. */
export interface Expansion {
  readonly builder: Builder
  readonly sourceStamps: readonly SourceStamp[]
  readonly source: (name: string) => ChangeSource | undefined
}

export type Scheduler = SingleBranch | Nightly | Force

interface SchedulerCommon {
  readonly name: string
  readonly builders: readonly string[]
  readonly properties: Readonly<Record<string, Property>>
  /** Higher first; added to the builder's. */
  readonly priority: number
  readonly reason: string | null
}

export interface SingleBranch extends SchedulerCommon {
  readonly kind: 'singleBranch'
  readonly source: string
  /** A branch or glob. */
  readonly branch: string
  /** Quiet time in milliseconds before a build; null builds each change at once. */
  readonly treeStableTimerMs: number | null
  /** Only changes that touch a file matching one of these globs; empty: all. */
  readonly files: readonly string[]
  /** What to do with new changes while the branch is red: build them all the same, or only once one is marked as its mending. */
  readonly onRed: 'build' | 'testfix'
  /** What marks such a change: text within its message, in any case. */
  readonly testfixMarker: string
}

export interface Nightly extends SchedulerCommon {
  readonly kind: 'nightly'
  readonly cron: string
  readonly timezone: string
  readonly source: string | null
  readonly branch: string | null
  readonly onlyIfChanged: boolean
  /** What to do about due times that passed while no master ran. */
  readonly missed: 'once' | 'skip'
}

export interface Force extends SchedulerCommon {
  readonly kind: 'force'
  readonly label: string
  /** The source that a branch and revision are of; null: the builder's first. */
  readonly source: string | null
  readonly branch: string | null
  /** Its builds count for promotions. */
  readonly trusted: boolean
  readonly parameters: readonly Parameter[]
}

export interface Parameter {
  readonly name: string
  readonly kind: 'string' | 'text' | 'integer' | 'boolean' | 'choice'
  readonly label: string
  readonly required: boolean
  readonly default: Property | null
  readonly choices: readonly string[]
  /** A linear-time (RE2) pattern that a text must match whole. */
  readonly pattern: string | null
  readonly min: number | null
  readonly max: number | null
}

export interface Promotions {
  /** A cron expression in the configuration's time zone; null: only when a build has ended. */
  readonly schedule: string | null
  /** onDemand: the master judges no rule by itself. */
  readonly run: 'automatic' | 'onDemand'
  readonly committer: Committer
  readonly rules: readonly PromotionRule[]
}

export type PromotionRule = FastForward | Merge | Gate

/** What every rule has. */
interface RuleCommon {
  readonly name: string
  readonly source: string
  readonly from: string
  readonly to: string
  /** When the branch does not move. */
  readonly freeze: readonly Freeze[]
  /** How many people of which role must approve of exactly the revision; null asks nobody. */
  readonly approvals: {readonly count: number; readonly role: 'developer' | 'operator' | 'admin'} | null
  /** What to do about a candidate that holds a commit which a later one takes back. */
  readonly reverts: 'veto' | 'ignore'
  /** A tag for each promotion, and a note on what landed. Holes as in a message. */
  readonly tag: Template | null
  readonly note: Template | null
}

export interface FastForward extends RuleCommon {
  readonly kind: 'fastForward'
  readonly green: Green
}

/** How a rule makes merge commits. */
interface Merging {
  /** Holes: `revision`, `from`, `to`, `rule`. */
  readonly message: Template
  /** null: the promotions' common one. */
  readonly committer: Committer | null
}

export interface Merge extends RuleCommon, Merging {
  readonly kind: 'merge'
  /** null carries the tip, tested or not. */
  readonly green: Green | null
  /** same: the merge must hold exactly the files of the tested commit. */
  readonly tree: 'same' | 'any'
}

export interface Gate extends RuleCommon, Merging {
  readonly kind: 'gate'
  /** What the merge itself must be. */
  readonly green: Green
  /** When the gate of the newest commit is red: wait for a newer one, or try an older one too. */
  readonly partial: boolean
}

export interface Committer {
  readonly name: string
  readonly email: string
}

/** Where builds come from. `promotion`: a promotion rule asked for them. */
export type BuildOrigin = 'scheduler' | 'force' | 'forceTrusted' | 'rebuild' | 'trigger' | 'api' | 'promotion'

export interface Green {
  readonly builders: readonly string[]
  /** latestFinished: the newest finished build decides; newestGreen: the newest green commit, whatever came later. */
  readonly policy: 'latestFinished' | 'newestGreen'
  /** Which results are green. */
  readonly accept: readonly ('success' | 'warnings')[]
  /** Whose builds count: builds of these origins, and those that a promotion asked for. */
  readonly origins: readonly BuildOrigin[]
  /** Other branches on which a build of the same revision counts as well. */
  readonly branches: readonly string[]
  /** Properties that a build must have had. */
  readonly properties: Readonly<Record<string, Property>>
  /** How long a commit must have been green. */
  readonly soakMs: number
  /** Ask for the builds that are missing, when no commit has them all. */
  readonly fillIn: boolean
  /** While a newer commit is being built: promote the older one, or wait for the newer. */
  readonly running: 'pass' | 'wait'
  /** Whether a build counts that was made before its builder's steps were changed. */
  readonly staleEvidence: 'accept' | 'refuse'
  /** How often a commit may be built by one builder until a green one comes too late; null: as often as wanted. */
  readonly runsMax: number | null
  /** Builders that need not be green for a while. */
  readonly quarantine: readonly {readonly builder: string; readonly until: string; readonly reason: string}[]
}

export type Reporter = WebhookReporter | MailReporter

interface ReporterShared {
  readonly name: string
  readonly on: readonly ReportEvent[]
  /** Only builds of these builders; empty: of all. */
  readonly builders: readonly string[]
  /** Only promotions of these rules; empty: of all. */
  readonly rules: readonly string[]
}

export interface WebhookReporter extends ReporterShared {
  readonly kind: 'webhook'
  readonly url: string | SecretRef
  readonly dialect: 'json' | 'mattermost' | 'slack'
  /** Signs the body: `X-Ostler-Signature-256: sha256=HMAC`. */
  readonly secret: SecretRef | null
}

export interface MailReporter extends ReporterShared {
  readonly kind: 'mail'
  /** An address, or `Name <address>`. */
  readonly from: string
  /** Addresses, and the word `authors` for whoever wrote the changes. */
  readonly to: readonly string[]
  readonly subjectPrefix: string
  readonly smtp: Smtp
}

export interface Smtp {
  readonly host: string
  readonly port: number
  /** tls: from the first byte. starttls: or nothing is sent. ifOffered: as the server likes. never: in the clear. */
  readonly tls: 'tls' | 'starttls' | 'ifOffered' | 'never'
  readonly user: string | null
  readonly password: SecretRef | null
}

/** problem: a build went from good to bad; fixed: the reverse. promoted: tested commits moved a branch; carried: a merge did. */
export type ReportEvent =
  | 'started'
  | 'finished'
  | 'success'
  | 'failure'
  | 'problem'
  | 'fixed'
  | 'promoted'
  | 'carried'
  | 'conflict'
  | 'resolved'
  | 'diverged'
  | 'refused'
  | 'held'
  | 'released'

export interface Retention {
  /** Ages in milliseconds; null keeps for ever. */
  readonly buildsMs: number | null
  readonly logsMs: number | null
  readonly artifactsMs: number | null
  /** The newest builds of each builder that are kept whatever their age. */
  readonly keepLatest: number
}

/** One thing wrong with a configuration. `path` such as `builders[0].steps[3].timeout`; line and column from 1. */
export interface Problem {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly path: string
  readonly message: string
}

export type Loaded =
  | {readonly config: Config; readonly problems: readonly []}
  | {readonly config: null; readonly problems: readonly Problem[]}

export type {Freeze}
export type {ContainerPlan, Plan, PlanStep, Property, SourceStamp, Template}
