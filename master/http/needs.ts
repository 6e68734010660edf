// Everything the server asks of the rest of the house, so that `main.ts` can hand it over in one object.
import type {FastifyBaseLogger} from 'fastify'
import type {Registry} from 'prom-client'
import type {Config, Problem} from '../../config/config.ts'
import type {Bells} from '../world/bells.ts'
import type {WorkerDesk} from '../world/desk.ts'
import type {Sql, Store} from '../world/store/store.ts'
import type {LogRow} from '../world/store/views/logs.ts'
import type {DecisionRow} from '../world/store/views/promotions.ts'

export interface Needs {
  readonly store: Store
  readonly bells: Bells
  readonly master: string
  readonly version: string
  readonly settings: Settings
  readonly tokens: Tokens
  readonly secret: (name: string) => Promise<string>
  readonly logs: LogReader
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

/** The stored text of logs. Offsets count bytes of the text. */
export interface LogReader {
  /** One whole gzip member with the log as far as `log` says, also while it still grows. */
  readRaw(log: LogRow): AsyncIterable<Uint8Array>
  /** The text from a byte offset on, as far as `log` says. */
  readText(log: LogRow, offset: number): AsyncIterable<Uint8Array>
  /** A byte offset at or before the beginning of a line (from 0), and the number of the line that begins there. */
  seekLine(log: LogRow, line: number): Promise<{readonly offset: number; readonly line: number}>
}

/** The content-addressed store of artifacts. */
export interface ArtifactFiles {
  has(sha256: string): Promise<boolean>
  /** Keeps the bytes if they are what they are said to be; throws an error with code `ARTIFACT_MISMATCH` if not. */
  keep(sha256: string, bytes: number, stream: AsyncIterable<Uint8Array>): Promise<void>
  /** The bytes from `start` to `end` (inclusive). */
  read(sha256: string, range: {start: number; end: number}): AsyncIterable<Uint8Array>
}

export interface Promoter {
  /** Judges a rule now and, unless dry, acts; answers the decision it recorded, or would have. */
  run(order: {readonly rule: string; readonly dryRun: boolean; readonly actor: string}): Promise<DecisionRow>
}
