// A world for tests of stages: the given store, real files in a temporary directory, and a configuration from YAML.
import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import path from 'node:path'
import type {ExecutionContext} from 'ava'
import {loadYaml} from '../../config/load.ts'
import {type Sessions} from '../../master/flow/sessions.ts'
import {ArtifactFiles} from '../../master/world/artifacts.ts'
import {openBells} from '../../master/world/bells.ts'
import type {Attached} from '../../master/world/desk.ts'
import {ledger} from '../../master/world/ledger.ts'
import {LogFiles} from '../../master/world/logs.ts'
import {openSay} from '../../master/world/say.ts'
import {Secrets} from '../../master/world/secrets.ts'
import {storeVersion} from '../../master/world/settings.ts'
import type {Store} from '../../master/world/store/store.ts'
import type {World} from '../../master/world/world.ts'
import type {Entry} from '../../worker/protocol/journal.ts'
import type {MasterMessage, Offer} from '../../worker/protocol/messages.ts'

export interface TestWorld extends World {
  /** Puts another configuration in force. */
  reconfigure(yaml: string): Promise<void>
}

export async function openTestWorld(t: ExecutionContext, store: Store, yaml: string): Promise<TestWorld> {
  const dir = await mkdtemp(path.join(tmpdir(), 'ostler-world-'))
  const master = `test-${path.basename(dir)}`
  const bells = await openBells(store, master)
  t.teardown(() => rm(dir, {recursive: true}))
  const load = async (text: string) => {
    const loaded = loadYaml(text, 'test.yaml')
    if (loaded.config === null) throw new Error(JSON.stringify(loaded.problems))
    const settings = await storeVersion(store, loaded.config, text)
    return {...settings, secrets: new Secrets(null, {OSTLER_SECRET_KEY: 's3cret'})}
  }
  let settings = await load(yaml)
  return {
    master,
    store,
    ledger,
    bells,
    say: openSay('silent'),
    logs: new LogFiles(path.join(dir, 'logs')),
    artifacts: new ArtifactFiles(path.join(dir, 'artifacts')),
    hindrance: () => null,
    settings: () => settings,
    async reconfigure(text) {
      settings = await load(text)
    },
  }
}

/** The worker's side of a session, as the desk sees it: what it is told is kept, what it says is chosen by the test. */
export class ScriptedWorker {
  readonly told: MasterMessage[] = []
  closed: string | null = null
  /** Answers no ping: its line is dead. */
  isDeaf = false
  readonly #sessions: Sessions
  readonly #name: string
  #session = ''

  constructor(sessions: Sessions, name: string) {
    this.#sessions = sessions
    this.#name = name
  }

  async attach(
    attempts: {attempt: string; last: number; applied: number}[] = [],
    {maxBuilds = 1, instance}: {maxBuilds?: number; instance?: string} = {},
  ) {
    const attached = await this.#sessions.attach(
      {
        say: 'hello',
        protocols: [1, 1],
        worker: this.#name,
        ...(instance !== undefined && {instance}),
        version: '0',
        labels: {},
        maxBuilds,
        engine: null,
        now: Date.now(),
        freeBytes: null,
        attempts,
      },
      {
        send: (message) => this.told.push(message),
        close: (_code, reason) => {
          this.closed = reason
        },
        bufferedBytes: () => 0,
        isAlive: async () => !this.isDeaf,
        terminate: () => {
          this.closed = 'terminated'
          void this.detach()
        },
      },
    )
    if ('session' in attached) this.#session = attached.session
    return attached as Attached
  }

  offers(): Offer[] {
    return this.told.filter((message) => message.say === 'offer')
  }

  applied(attempt: string): number {
    return Math.max(
      0,
      ...this.told.flatMap((m) => (m.say === 'applied' && m.attempt === attempt ? [m.upTo] : [])),
    )
  }

  async beat(): Promise<void> {
    await this.#sessions.said(
      this.#name,
      this.#session,
      {say: 'beat', now: Date.now(), freeBytes: null},
      null,
    )
  }

  async accept(attempt: string): Promise<void> {
    await this.#sessions.said(this.#name, this.#session, {say: 'accept', attempt}, null)
  }

  async decline(attempt: string): Promise<void> {
    await this.#sessions.said(
      this.#name,
      this.#session,
      {say: 'decline', attempt, code: 'full', text: 'full'},
      null,
    )
  }

  async journal(
    attempt: string,
    entries: readonly Entry[],
    from = 1,
    bodies: readonly (Uint8Array | null)[] = [],
  ) {
    for (const [n, entry] of entries.entries())
      await this.#sessions.said(
        this.#name,
        this.#session,
        {say: 'journal', attempt, seq: from + n, entry},
        bodies[n] ?? null,
      )
  }

  async detach(): Promise<void> {
    await this.#sessions.detached(this.#name, this.#session)
  }
}
