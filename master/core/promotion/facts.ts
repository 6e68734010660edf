// What a promotion rule is judged by, and what comes of it: plain data, stored with the decision, so that the decision can
// be made again. Times are milliseconds by the database's clock.

/** A finished build that came to a verdict on its commit, and is of an origin that counts. */
export interface GateBuild {
  readonly id: string
  readonly builder: string
  readonly number: number
  readonly revision: string
  readonly result: 'success' | 'warnings' | 'failure'
  readonly finishedAt: number
  /** What else it was built with: other repositories' revisions; empty for none. */
  readonly beside: string
  /** How often this builder has judged this revision, and how often it was red. */
  readonly runs: number
  readonly reds: number
  /** Its builder's steps were changed since. */
  readonly isStale: boolean
}

/** A build of a revision that is under way, waits, or ended without a verdict on the commit. */
export interface OpenBuild {
  readonly builder: string
  readonly revision: string
  readonly state: 'running' | 'waiting' | 'retry' | 'exception' | 'cancelled' | 'skipped'
}

/** A commit on the first-parent line of the source branch that the target does not have. */
export interface Candidate {
  readonly revision: string
  /** It contains all of the target. */
  readonly descends: boolean
}

/** A commit that a later commit of the source branch takes back. `since`, `until`: the oldest candidates with it and with its revert. */
export interface Revert {
  readonly reverted: string
  readonly by: string
  readonly since: string
  readonly until: string
}

/** A person's word on a rule, in force or not any more. */
export interface Control {
  readonly id: string
  /** hold: nothing moves. approval, denial, allowance: of one revision. override: a freeze does not count. */
  readonly kind: 'hold' | 'approval' | 'denial' | 'allowance' | 'override'
  readonly revision: string | null
  readonly by: string
  readonly role: Role
  readonly reason: string
  /** Of a denial: the oldest candidate that holds the revision; null when no candidate does. */
  readonly since: string | null
  readonly isExact: boolean
  /** The promotion that a hold was set because of. */
  readonly promotion: string | null
  readonly until: number | null
}
export type Role = 'viewer' | 'developer' | 'operator' | 'admin'

/** Where a built revision lies: on the line, in the target already, merged into the source, off it, or nowhere known. */
export type Place = 'candidate' | 'contained' | 'merged' | 'elsewhere' | 'unknown'

/** How the source branch lies to the target. */
export type Relation = 'same' | 'ahead' | 'behind' | 'diverged' | 'unrelated'

export interface Tips {
  readonly fromTip: string | null
  readonly toTip: string | null
  /** null when a tip is missing. */
  readonly relation: Relation | null
}

/** A merge that is being tested on a scratch branch. */
export interface GateCommit {
  readonly candidate: string
  /** Where the target was. */
  readonly base: string
  readonly commit: string
  readonly tree: string
  /** Its files are exactly the candidate's. */
  readonly isSameTree: boolean
}

/** Everything that a rule is judged by. */
export interface Facts extends Tips {
  readonly now: number
  /** Newest first. */
  readonly candidates: readonly Candidate[]
  /** Per builder: its newest finished build of the branch. */
  readonly newest: readonly GateBuild[]
  /** Per builder and revision: the newest finished build. */
  readonly builds: readonly GateBuild[]
  readonly open: readonly OpenBuild[]
  /** A scheduler still waits for the branch to be quiet, and will build it by itself. */
  readonly isAwaited: boolean
  /** All that the source branch has and the target has not are merges. */
  readonly isOnlyMerges: boolean
  readonly places: Readonly<Record<string, Place>>
  readonly reverts: readonly Revert[]
  /** Reverts that a carry would take back upstream, of commits that are still wanted there. */
  readonly taken: readonly {readonly reverted: string; readonly by: string}[]
  /** Those in force. */
  readonly controls: readonly Control[]
  /** What this rule or another promoted to the target last, when the target does not hold it any more and nobody has said anything to it. */
  readonly lost: {readonly promotion: string; readonly landed: string} | null
  /** The last conflict of this rule, if any. */
  readonly conflict: {
    readonly candidate: string
    readonly toTip: string
    readonly files: readonly string[]
  } | null
  /** The merge under test, if any. */
  readonly gate: GateCommit | null
  /** Candidates whose merges with this target were put under test before. */
  readonly tested: readonly string[]
}

/** Why a candidate was not taken, or that it was. */
export interface Excuse {
  readonly revision: string
  readonly because: string
}

export interface Evidence {
  readonly policy: string
  readonly accept: readonly string[]
  readonly origins: readonly string[]
  /** The builds that bless the candidate, one of each gate builder. */
  readonly builds: readonly GateBuild[]
  readonly newest: readonly GateBuild[]
  readonly excuses: readonly Excuse[]
  /** Builders that have judged the candidate both ways. */
  readonly flaky: readonly string[]
}

/** What else is to be done for a rule: builds to ask for, a merge to put under test, a hold to set. */
export type Order =
  | {readonly order: 'build'; readonly revision: string; readonly builders: readonly string[]}
  | {readonly order: 'gate'; readonly candidate: string}
  | {readonly order: 'hold'; readonly promotion: string; readonly reason: string}

/** promote: move to the candidate. wait: it may come by itself. refuse: a person must act. current: nothing to move. */
export interface Decision {
  readonly verdict: 'promote' | 'wait' | 'refuse' | 'current'
  readonly candidate: string | null
  /** What would be promoted if nobody and nothing held it. */
  readonly would: string | null
  readonly reasons: readonly string[]
  readonly evidence: Evidence | null
  readonly orders: readonly Order[]
  /** When time alone may change the decision. */
  readonly lookAt: number | null
}

export const shortName = (revision: string): string => revision.slice(0, 12)

/** A decision without more to say. */
export const plain = (verdict: Decision['verdict'], ...reasons: readonly string[]): Decision => ({
  verdict,
  candidate: null,
  would: null,
  reasons,
  evidence: null,
  orders: [],
  lookAt: null,
})
