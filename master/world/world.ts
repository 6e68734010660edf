// The world as the stages see it: everything outside the process, each behind one door.
import type {Config} from '../../config/config.ts'
import type {Artifacts} from './artifacts.ts'
import type {Bells} from './bells.ts'
import type {Ledger} from './ledger.ts'
import type {Logs} from './logs.ts'
import type {Say} from './say.ts'
import type {Secrets} from './secrets.ts'
import type {Store} from './store/store.ts'

/** The configuration in force. A reload replaces it whole; who reads it once uses one version throughout. */
export interface Settings {
  readonly config: Config
  /** The id of its row in `config_versions`. */
  readonly version: string
  readonly secrets: Secrets
}

export interface World {
  /** This master's name: one per process. */
  readonly master: string
  readonly store: Store
  readonly ledger: Ledger
  readonly bells: Bells
  readonly logs: Logs
  readonly artifacts: Artifacts
  readonly say: Say
  /** Why this master starts no new builds now, for people; null when it does. */
  readonly hindrance: () => string | null
  /** The settings in force now. */
  readonly settings: () => Settings
}
