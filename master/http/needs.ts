// Everything the server asks of the rest of the house, so that `main.ts` can hand it over in one object.
import type {FastifyBaseLogger} from 'fastify'
import type {Registry} from 'prom-client'
import type {Config, Problem} from '../../config/config.ts'
import type {ArtifactFiles} from '../world/artifacts.ts'
import type {Bells} from '../world/bells.ts'
import type {WorkerDesk} from '../world/desk.ts'
import type {LogFiles} from '../world/logs.ts'
import type {Sql, Store} from '../world/store/store.ts'
import type {DecisionRow} from '../world/store/views/promotions.ts'

export interface Needs {
  readonly store: Store
  readonly bells: Bells
  readonly master: string
  readonly version: string
  readonly settings: Settings
  readonly tokens: Tokens
  readonly secret: (name: string) => Promise<string>
  readonly logs: LogFiles
  readonly artifacts: ArtifactFiles
  readonly desk: WorkerDesk
  readonly promoter: Promoter
  /** Reasons why this master is not well, beyond the database; empty when it is. */
  readonly complaints: () => Promise<readonly string[]>
  readonly metrics: Registry
  /** The directory of the built web application; null serves none. */
  readonly webDirectory: string | null
  readonly logger: FastifyBaseLogger | null
}

/** The configuration as it stands. */
export interface Settings {
  config(): Config
  /** The stored version's id. */
  version(): string | null
  /** Reads the file again; with problems the old configuration stays. */
  reload(): Promise<{readonly version: string | null; readonly problems: readonly Problem[]}>
}

export interface TokenRow {
  readonly id: string
  readonly kind: 'user' | 'worker'
  readonly name: string
  readonly role: 'viewer' | 'developer' | 'operator' | 'admin' | null
}

export interface Tokens {
  find(token: string): Promise<TokenRow | null>
  findSession(session: string): Promise<TokenRow | null>
  openSession(tokenId: string, untilMs: number): Promise<string>
  closeSession(session: string): Promise<void>
  create(tx: Sql, token: {kind: 'user' | 'worker'; name: string; role: TokenRow['role']; by: string}): Promise<{id: string; token: string}>
  revoke(tx: Sql, id: string): Promise<boolean>
}

export interface Promoter {
  /** Judges a rule now and, unless dry, acts; answers the decision it recorded, or would have. */
  run(order: {readonly rule: string; readonly dryRun: boolean; readonly actor: string}): Promise<DecisionRow>
}
