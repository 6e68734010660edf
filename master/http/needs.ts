// Everything the server asks of the rest of the house, so that `main.ts` can hand it over in one object.
import type {Writable} from 'node:stream'
import type {SecureContextOptions} from 'node:tls'
import type {Registry} from 'prom-client'
import type {Problem, PromotionRule} from '../../config/config.ts'
import type {Finding} from '../core/findings.ts'
import type {RollbackOrder, RollbackPlan, RolledBack} from '../core/promotion/rollback.ts'
import type {WorkerDesk} from '../world/desk.ts'
import type {DecisionRow} from '../world/store/views/promotions.ts'
import type {World} from '../world/world.ts'

export interface Needs extends World {
  /** The version of Ostler. */
  readonly version: string
  /** Reads the configuration's file again; with problems the old one stays in force. */
  readonly reload: () => Promise<{readonly version: string; readonly problems: readonly Problem[]}>
  readonly desk: WorkerDesk
  readonly promoter: Promoter
  /** Writes a backup and ends the stream; when it fails, the stream is destroyed. */
  readonly backup: (out: Writable) => Promise<unknown>
  /** Reasons why this master is not well, beyond the database; empty when it is. */
  readonly complaints: () => Promise<readonly string[]>
  /** What the reconciler found wrong with the ledger when it looked last, and when (milliseconds since 1970). */
  readonly found: () => {readonly at: number | null; readonly findings: readonly Finding[]}
  readonly metrics: Registry
  /** What TLS is spoken with, for a server that speaks it itself. */
  readonly tls?: SecureContextOptions
  /** The directory of the built web application; null serves none. */
  readonly webDirectory: string | null
}

export interface Promoter {
  /** Judges a rule now and, unless dry, acts; answers the decision it recorded, or would have. */
  run(order: {readonly rule: string; readonly dryRun: boolean; readonly actor: string}): Promise<DecisionRow>
  /** Says what taking a rule's branch back would do. */
  planRollback(rule: PromotionRule): Promise<RollbackPlan>
  /** Does exactly that, if the branch is where the plan saw it. */
  rollBack(rule: PromotionRule, order: RollbackOrder): Promise<RolledBack>
}
