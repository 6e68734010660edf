// What a rollback is: the plan that people see first, and their order to do exactly that.
import type {Role} from './facts.ts'

/** What a rollback would do. */
export interface RollbackPlan {
  readonly rule: string
  readonly branch: string
  /** Where the branch is, and where it would be. */
  readonly from: string
  readonly to: string
  /** The promotion that is taken back. */
  readonly promotion: string
  /** How many commits leave the branch, and the newest of its line. */
  readonly commits: number
  readonly leaving: readonly string[]
  /** Rules that are held, since they would move the branch again. */
  readonly holds: readonly string[]
  readonly warnings: readonly string[]
}

/** A person's order to do what a plan said. */
export interface RollbackOrder {
  readonly from: string
  readonly to: string
  readonly reason: string
  /** Also deny the revision that is taken back, so that it does not come again when the hold is released. */
  readonly deny: boolean
  readonly actor: {readonly who: string; readonly address: string | null}
  readonly role: Role
}

export interface RolledBack {
  readonly promotion: string
  readonly state: 'done' | 'raced' | 'failed' | 'pushing'
  readonly error: string | null
}

/** Something about the order or the branch stands in the way; nothing was done. */
export class RollbackRefused extends Error {
  override readonly name = 'RollbackRefused'
}
